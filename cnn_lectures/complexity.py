"""모형의 크기를 잰다: 매개변수, 곱셈-누산, 수용 영역, 메모리.

곱셈-누산은 합성곱 층과 완전 연결 층에서만 세고 편향, 정규화, 활성화, 풀링은 세지 않는다. VGG,
GoogLeNet, ResNet 논문이 FLOPs나 multiply-adds라고 부르는 수이다.
"""

import weakref
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cnn_lectures.receptive_field import MINIMUMS, Window, side

# 수용 영역이 더 좁은 갈래: ResNet의 지름길, 인셉션 모듈의 5×5를 뺀 갈래
NARROW_BRANCHES = {"downsample", "branch1", "branch2", "branch4"}


class LayerCost(NamedTuple):
    """층 하나의 출력 모양(배치 차원 제외), 매개변수 수, 이미지 한 장의 곱셈-누산 수."""

    name: str
    output_size: tuple[int, ...]
    parameters: int
    multiply_adds: int


def count_parameters(model: nn.Module) -> int:
    """매개변수의 수. 버퍼는 세지 않는다."""
    return sum(parameter.numel() for parameter in model.parameters())


def layer_costs(model: nn.Module, input_size: tuple[int, ...]) -> list[LayerCost]:
    """다른 층을 품지 않은 층을 계산하는 차례대로 적는다.

    모형이 놓인 장치에서 추론 모드로 한 번 계산한다. `meta` 장치의 모형이면 값 없이 모양만 계산한다.

    Parameters
    ----------
    model : 살펴볼 모형
    input_size : 입력의 모양 (N, C, H, W)
    """
    rows: list[LayerCost] = []

    def record(name: str, layer: nn.Module, _, output: Tensor) -> None:
        size = tuple(output.shape[1:])
        weighted = isinstance(layer, nn.Conv2d | nn.Linear)
        per_output = layer.weight[0].numel() if weighted else 0  # 출력 하나에 드는 곱셈-누산
        rows.append(LayerCost(name, size, count_parameters(layer), prod(size) * per_output))

    modes = {module: module.training for module in model.modules()}
    leaves = [(name, layer) for name, layer in model.named_modules() if not any(layer.children())]
    hooks = [layer.register_forward_hook(partial(record, name)) for name, layer in leaves]
    try:
        device = next(model.parameters()).device
        with torch.no_grad():
            model.eval()(torch.zeros(input_size, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return rows


def multiply_adds(model: nn.Module, input_size: tuple[int, ...]) -> int:
    """이미지 한 장을 분류하는 데 드는 곱셈-누산 수."""
    return sum(row.multiply_adds for row in layer_costs(model, input_size))


def longest_path(model: nn.Module) -> list[Window]:
    """수용 영역이 가장 넓어지는 경로의 창. `receptive_fields`에 넘긴다.

    합성곱과 풀링이 쓰이는 차례대로 정의된 모형이어야 한다. 전역 평균 풀링은 넣지 않는다.
    """
    return [
        Window(name, **{field: side(layer, field) for field in MINIMUMS})
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
        and NARROW_BRANCHES.isdisjoint(name.split("."))
    ]


class PeakMemory(TorchDispatchMode):
    """문맥 안에서 만든 텐서들이 한때에 차지한 가장 큰 메모리를 잰다.

    미리 있던 매개변수와 입력, 연산이 안에서 잠시 쓰는 작업 공간은 세지 않는다. `meta` 장치의
    모형이면 값을 계산하지 않고도 잴 수 있다.

    Attributes
    ----------
    peak : 최댓값, 바이트
    """

    def __init__(self):
        super().__init__()
        self.peak = self.current = 0
        self.alive: set[int] = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """연산 하나를 실행하고, 새로 생긴 저장소를 사라질 때까지 센다."""
        given = {
            id(x.untyped_storage()) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)
        }
        result = operation(*args, **kwargs or {})
        for tensor in tree_leaves(result):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            key, size = id(storage), storage.nbytes()
            if key not in given and key not in self.alive:
                self.alive.add(key)
                self.current += size
                self.peak = max(self.peak, self.current)
                weakref.finalize(storage, self.release, key, size)
        return result

    def release(self, key: int, size: int) -> None:
        """저장소 하나가 사라졌다."""
        self.alive.remove(key)
        self.current -= size


def storages(tree: object) -> list[torch.UntypedStorage]:
    """`tree`에 든 텐서들의 저장소."""
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
