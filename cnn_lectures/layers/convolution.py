"""NumPy만으로 만든 2차원 합성곱: 출력 크기, im2col, 정의 그대로의 반복문, 빠른 순전파, 역전파.

논문: 합성곱 층은 LeCun 외 (1998) 2절, im2col은 Chellapilla 외 (2006), 빠른 순전파는 Cho & Brand
(2017, arXiv:1706.06873)의 MEC.
논문과 다른 점: 커널을 뒤집지 않는다(교차상관). MEC는 작은 층에만 쓰고, 그룹도 받는다.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnn_lectures import _checks

CACHE = 2**18  # 한 번에 펼칠 띠의 크기(바이트). L2 캐시의 절반쯤이다.
SMALL_PRODUCT = 2**19  # OpenBLAS는 곱셈-누산이 이보다 적은 행렬 곱을 여러 스레드로 나누지 않는다.


def output_size(size, kernel_size, *, stride=1, padding=0, dilation=1, ceil_mode=False) -> int:
    """한 축에서 커널이 놓이는 자리의 수, ⌊(H + 2P − D(K−1) − 1) / S⌋ + 1.

    Parameters
    ----------
    size, kernel_size, stride, dilation : 1 이상의 정수
    padding : 0 이상의 정수. 양 끝에 똑같이 덧대는 줄의 수다.
    ceil_mode : 참이면 올림한다. 다만 오른쪽 패딩에서 시작하는 자리는 세지 않는다(풀링에 쓴다).

    Raises
    ------
    ValueError, TypeError
        인자가 위와 다르거나, 팽창률까지 센 커널이 패딩까지 센 입력보다 클 때.
    """
    room = _room(size, kernel_size, stride, padding, dilation)
    last = room // stride  # 마지막 자리의 번호
    if ceil_mode and room % stride and (last + 1) * stride < size + padding:
        last += 1
    return last + 1


def remainder(size, kernel_size, *, stride=1, padding=0, dilation=1) -> int:
    """패딩까지 센 입력의 끝에서 커널이 끝내 닿지 않는 줄의 수. 인자는 `output_size`와 같다."""
    return _room(size, kernel_size, stride, padding, dilation) % stride


def _room(size, kernel_size, stride, padding, dilation) -> int:
    """맨 앞에 놓은 커널을 밀 수 있는 칸의 수."""
    arguments = {"size": size, "kernel_size": kernel_size, "stride": stride, "dilation": dilation}
    for parameter, value in arguments.items():
        _checks.integer(parameter, value, minimum=1)
    padded = size + 2 * _checks.integer("padding", padding, minimum=0)
    reach = dilation * (kernel_size - 1) + 1
    if reach > padded:
        rule = f"팽창률까지 센 커널({reach})이 패딩까지 센 입력({padded})보다 클 수 없습니다"
        raise _checks.error("kernel_size", rule, kernel_size)
    return padded - reach


def _windows(shape, kernel_size, stride, padding, dilation):
    """검사를 마친 커널, 스트라이드, 패딩, 팽창률, 출력의 (세로, 가로)."""
    if len(shape) != 4:
        raise _checks.error("images", "모양이 (N, C, H, W)인 배치여야 합니다", tuple(shape))
    kernel = _checks.pair("kernel_size", kernel_size, minimum=1)
    stride = _checks.pair("stride", stride, minimum=1)
    padding = _checks.pair("padding", padding, minimum=0)
    dilation = _checks.pair("dilation", dilation, minimum=1)
    output = tuple(
        output_size(size, k, stride=s, padding=p, dilation=d)
        for size, k, s, p, d in zip(shape[2:], kernel, stride, padding, dilation, strict=True)
    )
    return kernel, stride, padding, dilation, output


def _patches(images, windows):
    """커널 아래의 조각을 모은 뷰, (N, C, KH, KW, OH, OW). 패딩이 있을 때만 복사한다."""
    _, (sh, sw), padding, (dh, dw), _ = windows
    if any(padding):
        images = np.pad(images, ((0, 0), (0, 0), *((side, side) for side in padding)))
    reach = [d * (k - 1) + 1 for k, d in zip(windows[0], windows[3], strict=True)]
    view = sliding_window_view(images, reach, axis=(2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]
    return view.transpose(0, 1, 4, 5, 2, 3)


def img2col(images, kernel_size, *, stride=1, padding=0, dilation=1):
    """커널 아래의 조각을 한 행씩 편다. 흔히 im2col이라 부른다.

    Parameters
    ----------
    images : (N, C, H, W). 정수여도 되며 자료형을 지킨다.
    kernel_size, stride, padding, dilation : 정수 하나 또는 (세로, 가로)

    Returns
    -------
    (N·OH·OW, C·KH·KW). 한 행에 조각 하나가 채널, 세로, 가로 순서로 놓인다.

    Raises
    ------
    ValueError, TypeError
        배치가 4차원이 아니거나 `output_size`가 받지 않는 인자일 때.
    """
    windows = _windows(images.shape, kernel_size, stride, padding, dilation)
    patches = _patches(images, windows).transpose(0, 4, 5, 1, 2, 3).copy()
    n, oh, ow, c, kh, kw = patches.shape
    return patches.reshape(n * oh * ow, c * kh * kw)


def col2img(columns, image_shape, kernel_size, *, stride=1, padding=0, dilation=1):
    """펼친 조각을 제자리로 돌려보내고, 조각이 겹친 화소에는 모두 더한다.

    `img2col`을 행렬 A로 쓰면 이 함수는 역행렬이 아니라 수반(adjoint) Aᵀ이다. 화소는 자기를 덮은
    조각의 수만큼 더해지므로, 조각이 겹치지도 빠지지도 않을 때만 처음 이미지가 돌아온다.

    Parameters
    ----------
    columns : (N·OH·OW, C·KH·KW)
    image_shape : 돌려줄 이미지의 모양 (N, C, H, W)
    kernel_size, stride, padding, dilation : `img2col`과 같다

    Raises
    ------
    ValueError, TypeError
        `img2col`이 받지 않는 인자이거나, `columns`의 모양이 그 결과와 다를 때.
    """
    windows = _windows(image_shape, kernel_size, stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), (oh, ow) = windows
    n, c, h, w = image_shape
    if columns.shape != (n * oh * ow, c * kh * kw):
        rule = f"모양이 {(n * oh * ow, c * kh * kw)}여야 합니다"
        raise _checks.error("columns", rule, columns.shape)
    patches = columns.reshape(n, oh, ow, c, kh, kw).transpose(4, 5, 0, 3, 1, 2)
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), columns.dtype)
    for i, j in np.ndindex(kh, kw):
        y, x = i * dh, j * dw
        padded[:, :, y : y + sh * oh : sh, x : x + sw * ow : sw] += patches[i, j]
    return padded[:, :, ph : ph + h, pw : pw + w]


def _check_convolution(images, weight, stride, padding, dilation, groups, **others):
    """합성곱의 인자를 검사하고 `_windows`를 돌려준다."""
    if weight.ndim != 4:
        rule = "모양이 (출력 채널, 입력 채널/groups, KH, KW)여야 합니다"
        raise _checks.error("weight", rule, weight.shape)
    windows = _windows(images.shape, weight.shape[2:], stride, padding, dilation)
    _checks.integer("groups", groups, minimum=1)
    if images.shape[1] % groups or len(weight) % groups:
        rule = f"입력 채널({images.shape[1]})과 출력 채널({len(weight)})의 공약수여야 합니다"
        raise _checks.error("groups", rule, groups)
    _checks.image_batch(images, channels=weight.shape[1] * groups)
    shapes = {
        "weight": weight.shape,
        "bias": (len(weight),),
        "grad_output": (len(images), len(weight), *windows[-1]),
    }
    for parameter, array in {"weight": weight, **others}.items():
        if array.shape != shapes[parameter]:
            raise _checks.error(parameter, f"모양이 {shapes[parameter]}여야 합니다", array.shape)
        if array.dtype != images.dtype:
            rule = f"`images`와 자료형({images.dtype})이 같아야 합니다"
            raise _checks.error(parameter, rule, str(array.dtype), TypeError)
    return windows


def conv2d_loops(images, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """정의 그대로의 합성곱: 출력 한 칸마다 조각과 필터를 원소끼리 곱해 모두 더한다.

    인자, 결과, 예외는 `conv2d`와 같다. 느리지만 `conv2d`가 무엇을 계산하는지 보여 준다.
    """
    bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
    windows = _check_convolution(images, weight, stride, padding, dilation, groups, bias=bias)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), (oh, ow) = windows
    padded = np.pad(images, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    filters, depth = len(weight) // groups, weight.shape[1]  # 한 그룹의 필터 수와 채널 수
    output = np.empty((len(images), len(weight), oh, ow), images.dtype)
    for n, m, y, x in np.ndindex(output.shape):
        first, top, left = m // filters * depth, y * sh, x * sw
        channels = padded[n, first : first + depth]
        patch = channels[:, top : top + dh * kh : dh, left : left + dw * kw : dw]
        output[n, m, y, x] = np.sum(patch * weight[m]) + bias[m]
    return output


def conv2d(images, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """행렬 곱으로 계산하는 빠른 합성곱.

    곱이 크면 이미지마다 KH·KW배로 펼쳐 한 번에 곱한다. 곱이 작으면 펼치는 시간이 아까우므로
    가로로만 KW배로 펼친 띠를 쓴다. 출력 한 행에 필요한 KH줄은 띠 안에 이어져 있어, 세로로는 복사
    없이 뷰를 밀며 곱하면 된다(MEC).

    Parameters
    ----------
    images : (N, C, H, W), 실수형
    weight : (M, C/groups, KH, KW), `images`와 같은 자료형
    bias : (M,), `images`와 같은 자료형
    stride, padding, dilation : 정수 하나 또는 (세로, 가로)
    groups : C와 M의 공약수

    Returns
    -------
    (N, M, OH, OW), `images`와 같은 자료형

    Raises
    ------
    ValueError, TypeError
        모양이나 자료형이 위와 다르거나 `output_size`가 받지 않는 인자일 때.
    """
    bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
    windows = _check_convolution(images, weight, stride, padding, dilation, groups, bias=bias)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), (oh, ow) = windows
    (n, _, h, w), g, m, c = images.shape, groups, len(weight) // groups, weight.shape[1]
    output = np.empty((n, g * m, oh, ow), images.dtype)
    height, width = h + 2 * ph, w + 2 * pw
    size = CACHE // (g * height * c * kw * ow * images.itemsize)
    size = min(max(size, 1), n)  # 띠를 한 번에 만들 이미지의 수 B
    if m * c * kh * kw * size * ow >= SMALL_PRODUCT:  # 1×1 합성곱이면 펼쳐도 복사가 없다
        matrix = weight.reshape(g, m, c * kh * kw)
        for i, result in enumerate(output.reshape(n, g, m, oh * ow)):
            patches = _patches(images[i : i + 1], windows)
            np.matmul(matrix, patches.reshape(g, c * kh * kw, oh * ow), out=result)
            result += bias.reshape(g, m, 1)
        return output

    matrix = weight.reshape(g, 1, m, c, kh, kw).swapaxes(3, 4).reshape(g, 1, m, kh * c * kw)
    rows = output.reshape(n, g, m, oh, ow).transpose(1, 3, 2, 0, 4)  # (G, OH, M, N, OW)

    def convolve(starts):
        canvas = np.zeros((size, g, c, height, width), images.dtype)
        inside = canvas.reshape(size, g * c, height, width)[..., ph : ph + h, pw : pw + w]
        shifted = sliding_window_view(canvas, dw * (kw - 1) + 1, axis=4)[..., ::sw, ::dw]
        shifted = shifted.transpose(1, 3, 2, 5, 0, 4)
        strips = np.empty(shifted.shape, images.dtype)  # (G, H, C, KW, B, OW)
        lines = strips.reshape(g, height, c * kw, size * ow)
        lines = sliding_window_view(lines, dh * (kh - 1) + 1, axis=1)[:, ::sh, ..., ::dh]
        lines = lines.transpose(0, 1, 4, 2, 3)  # (G, OH, KH, C·KW, B·OW)
        for start in starts:
            block = slice(start, min(start + size, n))
            inside[: block.stop - start] = images[block]
            strips[...] = shifted
            product = matrix @ lines.reshape(g, oh, kh * c * kw, size * ow)
            product += bias.reshape(g, 1, m, 1)
            product = product.reshape(g, oh, m, size, ow)
            rows[..., block, :] = product[..., : block.stop - start, :]

    starts = range(0, n, size or 1)
    with ThreadPoolExecutor(1) as helper:  # 작은 곱은 BLAS가 나누지 않으므로 둘이 나누어 맡는다
        other_half = helper.submit(convolve, starts[1::2])
        convolve(starts[::2])
        other_half.result()
    return output


def conv2d_backward(grad_output, images, weight, *, stride=1, padding=0, dilation=1, groups=1):
    """`conv2d`의 역전파.

    순전파는 펼친 행렬 X로 Y = XWᵀ + b이다. 그래서 dW = dYᵀX이고, db는 dY의 열마다 더한 값이며,
    dX = dY·W를 `col2img`로 접으면 이미지의 기울기가 된다.

    Parameters
    ----------
    grad_output : (N, M, OH, OW), 손실을 `conv2d`의 출력으로 미분한 기울기
    images, weight, stride, padding, dilation, groups : 순전파에 준 것과 같다

    Returns
    -------
    (grad_images, grad_weight, grad_bias). 모양은 `images`, `weight`, (M,)과 같다.

    Raises
    ------
    ValueError, TypeError
        `conv2d`가 받지 않는 인자이거나 `grad_output`의 모양이나 자료형이 다를 때.
    """
    _check_convolution(images, weight, stride, padding, dilation, groups, grad_output=grad_output)
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    columns = img2col(images, weight.shape[2:], **window)
    grad_rows = grad_output.transpose(0, 2, 3, 1).reshape(len(columns), len(weight))

    def split(matrix):  # (행, groups·열) -> (groups, 행, 열)
        return np.stack(np.split(matrix, groups, axis=1))

    grad_weight = split(grad_rows).swapaxes(1, 2) @ split(columns)
    grad_columns = split(grad_rows) @ weight.reshape(groups, len(weight) // groups, -1)
    grad_columns = np.concatenate(grad_columns, axis=1)
    grad_images = col2img(grad_columns, images.shape, weight.shape[2:], **window)
    return grad_images, grad_weight.reshape(weight.shape), grad_output.sum(axis=(0, 2, 3))
