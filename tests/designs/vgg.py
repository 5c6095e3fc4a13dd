"""7장 VGG의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from itertools import pairwise

from torch import nn

from tests.designs._parts import Wrapped, filled, used


def conv(before, after, kernel=3, **options):
    """크기를 지키는 합성곱."""
    return nn.Conv2d(before, after, kernel, padding="same", **options)


def stack(*widths, relu=None, kernel=3):
    """채널이 차례로 `widths`인 합성곱과 활성화. 활성화는 같은 객체이다."""
    activation, parts = relu or nn.ReLU(), []
    for before, after in pairwise(widths):
        parts += [conv(before, after, kernel), activation]
    return nn.Sequential(*parts)


def right():
    """통과해야 할 7×7을 갈음하는 신경망."""
    narrow = (stack(64, width, width, 64) for width in (1, 2, 4, 32))
    yield from zip(("1 channel", "2 channels", "4 channels", "one ReLU"), narrow, strict=True)
    yield (
        "ReLU first, in place",
        nn.Sequential(nn.ReLU(inplace=True), *stack(64, 32, 32, 64, relu=nn.ReLU(inplace=True))),
    )
    yield "pre-activation", nn.Sequential(nn.ReLU(), *stack(64, 32, 32, 64)[:-1])
    yield "ReLU only between", stack(64, 32, 32, 64)[:-1]
    yield (
        "3x1 and 1x3",
        nn.Sequential(*stack(64, 32, 32, 32, kernel=(3, 1)), *stack(32, 32, 32, 64, kernel=(1, 3))),
    )
    yield "dilated", nn.Sequential(conv(64, 32, dilation=2), nn.ReLU(), conv(32, 64), nn.ReLU())
    yield (
        "1x1 around",
        nn.Sequential(*stack(64, 16, kernel=1), *stack(16, 16, 16, 16), *stack(16, 64, kernel=1)),
    )
    yield (
        "batch norm",
        nn.Sequential(conv(64, 32), nn.BatchNorm2d(32), nn.ReLU(), *stack(32, 32, 64)),
    )
    yield (
        "also ReLU6 and tanh",
        nn.Sequential(*stack(64, 32, 32), nn.ReLU6(), conv(32, 64), nn.Tanh()),
    )
    yield (
        "max pooling of stride 1",
        nn.Sequential(*stack(64, 32), nn.MaxPool2d(3, 1, 1), *stack(32, 64)),
    )
    yield "zero weights", filled(stack(64, 32, 32, 64), 0.0)
    yield "negative weights", filled(stack(64, 32, 32, 64), -1.0)
    yield "inside a module", Wrapped(*stack(64, 32, 32, 64))
    yield (
        "lazy, used",
        used(nn.Sequential(*stack(64, 32, 32), nn.LazyConv2d(64, 3, padding=1)), *(1, 64, 9, 9)),
    )


def wrong():
    """통과하지 못해야 할 7×7을 갈음하는 신경망."""
    yield (
        "both ReLUs at the end",
        nn.Sequential(conv(64, 32), conv(32, 32), conv(32, 64), nn.ReLU(), nn.ReLU()),
    )
    yield (
        "ReLU at both ends",
        nn.Sequential(nn.ReLU(), conv(64, 32), conv(32, 32), conv(32, 64), nn.ReLU()),
    )
    yield (
        "ReLUs never called",
        Wrapped(conv(64, 32), conv(32, 32), conv(32, 64), unused=stack(1, 1, 1)),
    )
    yield "GELU", stack(64, 32, 32, 64, relu=nn.GELU())
    yield "two layers", stack(64, 32, 64)
    yield "four layers", stack(64, 16, 16, 16, 64)
    yield (
        "dilation with gaps",
        nn.Sequential(*stack(64, 32, kernel=1), conv(32, 64, dilation=3), nn.ReLU()),
    )
    yield "7x1 and 1x7", nn.Sequential(*stack(64, 32, kernel=(7, 1)), *stack(32, 64, kernel=(1, 7)))
