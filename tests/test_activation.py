"""활성화 함수: 값과 기울기를 torch와 견준다."""

import math

import pytest
import torch
from torch import nn

from cnn_lectures.layers.activation import ACTIVATIONS, gradient, relu, sigmoid, tanh

NAMES = list(ACTIVATIONS)
DTYPES = [torch.float32, torch.float64]

# 0의 양쪽, 포화가 시작되는 곳, 소박한 식이 넘치는 곳(float32는 89, float64는 710)
POINTS = [0.0, 1e-30, 1e-6, 0.5, 1.0, 5.0, 20.0, 88.0, 89.0, 104.0, 700.0, 750.0, 1000.0, math.inf]


def points(dtype) -> torch.Tensor:
    wide = torch.linspace(-12, 12, 1001, dtype=dtype)
    special = torch.tensor(POINTS, dtype=dtype)
    return torch.cat([wide, special, -special])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values_equal_torch(name, dtype):
    x = points(dtype)
    info = torch.finfo(dtype)
    y = ACTIVATIONS[name](x)
    assert y.dtype == dtype
    expected = getattr(torch, name)(x)
    torch.testing.assert_close(y, expected, rtol=4 * info.eps, atol=info.tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_torch(name, dtype):
    x = points(dtype)
    eps = torch.finfo(dtype).eps
    expected = gradient(getattr(torch, name), x)  # tanh는 1 − y²이라 eps만큼의 오차가 있다
    torch.testing.assert_close(gradient(ACTIVATIONS[name], x), expected, rtol=4 * eps, atol=2 * eps)


@pytest.mark.parametrize("name", NAMES)
def test_saturated_units_stay_finite(name):
    x = torch.tensor([-1000.0, 1000.0])
    assert ACTIVATIONS[name](x).isfinite().all()
    assert gradient(ACTIVATIONS[name], x).tolist() == [0, 1 if name == "relu" else 0]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name):
    x = torch.linspace(-3, 3, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ACTIVATIONS[name], x)


@pytest.mark.parametrize(("name", "slope"), [("sigmoid", 0.25), ("tanh", 1.0), ("relu", 0.0)])
def test_gradient_at_zero(name, slope):
    assert gradient(ACTIVATIONS[name], torch.zeros(())).item() == slope
    assert gradient(ACTIVATIONS[name], -torch.zeros(())).item() == slope


@pytest.mark.parametrize(("function", "steepest"), [(sigmoid, 0.25), (tanh, 1.0), (relu, 1.0)])
def test_steepest_gradient(function, steepest):
    slopes = gradient(function, torch.linspace(-5, 5, 1001, dtype=torch.float64))
    assert slopes.max().item() == pytest.approx(steepest, rel=1e-12)
    assert slopes.min().item() >= 0


def test_numbers_of_the_chapter():
    five = torch.tensor(5.0, dtype=torch.float64)
    assert gradient(sigmoid, five).item() == pytest.approx(6.648e-3, rel=1e-4)
    assert gradient(tanh, five).item() == pytest.approx(1.816e-4, rel=1e-4)


def test_ten_sigmoids_shrink_a_gradient_to_a_millionth():
    ten = nn.Sequential(*(nn.Sigmoid() for _ in range(10)))
    slopes = gradient(ten, torch.linspace(-5, 5, 101))
    assert slopes.min() > 0
    assert slopes.max() <= 0.25**10


def test_tanh_is_a_stretched_sigmoid():
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(tanh(x), 2 * sigmoid(2 * x) - 1)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_not_hidden(name):
    assert ACTIVATIONS[name](torch.tensor(math.nan)).isnan()


def test_gradient_reads_modules_and_leaves_everything_alone():
    layer, x = nn.PReLU(init=0.5), torch.tensor([[-1.0, 2.0]])
    with torch.no_grad():
        assert gradient(layer, x).tolist() == [[0.5, 1.0]]
    assert not x.requires_grad
    assert layer.weight.grad is None


def test_gradient_of_integers():
    with pytest.raises(TypeError, match=r"`x`: 실수형이어야 합니다 \(받은 값: torch.int64\)"):
        gradient(relu, torch.arange(3))
