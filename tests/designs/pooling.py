"""3장 풀링의 설계 문제에 낼 옳은 설계와 틀린 설계."""

from torch import nn

from tests.designs._parts import half, pooled


class PoolTwice(nn.Module):
    """풀링 층 하나를 두 번 부른다."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.pool, self.last = nn.MaxPool2d(3, 2), nn.Linear(16, 10)

    def forward(self, x):
        """로짓."""
        x = self.pool(self.second(self.pool(self.first(x).relu())).relu())
        return self.last(x.mean(dim=(2, 3)))


def right():
    """겹침 풀링으로 해상도를 두 번 줄인다."""
    pool = nn.MaxPool2d(3, 2, 1)
    yield "reused pool", pooled(pool, pool)
    yield "pool called twice", PoolTwice()
    yield "tuples", pooled(nn.MaxPool2d((3, 3), (2, 2)), nn.MaxPool2d((3, 5), 2, 1))
    yield "ceil mode", pooled(nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(4, 3))
    keeping = nn.Sequential(pool, nn.MaxPool2d(3, 1, 1))
    yield "one more that keeps the size", pooled(keeping, pool)
    yield "other activation", pooled(pool, pool, function=nn.GELU)
    yield "LogSoftmax", pooled(pool, pool, last=(nn.LogSoftmax(dim=1),))
    yield (
        "global maximum",
        nn.Sequential(
            *pooled(pool, pool)[:-3], nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 10)
        ),
    )
    yield (
        "pool before ReLU",
        nn.Sequential(
            *(half(3, 8, stride=1), pool, nn.ReLU(), half(8, 16, stride=1), pool, nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)),
        ),
    )


def wrong():
    """해상도를 두 번 줄이지 않거나, 창이 겹치지 않거나, 확률을 낸다."""
    pool = nn.MaxPool2d(3, 2, 1)
    for size in (2, 3):
        yield f"MaxPool2d({size}, 1)", pooled(nn.MaxPool2d(size, 1), nn.MaxPool2d(size, 1))
    yield "one that shrinks", pooled(pool, nn.MaxPool2d(3, 1, 1))
    yield "two and one without overlap", pooled(pool, nn.Sequential(pool, nn.MaxPool2d(2)))
    yield "average pooling", pooled(nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1))
    for layer in (nn.Softmax(dim=1), nn.Softmax(dim=0), nn.Sigmoid()):
        yield str(layer), pooled(pool, pool, last=(layer,))
    model = pooled(pool)
    model.spare = nn.Identity()
    model.spare.pool = nn.MaxPool2d(3, 2, 1)
    yield "second pool never used", model
