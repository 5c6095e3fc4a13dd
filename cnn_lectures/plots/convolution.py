"""1장 합성곱의 그림.

칸에 적힌 수와 창의 자리는 `layers.convolution`이 계산한 것이라, 그림과 연산이 어긋나지 않는다.
논문: Dumoulin & Visin (2016), arXiv:1603.07285. 격자 위로 창을 미는 그림으로 산술을 설명한다.
논문과 다른 점: 그림은 모두 새로 그렸고, 칸마다 값을 적었으며, 나누어떨어지지 않는 때도 보인다.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_lectures import _checks
from cnn_lectures.layers.convolution import conv2d, img2col, output_size, remainder
from cnn_lectures.plots import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PINK

# 창, 패딩, 계산을 마친 칸의 바탕색. 글자가 읽히도록 옅게 한다.
WINDOW, PADDED, DONE = "#fbe3d3", "#e9edf1", "#d6e8f5"
EDGE = "#9aa4b0"

# 가중치마다 다른 옅은 바탕색
TINTS = (
    "#d6e8f5", "#fbe3d3", "#d2efe5", "#f3dfeb", "#fbeccb",
    "#e2e2f6", "#e6efc9", "#f7d4d4", "#e9dccb",
)  # fmt: skip


class Geometry(NamedTuple):
    """격자 한 칸에 그릴 합성곱. 가로와 세로가 같다."""

    title: str
    size: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def sizes(self) -> tuple[int, int]:
        """(출력 크기, 남는 화소 수)."""
        window = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        arguments = (self.size, self.kernel_size)
        return output_size(*arguments, **window), remainder(*arguments, **window)


def number(value: float) -> str:
    """빼기표를 쓴 짧은 수."""
    return f"{value:g}".replace("-", "−")


def response(image: np.ndarray, kernel: np.ndarray, *, padding: int) -> np.ndarray:
    """채널이 하나인 이미지 (H, W)에 커널 (KH, KW)를 건 결과."""
    images, weight = (np.asarray(array, dtype=float)[None, None] for array in (image, kernel))
    return conv2d(images, weight, padding=padding)[0, 0]


def draw_cells(ax: Axes, values, *, x=0.0, y=0.0, colors=PAPER, shift=0.5, size=11) -> None:
    """2차원 배열을 (`x`, `y`)에서 시작하는 격자로 그린다. NaN인 칸은 비워 둔다."""
    values = np.asarray(values, dtype=float)
    colors = np.broadcast_to(np.asarray(colors, dtype=object), values.shape)
    for (row, column), value in np.ndenumerate(values):
        left, top = x + column, y + row
        ax.add_patch(Rectangle((left, top), 1, 1, fc=colors[row, column], ec=EDGE, lw=0.8))
        if not np.isnan(value):
            ax.text(left + shift, top + shift, number(value), ha="center", va="center", size=size)


def outline(ax: Axes, x: float, y: float, width: float, height: float, **style) -> None:
    """칸 여러 개를 둘러싸는 굵은 테두리."""
    style = {"ec": ORANGE, "lw": 2.5, "zorder": 3} | style
    ax.add_patch(Rectangle((x, y), width, height, fill=False, **style))


def arrow(ax: Axes, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """`start`에서 `stop`으로 가는 화살표."""
    ax.annotate("", stop, start, arrowprops={"arrowstyle": "->", "color": INK})


def blank(ax: Axes, width: float, height: float) -> None:
    """왼쪽 위가 원점이고 눈금이 없는 도화지로 만든다."""
    ax.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1))
    ax.set_aspect("equal")
    ax.axis("off")


def sliding_window(
    image: np.ndarray,
    kernel: np.ndarray,
    *,
    positions: Sequence[tuple[int, int]],
    padding: int = 0,
    columns: int = 2,
    name: str = "y",
) -> Figure:
    """창이 미끄러지는 장면을 늘어놓는다. 창 안의 주황색 수는 커널의 값이다.

    Parameters
    ----------
    image : (H, W)
    kernel : (KH, KW)
    positions : 장면마다의 출력 위치 (행, 열)
    padding : 사방에 덧붙일 0의 폭
    columns : 한 줄에 놓을 장면의 수
    name : 출력의 이름
    """
    padded = np.pad(image, padding)
    result = response(image, kernel, padding=padding)
    (height, width), (rows, depth) = padded.shape, kernel.shape
    left, top = width + 1.4, (height - len(result)) / 2
    lines = -(-len(positions) // columns)
    panel = 5.5 / columns * height / (left + result.shape[1]) + 0.35
    figure, axes = plt.subplots(lines, columns, figsize=(5.5, lines * panel), squeeze=False)
    for ax, (row, column) in zip(axes.flat, positions, strict=True):
        if not (0 <= row < result.shape[0] and 0 <= column < result.shape[1]):
            rule = f"출력 {result.shape[0]}×{result.shape[1]} 안의 위치여야 합니다"
            raise _checks.error("positions", rule, (row, column))
        colors = np.pad(np.full(image.shape, PAPER, dtype=object), padding, constant_values=PADDED)
        colors[row : row + rows, column : column + depth] = WINDOW
        draw_cells(ax, padded, colors=colors, shift=0.38, size=12)
        outline(ax, column, row, depth, rows)
        for (i, j), weight in np.ndenumerate(kernel):
            spot = (column + j + 0.92, row + i + 0.93)
            ax.text(*spot, number(weight), ha="right", va="bottom", size=10, color=ORANGE)
        order = np.arange(result.size).reshape(result.shape)
        now = order[row, column]
        shade = np.where(order < now, DONE, np.where(order == now, WINDOW, PAPER))
        draw_cells(ax, np.where(order <= now, result, np.nan), x=left, y=top, colors=shade, size=12)
        outline(ax, left + column, top + row, 1, 1)
        arrow(ax, (width + 0.25, height / 2), (left - 0.25, height / 2))
        ax.set_title(f"{name}[{row}, {column}] = {number(result[row, column])}", fontsize=11)
        blank(ax, left + result.shape[1], height)
    return figure


def filter_responses(image: np.ndarray, kernels: Mapping[str, np.ndarray]) -> Figure:
    """커널과, 그 커널로 거른 이미지를 짝지어 늘어놓는다. 붉은색이 양, 푸른색이 음이다.

    Parameters
    ----------
    image : (H, W)
    kernels : 이름과 (3, 3) 커널
    """
    lines = -(-len(kernels) // 2)
    figure, axes = plt.subplots(lines, 4, figsize=(5.6, 1.72 * lines), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for (left, right), (name, kernel) in zip(axes.reshape(-1, 2), kernels.items(), strict=False):
        draw_cells(left, kernel, colors=np.where(kernel == 0, PAPER, DONE), size=10)
        blank(left, 3, 3)
        left.set_title(name, fontsize=11)
        filtered = response(image, kernel, padding=1)
        limit = abs(filtered).max()
        right.imshow(filtered, cmap="RdBu_r", vmin=-limit, vmax=limit)
    return figure


def channels(in_channels: int = 3, out_channels: int = 4) -> Figure:
    """여러 채널의 합성곱. 필터 하나가 모든 채널을 보고 특징 맵 한 장을 만든다."""
    tones = (ORANGE, GREEN, BLUE, PINK)
    if not 1 <= in_channels <= len(tones):
        raise _checks.error("in_channels", f"1 이상 {len(tones)} 이하여야 합니다", in_channels)
    figure, ax = plt.subplots(figsize=(5.6, 4.4))
    height = 2.6 * out_channels
    draw_sheets(ax, 0, height / 2 - 1.6, 4, tones[:in_channels])
    for index in range(out_channels):
        middle = 2.6 * index + 1.3
        draw_sheets(ax, 8.6, middle - 0.4, 1.3, tones[:in_channels])
        draw_sheets(ax, 14.6, middle - 1, 2, (INK,))
        ax.text(11.4, middle, f"+ b{index}", va="center")
        arrow(ax, (5.9, height / 2), (8.2, middle))
        arrow(ax, (12.9, middle), (14.2, middle))
    labels = (
        (2.6, "입력", f"({in_channels}, H, W)"),
        (9.6, "필터와 편향", f"({out_channels}, {in_channels}, KH, KW)"),
        (15.6, "특징 맵", f"({out_channels}, OH, OW)"),
    )
    for x, name, shape in labels:
        ax.text(x, -0.9, name, ha="center", fontsize=12)
        ax.text(x, height + 0.6, shape, ha="center", va="center")
    ax.set(xlim=(-0.4, 18), ylim=(height + 1.2, -1.6))
    ax.set_aspect("equal")
    ax.axis("off")
    return figure


def draw_sheets(ax: Axes, x: float, y: float, side: float, colors: Sequence[str]) -> None:
    """채널마다 한 장씩 비스듬히 겹친 정사각형."""
    gap = 0.1 + 0.12 * side
    for depth, color in enumerate(colors):
        corner = (x + depth * gap, y - depth * gap)
        ax.add_patch(Rectangle(corner, side, side, fc=color, ec=PAPER, lw=1.2, alpha=0.85))


def geometry_grid(cases: Sequence[Geometry]) -> Figure:
    """첫 창(주황)과 오른쪽 옆의 창(파랑)을 격자에 겹쳐 그린다. 빗금은 패딩이다."""
    lines = -(-len(cases) // 2)
    figure, axes = plt.subplots(lines, 2, figsize=(5.4, 3.0 * lines), squeeze=False)
    for ax, case in zip(axes.flat, cases, strict=True):
        side, reach = case.size + 2 * case.padding, case.dilation * (case.kernel_size - 1) + 1
        draw_padded(ax, side, case.padding, rows=side)
        taps = np.arange(0, reach, case.dilation) + 0.5
        for start, color, marker in ((0, ORANGE, "o"), (case.stride, BLUE, "x")):
            x, y = np.meshgrid(taps + start, taps)
            ax.plot(x.ravel(), y.ravel(), marker, color=color, ms=7, mew=2, ls="none")
            inset = 0.08 if start else -0.02
            box = (start + inset, inset, reach - 2 * inset, reach - 2 * inset)
            outline(ax, *box, ec=color, ls="--" if start else "-")
        out, _ = case.sizes
        ax.set_title(f"{case.title}\n{case.size}×{case.size} → {out}×{out}", fontsize=11)
        blank(ax, side, side)
    return figure


def draw_padded(ax: Axes, width: int, padding: int, *, rows: int = 1, y: float = 0.0) -> None:
    """패딩에 빗금을 친 빈 격자. `rows`가 1이면 가로로 한 줄이다."""
    for row in range(rows):
        for column in range(width):
            inside = padding <= column < width - padding
            if rows > 1:
                inside &= padding <= row < rows - padding
            style = {"fc": PAPER} if inside else {"fc": PADDED, "hatch": "////"}
            ax.add_patch(Rectangle((column, y + row), 1, 1, ec=EDGE, lw=0.8, **style))


def remainder_strips(cases: Sequence[Geometry]) -> Figure:
    """한 줄의 화소 아래에 창을 모두 늘어놓고, 창이 닿지 않고 끝에 남은 화소를 분홍으로 칠한다."""
    figure, axes = plt.subplots(len(cases), 1, figsize=(5.4, 1.45 * len(cases)), squeeze=False)
    longest = max(case.size + 2 * case.padding for case in cases)
    for ax, case in zip(axes.flat, cases, strict=True):
        width = case.size + 2 * case.padding
        out, left = case.sizes
        draw_padded(ax, width, case.padding)
        for column in range(width - left, width):
            ax.add_patch(Rectangle((column, 0), 1, 1, fc=PINK, ec=EDGE))
        reach = case.dilation * (case.kernel_size - 1) + 1
        for index in range(out):
            x, y = index * case.stride + 0.12, 1.3 + 0.45 * (index % 2)
            bar = Rectangle((x, y), reach - 0.24, 0.3, fc=(ORANGE, BLUE)[index % 2])
            ax.add_patch(bar)
        title = f"크기 {case.size}, 커널 {case.kernel_size}, 스트라이드 {case.stride}"
        title += f", 패딩 {case.padding}" if case.padding else ""
        ax.set_title(f"{title} → 출력 {out}, 남음 {left}", fontsize=11, loc="left")
        blank(ax, longest, 2.1)
        ax.set_anchor("W")
    return figure


def img2col_matrix(image: np.ndarray, kernel: np.ndarray) -> Figure:
    """이미지의 창을 한 줄씩 펴서 만든 행렬과 커널의 곱. 창과 줄의 색이 같다.

    Parameters
    ----------
    image : (H, W). 창이 넷을 넘지 않아야 한다.
    kernel : (KH, KW)
    """
    rows = img2col(image[None, None], kernel.shape)
    count, taps = rows.shape
    tones = (BLUE, ORANGE, GREEN, PINK)
    if count > len(tones):
        raise _checks.error("image", f"창이 {len(tones)}개를 넘지 않아야 합니다", image.shape)
    bottom = max(taps, image.shape[0] + 1 + count)  # 행렬의 아래 변
    figure, ax = plt.subplots(figsize=(5.6, 5.6 * (bottom + 0.6) / (taps + 4)))
    draw_cells(ax, image)
    for index, tone in enumerate(tones[:count]):
        row, column = divmod(index, image.shape[1] - kernel.shape[1] + 1)
        inset = 0.08 * index  # 테두리가 겹치지 않게 조금씩 안쪽으로
        height, width = (side - 2 * inset for side in kernel.shape)
        outline(ax, column + inset, row + inset, width, height, ec=tone, lw=2.2)
    draw_cells(ax, kernel, x=image.shape[1] + 1, y=0.5, colors=FAINT)
    shade = np.asarray(TINTS[:count], dtype=object)[:, None]
    tinted = np.repeat(shade, taps, axis=1)
    draw_cells(ax, rows, y=bottom - count, colors=tinted)
    draw_cells(ax, kernel.reshape(-1, 1), x=taps + 1, y=bottom - taps, colors=FAINT)
    draw_cells(ax, rows @ kernel.reshape(-1, 1), x=taps + 3, y=bottom - count, colors=shade)
    for x, sign in ((taps + 0.5, "×"), (taps + 2.5, "=")):
        ax.text(x, bottom - count / 2, sign, ha="center", va="center", fontsize=15)
    blank(ax, taps + 4, bottom)
    return figure


def weight_matrices(convolution: np.ndarray) -> Figure:
    """완전 연결 층과 합성곱 층을 같은 크기의 행렬로 그린다. 칸의 수는 가중치의 번호이다.

    Parameters
    ----------
    convolution : (출력 수, 입력 수). 값은 가중치의 번호(1부터 9까지)이고, 0은 이어지지 않은 곳이다.
    """
    figure, axes = plt.subplots(2, 1, figsize=(5.6, 4.0))
    dense = np.arange(1, convolution.size + 1).reshape(convolution.shape)
    palette = np.asarray([PAPER, *TINTS], dtype=object)
    panels = (
        ("완전 연결 층", dense, FAINT),
        ("합성곱 층", convolution, palette[convolution.astype(int)]),
    )
    for ax, (name, matrix, colors) in zip(axes, panels, strict=True):
        links, kinds = np.count_nonzero(matrix), np.unique(matrix[matrix != 0]).size
        draw_cells(ax, np.where(matrix == 0, np.nan, matrix), colors=colors, size=9)
        ax.set_title(f"{name}: 연결 {links}, 서로 다른 가중치 {kinds}", fontsize=11)
        blank(ax, matrix.shape[1], matrix.shape[0])
    return figure


def channel_links(in_channels: int, out_channels: int, groups: Sequence[int]) -> Figure:
    """그룹의 수에 따라 어느 출력 채널이 어느 입력 채널을 보는지 그린다."""
    figure, axes = plt.subplots(1, len(groups), figsize=(5.6, 2.4), squeeze=False)
    for ax, count in zip(axes.flat, groups, strict=True):
        if in_channels % count or out_channels % count:
            rule = f"채널 수 {in_channels}, {out_channels}의 공약수여야 합니다"
            raise _checks.error("groups", rule, count)
        links = np.kron(np.eye(count), np.ones((out_channels // count, in_channels // count)))
        ax.pcolormesh(links, cmap="Blues", vmin=0, vmax=1.4, edgecolors=EDGE, lw=0.8)
        ax.set(xlabel="입력 채널", xticks=[], yticks=[], ylim=(out_channels, 0))
        ax.set_title(f"그룹 {count}\n연결 {int(links.sum())}", fontsize=11)
        ax.set_aspect("equal")
    axes[0, 0].set_ylabel("출력 채널")
    return figure


def padding_modes(image: np.ndarray, padding: int) -> Figure:
    """네 가지 패딩 방식으로 늘린 이미지. 회색 칸이 덧붙인 값이다."""
    figure, axes = plt.subplots(2, 2, figsize=(5.4, 5.6))
    modes = ("constant", "reflect", "edge", "wrap")
    titles = ("zeros: 0으로", "reflect: 거울처럼", "replicate: 끝값으로", "circular: 반대쪽 끝을")
    inner = np.full(image.shape, PAPER, dtype=object)
    colors = np.pad(inner, padding, constant_values=PADDED)
    for ax, mode, title in zip(axes.flat, modes, titles, strict=True):
        padded = np.pad(image, padding, mode=mode)
        draw_cells(ax, padded, colors=colors)
        outline(ax, padding, padding, *image.shape[::-1])
        ax.set_title(title, fontsize=11)
        blank(ax, *padded.shape[::-1])
    return figure


def border_errors(errors: Mapping[str, np.ndarray]) -> Figure:
    """등변성의 오차. 흰 곳은 오차가 0이다.

    Parameters
    ----------
    errors : 제목과 (H, W) 오차. 셋씩 한 줄에 놓는다.
    """
    lines = -(-len(errors) // 3)
    figure, axes = plt.subplots(lines, 3, figsize=(5.6, 2.15 * lines), squeeze=False)
    limit = max(error.max() for error in errors.values())
    orange = LinearSegmentedColormap.from_list("orange", [PAPER, ORANGE])
    for ax, (title, error) in zip(axes.flat, errors.items(), strict=True):
        ax.imshow(error, cmap=orange, vmin=0, vmax=limit)
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    return figure
