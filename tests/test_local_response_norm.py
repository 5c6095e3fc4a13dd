"""국소 응답 정규화: torch, 논문의 식과 견준다."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnn_lectures.layers.local_response_norm import LocalResponseNorm


def images(*shape, seed=0, dtype=torch.float64) -> torch.Tensor:
    return 30 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def output_and_gradient(layer: nn.Module, x: torch.Tensor):
    x = x.clone().requires_grad_()
    y = layer(x)
    (grad,) = torch.autograd.grad((y * torch.arange(y.numel()).view_as(y).sin()).sum(), x)
    return y.detach(), grad


def test_defaults_are_the_constants_of_the_paper():
    x = images(2, 96, 3, 3, dtype=torch.float32)
    paper = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
    torch.testing.assert_close(LocalResponseNorm()(x), paper(x), rtol=1e-6, atol=1e-6)
    x = x.double()
    torch.testing.assert_close(LocalResponseNorm()(x), paper(x), rtol=0, atol=1e-12)


def test_the_trap_of_alpha():
    x = images(2, 96, 3, 3).clamp(0, 30)
    same_letters = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)
    assert (LocalResponseNorm()(x) - same_letters(x)).abs().max() > 0.5


@settings(max_examples=50, deadline=None)
@given(
    size=st.integers(1, 8),
    channels=st.integers(1, 9),
    dimensions=st.integers(1, 3),
    alpha=st.floats(1e-4, 1),
    beta=st.floats(0.25, 1),
    k=st.floats(0.5, 2),
)
def test_average_equals_torch(size, channels, dimensions, alpha, beta, k):
    x = images(2, channels, *range(2, 2 + dimensions), seed=size)
    constants = {"alpha": alpha, "beta": beta, "k": k}
    ours = output_and_gradient(LocalResponseNorm(size, **constants, average=True), x)
    theirs = output_and_gradient(nn.LocalResponseNorm(size, **constants), x)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_sum_is_the_average_with_alpha_times_size(size):
    x = images(2, 7, 3, 3)
    average = LocalResponseNorm(size, alpha=1e-3 * size, average=True)
    torch.testing.assert_close(LocalResponseNorm(size, alpha=1e-3)(x), average(x))


@pytest.mark.parametrize("channels", [1, 3, 5, 8])
def test_equation_of_the_paper(channels):
    n, alpha, beta, k = 5, 1e-4, 0.75, 2
    a = images(channels, 2, 2)
    b = torch.empty_like(a)
    for i in range(channels):
        first, last = max(0, i - n // 2), min(channels - 1, i + n // 2)
        b[i] = a[i] / (k + alpha * sum(a[j] ** 2 for j in range(first, last + 1))) ** beta
    torch.testing.assert_close(LocalResponseNorm()(a[None])[0], b)


def test_even_window_looks_one_channel_further_back():
    one_hot = torch.eye(6, dtype=torch.float64)[3].view(1, 6, 1, 1)
    probe = torch.full_like(one_hot, 1e-3) + one_hot
    pressed = LocalResponseNorm(4, alpha=1.0, k=1.0)(probe).flatten() < 9e-4
    assert pressed.tolist() == [False, False, True, False, True, True]


def test_a_loud_neighbour_silences():
    outputs = []
    for neighbour in (10.0, 50.0, 100.0, 200.0):
        pair = torch.tensor([10.0, neighbour]).view(1, 2, 1, 1)
        outputs.append(LocalResponseNorm()(pair)[0, 0].item())
    assert [f"{output:.2f}" for output in outputs] == ["5.90", "5.43", "4.38", "2.61"]


def test_k_alone_scales():
    x = images(1, 3, 2, 2)
    torch.testing.assert_close(LocalResponseNorm(alpha=0.0)(x), 2**-0.75 * x)
    assert f"{2**-0.75:.4f}" == "0.5946"


def test_positions_do_not_mix():
    x = images(1, 6, 4, 4).requires_grad_()
    (grad,) = torch.autograd.grad(LocalResponseNorm(alpha=0.1)(x)[0, :, 1, 2].sum(), x)
    touched = grad[0].any(dim=0).nonzero().tolist()
    assert touched == [[1, 2]]


def test_has_no_state_and_shows_its_constants():
    layer = LocalResponseNorm()
    assert layer.state_dict() == {}
    assert repr(layer) == (
        "LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=2.0, average=False)"
    )


@pytest.mark.parametrize("size", [0, -1])
def test_wrong_size_is_explained(size):
    with pytest.raises(ValueError, match=rf"`size`: 1 이상의 정수여야 합니다 \(받은 값: {size}\)"):
        LocalResponseNorm(size)


def test_wrong_type_is_explained():
    with pytest.raises(TypeError, match=r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 5.0\)"):
        LocalResponseNorm(5.0)


def test_wrong_shape_is_explained():
    rule = r"`x`: 모양이 \(N, C, …\)인 3차원 이상이어야 합니다 \(받은 값: \(2, 3\)\)"
    with pytest.raises(ValueError, match=rule):
        LocalResponseNorm()(torch.ones(2, 3))
