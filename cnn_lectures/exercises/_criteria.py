"""설계 문제가 함께 쓰는 채점 항목."""

from __future__ import annotations

import torch
from torch import nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._kinds import Criterion


def maps(input_shape: tuple[int, ...], output_shape: tuple[int, ...], *, hint: str) -> Criterion:
    """`input_shape`를 받아 `output_shape`를 내놓는다."""

    def met(model: nn.Module) -> bool:
        model.eval()
        with torch.inference_mode():
            return tuple(model(torch.zeros(input_shape)).shape) == output_shape

    return Criterion(f"입력 {input_shape} → 출력 {output_shape}", met, hint)


def parameters_at_most(limit: int, *, hint: str) -> Criterion:
    """배우는 매개변수가 `limit`개를 넘지 않는다. 하나도 없으면 채우지 못한 것으로 본다."""
    text = f"매개변수 {limit:,}개 이하"
    return Criterion(text, lambda model: 0 < count_parameters(model) <= limit, hint)


def contains(kinds: type | tuple[type, ...], text: str, *, least: int = 1, hint: str) -> Criterion:
    """`kinds`인 층이 `least`개 이상 있다."""

    def met(model: nn.Module) -> bool:
        return sum(isinstance(layer, kinds) for layer in model.modules()) >= least

    return Criterion(text, met, hint)


def lacks(kinds: type | tuple[type, ...], text: str, *, hint: str) -> Criterion:
    """`kinds`인 층이 하나도 없다."""

    def met(model: nn.Module) -> bool:
        return not any(isinstance(layer, kinds) for layer in model.modules())

    return Criterion(text, met, hint)
