"""13장 비교의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from torch import Tensor, nn
from torch.nn import functional as F

from tests.designs._parts import used


class Pooled(nn.Module):
    """몸통의 출력을 칸마다 평균하여 선형 층에 넣는 분류기."""

    def __init__(self, body: nn.Module, head: nn.Module):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 10)"""
        return self.head(self.body(x).mean(dim=(2, 3)))


class Borrowed(nn.Module):
    """층을 부르지 않고 가중치만 빌려 큰 특징 맵에서 합성곱한다."""

    def __init__(self, *convs: nn.Conv2d):
        super().__init__()
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C, H, W)"""
        for layer in self.convs:
            x = F.conv2d(x, layer.weight, layer.bias, padding=1).relu()
        return x


class Unused(nn.Module):
    """앞의 모듈만 쓰고 나머지는 갖고만 있다."""

    def __init__(self, used: nn.Module, *unused: nn.Module):
        super().__init__()
        self.used, self.unused = used, nn.ModuleList(unused)

    def forward(self, x: Tensor) -> Tensor:
        """`used`의 출력."""
        return self.used(x)


def conv(width: int, channels: int, **options) -> nn.Conv2d:
    """편향이 없고 크기를 지키는 3×3 합성곱."""
    return nn.Conv2d(width, channels, 3, padding="same", bias=False, **options)


def stage(width: int, channels: int, stride: int = 1, kernel_size: int = 3, groups: int = 1):
    """합성곱, 배치 정규화, ReLU."""
    padding = kernel_size // 2
    layer = nn.Conv2d(width, channels, kernel_size, stride, padding, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU())


def small_body() -> nn.Sequential:
    """예산 안에 드는 합성곱 넷."""
    return nn.Sequential(stage(3, 16, 2), stage(16, 16), stage(16, 32, 2), stage(32, 32))


def mobile_body() -> nn.Sequential:
    """깊이별 분리 합성곱을 쓴 몸통."""
    plan = ((16, 32, 1), (32, 64, 2), (64, 64, 2))
    pairs = ((stage(i, i, s, groups=i), stage(i, o, kernel_size=1)) for i, o, s in plan)
    return nn.Sequential(stage(3, 16, 2), *(layer for pair in pairs for layer in pair))


def lazy_classifier() -> nn.Module:
    """크기를 적지 않은 분류기."""
    layers = []
    for channels, stride in ((16, 2), (16, 1), (32, 2), (32, 1)):
        layers += [nn.LazyConv2d(channels, 3, stride, 1), nn.LazyBatchNorm2d(), nn.LeakyReLU()]
    return used(Pooled(nn.Sequential(*layers), nn.LazyLinear(10)), 2, 3, 32, 32)


def right():
    """(이름, 맞는 분류기)를 차례로 낸다."""
    shared = stage(16, 16)
    yield "mean instead of a pooling layer", Pooled(small_body(), nn.Linear(32, 10))
    yield "depthwise separable", Pooled(mobile_body(), nn.Linear(64, 10))
    yield "lazy layers, used", lazy_classifier()
    yield (
        "1x1 convolution as the head",
        nn.Sequential(small_body(), nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    yield (
        "one layer used three times",
        Pooled(
            nn.Sequential(stage(3, 16, 2), nn.MaxPool2d(2), shared, shared, shared),
            nn.Linear(16, 10),
        ),
    )
    yield "double precision", Pooled(small_body(), nn.Linear(32, 10)).double()


def wrong():
    """(이름, 틀린 분류기)를 차례로 낸다."""
    head = nn.Linear(32, 10)
    large = Borrowed(*(conv(i, o) for i, o in ((3, 16), (16, 16), (16, 32), (32, 32))))
    yield "weights borrowed on large maps", Pooled(nn.Sequential(large, nn.BatchNorm2d(32)), head)
    cheap = (stage(16, 16, 8), *(stage(16, 16) for _ in range(3)))
    yield (
        "cheap layers after borrowed ones",
        Pooled(
            nn.Sequential(Borrowed(conv(3, 16), conv(16, 16)), *cheap),
            nn.Linear(16, 10),
        ),
    )
    yield (
        "three convolutions are not used",
        Unused(Pooled(stage(3, 32, 2), head), *(stage(16, 16) for _ in range(3))),
    )
    plain = [nn.Conv2d(i, o, 3, s, 1) for i, o, s in ((3, 16, 2), (16, 16, 1), (16, 32, 2))]
    yield (
        "normalization is not used",
        Unused(Pooled(nn.Sequential(*plain, nn.Conv2d(32, 32, 1)), head), nn.BatchNorm2d(32)),
    )
    yield "softmax at the end", Pooled(small_body(), nn.Sequential(head, nn.Softmax(dim=1)))
