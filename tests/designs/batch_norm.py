"""10장 배치 정규화의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch.nn.functional as F
from torch import nn

from cnn_lectures.layers.batch_norm import BatchNorm1d, BatchNorm2d
from cnn_lectures.models import lenet

MAPS = (6, 24, 24), (16, 8, 8)  # 두 합성곱의 출력


class Backwards(nn.Module):
    """둘째 합성곱을 먼저 만든다."""

    def __init__(self):
        super().__init__()
        self.last = nn.Sequential(nn.Conv2d(6, 16, 5), group(16), nn.ReLU(), nn.MaxPool2d(2))
        self.first = nn.Sequential(nn.Conv2d(1, 6, 5, bias=False), group(6))
        self.classify = nn.Linear(256, 10)

    def forward(self, x):
        """(N, 1, 28, 28) -> (N, 10)"""
        x = F.max_pool2d(self.first(x).relu(), 2)
        return self.classify(self.last(x).flatten(1))


class Functional(nn.Module):
    """그룹 정규화를 함수로 쓴다."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 6, 5, bias=False), nn.Conv2d(6, 16, 5, bias=False)
        self.classify = nn.Linear(256, 10)

    def forward(self, x):
        """(N, 1, 28, 28) -> (N, 10)"""
        for layer in (self.first, self.last):
            x = F.max_pool2d(F.group_norm(layer(x), 2).relu(), 2)
        return self.classify(x.flatten(1))


def small(first, last, *, bias=False, active=nn.ReLU, pool=nn.MaxPool2d):
    """28×28을 받는 LeNet. `first`와 `last`는 합성곱 다음의 층"""
    shared = active()  # 같은 객체를 되풀이하여 쓴다
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, bias=bias), first, shared, pool(2)),
        *(nn.Conv2d(6, 16, 5, bias=bias), last, shared, pool(2)),
        *(nn.Flatten(), nn.Linear(256, 120), shared, nn.Dropout(), nn.Linear(120, 84)),
        *(shared, nn.Linear(84, 10)),
    )


def group(channels):
    """그룹이 둘인 그룹 정규화."""
    return nn.GroupNorm(2, channels)


def alone(*, bias):
    """`bn_lenet`의 배치 정규화를 한 장 안의 정규화로 바꾼 것."""
    model = lenet.bn_lenet()
    for place, layer in enumerate(model):
        if isinstance(layer, BatchNorm2d):
            model[place] = group(layer.num_features)
        if isinstance(layer, BatchNorm1d):
            model[place] = nn.LayerNorm(layer.num_features)
    if not bias:
        model[0].bias = None
    return model


def right():
    """통과해야 할, 한 장 안에서 정규화하는 신경망."""
    yield "group norm", small(group(6), group(16))
    yield "group norm, sigmoid", small(group(6), group(16), active=nn.Sigmoid, pool=nn.AvgPool2d)
    norms = (nn.LayerNorm(shape, elementwise_affine=False) for shape in MAPS)
    yield "layer norm, tanh", small(*norms, active=nn.Tanh)
    norms = (nn.RMSNorm(shape, elementwise_affine=False) for shape in MAPS)
    yield "rms norm, gelu", small(*norms, active=nn.GELU)
    yield "instance norm with bias", small(nn.InstanceNorm2d(6), nn.InstanceNorm2d(16), bias=True)
    yield "relu before norm", small(nn.Sequential(nn.ReLU(), group(6)), group(16))
    yield "bn_lenet with group and layer norm", alone(bias=False)
    yield "second convolution made first", Backwards()


def wrong():
    """통과하지 못해야 할 신경망."""
    sigmoid = {"active": nn.Sigmoid, "pool": nn.AvgPool2d}
    yield "bn_lenet", lenet.bn_lenet()
    yield "bn_lenet with group and layer norm, bias kept", alone(bias=True)
    yield "group norm with bias, sigmoid", small(group(6), group(16), bias=True, **sigmoid)
    yield "group norm with bias", small(group(6), group(16), bias=True)
    yield "batch then group norm, sigmoid", small(nn.BatchNorm2d(6), group(16), **sigmoid)
    yield "group then batch norm, sigmoid", small(group(6), nn.BatchNorm2d(16), **sigmoid)
    twice = nn.Sequential(group(16), group(16))
    yield "no norm after the first convolution", small(nn.Identity(), twice, **sigmoid)
    yield "functional norms", Functional()
