"""9장 GoogLeNet의 그림.

갈래의 커널과 채널 수, 특징 맵의 크기, 보조 분류기의 자리는 모형에서 읽으므로, 그림과 모형이
어긋나지 않는다.
논문: Szegedy et al. (2015), arXiv:1409.4842, 그림 2와 3, 표 1.
논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from cnn_lectures import _checks
from cnn_lectures.complexity import LayerCost, layer_costs
from cnn_lectures.models.googlenet import GoogLeNet, Inception
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY, YELLOW

BRANCHES = ("branch1", "branch2", "branch3", "branch4")
KINDS = {
    "conv": ("합성곱", BLUE),
    "maxpool": ("최대 풀링", ORANGE),
    "norm": ("국소 응답 정규화", YELLOW),
    "inception": ("인셉션", GREEN),
    "avgpool": ("전역 평균 풀링", ORANGE),
    "fc": ("완전 연결", INK),
}
# 상자의 바탕색과 테두리
REDUCTION, WIDE, POOL, PLAIN = (
    ("#d2efe5", GREEN), ("#d6e8f5", BLUE), ("#fbe3d3", ORANGE), (PAPER, INK),
)  # fmt: skip


def box(ax: Axes, x: float, y: float, text: str, style: tuple[str, str], width=0.9) -> None:
    """(`x`, `y`)를 가운데로 하는 상자."""
    fill, edge = style
    ax.add_patch(Rectangle((x - width / 2, y - 0.3), width, 0.6, fc=fill, ec=edge, lw=1.3))
    ax.text(x, y, text, ha="center", va="center", fontsize=10)


def arrow(ax: Axes, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """`start`에서 `stop`으로 가는 화살표. 상자의 뒤에 그린다."""
    ax.annotate("", stop, start, arrowprops={"arrowstyle": "->", "color": INK, "lw": 1}, zorder=0)


def inception_module(module: Inception) -> Figure:
    """인셉션 모듈의 네 갈래. 초록은 채널을 줄이는 1×1 합성곱, 파랑은 출력을 내는 합성곱이다.

    Parameters
    ----------
    module : `GoogLeNet`의 인셉션 모듈
    """
    figure, ax = plt.subplots(figsize=(5.4, 4.7))
    top, bottom = (1.5, 0.0), (1.5, 4.2)
    in_channels = module.branch1.conv.in_channels
    for x, name in enumerate(BRANCHES):
        branch = module.get_submodule(name)
        layers = [
            layer for layer in branch.modules() if isinstance(layer, nn.Conv2d | nn.MaxPool2d)
        ]
        previous = (x * 0.5 + 0.75, top[1] + 0.3)
        for layer in layers:
            y = 2.9 if layer is layers[-1] else 1.4
            if isinstance(layer, nn.MaxPool2d):
                side, text, style = layer.kernel_size, "최대 풀링", POOL
            else:
                side, text = layer.kernel_size[0], f"합성곱\n{layer.out_channels}채널"
                style = WIDE if layer is layers[-1] else REDUCTION
            arrow(ax, previous, (x, y - 0.3))
            box(ax, x, y, f"{side}×{side} {text}", style)
            previous = (x, y + 0.3)
        arrow(ax, previous, (x * 0.5 + 0.75, bottom[1] - 0.3))
    box(ax, *top, f"입력 {in_channels}채널", PLAIN, width=2.4)
    box(ax, *bottom, f"이어 붙이기 {module.out_channels}채널", PLAIN, width=2.4)
    ax.set(xlim=(-0.55, 3.55), ylim=(4.6, -0.4))
    ax.axis("off")
    return figure


def stages(model: GoogLeNet, image_size: int) -> list[LayerCost]:
    """`model`의 바로 아래 모듈마다 출력 모양, 매개변수, 곱셈-누산을 계산 차례대로 모은다.

    Parameters
    ----------
    model : 살펴볼 모형. `meta` 장치의 것도 된다.
    image_size : 입력의 한 변
    """
    merged: dict[str, LayerCost] = {}
    for row in layer_costs(model, (1, model.in_channels, image_size, image_size)):
        name = row.name.partition(".")[0]
        module = model.get_submodule(name)
        if isinstance(module, nn.Identity | nn.Dropout):
            continue
        size = row.output_size
        if isinstance(module, Inception):  # 네 갈래를 이어 붙인 것
            size = (module.out_channels, *size[1:])
        before = merged.get(name, LayerCost(name, size, 0, 0))
        merged[name] = LayerCost(
            name,
            size,
            before.parameters + row.parameters,
            before.multiply_adds + row.multiply_adds,
        )
    return list(merged.values())


def korean(name: str) -> tuple[str, str]:
    """모듈 이름의 한국어와 색."""
    for prefix, (title, color) in KINDS.items():
        if name.startswith(prefix):
            return title + (f" {name[len(prefix) :]}" if prefix == "inception" else ""), color
    raise _checks.error("name", f"{', '.join(KINDS)} 가운데 하나로 시작해야 합니다", name)


def architecture(model: GoogLeNet, image_size: int) -> Figure:
    """모형을 위에서 아래로 그린다. 상자의 폭은 채널 수의 제곱근에 비례한다.

    Parameters
    ----------
    model : 그릴 모형. 보조 분류기가 있으면 오른쪽에 그린다.
    image_size : 입력의 한 변
    """
    rows = stages(model, image_size)
    figure, ax = plt.subplots(figsize=(5.4, 0.36 * len(rows)))
    for y, row in enumerate(rows):
        title, color = korean(row.name)
        channels, *sides = row.output_size
        width = channels**0.5 / 16
        box = Rectangle((-width / 2, y - 0.36), width, 0.72, fc=color, ec=color, alpha=0.55)
        ax.add_patch(box)
        ax.text(-1.15, y, title, ha="right", va="center")
        size = f"@{sides[0]}×{sides[1]}" if sides else ""
        ax.text(1.15, y, f"{channels}{size}", va="center")
        if row.name in model.auxiliaries:
            ax.annotate(
                "보조 분류기", (1.05, y + 0.3), (2.75, y + 0.8), va="center", color=PINK,
                arrowprops={"arrowstyle": "<-", "color": PINK, "shrinkA": 2},
            )  # fmt: skip
    ax.set(xlim=(-3.2, 4.2), ylim=(len(rows) - 0.4, -0.6))
    ax.axis("off")
    return figure


def cost_bars(rows: Sequence[LayerCost]) -> Figure:
    """단계마다의 매개변수(왼쪽)와 곱셈-누산(오른쪽). 둘 다 백만 단위이다.

    Parameters
    ----------
    rows : `stages`가 돌려준 것. 매개변수가 없는 줄은 빼고 그린다.
    """
    rows = [row for row in rows if row.parameters]
    figure, axes = plt.subplots(1, 2, figsize=(6.0, 0.33 * len(rows) + 0.6), sharey=True)
    titles, colors = zip(*(korean(row.name) for row in rows), strict=True)
    for ax, column, label in zip(axes, (2, 3), ("매개변수", "곱셈-누산"), strict=True):
        values = [row[column] / 1e6 for row in rows]
        bars = ax.barh(range(len(rows)), values, color=colors, alpha=0.75)
        ax.bar_label(
            bars,
            [f"{value:.2f}" if column == 2 else f"{value:.0f}" for value in values],
            padding=3,
            fontsize=9.5,
        )
        ax.set(title=f"{label}(백만)", xlim=(0, 1.25 * max(values)), xticks=[])
        ax.spines["bottom"].set_visible(False)
    axes[0].set_yticks(range(len(rows)), titles)
    axes[0].invert_yaxis()
    return figure


def branch_bars(costs: Mapping[str, Sequence[int]]) -> Figure:
    """갈래마다의 곱셈-누산을 이어 붙인 막대.

    Parameters
    ----------
    costs : 모듈의 이름과, 네 갈래의 곱셈-누산
    """
    figure, ax = plt.subplots(figsize=(6.0, 0.75 * len(costs) + 1.1))
    ends = np.zeros(len(costs))
    parts = zip(*costs.values(), strict=True)
    labels = ("1×1", "3×3", "5×5", "풀링")
    for label, color, part in zip(labels, (GREEN, SKY, BLUE, ORANGE), parts, strict=True):
        values = np.array(part) / 1e6
        ax.barh(range(len(costs)), values, left=ends, color=color, label=label, height=0.6)
        ends += values
    for y, total in enumerate(ends):
        ax.annotate(f"{total:.1f}", (total, y), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(costs)), costs)
    ax.set(xlabel="곱셈-누산(백만)", xlim=(0, 1.15 * ends.max()))
    ax.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def gradient_norms(
    norms: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str]
) -> Figure:
    """층마다 손실이 주는 기울기의 크기. 로그 눈금이며, 이어지지 않은 층(0)은 그리지 않는다.

    Parameters
    ----------
    norms : 그림의 제목과 (손실의 이름과 층마다의 크기)
    names : 층의 이름
    """
    figure, axes = plt.subplots(len(norms), 1, figsize=(5.8, 2.5 * len(norms)), sharex=True)
    for ax, (title, lines) in zip(np.atleast_1d(axes), norms.items(), strict=True):
        styles = ((BLUE, "o-"), (PINK, "s--"))
        for (label, values), (color, style) in zip(lines.items(), styles, strict=True):
            shown = [value or np.nan for value in values]
            ax.plot(range(len(names)), shown, style, color=color, label=label)
        ax.set(title=title, yscale="log", ylabel="기울기의 크기")
        ax.grid(axis="y", color=FAINT)
        ax.set_xticks(range(len(names)), names, fontsize=10)
    np.atleast_1d(axes)[0].legend(fontsize=10)
    return figure
