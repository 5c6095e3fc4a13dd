"""ResNet."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet as theirs

from cnn_lectures.complexity import count_parameters, layer_costs, longest_path, multiply_adds
from cnn_lectures.models import resnet
from cnn_lectures.models.resnet import (
    Backbone,
    BasicBlock,
    Bottleneck,
    BottleneckV1,
    ResNet,
    cifar_resnet,
    resnet_small,
)
from cnn_lectures.receptive_field import receptive_fields
from tests.torchvision_twins import compare

IMAGE = (1, 3, 224, 224)
BUILDERS = {name: getattr(resnet, name) for name in resnet.CONFIGURATIONS}


def shape_only(build, *args, **options):
    with torch.device("meta"):
        return build(*args, **options).eval()


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "stages"),
    [
        ("resnet18", 11_689_512, 1_814_073_344, [147_968, 525_568, 2_099_712, 8_393_728]),
        ("resnet34", 21_797_672, 3_663_761_408, [221_952, 1_116_416, 6_822_400, 13_114_368]),
        ("resnet50", 25_557_032, 4_089_184_256, [215_808, 1_219_584, 7_098_368, 14_964_736]),
        ("resnet101", 44_549_160, 7_801_405_440, [215_808, 1_219_584, 26_090_496, 14_964_736]),
        ("resnet152", 60_192_808, 11_513_626_624, [215_808, 2_339_840, 40_613_888, 14_964_736]),
    ],
)
def test_totals(name, parameters, macs, stages):
    model = shape_only(BUILDERS[name])
    assert count_parameters(model) == parameters
    assert [count_parameters(getattr(model, f"layer{n}")) for n in (1, 2, 3, 4)] == stages
    assert count_parameters(model.conv1) == 9_408
    assert count_parameters(model.bn1) == 128
    assert count_parameters(model.fc) == (
        513_000 if name in ("resnet18", "resnet34") else 2_049_000
    )
    assert multiply_adds(model, IMAGE) == macs


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("resnet50", 3_857_973_248),  # 논문의 3.8 G
        ("resnet101", 7_570_194_432),
        ("resnet152", 11_282_415_616),
    ],
)
def test_stride_of_the_paper(name, macs):
    model = shape_only(BUILDERS[name], block=BottleneckV1)
    assert multiply_adds(model, IMAGE) == macs
    assert model.layer2[0].conv1.stride == (2, 2)
    assert model.layer2[0].conv2.stride == (1, 1)


@pytest.mark.parametrize("shortcut", ["A", "none"])
@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet18", 11_515_688), ("resnet34", 21_623_848)]
)
def test_shortcut_a_and_plain_networks_have_the_same_parameters(name, shortcut, parameters):
    assert count_parameters(shape_only(BUILDERS[name], shortcut=shortcut)) == parameters


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [
        (20, 269_722),
        (32, 464_154),
        (44, 658_586),
        (56, 853_018),
        (110, 1_727_962),
        (1202, 19_421_274),
    ],
)
def test_cifar_totals(depth, parameters):
    model = shape_only(cifar_resnet, depth)
    assert count_parameters(model) == parameters
    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [("resnet18", 20), ("resnet34", 36), ("resnet50", 53), ("resnet101", 104), ("resnet152", 155)],
)
def test_names_count_the_layers_without_projections(name, convolutions):
    model = shape_only(BUILDERS[name])
    names = [key for key, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    assert len(names) == convolutions
    assert sum("downsample" not in key for key in names) + 1 == int(name.removeprefix("resnet"))


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("resnet18", {}, 435),
        ("resnet34", {}, 899),
        ("resnet50", {}, 427),
        ("resnet101", {}, 971),
        ("resnet152", {}, 1451),
        ("resnet50", {"block": BottleneckV1}, 483),
        ("resnet101", {"block": BottleneckV1}, 1027),
        ("resnet152", {"block": BottleneckV1}, 1507),
    ],
)
def test_receptive_fields(name, options, size):
    last = receptive_fields(longest_path(shape_only(BUILDERS[name], **options)))[-1]
    assert (last.size, last.jump) == (size, 32)


@pytest.mark.parametrize("block", ["BasicBlock", "Bottleneck"])
def test_equals_torchvision(block):
    layers = [2, 1, 1, 2]
    with torch.device("meta"):
        twin = theirs.ResNet(getattr(theirs, block), layers, num_classes=7)
    ours = ResNet(getattr(resnet, block), layers, num_classes=7)
    compare(ours, twin, torch.randn(4, 3, 40, 33))


def test_first_blocks_by_hand():
    model = shape_only(resnet.resnet50)
    assert [count_parameters(block) for block in model.layer1] == [75_008, 70_400, 70_400]


@pytest.mark.parametrize("name", BUILDERS)
def test_feature_specs_tell_the_truth(name):
    model = shape_only(BUILDERS[name])
    width = 1 if name in ("resnet18", "resnet34") else 4
    assert model.feature_specs == {
        "c2": (64 * width, 4),
        "c3": (128 * width, 8),
        "c4": (256 * width, 16),
        "c5": (512 * width, 32),
    }
    features = model.forward_features(torch.empty(2, 3, 224, 160, device="meta"))
    assert {key: tuple(x.shape) for key, x in features.items()} == {
        key: (2, channels, 224 // stride, 160 // stride)
        for key, (channels, stride) in model.feature_specs.items()
    }


def test_cifar_features():
    model = shape_only(cifar_resnet)
    assert model.feature_specs == {"c2": (16, 1), "c3": (32, 2), "c4": (64, 4)}
    features = model.forward_features(torch.empty(2, 3, 32, 32, device="meta"))
    assert [tuple(x.shape[1:]) for x in features.values()] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]


def test_logits_come_from_the_last_feature_and_features_are_not_overwritten():
    torch.manual_seed(0)
    model = resnet_small().eval()
    images = torch.randn(3, 1, 20, 33)
    with torch.no_grad():
        features = model.forward_features(images)
        x = images
        for layer in (model.conv1, model.bn1, nn.ReLU(), model.layer1):
            x = layer(x)
        torch.testing.assert_close(features["c2"], x)  # 뒤의 단계가 제자리에서 바꾸지 않았다
        logits = model.fc(features["c4"].mean(dim=(2, 3)))
        torch.testing.assert_close(model(images), logits)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck, BottleneckV1])
@pytest.mark.parametrize("shortcut", ["A", "B", "C", "none"])
@pytest.mark.parametrize("stride", [1, 2])
def test_block_is_relu_of_residual_plus_shortcut(block, shortcut, stride):
    torch.manual_seed(0)
    module = block(8, 8 // block.expansion, stride=stride, shortcut=shortcut).eval()
    x = torch.randn(2, 8, 7, 5)
    before = x.clone()
    out = module(x)
    assert torch.equal(x, before)
    if shortcut in ("B", "C"):
        same = shortcut == "B" and stride == 1
        expected = nn.Identity if same else nn.Sequential
        assert type(module.downsample) is expected
        path = module.downsample(x)
    else:
        path = x[:, :, ::stride, ::stride] if shortcut == "A" else 0
    torch.testing.assert_close(out, (module.residual(x) + path).relu())


def test_shortcut_a_pads_with_zeros():
    x = torch.randn(2, 3, 5, 4)
    out = resnet.ZeroPadding(3, 8, 2)(x)
    torch.testing.assert_close(out[:, :3], x[:, :, ::2, ::2])
    assert out.shape == (2, 8, 3, 2)
    assert not out[:, 3:].any()


def test_plain_network_loses_the_identity_path():
    """잔차 함수가 0이면 잔차 블록은 입력을 그대로 내보내고, 일반 블록은 0을 내보낸다."""
    x = torch.rand(1, 8, 4, 4)
    for shortcut, expected in (("B", x), ("none", torch.zeros_like(x))):
        block = BasicBlock(8, 8, shortcut=shortcut).eval()
        nn.init.zeros_(block.bn2.weight)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_zero_init_residual(block):
    options = {"channels": (8, 8), "stem": "cifar", "num_classes": 3}
    model = ResNet(block, (2, 2), zero_init_residual=True, **options)
    for module in model.modules():
        if isinstance(module, block):
            assert not getattr(module, block.last_norm).weight.any()
            assert module.bn1.weight.all()
    assert all(
        p.any() for n, p in ResNet(block, (2, 2), **options).named_parameters() if "weight" in n
    )


def test_backbone_adds_stages_and_leaves_the_body_alone():
    torch.manual_seed(0)
    body = resnet_small().eval()
    before = {key: tensor.clone() for key, tensor in body.state_dict().items()}
    specs = dict(body.feature_specs)
    model = Backbone(body, extra_channels=(24, 40)).eval()
    assert body.feature_specs == specs
    assert model.feature_specs == specs | {"c5": (24, 8), "c6": (40, 16)}

    images = torch.randn(2, 1, 32, 48)
    with torch.no_grad():
        features, plain = model(images), body.forward_features(images)
    assert {key: tuple(x.shape) for key, x in features.items()} == {
        key: (2, channels, 32 // stride, 48 // stride)
        for key, (channels, stride) in model.feature_specs.items()
    }
    for key, x in plain.items():
        torch.testing.assert_close(features[key], x, rtol=0, atol=0)
    for key, tensor in body.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_backbone_uses_the_block_of_its_body():
    with torch.device("meta"):
        model = Backbone(resnet.resnet50(block=BottleneckV1), extra_channels=[512])
    assert type(model.extra["c6"]) is BottleneckV1
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=r"`extra_channels`: 4의 배수.*: 30\)"),
    ):
        Backbone(resnet.resnet50(), extra_channels=(30,))


def test_no_block_has_a_branch_in_forward():
    rows = layer_costs(shape_only(resnet.resnet18), IMAGE)
    assert sum("downsample" in row.name and row.multiply_adds > 0 for row in rows) == 3


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ([nn.Conv2d, (2, 2)], {}, r"`block`: BasicBlock이나 Bottleneck이어야 합니다"),
        (["BasicBlock", (2, 2)], {}, r"`block`: .*받은 값: 'BasicBlock'"),
        ([BasicBlock, ()], {}, r"`layers`: 정수 목록이어야 합니다 \(받은 값: \(\)\)"),
        ([BasicBlock, (2, 0)], {}, r"`layers`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ([BasicBlock, (2, 2)], {}, r"`channels`: 2개의 정수 목록이어야 합니다"),
        ([BasicBlock, (1,) * 4], {"shortcut": "D"}, r"`shortcut`: .* 가운데 하나여야 .*: 'D'\)"),
        (
            [BasicBlock, (1,) * 4],
            {"stem": "cifar10"},
            r"`stem`: cifar 가운데 하나여야 .*'cifar10'\)",
        ),
        (
            [BasicBlock, (1, 1)],
            {"channels": (8, 4), "shortcut": "A"},
            r"`shortcut`: A는 채널을 8개에서 4개로 줄이지 못합니다 \(받은 값: 'A'\)",
        ),
    ],
)
def test_wrong_arguments(args, options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        ResNet(*args, **options)


@pytest.mark.parametrize("depth", [21, 48])
def test_wrong_depth(depth):
    with pytest.raises(ValueError, match=rf"`depth`: 20, 32, 44처럼 6n\+2여야 .*: {depth}\)"):
        cifar_resnet(depth)
    with pytest.raises(ValueError, match=r"`depth`: 8 이상의 정수여야 합니다 \(받은 값: 2\)"):
        cifar_resnet(2)
