"""NumPy만으로 만든 풀링: 창 안의 값을 최댓값이나 평균 하나로 줄인다. 결과는 torch와 같다.

창의 최댓값은 세로로 먼저 고르고, 고른 것을 다시 가로로 골라도 같다. 평균도 그렇다. 그래서 두 방향을
따로 계산한다. K×K 커널이면 배열을 K²번이 아니라 2K번 훑고, 창을 펼친 행렬은 만들지 않는다.

논문: 서브샘플링은 LeCun 외 (1998) 2절, 겹침 풀링은 Krizhevsky 외 (2012) 3.4절.
논문과 다른 점: 서브샘플링에 있던 계수와 편향이 없다(그것은 `models.lenet`에 있다).
"""

from math import ceil
from typing import NamedTuple

import numpy as np

from cnn_lectures import _checks
from cnn_lectures.layers.convolution import output_size


class _Axis(NamedTuple):
    """창이 한 축을 따라 놓이는 자리. `axis`는 축의 번호로, 세로가 2, 가로가 3이다."""

    axis: int
    size: int
    kernel: int
    stride: int
    padding: int
    ceil_mode: bool

    @property
    def output(self) -> int:
        """창을 놓는 자리의 수, 곧 출력의 크기."""
        _, size, kernel, stride, padding, ceil_mode = self
        return output_size(size, kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)

    def cells(self):
        """창의 칸마다 (그 칸이 이미지 안에 드는 출력들, 그때 그 칸에 놓이는 입력들)을 가리킨다.

        이미지 밖의 칸은 건너뛴다. 최댓값이라면 −∞를, 합이라면 0을 덧댄 것과 같다.
        """
        before = (slice(None),) * self.axis
        for cell in range(self.kernel):
            offset = cell - self.padding  # o번 출력의 이 칸에는 (o·stride + offset)번 입력이 놓인다
            first = max(ceil(-offset / self.stride), 0)
            last = min(ceil((self.size - offset) / self.stride), self.output) - 1
            if first <= last:
                start, stop = (o * self.stride + offset for o in (first, last))
                inputs = slice(start, stop + 1, self.stride)
                yield (*before, slice(first, last + 1)), (*before, inputs)

    def collect(self, ufunc, x, initial):
        """`initial`에서 시작하여 창 안의 값을 `ufunc`로 모은다."""
        out = np.full(self._shape(x, self.output), initial, x.dtype)
        for outputs, inputs in self.cells():
            ufunc(out[outputs], x[inputs], out=out[outputs])
        return out

    def scatter(self, grad_output):
        """합의 역전파. 출력의 기울기를 창의 모든 칸에 더한다."""
        grad = np.zeros(self._shape(grad_output, self.size), grad_output.dtype)
        for outputs, inputs in self.cells():
            grad[inputs] += grad_output[outputs]
        return grad

    def scatter_to_first(self, grad_output, x, maximum):
        """최댓값의 역전파. 출력의 기울기를 창에서 처음 나온 최댓값의 칸에만 더한다."""
        grad = np.zeros(x.shape, grad_output.dtype)
        waiting = np.ones(grad_output.shape, bool)  # 아직 최댓값을 만나지 못한 창
        for outputs, inputs in self.cells():
            found = waiting[outputs] & (x[inputs] == maximum[outputs])
            waiting[outputs] ^= found
            grad[inputs] += grad_output[outputs] * found
        return grad

    def counts(self, *, include_pad):
        """출력마다 창에 든 칸의 수. 올림 때문에 패딩마저 벗어난 칸은 어느 때에도 세지 않는다."""
        margin = self.padding if include_pad else 0
        start = np.arange(self.output) * self.stride - self.padding
        stop = np.minimum(start + self.kernel, self.size + margin)
        return stop - np.maximum(start, -margin)

    def _shape(self, x, size):
        return *x.shape[: self.axis], size, *x.shape[self.axis + 1 :]


def _axes(images, kernel_size, stride, padding, ceil_mode):
    """인자를 검사하고 (세로, 가로)로 창이 놓이는 자리를 정한다."""
    _check_batch(images)
    kernels = _checks.pair("kernel_size", kernel_size, minimum=1)
    strides = kernels if stride is None else _checks.pair("stride", stride, minimum=1)
    paddings = _checks.pair("padding", padding, minimum=0)
    if any(2 * p > k for p, k in zip(paddings, kernels, strict=True)):
        rule = f"`kernel_size` {kernels}의 절반을 넘지 않아야 합니다"
        raise _checks.error("padding", rule, padding)
    return tuple(
        _Axis(axis, images.shape[axis], k, s, p, ceil_mode)
        for axis, k, s, p in zip((2, 3), kernels, strides, paddings, strict=True)
    )


def _check_batch(images):
    if images.ndim != 4:
        raise _checks.error("images", "모양이 (N, C, H, W)인 배치여야 합니다", images.shape)


def _check_grad_output(grad_output, images, rows, columns):
    """`grad_output`의 모양이 순전파의 출력과 같은지 확인한다."""
    shape = (*images.shape[:2], rows.output, columns.output)
    if grad_output.shape != shape:
        raise _checks.error("grad_output", f"모양이 {shape}여야 합니다", grad_output.shape)


def _lowest(dtype):
    """어느 값과 견주어도 더 크지 않은 값. 실수는 −∞, 정수는 가장 작은 정수이다."""
    if dtype.kind not in "iuf":
        raise _checks.error("images", "정수나 실수의 배열이어야 합니다", dtype.name, TypeError)
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def max_pool2d(images, kernel_size, *, stride=None, padding=0, ceil_mode=False):
    """최대 풀링. 정수든 실수든 자료형을 그대로 지킨다.

    Parameters
    ----------
    images : (N, C, H, W)
    kernel_size : 창의 크기, 정수 하나 또는 (세로, 가로)
    stride : 창을 옮기는 간격, 정수 하나 또는 (세로, 가로). None이면 `kernel_size`와 같다.
    padding : 양쪽에 덧대는 −∞의 수, `kernel_size`의 절반 이하
    ceil_mode : 참이면 끝에 남는 줄에도 창을 놓는다(`output_size`를 보라)

    Returns
    -------
    (N, C, OH, OW)

    Raises
    ------
    ValueError, TypeError
        모양이나 범위가 위와 다르거나, 창이 패딩까지 센 입력보다 클 때.
    """
    rows, columns = _axes(images, kernel_size, stride, padding, ceil_mode)
    initial = _lowest(images.dtype)
    return columns.collect(np.maximum, rows.collect(np.maximum, images, initial), initial)


def max_pool2d_backward(
    grad_output, images, kernel_size, *, stride=None, padding=0, ceil_mode=False
):
    """최대 풀링의 역전파. 출력의 기울기는 창마다 최댓값이 있던 한 칸으로 간다.

    최댓값이 여럿이면 글을 읽는 차례로 처음 나온 칸으로 간다. 창이 겹치면 한 칸에 여러 창의 기울기가
    모인다.

    Parameters
    ----------
    grad_output : 손실을 `max_pool2d`의 출력으로 미분한 값, (N, C, OH, OW)
    images, kernel_size, stride, padding, ceil_mode : 순전파에 준 것과 같다

    Returns
    -------
    손실을 `images`로 미분한 값, (N, C, H, W)
    """
    rows, columns = _axes(images, kernel_size, stride, padding, ceil_mode)
    _check_grad_output(grad_output, images, rows, columns)
    initial = _lowest(images.dtype)
    # 가로부터 고른다. 그래야 최댓값이 여럿일 때 윗줄의 것이, 한 줄에서는 왼쪽의 것이 뽑힌다.
    row_maximum = columns.collect(np.maximum, images, initial)  # (N, C, H, OW)
    maximum = rows.collect(np.maximum, row_maximum, initial)  # (N, C, OH, OW)
    grad = rows.scatter_to_first(grad_output, row_maximum, maximum)
    return columns.scatter_to_first(grad, images, row_maximum)


def avg_pool2d(
    images, kernel_size, *, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """평균 풀링. 실수는 자료형을 지키고, 정수의 평균은 `np.mean`처럼 float64로 낸다.

    Parameters
    ----------
    images, kernel_size, stride, ceil_mode : `max_pool2d`와 같다
    padding : 양쪽에 덧대는 0의 수, `kernel_size`의 절반 이하
    count_include_pad : 평균을 낼 때 패딩한 칸도 세는지

    Returns
    -------
    (N, C, OH, OW)
    """
    rows, columns = _axes(images, kernel_size, stride, padding, ceil_mode)
    x = images if images.dtype.kind == "f" else images.astype(np.float64)
    total = columns.collect(np.add, rows.collect(np.add, x, 0), 0)
    return total / _divisor(rows, columns, count_include_pad, x.dtype)


def avg_pool2d_backward(
    grad_output,
    images,
    kernel_size,
    *,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
):
    """평균 풀링의 역전파. 출력의 기울기를 칸의 수로 나누어 창의 모든 칸에 똑같이 더한다.

    인자와 결과는 `max_pool2d_backward`, `avg_pool2d`와 같다.
    """
    rows, columns = _axes(images, kernel_size, stride, padding, ceil_mode)
    _check_grad_output(grad_output, images, rows, columns)
    share = grad_output / _divisor(rows, columns, count_include_pad, grad_output.dtype)
    return rows.scatter(columns.scatter(share))


def _divisor(rows, columns, include_pad, dtype):
    """창마다 평균을 낼 때 나누는 수, (OH, OW)."""
    counts = (axis.counts(include_pad=include_pad) for axis in (rows, columns))
    return np.multiply.outer(*counts).astype(dtype)


def adaptive_bins(size: int, output_size: int) -> list[tuple[int, int]]:
    """`size`칸을 `output_size`개의 구간 [⌊i·size/o⌋, ⌈(i+1)·size/o⌉)로 나눈다.

    나누어떨어지지 않으면 이웃한 구간이 겹치기도 하고, `output_size`가 더 크면 같은 칸을 거듭 쓴다.

    >>> adaptive_bins(10, 3)
    [(0, 4), (3, 7), (6, 10)]
    """
    size = _checks.integer("size", size, minimum=1)
    count = _checks.integer("output_size", output_size, minimum=1)
    return [(i * size // count, ceil((i + 1) * size / count)) for i in range(count)]


def adaptive_avg_pool2d(images, output_size):
    """적응형 평균 풀링. 입력이 얼마나 크든 출력이 `output_size`가 되게 구간마다 평균을 낸다.

    Parameters
    ----------
    images : (N, C, H, W)
    output_size : 정수 하나 또는 (세로, 가로). None인 방향은 입력의 크기를 그대로 둔다.

    Returns
    -------
    (N, C, OH, OW). 채널 수는 바뀌지 않는다.
    """
    _check_batch(images)
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    if len(sizes) != 2:
        rule = "정수 하나 또는 (세로, 가로) 두 값이어야 합니다"
        raise _checks.error("output_size", rule, output_size)
    for axis, size in zip((2, 3), sizes, strict=True):
        length = images.shape[axis]
        bins = adaptive_bins(length, length if size is None else size)
        images = np.stack([images.take(range(*cells), axis).mean(axis) for cells in bins], axis)
    return images
