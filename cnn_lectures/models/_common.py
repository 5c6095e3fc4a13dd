"""여러 모형이 함께 쓰는 것: 인자 검사, 받을 수 있는 가장 작은 이미지, He 초기화."""

from collections.abc import Collection
from difflib import get_close_matches
from numbers import Real

from torch import nn

from cnn_lectures import _checks


def choice(parameter: str, value: object, options: Collection[str]) -> str:
    """`value`가 `options` 가운데 하나인지 확인하여 돌려준다. 아니면 비슷한 이름을 알려 준다."""
    if not isinstance(value, str) or value not in options:
        near = get_close_matches(str(value).lower(), options, n=3) or options
        raise _checks.error(parameter, f"{', '.join(near)} 가운데 하나여야 합니다", value)
    return value


def rate(parameter: str, value: object) -> float:
    """드롭아웃 확률처럼 0 이상 1 미만인 수인지 확인하여 돌려준다."""
    if not isinstance(value, Real) or not 0 <= value < 1:
        raise _checks.error(parameter, "0 이상 1 미만의 수여야 합니다", value)
    return float(value)


def integers(parameter: str, values: object, *, count: int | None = None) -> tuple[int, ...]:
    """1 이상의 정수로 된 목록인지 확인하여 튜플로 돌려준다. `count`를 주면 개수도 확인한다."""
    size = f"{count}개의 " if count else ""
    if not isinstance(values, tuple | list) or len(values) != (count or len(values)) or not values:
        raise _checks.error(parameter, f"{size}정수 목록이어야 합니다", values)
    return tuple(_checks.integer(parameter, value, minimum=1) for value in values)


def minimum_size(network: nn.Module) -> int:
    """`network`가 받을 수 있는 가장 작은 정사각형 이미지의 한 변.

    마지막 특징 맵이 1×1이 될 때의 입력 크기를 끝에서부터 거슬러 올라가며 구한다. 나란한 갈래는
    크기를 바꾸지 않고, 크기를 바꾸는 층은 쓰이는 차례대로 정의되어 있어야 한다.
    """
    size = 1
    for layer in reversed(list(network.modules())):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, stride, padding = (
                _checks.pair("size", value, minimum=0)[0]
                for value in (layer.kernel_size, layer.stride, layer.padding)
            )
            rounding = stride - 1 if getattr(layer, "ceil_mode", False) else 0
            size = max((size - 1) * stride + kernel - 2 * padding - rounding, 1)
    return size


def he_initialization(network: nn.Module, *, mode: str = "fan_out") -> None:
    """합성곱 층을 He 초기화로 채우고 그 편향을 0으로 둔다.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2015), arXiv:1502.01852, 식 10과 14.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
