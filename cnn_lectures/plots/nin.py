"""8장 NiN의 그림.

커널, 채널 수, 특징 맵의 크기는 모형에서 읽고 칸의 수는 torch가 계산한 것이라, 그림과 모형이
어긋나지 않는다.
논문: Lin, Chen & Yan (2014), arXiv:1312.4400, 그림 1과 2.
논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, SKY
from cnn_lectures.plots.convolution import blank, draw_cells, number, outline
from cnn_lectures.train import EpochResult

# 색만으로 나누지 않도록 선과 표식도 다르게 한다.
LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"))


def micro_network(layers: nn.Sequential) -> Figure:
    """합성곱 층(위)과 mlpconv 층(아래)이 조각 하나를 출력 벡터 하나로 바꾸는 모습.

    Parameters
    ----------
    layers : `models.nin.mlpconv`가 만든 것. 위의 그림은 그 첫 합성곱만 쓴다.
    """
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) < 2:
        rule = "합성곱이 둘 이상이어야 합니다"
        raise _checks.error("layers", rule, len(convolutions))
    figure, axes = plt.subplots(2, 1, figsize=(5.4, 5.8))
    panels = {
        "합성곱 층: 선형 필터와 활성화 함수": convolutions[:1],
        "mlpconv 층: 조각마다 같은 다층 퍼셉트론": convolutions,
    }
    for ax, (title, chain) in zip(axes, panels.items(), strict=True):
        draw_chain(ax, chain, width=len(convolutions))
        ax.set_title(title)
    return figure


def draw_chain(ax: Axes, chain: Sequence[nn.Conv2d], *, width: int) -> None:
    """입력 조각에서 시작하여 합성곱마다 유닛의 세로줄을 하나씩 그린다."""
    kernel, spacing, rows = chain[0].kernel_size[0], 3.4, (1.0, 2.0, 3.0, 4.6)
    side = 4.0 / kernel
    for row, column in np.ndindex(kernel, kernel):
        corner = (column * side, 0.8 + row * side)
        ax.add_patch(Rectangle(corner, side, side, fc="#fbe3d3", ec=ORANGE, lw=0.6))
    ax.text(2.0, 5.1, f"{kernel}×{kernel} 조각", ha="center", va="top")
    previous = [(4.0, height) for height in (0.8, 2.8, 4.8)]
    for step, layer in enumerate(chain):
        x = 4.0 + spacing * (step + 1) - 0.8
        units = [(x, height) for height in rows]
        for start in previous:
            for stop in units:
                ax.plot(*zip(start, stop, strict=True), color=SKY, lw=0.7, zorder=1)
        for unit in units:
            ax.add_patch(Circle(unit, 0.32, fc=PAPER, ec=BLUE, lw=1.5, zorder=2))
        ax.text(x, 3.8, "⋮", ha="center", va="center", zorder=3)
        kind = "출력" if layer is chain[-1] else "은닉"
        ax.text(x, 5.1, f"{kind} {layer.out_channels}", ha="center", va="top")
        name = "×".join(map(str, layer.kernel_size))
        ax.text(x - spacing / 2, 0.1, f"{name}\n+ ReLU", ha="center", va="center", fontsize=10)
        previous = units
    ax.set(xlim=(-0.2, 4.0 + spacing * width), ylim=(5.9, -0.5))
    ax.set_aspect("equal")
    ax.axis("off")


def channel_mixing(x: Tensor, weight: Tensor, *, position: tuple[int, int]) -> Figure:
    """1×1 합성곱이 한 위치의 채널 값을 섞는 모습. 선에 적힌 수가 가중치이다.

    Parameters
    ----------
    x : 입력 맵 (C, H, W)
    weight : 1×1 커널 (C', C)
    position : 강조할 위치 (행, 열)
    """
    mixed = F.conv2d(x[None], weight[:, :, None, None])[0]
    row, column = position
    if not (0 <= row < x.shape[1] and 0 <= column < x.shape[2]):
        rule = f"{x.shape[1]}×{x.shape[2]} 안의 위치여야 합니다"
        raise _checks.error("position", rule, position)
    height, width = x.shape[1] + 1.0, x.shape[2]
    gap, total = 4.6, max(len(x), len(mixed)) * height - 1
    figure, ax = plt.subplots(figsize=(5.4, 5.4 * (total + 1.2) / (2 * width + gap) + 0.2))
    spots = []
    for maps, left, label in ((x, 0.0, "입력"), (mixed, width + gap, "출력")):
        ax.text(left + width / 2, 0.4, f"{label} {len(maps)}채널", ha="center", va="center")
        for index, values in enumerate(maps):
            top = 1.0 + (total + 1 - len(maps) * height) / 2 + index * height
            draw_cells(ax, values, x=left, y=top)
            outline(ax, left + column, top + row, 1, 1)
            spots.append((left + column + 0.5, top + row + 0.5))
    box = {"boxstyle": "round,pad=0.1", "fc": PAPER, "ec": "none"}
    for stop, weights, share, (color, line, _) in zip(
        spots[len(x) :], weight.tolist(), (0.6, 0.38, 0.5), LINES, strict=False
    ):
        for start, value in zip(spots, weights, strict=False):
            ax.plot(*zip(start, stop, strict=True), line, color=color, lw=1.3, zorder=0)
            spot = [(1 - share) * a + share * b for a, b in zip(start, stop, strict=True)]
            ax.text(*spot, number(value), color=color, ha="center", va="center", bbox=box)
    blank(ax, 2 * width + gap, total + 1.2)
    return figure


def transformation_matrices(matrices: Mapping[str, Tensor], *, block: int) -> Figure:
    """특징 맵을 로짓으로 바꾸는 행렬. 세로선이 맵 사이의 경계이다.

    Parameters
    ----------
    matrices : 이름과 (종류, 맵의 수 × `block`)
    block : 맵 하나의 칸 수
    """
    figure, axes = plt.subplots(len(matrices), 1, figsize=(5.6, 1.75 * len(matrices)))
    for ax, (name, matrix) in zip(np.atleast_1d(axes), matrices.items(), strict=True):
        limit = matrix.abs().max().item()
        ax.imshow(np.asarray(matrix), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        for edge in range(block, matrix.shape[1], block):
            ax.axvline(edge - 0.5, color=INK, lw=0.8)
        middles = np.arange(block / 2 - 0.5, matrix.shape[1], block)
        ax.set_xticks(middles, [f"맵 {index}" for index in range(len(middles))])
        ax.set_yticks(range(len(matrix)), [f"로짓 {index}" for index in range(len(matrix))])
        ax.set_title(name)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(True)
    return figure


def architecture(model: nn.Module, image_size: int) -> Figure:
    """`NiN`의 특징 맵을 차례로 그린다. 한 변은 크기의 제곱근에, 두께는 채널 수에 비례한다.

    Parameters
    ----------
    model : `features`와 `avgpool`이 있는 모형
    image_size : 입력의 한 변
    """
    device = next(model.parameters()).device
    x = torch.zeros(1, model.in_channels, image_size, image_size, device=device)
    stages, kinds = (
        [("입력", *x.shape[1:3], INK)],
        {
            nn.Sequential: ("mlpconv", BLUE),
            nn.MaxPool2d: ("최대 풀링", GREEN),
            nn.AdaptiveAvgPool2d: ("전역 평균 풀링", ORANGE),
        },
    )
    for layer in (*model.features, model.avgpool):
        with torch.inference_mode():
            x = layer(x)
        if type(layer) in kinds:
            name, color = kinds[type(layer)]
            stages.append((name, *x.shape[1:3], color))
    columns, pitch = 3, 15.5
    lines = -(-len(stages) // columns)
    figure, ax = plt.subplots(figsize=(5.4, 1.75 * lines))
    for index, (name, channels, size, color) in enumerate(stages):
        center, middle = 20 * (index % columns) + 8, pitch * (index // columns) + 4
        side, depth = 0.7 * size**0.5, channels / 64
        for shift in np.linspace(depth / 2, -depth / 2, max(2, round(channels / 32))):
            corner = (center - side / 2 + shift, middle - side / 2 - shift / 2)
            ax.add_patch(Rectangle(corner, side, side, fc=PAPER, ec=color, lw=0.8))
        ax.text(center, middle + 6, f"{name}\n{channels}@{size}×{size}", ha="center", va="top")
        if index % columns < columns - 1 and index < len(stages) - 1:
            arrow = {"arrowstyle": "->", "color": INK}
            ax.annotate("", (center + 12, middle), (center + 8.5, middle), arrowprops=arrow)
    ax.set(xlim=(-1, 20 * columns - 3), ylim=(pitch * lines - 0.5, -3))
    ax.set_aspect("equal")
    ax.axis("off")
    return figure


def head_curves(histories: Mapping[str, Sequence[EpochResult]]) -> Figure:
    """마지막 부분만 다른 모형들의 학습 정확도(왼쪽)와 시험 정확도(오른쪽).

    Parameters
    ----------
    histories : 이름과 `train.fit`이 돌려준 목록. 셋까지
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
    for (name, history), (color, line, marker) in zip(histories.items(), LINES, strict=False):
        epochs = [row.epoch for row in history]
        for ax, kind in zip(axes, ("train", "test"), strict=True):
            values = [getattr(row, f"{kind}_accuracy") for row in history]
            ax.plot(epochs, values, line, marker=marker, color=color, label=name, ms=5)
    for ax, title in zip(axes, ("학습 정확도", "시험 정확도"), strict=True):
        ax.set(title=title, xlabel="에포크", xticks=epochs, ylim=(0.4, 1))
        ax.grid(axis="y", color=FAINT)
    axes[1].legend(loc="lower right", fontsize=10)
    return figure


def class_maps(images: Tensor, maps: Tensor, titles: Sequence[Sequence[str]]) -> Figure:
    """이미지(왼쪽)와, 그 위에 겹친 종류별 특징 맵. 붉은 칸이 그 종류를 거들고 푸른 칸이 말린다.

    Parameters
    ----------
    images : (N, H, W)
    maps : (N, K, h, w). 색의 범위는 줄마다 따로 잡는다.
    titles : 이미지마다 (이미지의 제목, 맵 K장의 제목)
    """
    count, columns = maps.shape[:2]
    figure, axes = plt.subplots(
        count, columns + 1, figsize=(5.4, 5.4 / (columns + 1) * count * 1.18), squeeze=False
    )
    height, width = images.shape[1:]
    for line, image, row, names in zip(axes, images, maps, titles, strict=True):
        limit = row.abs().max().item()
        line[0].imshow(np.asarray(image))
        for ax, values in zip(line[1:], row, strict=True):
            frame = (-0.5, width - 0.5, height - 0.5, -0.5)
            colors = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "alpha": 0.7}
            ax.imshow(np.asarray(values), extent=frame, **colors)
            ax.contour(np.asarray(image), levels=[0.25], colors=INK, linewidths=0.9)
        for ax, name in zip(line, names, strict=True):
            ax.set_title(name, fontsize=10)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return figure
