"""풀링: 순전파와 역전파를 torch와 견준다."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_lectures.layers.pooling import (
    adaptive_avg_pool2d,
    adaptive_bins,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

# 흔히 쓰는 im2col 풀링이 틀리거나 멈추는 (H, kernel_size, stride, padding)
HARD = [
    (4, 3, 2, 1),
    (5, 3, 2, 1),
    (4, 3, 1, 1),
    (4, 2, 2, 1),
    (3, 2, 2, 1),
    (4, 3, 3, 1),
    (5, 2, 3, 1),
]

# 책의 예제
EXAMPLE = np.array([[1, 3, 2, 1], [4, 2, 0, 5], [6, 1, 8, 7], [0, 2, 3, 4]])[None, None]


def normal(*shape, seed=0, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tied(*shape, seed=0) -> np.ndarray:
    """값이 몇 가지뿐이고 대개 음수라, 동점과 패딩의 처리를 드러낸다."""
    return np.random.default_rng(seed).integers(-4, 1, shape).astype(np.float64)


def torch_gradient(function, images, grad_output, *args, **options) -> np.ndarray:
    tensor = torch.tensor(images, requires_grad=True)
    function(tensor, *args, **options).backward(torch.tensor(grad_output))
    return tensor.grad.numpy()


@st.composite
def geometries(draw):
    """(images, kernel_size, 선택 인자). 정사각형이 아니고 스트라이드가 커널보다 클 수 있다."""
    kernel_size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel_size)
    size = tuple(
        draw(st.integers(max(1, k - 2 * p), 9)) for k, p in zip(kernel_size, padding, strict=True)
    )
    options = {
        "stride": draw(st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6))),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    return tied(2, 3, *size, seed=draw(st.integers(0, 9))), kernel_size, options


# 최대 풀링


@settings(max_examples=50, deadline=None)
@given(geometries())
def test_max_pool_equals_torch(geometry):
    images, kernel_size, options = geometry
    expected = F.max_pool2d(torch.tensor(images), kernel_size, **options).numpy()
    out = max_pool2d(images, kernel_size, **options)
    np.testing.assert_array_equal(out, expected)
    grad_output = normal(*out.shape)
    np.testing.assert_allclose(
        max_pool2d_backward(grad_output, images, kernel_size, **options),
        torch_gradient(F.max_pool2d, images, grad_output, kernel_size, **options),
        atol=1e-14,
    )


@pytest.mark.parametrize(("size", "kernel_size", "stride", "padding"), HARD)
def test_max_pool_on_negative_images(size, kernel_size, stride, padding):
    images = -1 - np.abs(normal(2, 2, size, size))
    options = {"stride": stride, "padding": padding}
    expected = F.max_pool2d(torch.tensor(images), kernel_size, **options).numpy()
    np.testing.assert_array_equal(max_pool2d(images, kernel_size, **options), expected)


def test_max_pool_pads_with_minus_infinity():
    images = -np.arange(1.0, 10).reshape(1, 1, 3, 3)
    assert max_pool2d(images, 3, stride=2, padding=1)[0, 0].tolist() == [[-1, -2], [-4, -5]]


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8]
)
def test_max_pool_keeps_dtype(dtype):
    out = max_pool2d(EXAMPLE.astype(dtype), 3, stride=1, padding=1)
    assert out.dtype == dtype
    assert out[0, 0].tolist() == [[4, 4, 5, 5], [6, 8, 8, 8], [6, 8, 8, 8], [6, 8, 8, 8]]


def test_max_pool_keeps_the_smallest_values():
    for lowest in (np.full((1, 1, 2, 2), -np.inf), np.full((1, 1, 2, 2), -128, np.int8)):
        np.testing.assert_array_equal(max_pool2d(lowest, 2, padding=1), lowest)
        grad = max_pool2d_backward(np.ones((1, 1, 2, 2)), lowest, 2, padding=1)
        np.testing.assert_array_equal(grad, np.ones((1, 1, 2, 2)))


def test_max_pool_keeps_nan():
    images = np.array([[[[0, np.nan], [2, 3]]]])
    assert np.isnan(max_pool2d(images, 2)).all()


def test_book_example():
    assert max_pool2d(EXAMPLE, 2)[0, 0].tolist() == [[4, 5], [6, 8]]
    assert max_pool2d(EXAMPLE, 3, stride=1)[0, 0].tolist() == [[8, 8], [8, 8]]
    assert avg_pool2d(EXAMPLE, 2)[0, 0].tolist() == [[2.5, 2.0], [2.25, 5.5]]
    ones = np.ones((1, 1, 2, 2))
    grad = max_pool2d_backward(ones, EXAMPLE, 2)[0, 0]
    assert grad.tolist() == [[0, 0, 0, 0], [1, 0, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_overlapping_windows_accumulate_gradients():
    grad = max_pool2d_backward(np.ones((1, 1, 2, 2)), EXAMPLE, 3, stride=1)
    assert grad[EXAMPLE == 8].tolist() == [4]
    assert grad.sum() == 4


def test_first_maximum_wins():
    grad = max_pool2d_backward(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 3, 3)), 3)
    assert grad.ravel().tolist() == [1] + [0] * 8


def test_inputs_are_left_alone():
    images, grad_output = tied(1, 2, 5, 5), normal(1, 2, 2, 2)
    copies = images.copy(), grad_output.copy()
    max_pool2d(images, 3, stride=2)
    max_pool2d_backward(grad_output, images, 3, stride=2)
    avg_pool2d(images, 3, stride=2)
    avg_pool2d_backward(grad_output, images, 3, stride=2)
    adaptive_avg_pool2d(images, 2)
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(grad_output, copies[1])


def test_views_are_accepted():
    images = normal(2, 7, 6, 3).transpose(0, 3, 1, 2)[:, :, ::-1]
    expected = F.max_pool2d(torch.tensor(images.copy()), 3, 2).numpy()
    np.testing.assert_array_equal(max_pool2d(images, 3, stride=2), expected)


# 평균 풀링


@settings(max_examples=50, deadline=None)
@given(geometries(), st.booleans())
def test_avg_pool_equals_torch(geometry, count_include_pad):
    images, kernel_size, options = geometry
    options |= {"count_include_pad": count_include_pad}
    expected = F.avg_pool2d(torch.tensor(images), kernel_size, **options).numpy()
    out = avg_pool2d(images, kernel_size, **options)
    np.testing.assert_allclose(out, expected, atol=1e-14)
    grad_output = normal(*out.shape)
    np.testing.assert_allclose(
        avg_pool2d_backward(grad_output, images, kernel_size, **options),
        torch_gradient(F.avg_pool2d, images, grad_output, kernel_size, **options),
        atol=1e-14,
    )


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float16, np.float16), (np.float32, np.float32), (np.uint8, np.float64)],
)
def test_avg_pool_dtype(dtype, expected):
    images = EXAMPLE.astype(dtype)
    assert avg_pool2d(images, 2).dtype == expected
    assert adaptive_avg_pool2d(images, 2).dtype == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backward", [max_pool2d_backward, avg_pool2d_backward])
def test_gradients_keep_dtype(backward, dtype):
    images, grad_output = normal(1, 1, 4, 4, dtype=dtype), normal(1, 1, 2, 2, dtype=dtype)
    assert backward(grad_output, images, 2).dtype == dtype


def test_avg_pool_does_not_overflow_integers():
    assert avg_pool2d(np.full((1, 1, 2, 2), 200, np.uint8), 2).item() == 200


# 적응형 평균 풀링

BINS = {
    (13, 6): [(0, 3), (2, 5), (4, 7), (6, 9), (8, 11), (10, 13)],
    (10, 3): [(0, 4), (3, 7), (6, 10)],
    (5, 3): [(0, 2), (1, 4), (3, 5)],
    (4, 7): [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)],
}


@pytest.mark.parametrize(("size", "output_size"), BINS)
def test_adaptive_bins(size, output_size):
    assert adaptive_bins(size, output_size) == BINS[size, output_size]
    line = normal(1, 1, 1, size)
    expected = F.adaptive_avg_pool2d(torch.tensor(line), (1, output_size)).numpy()
    np.testing.assert_allclose(adaptive_avg_pool2d(line, (1, output_size)), expected, atol=1e-14)


def test_adaptive_pool_of_a_ramp():
    ramp = np.arange(10.0).reshape(1, 1, 1, 10)
    assert adaptive_avg_pool2d(ramp, (None, 3)).ravel().tolist() == [1.5, 4.5, 7.5]


def test_adaptive_pool_from_13_to_6_is_a_3x3_pool_with_stride_2():
    images = normal(2, 3, 13, 13)
    expected = avg_pool2d(images, 3, stride=2)
    np.testing.assert_allclose(adaptive_avg_pool2d(images, 6), expected, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 9) | st.tuples(st.none() | st.integers(1, 9), st.none() | st.integers(1, 9)),
)
def test_adaptive_pool_equals_torch(size, output_size):
    images = normal(2, 3, *size)
    expected = F.adaptive_avg_pool2d(torch.tensor(images), output_size).numpy()
    np.testing.assert_allclose(adaptive_avg_pool2d(images, output_size), expected, atol=1e-14)


def test_adaptive_pool_to_nothing_new_and_to_one():
    images = normal(2, 3, 4, 5)
    np.testing.assert_array_equal(adaptive_avg_pool2d(images, None), images)
    expected = images.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(adaptive_avg_pool2d(images, 1), expected, atol=1e-14)


# 잘못된 인자

POOLS = [max_pool2d, avg_pool2d]
BACKWARDS = [max_pool2d_backward, avg_pool2d_backward]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    ("kernel_size", "options", "error", "rule"),
    [
        (0, {}, ValueError, r"`kernel_size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        (2.0, {}, TypeError, r"`kernel_size`: 1 이상의 정수여야 합니다 \(받은 값: 2.0\)"),
        (5, {}, ValueError, r"`kernel_size`: .*패딩까지 센 입력.*\(받은 값: 5\)"),
        (2, {"stride": 0}, ValueError, r"`stride`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        (2, {"padding": -1}, ValueError, r"`padding`: 0 이상의 정수여야 합니다 \(받은 값: -1\)"),
        (3, {"padding": 2}, ValueError, r"`padding`: `kernel_size` \(3, 3\)의 절반을 넘지 않아야"),
        ((4, 1), {"padding": 1}, ValueError, r"`padding`: .*\(4, 1\)의 절반.*\(받은 값: 1\)"),
        ((1, 2, 3), {}, ValueError, r"`kernel_size`: .*두 정수여야 합니다 \(받은 값: \(1, 2, 3\)"),
    ],
)
def test_wrong_geometry_is_explained(pool, kernel_size, options, error, rule):
    with pytest.raises(error, match=rule):
        pool(normal(1, 1, 4, 4), kernel_size, **options)


@pytest.mark.parametrize("pool", [*POOLS, adaptive_avg_pool2d])
def test_only_batches(pool):
    with pytest.raises(ValueError, match=r"`images`: 모양이 \(N, C, H, W\).*\(받은 값: \(4, 4\)\)"):
        pool(normal(4, 4), 2)


@pytest.mark.parametrize("backward", BACKWARDS)
def test_gradient_of_another_shape(backward):
    rule = r"`grad_output`: 모양이 \(1, 1, 2, 2\)여야 합니다 \(받은 값: \(1, 1, 1, 2\)\)"
    with pytest.raises(ValueError, match=rule):
        backward(normal(1, 1, 1, 2), normal(1, 1, 4, 4), 2)


def test_max_pool_of_numbers_only():
    rule = r"`images`: 정수나 실수의 배열이어야 합니다 \(받은 값: 'bool'\)"
    with pytest.raises(TypeError, match=rule):
        max_pool2d(np.ones((1, 1, 2, 2), bool), 2)


@pytest.mark.parametrize(
    ("output_size", "error", "rule"),
    [
        (0, ValueError, r"`output_size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ((2, 2.5), TypeError, r"`output_size`: 1 이상의 정수여야 합니다 \(받은 값: 2.5\)"),
        ((1, 2, 3), ValueError, r"`output_size`: .*두 값이어야 합니다 \(받은 값: \(1, 2, 3\)\)"),
    ],
)
def test_wrong_output_size_is_explained(output_size, error, rule):
    with pytest.raises(error, match=rule):
        adaptive_avg_pool2d(normal(1, 1, 4, 4), output_size)


def test_adaptive_bins_check_their_size():
    with pytest.raises(ValueError, match=r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        adaptive_bins(0, 3)
