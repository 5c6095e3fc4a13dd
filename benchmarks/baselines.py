"""견주는 상대: 흔히 보는 NumPy 합성곱.

논문: Chellapilla 외 (2006). 합성곱을 행렬곱으로 바꾸는 im2col.
논문과 다른 점: 널리 쓰이는 구현의 버릇(float64 열 행렬, 커널 자리마다의 슬라이스)을 그대로 둔다.
"""

import numpy as np


def slice_loop_conv2d(images, weight, bias, *, stride=1, padding=0):
    """커널 자리마다 슬라이스를 떠서 float64 열 행렬을 만들고 한 번에 곱한다."""
    n, c, h, w = images.shape
    m, _, kh, kw = weight.shape
    oh = (h + 2 * padding - kh) // stride + 1
    ow = (w + 2 * padding - kw) // stride + 1
    padded = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    columns = np.zeros((n, c, kh, kw, oh, ow))
    for i in range(kh):
        for j in range(kw):
            columns[:, :, i, j] = padded[
                :, :, i : i + stride * oh : stride, j : j + stride * ow : stride
            ]
    columns = columns.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)
    output = np.dot(columns, weight.reshape(m, -1).T) + bias
    return output.reshape(n, oh, ow, m).transpose(0, 3, 1, 2)
