"""수용 영역: 출력 하나가 보는 입력의 범위를 계산하고, 기울기로 확인한다.

창은 정사각형이며, 계산은 가로와 세로에 똑같이 맞는다. 여기서 말하는 것은 이론상의 수용 영역이고, 그
안의 화소가 주는 영향은 저마다 다르다(Luo et al. 2016, arXiv:1701.04128).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from cnn_lectures import _checks

MINIMUMS = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}

# 수용 영역의 식을 쓸 수 없는 층: 같은 창을 일정한 간격으로 밀지 않는다.
REJECTED = (
    nn.Flatten, nn.Linear, nn.Upsample,
    nn.ConvTranspose2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """합성곱이나 풀링 한 층이 미는 창."""

    name: str
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self):
        for field, minimum in MINIMUMS.items():
            _checks.integer(field, getattr(self, field), minimum=minimum)


@dataclass(frozen=True)
class ReceptiveField:
    """한 층의 수용 영역.

    Attributes
    ----------
    name : 층의 이름
    size : 한 변의 화소 수
    jump : 이웃한 두 출력의 수용 영역 사이의 거리(누적 스트라이드)
    start : 0번 출력이 보는 첫 화소의 번호. 패딩이 있으면 음수일 수 있다.
    """

    name: str
    size: int
    jump: int
    start: int

    def span(self, index: int) -> range:
        """`index`번 출력이 보는 화소의 번호. 이미지 밖의 번호는 패딩이다."""
        first = self.start + index * self.jump
        return range(first, first + self.size)


def receptive_fields(windows: Iterable[Window]) -> list[ReceptiveField]:
    """창을 차례로 쌓을 때 층마다의 수용 영역을 계산한다.

    r ← r + (k − 1)·d·j 다음에 j ← j·s. 갈래가 있는 신경망은 가장 긴 경로의 창을 준다.
    """
    fields, size, jump, start = [], 1, 1, 0
    for window in windows:
        size += (window.kernel_size - 1) * window.dilation * jump
        start -= window.padding * jump
        jump *= window.stride
        fields.append(ReceptiveField(window.name, size, jump, start))
    return fields


def module_windows(module: nn.Module) -> list[Window]:
    """`nn.Sequential` 사슬에서 `kernel_size`가 있는 층의 창을 차례로 읽는다.

    그 밖의 층(활성화, 정규화, 드롭아웃)은 위치를 섞지 않는다고 본다.

    Raises
    ------
    ValueError
        사슬이 아니거나, 창이 정사각형이 아니거나, 완전 연결 층처럼 창을 밀지 않는 층이 있을 때.
    """
    windows = []
    for name, layer in module.named_modules(remove_duplicate=False):
        if isinstance(layer, nn.Sequential):
            continue
        if isinstance(layer, REJECTED) or next(layer.children(), None) is not None:
            rule = "합성곱과 풀링으로 된 `nn.Sequential` 사슬이어야 합니다"
            raise _checks.error("module", rule, type(layer).__name__)
        if hasattr(layer, "kernel_size"):
            windows.append(Window(name, **{field: side(layer, field) for field in MINIMUMS}))
    return windows


def side(layer: nn.Module, field: str) -> int:
    """`layer`의 정사각형 창에서 한 변의 값을 읽는다. 없으면 기본값인 최솟값으로 본다."""
    minimum = MINIMUMS[field]
    height, width = _checks.pair(field, getattr(layer, field, minimum), minimum=minimum)
    if height != width:
        raise _checks.error(field, "가로와 세로가 같아야 합니다", (height, width))
    return height


def measured_span(windows: Iterable[Window], *, size: int, index: int) -> range:
    """한 변이 `size`인 입력에서, (`index`, `index`)번 출력의 기울기가 0이 아닌 화소의 번호를 잰다.

    창만 같고 가중치가 모두 1인 1채널 선형 신경망을 역전파한다. 활성화나 음의 가중치 때문에 기울기가
    0이 되는 일이 없으므로, 잰 범위는 수용 영역에서 이미지 밖을 뺀 것이다.
    """
    size = _checks.integer("size", size, minimum=1)
    index = _checks.integer("index", index, minimum=0)
    x = images = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    try:
        for window in windows:
            weight = x.new_ones(1, 1, window.kernel_size, window.kernel_size)
            geometry = (window.stride, window.padding, window.dilation)
            x = nn.functional.conv2d(x, weight, None, *geometry)
        unit = x[0, 0, index, index]
    except (RuntimeError, IndexError):
        raise _checks.error("size", f"{index}번 출력이 나올 만큼 커야 합니다", size) from None
    (gradient,) = torch.autograd.grad(unit, images)
    touched = gradient[0, 0].any(dim=0).nonzero().flatten().tolist()
    return range(min(touched, default=0), max(touched, default=-1) + 1)
