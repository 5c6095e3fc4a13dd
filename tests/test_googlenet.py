"""GoogLeNet."""

import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures.complexity import count_parameters, layer_costs, multiply_adds
from cnn_lectures.models.googlenet import (
    INCEPTIONS,
    GoogLeNet,
    InputRescaling,
    googlenet,
    googlenet_bn,
    googlenet_small,
)
from tests.torchvision_twins import compare

IMAGE = (1, 3, 224, 224)


def shape_only(build=googlenet, **options):
    with torch.device("meta"):
        return build(**options).eval()


@pytest.mark.parametrize(
    ("build", "options", "parameters"),
    [
        (googlenet, {}, 6_998_552),
        (googlenet_bn, {}, 6_624_904),
        (googlenet_bn, {"aux_logits": True}, 13_004_888),
    ],
)
def test_parameters(build, options, parameters):
    assert count_parameters(shape_only(build, **options)) == parameters


@pytest.mark.parametrize(
    ("build", "macs"), [(googlenet, 1_582_671_872), (googlenet_bn, 1_498_376_192)]
)
def test_multiply_adds(build, macs):
    assert multiply_adds(shape_only(build), IMAGE) == macs


def test_parameters_of_the_inception_modules():
    model = shape_only()
    counts = {
        name: count_parameters(model.get_submodule(f"inception{name}")) for name in INCEPTIONS
    }
    assert counts == {
        "3a": 163_696,
        "3b": 388_736,
        "4a": 376_176,
        "4b": 449_160,
        "4c": 510_104,
        "4d": 605_376,
        "4e": 868_352,
        "5a": 1_043_456,
        "5b": 1_444_080,
    }


def test_shapes_in_the_comments():
    model, x, shapes = shape_only(), torch.empty(IMAGE, device="meta"), {}
    for name in model.trunk:
        shapes[name] = x = model.get_submodule(name)(x)
    assert {name: tuple(x.shape[1:]) for name, x in shapes.items() if "maxpool" in name} == {
        "maxpool1": (64, 56, 56),
        "maxpool2": (192, 28, 28),
        "maxpool3": (480, 14, 14),
        "maxpool4": (832, 7, 7),
    }
    assert shapes["conv1"].shape[1:] == (64, 112, 112)
    channels = {name: shapes[f"inception{name}"].shape[1] for name in INCEPTIONS}
    assert list(channels.values()) == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


def test_22_layers_deep_and_nine_modules():
    rows = [row for row in layer_costs(shape_only(), IMAGE) if row.multiply_adds]
    main = [row for row in rows if "branch" not in row.name]
    assert len(main) + 2 * len(INCEPTIONS) == 22


def test_reduction_makes_the_5x5_branch_cheaper():
    rows = {row.name: row.multiply_adds for row in layer_costs(shape_only(), IMAGE)}
    branch = [rows[f"inception3a.branch3.{index}.conv"] for index in (0, 1)]
    assert sum(branch) == 12_443_648
    assert 192 * 32 * 25 * 28**2 == 120_422_400  # 축소가 없을 때


def test_equals_torchvision():
    options = {"aux_logits": True, "num_classes": 7}
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(weights=None, init_weights=False, **options)
    ours = googlenet_bn(**options)

    def forward(model, images):
        if not model.training:
            return model(images)
        if model is ours:
            return torch.cat(model.forward_auxiliary(images), dim=1)
        outputs = model(images)
        return torch.cat([outputs.logits, outputs.aux_logits1, outputs.aux_logits2], dim=1)

    compare(ours, theirs, torch.randn(4, 3, 48, 33), forward=forward)


def test_input_rescaling_equals_torchvision():
    images = torch.randn(2, 3, 5, 5)
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(
            weights=None, init_weights=False, transform_input=True
        )
    torch.testing.assert_close(InputRescaling()(images), theirs._transform_input(images))
    raw = torch.rand(2, 3, 5, 5)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalized = (raw - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(InputRescaling()(normalized), 2 * raw - 1)
    model = shape_only(googlenet_bn, transform_input=True)
    assert isinstance(model.transform_input, InputRescaling)
    assert not any("transform_input" in key for key in model.state_dict())


def test_the_paper_has_two_lrn_and_biases_and_5x5():
    model = shape_only()
    names = [type(layer).__name__ for layer in model.modules()]
    assert names.count("LocalResponseNorm") == 2
    assert names.count("BatchNorm2d") == 0
    for name in INCEPTIONS:
        conv = model.get_submodule(f"inception{name}").branch3[1].conv
        assert conv.kernel_size == (5, 5)
        assert conv.bias is not None
    assert model.maxpool4.kernel_size == 3
    assert model.dropout.p == 0.4


def test_inception_concatenates_its_branches_in_order():
    torch.manual_seed(0)
    module = googlenet_small().eval().inception3a
    x = torch.randn(2, 48, 6, 6)
    whole = module(x)
    parts = whole.split([16, 32, 8, 8], dim=1)
    branches = (module.branch1, module.branch2, module.branch3, module.branch4)
    for part, branch in zip(parts, branches, strict=True):
        torch.testing.assert_close(part, branch(x))


def test_forward_returns_logits_in_both_modes():
    model = shape_only(aux_logits=True)
    for training in (True, False):
        logits = model.train(training)(torch.empty(2, 3, 64, 64, device="meta"))
        assert logits.shape == (2, 1000)
    outputs = model.forward_auxiliary(torch.empty(2, 3, 64, 64, device="meta"))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 1000)] * 3


def test_auxiliary_loss_reaches_only_the_front():
    torch.manual_seed(0)
    model = googlenet_small(aux_logits=True)
    _, first, _ = model.forward_auxiliary(torch.rand(2, 1, 32, 32))
    nn.functional.cross_entropy(first, torch.tensor([0, 1])).backward()
    assert model.conv1.conv.weight.grad.any()
    assert model.inception4b.branch1.conv.weight.grad is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"variant": "torch"},
            r"`variant`: torchvision 가운데 하나여야 합니다 \(받은 값: 'torch'\)",
        ),
        ({"stem": (64,)}, r"`stem`: 2개의 정수 목록이어야 합니다 \(받은 값: \(64,\)\)"),
        ({"stem_stride": 0}, r"`stem_stride`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ({"inceptions": {"3a": (1, 2)}}, r"`inceptions`: 6개의 정수 목록이어야 합니다"),
        (
            {"inceptions": {"3a": (1,) * 6}, "aux_logits": True},
            r"`inceptions`: 보조 분류기를 붙일 4a와 4d가 있어야 합니다 \(받은 값: \['3a'\]\)",
        ),
        (
            {"transform_input": True, "in_channels": 1},
            r"`in_channels`: `transform_input`에는 3이어야 합니다 \(받은 값: 1\)",
        ),
    ],
)
def test_wrong_arguments(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        GoogLeNet(**options)


def test_auxiliary_without_auxiliary_classifiers():
    message = r"`aux_logits`: True로 만든 모형이어야 합니다 \(받은 값: False\)"
    with pytest.raises(ValueError, match=message):
        shape_only().forward_auxiliary(torch.empty(IMAGE, device="meta"))
