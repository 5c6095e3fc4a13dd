"""7장 VGG의 그림.

표 1은 `CONFIGURATIONS`에서, 크기와 비용은 모형에서 읽으므로, 그림과 모형이 어긋나지 않는다.
논문: Simonyan & Zisserman (2015), arXiv:1409.1556, 표 1, 2.3절과 3.1절.
논문과 다른 점: 그림은 모두 새로 그렸다. 논문에는 그림이 없고 표만 있다.
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
from cnn_lectures.complexity import layer_costs
from cnn_lectures.models.vgg import CONFIGURATIONS, VGG
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY
from cnn_lectures.plots.convolution import EDGE, arrow, blank, outline

# 3×3, 1×1, 정규화, 완전 연결 칸의 바탕색과 테두리
WIDE, NARROW, NORM, DENSE = (
    ("#d6e8f5", BLUE), ("#fbe3d3", ORANGE), ("#f3dfeb", PINK), ("#e9edf1", INK),
)  # fmt: skip
LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"), (PINK, "-.", "D"))


class Block(NamedTuple):
    """풀링으로 나눈 한 단, 또는 완전 연결 층 전체의 비용.

    Attributes
    ----------
    activations : 이미지 한 장에서 합성곱 층과 완전 연결 층이 내는 값의 수
    """

    name: str
    channels: int
    size: int
    convolutions: int
    parameters: int
    multiply_adds: int
    activations: int


def blocks(model: VGG, image_size: int) -> list[Block]:
    """합성곱 단마다 하나, 그다음에 완전 연결 층을 모은 하나를 차례로 돌려준다.

    Parameters
    ----------
    model : 살펴볼 모형. `meta` 장치의 것도 된다.
    image_size : 입력의 한 변
    """
    groups, current = [], []
    for row in layer_costs(model, (1, model.in_channels, image_size, image_size)):
        current.append(row)
        if isinstance(model.get_submodule(row.name), nn.MaxPool2d):
            groups.append(current)
            current = []
    rows = []
    for number, group in enumerate([*groups, current], start=1):
        weighted = [row for row in group if row.multiply_adds]
        channels, *sides = weighted[-1].output_size
        rows.append(
            Block(
                f"합성곱 {number}단" if sides else "완전 연결",
                channels,
                sides[0] if sides else 1,
                len(weighted),
                sum(row.parameters for row in group),
                sum(row.multiply_adds for row in group),
                sum(int(np.prod(row.output_size)) for row in weighted),
            )
        )
    return rows


def configurations(names: Sequence[str]) -> Figure:
    """표 1. 열마다 구성 하나를 위에서 아래로 그린다. 가로줄이 2×2 최대 풀링이다.

    Parameters
    ----------
    names : `CONFIGURATIONS`의 열쇠
    """
    columns = [[stage.split() for stage in CONFIGURATIONS[name].split("|")] for name in names]
    if len({len(stages) for stages in columns}) != 1:
        raise _checks.error("names", "단의 수가 같은 구성이어야 합니다", list(names))
    heights = [max(map(len, stage)) for stage in zip(*columns, strict=True)]
    total = sum(heights) + 0.5 * len(heights) + 3
    figure, ax = plt.subplots(figsize=(6.0, 0.3 * total + 0.5))
    for x, (name, stages) in enumerate(zip(names, columns, strict=True)):
        ax.text(x, -0.7, name, ha="center", va="center", fontsize=12)
        top = 0.0
        for items, height in zip(stages, heights, strict=True):
            for row, item in enumerate(items):
                kind = NORM if item == "LRN" else NARROW if item.startswith("1×") else WIDE
                text = item.replace("1×", "1×1, ") if kind is NARROW else item
                cell(ax, x, top + row, text, kind)
            top += height + 0.5
        for row, text in enumerate(("4096", "4096", "1000")):
            cell(ax, x, top + row, text, DENSE)
    top = -0.25
    for number, height in enumerate(heights):
        top += height + 0.5
        ax.plot([-0.48, len(names) - 0.52], [top, top], color=GREEN, lw=2.2)
        size = 224 >> (number + 1)
        ax.text(len(names) - 0.42, top, f"{size}×{size}", va="center", color=INK, fontsize=10)
    ax.set(xlim=(-0.6, len(names) + 0.25), ylim=(total + 0.1, -1.2))
    ax.axis("off")
    return figure


def cell(ax: Axes, x: float, y: float, text: str, kind: tuple[str, str]) -> None:
    """표 1의 칸 하나. 왼쪽 위가 (`x` − 0.43, `y` + 0.08)이다."""
    fill, edge = kind
    ax.add_patch(Rectangle((x - 0.43, y + 0.08), 0.86, 0.84, fc=fill, ec=edge, lw=1))
    ax.text(x, y + 0.52, text, ha="center", va="center", fontsize=10)


def stacks(depth: int) -> Figure:
    """3×3을 `depth`번 지나는 길(위)과 수용 영역이 같은 큰 커널 한 번(아래). 패딩이 없다.

    주황 테두리가 창이고, 다음 격자의 주황 칸이 그 창의 출력이다.

    Parameters
    ----------
    depth : 쌓는 층의 수, 1 이상
    """
    depth = _checks.integer("depth", depth, minimum=1)
    side = 2 * depth + 1
    gap, height = 2.4, side + 2.2
    width = sum(range(1, side + 1, 2)) + gap * depth
    figure, axes = plt.subplots(2, 1, figsize=(5.6, 2 * 5.6 * height / width + 0.2))
    for ax, kernels in zip(axes, ([3] * depth, [side]), strict=True):
        size, x = side, 0.0
        for step, kernel in enumerate((*kernels, None)):
            y = (side - size) / 2
            for row, column in np.ndindex(size, size):
                first = step > 0 and (row, column) == (0, 0)
                fill = NARROW[0] if first else PAPER
                ax.add_patch(Rectangle((x + column, y + row), 1, 1, fc=fill, ec=EDGE, lw=0.8))
            ax.text(x + size / 2, side + 0.9, f"{size}×{size}", ha="center", va="center")
            if kernel:
                outline(ax, x, y, kernel, kernel)
                arrow(ax, (x + size + 0.3, side / 2), (x + size + gap - 0.3, side / 2))
                ax.text(x + size + gap / 2, side / 2 - 0.6, f"{kernel}×{kernel}", ha="center")
                x += size + gap
                size -= kernel - 1
        blank(ax, width, side + 1.6)
        weights = sum(kernel**2 for kernel in kernels)
        ax.set_title(f"{len(kernels)}층, 가중치 {weights}개", loc="left")
    return figure


def architecture(model: VGG, image_size: int) -> Figure:
    """단마다의 특징 맵. 한 변은 크기의 제곱근에, 두께는 채널 수에 비례한다.

    Parameters
    ----------
    model : 그릴 모형. `meta` 장치의 것도 된다.
    image_size : 입력의 한 변
    """
    *stages, dense = blocks(model, image_size)
    columns, pitch = 3, 17.0
    spots = [("입력", model.in_channels, image_size, "", INK)]
    for stage in stages:
        label = f"3×3 합성곱 {stage.convolutions}번"
        spots.append((label, stage.channels, stage.size, stage.name, BLUE))
    lines = -(-len(spots) // columns)
    figure, ax = plt.subplots(figsize=(5.6, 2.0 * lines + 0.7))
    for index, (label, channels, size, _, color) in enumerate(spots):
        center, middle = 20 * (index % columns) + 8, pitch * (index // columns) + 4
        side, depth = 0.7 * size**0.5, channels / 128
        for shift in np.linspace(depth / 2, -depth / 2, max(2, round(channels / 32))):
            corner = (center - side / 2 + shift, middle - side / 2 - shift / 2)
            ax.add_patch(Rectangle(corner, side, side, fc=PAPER, ec=color, lw=0.8))
        text = f"{label}\n{channels}@{size}×{size}"
        ax.text(center, middle + 7, text, ha="center", va="top", fontsize=10)
        if index % columns < columns - 1 and index < len(spots) - 1:
            if index:
                ax.text(center + 10, middle - 1, "풀링", ha="center", color=GREEN, fontsize=10)
            arrow(ax, (center + 8, middle), (center + 12, middle))
    sizes = [layer.out_features for layer in model.classifier if isinstance(layer, nn.Linear)]
    last = model.features(
        next(model.parameters()).new_zeros(1, model.in_channels, image_size, image_size)
    )
    chain = " → ".join([f"풀링 {last.shape[1]}@{last.shape[2]}×{last.shape[3]}", *map(str, sizes)])
    ax.text(
        28, pitch * lines, f"{chain}\n(완전 연결 {dense.convolutions}층)", ha="center", va="top"
    )
    ax.set(xlim=(-1, 20 * columns - 3), ylim=(pitch * lines + 4, -4))
    ax.set_aspect("equal")
    ax.axis("off")
    return figure


def cost_shares(models: Mapping[str, VGG], image_size: int) -> Figure:
    """구성마다의 매개변수(왼쪽)와 곱셈-누산(오른쪽)을 합성곱과 완전 연결로 나눈 막대.

    Parameters
    ----------
    models : 이름과 모형
    image_size : 입력의 한 변
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.2, 0.42 * len(models) + 1.1), sharey=True)
    rows = [blocks(model, image_size) for model in models.values()]
    for ax, field, unit, title in zip(
        axes, ("parameters", "multiply_adds"), (1e6, 1e9), ("매개변수(백만)", "곱셈-누산(십억)"),
        strict=True,
    ):  # fmt: skip
        convolution = [sum(getattr(row, field) for row in stages[:-1]) / unit for stages in rows]
        dense = [getattr(stages[-1], field) / unit for stages in rows]
        places = range(len(models))
        ax.barh(places, convolution, color=SKY, ec=BLUE, label="합성곱")
        ax.barh(places, dense, left=convolution, color=FAINT, ec=INK, hatch="//", label="완전 연결")
        for place, total in enumerate(np.add(convolution, dense)):
            ax.text(1.02 * total, place, f"{total:.1f}", va="center", fontsize=10)
        ax.set(title=title, xticks=[], xlim=(0, 1.2 * max(np.add(convolution, dense))))
        ax.spines["bottom"].set_visible(False)
    axes[0].set_yticks(range(len(models)), list(models))
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def block_bars(rows: Sequence[Block]) -> Figure:
    """단마다의 매개변수, 곱셈-누산, 활성값. 막대의 끝에 적은 수는 전체에서 차지하는 몫이다.

    Parameters
    ----------
    rows : `blocks`가 돌려준 것
    """
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 0.4 * len(rows) + 0.7), sharey=True)
    fields = {"parameters": "매개변수", "multiply_adds": "곱셈-누산", "activations": "활성값"}
    for ax, (field, title), color in zip(axes, fields.items(), (BLUE, ORANGE, GREEN), strict=True):
        values = np.array([getattr(row, field) for row in rows], dtype=float)
        share = values / values.sum()
        bars = ax.barh(range(len(rows)), share, color=color, alpha=0.75)
        ax.bar_label(bars, [f"{part:.1%}" for part in share], padding=3, fontsize=9.5)
        ax.set(title=title, xticks=[], xlim=(0, 1.45 * share.max()))
        ax.spines["bottom"].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [row.name for row in rows])
    axes[0].invert_yaxis()
    return figure


def signals(curves: Mapping[str, Sequence[float]]) -> Figure:
    """합성곱 층의 차례(가로)에 따른 출력의 표준편차(세로, 로그 눈금).

    Parameters
    ----------
    curves : 초기화의 이름과 층마다의 표준편차. 넷까지
    """
    figure, ax = plt.subplots(figsize=(6.0, 3.9))
    for (name, values), (color, line, marker) in zip(curves.items(), LINES, strict=False):
        layers = range(1, len(values) + 1)
        ax.plot(layers, values, line, marker=marker, color=color, ms=5, label=name)
    ax.axhline(1, color=INK, lw=0.8)
    depth = max(map(len, curves.values()))
    ax.set(xlabel="합성곱 층", ylabel="출력의 표준편차", yscale="log", xticks=range(1, depth + 1))
    ax.grid(axis="y", color=FAINT)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def crops(sides: Sequence[int], crop: int, image: Tensor) -> Figure:
    """짧은 변을 `sides`로 맞춘 이미지에서 `crop`×`crop`을 오려 내는 자리.

    Parameters
    ----------
    sides : 이미지의 짧은 변 S, `crop` 이상
    crop : 오려 내는 정사각형의 한 변
    image : (H, W). 바탕에 그릴 정사각형 이미지
    """
    if min(sides) < crop:
        raise _checks.error("sides", f"{crop} 이상이어야 합니다", list(sides))
    figure, axes = plt.subplots(
        1, len(sides), figsize=(6.2, 3.0), width_ratios=sides, gridspec_kw={"wspace": 0.1}
    )
    for ax, side in zip(np.atleast_1d(axes), sides, strict=True):
        ax.imshow(np.asarray(image), extent=(0, side, side, 0), alpha=0.55)
        outline(ax, 0, 0, side, side, ec=EDGE, lw=1)
        low = (side - crop) / 2
        outline(ax, low, low, crop, crop)
        ax.set_title(f"S = {side}\n{crop / side:.0%}", fontsize=11)
        ax.set(xlim=(-4, side + 4), ylim=(side + 4, -4))
        ax.set_aspect("equal")
        ax.axis("off")
    return figure


def score_maps(images: Tensor, maps: Tensor, titles: Sequence[str]) -> Figure:
    """이미지(위)와 정답 종류의 점수 지도(아래). 짙을수록 확률이 1에 가깝다.

    Parameters
    ----------
    images : (N, H, W)
    maps : (N, h, w), 0 이상 1 이하
    titles : 이미지마다의 제목
    """
    figure, axes = plt.subplots(2, len(images), figsize=(5.6, 3.2), squeeze=False)
    for (above, below), image, scores, title in zip(axes.T, images, maps, titles, strict=True):
        above.imshow(np.asarray(image))
        above.set_title(title, fontsize=11)
        below.imshow(np.asarray(scores), cmap="Blues", vmin=0, vmax=1)
        for ax in (above, below):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
    return figure
