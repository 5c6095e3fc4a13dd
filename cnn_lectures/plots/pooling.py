"""3장 풀링의 그림.

칸에 적힌 값과 구간의 자리는 `layers.pooling`이 계산한 것이라, 그림과 연산이 어긋나지 않는다.
논문: 서브샘플링은 LeCun 외 (1998) 2절, 겹침 풀링은 Krizhevsky 외 (2012) 3.4절.
논문과 다른 점: 그림은 모두 새로 그렸다.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_lectures import _checks
from cnn_lectures.layers.pooling import adaptive_bins, avg_pool2d, max_pool2d
from cnn_lectures.plots import BLUE, GREEN, INK, ORANGE, PINK, SKY
from cnn_lectures.plots.convolution import (
    DONE,
    EDGE,
    PADDED,
    PAPER,
    TINTS,
    arrow,
    blank,
    draw_cells,
    number,
    outline,
)


def windows(image: np.ndarray, kernel_size: int) -> Figure:
    """겹치지 않는 창과, 창마다의 최댓값과 평균. 같은 창은 색이 같다.

    Parameters
    ----------
    image : (H, W). 창이 아홉을 넘지 않아야 한다.
    kernel_size : 창의 한 변이자 스트라이드
    """
    results = [pool(image[None, None], kernel_size)[0, 0] for pool in (max_pool2d, avg_pool2d)]
    (height, width), (rows, columns) = image.shape, results[0].shape
    if rows * columns > len(TINTS):
        raise _checks.error("image", f"창이 {len(TINTS)}개를 넘지 않아야 합니다", image.shape)
    tints = np.asarray(TINTS, dtype=object)[: rows * columns].reshape(rows, columns)
    figure, ax = plt.subplots(figsize=(5.6, 2.6))
    draw_cells(ax, image, colors=tints.repeat(kernel_size, 0).repeat(kernel_size, 1), size=12)
    for row, column in np.ndindex(rows, columns):
        outline(ax, column * kernel_size, row * kernel_size, kernel_size, kernel_size, ec=INK, lw=2)
    left, top = width + 1.2, (height - rows) / 2
    arrow(ax, (width + 0.2, height / 2), (left - 0.2, height / 2))
    for title, result in zip(("최대", "평균"), results, strict=True):
        draw_cells(ax, result, x=left, y=top, colors=tints, size=12)
        ax.text(left + columns / 2, top - 0.2, title, ha="center", va="bottom")
        left += columns + 0.6
    blank(ax, left - 0.6, height)
    return figure


def padding_values(image: np.ndarray, kernel_size: int, *, stride: int, padding: int) -> Figure:
    """−∞로 패딩한 최대 풀링(위)과 0으로 패딩한 최대 풀링(아래). 주황 테두리는 첫 창이다.

    Parameters
    ----------
    image : (H, W)
    kernel_size, stride, padding : `max_pool2d`와 같다
    """
    figure, axes = plt.subplots(2, 1, figsize=(4.4, 5.4))
    for ax, value, label in zip(axes, (-np.inf, 0.0), ("−∞", "0"), strict=True):
        padded = np.pad(image.astype(float), padding, constant_values=value)
        colors = np.pad(np.full(image.shape, PAPER, object), padding, constant_values=PADDED)
        draw_cells(ax, np.where(np.isinf(padded), np.nan, padded), colors=colors)
        for row, column in np.argwhere(np.isinf(padded)):
            ax.text(column + 0.5, row + 0.5, label, ha="center", va="center", color=EDGE)
        outline(ax, 0, 0, kernel_size, kernel_size)
        result = max_pool2d(padded[None, None], kernel_size, stride=stride)[0, 0]
        (height, width), (rows, columns) = padded.shape, result.shape
        left, top = width + 1.4, (height - rows) / 2
        arrow(ax, (width + 0.25, height / 2), (left - 0.25, height / 2))
        draw_cells(ax, result, x=left, y=top, colors=DONE)
        outline(ax, left, top, 1, 1)
        ax.set_title(f"패딩 {label}", fontsize=11, loc="left")
        blank(ax, left + columns, height)
    return figure


def gradients(image: np.ndarray, cases: Mapping[str, np.ndarray]) -> Figure:
    """칸마다 값(검정)과 거기에 모인 기울기(주황). 기울기가 0인 칸은 비워 둔다.

    Parameters
    ----------
    image : (H, W)
    cases : 제목과 기울기 (H, W). 둘씩 한 줄에 놓는다.
    """
    lines = -(-len(cases) // 2)
    figure, axes = plt.subplots(lines, 2, figsize=(5.4, 2.8 * lines), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, gradient) in zip(axes.flat, cases.items(), strict=False):
        draw_cells(ax, image, colors=np.where(gradient == 0, PAPER, DONE), shift=0.38, size=12)
        for row, column in np.argwhere(gradient):
            spot, label = (column + 0.94, row + 0.94), number(gradient[row, column])
            ax.text(*spot, label, ha="right", va="bottom", size=10, color=ORANGE)
        ax.set_title(title, fontsize=11)
        blank(ax, *image.shape[::-1])
    return figure


def bins(cases: Sequence[tuple[int, int]]) -> Figure:
    """적응형 풀링의 구간. 막대의 수는 출력의 번호, 짙은 칸은 두 구간이 함께 쓰는 칸이다.

    Parameters
    ----------
    cases : (입력 크기, 출력 크기)의 목록
    """
    figure, axes = plt.subplots(len(cases), 1, figsize=(5.4, 1.7 * len(cases)), squeeze=False)
    longest = max(size for size, _ in cases)
    for ax, (size, count) in zip(axes.flat, cases, strict=True):
        intervals = adaptive_bins(size, count)
        for cell in range(size):
            uses = sum(start <= cell < stop for start, stop in intervals)
            ax.add_patch(Rectangle((cell, 0), 1, 0.8, fc=DONE if uses > 1 else PAPER, ec=EDGE))
            ax.text(cell + 0.5, 0.4, str(cell), ha="center", va="center", fontsize=10)
        ends = []  # 줄마다 마지막 막대의 끝. 겹치지 않는 첫 줄에 막대를 놓는다.
        for index, (start, stop) in enumerate(intervals):
            level = next((row for row, end in enumerate(ends) if end <= start), len(ends))
            ends[level : level + 1] = [stop]
            x, y, color = (start + stop) / 2, 1 + 0.7 * level, (BLUE, ORANGE, INK)[level % 3]
            ax.add_patch(Rectangle((start + 0.08, y), stop - start - 0.16, 0.58, fc=color))
            ax.text(x, y + 0.29, str(index), ha="center", va="center", color=PAPER, fontsize=10)
        ax.set_title(f"{size} → {count}", fontsize=11, loc="left")
        blank(ax, longest, 3)
        ax.set_anchor("W")
    return figure


def shifts(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """원래 것, 한 화소 옮긴 것, 둘의 차이를 한 줄씩 그린다.

    Parameters
    ----------
    pairs : 줄의 이름과 (원래 (H, W), 옮긴 것 (H, W)). 값은 0 이상
    """
    figure, axes = plt.subplots(len(pairs), 3, figsize=(5.4, 1.75 * len(pairs)), squeeze=False)
    for title, ax in zip(("원래", "옮긴 것", "차이"), axes[0], strict=True):
        ax.set_title(title)
    for line, (name, (before, after)) in zip(axes, pairs.items(), strict=True):
        before, after = np.asarray(before), np.asarray(after)
        limit = max(before.max(), after.max())
        line[0].set_ylabel(name)
        for ax, picture in zip(line, (before, after, abs(after - before)), strict=True):
            ax.imshow(picture, vmin=0, vmax=limit)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
    return figure


def change_curves(changes: Mapping[str, Sequence[float]]) -> Figure:
    """옮긴 화소의 수(0부터)에 따른 상대 변화.

    Parameters
    ----------
    changes : 이름과, 0, 1, 2, …화소 옮겼을 때의 변화
    """
    figure, ax = plt.subplots(figsize=(5.4, 3.4))
    styles = zip("os^vD", (INK, SKY, ORANGE, BLUE, GREEN), ("-", ":", "-", "--", "-"), strict=True)
    for (name, values), (marker, color, line) in zip(changes.items(), styles, strict=False):
        ax.plot(range(len(values)), values, marker + line, color=color, label=name)
    ax.set(xlabel="옮긴 화소 수", ylabel="상대 변화", ylim=(-0.03, None))
    ax.set_xticks(range(len(values)))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def scores(results: Mapping[str, Sequence[float]], label: str) -> Figure:
    """씨앗마다의 성적을 점으로, 평균을 세로 막대로 그린다.

    Parameters
    ----------
    results : 이름과 씨앗마다의 성적
    label : 가로축의 이름
    """
    figure, ax = plt.subplots(figsize=(5.4, 0.55 * len(results) + 0.9))
    for row, values in enumerate(results.values()):
        ax.plot(values, [row] * len(values), "o", color=BLUE, ms=8, mec=PAPER)
        ax.plot(np.mean(values), row, "|", color=PINK, ms=20, mew=3)
    everything = np.concatenate(list(results.values()))
    low, high = np.floor(everything.min() * 20) / 20, np.ceil(everything.max() * 20) / 20
    ax.set(xlabel=label, xlim=(low, high), ylim=(len(results) - 0.5, -0.5))
    ax.set_yticks(range(len(results)), results)
    ax.grid(axis="x", color=PADDED)
    return figure
