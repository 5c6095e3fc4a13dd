"""배치 정규화: 여러 학습 스텝에 걸쳐 torch의 층과 견준다."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnn_lectures.layers.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    batch_norm_backward,
    fold_batch_norm,
)

LAYERS = [
    (BatchNorm1d, nn.BatchNorm1d, (8, 5)),
    (BatchNorm1d, nn.BatchNorm1d, (4, 5, 7)),
    (BatchNorm2d, nn.BatchNorm2d, (4, 5, 3, 6)),
]
OPTIONS = [
    {},
    {"eps": 0.1, "momentum": 0.3},
    {"momentum": None},
    {"momentum": 0.0},
    {"momentum": 1.0},
    {"affine": False},
    {"track_running_stats": False},
    {"affine": False, "track_running_stats": False},
]

# 책의 예제: 값이 네 개인 채널 하나
EXAMPLE = torch.tensor([[1.0], [2.0], [3.0], [4.0]], dtype=torch.float64)


def batch(*shape, seed=0, dtype=torch.float64) -> torch.Tensor:
    """채널마다 평균과 폭이 다른 배치."""
    generator = torch.Generator().manual_seed(seed)
    channels = torch.arange(1.0, shape[1] + 1, dtype=dtype).view(-1, *[1] * (len(shape) - 2))
    return channels * torch.randn(*shape, generator=generator, dtype=dtype) + channels.square()


def pair(ours, theirs, channels: int, **options):
    """γ와 β가 같은 우리 층과 torch의 층."""
    ours, theirs = ours(channels, **options).double(), theirs(channels, **options).double()
    if theirs.affine:
        with torch.no_grad():
            theirs.weight.copy_(torch.linspace(-1, 2, channels))
            theirs.bias.copy_(torch.linspace(3, -1, channels))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def step(layer, optimizer, x: torch.Tensor):
    """순전파, 역전파, 매개변수 갱신을 한 번 하고 (출력, 입력의 기울기)를 돌려준다."""
    x = x.clone().requires_grad_()
    y = layer(x)
    loss = (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).sin()).sum()
    loss.backward()
    if optimizer:
        optimizer.step()
        optimizer.zero_grad()
    return y.detach(), x.grad


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS)
def test_several_steps_equal_torch(ours, theirs, shape, options):
    layers = pair(ours, theirs, shape[1], **options)
    optimizers = [
        torch.optim.SGD(layer.parameters(), lr=0.1) if layer.affine else None for layer in layers
    ]
    for seed in range(5):
        x = batch(*shape, seed=seed)
        mine, expected = (step(*both, x) for both in zip(layers, optimizers, strict=True))
        torch.testing.assert_close(mine, expected)
        states = [dict(layer.state_dict()) for layer in layers]
        torch.testing.assert_close(*states)
    for layer in layers:
        layer.eval()
    mine, expected = (step(layer, None, batch(*shape, seed=9)) for layer in layers)
    torch.testing.assert_close(mine, expected)
    torch.testing.assert_close(*(dict(layer.state_dict()) for layer in layers))


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(2, 4)),
    seed=st.integers(0, 9),
)
def test_any_shape_equals_torch(shape, seed):
    ours, theirs = pair(BatchNorm2d, nn.BatchNorm2d, shape[1])
    x = batch(*shape, seed=seed)
    torch.testing.assert_close(step(ours, None, x), step(theirs, None, x))
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS)
def test_state_dicts_are_exchanged_both_ways(ours, theirs, shape, options):
    ours, theirs = ours(shape[1], **options), theirs(shape[1], **options)
    assert [(name, p.shape, p.dtype) for name, p in ours.named_parameters()] == [
        (name, p.shape, p.dtype) for name, p in theirs.named_parameters()
    ]
    assert [(name, b.shape, b.dtype) for name, b in ours.named_buffers()] == [
        (name, b.shape, b.dtype) for name, b in theirs.named_buffers()
    ]
    ours(batch(*shape, dtype=torch.float32))
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(dict(theirs.state_dict()), dict(ours.state_dict()))
    theirs(batch(*shape, dtype=torch.float32))
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()))


def test_eval_with_gradients_leaves_the_statistics_alone():
    layer = BatchNorm2d(5).double()
    layer(batch(4, 5, 3, 3))
    before = copy.deepcopy(layer.state_dict())
    layer.eval()
    x = batch(4, 5, 3, 3, seed=1).requires_grad_()
    y = layer(x)
    torch.testing.assert_close(dict(layer.state_dict()), dict(before))
    assert not torch.allclose(y.mean((0, 2, 3)), torch.zeros(5, dtype=y.dtype), atol=0.1)
    (grad,) = torch.autograd.grad(y.sum(), x)
    slope = (before["running_var"] + layer.eps).rsqrt()
    torch.testing.assert_close(grad, slope.view(5, 1, 1).expand_as(grad))


def test_train_without_gradients_still_uses_the_batch():
    layer = BatchNorm2d(5).double()
    with torch.no_grad():
        y = layer(batch(4, 5, 3, 3))
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(5, dtype=y.dtype))
    assert layer.num_batches_tracked == 1
    assert (layer.running_mean != 0).all()


def test_statistics_follow_dtype_and_carry_no_graph():
    layer = BatchNorm2d(5).double()
    layer(batch(4, 5, 3, 3).requires_grad_())
    assert layer.running_mean.dtype == layer.running_var.dtype == torch.float64
    assert layer.num_batches_tracked.dtype == torch.int64
    assert not layer.running_mean.requires_grad
    assert not layer.running_var.requires_grad


def test_shows_its_options():
    assert repr(BatchNorm1d(5, momentum=None)) == (
        "BatchNorm1d(5, eps=1e-05, momentum=None, affine=True, track_running_stats=True)"
    )


def test_identity_is_recovered():
    x = batch(8, 5)
    layer = BatchNorm1d(5).double()
    with torch.no_grad():
        layer.weight.copy_((x.var(0, correction=0) + layer.eps).sqrt())
        layer.bias.copy_(x.mean(0))
    torch.testing.assert_close(layer(x), x)


def test_scale_and_shift_of_the_input_change_nothing():
    x, layer = batch(8, 5), BatchNorm1d(5, eps=0.0).double()
    torch.testing.assert_close(layer(7 * x + 3), layer(x))


def test_book_example():
    layer = BatchNorm1d(1, eps=0.0).double()
    normalized = [f"{value:.4f}" for value in layer(EXAMPLE).flatten()]
    assert normalized == ["-1.3416", "-0.4472", "0.4472", "1.3416"]
    assert layer.running_mean.item() == pytest.approx(0.25)
    assert layer.running_var.item() == pytest.approx(0.9 + 0.1 * 5 / 3)
    assert f"{layer.running_var.item():.4f}" == "1.0667"


@pytest.mark.parametrize(
    ("layer", "shape", "ratio"),
    [(BatchNorm1d, (256, 3), "1.0039216"), (BatchNorm2d, (256, 3, 24, 24), "1.0000068")],
)
def test_running_variance_is_unbiased(layer, shape, ratio):
    x = batch(*shape)
    layer = layer(3, momentum=1.0).double()
    layer(x)
    biased = x.transpose(0, 1).flatten(1).var(1, correction=0)
    assert {f"{value:.7f}" for value in layer.running_var / biased} == {ratio}


def test_initial_statistics_fade():
    layer = BatchNorm1d(1).double()
    for _ in range(10):
        layer(EXAMPLE)
    assert layer.running_mean.item() == pytest.approx(2.5 * (1 - 0.9**10))
    assert f"{0.9**10:.3f}" == "0.349"


# 역전파


def test_backward_of_the_book_example():
    grad_output = torch.tensor([[1.0], [0], [0], [0]], dtype=torch.float64)
    weight = torch.ones(1, dtype=torch.float64)
    grads = batch_norm_backward(grad_output, EXAMPLE, weight, eps=0.0)
    grad_x, grad_weight, grad_bias = (grad.flatten().tolist() for grad in grads)
    assert grad_x == pytest.approx([0.26833, -0.35777, -0.08944, 0.17889], abs=5e-6)
    assert grad_weight == pytest.approx([-1.34164], abs=5e-6)
    assert grad_bias == [1]
    assert sum(grad_x) == pytest.approx(0, abs=1e-15)


def test_backward_of_the_sum_is_zero():
    x, weight = batch(4, 5, 3, 3), torch.ones(5, dtype=torch.float64)
    grad_x, _, grad_bias = batch_norm_backward(torch.ones_like(x), x, weight)
    torch.testing.assert_close(grad_x, torch.zeros_like(x), rtol=0, atol=1e-15)
    assert grad_bias.tolist() == [36] * 5


@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS)
def test_backward_equals_autograd(ours, theirs, shape, eps):
    _, layer = pair(ours, theirs, shape[1], eps=eps)
    x, grad_output = batch(*shape).requires_grad_(), batch(*shape, seed=1)
    layer(x).backward(grad_output)
    grads = batch_norm_backward(grad_output, x.detach(), layer.weight.detach(), eps=eps)
    torch.testing.assert_close(grads, (x.grad, layer.weight.grad, layer.bias.grad))


# 앞 층에 접어 넣기


@pytest.mark.parametrize("bn", [BatchNorm2d, nn.BatchNorm2d])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"stride": 2, "padding": 1, "groups": 2},
        {"dilation": 2, "padding": 1, "padding_mode": "reflect"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_folded_convolution(bn, affine, options, dtype, atol):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, **options).to(dtype)
    bn = bn(6, affine=affine).to(dtype)
    if affine:
        nn.init.uniform_(bn.weight, -1, 1)
        nn.init.uniform_(bn.bias, -1, 1)
    x = torch.randn(2, 4, 8, 8, dtype=dtype)
    for _ in range(3):
        bn(conv(x) + 1)
    state = copy.deepcopy(conv.state_dict())
    folded = fold_batch_norm(conv, bn.eval())
    torch.testing.assert_close(folded(x), bn(conv(x)), rtol=0, atol=atol)
    torch.testing.assert_close(dict(conv.state_dict()), dict(state), rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in folded.parameters())


def test_folded_linear():
    linear, bn = nn.Linear(3, 5).double(), BatchNorm1d(5).double()
    x = batch(8, 3)
    bn(linear(x))
    folded = fold_batch_norm(linear, bn.eval())
    torch.testing.assert_close(folded(x), bn(linear(x)))


def test_bias_before_batch_norm_changes_nothing():
    conv, bn = nn.Conv2d(2, 3, 3).double(), BatchNorm2d(3).double()
    x = batch(4, 2, 6, 6)
    before = bn(conv(x))
    nn.init.constant_(conv.bias, 3.0)
    torch.testing.assert_close(bn(conv(x)), before)


# 잘못된 인자


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"num_features": 0}, ValueError, r"`num_features`: 1 이상의 정수.*\(받은 값: 0\)"),
        ({"num_features": 2.0}, TypeError, r"`num_features`: 1 이상의 정수.*\(받은 값: 2.0\)"),
        ({"eps": -1e-5}, ValueError, r"`eps`: 0 이상이어야 합니다 \(받은 값: -1e-05\)"),
        ({"momentum": 1.5}, ValueError, r"`momentum`: 0 이상 1 이하.*None.*\(받은 값: 1.5\)"),
        ({"momentum": -0.1}, ValueError, r"`momentum`: 0 이상 1 이하.*None.*\(받은 값: -0.1\)"),
    ],
)
def test_wrong_option_is_explained(options, error, rule):
    with pytest.raises(error, match=rule):
        BatchNorm2d(**{"num_features": 5} | options)


@pytest.mark.parametrize(
    ("layer", "shape", "rule"),
    [
        (BatchNorm1d, (4,), r"\(N, 5\) 또는 \(N, 5, L\)"),
        (BatchNorm1d, (4, 5, 3, 3), r"\(N, 5\) 또는 \(N, 5, L\)"),
        (BatchNorm1d, (4, 6), r"\(N, 5\) 또는 \(N, 5, L\)"),
        (BatchNorm2d, (4, 5), r"\(N, 5, H, W\)"),
        (BatchNorm2d, (4, 6, 3, 3), r"\(N, 5, H, W\)"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_wrong_shape_is_explained(layer, shape, rule, training):
    received = str(shape).replace("(", r"\(").replace(")", r"\)")
    rule = rf"`x`: 모양이 {rule}인 텐서여야 합니다 \(받은 값: {received}\)"
    with pytest.raises(ValueError, match=rule):
        layer(5).train(training)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("layer", "shape"), [(BatchNorm1d, (1, 5)), (BatchNorm2d, (1, 5, 1, 1)), (BatchNorm1d, (0, 5))]
)
def test_one_value_per_channel_has_no_variance(layer, shape):
    rule = r"`x`: 채널마다 값이 둘 이상이어야 합니다 \(받은 값: \("
    with pytest.raises(ValueError, match=rule):
        layer(5)(torch.zeros(shape))
    with pytest.raises(ValueError, match=rule):
        layer(5, track_running_stats=False).eval()(torch.zeros(shape))
    with pytest.raises(ValueError, match=rule):
        batch_norm_backward(torch.zeros(shape), torch.zeros(shape), torch.ones(5))
    assert layer(5).eval()(torch.zeros(shape)).shape == shape


def test_a_refused_batch_is_not_counted():
    layer = BatchNorm1d(5)
    with pytest.raises(ValueError, match="둘 이상"):
        layer(torch.ones(1, 5))
    assert layer.num_batches_tracked == 0
    assert layer.running_mean.tolist() == [0] * 5


def test_gradient_of_another_shape():
    rule = r"`grad_output`: 모양이 \(4, 5\)여야 합니다 \(받은 값: \(1, 5\)\)"
    with pytest.raises(ValueError, match=rule):
        batch_norm_backward(torch.ones(1, 5), torch.ones(4, 5), torch.ones(5))


@pytest.mark.parametrize(
    ("layer", "bn", "error", "rule"),
    [
        (nn.ConvTranspose2d(2, 5, 3), {}, TypeError, r"`layer`: .*'ConvTranspose2d'"),
        (nn.Conv2d(2, 6, 3), {}, ValueError, r"`bn`: 채널 수가 6.*\(받은 값: 5\)"),
        (
            nn.Conv2d(2, 5, 3),
            {"track_running_stats": False},
            ValueError,
            r"`bn`: 이동 평균이 있어야 합니다 \(받은 값: BatchNorm2d",
        ),
    ],
)
def test_what_cannot_be_folded_is_explained(layer, bn, error, rule):
    with pytest.raises(error, match=rule):
        fold_batch_norm(layer, BatchNorm2d(5, **bn))
