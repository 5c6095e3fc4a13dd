"""최대 풀링의 순전파를 흔히 쓰는 im2col 풀링과 번갈아 재어 비율의 중앙값을 찍는다."""

import statistics
import time

import numpy as np

from cnn_lectures.layers.pooling import max_pool2d

# (이름, 입력의 모양, kernel_size, stride, padding)
SHAPES = [
    ("LeNet S2", (256, 6, 28, 28), 2, 2, 0),
    ("LeNet S4", (256, 16, 10, 10), 2, 2, 0),
    ("AlexNet pool1", (8, 96, 55, 55), 3, 2, 0),
    ("VGG pool2", (4, 128, 112, 112), 2, 2, 0),
    ("GoogLeNet 3a pool", (8, 192, 28, 28), 3, 1, 1),
    ("ResNet maxpool", (4, 64, 112, 112), 3, 2, 1),
]
RUNS, GOAL = 9, 5.0


def usual(images: np.ndarray, kernel_size: int, *, stride: int, padding: int) -> np.ndarray:
    """칸마다 잘라 float64 행렬에 모으고 행마다 argmax와 max를 구하는, 흔히 쓰는 풀링."""
    count, channels, height, width = images.shape
    oh = (height + 2 * padding - kernel_size) // stride + 1
    ow = (width + 2 * padding - kernel_size) // stride + 1
    margins = (0, 0), (0, 0), (padding, padding), (padding, padding)
    padded = np.pad(images, margins, constant_values=-np.inf)
    columns = np.zeros((count, channels, kernel_size, kernel_size, oh, ow))
    for i, j in np.ndindex(kernel_size, kernel_size):
        bottom, right = i + stride * (oh - 1) + 1, j + stride * (ow - 1) + 1
        columns[:, :, i, j] = padded[:, :, i:bottom:stride, j:right:stride]
    columns = columns.transpose(0, 4, 5, 1, 2, 3).reshape(-1, kernel_size**2)
    np.argmax(columns, axis=1)  # 역전파에 쓰려고 늘 구해 둔다
    return np.max(columns, axis=1).reshape(count, oh, ow, channels).transpose(0, 3, 1, 2)


def seconds(pool, *args, **options) -> float:
    """한 번 부르는 데 걸린 시간."""
    start = time.perf_counter()
    pool(*args, **options)
    return time.perf_counter() - start


def main() -> None:
    """모양마다 두 쪽의 시간과 비율을 찍는다."""
    print(f"max_pool2d, float32, median of {RUNS}   goal >= {GOAL:.1f}x")
    for name, shape, kernel_size, stride, padding in SHAPES:
        images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        geometry = {"stride": stride, "padding": padding}
        pools = usual, max_pool2d
        expected, out = (pool(images, kernel_size, **geometry) for pool in pools)
        np.testing.assert_array_equal(out, expected)
        pairs = [
            [seconds(pool, images, kernel_size, **geometry) for pool in pools] for _ in range(RUNS)
        ]
        slow, fast = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(slow / fast for slow, fast in pairs)
        print(f"  {name:<18} {1e3 * slow:7.1f} ms   ours {1e3 * fast:6.2f} ms   {ratio:5.1f}x")


if __name__ == "__main__":
    main()
