"""NiN."""

import pytest
import torch
from torch import nn

from cnn_lectures.complexity import count_parameters, longest_path, multiply_adds
from cnn_lectures.models.nin import NiN, nin_cifar, nin_small
from cnn_lectures.receptive_field import receptive_fields


def shape_only(*args, **options):
    with torch.device("meta"):
        return NiN(*args, **options).eval()


def test_shapes_block_by_block():
    model, shapes = shape_only(), []
    x = torch.empty(1, 1, 224, 224, device="meta")
    for layer in (*model.features, model.avgpool, nn.Flatten()):
        x = layer(x)
        shapes.append((type(layer).__name__, tuple(x.shape[1:])))
    assert shapes == [
        ("Sequential", (96, 54, 54)),
        ("MaxPool2d", (96, 26, 26)),
        ("Sequential", (256, 26, 26)),
        ("MaxPool2d", (256, 12, 12)),
        ("Sequential", (384, 12, 12)),
        ("MaxPool2d", (384, 5, 5)),
        ("Dropout", (384, 5, 5)),
        ("Sequential", (10, 5, 5)),
        ("AdaptiveAvgPool2d", (10, 1, 1)),
        ("Flatten", (10,)),
    ]


def test_totals():
    model = shape_only()
    blocks = [layer for layer in model.features if isinstance(layer, nn.Sequential)]
    assert [count_parameters(block) for block in blocks] == [30_336, 746_240, 1_180_800, 34_790]
    assert count_parameters(model) == 1_992_166
    assert multiply_adds(model, (1, 1, 224, 224)) == 762_297_352


def test_cifar_network_has_the_channels_of_the_released_one():
    with torch.device("meta"):
        model = nin_cifar().eval()
    channels = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert channels == [192, 160, 96, 192, 192, 192, 192, 192, 10]
    assert count_parameters(model) == 966_986
    assert model.features(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10, 8, 8)
    drops = [index for index, layer in enumerate(model.features) if isinstance(layer, nn.Dropout)]
    assert drops == [2, 5]


def test_receptive_fields():
    fields = receptive_fields(longest_path(shape_only()))
    wider = [
        field
        for field, window in zip(fields, longest_path(shape_only()), strict=True)
        if window.kernel_size > 1
    ]
    assert [field.size for field in wider] == [11, 19, 51, 67, 99, 131, 195]
    assert wider[-1].jump == 32


def test_1x1_convolution_is_a_linear_layer_at_every_pixel():
    torch.manual_seed(0)
    conv = nin_small().features[0][2]
    x = torch.randn(2, conv.in_channels, 5, 4)
    weight = conv.weight[:, :, 0, 0]
    linear = nn.functional.linear(x.movedim(1, -1), weight, conv.bias).movedim(-1, 1)
    torch.testing.assert_close(conv(x), linear)


def test_logits_are_the_means_of_the_class_maps_and_can_be_negative():
    torch.manual_seed(0)
    model = nin_small().eval()
    images = torch.randn(16, 1, 32, 32)
    with torch.no_grad():
        logits, maps = model(images), model.features(images)
    torch.testing.assert_close(logits, maps.mean(dim=(2, 3)))
    assert (logits < 0).any()
    assert (logits != 0).all()
    assert not isinstance(model.features[-1][-1], nn.ReLU)


@pytest.mark.parametrize("shape", [(3, 1, 32, 32), (2, 1, 1, 9)])
def test_any_image_size(shape):
    with torch.no_grad():
        assert nin_small().eval()(torch.zeros(shape)).shape == (shape[0], 10)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (
            ["imagnet"],
            {},
            r"`configuration`: imagenet 가운데 하나여야 합니다 \(받은 값: 'imagnet'\)",
        ),
        ([], {"dropout": 1}, r"`dropout`: 0 이상 1 미만의 수여야 합니다 \(받은 값: 1\)"),
    ],
)
def test_wrong_arguments(args, options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        NiN(*args, **options)
