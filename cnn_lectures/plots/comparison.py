"""13장 비교의 그림. 점과 칸은 모두 `cnn_lectures.comparison`이 모형에서 계산한 것이다.

논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cnn_lectures.comparison import Network, Row
from cnn_lectures.models._common import choice
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, YELLOW

# 가족: (색, 표식). 색만으로 나누지 않도록 표식도 다르게 한다.
FAMILIES = {
    "AlexNet": (INK, "D"),
    "VGG": (ORANGE, "s"),
    "GoogLeNet": (GREEN, "P"),
    "ResNet": (BLUE, "o"),
    "DenseNet": (PINK, "^"),
}
COSTS = {
    "multiply_adds": ("곱셈-누산(십억)", 1e9),
    "parameters": ("매개변수(백만)", 1e6),
}
# 겹치지 않도록 옮긴 이름표: (가로 정렬, 포인트로 옮긴 거리)
SHIFTS = {
    "multiply_adds": {
        "ResNet-18": ("left", (9, 4)), "GoogLeNet": ("right", (-8, -3)),
        "DenseNet-169": ("right", (-8, -3)), "DenseNet-201": ("right", (-8, -5)),
        "DenseNet-121": ("right", (-8, -4)), "ResNet-50": ("left", (10, 0)),
        "VGG-13": ("left", (10, 10)), "VGG-16": ("right", (-16, -14)),
        "VGG-19": ("right", (2, -24)),
        "VGG-11": ("left", (2, 17)), "DenseNet-161": ("right", (-2, -14)),
        "ResNet-101": ("left", (9, 5)), "ResNet-152": ("left", (10, -4)),
    },
    "parameters": {
        "VGG-11": ("right", (-9, 2)), "VGG-13": ("right", (-9, 0)), "VGG-16": ("right", (-9, 0)),
        "VGG-19": ("right", (-9, -4)), "GoogLeNet": ("right", (-8, -3)),
        "DenseNet-121": ("right", (-8, -4)), "DenseNet-169": ("right", (-8, -4)),
        "DenseNet-201": ("right", (-8, -4)), "DenseNet-161": ("right", (-6, -8)),
        "ResNet-50": ("left", (8, 1)),
    },
}  # fmt: skip


def error_scatter(rows: Sequence[Row], cost: str, *, bubbles: bool = False) -> Figure:
    """상위 1 오류율과 비용. 가로축은 로그 눈금이고, 선은 한 가족을 왼쪽부터 잇는다.

    Parameters
    ----------
    rows : 같은 방법으로 잰 오류율이 있는 줄
    cost : `COSTS`의 열쇠
    bubbles : 점의 넓이를 매개변수 수에 비례하게 할지
    """
    label, unit = COSTS[choice("cost", cost, COSTS)]
    figure, ax = plt.subplots(figsize=(6.0, 5.0))
    for family, (color, marker) in FAMILIES.items():
        members = [row for row in rows if row.name.startswith(family)]
        members.sort(key=lambda row: getattr(row, cost))
        if not members:
            continue
        x = [getattr(row, cost) / unit for row in members]
        y = [row.top1 for row in members]
        areas = [4e-6 * row.parameters if bubbles else 45 for row in members]
        ax.plot(x, y, color=color, lw=0.8, alpha=0.6, zorder=1)
        style = {"marker": "o" if bubbles else marker, "color": color, "label": family}
        ax.scatter(x, y, s=areas, alpha=0.55, edgecolors=INK, linewidths=0.6, **style)
        if bubbles:
            ax.scatter(x, y, s=14, marker=marker, color=color)
        for row, spot in zip(members, zip(x, y, strict=True), strict=True):
            align, shift = SHIFTS[cost].get(row.name, ("left", (8, 0)))
            ax.annotate(
                row.name, spot, shift, textcoords="offset points", ha=align, va="center",
                fontsize=9.5, color=color,
            )  # fmt: skip
    ax.set_xscale("log")
    ticks = (1, 2, 5, 10, 20) if cost == "multiply_adds" else (10, 20, 50, 100)
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.set(xlabel=label, ylabel="상위 1 오류율(%)")
    low, high = ax.get_xlim()
    ax.set_xlim(low / 1.6, high * 1.35)
    ax.grid(color=FAINT, lw=0.6)
    ax.set_axisbelow(True)
    return figure


def protocols(networks: Sequence[Network]) -> Figure:
    """한 신경망(또는 그것이 든 앙상블)을 여러 방법으로 잰 상위 5 오류율. 아래일수록 손이 많이 간다.

    Parameters
    ----------
    networks : 상위 5 오류율이 둘 이상인 것만 그린다.
    """
    chosen = [
        (network.name, [result for result in network.results if result.top5 is not None])
        for network in networks
    ]
    chosen = [(name, results) for name, results in chosen if len(results) > 1]
    lines = sum(len(results) + 1 for _, results in chosen)
    figure, ax = plt.subplots(figsize=(6.0, 0.26 * lines + 0.6))
    y, ticks, names = 0, [], []
    for name, results in chosen:
        ax.text(0.2, y, name, va="center", color=INK)
        heights = range(y + 1, y + 1 + len(results))
        values = [result.top5 for result in results]
        ensemble = ["nets" in result.protocol for result in results]
        colors = [ORANGE if several else BLUE for several in ensemble]
        hatches = ["//" if several else "" for several in ensemble]
        bars = ax.barh(heights, values, 0.7, color=colors, alpha=0.75, hatch=hatches)
        ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=9.5)
        ticks += heights
        names += [result.protocol for result in results]
        y += len(results) + 1
    ax.set_yticks(ticks, names, fontsize=9.5)
    ax.set(ylim=(y - 0.4, -0.6), xlim=(0, 21), xlabel="상위 5 오류율(%)")
    ax.tick_params(axis="y", length=0)
    return figure


def idea_years(used: Mapping[str, tuple[int, set[str]]], ideas: Sequence[str]) -> Figure:
    """부품마다 그것을 쓰는 신경망을 연도 차례로 표시한다. 큰 점이 이 가운데 처음 쓴 것이다.

    Parameters
    ----------
    used : 신경망의 이름과 (연도, 쓰는 부품)
    ideas : 부품의 이름
    """
    figure, ax = plt.subplots(figsize=(6.8, 0.36 * len(ideas) + 1.2))
    for y, idea in enumerate(ideas):
        places = [x for x, (_, found) in enumerate(used.values()) if idea in found]
        if not places:
            continue
        ax.plot((places[0], places[-1]), (y, y), color=FAINT, lw=3, zorder=0)
        ax.scatter(places[:1], [y], s=110, color=ORANGE, marker="D", edgecolors=INK)
        ax.scatter(places[1:], [y] * (len(places) - 1), s=70, color=BLUE, edgecolors=INK)
    ax.set_yticks(range(len(ideas)), ideas)
    labels = [f"{name}\n{year}" for name, (year, _) in used.items()]
    ax.set_xticks(range(len(used)), labels, fontsize=8.5)
    ax.set(ylim=(len(ideas) - 0.4, -0.6), xlim=(-0.5, len(used) - 0.5))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


# 계보 그림의 자리(가로, 세로)와, 그 신경망이 들여온 것
TREE = {
    "LeNet-5": (1.0, 0.0, "1998 · 2장\n합성곱, 가중치 공유"),
    "AlexNet": (1.0, 1.3, "2012 · 6장\nReLU, 드롭아웃, GPU"),
    "NiN": (0.25, 2.6, "2013 · 8장\n1×1, 전역 평균 풀링"),
    "VGG": (1.9, 2.6, "2014 · 7장\n3×3 쌓기"),
    "GoogLeNet": (0.25, 3.9, "2014 · 9장\n인셉션, 보조 분류기"),
    "배치 정규화": (1.9, 3.9, "2015 · 10장\n값의 크기 맞추기"),
    "ResNet": (1.0, 5.2, "2015 · 11장\n지름길 연결"),
    "DenseNet": (1.0, 6.5, "2016 · 12장\n밀집 연결"),
}


def family_tree(lineage: Sequence[tuple[str, str, str]]) -> Figure:
    """어느 신경망의 생각이 어느 신경망으로 이어졌는지를 위에서 아래로 그린다.

    Parameters
    ----------
    lineage : (준 쪽, 받은 쪽, 이어진 것)의 목록. 이름은 `TREE`의 열쇠
    """
    figure, ax = plt.subplots(figsize=(6.0, 7.4))
    plate = {"boxstyle": "round,pad=0.15", "fc": PAPER, "ec": "none"}
    for source, target, idea in lineage:
        for name in (source, target):
            choice("lineage", name, TREE)
        (x0, y0, _), (x1, y1, _) = TREE[source], TREE[target]
        arrow = {"arrowstyle": "->", "color": BLUE, "lw": 1.3, "shrinkA": 26, "shrinkB": 26}
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=arrow, zorder=0)
        share = 0.5 if y1 - y0 < 2 else 0.3
        middle = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        ax.text(*middle, idea, ha="center", va="center", fontsize=9, color=BLUE, bbox=plate)
    box = {"boxstyle": "round,pad=0.35", "fc": "#fff4d6", "ec": YELLOW}
    for name, (x, y, note) in TREE.items():
        ax.text(x, y, f"{name}\n{note}", ha="center", va="center", fontsize=9.5, bbox=box)
    ax.set(xlim=(-0.4, 2.5), ylim=(6.95, -0.45))
    ax.axis("off")
    return figure


def memory_bars(rows: Sequence[Row]) -> Figure:
    """매개변수(왼쪽)와, 학습할 때 이미지 한 장을 위해 남겨 두는 값(오른쪽). 단위는 MiB이다.

    Parameters
    ----------
    rows : 그릴 줄. 매개변수는 float32로 센다.
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 0.3 * len(rows) + 0.8), sharey=True)
    columns = {
        "매개변수": [4 * row.parameters for row in rows],
        "이미지 한 장마다 남겨 두는 값": [row.stored_bytes for row in rows],
    }
    for ax, (title, sizes), color in zip(axes, columns.items(), (ORANGE, BLUE), strict=True):
        values = [size / 2**20 for size in sizes]
        bars = ax.barh(range(len(rows)), values, color=color, alpha=0.75)
        ax.bar_label(bars, [f"{value:.0f}" for value in values], padding=3, fontsize=9.5)
        ax.set(xlim=(0, 1.2 * max(values)), xticks=[])
        ax.set_title(title, fontsize=10.5)
        ax.spines["bottom"].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9.5)
    axes[0].invert_yaxis()
    return figure
