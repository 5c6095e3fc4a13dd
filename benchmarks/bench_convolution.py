"""NumPy `conv2d`의 시간을 흔한 슬라이스 반복 im2col, `torch.nn.functional.conv2d`와 견준다.

셋을 번갈아 재고 중앙값의 비를 찍는다. BLAS와 OpenMP의 스레드는 일이 끝난 뒤에도 얼마 동안 돌며 다음
일을 기다리므로, 차례를 바꿀 때마다 잠시 쉬고 한 번 데운 뒤에 잰다. 스레드 수를 맞추려면
`OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2`를 앞에 붙인다.
"""

import statistics
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from baselines import slice_loop_conv2d

from cnn_lectures.layers.convolution import conv2d

ROUNDS, REPEATS, REST = 9, 5, 0.1
FASTER_THAN_SLICES, TIMES_TORCH = 5.0, 2.5


class Layer(NamedTuple):
    """재어 볼 합성곱 층 하나. `images`는 (N, C, H, W)다."""

    name: str
    images: tuple[int, int, int, int]
    filters: int
    kernel_size: int
    stride: int = 1
    padding: int = 0


LAYERS = [
    Layer("LeNet c1", (256, 1, 32, 32), 6, 5),
    Layer("LeNet c3", (256, 6, 14, 14), 16, 5),
    Layer("AlexNet conv1", (8, 3, 224, 224), 96, 11, stride=4, padding=2),
    Layer("3x3 64->128 at 56", (4, 64, 56, 56), 128, 3, padding=1),
    Layer("1x1 256->64 at 56", (4, 256, 56, 56), 64, 1),
]


def contenders(layer: Layer):
    """이름과 인자 없는 함수의 표. 모두 같은 float32 배열을 받는다."""
    rng = np.random.default_rng(0)
    shape = (layer.filters, layer.images[1], layer.kernel_size, layer.kernel_size)
    arrays = [
        rng.standard_normal(layer.images, dtype=np.float32),
        rng.standard_normal(shape, dtype=np.float32),
        rng.standard_normal(layer.filters, dtype=np.float32),
    ]
    tensors = [torch.from_numpy(array) for array in arrays]
    window = {"stride": layer.stride, "padding": layer.padding}
    return {
        "slices": lambda: slice_loop_conv2d(*arrays, **window),
        "ours": lambda: conv2d(*arrays, **window),
        "torch": lambda: F.conv2d(*tensors, **window).numpy(),
    }


def check(functions) -> None:
    """셋의 답이 같은지 확인한다."""
    expected = functions["slices"]()
    for name in ("ours", "torch"):
        np.testing.assert_allclose(functions[name](), expected, rtol=1e-3, atol=1e-3, err_msg=name)


def measure(functions) -> dict[str, float]:
    """번갈아 잰 시간의 중앙값, 밀리초."""
    times = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            time.sleep(REST)
            function()
            for _ in range(REPEATS):
                start = time.perf_counter()
                function()
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """층마다 한 줄씩 찍는다."""
    print(f"conv2d, float32, {torch.get_num_threads()} threads, median of {ROUNDS * REPEATS}")
    print(f"goals: slices/ours >= {FASTER_THAN_SLICES}, ours/torch <= {TIMES_TORCH}")
    print(f"{'layer':18} {'slices':>9} {'ours':>9} {'torch':>9}  slices/ours  ours/torch")
    for layer in LAYERS:
        functions = contenders(layer)
        check(functions)
        slices, ours, torchs = measure(functions).values()
        times = " ".join(f"{value:6.2f} ms" for value in (slices, ours, torchs))
        gains = f"{slices / ours:10.1f}x  {ours / torchs:9.2f}x"
        reached = slices / ours >= FASTER_THAN_SLICES and ours / torchs <= TIMES_TORCH
        print(f"{layer.name:18} {times}  {gains}  {'reached' if reached else 'missed'}")


if __name__ == "__main__":
    main()
