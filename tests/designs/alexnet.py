"""6장 AlexNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch
from torch import nn

from tests.designs._parts import Wrapped, filled, used


class Towers(nn.Module):
    """채널을 반씩 나누어 따로 지나는 두 탑."""

    def __init__(self, make):
        super().__init__()
        self.towers = nn.ModuleList(make() for _ in range(2))

    def forward(self, x):
        """(N, 96, H, W) -> (N, C, H, W)"""
        halves = x.chunk(2, dim=1)
        return torch.cat([t(half) for t, half in zip(self.towers, halves, strict=True)], dim=1)


def conv(before, after, kernel=3, **options):
    """크기를 지키는 합성곱."""
    return nn.Conv2d(before, after, kernel, padding="same", **options)


def towers(*, width=64, between=(), pool=(3, 2), relu=None, **options):
    """합성곱, 활성화, 풀링, 합성곱, 활성화로 된 두 탑. 활성화는 같은 객체이다."""
    options = {"groups": 2} | options
    activation = relu or nn.ReLU()
    return nn.Sequential(
        conv(96, width, 5, **options), activation, *between,
        nn.MaxPool2d(*pool), conv(width, 384, **options), activation,
    )  # fmt: skip


def half():
    """탑 하나."""
    return nn.Sequential(conv(48, 64, 5), nn.ReLU(), nn.MaxPool2d(3, 2), conv(64, 192))


def right():
    """통과해야 할 두 탑."""
    yield "one ReLU in two places", towers()
    yield "two channels between", towers(width=2)
    yield "ReLU first, in place", nn.Sequential(nn.ReLU(inplace=True), *towers())
    yield (
        "pooling first",
        nn.Sequential(
            nn.MaxPool2d(3, 2), conv(96, 128, groups=2), nn.ReLU(), conv(128, 384, groups=2)
        ),
    )
    yield "two separate towers", Towers(half)
    yield "GELU", towers(relu=nn.GELU())
    yield "ReLU6", towers(relu=nn.ReLU6())
    yield "sigmoid", towers(relu=nn.Sigmoid())
    yield "batch norm", towers(between=[nn.BatchNorm2d(64)])
    yield "group norm of the halves", towers(between=[nn.GroupNorm(2, 64)])
    yield "more groups", towers(groups=4)
    yield "zero weights", filled(towers(), 0.0)
    yield (
        "lazy, used",
        used(
            nn.Sequential(*towers()[:3], nn.LazyConv2d(384, 3, padding=1, groups=2)),
            *(1, 96, 27, 27),
        ),
    )


def wrong():
    """통과하지 못해야 할 두 탑."""
    yield (
        "stride in the convolution",
        nn.Sequential(
            nn.Conv2d(96, 256, 3, stride=2, groups=2),
            nn.MaxPool2d(3, 1, 1),
            conv(256, 384, groups=2),
        ),
    )
    yield "pooling never called", Wrapped(
        nn.Conv2d(96, 256, 3, stride=2, groups=2), conv(256, 384, groups=2),
        unused=nn.MaxPool2d(3, 2),
    )  # fmt: skip
    yield "windows side by side", towers(pool=(2, 2))
    yield "local response norm", towers(between=[nn.LocalResponseNorm(5)])
    yield "shuffled channels", towers(between=[nn.ChannelShuffle(2)])
    yield "layer norm over channels", towers(between=[nn.GroupNorm(1, 64)])
    yield "one group", towers(groups=1)
    yield (
        "swapped halves",
        nn.Sequential(
            *towers()[:4],
            Wrapped(after=nn.ChannelShuffle(192)),
            conv(384, 384, 1, groups=2),
        ),
    )
