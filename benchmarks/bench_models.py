"""torchvision의 같은 모형과 시간과 메모리를 견준다.

같은 가중치와 같은 이미지로 두 쪽을 번갈아 재어 비율의 중앙값을 찍는다. 메모리는 값을 계산하지 않고
`meta` 장치에서 텐서의 크기를 따라가며 가장 많을 때를 잰 것이라, 몇 번을 재어도 같다.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn

from cnn_lectures.complexity import PeakMemory, count_parameters
from cnn_lectures.models import build_model

# (우리 이름, torchvision의 이름, torchvision의 인자, 이미지 수, 이미지의 한 변)
MODELS = [
    ("alexnet_one_tower", "alexnet", {}, 8, 224),
    ("vgg11", "vgg11", {"init_weights": False}, 2, 224),
    ("vgg16_bn", "vgg16_bn", {"init_weights": False}, 1, 224),
    ("googlenet_bn", "googlenet", {"init_weights": False, "aux_logits": False}, 4, 224),
    ("resnet18", "resnet18", {}, 4, 224),
    ("resnet50", "resnet50", {}, 2, 224),
    ("densenet121", "densenet121", {}, 2, 224),
]
RUNS, GOAL, MEMORY_GOAL, EFFICIENT_GOAL = 11, 1.03, 1.00, 0.5


def forward(model: nn.Module, images: Tensor) -> None:
    """추론."""
    with torch.inference_mode():
        model(images)


def both(model: nn.Module, images: Tensor) -> None:
    """순전파와 역전파."""
    model.zero_grad()
    model(images).square().mean().backward()


def ratio(work: Callable, ours: nn.Module, theirs: nn.Module, images: Tensor) -> float:
    """두 쪽을 번갈아 잰 시간의 비(우리/torchvision)의 중앙값. 먼저 재는 쪽을 매번 바꾼다."""
    ratios = []
    for number in range(RUNS + 2):
        seconds = {}
        for model in (ours, theirs) if number % 2 else (theirs, ours):
            start = time.perf_counter()
            work(model, images)
            seconds[model] = time.perf_counter() - start
        ratios.append(seconds[ours] / seconds[theirs])
    return statistics.median(ratios[2:])  # 처음 두 번은 준비 운동이다


def peak(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> int:
    """순전파와 역전파를 하는 동안 새로 잡는 메모리가 가장 많을 때의 바이트."""
    with torch.device("meta"):
        model, images = build(), torch.empty(shape)
        with PeakMemory() as memory:
            model(images).sum().backward()
    return memory.peak


def main() -> None:
    """모형마다 시간과 메모리의 비, 그리고 DenseNet의 `memory_efficient`가 아끼는 양을 찍는다."""
    print(f"models against torchvision, median of {RUNS}   goal <= {GOAL:.2f}x time", end="")
    print(f", <= {MEMORY_GOAL:.2f}x memory")
    for name, twin, options, count, size in MODELS:
        ours, theirs = build_model(name), torchvision.models.get_model(twin, **options)
        ours.load_state_dict(theirs.state_dict())
        images = torch.rand(count, 3, size, size)
        inference = ratio(forward, ours.eval(), theirs.eval(), images)
        training = ratio(both, ours.train(), theirs.train(), images)
        memory = peak(lambda n=name: build_model(n), images.shape) / peak(
            lambda n=twin, o=options: torchvision.models.get_model(n, **o), images.shape
        )
        print(f"  {name:<18} forward {inference:.3f}x   with backward {training:.3f}x", end="")
        print(f"   peak memory {memory:.3f}x", flush=True)

    activations = []
    for efficient in (True, False):
        build = lambda e=efficient: build_model("densenet121", memory_efficient=e)  # noqa: E731
        activations.append(peak(build, (8, 3, 224, 224)) - 4 * count_parameters(build()))
    kept = activations[0] / activations[1]
    print(f"densenet121 memory_efficient, activation memory   goal <= {EFFICIENT_GOAL:.2f}x")
    print(f"  {activations[0] / 2**20:.0f} MiB against {activations[1] / 2**20:.0f} MiB", end="")
    print(f"   {kept:.2f}x")


if __name__ == "__main__":
    main()
