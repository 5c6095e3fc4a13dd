"""2장 LeNet의 그림.

층의 크기와 수용 영역은 모형과 `receptive_field`에서 받아 그리므로, 그림과 모형이 어긋나지 않는다.
논문: LeCun, Bottou, Bengio & Haffner (1998), Proceedings of the IEEE 86(11), 2278–2324쪽.
논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from cnn_lectures import _checks
from cnn_lectures.models.lenet import C3_CONNECTIONS, LayerCount, ScaledTanh
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK, SKY, YELLOW

# (연도, 이름, 한 줄 설명, 이 책의 장인지). arXiv에 먼저 나온 논문은 그해를 적는다.
HISTORY = (
    (1980, "네오코그니트론", "국소 수용 영역, 역전파는 쓰지 않음", False),
    (1989, "TDNN · 우편번호 신경망", "가중치 공유를 역전파로 학습", False),
    (1990, "LeNet-1", "평균하는 서브샘플링 층", False),
    (1998, "LeNet-5", "이 장", True),
    (2012, "AlexNet", "ReLU, GPU, ImageNet", True),
    (2013, "NiN", "1×1 합성곱, 전역 평균 풀링", True),
    (2014, "VGG · GoogLeNet", "3×3만으로 깊게 · 인셉션", True),
    (2015, "배치 정규화 · ResNet", "지름길 연결", True),
    (2016, "DenseNet", "모든 층을 이어 붙이기", True),
)

# 서브샘플링으로 이어지는 단계의 색
FIELD_COLORS = {"C1": BLUE, "S2": SKY, "C3": ORANGE, "S4": YELLOW, "C5": GREEN}


def timeline() -> Figure:
    """1980년부터 2016년까지의 연표. 세로의 간격이 흐른 해에 비례한다."""
    figure, ax = plt.subplots(figsize=(5.0, 5.6))
    ax.plot([0, 0], [HISTORY[0][0] - 1, HISTORY[-1][0] + 1], color=FAINT, lw=4, zorder=0)
    for year, name, note, chapter in HISTORY:
        color = ORANGE if note == "이 장" else BLUE if chapter else INK
        ax.plot(0, year, "o", color=color, ms=8, mec=PAPER)
        ax.annotate(str(year), (-0.25, year), ha="right", va="center", color=color)
        label = ax.annotate(name, (0.25, year), va="center", color=color)
        ax.annotate(
            note, (1, 0.5), xycoords=label, xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=10,
        )  # fmt: skip
    ax.set(xlim=(-1.0, 5.2), ylim=(HISTORY[-1][0] + 1.2, HISTORY[0][0] - 1.2))
    ax.axis("off")
    return figure


def equivariance(pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> Figure:
    """이미지(왼쪽)와 그 특징 맵(오른쪽)을 한 줄씩 그린다. 특징 맵은 양이 붉고 음이 푸르다.

    Parameters
    ----------
    pairs : 줄의 이름과 (이미지 (H, W), 특징 맵 (H', W'))
    """
    figure, axes = plt.subplots(len(pairs), 2, figsize=(5.0, 2.6 * len(pairs)), squeeze=False)
    for (left, right), (name, (image, response)) in zip(axes, pairs.items(), strict=True):
        limit = response.abs().max().item()
        left.imshow(np.asarray(image))
        right.imshow(np.asarray(response), cmap="RdBu_r", vmin=-limit, vmax=limit)
        left.set_title(name)
        right.set_title("특징 맵")
        for ax in (left, right):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=FAINT)
    return figure


def seven() -> Figure:
    """숫자 7 둘. 특징의 자리는 다르지만 서로 놓인 관계는 같다."""
    figure, axes = plt.subplots(1, 2, figsize=(5.2, 3.0))
    shapes = (((5, 26), (22, 25), (12, 4)), ((9, 29), (28, 28), (21, 6)))
    marks = (("가로 획의 끝점", BLUE, "o"), ("모서리", ORANGE, "s"), ("세로 획의 끝점", GREEN, "^"))
    for ax, points in zip(axes, shapes, strict=True):
        ax.plot(*zip(*points, strict=True), color=INK, lw=11, alpha=0.25, solid_joinstyle="round")
        for point, (label, color, marker) in zip(points, marks, strict=True):
            ax.plot(*point, marker, color=color, ms=11, mec=PAPER, mew=1.5, ls="none", label=label)
        ax.set(xlim=(0, 32), ylim=(0, 32), xticks=range(0, 33, 8), yticks=range(0, 33, 8))
        ax.tick_params(labelleft=False, labelbottom=False, length=0)
        ax.grid(color=FAINT)
        ax.set_aspect("equal")
        ax.spines[:].set_visible(True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def parameter_bars(rows: Sequence[LayerCount]) -> Figure:
    """매개변수 수를 로그 눈금의 막대로 견준다.

    Parameters
    ----------
    rows : `models.lenet.sharing_counts`가 돌려준 것
    """
    figure, ax = plt.subplots(figsize=(5.2, 2.1))
    counts = [row.parameters for row in rows]
    bars = ax.barh([row.layer for row in rows], counts, color=(INK, SKY, BLUE), height=0.6)
    ax.bar_label(bars, [f"{count:,}" for count in counts], padding=5)
    ax.set(xscale="log", xlim=(10, max(counts) * 20), xlabel="매개변수 수(로그 눈금)")
    ax.invert_yaxis()
    return figure


def nested_fields(image: np.ndarray, spans: Mapping[str, range]) -> Figure:
    """층마다 유닛 하나의 수용 영역을 입력 위에 겹쳐 그린다.

    Parameters
    ----------
    image : (H, W)
    spans : 층의 이름과 그 유닛이 보는 화소의 번호. 이름은 `FIELD_COLORS`에 있어야 한다.
    """
    figure, ax = plt.subplots(figsize=(5.0, 5.0))
    height, width = image.shape
    ax.imshow(np.asarray(image), alpha=0.45, extent=(0, width, height, 0))
    for name, span in spans.items():
        if name not in FIELD_COLORS:
            rule = f"{', '.join(FIELD_COLORS)} 가운데 하나여야 합니다"
            raise _checks.error("spans", rule, name)
        square = Rectangle(
            (span.start + 0.15, span.start + 0.15), len(span) - 0.3, len(span) - 0.3,
            fill=False, ec=FIELD_COLORS[name], lw=3,
        )  # fmt: skip
        ax.add_patch(square)
        # 바로 위층과 겹치지 않게 합성곱은 사각형 안에, 서브샘플링은 밖에 적는다.
        gap, align = (-0.6, "bottom") if name.startswith("C") else (0.6, "top")
        ax.annotate(
            f"{name} {len(span)}×{len(span)}", (span.start + len(span) / 2, span.stop + gap),
            ha="center", va=align, fontsize=9.5,
            bbox={"boxstyle": "round,pad=0.12", "fc": PAPER, "ec": FIELD_COLORS[name]},
        )  # fmt: skip
    ax.set(xticks=range(0, width + 1, 4), yticks=range(0, height + 1, 4))
    ax.grid(color=FAINT, lw=0.6)
    ax.tick_params(length=0)
    return figure


def dilation_trees(schemes: Sequence[Sequence[int]]) -> Figure:
    """커널 3인 1차원 합성곱을 쌓아, 맨 위의 출력 하나에 이어진 입력을 그린다.

    Parameters
    ----------
    schemes : 아래층부터 적은 팽창률의 목록들
    """
    figure, axes = plt.subplots(len(schemes), 1, figsize=(5.4, 2.0 * len(schemes)), squeeze=False)
    reach = max(sum(rates) for rates in schemes)
    positions = range(-reach - 1, reach + 2)
    for ax, rates in zip(axes.flat, schemes, strict=True):
        active = {0}
        for level in range(len(rates), -1, -1):
            colors = [BLUE if x in active else FAINT for x in positions]
            ax.scatter(positions, [level] * len(positions), s=45, color=colors, zorder=2)
            if level:
                rate = rates[level - 1]
                below = {(x, x + step) for x in active for step in (-rate, 0, rate)}
                for link in below:
                    ax.plot(link, (level, level - 1), color=SKY, lw=1, zorder=1)
                active = {x for _, x in below}
        side = 2 * sum(rates) + 1
        title = (
            f"팽창률 {', '.join(map(str, rates))}: 수용 영역 {side}칸 가운데 {len(active)}칸을 본다"
        )
        ax.set_title(title, fontsize=11, pad=12)
        ax.set_ylim(-0.6, len(rates) + 0.3)
        ax.axis("off")
    return figure


def uniform_profile(depth: int) -> np.ndarray:
    """가중치가 고른 3칸 커널을 `depth`번 합성곱한 값 (2·depth + 1,). 합은 1이다."""
    profile = np.ones(1)
    for _ in range(_checks.integer("depth", depth, minimum=1)):
        profile = np.convolve(profile, np.ones(3) / 3)
    return profile


def effective_field(depths: Sequence[int]) -> Figure:
    """고른 3×3 커널을 쌓았을 때 입력이 주는 영향. 왼쪽은 두 번째 깊이의 2차원 모습이다.

    Parameters
    ----------
    depths : 층 수 둘에서 넷, 작은 것부터
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 3.0), width_ratios=(1, 1.35))
    depth = depths[1]
    profile = uniform_profile(depth)
    side = depth + 0.5
    left.imshow(np.outer(profile, profile), cmap="Blues", extent=(-side, side, -side, side))
    left.set(title=f"{depth}층, {2 * depth + 1}×{2 * depth + 1}", xticks=[-depth, 0, depth])
    left.set(yticks=[-depth, 0, depth])
    for depth, color in zip(depths, (PINK, BLUE, ORANGE, GREEN), strict=False):
        profile, x = uniform_profile(depth), np.arange(-depth, depth + 1)
        sigma = np.sqrt(2 * depth / 3)
        gauss = np.exp(-((x / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
        right.plot(x, profile, color=color, label=f"{depth}층")
        right.plot(x, gauss, ":", color=INK, lw=1.5)
    right.plot([], [], ":", color=INK, label="정규 분포")
    right.set(title="한 방향의 영향", xlabel="중심에서 떨어진 화소 수", ylim=(0, None))
    right.legend(fontsize=9.5)
    return figure


def architecture(model: nn.Module) -> Figure:
    """`LeNet5`의 특징 맵을 크기에 비례하게 그린다.

    Parameters
    ----------
    model : `forward_features`와 `classifier`가 있는 모형
    """
    with torch.inference_mode():
        maps = model.forward_features(torch.zeros(1, 1, 32, 32))
    stages = [
        ("입력", 1, 32),
        *((name.upper(), x.shape[1], x.shape[2]) for name, x in maps.items()),
    ]
    widths = [layer.out_features for layer in model.classifier if isinstance(layer, nn.Linear)]
    stages += [(name, width, 1) for name, width in zip(("F6", "출력"), widths, strict=True)]
    steps = ("합성곱\n5×5", "평균 풀링\n2×2") * 2 + ("합성곱\n5×5", "완전\n연결", "완전\n연결")

    figure, axes = plt.subplots(2, 1, figsize=(5.6, 5.0))
    half = len(stages) // 2
    for number, (name, count, size) in enumerate(stages):
        ax, slot = axes[number // half], 48 * (number % half)
        color = FIELD_COLORS.get(name, INK)
        if size > 1:  # 비스듬히 쌓은 맵
            offsets = (np.arange(count) - (count - 1) / 2) * 12 / count
            boxes = [(shift - size / 2, -shift - size / 2, size, size) for shift in offsets]
        else:  # 1×1 맵은 한 줄로 세워 기둥으로 그린다.
            boxes = [(-1.5, -count / 6, 3, count / 3)]
        for x, y, width, height in boxes:
            ax.add_patch(Rectangle((slot + x, y), width, height, fc=PAPER, ec=color, lw=0.7))
        label = f"{count}" if name in ("F6", "출력") else f"{count}@{size}×{size}"
        ax.text(slot, 24, f"{name}\n{label}", ha="center")
        if number < len(steps):
            ax.text(slot + 24, -28, steps[number], ha="center", va="top", fontsize=10)
            ax.annotate("", (slot + 30, -25), (slot + 18, -25), arrowprops={"arrowstyle": "->"})
    for ax in axes:
        ax.set(xlim=(-20, 48 * half - 15), ylim=(-41, 35))
        ax.set_aspect("equal")
        ax.axis("off")
    return figure


def connection_table() -> Figure:
    """C3의 맵(열)이 S2의 어느 맵(행)을 받는지 보이는 표. 가장자리의 수는 행과 열의 합이다."""
    table = np.zeros((6, len(C3_CONNECTIONS)), dtype=int)
    for column, inputs in enumerate(C3_CONNECTIONS):
        table[list(inputs), column] = 1
    figure, ax = plt.subplots(figsize=(5.8, 3.1))
    ax.pcolormesh(table, cmap="Blues", vmin=0, vmax=1.3, edgecolors=PAPER, lw=2)
    for column, total in enumerate(table.sum(axis=0)):
        ax.text(column + 0.5, 6.45, str(total), ha="center", va="center")
    for row, total in enumerate(table.sum(axis=1)):
        ax.text(16.5, row + 0.5, str(total), ha="center", va="center")
    ax.text(16.5, 6.45, f"{table.sum()}", ha="center", va="center")
    for edge in (6, 12, 15):
        ax.plot([edge, edge], [0, 6], color=INK, lw=1.5)
    ax.set_xticks(np.arange(16) + 0.5, range(16))
    ax.set_yticks(np.arange(6) + 0.5, range(6))
    ax.set(xlabel="C3의 맵", ylabel="S2의 맵", xlim=(0, 17), ylim=(6.9, 0))
    ax.xaxis.set_ticks_position("top")
    ax.xaxis.set_label_position("top")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_aspect("equal")
    return figure


def scaled_tanh() -> Figure:
    """1.7159 tanh(2a/3)와 tanh."""
    figure, ax = plt.subplots(figsize=(5.2, 3.0))
    a = torch.linspace(-3.5, 3.5, 281)
    ax.axhline(0, color=FAINT, zorder=0)
    ax.axvline(0, color=FAINT, zorder=0)
    ax.plot(a, ScaledTanh()(a), label="1.7159 tanh(2a/3)")
    ax.plot(a, torch.tanh(a), "--", label="tanh(a)")
    ax.plot([-1, 1], [-1, 1], "o", color=BLUE, ms=8)
    ax.annotate("(1, 1)", (1, 1), xytext=(-6, 6), textcoords="offset points", ha="right")
    ax.annotate("(−1, −1)", (-1, -1), xytext=(6, -14), textcoords="offset points")
    ax.set(xlabel="a", ylabel="f(a)")
    ax.set_yticks((-1.7159, -1, 0, 1, 1.7159), ("−1.7159", "−1", "0", "1", "1.7159"))
    ax.legend(loc="upper left")
    return figure


def feature_maps(maps: Mapping[str, torch.Tensor]) -> Figure:
    """한 이미지의 특징 맵을 층마다 여덟 장씩 늘어놓는다. 0이 희고, 양은 붉고 음은 푸르다.

    Parameters
    ----------
    maps : 이름과 (채널 수, H, W). 값은 −1 이상 1 이하
    """
    columns = 8
    rows = [
        (name if first == 0 else "", x[first : first + columns])
        for name, x in maps.items()
        for first in range(0, len(x), columns)
    ]
    figure, axes = plt.subplots(len(rows), columns, figsize=(5.8, 0.78 * len(rows)), squeeze=False)
    for line, (name, part) in zip(axes, rows, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        for ax, image in zip(line, part, strict=False):
            ax.imshow(np.asarray(image), cmap="RdBu_r", vmin=-1, vmax=1)
    return figure
