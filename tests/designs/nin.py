"""8장 NiN의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch.nn.functional as F
from torch import nn

from tests.designs._parts import Wrapped, filled, used


def conv(before, after, kernel=3, **options):
    """크기를 지키는 합성곱."""
    return nn.Conv2d(before, after, kernel, padding="same", **options)


def network(*tail, relu=None, norm=nn.Identity):
    """작은 NiN. 활성화는 같은 객체이다."""
    activation = relu or nn.ReLU()
    tail = tail or (conv(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(
        conv(3, 24, 5), norm(24), activation, conv(24, 16, 1), activation, nn.MaxPool2d(2),
        conv(16, 32), activation, nn.MaxPool2d(2), *tail,
    )  # fmt: skip


class Mean(nn.Module):
    """맵을 통째로 평균한다."""

    def forward(self, x):
        """(N, C, H, W) -> (N, C)"""
        return x.mean(dim=(2, 3))


class LogProbability(nn.Module):
    """함수로 부르는 로그 소프트맥스."""

    def forward(self, x):
        """모양은 그대로다."""
        return F.log_softmax(x, dim=1)


def right():
    """통과해야 할 작은 NiN."""
    yield "one ReLU", network()
    yield "GELU", network(relu=nn.GELU())
    yield "LeakyReLU", network(relu=nn.LeakyReLU())
    yield "in place", network(relu=nn.ReLU(inplace=True))
    yield "batch norm", network(norm=nn.BatchNorm2d)
    yield (
        "batch norm after the last convolution",
        network(
            conv(32, 10, 1, bias=False), nn.BatchNorm2d(10), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
    )
    yield "mean by hand", network(conv(32, 10, 1), Mean())
    yield "maximum", network(conv(32, 10, 1), nn.AdaptiveMaxPool2d(1), nn.Flatten())
    relu, point = nn.ReLU(), conv(16, 16, 1)
    places = nn.Sequential(conv(3, 16), relu, point, relu, point, relu, conv(16, 10), Mean())
    yield "one 1x1 convolution in two places", places
    yield "lazy, used", used(network(nn.LazyConv2d(10, 1), Mean()), 1, 3, 32, 32)
    yield "dead ReLU", filled(network(), -1.0)


def wrong():
    """통과하지 못해야 할 작은 NiN."""
    tail = conv(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    yield "log-softmax", network(*tail, nn.LogSoftmax(1))
    yield "log-softmax as a function", Wrapped(*network(), after=LogProbability())
    yield "log-softmax of the maps", network(conv(32, 10, 1), nn.LogSoftmax(1), Mean())
    yield "log-sigmoid", network(*tail, nn.LogSigmoid())
    yield "softmax", network(*tail, nn.Softmax(1))
    yield "sigmoid", network(*tail, nn.Sigmoid())
    yield "ReLU", network(conv(32, 10, 1), nn.ReLU(), Mean())
    yield "window of 8", network(conv(32, 10, 1), nn.AvgPool2d(8), nn.Flatten())
    yield "fully connected", network(conv(32, 32, 1), nn.ReLU(), Mean(), nn.Linear(32, 10))
    yield "one 1x1 convolution", network(conv(32, 10), Mean())
