"""모형마다의 책의 수. 매개변수의 수는 torchvision과, 책에 찍힌 출력과 견준다."""

import re
from pathlib import Path

import nbformat
import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures import reference
from cnn_lectures.checkpoint import PUBLISHED
from cnn_lectures.complexity import count_parameters
from cnn_lectures.models import MODELS, build_model
from cnn_lectures.models.lenet import C3_CONNECTIONS, LeNet5Original

ROOT = Path(__file__).parents[1]
SMALL = ("lenet5", "lenet5_original", "bn_lenet", "vgg_small", "googlenet_small", "densenet_small")
# 책의 출력에 찍히지 않는 하나. 5×5와 1×1 합성곱의 가중치와 편향을 논문의 채널로 센 것이다.
COUNTED = {
    "nin_cifar": (75 * 192 + 192) + (192 * 160 + 160) + (160 * 96 + 96)
    + (96 * 25 * 192 + 192) + 2 * (192 * 192 + 192)
    + (192 * 9 * 192 + 192) + (192 * 192 + 192) + (192 * 10 + 10)
}  # fmt: skip


@pytest.fixture(scope="module")
def pool():
    """작은 모형을 채울 만큼의 수."""
    return reference.fixed_numbers(600_000)


@pytest.fixture(scope="module")
def printed() -> set[int]:
    """책의 출력에 찍힌, 천 단위 쉼표가 든 수."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "book").glob("*.ipynb"))]
    outputs = [
        output.get("text", "") + output.get("data", {}).get("text/plain", "")
        for text in texts
        for cell in nbformat.reads(text, as_version=4).cells
        for output in cell.get("outputs", ())
    ]
    numbers = re.findall(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!\d)", "\n".join(outputs))
    return {int(number.replace(",", "")) for number in numbers}


def test_every_model_has_an_answer():
    assert list(reference.ANSWERS) == list(MODELS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_torchvision(name):
    theirs, _ = PUBLISHED[name]
    extra = {"init_weights": False, "aux_logits": False} if theirs == "googlenet" else {}
    with torch.device("meta"):
        model = getattr(torchvision.models, theirs)(weights=None, **extra)
    assert reference.ANSWERS[name].parameters == count_parameters(model)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in PUBLISHED])
def test_parameters_are_printed_in_the_book(name, printed):
    count = reference.ANSWERS[name].parameters
    assert count == COUNTED.get(name, count)
    assert name in COUNTED or count in printed


def test_docstrings_name_the_same_parameters():
    found = 0
    for name, build in MODELS.items():
        claimed = re.search(r"매개변수 ([\d,]+)개", build.__doc__)
        if claimed and not isinstance(build, type):
            assert claimed[1] == f"{reference.ANSWERS[name].parameters:,}", name
            found += 1
    assert found >= 20


def test_fixed_numbers_are_the_same_everywhere_and_spread_evenly(pool):
    assert torch.allclose(pool[:4], torch.tensor([-0.5, 0.118034, -0.027864, 0.062306]))
    assert torch.equal(pool[: reference.PERIOD], pool[reference.PERIOD : 2 * reference.PERIOD])
    assert len(pool) == 600_000
    cycle = pool[: reference.PERIOD]
    assert cycle.min() >= -0.5
    assert cycle.max() < 0.5
    assert torch.histc(cycle, 10).min() > 900
    assert abs(cycle.mean()) < 0.01
    assert abs((cycle[1:] * cycle[:-1]).mean()) < 0.01


def test_largest_weight_is_the_largest():
    with torch.device("meta"):
        parameters = [p for name in ("vgg19", "alexnet") for p in build_model(name).parameters()]
    assert max(p.numel() for p in parameters) == reference.LARGEST_WEIGHT


def test_skipping_randomness_keeps_everything_else():
    state = torch.get_rng_state()
    with reference.SkipRandomness():
        model = LeNet5Original()
        bias = build_model("vgg_small").classifier[0].bias
    assert torch.equal(torch.get_rng_state(), state)
    assert model.c3.links.shape == (2, sum(map(len, C3_CONNECTIONS)))
    assert set(model.output.targets.unique().tolist()) == {-1.0, 1.0}
    assert not bias.any()


def test_fill_shares_large_weights_and_scales_small_ones(pool, monkeypatch):
    monkeypatch.setattr(reference, "BIG", 1000)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(100, 20))
    reference.fill(model, pool)
    assert torch.allclose(model[0].weight.flatten(), pool[:54] * (24 / 18) ** 0.5)
    assert model[2].weight.data_ptr() == pool.data_ptr()
    assert model[1].weight.tolist() == [1, 1, 1]
    assert model[1].bias.tolist() == model[0].bias.tolist() == [0, 0, 0]
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_small_models_give_the_recorded_logits(name, pool):
    parameters, logits = reference.fixed_logits(name, pool)
    assert reference.discrepancy(name, parameters, logits) == ""
    assert reference.discrepancy(name, parameters, logits, logits) == ""
    assert not torch.allclose(logits[0], logits[1], rtol=1e-3)


@pytest.mark.parametrize("layer", ["ReLU", "MaxPool2d", "Conv2d"])
def test_a_changed_model_gives_other_logits(layer, pool, monkeypatch):
    kind = getattr(nn, layer)
    change = {
        "ReLU": lambda module, x: x.abs(),
        "MaxPool2d": lambda module, x: nn.functional.avg_pool2d(x, 2),
        "Conv2d": lambda module, x: nn.functional.conv2d(x, module.weight.flip(3), padding=1),
    }
    monkeypatch.setattr(kind, "forward", change[layer])
    parameters, logits = reference.fixed_logits("vgg_small", pool)
    assert "가장 큰 로짓이" in reference.discrepancy("vgg_small", parameters, logits)


def test_discrepancies(pool):
    count, logits = reference.fixed_logits("lenet5", pool)

    def found(parameters=count, logits=logits, on_cpu=None):
        return reference.discrepancy("lenet5", parameters, logits, on_cpu)

    assert found(parameters=61_707) == "매개변수가 61,707개입니다 (책은 61,706개)"
    assert found(logits=logits[:, :9]) == "로짓의 모양이 (2, 9)입니다 (책은 (2, 10))"
    assert found(logits=logits * float("nan")) == "로짓에 유한하지 않은 값이 있습니다"
    assert "기록은 1.1152" in found(logits=logits * 1.002)
    assert found(logits=logits * 1.002, on_cpu=logits) == ""
    assert "기록은 1.1152" in found(logits=logits * 1.06, on_cpu=logits)
    assert "CPU와 2.23만큼" in found(logits=-logits, on_cpu=logits)
