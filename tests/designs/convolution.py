"""1장 합성곱의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.designs._parts import Apply, Residual, half


def right():
    """합성곱만으로 32×32를 8×8로 줄인다."""
    relu = nn.ReLU(inplace=True)
    yield "reused in-place ReLU", nn.Sequential(half(3, 12), relu, half(12, 16), relu)
    yield "functional ReLU", nn.Sequential(Apply(half(3, 12), F.relu), Apply(half(12, 16), F.relu))
    yield "other sizes", nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU(), nn.Conv2d(8, 16, 1))
    unpadded = (half(3, 12, padding=0), half(12, 16, padding=0))
    padded = ((nn.ZeroPad2d(1), layer) for layer in unpadded)
    yield "ZeroPad2d layers", nn.Sequential(*(layer for pair in padded for layer in pair))
    yield "same, then strided", nn.Sequential(half(3, 8, stride=1), nn.Conv2d(8, 16, 4, 4))
    yield (
        "residual block",
        nn.Sequential(nn.Conv2d(3, 8, 4, 4), Residual(half(8, 8, stride=1)), nn.Conv2d(8, 16, 1)),
    )
    lazy = nn.Sequential(nn.LazyConv2d(12, 3, 2, 1), nn.LazyConv2d(16, 3, 2, 1))
    lazy(torch.zeros(1, 3, 32, 32))
    yield "lazy layers that were run", lazy
    yield "double precision", nn.Sequential(half(3, 12), half(12, 16)).double()


def wrong():
    """합성곱이 아닌 것으로 크기를 바꾸거나, 합성곱이 하나뿐이다."""
    body = (half(3, 16, stride=1), nn.Conv2d(16, 16, 1))
    for layer in (
        nn.AdaptiveMaxPool2d(8),
        nn.AdaptiveAvgPool2d(8),
        nn.LPPool2d(2, 4),
        nn.FractionalMaxPool2d(2, output_size=8),
        nn.Upsample(size=(8, 8)),
    ):
        yield type(layer).__name__, nn.Sequential(*body, layer)
    pooled = Apply(nn.Conv2d(16, 16, 1), lambda x: F.max_pool2d(x, 4))
    yield "functional pooling", nn.Sequential(body[0], pooled)
    resized = Apply(nn.Conv2d(16, 16, 1), lambda x: F.interpolate(x, size=(8, 8)))
    yield "functional resizing", nn.Sequential(body[0], resized)
    strided = (half(3, 12), half(12, 16), nn.MaxPool2d(3, 1, 1))
    yield "pooling that keeps the size", nn.Sequential(*strided)
    small = nn.Sequential(nn.Conv2d(3, 16, 8, 8, groups=1), nn.Conv2d(16, 16, 1))
    yield "too small, then upsampled", nn.Sequential(*small, nn.Upsample(scale_factor=2))
    yield "one convolution", nn.Sequential(nn.Conv2d(3, 16, 4, 4))
    yield "no convolution", nn.Sequential(nn.MaxPool2d(4))
    yield "lazy layers", nn.Sequential(nn.LazyConv2d(12, 3, 2, 1), nn.LazyConv2d(16, 3, 2, 1))
