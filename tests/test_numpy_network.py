"""NumPy만으로 된 신경망: 층, 손실, 최적화기, LeNet-5를 torch와 견준다."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.layers import numpy_network as numpy_nn
from cnn_lectures.layers.numpy_network import SGD, SoftmaxCrossEntropy, lenet5
from cnn_lectures.models.lenet import LeNet5

RNG = np.random.default_rng(0)

# (우리 층, torch의 층, 입력의 모양)
LAYERS = [
    (numpy_nn.Conv2d(2, 3, 3, rng=RNG), nn.Conv2d(2, 3, 3), (4, 2, 6, 7)),
    (
        numpy_nn.Conv2d(2, 3, 3, rng=RNG, stride=(2, 1), padding=1),
        nn.Conv2d(2, 3, 3, stride=(2, 1), padding=1),
        (4, 2, 6, 7),
    ),
    (numpy_nn.Linear(5, 3, rng=RNG), nn.Linear(5, 3), (4, 5)),
    (numpy_nn.MaxPool2d(2), nn.MaxPool2d(2), (4, 2, 6, 7)),
    (
        numpy_nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(3, stride=2, padding=1),
        (4, 2, 6, 7),
    ),
    (numpy_nn.AvgPool2d((2, 3)), nn.AvgPool2d((2, 3)), (4, 2, 6, 7)),
    (numpy_nn.Sigmoid(), nn.Sigmoid(), (4, 5)),
    (numpy_nn.Tanh(), nn.Tanh(), (4, 5)),
    (numpy_nn.ReLU(), nn.ReLU(), (4, 5)),
    (numpy_nn.Flatten(), nn.Flatten(), (4, 2, 3, 5)),
]


def normal(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def labels(count: int, classes: int = 10) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, count)


def copy_parameters(layer: numpy_nn.Layer, module: nn.Module) -> None:
    """torch의 매개변수를 float64로 옮긴다."""
    for ours, theirs in zip(layer.parameters(), module.double().parameters(), strict=True):
        assert ours.data.shape == tuple(theirs.shape)
        ours.data = theirs.detach().numpy().copy()


def assert_gradients_equal(layer: numpy_nn.Layer, module: nn.Module) -> None:
    for ours, theirs in zip(layer.parameters(), module.parameters(), strict=True):
        np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("layer", "module", "shape"), LAYERS, ids=lambda value: type(value).__name__
)
def test_layer_equals_torch(layer, module, shape):
    copy_parameters(layer, module)
    x = torch.tensor(normal(*shape), requires_grad=True)
    y = module(x)
    grad_output = normal(*y.shape, seed=1)
    y.backward(torch.tensor(grad_output))
    np.testing.assert_allclose(layer.forward(x.detach().numpy()), y.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(layer.backward(grad_output), x.grad.numpy(), atol=1e-12)
    assert_gradients_equal(layer, module)


@pytest.mark.parametrize("scale", [1, 1000])
def test_loss_equals_torch(scale):
    logits, targets = scale * normal(6, 10), labels(6)
    tensor = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(tensor, torch.tensor(targets))
    expected.backward()
    loss = SoftmaxCrossEntropy()
    value = loss.forward(logits, targets)
    assert isinstance(value, float)
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(loss.backward(), tensor.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("layer", [numpy_nn.Sigmoid(), numpy_nn.Tanh(), numpy_nn.ReLU()])
def test_saturated_activations_stay_finite(layer):
    x = np.array([-1000, 1000], np.float32)
    assert np.isfinite(layer.forward(x)).all()
    assert np.isfinite(layer.backward(x)).all()


def test_lenet_gradients_equal_torch():
    ours, theirs, loss = lenet5(), LeNet5(), SoftmaxCrossEntropy()
    copy_parameters(ours, theirs)
    images, targets = normal(4, 1, 32, 32), labels(4)
    tensor = torch.tensor(images, requires_grad=True)
    logits = theirs(tensor)
    F.cross_entropy(logits, torch.tensor(targets)).backward()
    loss.forward(ours.forward(images), targets)
    np.testing.assert_allclose(ours.forward(images), logits.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(ours.backward(loss.backward()), tensor.grad.numpy(), atol=1e-10)
    assert_gradients_equal(ours, theirs)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_steps_equal_torch(momentum):
    ours, theirs, loss = lenet5(), LeNet5(), SoftmaxCrossEntropy()
    copy_parameters(ours, theirs)
    optimizer = SGD(ours.parameters(), lr=0.1, momentum=momentum)
    expected = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=momentum)
    for seed in range(3):
        images, targets = normal(4, 1, 32, 32, seed=seed), labels(4)
        loss.forward(ours.forward(images), targets)
        ours.backward(loss.backward())
        optimizer.step()
        expected.zero_grad()
        F.cross_entropy(theirs(torch.tensor(images)), torch.tensor(targets)).backward()
        expected.step()
    for mine, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.data, parameter.detach().numpy(), atol=1e-10)


# (층, 출력의 모양). 책의 층별 표와 같다.
LENET = [
    ("Conv2d", (6, 28, 28)),
    ("Tanh", (6, 28, 28)),
    ("AvgPool2d", (6, 14, 14)),
    ("Conv2d", (16, 10, 10)),
    ("Tanh", (16, 10, 10)),
    ("AvgPool2d", (16, 5, 5)),
    ("Conv2d", (120, 1, 1)),
    ("Tanh", (120, 1, 1)),
    ("Flatten", (120,)),
    ("Linear", (84,)),
    ("Tanh", (84,)),
    ("Linear", (10,)),
]


def test_lenet_shapes_and_dtype():
    x = normal(2, 1, 32, 32).astype(np.float32)
    rows = []
    for layer in lenet5().layers:
        x = layer.forward(x)
        assert x.dtype == np.float32
        rows.append((type(layer).__name__, x.shape[1:]))
    assert rows == LENET


def test_lenet_has_61706_parameters():
    parameters = lenet5().parameters()
    assert sum(parameter.data.size for parameter in parameters) == 61_706
    assert {parameter.data.dtype for parameter in parameters} == {np.dtype(np.float32)}
    assert lenet5(num_classes=3).parameters()[-1].data.shape == (3,)


def test_initialization_is_uniform_and_seeded():
    first, again, other = lenet5(), lenet5(), lenet5(seed=1)
    for parameters in zip(*(net.parameters() for net in (first, again, other)), strict=True):
        a, b, c = (parameter.data for parameter in parameters)
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    weight = first.layers[6].weight.data  # 입력이 16·5·5 = 400개
    assert np.abs(weight).max() <= 1 / 20
    assert weight.std() == pytest.approx(1 / 20 / 3**0.5, rel=0.02)
    assert np.abs(first.layers[6].bias.data).max() <= 1 / 20


def test_lenet_overfits_32_images():
    net, loss = lenet5(), SoftmaxCrossEntropy()
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    images, targets = normal(32, 1, 32, 32).astype(np.float32), labels(32)
    for _ in range(35):
        value = loss.forward(net.forward(images), targets)
        net.backward(loss.backward())
        optimizer.step()
    assert value < 0.1
    assert (net.forward(images).argmax(axis=1) == targets).all()


@pytest.mark.parametrize(
    "targets", [np.array([0, 3]), np.array([-1, 0]), np.array([0.5, 1]), np.array([0]), np.eye(2)]
)
def test_wrong_labels_are_explained(targets):
    rule = r"`labels`: 0 이상 3 미만인 번호 2개의 배열이어야 합니다 \(받은 값: array"
    with pytest.raises(ValueError, match=rule):
        SoftmaxCrossEntropy().forward(normal(2, 3), targets)


def test_wrong_number_of_classes_is_explained():
    with pytest.raises(ValueError, match=r"`num_classes`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        lenet5(num_classes=0)
