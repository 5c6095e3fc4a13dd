"""5장의 그림: 어느 채널끼리 겨루는지, 큰 이웃이 얼마나 누르는지."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.plots import BLUE, FAINT, INK, ORANGE, PAPER, SKY

GRID = 4  # 특징 맵 한 변의 칸 수
SPOT = (1, 2)  # 칠하는 자리 (행, 열)


def neighbourhood(channels: int, size: int, centers: Sequence[int]) -> Figure:
    """채널마다의 특징 맵을 늘어놓고, 한 값을 나누는 합에 드는 칸을 칠한다.

    주황이 나누어지는 값, 파랑이 그 합에 드는 이웃 채널이다. 모두 같은 자리에 있다.

    Parameters
    ----------
    channels, size : 채널의 수와 합에 드는 채널의 수, 1 이상
    centers : 줄마다의 가운데 채널
    """
    size = _checks.integer("size", size, minimum=1)
    figure, axes = plt.subplots(
        len(centers), channels, figsize=(5.8, 1.15 * len(centers)), squeeze=False
    )
    for line, center in zip(axes, centers, strict=True):
        window = range(center - size // 2, center + (size + 1) // 2)
        for channel, ax in enumerate(line):
            values = np.zeros((GRID, GRID))
            ax.pcolormesh(values, cmap="gray_r", vmin=0, vmax=1, edgecolors=FAINT, lw=0.8)
            if channel in window:
                row, column = SPOT
                color = ORANGE if channel == center else BLUE
                ax.add_patch(Rectangle((column, row), 1, 1, fc=color, ec=INK, lw=0.8))
            ax.set(title=channel, xlim=(0, GRID), ylim=(GRID, 0), xticks=[], yticks=[])
            ax.set_aspect("equal")
            ax.spines[:].set_visible(False)
    return figure


def suppression(layer: nn.Module, *, quiet: float, marks: Sequence[float]) -> Figure:
    """한 채널을 `quiet`에 묶어 두고 이웃 채널만 키울 때 두 채널의 출력.

    Parameters
    ----------
    layer : (N, C, H, W)를 받는 정규화 층
    quiet : 묶어 두는 채널의 입력
    marks : 수를 적어 둘 이웃 채널의 입력. 마지막의 두 배까지 그린다.
    """
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(5.2, 4.8), sharex=True)
    neighbour = torch.linspace(0, 2 * marks[-1], 401)
    outputs = [pair_output(layer, quiet, values) for values in (neighbour, torch.tensor(marks))]
    curves, points = (output.numpy() for output in outputs)
    top.plot(neighbour, curves[:, 0], color=BLUE, lw=2)
    top.plot(marks, points[:, 0], "o", color=BLUE, ms=7, mec=PAPER)
    for mark, value in zip(marks, points[:, 0], strict=True):
        top.annotate(f"{value:.2f}", (mark, value), xytext=(6, 4), textcoords="offset points")
    bottom.plot(neighbour, curves[:, 1], color=ORANGE, lw=2)
    top.set(title=f"입력을 {quiet:g}에 묶어 둔 채널", ylabel="출력", ylim=(0, None))
    bottom.set(title="키우는 채널", ylabel="출력", xlabel="키우는 채널의 입력", ylim=(0, None))
    return figure


def pair_output(layer: nn.Module, quiet: float, neighbour: Tensor) -> Tensor:
    """두 채널 (`quiet`, `neighbour`)의 출력 (개수, 2)."""
    pairs = torch.stack([torch.full_like(neighbour, quiet), neighbour], dim=1)
    with torch.inference_mode():
        return layer(pairs[:, :, None, None]).flatten(1)


def channel_bars(alone: Sequence[float], together: Sequence[float]) -> Figure:
    """채널마다, 이웃이 없을 때의 출력과 이웃이 있을 때의 출력을 나란히 견준다.

    Parameters
    ----------
    alone, together : 채널마다의 출력
    """
    figure, ax = plt.subplots(figsize=(5.2, 3.2))
    positions = np.arange(len(alone))
    for shift, values, color, label in (
        (-0.2, alone, SKY, "이웃이 모두 0일 때"), (0.2, together, BLUE, "이웃이 있을 때")
    ):  # fmt: skip
        bars = ax.bar(positions + shift, values, width=0.38, color=color, label=label)
        ax.bar_label(bars, fmt="%.1f", fontsize=9, padding=2)
    ax.set(xlabel="채널", ylabel="출력", xticks=positions)
    ax.legend()
    return figure
