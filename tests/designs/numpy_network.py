"""14장 NumPy만으로 배우는 LeNet의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from torch import Tensor, nn
from torch.nn import functional as F

from tests.designs._parts import used


class FunctionalTwin(nn.Module):
    """활성화와 풀링을 함수로 쓴 LeNet-5."""

    def __init__(self, *, pool_first: bool = False):
        super().__init__()
        self.c1, self.c2, self.c3 = (nn.Conv2d(i, o, 5) for i, o in ((1, 6), (6, 16), (16, 120)))
        self.f1, self.f2 = nn.Linear(120, 84), nn.Linear(84, 10)
        self.pool_first = pool_first

    def halve(self, x: Tensor) -> Tensor:
        """tanh를 지난 절반 크기의 특징 맵."""
        if self.pool_first:
            return F.avg_pool2d(x, 2).tanh()
        return F.avg_pool2d(x.tanh(), 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32) -> (N, 10)"""
        x = self.c3(self.halve(self.c2(self.halve(self.c1(x)))))
        return self.f2(self.f1(x.tanh().view(len(x), -1)).tanh())


def twin(activation: nn.Module, *, pool=nn.AvgPool2d, last: nn.Module | None = None) -> nn.Module:
    """한 활성화 객체를 되풀이하여 쓰는 LeNet-5."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), activation, pool(2)),
        *(nn.Conv2d(6, 16, 5), activation, pool(2)),
        *(nn.Conv2d(16, 120, 5), activation, nn.Flatten()),
        *(nn.Linear(120, 84), activation, nn.Linear(84, 10), last or nn.Identity()),
    )


def lazy_twin() -> nn.Module:
    """크기를 적지 않은 LeNet-5."""
    return used(
        nn.Sequential(
            *(nn.LazyConv2d(6, 5), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.LazyConv2d(16, 5), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.LazyConv2d(120, 5), nn.Tanh(), nn.Flatten()),
            *(nn.LazyLinear(84), nn.Tanh(), nn.LazyLinear(10)),
        ),
        *(1, 1, 32, 32),
    )


def right():
    """(이름, 맞는 쌍둥이)를 차례로 낸다."""
    yield "one shared tanh", twin(nn.Tanh())
    yield "functional tanh and pooling", FunctionalTwin()
    yield "lazy layers, used", lazy_twin()
    yield "double precision", twin(nn.Tanh()).double()
    yield "strided pooling", twin(nn.Tanh(), pool=lambda size: nn.AvgPool2d(size, stride=size))
    yield "nested modules", nn.Sequential(nn.Sequential(twin(nn.Tanh())))


def wrong():
    """(이름, 틀린 쌍둥이)를 차례로 낸다."""
    yield "pooling before tanh", FunctionalTwin(pool_first=True)
    yield "tanh after the last layer", twin(nn.Tanh(), last=nn.Tanh())
    yield "softmax after the last layer", twin(nn.Tanh(), last=nn.Softmax(dim=1))
    yield "max pooling", twin(nn.Tanh(), pool=nn.MaxPool2d)
    yield "sigmoid", twin(nn.Sigmoid())
