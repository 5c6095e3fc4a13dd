"""4장의 그림: 활성화 함수와 기울기, 깊이에 따른 기울기의 크기, 학습 오류."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cnn_lectures.layers.activation import gradient
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE

LABELS = {"sigmoid": "시그모이드", "tanh": "tanh", "relu": "ReLU"}
# 색을 구별하지 못해도 알아볼 수 있도록 선의 꼴과 표시도 다르게 한다.
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))


def curves(functions: Mapping[str, Callable[[Tensor], Tensor]]) -> Figure:
    """함수(왼쪽)와 그 기울기(오른쪽)를 −5에서 5까지 그린다.

    Parameters
    ----------
    functions : 이름과 함수, 셋까지
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 3.3))
    x = torch.arange(-500, 501) / 100  # linspace와 달리 0을 정확히 지난다
    for (name, function), (color, line, _) in zip(functions.items(), STYLES, strict=False):
        label = LABELS.get(name, name)
        left.plot(x, function(x), line, color=color, lw=2, label=label)
        right.plot(x, gradient(function, x), line, color=color, lw=2)
    left.set(title="함수", xlabel="x", ylim=(-1.4, 3.2))
    right.set(title="기울기", xlabel="x", ylim=(-0.2, 1.2), yticks=(0, 0.25, 0.5, 0.75, 1))
    for ax in (left, right):
        ax.axhline(0, color=FAINT, zorder=0)
        ax.axvline(0, color=FAINT, zorder=0)
    figure.legend(loc="outside lower center", ncols=len(functions))
    return figure


def gradient_flow(norms: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """층마다의 기울기 크기를 로그 눈금으로 그린다. 역전파는 오른쪽에서 왼쪽으로 간다.

    Parameters
    ----------
    norms : 칸의 제목, 함수의 이름, 첫 층부터 적은 기울기의 크기
    """
    figure, axes = plt.subplots(1, len(norms), figsize=(5.8, 3.6), sharey=True, squeeze=False)
    for ax, (title, lines) in zip(axes.flat, norms.items(), strict=True):
        for (name, values), (color, line, marker) in zip(lines.items(), STYLES, strict=False):
            layers = range(1, len(values) + 1)
            ax.plot(
                layers, values, line + marker, color=color, ms=4, markevery=3,
                label=LABELS.get(name, name),
            )  # fmt: skip
        ax.axhline(1, color=FAINT, zorder=0)
        ax.set(title=title, xlabel="층", yscale="log")
    axes[0, 0].set_ylabel("마지막 층에 견준 기울기")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def training_error(histories: Mapping[str, Sequence], *, target: float) -> Figure:
    """에포크마다의 학습 오류와 목표선.

    Parameters
    ----------
    histories : 이름과 `cnn_lectures.train.fit`이 돌려준 목록
    target : 목표로 삼은 오류, 0 이상 1 이하
    """
    figure, ax = plt.subplots(figsize=(5.2, 3.2))
    for (name, history), (color, line, marker) in zip(histories.items(), STYLES, strict=False):
        epochs = [row.epoch for row in history]
        errors = [1 - row.train_accuracy for row in history]
        ax.plot(epochs, errors, line + marker, color=color, label=LABELS.get(name, name))
    ax.axhline(target, color=INK, lw=1, ls=":")
    ax.annotate(f"{target:.0%}", (1, target), xytext=(0, 3), textcoords="offset points")
    ax.set(xlabel="에포크", ylabel="학습 오류", xticks=epochs, ylim=(0, 1))
    ax.legend()
    return figure
