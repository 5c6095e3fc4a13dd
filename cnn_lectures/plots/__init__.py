"""교재의 그림. 여러 장이 함께 쓰는 것은 여기에, 한 장만 쓰는 것은 이름이 같은 파일에 둔다.

모든 함수는 `Figure`를 돌려주며 `plt.show`를 부르지 않는다. 색은 색각 이상이 있어도 구별되는
오카베·이토(Okabe–Ito) 팔레트를 쓰고, 색만으로 뜻을 나누지 않는다.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

FONT_FILE = Path(__file__).parents[1] / "fonts" / "Pretendard-Regular.otf"

BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
INK, PAPER, FAINT = "#24292f", "#ffffff", "#d8dee4"


def use_style() -> None:
    """책의 글꼴(한글이 든 Pretendard)과 색을 matplotlib의 기본값으로 삼는다."""
    font_manager.fontManager.addfont(FONT_FILE)
    mpl.rcParams.update(
        {
            "font.family": [font_manager.FontProperties(fname=FONT_FILE).get_name(), "DejaVu Sans"],
            "font.size": 11,
            "figure.dpi": 110,
            "figure.figsize": (6.4, 3.4),
            "figure.constrained_layout.use": True,
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, PINK, YELLOW, SKY]),
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "image.cmap": "gray_r",
            "image.interpolation": "nearest",
        }
    )


def learning_curve(history: Sequence) -> Figure:
    """에포크마다의 손실과 정확도를 나란히 그린다.

    Parameters
    ----------
    history : `cnn_lectures.train.fit`이 돌려준 목록
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.0))
    epochs = [row.epoch for row in history]
    for ax, kind, title in zip(axes, ("loss", "accuracy"), ("손실", "정확도"), strict=True):
        train = [getattr(row, f"train_{kind}") for row in history]
        test = [getattr(row, f"test_{kind}") for row in history]
        ax.plot(epochs, train, "o-", color=BLUE, label="학습")
        ax.plot(epochs, test, "s--", color=ORANGE, label="시험")
        ax.set(title=title, xlabel="에포크", xticks=epochs)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0.5, 1)
    axes[0].legend()
    return figure


def confusion_matrix(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """혼동 행렬. 칸의 짙기는 정답 종류 안에서의 비율, 수는 장수이다.

    Parameters
    ----------
    counts : (종류, 종류) 정수. 행이 정답, 열이 예측이다.
    names : 종류의 이름
    """
    figure, ax = plt.subplots(figsize=(6.4, 5.8))
    share = counts / counts.sum(axis=1, keepdims=True)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = PAPER if share[row, column] > 0.5 else INK
            ax.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    ticks = range(len(names))
    ax.set_xticks(ticks, names, rotation=45, ha="right")
    ax.set_yticks(ticks, names)
    ax.set(xlabel="예측", ylabel="정답")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return figure


def image_grid(
    images: np.ndarray,
    *,
    titles: Sequence[str] = (),
    columns: int = 10,
    cmap: str | None = None,
    limits: tuple[float, float] | None = None,
    width: float = 7.2,
) -> Figure:
    """2차원 배열 여럿을 격자로 늘어놓는다.

    Parameters
    ----------
    images : (개수, H, W)
    titles : 그림마다의 제목. 비우면 제목이 없다.
    columns : 한 줄에 놓을 개수
    cmap, limits : matplotlib의 색 지도와 (최솟값, 최댓값)
    width : 그림 전체의 폭(인치)
    """
    images = np.asarray(images)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    side = width / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, rows * (side + (0.25 if len(titles) else 0))), squeeze=False
    )
    low, high = limits or (None, None)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image in zip(axes.flat, images, strict=False):
        ax.imshow(image, cmap=cmap, vmin=low, vmax=high)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize=9)
    return figure
