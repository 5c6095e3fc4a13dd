"""9장 GoogLeNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from itertools import chain

import torch
import torch.nn.functional as F
from torch import nn


class Joined(nn.Module):
    """갈래들의 출력을 이어 붙인다. `after`는 그 뒤에 할 것"""

    def __init__(self, *branches, after=F.relu):
        super().__init__()
        self.branches, self.after = nn.ModuleList(branches), after

    def forward(self, x):
        """(N, 192, H, W) -> (N, C, H, W)"""
        return self.after(torch.cat([branch(x) for branch in self.branches], dim=1))


class Unused(Joined):
    """쓰지 않는 최대 풀링 층이 있다."""

    def __init__(self, *branches):
        super().__init__(*branches)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)


class FunctionalPool(nn.Module):
    """최대 풀링을 함수로 쓴다."""

    def forward(self, x):
        """모양은 그대로다."""
        return F.max_pool2d(x, 3, stride=1, padding=1)


def conv(channels, out, kernel=1, *, bias=True):
    """크기를 지키는 합성곱."""
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=bias)


def through(reduced, out, *kernels):
    """192채널을 1×1 합성곱으로 줄인 다음 합성곱을 잇는다."""
    relu = nn.ReLU()  # 같은 객체를 되풀이하여 쓴다
    parts = [conv(192, reduced)]
    for kernel in kernels:
        parts += [relu, conv(parts[-1].out_channels, out, kernel)]
    return nn.Sequential(*parts)


def pooled(out, pool=None):
    """풀링 갈래."""
    return nn.Sequential(pool or nn.MaxPool2d(3, stride=1, padding=1), conv(192, out))


def normed(reduced, out, kernel):
    """배치 정규화가 있는 갈래."""
    layers = conv(192, reduced, bias=False), conv(reduced, out, kernel, bias=False)
    parts = ((layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU(inplace=True)) for layer in layers)
    return nn.Sequential(*chain(*parts))


def right():
    """통과해야 할 인셉션 모듈."""
    last = pooled(32)
    yield "paper row, reduced", Joined(conv(192, 64), through(64, 128, 3), through(16, 32, 5), last)
    two = through(16, 32, 3, 3)
    yield "two 3x3 for 5x5", Joined(conv(192, 64), through(64, 128, 3), two, pooled(32))
    branches = conv(192, 64), normed(64, 128, 3), normed(16, 32, 5), pooled(32)
    yield "batch norm, no last relu", Joined(*branches, after=nn.Identity())
    branches = conv(192, 64), through(64, 128, 3), through(16, 32, 5), pooled(32)
    yield "sigmoid", Joined(*branches, after=torch.sigmoid)
    swapped = nn.Sequential(conv(192, 32), nn.MaxPool2d(3, stride=1, padding=1))
    yield "pool after conv", Joined(swapped, through(16, 32, 5), through(64, 128, 3), conv(192, 64))


def wrong():
    """통과하지 못해야 할 인셉션 모듈."""
    yield "no 1x1", Joined(through(48, 192, 3), through(16, 32, 5), pooled(32))
    yield "no 5x5", Joined(conv(192, 64), through(64, 128, 3), through(16, 32, 3), pooled(32))
    branches = conv(192, 96), through(64, 128, 3), through(16, 32, 5)
    yield "unused pooling layer", Unused(*branches)
    pool = pooled(32, FunctionalPool())
    yield "functional pooling", Joined(conv(192, 64), through(64, 128, 3), through(16, 32, 5), pool)
    branches = conv(192, 64), through(96, 128, 3), through(16, 32, 5), pooled(32)
    yield "paper row", Joined(*branches)
