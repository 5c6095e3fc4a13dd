"""VGG."""

import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures.complexity import count_parameters, layer_costs, longest_path, multiply_adds
from cnn_lectures.models import vgg
from cnn_lectures.receptive_field import receptive_fields
from tests.torchvision_twins import compare

IMAGE = (1, 3, 224, 224)


def shape_only(configuration, **options):
    with torch.device("meta"):
        return vgg.VGG(configuration, **options)


@pytest.mark.parametrize(
    ("build", "parameters", "macs", "convolutions"),
    [
        (vgg.vgg11, 132_863_336, 7_609_090_048, 9_220_480),
        (vgg.vgg11_lrn, 132_863_336, 7_609_090_048, 9_220_480),
        (vgg.vgg11_bn, 132_868_840, 7_609_090_048, 9_220_480 + 5_504),
        (vgg.vgg13, 133_047_848, 11_308_466_176, 9_404_992),
        (vgg.vgg13_bn, 133_053_736, 11_308_466_176, 9_404_992 + 5_888),
        (vgg.vgg16_1x1, 133_638_952, 11_770_888_192, 9_996_096),
        (vgg.vgg16, 138_357_544, 15_470_264_320, 14_714_688),
        (vgg.vgg16_bn, 138_365_992, 15_470_264_320, 14_714_688 + 8_448),
        (vgg.vgg19, 143_667_240, 19_632_062_464, 20_024_384),
        (vgg.vgg19_bn, 143_678_248, 19_632_062_464, 20_024_384 + 11_008),
    ],
)
def test_totals(build, parameters, macs, convolutions):
    with torch.device("meta"):
        model = build()
    assert count_parameters(model) == parameters
    assert count_parameters(model.features) == convolutions
    assert count_parameters(model.classifier) == 123_642_856
    assert multiply_adds(model, IMAGE) == macs


@pytest.mark.parametrize(
    ("configuration", "depth"),
    [("A", 11), ("A-LRN", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)],
)
def test_depth_is_the_number_of_weighted_layers(configuration, depth):
    rows = layer_costs(shape_only(configuration), IMAGE)
    assert sum(row.multiply_adds > 0 for row in rows) == depth


def test_layers_of_vgg16():
    rows = [row for row in layer_costs(shape_only("D"), IMAGE) if "features" in row.name]
    assert [row.parameters for row in rows if row.parameters] == [
        *(1_792, 36_928),
        *(73_856, 147_584),
        *(295_168, 590_080, 590_080),
        *(1_180_160, 2_359_808, 2_359_808),
        *(2_359_808, 2_359_808, 2_359_808),
    ]
    pools = [torch.Size(row.output_size) for row in rows[1:] if row.name in {"features.4"}]
    assert pools == [(64, 112, 112)]
    assert [row.output_size for row in rows if row.output_size[1] == 7] == [(512, 7, 7)]
    activations = sum(torch.Size(row.output_size).numel() for row in rows if row.parameters)
    assert activations == 13_547_520


def test_only_the_1x1_layers_of_c_differ_from_d():
    kernels = {
        name: [
            layer.kernel_size[0] for layer in shape_only(name).features if hasattr(layer, "groups")
        ]
        for name in ("C", "D")
    }
    assert kernels["D"] == [3] * 13
    assert [index for index, kernel in enumerate(kernels["C"]) if kernel == 1] == [6, 9, 12]


def test_lrn_stands_after_the_first_convolution_of_a_lrn():
    names = [type(layer).__name__ for layer in shape_only("A-LRN").features[:4]]
    assert names == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]


@pytest.mark.parametrize(
    ("configuration", "last", "pooled"),
    [("A", 134, 150), ("B", 140, 156), ("D", 196, 212), ("E", 252, 268)],
)
def test_receptive_fields(configuration, last, pooled):
    *_, convolution, pool = receptive_fields(longest_path(shape_only(configuration)))
    assert (convolution.size, convolution.jump) == (last, 16)
    assert (pool.size, pool.jump) == (pooled, 32)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_equals_torchvision(batch_norm):
    suffix = "_bn" if batch_norm else ""
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"vgg11{suffix}")(num_classes=7)
        for index, sizes in {0: (25_088, 16), 3: (16, 16), 6: (16, 7)}.items():
            theirs.classifier[index] = nn.Linear(*sizes)  # 은닉층만 줄인다
    ours = vgg.VGG("A", batch_norm=batch_norm, num_classes=7, hidden_features=16)
    compare(ours, theirs, torch.randn(3, 3, 64, 40))


def test_a_batch_is_never_mixed():
    model = vgg.vgg_small().eval()
    images = torch.randn(5, 1, 40, 33)
    with torch.no_grad():
        torch.testing.assert_close(model(images[2:3]), model(images)[2:3])


def test_initialization():
    torch.manual_seed(0)
    model = vgg.VGG("small", hidden_features=256)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.std().item() == pytest.approx(
                (2 / (layer.out_channels * 9)) ** 0.5, rel=0.1
            )
            assert not layer.bias.any()
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not layer.bias.any()


@pytest.mark.parametrize(
    ("configuration", "options", "message"),
    [
        ("F", {}, r"`configuration`: A, A-LRN, B, .* 가운데 하나여야 합니다 \(받은 값: 'F'\)"),
        ("A_LRN", {}, r"`configuration`: .*A-LRN.* 가운데 하나여야"),
        (16, {}, r"`configuration`: .* \(받은 값: 16\)"),
        ("A", {"grid_size": 0}, r"`grid_size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        (
            "A",
            {"hidden_features": -1},
            r"`hidden_features`: 1 이상의 정수여야 합니다 \(받은 값: -1\)",
        ),
        ("A", {"dropout": -0.1}, r"`dropout`: 0 이상 1 미만의 수여야 합니다 \(받은 값: -0.1\)"),
    ],
)
def test_wrong_arguments(configuration, options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        vgg.VGG(configuration, **options)
