"""설계 여럿이 함께 쓰는 부품."""

import torch
from torch import nn


class Apply(nn.Module):
    """층 다음에 층이 아닌 함수를 적용한다."""

    def __init__(self, layer, function):
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x):
        """층의 출력에 함수를 적용한 것."""
        return self.function(self.layer(x))


class Residual(nn.Module):
    """입력을 출력에 더한다."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        """입력을 더한 출력."""
        return x + self.layer(x)


class Wrapped(nn.Module):
    """층들을 차례로 부르고 `after`로 마무리하는 모듈. `unused`는 갖고만 있다."""

    def __init__(self, *parts, after=None, unused=None):
        super().__init__()
        self.body = nn.Sequential(*parts)
        self.after, self.unused = after or nn.Identity(), unused

    def forward(self, x):
        """층을 차례로 지난다."""
        return self.after(self.body(x))


def used(model, *shape):
    """입력을 한 번 넣어 `nn.Lazy…` 층의 크기를 정한 모듈."""
    model(torch.zeros(shape))
    return model


def filled(model, value):
    """매개변수가 모두 `value`인 모듈."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def zeroed(layer):
    """가중치와 편향을 0으로 둔다."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def half(inputs, outputs, **options):
    """크기를 반으로 줄이는 3×3 합성곱."""
    return nn.Conv2d(inputs, outputs, 3, **({"stride": 2, "padding": 1} | options))


def pooled(*pools, last=(), function=nn.ReLU):
    """합성곱마다 `pools`의 풀링을 하나씩 둔 분류기."""
    body, inputs = [], 3
    for pool in pools:
        body += [nn.Conv2d(inputs, 16, 3, padding=1), function(), pool]
        inputs = 16
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return nn.Sequential(*body, *head, *last)
