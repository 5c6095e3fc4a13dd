"""12장 DenseNet의 그림.

채널 수와 부품의 차례는 모형에서 읽고, 곡선과 표는 실험의 결과를 받아 그린다.
논문: Huang, Liu, van der Maaten & Weinberger (2017), arXiv:1608.06993, 그림 1, 2, 5.
논문과 다른 점: 그림은 모두 새로 그렸고, 특징 재사용은 이 책의 작은 신경망의 것이다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.models.densenet import DenseBlock, DenseNet
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY, YELLOW
from cnn_lectures.plots.resnet import draw_block

SOURCES = (SKY, ORANGE, GREEN, YELLOW, PINK, BLUE)
LINES = ((GREEN, ":", "^"), (BLUE, "--", "o"), (ORANGE, "-", "s"))


def new_channels(block: DenseBlock) -> list[int]:
    """블록의 입력과 층마다 새로 만드는 특징 맵의 채널 수 [k0, k, k, …]."""
    last = [[m for m in layer.modules() if isinstance(m, nn.Conv2d)][-1] for layer in block]
    return [block[0].conv1.in_channels, *(conv.out_channels for conv in last)]


def connections(block: DenseBlock) -> Figure:
    """밀집 블록 안의 직접 연결을 활로 그린다. 활의 색과 선은 출발하는 특징 맵을 나타낸다.

    Parameters
    ----------
    block : 층이 다섯 이하인 밀집 블록
    """
    channels = new_channels(block)
    if len(block) >= len(SOURCES):
        rule = f"층이 {len(SOURCES) - 1}개 이하여야 합니다"
        raise _checks.error("block", rule, len(block))
    figure, ax = plt.subplots(figsize=(5.8, 3.7))
    for source in range(len(block)):
        for target in range(source + 1, len(block) + 1):
            side = 1 if source % 2 == 0 else -1
            angle = np.linspace(np.pi, 0, 60)
            reach = (target - source) / 2
            across = source + reach + reach * np.cos(angle)
            up = side * (0.28 + (0.28 + 0.42 * (target - source - 1)) * np.sin(angle))
            ax.plot(across, up, color=SOURCES[source], ls=("-", "--")[source // 2 % 2], lw=1.8)
            tip, before = (across[-1], up[-1]), (across[-4], up[-4])
            arrow = {"arrowstyle": "-|>", "color": SOURCES[source], "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", tip, before, arrowprops=arrow)
    for index, width in enumerate(channels):
        box = {"boxstyle": "round,pad=0,rounding_size=0.08", "fc": PAPER, "ec": INK, "lw": 1.4}
        ax.add_patch(FancyBboxPatch((index - 0.3, -0.28), 0.6, 0.56, zorder=3, **box))
        name = f"$x_{index}$\n{width}"
        ax.text(index, 0, name, ha="center", va="center", linespacing=1.1, zorder=4)
    ax.set(xlim=(-0.4, len(block) + 0.4), ylim=(-2.1, 2.5))
    ax.axis("off")
    return figure


def addition_and_concatenation(block: DenseBlock) -> Figure:
    """더하는 블록과 이어 붙이는 블록에서 층이 받는 채널. 막대의 높이가 채널 수이다.

    Parameters
    ----------
    block : 층이 다섯 이하인 밀집 블록. 더하는 쪽은 그 입력의 채널 수를 지킨다.
    """
    channels = new_channels(block)
    figure, axes = plt.subplots(1, 2, figsize=(6.2, 3.4), sharey=True)
    names = [f"$H_{index}$" for index in range(1, len(channels))] + ["출력"]
    for index, name in enumerate(names):
        axes[0].bar(name, channels[0], color=SKY, ec=INK, hatch="/" * index, lw=0.8)
        axes[0].text(index, channels[0], channels[0], ha="center", va="bottom")
        bottom = 0
        for source, width in enumerate(channels[: index + 1]):
            label = f"$x_{source}$" if index == len(names) - 1 else None
            style = {"color": SOURCES[source], "ec": INK, "lw": 0.8, "label": label}
            axes[1].bar(name, width, bottom=bottom, **style)
            bottom += width
        axes[1].text(index, bottom, bottom, ha="center", va="bottom")
    axes[0].set(title="더하기(ResNet)", ylabel="받는 채널 수", ylim=(0, 1.12 * sum(channels)))
    axes[1].set_title("이어 붙이기(DenseNet)")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].legend(handles[::-1], labels[::-1], loc="upper left", fontsize=10)
    return figure


def part_names(layer: nn.Module) -> list[str]:
    """층이 품은 부품을 쓰이는 차례대로 적는다. 합성곱에는 출력 채널 수도 적는다."""
    names = []
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            names.append("배치 정규화")
        elif isinstance(module, nn.ReLU):
            names.append("ReLU")
        elif isinstance(module, nn.Conv2d):
            size = "×".join(map(str, module.kernel_size))
            names.append(f"{size} 합성곱, {module.out_channels}")
        elif isinstance(module, nn.AvgPool2d):
            names.append(f"{module.kernel_size}×{module.kernel_size} 평균 풀링")
    return names


def compositions(layers: Mapping[str, nn.Module]) -> Figure:
    """부품의 차례를 위에서 아래로 그린다.

    Parameters
    ----------
    layers : 제목과 층. 셋까지
    """
    figure, axes = plt.subplots(1, len(layers), figsize=(2.15 * len(layers), 4.4), squeeze=False)
    for ax, (title, layer) in zip(axes.flat, layers.items(), strict=True):
        parts = part_names(layer)
        first = next(m for m in layer.modules() if isinstance(m, nn.BatchNorm2d))
        draw_block(ax, (f"{first.num_features}채널", *parts, "출력"), {})
        ax.set(title=title, xlim=(-1.15, 1.15), ylim=(-7.6, 0.6))
    return figure


def channel_growth(model: DenseNet) -> Figure:
    """층마다 받는 채널 수. 블록 안에서는 k씩 늘고 전이 층에서 줄어든다.

    Parameters
    ----------
    model : 그릴 신경망
    """
    figure, ax = plt.subplots(figsize=(6.4, 3.3))
    position = 0
    for name, part in model.features.named_children():
        if isinstance(part, DenseBlock):
            widths = [layer.conv1.in_channels for layer in part]
            spots = range(position, position + len(widths))
            ax.bar(spots, widths, width=1.0, color=SKY, ec=PAPER, lw=0.5)
            middle = position + len(widths) / 2 - 0.5
            text = f"블록 {name.removeprefix('denseblock')}\n{len(widths)}층"
            ax.text(middle, max(widths) + 25, text, ha="center", va="bottom", fontsize=10)
            position += len(widths)
        elif name.startswith("transition"):
            ax.bar(position, part.conv.in_channels, width=1.0, color=ORANGE, hatch="//", ec=PAPER)
            position += 1
    ax.bar(position, model.classifier.in_features, width=1.0, color=GREEN, hatch="xx", ec=PAPER)
    handles = [
        plt.Rectangle((0, 0), 1, 1, fc=color, ec=PAPER, hatch=hatch)
        for color, hatch in ((SKY, ""), (ORANGE, "//"), (GREEN, "xx"))
    ]
    ax.legend(handles, ("블록의 층", "전이 층", "분류기"), loc="upper left")
    ax.set(xlabel="층의 차례", ylabel="받는 채널 수", ylim=(0, 1.25 * ax.dataLim.y1))
    return figure


def memory_growth(depths: Sequence[int], saved: Mapping[str, Sequence[float]]) -> Figure:
    """블록이 깊어질 때 역전파를 위해 저장하는 채널 수.

    Parameters
    ----------
    depths : 블록의 층 수
    saved : 방법의 이름과 층 수마다의 채널 수. 셋까지
    """
    figure, ax = plt.subplots(figsize=(5.8, 3.3))
    for (name, counts), (color, line, marker) in zip(saved.items(), LINES[::-1], strict=False):
        ax.plot(depths, counts, line, marker=marker, color=color, label=name)
    ax.set(xlabel="블록의 층 수", ylabel="저장하는 채널 수", xticks=depths, ylim=(0, None))
    ax.grid(axis="y", color=FAINT)
    ax.legend()
    return figure


def gradient_profile(profiles: Mapping[str, Sequence[float]]) -> Figure:
    """합성곱 층마다 잰 기울기의 크기. 세로축은 로그 눈금이다.

    Parameters
    ----------
    profiles : 신경망의 이름과, 입력 쪽부터 적은 크기. 셋까지
    """
    figure, ax = plt.subplots(figsize=(6.0, 3.3))
    for (name, values), (color, line, marker) in zip(profiles.items(), LINES, strict=False):
        steps = range(1, len(values) + 1)
        ax.plot(steps, values, line, marker=marker, ms=4, markevery=4, color=color, label=name)
    ax.set(xlabel="합성곱 층(입력 쪽부터)", ylabel="기울기의 크기 × 가중치의 크기", yscale="log")
    ax.grid(color=FAINT, lw=0.6)
    ax.legend()
    return figure


def source_weights(model: DenseNet) -> list[np.ndarray]:
    """블록마다, 받는 층이 보내는 특징 맵에 둔 가중치의 절댓값의 평균.

    논문과 달리 받는 층의 평균을 1로 맞춘다. 층마다 입력이 몇 채널인지에 따라 가중치의 크기가 다르기
    때문이다. 어느 특징 맵이나 고르게 쓰면 모두 1이다.

    Returns
    -------
    list of ndarray
        (L + 1, L + 1). 행은 x_0, …, x_L이고 열은 층 1, …, L과 블록 다음의 전이 층 또는 분류기.
        이어지지 않은 칸은 NaN이다.
    """
    parts = list(model.features)
    matrices = []
    for index, block in enumerate(parts):
        if isinstance(block, DenseBlock):
            after = parts[index + 1]
            head = after.conv if isinstance(after, nn.Sequential) else model.classifier
            widths = new_channels(block)
            matrix = np.full((len(widths), len(widths)), np.nan)
            for column, weight in enumerate(
                [*(layer.conv1.weight for layer in block), head.weight]
            ):
                pieces: Sequence[Tensor] = weight.detach().cpu().split(widths[: column + 1], dim=1)
                matrix[: column + 1, column] = [
                    (piece.abs().mean() / weight.abs().mean()).item() for piece in pieces
                ]
            matrices.append(matrix)
    return matrices


def reuse_maps(matrices: Sequence[np.ndarray]) -> Figure:
    """블록마다의 `source_weights`. 짙을수록 그 특징 맵에 더 기댄다.

    Parameters
    ----------
    matrices : `source_weights`가 돌려준 것
    """
    width = 2.3 * len(matrices)
    figure, axes = plt.subplots(1, len(matrices), figsize=(width, 2.9), squeeze=False)
    limit = max(np.nanmax(matrix) for matrix in matrices)
    for number, (ax, matrix) in enumerate(zip(axes.flat, matrices, strict=True), start=1):
        ax.imshow(matrix, cmap="Blues", vmin=0, vmax=limit)
        for (row, column), value in np.ndenumerate(matrix):
            if not np.isnan(value):
                color = PAPER if value > limit / 2 else INK
                ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)
        last = "분류기" if number == len(matrices) else "전이"
        ticks = range(len(matrix))
        ax.set_xticks(ticks, [*(f"$H_{layer}$" for layer in ticks[1:]), last])
        ax.set_yticks(ticks, [f"$x_{source}$" for source in ticks])
        ax.set_title(f"블록 {number}")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    axes[0, 0].set_ylabel("보내는 특징 맵")
    return figure
