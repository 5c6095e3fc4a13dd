"""6장 AlexNet의 그림.

층의 수, 커널, 특징 맵의 크기는 모형에서 읽으므로 그림과 모형이 어긋나지 않는다.
논문: Krizhevsky, Sutskever & Hinton (2012), 그림 2. 대회의 오류율은 Russakovsky et al.
(2015)과 각 논문의 것이다.
논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.complexity import LayerCost, layer_costs
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY

TOWER_COLORS = (BLUE, ORANGE)

# ILSVRC 분류 과제의 상위 5 오류율(%): (해, 팀이나 신경망, 오류율, 신경망인가)
CHALLENGE = (
    (2010, "NEC-UIUC", 28.2, False),
    (2011, "XRCE", 25.8, False),
    (2012, "ISI(2위)", 26.2, False),
    (2012, "AlexNet", 15.3, True),
    (2013, "Clarifai", 11.2, True),
    (2014, "GoogLeNet", 6.7, True),
    (2015, "ResNet", 3.6, True),
)


def challenge_errors() -> Figure:
    """ILSVRC 분류 과제의 상위 5 오류율을 해마다 막대로 그린다. 신경망은 채운 막대이다."""
    figure, ax = plt.subplots(figsize=(5.6, 3.4))
    for row, (_, _, error, network) in enumerate(CHALLENGE):
        style = {"fc": BLUE} if network else {"fc": PAPER, "hatch": "///"}
        bar = ax.barh(row, error, height=0.64, ec=BLUE if network else INK, **style)
        ax.bar_label(bar, [f"{error}"], padding=4)
    ax.set_yticks(range(len(CHALLENGE)), [f"{year} {name}" for year, name, *_ in CHALLENGE])
    ax.set(xlabel="상위 5 오류율(%)", xlim=(0, 32))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return figure


class Stage(NamedTuple):
    """두 탑 그림의 한 줄: 가중치가 있는 층과 그 뒤의 풀링.

    Attributes
    ----------
    name : 층의 이름
    kernel : 커널의 크기. 완전 연결 층이면 빈 문자열
    channels, size : 출력의 채널 수와 한 변. 완전 연결 층이면 한 변이 1이다.
    groups : 그룹의 수. 완전 연결 층은 1
    pooled : 뒤따르는 최대 풀링의 출력 한 변. 없으면 0
    """

    name: str
    kernel: str
    channels: int
    size: int
    groups: int
    pooled: int = 0


def stages(model: nn.Module, image_size: int) -> list[Stage]:
    """`AlexNet`의 가중치가 있는 층을 차례대로 읽는다."""
    layers = dict(model.named_modules())
    rows: list[Stage] = []
    for cost in layer_costs(model, (1, model.in_channels, image_size, image_size)):
        layer = layers[cost.name]
        if isinstance(layer, nn.Conv2d):
            kernel = "×".join(map(str, (*layer.kernel_size, layer.weight.shape[1])))
            channels, size, _ = cost.output_size
            rows.append(Stage(f"conv{len(rows) + 1}", kernel, channels, size, layer.groups))
        elif isinstance(layer, nn.MaxPool2d):
            rows[-1] = rows[-1]._replace(pooled=cost.output_size[1])
        elif isinstance(layer, nn.Linear):
            rows.append(Stage(f"fc{len(rows) + 1}", "", layer.out_features, 1, 1))
    return rows


def two_towers(model: nn.Module, image_size: int = 224) -> Figure:
    """두 GPU에 나눈 AlexNet. 선은 앞의 어느 절반을 보는지를 나타낸다.

    Parameters
    ----------
    model : `groups=2`인 `AlexNet`
    image_size : 입력의 한 변
    """
    rows = stages(model, image_size)
    groups = max(row.groups for row in rows)
    if groups != len(TOWER_COLORS):
        raise _checks.error("model", "두 탑으로 나뉘도록 그룹이 2개여야 합니다", groups)
    figure, ax = plt.subplots(figsize=(5.6, 9.0))
    pitch, towers = 10.0, (-13.0, 13.0)
    draw_maps(ax, 0.0, 0.0, image_size, model.in_channels, INK)
    title = f"입력 {model.in_channels}@{image_size}×{image_size}"
    ax.text(0, -5, title, ha="center", va="center", fontsize=10)
    for x, color, name in zip(towers, TOWER_COLORS, ("GPU 1", "GPU 2"), strict=True):
        ax.text(1.5 * x, 4, name, ha="center", va="center", color=color, fontsize=12)
    before = [(0.0, INK)]
    for index, row in enumerate(rows, start=1):
        y, last = pitch * index, index == len(rows)
        spots = [(0.0, INK)] if last else list(zip(towers, TOWER_COLORS, strict=True))
        for start, color in before:
            for stop, _ in spots:
                if row.groups == 1 or start == stop:
                    ax.plot((start, stop), (y - pitch + 3.4, y - 3.2), color=color, lw=1.8)
        share = row.channels // len(spots)
        label = f"{share}@{row.size}×{row.size}" if row.kernel else f"{share}"
        for x, color in spots:
            draw_maps(ax, x, y, row.size, share, color)
            side = -1 if x < 0 else 1
            align = "right" if x < 0 else "left"
            height = y - 0.9 if row.pooled else y
            ax.text(x + 6.6 * side, height, label, ha=align, va="center", fontsize=10)
            if row.pooled:
                pool = f"풀링 {row.pooled}×{row.pooled}"
                style = {"ha": align, "va": "center", "fontsize": 9.5, "color": GREEN}
                ax.text(x + 6.6 * side, y + 1.3, pool, **style)
        if not last:
            box = {"boxstyle": "round,pad=0.15", "fc": PAPER, "ec": "none"}
            name = f"{row.name}\n{row.kernel}" if row.kernel else row.name
            ax.text(0, y, name, ha="center", va="center", bbox=box, fontsize=10)
        else:
            ax.text(-6.6, y, row.name, ha="right", va="center", fontsize=10)
        before = spots
    ax.set(xlim=(-30, 30), ylim=(pitch * len(rows) + 3, -6.5))
    ax.axis("off")
    return figure


def draw_maps(ax: Axes, x: float, y: float, size: int, channels: int, color: str) -> None:
    """특징 맵의 묶음. 한 변은 크기의 네제곱근에, 장수는 채널 수의 로그에 따른다."""
    if size == 1:
        ax.add_patch(Rectangle((x - 5, y - 0.8), 10, 1.6, fc=PAPER, ec=color, lw=1.4))
        return
    side = 1.45 * size**0.25
    for shift in np.linspace(1.0, -1.0, max(2, round(np.log2(channels)))):
        corner = (x - side / 2 + shift, y - side / 2 - 0.6 * shift)
        ax.add_patch(Rectangle(corner, side, side, fc=PAPER, ec=color, lw=1.0))


def cost_shares(rows: Sequence[LayerCost]) -> Figure:
    """층마다 매개변수와 곱셈-누산이 차지하는 몫(%).

    Parameters
    ----------
    rows : `complexity.layer_costs`가 돌려준 것. 매개변수가 있는 층만 그린다.
    """
    weighted = [row for row in rows if row.parameters]
    columns = {
        "매개변수": ([row.parameters for row in weighted], {"fc": BLUE, "ec": BLUE}),
        "곱셈-누산": (
            [row.multiply_adds for row in weighted],
            {"fc": PAPER, "ec": ORANGE, "hatch": "///"},
        ),
    }
    figure, ax = plt.subplots(figsize=(5.6, 4.6))
    positions = np.arange(len(weighted))
    for offset, (name, (counts, style)) in zip((-0.2, 0.2), columns.items(), strict=True):
        shares = 100 * np.array(counts) / sum(counts)
        bars = ax.barh(positions + offset, shares, height=0.36, label=name, **style)
        ax.bar_label(bars, [f"{share:.1f}" for share in shares], padding=3, fontsize=10)
    kinds = ["conv" if len(row.output_size) == 3 else "fc" for row in weighted]
    ax.set_yticks(positions, [f"{kind}{index}" for index, kind in enumerate(kinds, start=1)])
    ax.set(xlabel="전체에서 차지하는 몫(%)", xlim=(0, 75))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.legend(loc="lower right")
    return figure


def dropout_sums(panels: Mapping[str, tuple[Tensor, float]]) -> Figure:
    """드롭아웃을 켠 출력의 분포(막대)와 그 평균(점선), 추론할 때의 값(실선).

    Parameters
    ----------
    panels : 제목과 (학습할 때의 출력 (N,), 추론할 때의 출력). 둘 이상
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(5.6, 2.2 * len(panels)), sharex=True)
    low = min(values.min().item() for values, _ in panels.values())
    high = max(values.max().item() for values, _ in panels.values())
    edges = np.linspace(low, high, 50)
    for ax, (title, (values, inference)) in zip(axes, panels.items(), strict=True):
        ax.hist(values.numpy(), bins=edges, color=SKY, label="학습할 때의 출력")
        mean = values.mean().item()
        ax.axvline(inference, color=ORANGE, lw=2.5, label="추론할 때의 출력")
        ax.axvline(mean, color=INK, ls="--", lw=1.5, label="학습할 때의 평균")
        ax.set_title(title)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    axes[0].legend(fontsize=9, loc="upper right")
    axes[-1].set_xlabel("유닛 하나의 출력")
    return figure


def crop_places(image: Tensor, size: int) -> Figure:
    """이미지 위에 네 모서리와 한가운데에서 자르는 `size`×`size` 조각의 자리를 그린다.

    Parameters
    ----------
    image : (3, H, W), 0 이상 1 이하
    size : 조각의 한 변. 이미지보다 작아야 한다.
    """
    height, width = image.shape[1:]
    if size >= min(height, width):
        raise _checks.error("size", f"이미지의 {height}×{width}보다 작아야 합니다", size)
    down, right = height - size, width - size
    places = {
        "왼쪽 위": (0, 0), "오른쪽 위": (0, right), "왼쪽 아래": (down, 0),
        "오른쪽 아래": (down, right), "한가운데": (down // 2, right // 2),
    }  # fmt: skip
    styles = zip((BLUE, ORANGE, GREEN, PINK, INK), ("-", "--", "-.", ":", "-"), strict=True)
    figure, ax = plt.subplots(figsize=(4.6, 4.9))
    ax.imshow(image.movedim(0, 2).numpy(), alpha=0.55)
    for (name, (top, left)), (color, line) in zip(places.items(), styles, strict=True):
        frame = Rectangle((left, top), size, size, fill=False, ec=color, ls=line, lw=2.5)
        frame.set_label(name)
        ax.add_patch(frame)
    ax.set(xlim=(-2, width + 2), ylim=(height + 2, -2))
    ax.axis("off")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9.5)
    return figure


def accuracy_gaps(results: Mapping[str, tuple[float, float]]) -> Figure:
    """학습 정확도(빈 점)와 시험 정확도(찬 점). 사이의 폭이 과적합의 크기이다.

    Parameters
    ----------
    results : 이름과 (학습 정확도, 시험 정확도)
    """
    figure, ax = plt.subplots(figsize=(5.6, 0.75 * len(results) + 1.1))
    for row, (train, test) in enumerate(results.values()):
        ax.plot((test, train), (row, row), color=FAINT, lw=6, zorder=0)
        ax.plot(train, row, "o", ms=10, mfc=PAPER, mec=ORANGE, mew=2)
        ax.plot(test, row, "o", ms=10, color=BLUE)
        ax.text((test + train) / 2, row - 0.2, f"{train - test:.2f}", ha="center")
    ax.plot([], [], "o", ms=10, color=BLUE, label="시험")
    ax.plot([], [], "o", ms=10, mfc=PAPER, mec=ORANGE, mew=2, label="학습")
    ax.set_yticks(range(len(results)), results)
    ax.set(xlabel="정확도", xlim=(0.6, 1.02), ylim=(len(results) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=2)
    return figure
