"""LeNet-5: 오늘날의 꼴과 1998년 논문의 꼴."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import multiply_adds
from cnn_lectures.layers.batch_norm import BatchNorm2d, BatchNormNd
from cnn_lectures.models import build_model, lenet
from cnn_lectures.models.lenet import C3_CONNECTIONS, LeNet5, LeNet5Original, bn_lenet
from cnn_lectures.notebook import summary

MODELS = [LeNet5, LeNet5Original]

# (층, 출력의 모양, 매개변수의 수). 책의 층별 표와 같다.
LAYERS = [
    ("Conv2d", [1, 6, 28, 28], 156),
    ("Tanh", [1, 6, 28, 28], 0),
    ("AvgPool2d", [1, 6, 14, 14], 0),
    ("Conv2d", [1, 16, 10, 10], 2_416),
    ("Tanh", [1, 16, 10, 10], 0),
    ("AvgPool2d", [1, 16, 5, 5], 0),
    ("Conv2d", [1, 120, 1, 1], 48_120),
    ("Tanh", [1, 120, 1, 1], 0),
    ("Linear", [1, 84], 10_164),
    ("Tanh", [1, 84], 0),
    ("Linear", [1, 10], 850),
]

# 배치 정규화를 넣은 꼴의 (층, 출력의 모양, 매개변수의 수)
BN_LAYERS = [
    ("Conv2d", [1, 6, 24, 24], 156),
    ("BatchNorm2d", [1, 6, 24, 24], 12),
    ("Sigmoid", [1, 6, 24, 24], 0),
    ("AvgPool2d", [1, 6, 12, 12], 0),
    ("Conv2d", [1, 16, 8, 8], 2_416),
    ("BatchNorm2d", [1, 16, 8, 8], 32),
    ("Sigmoid", [1, 16, 8, 8], 0),
    ("AvgPool2d", [1, 16, 4, 4], 0),
    ("Flatten", [1, 256], 0),
    ("Linear", [1, 120], 30_840),
    ("BatchNorm1d", [1, 120], 240),
    ("Sigmoid", [1, 120], 0),
    ("Linear", [1, 84], 10_164),
    ("BatchNorm1d", [1, 84], 168),
    ("Sigmoid", [1, 84], 0),
    ("Linear", [1, 10], 850),
]

# (층, 매개변수, 연결). 논문 §II.B.
ORIGINAL = [
    ("c1", 156, 122_304),
    ("s2", 12, 5_880),
    ("c3", 1_516, 151_600),
    ("s4", 32, 2_000),
    ("c5", 48_120, 48_120),
    ("f6", 10_164, 10_164),
    ("output", 0, 840),
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def trainable(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def images(count: int = 4, size: int = 32, **options) -> torch.Tensor:
    return torch.randn(count, 1, size, size, **options)


# 두 모형에 공통인 것


@pytest.mark.parametrize("model", MODELS)
def test_forward_returns_only_logits(model):
    logits = model()(images())
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (4, 10)
    assert not torch.allclose(logits.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("model", MODELS)
def test_feature_maps_match_their_specs(model):
    net = model()
    maps = net.forward_features(images())
    sides = {"c1": 28, "s2": 14, "c3": 10, "s4": 5, "c5": 1}
    assert set(net.feature_specs) == set(sides)
    for name, side in sides.items():
        channels, _ = net.feature_specs[name]
        assert maps[name].shape == (4, channels, side, side)


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_a_batch_do_not_mix(model):
    net, batch = model().double(), images(dtype=torch.float64).requires_grad_()
    logits = net(batch)
    (gradient,) = torch.autograd.grad(logits[1].sum(), batch)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2, 3]].abs().sum() == 0
    alone = torch.cat([net(row[None]) for row in batch])
    torch.testing.assert_close(logits, alone)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_learns_and_one_step_lowers_the_loss(model):
    net, batch, labels = model(), images(8), torch.arange(8)
    update = torch.optim.SGD(net.parameters(), lr=1e-3)
    before = F.cross_entropy(net(batch), labels)
    before.backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
    update.step()
    assert F.cross_entropy(net(batch), labels) < before


@pytest.mark.parametrize("model", MODELS)
def test_state_dict_restores_the_same_model(model):
    first, second, batch = model(), model(), images()
    assert not torch.equal(first(batch), second(batch))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(batch), second(batch))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        ((2, 1, 28, 28), r"`images`: 크기가 32×32여야 합니다.*padding=2.*\(2, 1, 28, 28\)"),
        ((1, 28, 28), r"크기가 32×32여야 합니다.*padding=2"),
        ((2, 1, 36, 36), r"`images`: 크기가 32×32여야 합니다 \(받은 값: \(2, 1, 36, 36\)\)"),
        ((2, 1, 32, 33), "크기가 32×32여야"),
        ((2, 3, 32, 32), r"모양이 \(N, 1, 32, 32\)인 배치여야"),
        ((1, 32, 32), r"모양이 \(N, 1, 32, 32\)인 배치여야"),
        ((32,), r"모양이 \(N, 1, 32, 32\)인 배치여야"),
    ],
)
def test_wrong_shape_is_explained(model, shape, rule):
    with pytest.raises(ValueError, match=rule):
        model()(torch.zeros(shape))


@pytest.mark.parametrize("model", MODELS)
def test_integer_images_are_rejected(model):
    with pytest.raises(TypeError, match=r"`images`: 실수형이어야 합니다 \(받은 값: torch.uint8\)"):
        model()(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))


def test_models_are_in_the_table():
    assert type(build_model("lenet5", num_classes=3)) is LeNet5
    assert type(build_model("lenet5_original")) is LeNet5Original
    assert trainable(build_model("bn_lenet", batch_norm=False)) == 44_426


# 오늘날의 꼴


def test_modern_layer_table():
    shown = summary(LeNet5(), (1, 1, 32, 32))
    rows = [
        (layer.class_name, layer.output_size, layer.trainable_params)
        for layer in shown.statistics.summary_list
        if layer.is_leaf_layer
    ]
    assert rows == LAYERS
    assert shown.statistics.total_mult_adds == 423_038
    assert "Total params: 61,706" in repr(shown)
    assert "Total mult-adds (M): 0.42" in repr(shown)


def test_modern_has_61706_parameters():
    assert trainable(LeNet5()) == 61_706
    # 원래의 60,000에서: 서브샘플링이 빠지고, C3가 모두 이어지고, 출력 층을 학습한다.
    assert 60_000 - (12 + 32) + (2_416 - 1_516) + 850 == 61_706


def test_modern_feature_maps_are_what_forward_computes():
    model, batch = LeNet5(), images()
    maps = model.forward_features(batch)
    assert torch.equal(model.classifier(maps["c5"].flatten(1)), model(batch))
    assert torch.equal(maps["c1"], torch.tanh(model.features[0](batch)))
    assert torch.equal(maps["s2"], F.avg_pool2d(maps["c1"], 2))
    assert torch.equal(maps["c3"], torch.tanh(model.features[3](maps["s2"])))
    assert torch.equal(maps["s4"], F.avg_pool2d(maps["c3"], 2))


def test_modern_num_classes():
    assert LeNet5(num_classes=26)(images()).shape == (4, 26)
    with pytest.raises(ValueError, match="`num_classes`: 1 이상의 정수여야 합니다"):
        LeNet5(num_classes=0)
    with pytest.raises(TypeError, match="`num_classes`: 1 이상의 정수여야 합니다"):
        LeNet5(num_classes=10.0)


@pytest.mark.parametrize(("size", "side"), [(32, 1), (35, 1), (36, 2), (40, 3)])
def test_larger_images_give_larger_c5(size, side):
    maps = LeNet5().forward_features(images(1, size))
    assert maps["c5"].shape == (1, 120, side, side)


def test_features_of_a_small_image_are_refused():
    with pytest.raises(ValueError, match="`images`: 세로와 가로가 32 이상이어야 합니다"):
        LeNet5().forward_features(images(1, 28))


@pytest.mark.parametrize(
    ("probabilities", "loss"),
    [
        (torch.eye(10)[:1], 1.4612),  # 정답에 확률 1
        (torch.eye(10)[1:2], 2.4612),  # 오답에 확률 1
        (torch.full((1, 10), 0.1), 2.3026),
    ],
)
def test_softmax_applied_twice_cannot_reach_zero_loss(probabilities, loss):
    measured = F.cross_entropy(probabilities, torch.tensor([0])).item()
    assert measured == pytest.approx(loss, abs=5e-5)
    assert measured >= math.log(math.e + 9) - 1 - 1e-6


# 1998년의 꼴


def test_original_counts_match_the_paper():
    rows = lenet.connections()
    assert [tuple(row) for row in rows] == ORIGINAL
    assert sum(row.parameters for row in rows) == trainable(LeNet5Original()) == 60_000
    assert sum(row.connections for row in rows) == 340_908


def test_counting_does_not_disturb_random_numbers():
    state = torch.get_rng_state()
    lenet.connections()
    assert torch.equal(torch.get_rng_state(), state)


def test_c3_table():
    assert [len(inputs) for inputs in C3_CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, C3_CONNECTIONS)) == 60
    assert len(set(C3_CONNECTIONS)) == 16
    for source in range(6):
        assert sum(source in inputs for inputs in C3_CONNECTIONS) == 10
    assert all(tuple(sorted(set(inputs))) == inputs for inputs in C3_CONNECTIONS)


def runs(inputs: tuple) -> int:
    """여섯 맵을 원으로 놓았을 때 이어진 토막의 수."""
    return sum((source - 1) % 6 not in inputs for source in inputs)


def test_c3_maps_see_neighbours_first():
    assert [runs(inputs) for inputs in C3_CONNECTIONS] == [1] * 12 + [2] * 3 + [0]


def test_c3_equals_a_dense_convolution_with_zeroed_weights():
    layer, dense = lenet.C3().double(), nn.Conv2d(6, 16, 5).double()
    links = [(out, into) for out in range(16) for into in C3_CONNECTIONS[out]]
    with torch.no_grad():
        kept = torch.zeros(16, 6, 1, 1, dtype=torch.float64)
        for out, into in links:
            kept[out, into] = 1
        dense.weight *= kept
        layer.weight.copy_(torch.stack([dense.weight[link] for link in links]))
        layer.bias.copy_(dense.bias)
    assert torch.equal(layer.dense_weight(), dense.weight)

    x = torch.randn(3, 6, 14, 14, dtype=torch.float64, requires_grad=True)
    ours, theirs = layer(x), dense(x)
    torch.testing.assert_close(ours, theirs)
    seed = torch.randn_like(ours)
    input_gradients = [
        torch.autograd.grad(y, x, seed, retain_graph=True)[0] for y in (ours, theirs)
    ]
    torch.testing.assert_close(*input_gradients)
    ours.backward(seed)
    theirs.backward(seed)
    chosen = torch.stack([dense.weight.grad[link] for link in links])
    torch.testing.assert_close(layer.weight.grad, chosen)
    torch.testing.assert_close(layer.bias.grad, dense.bias.grad)


def test_c3_stores_only_linked_kernels():
    layer = lenet.C3()
    assert trainable(layer) == 60 * 25 + 16 == 1_516
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_subsampling_adds_four_inputs():
    layer, x = lenet.TrainableSubsampling(6), torch.randn(2, 6, 8, 10)
    y = layer(x)
    assert y.shape == (2, 6, 4, 5)
    for channel in range(6):
        block = x[1, channel, 2:4, 6:8].sum()
        expected = layer.weight[channel] * block + layer.bias[channel]
        torch.testing.assert_close(y[1, channel, 1, 3], expected)
    assert trainable(layer) == 12


def test_subsampling_with_a_quarter_is_average_pooling():
    layer, x = lenet.TrainableSubsampling(3), torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        layer.weight.fill_(1 / 4)
        layer.bias.zero_()
    torch.testing.assert_close(layer(x), F.avg_pool2d(x, 2))


def test_subsampling_needs_channels():
    with pytest.raises(ValueError, match="`channels`: 1 이상의 정수여야 합니다"):
        lenet.TrainableSubsampling(0)


def test_scaled_tanh_numbers():
    squash = lenet.ScaledTanh()
    a = torch.tensor([-1.0, 0.0, 1.0, 50.0], dtype=torch.float64, requires_grad=True)
    y = squash(a)
    assert y.tolist() == pytest.approx([-0.9999973, 0, 0.9999973, 1.7159], abs=5e-8)
    (slope,) = torch.autograd.grad(y.sum(), a)
    assert slope[1:3].tolist() == pytest.approx([1.1439, 0.7554], abs=5e-5)


def test_scaled_tanh_bends_most_near_one():
    a = torch.linspace(0, 3, 3001, dtype=torch.float64, requires_grad=True)
    y = lenet.ScaledTanh()(a).sum()
    (slope,) = torch.autograd.grad(y, a, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), a)
    assert a[curvature.abs().argmax()].item() == pytest.approx(0.988, abs=1e-3)


def test_rbf_is_the_squared_distance():
    layer, x = lenet.RBFOutput(), torch.randn(5, 84)
    torch.testing.assert_close(layer(x), torch.cdist(x, layer.targets).square())
    assert not list(layer.parameters())


def test_bitmaps_are_ten_different_signs():
    targets = lenet.RBFOutput().targets
    assert targets.shape == (10, 84)
    assert set(targets.flatten().tolist()) == {-1.0, 1.0}
    different = (targets[:, None] != targets).sum(dim=2)
    assert (different + 84 * torch.eye(10, dtype=torch.long)).min() >= 8


def test_bitmaps_are_read_row_by_row():
    targets = lenet.RBFOutput().targets.reshape(10, 12, 7)
    four, seven = targets[4], targets[7]
    assert (four[7] == 1).all()  # 4의 가로획
    assert (four[:, 5] == 1).all()  # 4의 세로획
    assert (seven[0] == 1).all()  # 7의 가로획
    assert torch.equal(targets[0], targets[0].flip(0, 1))  # 0은 위아래, 좌우가 대칭이다


def test_nearest_bitmap_has_the_largest_logit():
    model, batch = LeNet5Original(), images()
    f6 = model.forward_features(batch)["f6"]
    assert f6.shape == (4, 84)
    logits = model(batch)
    torch.testing.assert_close(logits, -model.output(f6))
    assert torch.equal(logits.argmax(1), torch.cdist(f6, model.output.targets).argmin(1))
    assert torch.equal((-model.output(model.output.targets)).argmax(1), torch.arange(10))


def test_cross_entropy_is_the_map_criterion_without_its_constant():
    layer, x, label = lenet.RBFOutput(), torch.randn(1, 84) / 4, 3
    distances = layer(x)[0]
    expected = distances[label] + torch.log(torch.exp(-distances.double()).sum())
    measured = F.cross_entropy(-distances[None].double(), torch.tensor([label]))
    torch.testing.assert_close(measured, expected)


def test_original_squashes_every_layer():
    model, x = LeNet5Original(), images()
    maps = model.forward_features(x)
    for name in ("c1", "s2", "c3", "s4", "c5", "f6"):
        x = x.flatten(1) if name == "f6" else x
        a = getattr(model, name)(x)
        x = maps[name]
        torch.testing.assert_close(x, 1.7159 * torch.tanh(2 / 3 * a))


@pytest.mark.parametrize(
    ("name", "fan_in"), [("c1", 25), ("s2", 4), ("s4", 4), ("c5", 400), ("f6", 120)]
)
def test_original_initialization(name, fan_in):
    weight = torch.cat([getattr(LeNet5Original(), name).weight.flatten() for _ in range(20)])
    bound = 2.4 / fan_in
    assert weight.abs().max() <= bound * (1 + 1e-6)
    assert weight.max() > 0.9 * bound
    assert weight.min() < -0.9 * bound


def test_original_initialization_of_c3_follows_each_map():
    dense = lenet.C3().dense_weight()
    for out, inputs in enumerate(C3_CONNECTIONS):
        bound = 2.4 / (25 * len(inputs))
        assert 0.9 * bound < dense[out].abs().max() <= bound * (1 + 1e-6)


# 배치 정규화를 넣은 꼴


def test_bn_lenet_layer_table():
    shown = summary(bn_lenet(), (1, 1, 28, 28))
    rows = [
        (layer.class_name, layer.output_size, layer.trainable_params)
        for layer in shown.statistics.summary_list
        if layer.is_leaf_layer
    ]
    assert rows == BN_LAYERS
    assert shown.statistics.total_params == trainable(bn_lenet()) == 44_878
    assert "Total mult-adds (M): 0.29" in repr(shown)


def test_bn_lenet_without_batch_norm():
    with_bn, without = bn_lenet(), bn_lenet(batch_norm=False)
    assert trainable(without) == 44_426
    assert trainable(with_bn) - trainable(without) == 2 * (6 + 16 + 120 + 84) == 452
    assert not [layer for layer in without if isinstance(layer, BatchNormNd)]
    assert len(without) == len(with_bn)
    assert multiply_adds(with_bn, (1, 1, 28, 28)) == 281_640
    assert multiply_adds(without, (1, 1, 28, 28)) == 281_640


def test_bn_lenet_equals_the_same_layers_of_torch():
    ours = bn_lenet().double()
    theirs = copy.deepcopy(ours)
    for index, layer in enumerate(ours):
        if isinstance(layer, BatchNormNd):
            twin = nn.BatchNorm2d if isinstance(layer, BatchNorm2d) else nn.BatchNorm1d
            theirs[index] = twin(layer.num_features).double()
    theirs.load_state_dict(ours.state_dict())
    assert len(ours.state_dict()) == 10 + 4 * 5
    for _ in range(3):
        batch = images(8, 28, dtype=torch.float64)
        torch.testing.assert_close(ours(batch), theirs(batch))
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()))
    batch = images(8, 28, dtype=torch.float64)
    torch.testing.assert_close(ours.eval()(batch), theirs.eval()(batch))


def test_bn_lenet_biases_before_batch_norm_do_nothing():
    model, batch = bn_lenet().double(), images(8, 28, dtype=torch.float64)
    before = model(batch)
    before.square().sum().backward()
    for layer in (model[0], model[4], model[9], model[12]):
        assert layer.bias.grad.abs().max() < 1e-10
        nn.init.constant_(layer.bias, 3.0)
    torch.testing.assert_close(model(batch), before)
    assert model[15].bias.grad.abs().max() > 1


@pytest.mark.parametrize("batch_norm", [True, False])
def test_bn_lenet_explains_wrong_images(batch_norm):
    model = bn_lenet(batch_norm=batch_norm)
    with pytest.raises(ValueError, match=r"`images`: 크기가 28×28여야 합니다 .*32, 32\)\)"):
        model(images())
    with pytest.raises(ValueError, match=r"`images`: 모양이 \(N, 1, 28, 28\)인 배치여야"):
        model(torch.zeros(784))
    with pytest.raises(TypeError, match=r"`images`: 실수형이어야 합니다"):
        model(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def test_bn_lenet_can_be_copied_and_sliced():
    model, batch = bn_lenet().eval(), images(2, 28)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(batch), model(batch), rtol=0, atol=0)
    torch.testing.assert_close(model[9:](model[:9](batch)), model(batch))


# 가중치를 나누어 쓰면


def test_sharing_counts_of_c1():
    rows = lenet.sharing_counts(LeNet5().features[0], size=32)
    assert [tuple(row) for row in rows] == [
        ("완전 연결", 4_821_600, 4_821_600),
        ("국소 연결", 122_304, 122_304),
        ("합성곱", 156, 122_304),
    ]


def test_sharing_counts_agree_with_real_layers():
    layer = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    dense, local, shared = lenet.sharing_counts(layer, size=9)
    units = layer(torch.zeros(1, 3, 9, 9)).numel()
    assert dense.parameters == trainable(nn.Linear(3 * 9 * 9, units))
    assert local.parameters == units * (3 * 3 * 3 + 1)
    assert shared.parameters == trainable(layer)


def test_sharing_counts_needs_room_for_the_kernel():
    with pytest.raises(ValueError, match=r"`size`: 5 이상의 정수여야 합니다 \(받은 값: 4\)"):
        lenet.sharing_counts(nn.Conv2d(1, 6, 5), size=4)
