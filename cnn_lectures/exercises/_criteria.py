"""설계 문제가 함께 쓰는 채점 항목."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

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


def gives_logits(image_shape: tuple[int, ...], *, hint: str) -> Criterion:
    """확률이 아니라 로짓을 낸다. 값이 아주 큰 이미지에서도 0과 1 사이에 머물면 확률로 본다."""

    def met(model: nn.Module) -> bool:
        images = 1e4 * torch.randn(64, *image_shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            scores = model.eval()(images)
        return bool(scores.min() < 0 or scores.max() > 1 or not scores.any())

    return Criterion("확률이 아니라 로짓을 낸다", met, hint)


class Call(NamedTuple):
    """층이 한 번 불린 기록."""

    layer: nn.Module
    given: Tensor
    output: Tensor


def calls(model: nn.Module, kinds: type | tuple[type, ...], images: Tensor) -> list[Call]:
    """`images`를 계산하는 동안 `kinds`인 층이 불린 차례대로의 기록. 쓰이지 않은 층은 없다."""
    found = []

    def record(layer, given, output):
        found.append(Call(layer, given[0].clone(), output.clone()))  # 뒤 층이 고쳐 쓸 수 있다

    for layer in model.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(record)
    with torch.no_grad():
        model(images)
    return found


def layers(model: nn.Module, kinds: type | tuple[type, ...]) -> list[nn.Module]:
    """`kinds`인 층들. 같은 객체를 여러 자리에 두었으면 자리마다 센다."""
    named = model.named_modules(remove_duplicate=False)
    return [layer for _, layer in named if isinstance(layer, kinds)]


def contains(kinds: type | tuple[type, ...], text: str, *, least: int = 1, hint: str) -> Criterion:
    """`kinds`인 층이 `least`개 이상 있다."""

    def met(model: nn.Module) -> bool:
        return len(layers(model, kinds)) >= least

    return Criterion(text, met, hint)


def uses(
    kinds: type | tuple[type, ...],
    input_shape: tuple[int, ...],
    text: str,
    *,
    least: int = 1,
    hint: str,
) -> Criterion:
    """계산하는 동안 `kinds`인 층을 `least`번 이상 지난다. 갖고만 있는 층은 세지 않는다."""

    def met(model: nn.Module) -> bool:
        return len(calls(model.eval(), kinds, torch.zeros(input_shape))) >= least

    return Criterion(text, met, hint)


def lacks(kinds: type | tuple[type, ...], text: str, *, hint: str) -> Criterion:
    """`kinds`인 층이 하나도 없다."""

    def met(model: nn.Module) -> bool:
        return not layers(model, kinds)

    return Criterion(text, met, hint)
