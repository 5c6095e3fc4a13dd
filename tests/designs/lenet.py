"""2장 LeNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.designs._parts import Apply


def lenet(*last, function=nn.Tanh, pool=nn.AvgPool2d, hidden=80):
    """28×28을 받는 작은 LeNet. 뒤에 `last`를 덧붙인다."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), function(), pool(2), nn.Conv2d(6, 16, 5), function(), pool(2)),
        *(nn.Flatten(), nn.Linear(256, hidden), function(), nn.Linear(hidden, 10), *last),
    )


def right():
    """로짓을 내는 작은 LeNet."""
    for function in (nn.ReLU, nn.Sigmoid, nn.GELU, nn.Hardtanh):
        yield function.__name__, lenet(function=function)
    yield "max pooling", lenet(pool=nn.MaxPool2d)
    tanh = nn.Tanh()
    yield "reused tanh", lenet(function=lambda: tanh)
    yield "LogSoftmax", lenet(nn.LogSoftmax(dim=1))
    yield "dropout", lenet(nn.Dropout(0.5))
    body = lenet()[:6]
    yield (
        "global average",
        nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    yield "normalized", nn.Sequential(*body[:1], nn.BatchNorm2d(6), *lenet()[1:])
    yield (
        "functional",
        nn.Sequential(
            Apply(nn.Conv2d(1, 6, 5), lambda x: F.max_pool2d(x.relu(), 2)),
            Apply(nn.Conv2d(6, 16, 5), lambda x: F.max_pool2d(x.relu(), 2).flatten(1)),
            *(nn.Linear(256, 60), nn.RMSNorm(60), nn.Linear(60, 10)),
        ),
    )
    untrained = lenet()
    nn.init.zeros_(untrained[-1].weight)
    nn.init.zeros_(untrained[-1].bias)
    yield "last layer of zeros", untrained
    lazy = nn.Sequential(*lenet()[:7], nn.LazyLinear(60), nn.LazyLinear(10))
    lazy(torch.zeros(1, 1, 28, 28))
    yield "lazy layers that were run", lazy


def wrong():
    """확률을 낸다."""
    for layer in (nn.Sigmoid(), nn.Softmax(dim=0), nn.Softmax(dim=1), nn.Hardsigmoid()):
        yield str(layer), lenet(layer)
    yield "functional softmax", Apply(lenet(), lambda x: F.softmax(x, dim=1))
    yield "functional sigmoid", Apply(lenet(function=nn.ReLU), torch.sigmoid)
    yield "probabilities, then dropout", lenet(nn.Softmax(dim=1), nn.Dropout())
