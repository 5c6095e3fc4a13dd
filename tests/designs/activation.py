"""4장 활성화 함수의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch.nn.functional as F
from torch import nn

from tests.designs._parts import Apply, Residual


def linear(gain):
    """가중치의 표준편차가 gain/√n이고 편향이 0인 완전 연결 층."""
    layer = nn.Linear(128, 128)
    nn.init.normal_(layer.weight, std=gain / 128**0.5)
    nn.init.zeros_(layer.bias)
    return layer


def deep(between, *, gain, depth=20):
    """완전 연결 층마다 `between()`을 둔다."""
    return nn.Sequential(*(layer for _ in range(depth) for layer in (linear(gain), between())))


def right():
    """완전 연결 층 사이마다 활성화 함수가 있고 기울기가 흐른다."""
    he = 2**0.5
    relu, inplace = nn.ReLU(), nn.ReLU(inplace=True)
    yield "reused ReLU", deep(lambda: relu, gain=he)
    yield "reused in-place ReLU", deep(lambda: inplace, gain=he)
    for function, gain in (
        (nn.ReLU6, he),
        (nn.Mish, 1.5),
        (nn.GELU, 1.5),
        (nn.CELU, 1.3),
        (nn.Hardtanh, 1.1),
        (nn.Softsign, 1.4),
        (nn.Tanh, 1.1),
        (nn.PReLU, he),
        (nn.LeakyReLU, he),
        (nn.Softplus, 1.6),
    ):
        yield function.__name__, deep(function, gain=gain)
    yield "functional ReLU", nn.Sequential(*(Apply(linear(he), F.relu) for _ in range(20)))
    yield "dropout", deep(lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.1)), gain=he)
    yield "no activation at the end", deep(nn.ReLU, gain=he)[:-1]
    yield "activation first", nn.Sequential(nn.Tanh(), *deep(nn.Tanh, gain=1.1, depth=21)[:-1])
    yield (
        "residual blocks",
        nn.Sequential(*(Residual(nn.Sequential(nn.ReLU(), linear(0.3))) for _ in range(20))),
    )


def wrong():
    """활성화 함수가 없는 곳이 있거나, 기울기가 흐르지 않거나, 정규화한다."""
    linears = [linear(1.0) for _ in range(20)]
    yield "no activation", nn.Sequential(*linears)
    yield "all at the end", nn.Sequential(*linears, *(nn.ReLU() for _ in range(19)))
    yield "identity", deep(nn.Identity, gain=1.0)
    yield "dropout only", deep(lambda: nn.Dropout(0.1), gain=1.0)
    yield "scaled only", nn.Sequential(*(Apply(linear(1.0), lambda x: 0.99 * x) for _ in range(20)))
    yield (
        "residual blocks without activation",
        nn.Sequential(*(Residual(linear(0.3)) for _ in range(20))),
    )
    yield "one pair without activation", nn.Sequential(linear(1.0), *deep(nn.ReLU, gain=2**0.5))
    yield "batch normalization only", deep(lambda: nn.BatchNorm1d(128), gain=1.0)
    for norm in (nn.LayerNorm, nn.RMSNorm):
        yield norm.__name__, deep(lambda norm=norm: nn.Sequential(norm(128), nn.ReLU()), gain=1.0)
    yield "too small", deep(nn.Tanh, gain=0.1)
    yield "sigmoid", deep(nn.Sigmoid, gain=4.0)
    yield "too large", deep(nn.ReLU, gain=2.0)
    yield "too shallow", deep(nn.ReLU, gain=2**0.5, depth=19)
