"""곱셈-누산, 최장 경로, 메모리."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_lectures.complexity import (
    LayerCost,
    PeakMemory,
    count_parameters,
    layer_costs,
    longest_path,
    multiply_adds,
)
from cnn_lectures.models import build_model
from cnn_lectures.receptive_field import receptive_fields


def small_network():
    return nn.Sequential(
        nn.Conv2d(4, 6, kernel_size=3, stride=2, groups=2),
        nn.BatchNorm2d(6),
        nn.Sequential(nn.ReLU(), nn.Dropout(0.5)),
        nn.Flatten(),
        nn.Linear(6 * 4 * 3, 5),
    )


def test_layer_costs_by_hand():
    rows = layer_costs(small_network(), (2, 4, 9, 7))
    assert rows == [
        LayerCost("0", (6, 4, 3), 6 * 2 * 9 + 6, 6 * 4 * 3 * 2 * 9),
        LayerCost("1", (6, 4, 3), 12, 0),
        LayerCost("2.0", (6, 4, 3), 0, 0),
        LayerCost("2.1", (6, 4, 3), 0, 0),
        LayerCost("3", (72,), 0, 0),
        LayerCost("4", (5,), 365, 360),
    ]


def test_nothing_is_left_behind():
    model = small_network().train()
    model[2].eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    layer_costs(model, (2, 4, 9, 7))
    assert [layer.training for layer in model] == [True, True, False, True, True]
    assert not model[2][1].training
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])
    assert not any(layer._forward_hooks for layer in model.modules())
    with pytest.raises(RuntimeError, match="shapes"):
        layer_costs(model, (2, 4, 20, 20))
    assert not any(layer._forward_hooks for layer in model.modules())
    assert model.training


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "googlenet", "resnet18", "densenet_small"])
def test_multiply_adds_equal_half_the_flops_that_torch_counts(name):
    with torch.device("meta"):
        model = build_model(name).eval()
        size = (1, getattr(model, "in_channels", 1), *(32, 32))
        size = (1, 3, 96, 96) if size[1] == 3 else size
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(size))
    assert multiply_adds(model, size) == counter.get_total_flops() // 2
    assert multiply_adds(model, (7, *size[1:])) == multiply_adds(model, size)


def test_count_parameters_ignores_buffers():
    assert count_parameters(nn.BatchNorm2d(5)) == 10


def test_longest_path_avoids_narrow_branches():
    with torch.device("meta"):
        resnet, googlenet = build_model("resnet_small"), build_model("googlenet")
    names = [window.name for window in longest_path(resnet)]
    assert names == ["conv1"] + [
        f"layer{stage}.{block}.conv{conv}"
        for stage in (1, 2, 3)
        for block in (0, 1)
        for conv in (1, 2)
    ]
    fields = {field.name: field for field in receptive_fields(longest_path(googlenet))}
    assert (fields["inception3a.branch3.1.conv"].size, fields["maxpool4"].jump) == (59, 32)


def test_peak_memory_by_hand():
    x = torch.zeros(1000)  # 문맥 밖에서 만든 것은 세지 않는다
    with PeakMemory() as memory:
        y = x + 1
        y.add_(1)  # 제자리 연산과 뷰는 새 저장소를 만들지 않는다
        view = y[10:].reshape(-1)
        assert memory.current == 4000
        z = y * 2
        assert memory.current == 8000
        del y, view
        assert memory.current == 4000
        w = z.double()
    assert memory.peak == 4000 + 8000
    del z, w
    assert memory.current == 0


def test_peak_memory_sees_what_is_kept_for_backward():
    model, x = (
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        torch.zeros(1, 1, 50, 50),
    )
    map_size = 8 * 50 * 50 * 4
    with PeakMemory() as memory:
        y = model(x)
        # 합성곱의 출력, ReLU의 출력, 배치 평균과 분산
        assert memory.current == 2 * map_size + 2 * 8 * 4
        y.sum().backward()
    with PeakMemory() as memory, torch.no_grad():
        y = model(x)
        assert memory.current == map_size
    assert memory.peak == 2 * map_size + 2 * 8 * 4  # ReLU는 배치 통계가 사라진 뒤에 계산한다


def test_peak_memory_on_meta_equals_cpu():
    def peak(device):
        torch.manual_seed(0)
        with torch.device(device):
            model, images = build_model("resnet_small"), torch.zeros(2, 1, 32, 32)
        with PeakMemory() as memory:
            model(images).sum().backward()
        return memory.peak

    assert peak("meta") == pytest.approx(peak("cpu"), rel=0.01)
