"""12장 DenseNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch
from torch import Tensor, nn

from tests.designs._parts import used


class ChannelRMSNorm(nn.Module):
    """칸마다 채널의 제곱 평균으로 나눈다. 이웃을 보지 않는다."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)"""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6)


class Dense(nn.Module):
    """층을 차례로 적용하며 출력을 이어 붙인다."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + kL, H, W)"""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class ChainedWithUnused(nn.Module):
    """층이 바로 앞의 출력만 받고, 52채널을 받는 층은 쓰이지 않는다."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(conv(width, 12) for width in (16, 12, 12, 12))
        self.unused = nn.Conv2d(52, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 16, H, W) -> (N, 64, H, W)"""
        features = [x]
        for layer in self.layers:
            features.append(layer(features[-1].relu()))
        return torch.cat(features, dim=1)


def conv(width: int, channels: int, **options) -> nn.Conv2d:
    """편향이 없고 크기를 지키는 3×3 합성곱."""
    return nn.Conv2d(width, channels, 3, padding="same", bias=False, **options)


def dense(*before, growth: int = 12, layers: int = 4, **options) -> nn.Module:
    """합성곱 앞에 `before`의 층들을 두는 밀집 블록. `before`는 받는 채널을 받아 층을 만든다."""
    widths = [16 + growth * layer for layer in range(layers)]
    parts = ([make(width) for make in before] for width in widths)
    return Dense(
        *(
            nn.Sequential(*part, conv(width, growth, **options))
            for part, width in zip(parts, widths, strict=True)
        )
    )


def narrow_bottleneck(width: int) -> nn.Module:
    """`width`채널을 받아 병목 24채널을 거쳐 12채널을 만드는 층."""
    squeeze = [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 24, 1, bias=False)]
    return nn.Sequential(*squeeze, nn.BatchNorm2d(24), nn.ReLU(), conv(24, 12))


def lazy_dense() -> nn.Module:
    """크기를 적지 않은 밀집 블록."""
    layers = [
        nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(12, 3, padding=1, bias=False))
        for _ in range(4)
    ]
    return used(Dense(*layers), 2, 16, 8, 8)


def right():
    """(이름, 맞는 밀집 블록)을 차례로 낸다."""
    relu = nn.ReLU()
    yield "one shared ReLU", dense(nn.BatchNorm2d, lambda width: relu)
    yield "without normalization", dense(lambda width: nn.ReLU())
    yield "GELU", dense(nn.BatchNorm2d, lambda width: nn.GELU())
    yield "RMSNorm over channels", dense(lambda width: ChannelRMSNorm(), lambda width: nn.SiLU())
    yield (
        "convolution first",
        Dense(
            *(nn.Sequential(conv(16 + 12 * n, 12), nn.BatchNorm2d(12), nn.ReLU()) for n in range(4))
        ),
    )
    yield "bottleneck of 24", Dense(*(narrow_bottleneck(16 + 12 * n) for n in range(4)))
    yield "lazy layers, used", lazy_dense()
    yield "double precision", dense(nn.BatchNorm2d, lambda width: nn.ReLU()).double()
    yield "replicated borders", dense(lambda width: nn.ReLU(), padding_mode="replicate")


def wrong():
    """(이름, 틀린 밀집 블록)을 차례로 낸다."""
    relu = nn.ReLU()
    yield "dilated by two", dense(lambda width: relu, dilation=2)
    yield (
        "last layers dilated",
        Dense(
            *(
                nn.Sequential(nn.ReLU(), conv(16 + 12 * n, 12, dilation=1 + n // 2))
                for n in range(4)
            )
        ),
    )
    yield "two wide layers", Dense(conv(16, 36, dilation=2), conv(52, 12, dilation=2))
    yield "chained, with an unused layer", ChainedWithUnused()
    yield "statistics of the whole image", dense(lambda width: nn.GroupNorm(4, width))
    yield (
        "input normalized before concatenation",
        nn.Sequential(ChannelRMSNorm(), dense(lambda width: relu)),
    )
