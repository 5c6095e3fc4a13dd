"""11장 ResNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.layers.batch_norm import BatchNorm2d
from tests.designs._parts import zeroed


class Added(nn.Module):
    """입력에 `residual`을 더한다. `scale`이 참이면 0에서 시작하는 수를 곱한다."""

    def __init__(self, *layers, scale=False):
        super().__init__()
        self.residual = nn.Sequential(*layers)
        self.scale = nn.Parameter(torch.zeros(())) if scale else 1

    def forward(self, x):
        """모양은 그대로다."""
        return x + self.scale * self.residual(x)


class Written(nn.Module):
    """활성화를 함수로 쓰고 층을 거꾸로 만든 사전 활성화 블록."""

    def __init__(self):
        super().__init__()
        self.conv2, self.conv1 = zeroed(conv(64, 64, 3)), conv(64, 64, 3)
        self.bn2, self.bn1 = BatchNorm2d(64), BatchNorm2d(64)

    def forward(self, x):
        """모양은 그대로다."""
        out = self.conv1(F.relu(self.bn1(x)))
        return self.conv2(self.bn2(out).clamp(min=0)) + x


def conv(channels, out, kernel=1, *, bias=True):
    """크기를 지키는 합성곱."""
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=bias)


def before(*channels, kernels=(3, 3), drop=0.0):
    """정규화, ReLU, 합성곱의 차례로 이은 층들."""
    relu = nn.ReLU(inplace=True)
    for (a, b), kernel in zip(pairwise(channels), kernels, strict=True):
        yield from (nn.BatchNorm2d(a), relu, nn.Dropout(drop), conv(a, b, kernel, bias=False))


def after(*, first=True):
    """합성곱, 정규화, ReLU, 합성곱, 정규화. `first`이면 ReLU로 시작한다."""
    yield from [nn.ReLU()] if first else []
    yield from (conv(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), conv(64, 64, 3))
    yield zero_scale()


def zero_scale():
    """γ가 0인 배치 정규화."""
    return zeroed(nn.BatchNorm2d(64))


def zero_convolution(layer):
    """합성곱만 0으로 둔다."""
    return zeroed(layer) if isinstance(layer, nn.Conv2d) else layer


def right():
    """통과해야 할 사전 활성화 블록."""
    *layers, last = before(64, 64, 64)
    yield "zero last convolution", Added(*layers, zeroed(last))
    yield "zero scale", Added(*before(64, 64, 64), scale=True)
    *layers, last = before(64, 64, 64, drop=0.3)
    yield "dropout between", Added(*layers, zeroed(last))
    *layers, last = before(64, 16, 16, 64, kernels=(1, 3, 1))
    yield "bottleneck", Added(*layers, zeroed(last))
    yield "functional activation", Written()


def wrong():
    """통과하지 못해야 할 블록."""
    yield "normalized after, zero gamma", Added(*after(first=False))
    yield "normalized after, relu first", Added(*after())
    plain = conv(64, 64, 3), nn.ReLU(), zeroed(conv(64, 64, 3))
    yield "no normalization", Added(*plain)
    yield "no normalization, relu first", Added(nn.ReLU(), *plain)
    yield "linear", Added(plain[0], plain[2])
    norms = nn.BatchNorm2d(64), nn.BatchNorm2d(64)
    yield "norms without activation", Added(norms[0], plain[0], norms[1], plain[2])
    bn1, relu, _, conv1, _, _, _, conv2 = before(64, 64, 64)
    yield "zero gamma before relu", Added(bn1, relu, conv1, zero_scale(), nn.ReLU(), conv2)
    layers = list(before(64, 64, 64))
    yield "both convolutions zero", Added(*map(zero_convolution, layers))
    *layers, last = before(64, 64, 64)
    yield "relu after addition", nn.Sequential(Added(*layers, zeroed(last)), nn.ReLU())
