"""NumPy 합성곱: 정의, 빠른 계산, 역전파를 torch와 손으로 계산한 값에 견준다."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_lectures.layers import convolution
from cnn_lectures.layers.convolution import (
    col2img,
    conv2d,
    conv2d_backward,
    conv2d_loops,
    img2col,
    output_size,
    remainder,
)

CONVOLUTIONS = [conv2d, conv2d_loops]
RAMP = np.arange(16.0).reshape(1, 1, 4, 4)

geometry = settings(max_examples=50, deadline=None)


def draw_pair(draw, low: int, high: int) -> tuple[int, int]:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


@st.composite
def convolutions(draw, largest_batch: int = 3):
    """(images, weight, bias, window): torch 텐서(float64)와 창의 키워드 인자."""
    groups = draw(st.integers(1, 3))
    depth, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel, stride = draw_pair(draw, 1, 4), draw_pair(draw, 1, 5)
    padding, dilation = draw_pair(draw, 0, 2), draw_pair(draw, 1, 3)
    size = [
        max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 6))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    batch = draw(st.integers(1, largest_batch))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    shapes = [
        (batch, groups * depth, *size),
        (groups * filters, depth, *kernel),
        (groups * filters,),
    ]
    arrays = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    return *arrays, window | {"groups": groups}


def random_arrays(*shapes, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


# 출력 크기


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "padding", "dilation", "output", "left"),
    [
        (7, 3, 2, 0, 1, 3, 0),
        (7, 3, 3, 0, 1, 2, 1),
        (7, 3, 2, 1, 1, 4, 0),
        (32, 5, 1, 2, 1, 32, 0),
        (224, 11, 4, 0, 1, 54, 1),
        (224, 11, 4, 2, 1, 55, 1),
        (227, 11, 4, 0, 1, 55, 0),
        (224, 7, 2, 3, 1, 112, 1),
        (112, 3, 2, 1, 1, 56, 1),
        (55, 3, 2, 0, 1, 27, 0),
        (56, 1, 2, 0, 1, 28, 1),
        (64, 3, 1, 2, 2, 64, 0),
    ],
)
def test_output_size_exercise(size, kernel_size, stride, padding, dilation, output, left):
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    assert output_size(size, kernel_size, **window) == output
    assert remainder(size, kernel_size, **window) == left


def windows_grid():
    """한 축의 모든 작은 창. 팽창률까지 센 커널이 패딩까지 센 입력보다 큰 것은 뺀다."""
    for size, k, s, p, d in itertools.product(
        range(1, 12), range(1, 5), range(1, 6), range(3), range(1, 4)
    ):
        if d * (k - 1) + 1 <= size + 2 * p:
            yield size, k, {"stride": s, "padding": p, "dilation": d}


def test_output_size_equals_conv2d():
    for size, k, window in windows_grid():
        vertical = {name: (value, name != "padding") for name, value in window.items()}
        output = F.conv2d(torch.ones(1, 1, size, 1), torch.ones(1, 1, k, 1), **vertical)
        assert output_size(size, k, **window) == output.shape[2], (size, k, window)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_output_size_equals_max_pool2d(ceil_mode):
    for size, k, window in windows_grid():
        if window["padding"] > k // 2:  # torch의 풀링이 받지 않는다
            continue
        vertical = {name: (value, name != "padding") for name, value in window.items()}
        output = F.max_pool2d(torch.ones(1, 1, size, 1), (k, 1), ceil_mode=ceil_mode, **vertical)
        assert output_size(size, k, ceil_mode=ceil_mode, **window) == output.shape[2]


def test_ceil_mode_drops_a_window_that_would_start_in_the_right_padding():
    assert output_size(6, 3, stride=3, padding=1) == 2
    assert (
        output_size(6, 3, stride=3, padding=1, ceil_mode=True) == 3
    )  # 셋째 자리는 6번 줄에서 시작
    assert output_size(5, 3, stride=3, padding=1, ceil_mode=True) == 2  # 6번 줄은 오른쪽 패딩이다


def test_remainder_counts_the_rows_after_the_last_window():
    for size, k, window in windows_grid():
        padded = size + 2 * window["padding"]
        starts = range(0, padded, window["stride"])
        reach = window["dilation"] * (k - 1)
        last = max(start + reach for start in starts if start + reach < padded)
        assert remainder(size, k, **window) == padded - 1 - last


# 손으로 계산한 예


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, [[45, 54], [81, 90]]),
        ({"stride": 2, "padding": 1}, [[10, 24], [51, 90]]),
    ],
)
def test_box_filter_on_a_ramp(convolve, window, expected):
    output = convolve(RAMP, np.ones((1, 1, 3, 3)), **window)
    np.testing.assert_array_equal(output[0, 0], expected)


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
def test_vertical_edge_filter_on_a_step(convolve):
    step = np.where(np.arange(6) < 3, 0.0, 10.0) * np.ones((1, 1, 6, 1))
    output = convolve(step, np.array([[-1.0, 0, 1]] * 3).reshape(1, 1, 3, 3))
    np.testing.assert_array_equal(output[0, 0], [[0, 30, 30, 0]] * 4)


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
def test_impulse_shows_cross_correlation(convolve):
    impulse = np.zeros((1, 1, 3, 3))
    impulse[0, 0, 1, 1] = 1
    kernel = np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(convolve(impulse, kernel)[0, 0], [[4, 3], [2, 1]])


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
def test_bias_is_one_number_per_filter(convolve):
    images, weight, bias = random_arrays((2, 3, 5, 5), (4, 3, 3, 3), (4,))
    shift = convolve(images, weight, bias) - convolve(images, weight)
    np.testing.assert_allclose(shift, np.broadcast_to(bias[:, None, None], shift.shape))


def test_backward_by_hand():
    weight = np.array([[1.0, 0], [0, -1]]).reshape(1, 1, 2, 2)
    output = conv2d(RAMP, weight, np.zeros(1))
    np.testing.assert_array_equal(output, np.full((1, 1, 3, 3), -5))
    grad_images, grad_weight, grad_bias = conv2d_backward(np.ones_like(output), RAMP, weight)
    np.testing.assert_array_equal(grad_weight[0, 0], [[45, 54], [81, 90]])
    np.testing.assert_array_equal(grad_bias, [9])
    np.testing.assert_array_equal(
        grad_images[0, 0], [[1, 1, 1, 0], [1, 0, 0, -1], [1, 0, 0, -1], [0, -1, -1, -1]]
    )


def test_fused_multiply_add_rounds_once():
    a, b, c = 1 + 2**-13, 1 - 2**-13, -1.0
    separate = np.float32(a) * np.float32(b) + np.float32(c)
    fused = np.float32(
        np.float64(a) * np.float64(b) + np.float64(c)
    )  # 곱이 float64에 정확히 담긴다
    assert separate == 0
    assert fused == -(2**-26)
    assert math.isclose(fused, -1.49e-8, rel_tol=1e-3)


# img2col, col2img


def test_img2col_lists_the_patches():
    columns = img2col(RAMP, 3)
    assert columns.shape == (4, 9)
    np.testing.assert_array_equal(columns[0], [0, 1, 2, 4, 5, 6, 8, 9, 10])
    np.testing.assert_array_equal(columns[3], [5, 6, 7, 9, 10, 11, 13, 14, 15])


@pytest.mark.parametrize(
    ("image_shape", "kernel_size", "window", "shape", "ratio", "mebibytes"),
    [
        ((1, 32, 32), 5, {}, (784, 25), 19.1, 0.07),
        ((6, 14, 14), 5, {}, (100, 150), 12.8, 0.06),
        ((3, 224, 224), 11, {"stride": 4, "padding": 2}, (3025, 363), 7.3, 4.19),
        ((96, 27, 27), 5, {"padding": 2}, (729, 2400), 25, 6.67),
        ((64, 224, 224), 3, {"padding": 1}, (50_176, 576), 9, 110.25),
    ],
    ids=["LeNet C1", "LeNet C3", "AlexNet conv1", "AlexNet conv2", "VGG conv1_2"],
)
def test_img2col_memory(image_shape, kernel_size, window, shape, ratio, mebibytes):
    images = np.zeros((1, *image_shape), np.int8)
    columns = img2col(images, kernel_size, **window)
    assert columns.shape == shape
    assert columns.size / images.size == pytest.approx(ratio, abs=0.05)
    assert 4 * columns.size / 2**20 == pytest.approx(mebibytes, abs=0.005)  # float32일 때


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_img2col_and_col2img_keep_the_dtype(dtype):
    images = np.arange(32).reshape(1, 2, 4, 4).astype(dtype)
    columns = img2col(images, 2, stride=2)
    assert columns.dtype == dtype
    tiles = col2img(columns, images.shape, 2, stride=2)  # 겹치지 않는 조각
    assert tiles.dtype == dtype
    np.testing.assert_array_equal(tiles, images)


def test_img2col_returns_its_own_memory():
    images = RAMP.copy()
    img2col(images, 1)[:] = -1
    np.testing.assert_array_equal(images, RAMP)


def test_col2img_sums_overlaps():
    counts = col2img(img2col(np.ones((1, 1, 4, 4)), 3), (1, 1, 4, 4), 3)
    np.testing.assert_array_equal(counts[0, 0], np.outer([1, 2, 2, 1], [1, 2, 2, 1]))


@geometry
@given(convolutions())
def test_img2col_and_col2img_equal_unfold_and_fold(case):
    images, weight, _, window = case
    window = {name: value for name, value in window.items() if name != "groups"}
    unfolded = F.unfold(images, weight.shape[2:], **window)
    columns = img2col(images.numpy(), tuple(weight.shape[2:]), **window)
    np.testing.assert_array_equal(columns, unfolded.mT.reshape(columns.shape).numpy())

    other = torch.randn(unfolded.shape, dtype=torch.float64)
    folded = F.fold(other, images.shape[2:], weight.shape[2:], **window).numpy()
    rows = other.mT.reshape(columns.shape).numpy()
    back = col2img(rows, tuple(images.shape), tuple(weight.shape[2:]), **window)
    np.testing.assert_allclose(back, folded, atol=1e-12)
    # 수반의 뜻: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩
    assert np.vdot(columns, rows) == pytest.approx(np.vdot(images.numpy(), back), abs=1e-9)


# torch와 견주기


@pytest.mark.parametrize("small_product", [0, math.inf])  # 이미지마다 펼치기, 띠를 밀기
@geometry
@given(case=convolutions(largest_batch=40))
def test_conv2d_equals_torch(case, small_product):
    *tensors, window = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "SMALL_PRODUCT", small_product)
        output = conv2d(*(tensor.numpy() for tensor in tensors), **window)
    np.testing.assert_allclose(output, F.conv2d(*tensors, **window), rtol=1e-12, atol=1e-12)


@geometry
@given(convolutions(largest_batch=2))
def test_conv2d_loops_equals_torch(case):
    *tensors, window = case
    output = conv2d_loops(*(tensor.numpy() for tensor in tensors), **window)
    np.testing.assert_allclose(output, F.conv2d(*tensors, **window), rtol=1e-12, atol=1e-12)


@geometry
@given(convolutions())
def test_backward_equals_autograd(case):
    *tensors, window = case
    for tensor in tensors:
        tensor.requires_grad_()
    output = F.conv2d(*tensors, **window)
    grad_output = torch.randn_like(output)
    expected = torch.autograd.grad(output, tensors, grad_output)
    images, weight = (tensor.detach().numpy() for tensor in tensors[:2])
    actual = conv2d_backward(grad_output.numpy(), images, weight, **window)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("image_shape", "weight_shape", "window"),
    [
        ((256, 1, 32, 32), (6, 1, 5, 5), {}),
        ((37, 6, 14, 14), (16, 6, 5, 5), {}),
        ((2, 3, 61, 64), (96, 3, 11, 11), {"stride": 4, "padding": 2}),
        ((3, 64, 20, 50), (64, 64, 3, 3), {"padding": 1}),
        ((5, 64, 9, 9), (64, 64, 3, 3), {"padding": 2, "dilation": 2}),
        ((3, 64, 7, 7), (32, 64, 1, 1), {}),
        ((3, 64, 7, 7), (32, 16, 1, 1), {"groups": 4}),
        ((3, 64, 7, 7), (32, 64, 1, 1), {"stride": 2}),
        ((3, 64, 7, 7), (32, 64, 1, 1), {"padding": 1}),
        ((3, 8, 7, 7), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
        ((0, 3, 7, 7), (4, 3, 3, 3), {}),
        ((0, 3, 7, 7), (4, 3, 1, 1), {}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "x".join(map(str, value)),
)
def test_conv2d_float32(image_shape, weight_shape, window):
    """묶음의 크기, 마지막 묶음, 스레드의 유무, 1×1, 깊이별, 빈 배치의 갈래를 모두 지난다."""
    images, weight, bias = random_arrays(
        image_shape, weight_shape, weight_shape[:1], dtype=np.float32
    )
    before = [array.copy() for array in (images, weight, bias)]
    output = conv2d(images, weight, bias, **window)
    expected = F.conv2d(*map(torch.from_numpy, (images, weight, bias)), **window).numpy()
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)
    for array, copy in zip((images, weight, bias), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_dtype_is_kept(dtype, kernel_size):
    images, weight, bias = random_arrays(
        (2, 3, 6, 6), (4, 3, kernel_size, kernel_size), (4,), dtype=dtype
    )
    output = conv2d(images, weight, bias)
    assert output.dtype == conv2d(images, weight).dtype == dtype
    assert conv2d_loops(images, weight, bias).dtype == dtype
    assert [grad.dtype for grad in conv2d_backward(output, images, weight)] == [dtype] * 3


def test_non_contiguous_arrays():
    images, weight = random_arrays((2, 8, 9, 3), (5, 5, 4, 3))
    images, weight = images.transpose(0, 3, 1, 2), weight.transpose(2, 3, 0, 1)
    tensors = [torch.tensor(array) for array in (images, weight)]
    np.testing.assert_allclose(conv2d(images, weight), F.conv2d(*tensors), atol=1e-12)
    pointwise = weight[:, :, :1, :1]
    expected = F.conv2d(tensors[0], tensors[1][:, :, :1, :1])
    np.testing.assert_allclose(conv2d(images, pointwise), expected, atol=1e-12)


@pytest.mark.parametrize(
    "window", [{}, {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}]
)
def test_gradient_check(window):
    """중심 차분과 견준 상대 오차가 10⁻⁷보다 작다."""
    groups = window.get("groups", 1)
    images, weight, bias = random_arrays((2, 4, 6, 7), (2, 4 // groups, 3, 2), (2,))
    output = conv2d(images, weight, bias, **window)
    (grad_output,) = random_arrays(output.shape)
    grads = conv2d_backward(grad_output, images, weight, **window)
    step = 1e-5
    for array, grad in zip((images, weight, bias), grads, strict=True):
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            value = array[index]
            losses = []
            for array[index] in (value + step, value - step):
                losses.append(np.vdot(grad_output, conv2d(images, weight, bias, **window)))
            array[index] = value
            numeric[index] = (losses[0] - losses[1]) / (2 * step)
        assert np.linalg.norm(numeric - grad) / np.linalg.norm(numeric) < 1e-7


def test_nothing_is_printed(capsys):
    images, weight = random_arrays((1, 1, 5, 5), (1, 1, 3, 3))
    output = conv2d(images, weight)
    conv2d_loops(images, weight)
    conv2d_backward(output, images, weight)
    col2img(img2col(images, 3), images.shape, 3)
    assert capsys.readouterr() == ("", "")


# 오류


@pytest.mark.parametrize("function", [output_size, remainder])
@pytest.mark.parametrize(
    ("arguments", "window", "kind", "message"),
    [
        ((0, 3), {}, ValueError, r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ((7, 0), {}, ValueError, r"`kernel_size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ((7, 3), {"stride": 0}, ValueError, r"`stride`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"),
        ((7, 3), {"padding": -1}, ValueError, r"`padding`: 0 이상의 정수여야 .* \(받은 값: -1\)"),
        ((7, 3), {"dilation": 0}, ValueError, r"`dilation`: 1 이상의 정수여야 .* \(받은 값: 0\)"),
        ((7.0, 3), {}, TypeError, r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 7.0\)"),
        ((4, 5), {"stride": 2}, ValueError, r"`kernel_size`: .*\(5\).*\(4\)보다 클 수 없습니다"),
        ((5, 3), {"dilation": 3, "padding": 0}, ValueError, r"`kernel_size`: .*\(7\).*\(5\)"),
        ((2, 5), {"padding": 1}, ValueError, r"`kernel_size`: .*\(5\).*\(4\)보다 .*받은 값: 5"),
    ],
)
def test_output_size_errors(function, arguments, window, kind, message):
    with pytest.raises(kind, match=message):
        function(*arguments, **window)


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("image_shape", "weight_shape", "window", "message"),
    [
        ((2, 3, 4, 9), (4, 3, 5, 3), {}, r"`kernel_size`: .*\(5\).*\(4\)보다 클 수 없습니다"),
        ((2, 3, 9, 4), (4, 3, 3, 3), {"dilation": 2}, r"`kernel_size`: .*\(5\).*\(4\)보다"),
        ((2, 3, 9, 9), (4, 3, 3, 3), {"stride": 0}, r"`stride`: 1 이상의 정수여야 합니다"),
        ((2, 3, 9, 9), (4, 3, 3, 3), {"stride": (1, 2, 3)}, r"`stride`: 정수 하나 또는"),
        ((2, 3, 9, 9), (4, 3, 3, 3), {"padding": (0, -1)}, r"`padding`: 0 이상의 정수여야"),
        ((2, 3, 9, 9), (4, 3, 3, 3), {"dilation": 0}, r"`dilation`: 1 이상의 정수여야 합니다"),
        ((2, 3, 9, 9), (4, 5, 3, 3), {}, r"`images`: 모양이 \(N, 5, H, W\).*\(2, 3, 9, 9\)"),
        ((3, 9, 9), (4, 3, 3, 3), {}, r"`images`: 모양이 \(N, C, H, W\).*\(3, 9, 9\)"),
        ((2, 3, 9, 9), (4, 3, 3), {}, r"`weight`: 모양이 \(출력 채널, .*\(4, 3, 3\)"),
        ((2, 3, 9, 9), (4, 1, 3, 3), {"groups": 2}, r"`groups`: 입력 채널\(3\).*받은 값: 2"),
        ((2, 4, 9, 9), (3, 2, 3, 3), {"groups": 2}, r"`groups`: .*출력 채널\(3\).*받은 값: 2"),
        ((2, 4, 9, 9), (4, 4, 3, 3), {"groups": 0}, r"`groups`: 1 이상의 정수여야 합니다"),
    ],
)
def test_conv2d_value_errors(convolve, image_shape, weight_shape, window, message):
    with pytest.raises(ValueError, match=message):
        convolve(np.zeros(image_shape), np.zeros(weight_shape), **window)


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
def test_conv2d_bias_and_dtype_errors(convolve):
    images, weight = np.zeros((2, 3, 9, 9)), np.zeros((4, 3, 3, 3))
    with pytest.raises(ValueError, match=r"`bias`: 모양이 \(4,\)여야 합니다 \(받은 값: \(3,\)\)"):
        convolve(images, weight, np.zeros(3))
    with pytest.raises(TypeError, match=r"`bias`: .*\(float64\)이 같아야 .*'float32'"):
        convolve(images, weight, np.zeros(4, np.float32))
    with pytest.raises(TypeError, match=r"`weight`: .*\(float64\)이 같아야 .*'float32'"):
        convolve(images, weight.astype(np.float32))
    with pytest.raises(TypeError, match=r"`images`: 실수형이어야 합니다 .*int64"):
        convolve(images.astype(np.int64), weight.astype(np.int64))


def test_img2col_and_col2img_errors():
    with pytest.raises(ValueError, match=r"`images`: 모양이 \(N, C, H, W\).*\(4, 4\)"):
        img2col(np.zeros((4, 4)), 3)
    with pytest.raises(ValueError, match=r"`kernel_size`: .*\(5\).*\(4\)보다 클 수 없습니다"):
        img2col(RAMP, (3, 5))
    with pytest.raises(TypeError, match=r"`kernel_size`: 1 이상의 정수여야 합니다"):
        img2col(RAMP, 2.5)
    with pytest.raises(ValueError, match=r"`columns`: 모양이 \(4, 9\)여야 .*\(9, 4\)"):
        col2img(np.zeros((9, 4)), (1, 1, 4, 4), 3)


def test_backward_errors():
    images, weight = np.zeros((2, 3, 9, 9)), np.zeros((4, 3, 3, 3))
    with pytest.raises(ValueError, match=r"`grad_output`: 모양이 \(2, 4, 7, 7\).*\(2, 4, 7, 6\)"):
        conv2d_backward(np.zeros((2, 4, 7, 6)), images, weight)
    with pytest.raises(TypeError, match=r"`grad_output`: .*\(float64\)이 같아야 .*'float32'"):
        conv2d_backward(np.zeros((2, 4, 7, 7), np.float32), images, weight)
    with pytest.raises(ValueError, match=r"`stride`: 1 이상의 정수여야 합니다"):
        conv2d_backward(np.zeros((2, 4, 7, 7)), images, weight, stride=0)
