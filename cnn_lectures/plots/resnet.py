"""11장 ResNet의 그림.

구조는 모형에서, 곡선은 실험의 기록에서 받아 그리므로 그림과 코드가 어긋나지 않는다.
논문: He, Zhang, Ren & Sun (2016), arXiv:1512.03385, 그림 1, 2, 3, 5.
논문과 다른 점: 그림은 모두 새로 그렸고, 곡선은 이 책의 작은 실험의 것이다.
"""

from collections.abc import Mapping, Sequence
from math import comb

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from cnn_lectures import _checks
from cnn_lectures.models.resnet import ResNet
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY, YELLOW

# 부품의 이름에 든 말과 테두리의 색
PART_COLORS = {"합성곱": BLUE, "정규화": GREEN, "ReLU": ORANGE, "×": BLUE}

NETWORKS = {"none": "일반 신경망", "A": "잔차 신경망"}
LINES = ((GREEN, "^"), (BLUE, "o"), (ORANGE, "s"), (PINK, "D"))

CONV, NORM, RELU = "3×3 합성곱", "배치 정규화", "ReLU"


def draw_block(
    ax: Axes,
    parts: Sequence[str],
    shortcuts: Mapping[tuple[int, int], str],
    *,
    widths: Sequence[float] = (),
) -> None:
    """부품을 위에서 아래로 늘어놓고 지름길을 오른쪽으로 돌려 그린다.

    Parameters
    ----------
    parts : 부품의 이름. "+"는 덧셈이고, 첫째와 마지막, "@"가 든 것은 상자 없이 적는다.
    shortcuts : (지름길이 시작하는 부품의 번호, 도착하는 "+"의 번호)와 곁에 적을 말
    widths : 부품마다의 폭. 비우면 모두 2이다.
    """
    widths = widths or [2.0] * len(parts)
    for number, (part, width) in enumerate(zip(parts, widths, strict=True)):
        color = next((color for word, color in PART_COLORS.items() if word in part), INK)
        box = {"boxstyle": "round,pad=0,rounding_size=0.12", "fc": PAPER, "ec": color, "lw": 1.6}
        if part == "+":
            ax.plot(0, -number, "o", ms=17, mfc=PAPER, mec=INK, mew=1.4)
        elif 0 < number < len(parts) - 1 and "@" not in part:
            corner = (-width / 2, -number - 0.3)
            ax.add_patch(FancyBboxPatch(corner, width, 0.6, **box))
        ax.text(0, -number - 0.02, part, ha="center", va="center", fontsize=10)
        if number:
            arrow = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (0, -number + 0.32), (0, -number + 0.7), arrowprops=arrow)
    side = max(widths) / 2 + 0.3
    for (start, stop), label in shortcuts.items():
        ax.plot([0, side, side], [0.5 - start, 0.5 - start, -stop], color=PINK, lw=2)
        arrow = {"arrowstyle": "-|>", "color": PINK, "lw": 2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (0.2, -stop), (side, -stop), arrowprops=arrow)
        middle = (0.5 - start - stop) / 2
        ax.text(side + 0.12, middle, label, color=INK, va="center", fontsize=10)
    ax.set(xlim=(-max(widths) / 2 - 0.2, side + 1.1), ylim=(-len(parts) + 0.4, 0.6))
    ax.axis("off")


def blocks() -> Figure:
    """같은 두 합성곱 층으로 만든 일반 블록과 잔차 블록."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.6, 4.6))
    layers = (CONV, NORM, RELU, CONV, NORM)
    draw_block(left, ("x", *layers, RELU, "y"), {})
    draw_block(right, ("x", *layers, "+", RELU, "y"), {(1, 6): "x"})
    left.set_ylim(right.get_ylim())
    left.set_title("일반 블록: y = ReLU(H(x))")
    right.set_title("잔차 블록: y = ReLU(F(x) + x)")
    return figure


def shortcuts() -> Figure:
    """지름길 A, B, C. 위 블록은 모양을 지키고 아래 블록은 채널을 늘리며 크기를 줄인다."""
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 3.4))
    labels = {"A": ("x", "0 채우기"), "B": ("x", "1×1"), "C": ("1×1", "1×1")}
    for ax, (name, (same, changed)) in zip(axes, labels.items(), strict=True):
        parts = ("64@56×56", "F", "+", "64@56×56", "F, /2", "+", "128@28×28")
        widths = [1.2] * len(parts)
        draw_block(ax, parts, {(1, 2): same, (4, 5): changed}, widths=widths)
        ax.set_title(f"지름길 {name}")
    return figure


def bottleneck() -> Figure:
    """3×3 둘로 된 블록과 병목 블록. 상자의 폭은 출력 채널 수의 제곱근에 비례한다."""
    figure, axes = plt.subplots(1, 2, figsize=(5.8, 3.6))
    stacks = {
        "기본 블록(64채널)": [("3×3", 64), ("3×3", 64)],
        "병목 블록(256채널)": [("1×1", 64), ("3×3", 64), ("1×1", 256)],
    }
    for ax, (title, layers) in zip(axes, stacks.items(), strict=True):
        outside = layers[-1][1]
        parts = (f"{outside}채널", *(f"{kernel}, {width}" for kernel, width in layers), "+", "y")
        widths = [1.0, *(width**0.5 / 6 for _, width in layers), 1.0, 1.0]
        draw_block(ax, parts, {(1, len(layers) + 1): "x"}, widths=widths)
        ax.set_title(title)
    axes[0].set_ylim(axes[1].get_ylim())
    for ax in axes:
        ax.set_xlim(-1.6, 2.3)
    return figure


def activation_orders() -> Figure:
    """덧셈 뒤에 ReLU가 있는 블록과, 합성곱 앞으로 옮긴 사전 활성화 블록."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.6, 4.6))
    layers = (CONV, NORM, RELU, CONV, NORM)
    draw_block(left, ("x", *layers, "+", RELU, "y"), {(1, 6): "x"})
    draw_block(right, ("x", *(NORM, RELU, CONV) * 2, "+", "y"), {(1, 7): "x"})
    left.set_title("2015년의 블록")
    right.set_title("사전 활성화 블록")
    return figure


def architecture(model: ResNet) -> Figure:
    """단계를 한 줄에 하나씩 그린다. 점선인 지름길은 모양을 바꾸는 것이다.

    Parameters
    ----------
    model : 단계마다 블록이 여섯 이하인 `stem="imagenet"` 신경망
    """
    figure, ax = plt.subplots(figsize=(6.4, 4.2))
    with torch.inference_mode():
        maps = model.eval().forward_features(torch.zeros(1, 3, 224, 224))
    ax.text(-0.1, 0, "3@224×224 → 7×7 합성곱, /2 → 3×3 최대 풀링, /2 → 64@56×56", va="center")
    for row, (feature, stage) in enumerate(model.stages.items(), start=1):
        x = maps[feature]
        color = (SKY, GREEN, YELLOW, PINK)[row - 1]
        ax.text(-0.1, -row, f"{x.shape[1]}@{x.shape[2]}×{x.shape[3]}", va="center", fontsize=10)
        for column, block in enumerate(model.get_submodule(stage)):
            left, middle = 1.25 + 0.8 * column, -row
            kernels = [f"{m.kernel_size[0]}×{m.kernel_size[0]}" for m in convolutions(block)]
            ax.add_patch(
                FancyBboxPatch(
                    (left, middle - 0.28), 0.52, 0.42, boxstyle="round,pad=0,rounding_size=0.08",
                    fc=PAPER, ec=color, lw=2,
                )
            )  # fmt: skip
            ax.text(left + 0.26, middle - 0.07, "\n".join(kernels), ha="center", va="center",
                    fontsize=9, linespacing=0.95)  # fmt: skip
            straight = isinstance(block.downsample, torch.nn.Identity)
            style = {"arrowstyle": "-|>", "ls": "-" if straight else "--", "color": INK}
            style |= {"connectionstyle": "arc3,rad=-0.8", "shrinkA": 0, "shrinkB": 0}
            ends = (left + 0.66, middle), (left - 0.14, middle)
            ax.annotate("", *ends, arrowprops=style)
            ax.plot([left - 0.28, left], [middle, middle], color=INK, lw=1, zorder=0)
    end = len(model.get_submodule(stage))
    ax.text(1.2 + 0.8 * end, -row, "→ 전역 평균 풀링 → 완전 연결", va="center", fontsize=10)
    ax.set(xlim=(-0.15, 6.1), ylim=(-row - 0.5, 0.4))
    ax.axis("off")
    return figure


def convolutions(block: torch.nn.Module) -> list[torch.nn.Conv2d]:
    """블록의 본줄기에 있는 합성곱 층. 지름길의 것은 뺀다."""
    return [layer for name, layer in block.named_children() if name.startswith("conv")]


def error_curves(record: Mapping[tuple, Mapping], networks: Sequence[str]) -> Figure:
    """에포크마다의 학습 오류율. 씨앗마다 선이 하나이며, 0번이 실선이다.

    Parameters
    ----------
    record : `degradation.load_record`가 돌려준 것
    networks : 그릴 지름길. "none"은 일반 신경망, "A"는 잔차 신경망이다.
    """
    figure, axes = plt.subplots(
        1, len(networks), figsize=(0.4 + 3.1 * len(networks), 3.2), sharey=True, squeeze=False
    )
    depths = sorted({depth for depth, _, _ in record})
    for ax, network in zip(axes.flat, networks, strict=True):
        for (depth, shortcut, seed), row in record.items():
            if shortcut == network:
                color, marker = LINES[depths.index(depth)]
                errors = [100 * error for error in row["train_error"]]
                ax.plot(
                    range(1, len(errors) + 1), errors, ":" if seed else "-", color=color,
                    marker=marker, ms=5, label=None if seed else f"{depth}층",
                )  # fmt: skip
        ax.set(title=NETWORKS[network], xlabel="에포크", xticks=range(1, len(errors) + 1))
    axes[0, 0].set(ylabel="학습 오류율(%)", ylim=(0, None))
    axes[0, 0].legend()
    return figure


def profiles(record: Mapping[tuple, Mapping], depth: int, quantity: str, *, label: str) -> Figure:
    """층마다 잰 크기를 학습의 몇몇 순간에 그린다. 왼쪽이 일반 신경망, 오른쪽이 잔차 신경망이다.

    Parameters
    ----------
    record : `degradation.load_record`가 돌려준 것
    depth : 신경망의 깊이
    quantity : `"gradient"`, `"weight"`, `"product"`(둘의 곱)
    label : 세로축의 이름
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 3.3), sharey=True)
    for ax, (shortcut, title) in zip(axes, NETWORKS.items(), strict=True):
        lines = record[depth, shortcut, 0]["probes"].items()
        for (epoch, probe), (color, marker) in zip(lines, LINES, strict=True):
            product = np.multiply(probe["gradient"], probe["weight"])
            values = product if quantity == "product" else probe[quantity]
            layers = range(1, len(values) + 1)
            name = f"{epoch}에포크 뒤" if int(epoch) else "처음"
            ax.plot(layers, values, color=color, marker=marker, ms=4, markevery=6, label=name)
        ax.set(title=title, xlabel="층(입력 쪽부터)", yscale="log")
        ax.grid(color=FAINT, lw=0.6)
    axes[0].set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=10)
    return figure


def path_lengths(count: int) -> Figure:
    """블록이 `count`개일 때 지나는 블록의 수마다 경로가 몇인지 그린다."""
    count = _checks.integer("count", count, minimum=1)
    figure, ax = plt.subplots(figsize=(6.0, 3.0))
    paths = [comb(count, length) for length in range(count + 1)]
    ax.bar(range(count + 1), paths, color=BLUE)
    ax.set(xlabel="경로가 지나는 블록의 수", ylabel="경로의 수", xticks=range(0, count + 1, 2))
    return figure


def lesion_bars(accuracies: Mapping[str, float], *, intact: float) -> Figure:
    """블록을 하나씩 없앴을 때의 정확도. 점선은 없애기 전이다.

    Parameters
    ----------
    accuracies : 없앤 블록의 이름과 정확도
    intact : 없애기 전의 정확도
    """
    figure, ax = plt.subplots(figsize=(6.0, 3.2))
    bars = ax.bar(accuracies.keys(), accuracies.values(), color=SKY)
    numbers = [f"{accuracy:.2f}" for accuracy in accuracies.values()]
    ax.bar_label(bars, numbers, label_type="center", fontsize=9.5)
    ax.axhline(intact, ls="--", color=ORANGE)
    ax.set(ylim=(0, 1), xlabel="없앤 블록(단계.순서)", ylabel="시험 정확도")
    return figure
