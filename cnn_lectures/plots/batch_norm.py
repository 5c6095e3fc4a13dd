"""10장의 그림: 무엇을 함께 정규화하는지, 값의 폭이 깊이와 학습에 따라 어떻게 달라지는지.

칠하는 칸은 층을 미분하여 찾고 나머지는 잰 값을 그대로 그리므로, 그림과 층이 어긋나지 않는다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY
from cnn_lectures.train import EpochResult

SHAPE = (3, 6, 3, 3)  # 칠할 배치의 (N, C, H, W)
SPOT = (1, 2, 1, 1)  # 정규화하는 값의 자리
EDGE = "#9aa4b0"

# 색만으로 나누지 않도록 선과 표식도 다르게 한다.
LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"), (PINK, "-.", "D"))


def seen_by(layer: nn.Module) -> Tensor:
    """`SPOT`의 출력을 바꾸는 입력의 칸. 모양이 `SHAPE`인 참과 거짓이다."""
    dice = torch.Generator().manual_seed(0)
    x = (torch.rand(SHAPE, generator=dice) + 0.5).requires_grad_()
    (slopes,) = torch.autograd.grad(layer(x)[SPOT], x)
    return slopes != 0


def normalized_together(layers: Mapping[str, nn.Module]) -> Figure:
    """한 값(주황)을 정규화할 때 함께 보는 값(파랑). 줄이 이미지, 열이 채널이다.

    Parameters
    ----------
    layers : 이름과, 채널이 6인 (N, C, H, W)를 받는 정규화 층
    """
    rows = -(-(len(layers) + 1) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(5.8, 1.8 * rows))
    _, channels, height, width = SHAPE
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, layer) in zip(axes.flat, layers.items(), strict=False):
        seen = seen_by(layer)
        for image, channel, row, column in np.ndindex(SHAPE):
            color = BLUE if seen[image, channel, row, column] else PAPER
            color = ORANGE if (image, channel, row, column) == SPOT else color
            corner = (channel * (width + 0.8) + column, image * (height + 0.8) + row)
            ax.add_patch(Rectangle(corner, 1, 1, fc=color, ec=EDGE, lw=0.5))
        ax.text(0, -0.5, "채널 →", fontsize=9)
        ax.text(-0.5, 0, "← 이미지", fontsize=9, rotation=90, ha="right", va="top")
        ax.set_title(name, fontsize=11)
        ax.set(xlim=(-2.2, channels * (width + 0.8)), ylim=(SHAPE[0] * (height + 0.8), -2))
        ax.set_aspect("equal")
    handles = [
        Patch(fc=ORANGE, ec=EDGE, label="정규화하는 값"),
        Patch(fc=BLUE, ec=EDGE, label="함께 보는 값"),
        Patch(fc=PAPER, ec=EDGE, label="보지 않는 값"),
    ]
    axes.flat[len(layers)].legend(handles=handles, loc="center")
    return figure


def distributions(values: Mapping[str, Tensor]) -> Figure:
    """값의 분포를 제 눈금에 하나씩 그린다. 세로선이 평균, 가로 막대가 ±표준편차이다.

    Parameters
    ----------
    values : 제목과 값
    """
    figure, axes = plt.subplots(1, len(values), figsize=(5.8, 2.9), squeeze=False)
    for ax, (title, x) in zip(axes.flat, values.items(), strict=True):
        x = x.flatten()
        mean = round(x.mean().item(), 2) + 0.0  # −0.00을 0.00으로
        std = x.std(correction=0).item()
        counts, _, _ = ax.hist(x.numpy(), bins=60, color=SKY)
        ax.axvline(mean, color=INK, lw=1)
        ax.plot([mean - std, mean + std], [counts.max() * 1.06] * 2, color=ORANGE, lw=4)
        label = f"평균 {mean:.2f}, 표준편차 {std:.2f}".replace("-", "−")
        ax.set(title=title, xlabel=label, yticks=[])
        ax.spines["left"].set_visible(False)
    return figure


def running_statistics(
    traces: Mapping[str, Sequence[float]], *, batch: Sequence[float], target: float
) -> Figure:
    """미니배치마다의 통계(점)와 이동 평균(선).

    Parameters
    ----------
    traces : 이름과 스텝마다의 이동 평균. 0번이 초깃값이다.
    batch : 스텝마다의 미니배치 통계
    target : 미니배치 통계를 모두 고르게 평균한 것
    """
    figure, ax = plt.subplots(figsize=(5.4, 3.7))
    ax.axhline(target, color=INK, lw=1, label="미니배치의 평균")
    steps = range(1, len(batch) + 1)
    ax.plot(steps, batch, ".", color=EDGE, ms=4, label="미니배치")
    for (name, trace), (color, line, _) in zip(traces.items(), LINES, strict=False):
        ax.plot(range(len(trace)), trace, line, color=color, lw=2, label=name)
    ax.set(xlabel="스텝", ylabel="평균")
    figure.legend(loc="outside lower center", ncols=3, fontsize=10)
    return figure


def spread(stds: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """층을 지날 때마다의 표준편차를 로그 눈금으로 그린다.

    Parameters
    ----------
    stds : 칸의 제목, 선의 이름, 첫 층부터 적은 표준편차
    """
    figure, axes = plt.subplots(1, len(stds), figsize=(5.8, 3.5), sharey=True, squeeze=False)
    for ax, (title, lines) in zip(axes.flat, stds.items(), strict=True):
        for (name, values), (color, line, marker) in zip(lines.items(), LINES, strict=False):
            layers = range(1, len(values) + 1)
            ax.plot(layers, values, line + marker, color=color, ms=4, label=name)
        ax.set(title=title, xlabel="층", yscale="log")
        ax.grid(axis="y", color=FAINT)
    axes[0, 0].set_ylabel("표준편차")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def layer_histograms(values: Mapping[str, Sequence[Tensor]], *, limit: float) -> Figure:
    """층마다(줄) 모형마다(열) 활성화 함수에 들어가는 값의 분포.

    Parameters
    ----------
    values : 모형의 이름과, 층마다의 값
    limit : 그릴 범위 ±limit. 벗어난 값은 양 끝에 모은다.
    """
    if limit <= 0:
        raise _checks.error("limit", "0보다 커야 합니다", limit)
    rows = max(map(len, values.values()))
    figure, axes = plt.subplots(
        rows, len(values), figsize=(5.8, 1.25 * rows + 0.5), sharex=True, squeeze=False
    )
    bins = np.linspace(-limit, limit, 81)
    for column, (name, layers) in enumerate(values.items()):
        for row, x in enumerate(layers):
            ax = axes[row, column]
            ax.hist(x.flatten().clamp(-limit, limit).numpy(), bins=bins, density=True, color=SKY)
            std = x.transpose(0, 1).flatten(1).std(dim=1, correction=0).mean().item()
            ax.axvline(0, color=INK, lw=0.8)
            ax.text(0.98, 0.8, f"폭 {std:.3f}", transform=ax.transAxes, ha="right", fontsize=10)
            ax.set(yticks=[], title=name if row == 0 else "")
            ax.spines["left"].set_visible(False)
    for row in range(rows):
        axes[row, 0].set_ylabel(f"{row + 1}층")
    return figure


def comparison(histories: Mapping[float, Mapping[str, Sequence[EpochResult]]]) -> Figure:
    """학습률마다(칸) 모형마다(선) 에포크에 따른 학습 손실.

    Parameters
    ----------
    histories : 학습률, 모형의 이름, `train.fit`이 돌려준 목록
    """
    figure, axes = plt.subplots(1, len(histories), figsize=(6.2, 3.3), sharey=True, squeeze=False)
    for ax, (rate, models) in zip(axes.flat, histories.items(), strict=True):
        for (name, history), (color, line, marker) in zip(models.items(), LINES, strict=False):
            epochs = [row.epoch for row in history]
            losses = [row.train_loss for row in history]
            ax.plot(epochs, losses, line + marker, color=color, ms=5, label=name)
        ax.set(title=f"학습률 {rate:g}", xlabel="에포크", xticks=epochs, ylim=(0, 2.6))
        ax.grid(axis="y", color=FAINT)
    axes[0, 0].set_ylabel("학습 손실")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
