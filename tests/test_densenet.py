"""DenseNet."""

import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures.complexity import (
    PeakMemory,
    count_parameters,
    longest_path,
    multiply_adds,
)
from cnn_lectures.models import densenet
from cnn_lectures.models.densenet import DenseNet, cifar_densenet, connections
from cnn_lectures.receptive_field import receptive_fields
from tests.torchvision_twins import compare

IMAGE = (1, 3, 224, 224)
TINY = (4, (2, 3, 2, 2), 8)  # 성장률, 층 수, 처음 채널 수


def shape_only(build, *args, **options):
    with torch.device("meta"):
        return build(*args, **options).eval()


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "channels", "field"),
    [
        ("densenet121", 7_978_856, 2_834_161_664, [64, 256, 128, 512, 256, 1024, 512, 1024], 2071),
        ("densenet169", 14_149_480, 3_359_843_328, [64, 256, 128, 512, 256, 1280, 640, 1664], 3351),
        ("densenet201", 20_013_928, 4_291_365_888, [64, 256, 128, 512, 256, 1792, 896, 1920], 3863),
        (
            "densenet161",
            28_681_000,
            7_727_907_072,
            [96, 384, 192, 768, 384, 2112, 1056, 2208],
            2967,
        ),
    ],
)
def test_totals(name, parameters, macs, channels, field):
    model = shape_only(getattr(densenet, name))
    assert count_parameters(model) == parameters
    assert multiply_adds(model, IMAGE) == macs
    last = receptive_fields(longest_path(model))[-1]
    assert (last.size, last.jump) == (field, 32)

    widths, x = [], torch.empty(1, 3, 32, 32, device="meta")
    for part, layer in model.features.named_children():
        x = layer(x)
        if part.startswith(("pool", "denseblock", "transition")):
            widths.append(x.shape[1])
    assert widths == channels

    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == int(name.removeprefix("densenet"))


def test_parts_of_densenet121():
    model = shape_only(densenet.densenet121)
    parts = {name: count_parameters(layer) for name, layer in model.features.named_children()}
    assert parts["conv0"] + parts["norm0"] == 9_536
    assert [parts[f"denseblock{n}"] for n in (1, 2, 3, 4)] == [
        335_040,
        919_680,
        2_837_760,
        2_158_080,
    ]
    assert [parts[f"transition{n}"] for n in (1, 2, 3)] == [33_280, 132_096, 526_336]
    assert parts["norm5"] == 2_048
    assert count_parameters(model.classifier) == 1_025_000
    layers = model.features.denseblock1
    assert [count_parameters(layers[index]) for index in (0, 1)] == [45_440, 49_600]


@pytest.mark.parametrize(
    ("depth", "growth_rate", "bottleneck", "parameters"),
    [
        (40, 12, False, 1_019_722),
        (100, 12, False, 6_979_642),
        (100, 24, False, 27_249_082),
        (100, 12, True, 769_162),
        (250, 24, True, 15_324_406),
        (190, 40, True, 25_624_430),
    ],
)
def test_cifar_totals(depth, growth_rate, bottleneck, parameters):
    model = shape_only(cifar_densenet, depth, growth_rate, bottleneck=bottleneck)
    assert count_parameters(model) == parameters
    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth


def test_connections():
    assert [connections(layers) for layers in (5, 12, 24)] == [15, 78, 300]
    totals = {
        name: sum(connections(layers) for layers in blocks)
        for name, (_, blocks, _) in densenet.CONFIGURATIONS.items()
    }
    assert totals == {
        "densenet121": 535,
        "densenet169": 1_155,
        "densenet201": 1_803,
        "densenet161": 1_065,
    }


@pytest.mark.parametrize("memory_efficient", [False, True])
@pytest.mark.parametrize("drop_rate", [0.0, 0.2])
def test_equals_torchvision(memory_efficient, drop_rate):
    """torchvision의 memory_efficient는 통계를 두 번 갱신하므로, 늘 평소의 것과 견준다."""
    options = {"num_classes": 7, "drop_rate": drop_rate}
    with torch.device("meta"):
        theirs = torchvision.models.DenseNet(*TINY, **options)
    ours = DenseNet(*TINY, memory_efficient=memory_efficient, **options)
    compare(ours, theirs, torch.randn(4, 3, 33, 40))


@pytest.mark.parametrize("bottleneck", [True, False])
def test_memory_efficient_training_is_exact_over_three_steps(bottleneck):
    def train(memory_efficient):
        torch.manual_seed(0)
        model = cifar_densenet(
            16, 4, bottleneck=bottleneck, memory_efficient=memory_efficient, drop_rate=0.1
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        outputs, gradients, buffers = [], [], []
        for _ in range(3):
            logits = model(torch.randn(4, 3, 8, 8))
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, torch.arange(4)).backward()
            optimizer.step()
            outputs.append(logits.detach())
            gradients.append([p.grad.clone() for p in model.parameters()])
            buffers.append([b.clone() for b in model.buffers()])
        return outputs, gradients, buffers

    torch.testing.assert_close(train(True), train(False), rtol=0, atol=0)


def test_recomputing_the_plain_way_would_update_statistics_twice():
    """`FrozenStatistics`가 없으면 틀린다는 것. 위의 테스트가 볼 수 있는 차이이다."""
    norm, x = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 5, requires_grad=True)
    out = torch.utils.checkpoint.checkpoint(norm, x, use_reentrant=False)
    out.sum().backward()
    assert norm.num_batches_tracked == 2

    norm = nn.BatchNorm2d(3)
    densenet.recomputed(norm, norm, x).sum().backward()
    assert norm.num_batches_tracked == 1
    assert norm.momentum == 0.1


def test_memory_efficient_survives_two_backward_passes_and_a_change_of_mode():
    torch.manual_seed(0)
    model = cifar_densenet(10, 4, memory_efficient=True)
    loss = model(torch.randn(4, 3, 8, 8)).square().mean()
    loss.backward(retain_graph=True)
    first = [p.grad.clone() for p in model.parameters()]
    statistics = [b.clone() for b in model.buffers()]
    model.zero_grad()
    model.eval()  # 역전파가 순전파와 같은 상태로 다시 계산해야 한다
    loss.backward()
    torch.testing.assert_close([p.grad for p in model.parameters()], first, rtol=0, atol=0)
    assert not any(layer.training for layer in model.modules())
    torch.testing.assert_close(list(model.buffers()), statistics, rtol=0, atol=0)


def peak(**options):
    with torch.device("meta"):
        model, images = densenet.densenet121(**options), torch.empty(2, 3, 64, 64)
    with PeakMemory() as memory:
        model(images).sum().backward()
    return memory.peak - 4 * count_parameters(model)  # 기울기는 빼고 활성값만


def test_memory_efficient_halves_the_activation_memory():
    assert peak(memory_efficient=True) < 0.5 * peak(memory_efficient=False)


def test_block_keeps_every_earlier_feature():
    torch.manual_seed(0)
    block = cifar_densenet(16, 4).features.denseblock1.eval()
    x = torch.randn(2, 8, 6, 5)
    out, features = block(x), [x]
    for layer in block:
        features.append(layer(features))
    assert torch.equal(out, torch.cat(features, dim=1))
    assert torch.equal(out[:, :8], x)


def test_transition_halves_channels_and_size():
    x = torch.randn(2, 10, 6, 9)
    assert densenet.transition(10, 5)(x).shape == (2, 5, 3, 4)


def test_compression_and_growth():
    model = shape_only(DenseNet, 6, (3, 2), 10, compression=0.7)
    assert model.features.transition1.conv.out_channels == int(0.7 * 28)
    assert model.features.denseblock2[1].norm1.num_features == 19 + 6
    assert model.classifier.in_features == 19 + 12


def test_a_batch_is_never_mixed():
    torch.manual_seed(0)
    model = densenet.densenet_small().eval()
    images = torch.randn(5, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images[2:3]), model(images)[2:3])


def test_initialization_is_he_with_fan_in():
    torch.manual_seed(0)
    model = cifar_densenet(22, 12)
    conv = model.features.denseblock3.denselayer3.conv2
    assert conv.weight.std().item() == pytest.approx((2 / (conv.in_channels * 9)) ** 0.5, rel=0.1)
    assert not model.classifier.bias.any()


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ([0, (2, 2), 8], {}, r"`growth_rate`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ([4, 3, 8], {}, r"`block_config`: 정수 목록이어야 합니다 \(받은 값: 3\)"),
        ([4, (2, 0), 8], {}, r"`block_config`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ([4, (2, 2), 0], {}, r"`num_init_features`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        (TINY, {"bn_size": -1}, r"`bn_size`: 0 이상의 정수여야 합니다 \(받은 값: -1\)"),
        (TINY, {"compression": 0}, r"`compression`: 0 초과 1 이하의 수여야 합니다 \(받은 값: 0\)"),
        (
            TINY,
            {"compression": "1"},
            r"`compression`: 0 초과 1 이하의 수여야 합니다 \(받은 값: '1'\)",
        ),
        (TINY, {"drop_rate": 1}, r"`drop_rate`: 0 이상 1 미만의 수여야 합니다 \(받은 값: 1\)"),
        (TINY, {"stem": "image"}, r"`stem`: imagenet 가운데 하나여야 합니다 \(받은 값: 'image'\)"),
    ],
)
def test_wrong_arguments(args, options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        DenseNet(*args, **options)


@pytest.mark.parametrize(
    ("depth", "bottleneck", "step"), [(40.0, True, 6), (41, False, 3), (99, True, 6)]
)
def test_wrong_depth(depth, bottleneck, step):
    kind, message = (
        (TypeError, "정수여야 합니다")
        if isinstance(depth, float)
        else (ValueError, rf"{step}n\+4여야 합니다")
    )
    with pytest.raises(kind, match=rf"`depth`: .*{message} \(받은 값: {depth}\)"):
        cifar_densenet(depth, bottleneck=bottleneck)


@pytest.mark.parametrize(
    ("memory_efficient", "maps"),
    [(False, 2 * (8 + 12 + 16) + 3 * 2 * 16), (True, 16 + 3 * 16)],
)
def test_saved_bytes_counts_each_feature_map_once(memory_efficient, maps):
    """그대로면 Σ(2C + 2·4k), 다시 계산하면 x_0, …, x_{L−1}과 병목의 출력만 저장한다."""
    model = DenseNet(4, (3,), 8, stem="cifar", memory_efficient=memory_efficient)
    x = torch.randn(2, 8, 5, 6, requires_grad=True)
    saved = densenet.saved_bytes(model.features.denseblock1, x)
    assert saved == 4 * maps * 2 * 5 * 6
