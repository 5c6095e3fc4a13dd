"""수용 영역: 식, 모형에서 읽기, 기울기로 재기."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnn_lectures.models.lenet import C3, LeNet5, TrainableSubsampling
from cnn_lectures.receptive_field import (
    ReceptiveField,
    Window,
    measured_span,
    module_windows,
    receptive_fields,
)

LENET = module_windows(LeNet5().features)


def sizes(windows) -> list[int]:
    return [field.size for field in receptive_fields(windows)]


def repeat(count: int, **options) -> list[Window]:
    return [Window(str(layer), 3, **options) for layer in range(count)]


def resnet(*blocks: int, bottleneck: bool, stride_first: bool = False) -> list[Window]:
    """ResNet에서 창이 가장 많은 경로. `stride_first`이면 첫 1×1 합성곱이 건너뛴다(v1)."""
    windows = [Window("conv1", 7, 2, 3), Window("maxpool", 3, 2, 1)]
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            first, second = (stride, 1) if stride_first or not bottleneck else (1, stride)
            if bottleneck:
                windows += [Window("1×1", 1, first), Window("3×3", 3, second, 1), Window("1×1", 1)]
            else:
                windows += [Window("3×3", 3, first, 1), Window("3×3", 3, second, 1)]
    return windows


def test_lenet():
    fields = receptive_fields(LENET)
    assert [field.size for field in fields] == [5, 6, 14, 16, 32]
    assert [field.jump for field in fields] == [1, 2, 2, 4, 4]
    assert [field.start for field in fields] == [0] * 5
    strides = [stride for _, stride in LeNet5.feature_specs.values()]
    assert [field.jump for field in fields] == strides


def test_centres_of_c3_cover_the_middle_20_pixels():
    c3 = receptive_fields(LENET)[2]
    centres = [sum(c3.span(index)) / c3.size for index in range(10)]
    assert centres[0] - c3.jump / 2 == 6 - 0.5
    assert centres[-1] + c3.jump / 2 == 25 + 0.5


def test_alexnet():
    with torch.device("meta"):
        features = torchvision.models.alexnet(weights=None).features
    assert sizes(module_windows(features)) == [11, 19, 51, 67, 99, 131, 163, 195]


@pytest.mark.parametrize(
    ("name", "last_conv", "pool5"),
    [("vgg11", 134, 150), ("vgg13", 140, 156), ("vgg16_bn", 196, 212), ("vgg19", 252, 268)],
)
def test_vgg(name, last_conv, pool5):
    with torch.device("meta"):
        features = torchvision.models.get_model(name, weights=None, init_weights=False).features
    fields = receptive_fields(module_windows(features))
    assert [(field.size, field.jump) for field in fields[-2:]] == [(last_conv, 16), (pool5, 32)]


@pytest.mark.parametrize(
    ("blocks", "options", "size"),
    [
        ((2, 2, 2, 2), {"bottleneck": False}, 435),
        ((3, 4, 6, 3), {"bottleneck": False}, 899),
        ((3, 4, 6, 3), {"bottleneck": True}, 427),
        ((3, 4, 23, 3), {"bottleneck": True}, 971),
        ((3, 8, 36, 3), {"bottleneck": True}, 1451),
        ((3, 4, 6, 3), {"bottleneck": True, "stride_first": True}, 483),
    ],
)
def test_resnet_longest_path(blocks, options, size):
    assert sizes(resnet(*blocks, **options))[-1] == size


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_growth_formulas(n):
    pooled = [part for layer in repeat(n) for part in (layer, Window("pool", 2, 2))]
    doubling = [Window("dilated", 3, dilation=2**layer) for layer in range(n)]
    assert sizes(repeat(n))[-1] == 2 * n + 1
    assert sizes(repeat(n, stride=2))[-1] == 2 ** (n + 1) - 1
    assert sizes(pooled)[-1] == 3 * 2**n - 2
    assert sizes(repeat(n, dilation=2))[-1] == 4 * n + 1
    assert sizes(doubling)[-1] == 2 ** (n + 1) - 1


def test_two_3x3_see_as_much_as_one_5x5():
    assert sizes(repeat(2))[-1] == sizes([Window("5×5", 5)])[-1]
    assert sizes(repeat(3))[-1] == sizes([Window("7×7", 7)])[-1]


def test_no_layer_no_field():
    assert receptive_fields([]) == []


@pytest.mark.parametrize("stage", range(1, 6))
def test_measured_equals_computed_on_lenet(stage):
    windows, size = LENET[:stage], 32 + 8
    field = receptive_fields(windows)[-1]
    for index in (0, 1, 2):
        assert measured_span(windows, size=size, index=index) == field.span(index)


@pytest.mark.parametrize(("stage", "name"), list(enumerate(LeNet5.feature_specs)))
def test_real_lenet_with_positive_weights_and_no_activation(stage, name):
    model = LeNet5().double()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    for index, layer in enumerate(model.features):
        if isinstance(layer, nn.Tanh):
            model.features[index] = nn.Identity()
    images = torch.randn(1, 1, 40, 40, dtype=torch.float64, requires_grad=True)
    field = receptive_fields(LENET)[stage]
    unit = model.forward_features(images)[name][0, :, 1, 2].sum()
    (gradient,) = torch.autograd.grad(unit, images)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    assert sorted(set(rows.tolist())) == list(field.span(1))
    assert sorted(set(columns.tolist())) == list(field.span(2))
    assert len(rows) == field.size**2


@st.composite
def chains(draw):
    """창 1–4개. 패딩은 커널보다 작고, 스트라이드는 커널보다 클 수 있다."""
    windows = []
    for layer in range(draw(st.integers(1, 4))):
        kernel_size = draw(st.integers(1, 4))
        windows.append(
            Window(
                str(layer),
                kernel_size,
                stride=draw(st.integers(1, 3)),
                padding=draw(st.integers(0, kernel_size - 1)),
                dilation=draw(st.integers(1, 3)),
            )
        )
    return windows


@settings(max_examples=50, deadline=None)
@given(chains())
def test_measured_equals_computed(windows):
    field = receptive_fields(windows)[-1]
    index = -(-max(0, -field.start) // field.jump)  # 패딩에 닿지 않는 첫 출력
    span = field.span(index)
    measured = measured_span(windows, size=span.stop, index=index)
    assert measured == span


def test_measured_span_stops_at_the_border():
    windows = repeat(2, padding=1)
    assert receptive_fields(windows)[-1].span(0) == range(-2, 3)
    assert measured_span(windows, size=8, index=0) == range(0, 3)
    assert measured_span(windows, size=8, index=7) == range(5, 8)


def test_output_that_sees_only_padding():
    assert measured_span([Window("1×1", 1, padding=1)], size=3, index=0) == range(0)


def test_module_windows_reads_nested_and_repeated_layers():
    pool = nn.MaxPool2d(2)
    block = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, dilation=2), nn.BatchNorm2d(2), nn.ReLU())
    assert module_windows(nn.Sequential(block, pool, nn.Dropout(), pool)) == [
        Window("0.0", 3, 1, 1, 2),
        Window("1", 2, 2),
        Window("3", 2, 2),
    ]
    assert module_windows(nn.Conv2d(1, 1, 5)) == [Window("", 5)]


def test_module_windows_reads_the_layers_of_the_paper():
    chain = nn.Sequential(
        nn.Conv2d(1, 6, 5), TrainableSubsampling(6), C3(), TrainableSubsampling(16)
    )
    assert sizes(module_windows(chain)) == [5, 6, 14, 16]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Flatten(),
        nn.Linear(2, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveMaxPool2d(1),
        nn.ConvTranspose2d(1, 1, 2),
        nn.Upsample(scale_factor=2),
        nn.ModuleList([nn.ReLU()]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_only_chains_of_windows_are_read(layer):
    rule = f"`module`: 합성곱과 풀링으로 된 `nn.Sequential` 사슬.*{type(layer).__name__}"
    with pytest.raises(ValueError, match=rule):
        module_windows(nn.Sequential(nn.Conv2d(1, 1, 3), layer))


def test_whole_model_is_not_a_chain():
    with pytest.raises(ValueError, match=r"사슬이어야 합니다.*LeNet5"):
        module_windows(LeNet5())


def test_square_windows_only():
    with pytest.raises(ValueError, match=r"`kernel_size`: 가로와 세로가 같아야.*\(1, 3\)"):
        module_windows(nn.Conv2d(1, 1, (1, 3)))


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"kernel_size": 0}, ValueError, "`kernel_size`: 1 이상"),
        ({"kernel_size": 3, "stride": 0}, ValueError, "`stride`: 1 이상"),
        ({"kernel_size": 3, "padding": -1}, ValueError, "`padding`: 0 이상"),
        ({"kernel_size": 3, "dilation": 0}, ValueError, "`dilation`: 1 이상"),
        ({"kernel_size": 3.0}, TypeError, "`kernel_size`: 1 이상의 정수"),
    ],
)
def test_wrong_window_is_explained(options, error, rule):
    with pytest.raises(error, match=rule):
        Window("c1", **options)


@pytest.mark.parametrize(("size", "index"), [(4, 0), (31, 0), (32, 1)])
def test_measured_span_needs_a_large_enough_image(size, index):
    rule = rf"`size`: {index}번 출력이 나올 만큼 커야 합니다 \(받은 값: {size}\)"
    with pytest.raises(ValueError, match=rule):
        measured_span(LENET, size=size, index=index)


def test_measured_span_checks_its_numbers():
    with pytest.raises(ValueError, match="`size`: 1 이상"):
        measured_span(LENET, size=0, index=0)
    with pytest.raises(ValueError, match="`index`: 0 이상"):
        measured_span(LENET, size=32, index=-1)


def test_fields_cannot_be_changed():
    with pytest.raises(AttributeError):
        ReceptiveField("c1", 5, 1, 0).size = 6
