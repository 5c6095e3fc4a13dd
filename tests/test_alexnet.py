"""AlexNet."""

import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures.complexity import count_parameters, layer_costs, longest_path, multiply_adds
from cnn_lectures.models.alexnet import (
    AlexNet,
    RandomCropFlip,
    alexnet_one_tower,
    alexnet_small,
    paper_initialization,
)
from cnn_lectures.receptive_field import receptive_fields
from tests.torchvision_twins import compare

IMAGE = (1, 3, 224, 224)


def shape_only(build=AlexNet, **options):
    with torch.device("meta"):
        return build(**options)


@pytest.mark.parametrize(
    ("build", "options", "parameters", "macs"),
    [
        (AlexNet, {}, 62_378_344, 1_135_256_096),
        (AlexNet, {"groups": 2}, 60_965_224, 724_406_816),  # 논문
        (alexnet_one_tower, {}, 61_100_840, 714_188_480),  # torchvision
    ],
)
def test_totals(build, options, parameters, macs):
    model = shape_only(build, **options)
    assert count_parameters(model) == parameters
    assert multiply_adds(model, IMAGE) == macs


def test_layers_of_the_paper():
    rows = layer_costs(shape_only(), IMAGE)
    weighted = [
        (row.output_size, row.parameters, row.multiply_adds) for row in rows if row.parameters
    ]
    assert weighted == [
        ((96, 55, 55), 34_944, 105_415_200),
        ((256, 27, 27), 614_656, 447_897_600),
        ((384, 13, 13), 885_120, 149_520_384),
        ((384, 13, 13), 1_327_488, 224_280_576),
        ((256, 13, 13), 884_992, 149_520_384),
        ((4096,), 37_752_832, 37_748_736),
        ((4096,), 16_781_312, 16_777_216),
        ((1000,), 4_097_000, 4_096_000),
    ]
    units = sum(torch.Size(size).numel() for size, _, _ in weighted)
    assert units == 659_272  # 논문의 "뉴런 65만 개"


def test_parameters_of_the_two_gpu_layers():
    rows = layer_costs(shape_only(groups=2), IMAGE)
    convolutions = [row.parameters for row in rows if row.parameters and "features" in row.name]
    assert convolutions == [34_944, 307_456, 885_120, 663_936, 442_624]
    assert sum(row.parameters for row in rows if "classifier" in row.name) == 58_631_144


def test_shapes_in_the_comments():
    sizes = [row.output_size for row in layer_costs(shape_only(), IMAGE) if "features" in row.name]
    expected = [(96, 55, 55)] * 3 + [(96, 27, 27)] + [(256, 27, 27)] * 3 + [(256, 13, 13)]
    expected += [(384, 13, 13)] * 4 + [(256, 13, 13)] * 2 + [(256, 6, 6)]
    assert sizes == expected


def test_receptive_fields():
    fields = receptive_fields(longest_path(shape_only().features))
    assert [field.size for field in fields] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert fields[-1].jump == 32


def test_equals_torchvision():
    with torch.device("meta"):
        theirs = torchvision.models.alexnet(num_classes=7)
        for index, sizes in {1: (9216, 32), 4: (32, 32), 6: (32, 7)}.items():
            theirs.classifier[index] = nn.Linear(*sizes)  # 은닉층만 줄인다
    ours = alexnet_one_tower(num_classes=7, hidden_features=32)
    compare(ours, theirs, torch.randn(3, 3, 63, 70))


def test_a_batch_is_never_mixed():
    model = alexnet_small(in_channels=3).eval()
    images = torch.randn(36, 3, 48, 48)
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (36, 10)
        torch.testing.assert_close(model(images[5:6]), logits[5:6])
    with torch.device("meta"):  # 노트의 AlexNet은 이 배치에서 49행을 낸다
        assert AlexNet()(torch.empty(36, 3, 256, 256)).shape == (36, 1000)


def test_one_tower_has_no_normalization_and_the_paper_has_two():
    def count(model):
        return sum("LocalResponseNorm" in type(layer).__name__ for layer in model.modules())

    assert count(shape_only()) == 2
    assert count(shape_only(alexnet_one_tower)) == 0


def test_groups_see_only_their_half():
    model = alexnet_small(groups=2, local_response_norm=False).eval()
    conv2 = model.features[3]
    x = torch.randn(1, 24, 9, 9)
    changed = x.clone()
    changed[:, 12:] += 1
    same = (conv2(x) == conv2(changed)).all(dim=(0, 2, 3))
    assert same.tolist() == [True] * 24 + [False] * 24


def test_paper_initialization():
    torch.manual_seed(0)
    model = alexnet_small(hidden_features=64)
    paper_initialization(model)
    layers = [layer for layer in model.modules() if hasattr(layer, "weight")]
    assert [layer.bias.unique().tolist() for layer in layers] == [
        [float(one)] for one in (0, 1, 0, 1, 1, 1, 1, 0)
    ]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert layer.weight.mean().abs().item() < 0.001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 0}, r"`groups`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ({"groups": 5}, r"`groups`: 채널 수 \(96, .*\)를 모두 나누어야 합니다 \(받은 값: 5\)"),
        (
            {"channels": (64, 192)},
            r"`channels`: 5개의 정수 목록이어야 합니다 \(받은 값: \(64, 192\)",
        ),
        ({"channels": (64, 192, 0, 1, 1)}, r"`channels`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ({"stem": 11}, r"`stem`: 3개의 정수 목록이어야 합니다 \(받은 값: 11\)"),
        ({"grid_size": 0}, r"`grid_size`: 1 이상의 정수"),
        ({"hidden_features": 0}, r"`hidden_features`: 1 이상의 정수"),
        ({"dropout": 1.0}, r"`dropout`: 0 이상 1 미만의 수여야 합니다 \(받은 값: 1.0\)"),
        ({"dropout": "0.5"}, r"`dropout`: 0 이상 1 미만의 수여야 합니다 \(받은 값: '0.5'\)"),
    ],
)
def test_wrong_arguments(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        AlexNet(**options)


def test_small_image_names_the_minimum():
    message = r"`images`: 세로와 가로가 63 이상이어야 합니다 \(받은 값: \(1, 3, 62, 200\)\)"
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        AlexNet()(torch.empty(1, 3, 62, 200))


def test_random_crops_are_pieces_of_the_image_and_all_occur():
    torch.manual_seed(0)
    image = torch.arange(2 * 5 * 6.0).reshape(2, 5, 6)
    crops = RandomCropFlip(4)(image.expand(400, 2, 5, 6))
    pieces = {
        tuple(piece.flatten().tolist())
        for top in range(2)
        for left in range(3)
        for part in [image[:, top : top + 4, left : left + 4]]
        for piece in (part, part.flip(2))
    }
    assert {tuple(crop.flatten().tolist()) for crop in crops} == pieces
    flipped = (crops[:, 0, 0, 0] > crops[:, 0, 0, 1]).float().mean()
    assert flipped.item() == pytest.approx(0.5, abs=0.1)


def test_random_crops_turn_into_the_center_when_evaluating():
    images = torch.randn(3, 1, 32, 34)
    torch.testing.assert_close(RandomCropFlip(28).eval()(images), images[:, :, 2:30, 3:31])
    torch.testing.assert_close(RandomCropFlip(32).eval()(images), images[..., 1:33])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        (33, r"`size`: 이미지의 32×34 이하여야 합니다 \(받은 값: 33\)"),
    ],
)
def test_random_crops_reject_a_wrong_size(size, message):
    with pytest.raises(ValueError, match=message):
        RandomCropFlip(size)(torch.zeros(1, 1, 32, 34))
