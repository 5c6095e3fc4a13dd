"""모형마다 책에 적힌 수와, 그 수가 이 컴퓨터에서도 나오는지 확인하는 일.

가중치는 난수가 아니라 식으로 정한 수로 채운다. 그래서 torch의 판이나 장치가 달라도 같은 로짓이
나와야 한다.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cnn_lectures.complexity import count_parameters
from cnn_lectures.models import build_model


class Answer(NamedTuple):
    """모형의 기본 꼴이 내야 하는 수.

    Attributes
    ----------
    parameters : 책에 적힌 매개변수의 수
    classes : 로짓의 수
    largest : `fixed_logits`에서 절댓값이 가장 큰 로짓의 크기
    """

    parameters: int
    classes: int
    largest: float


ANSWERS: dict[str, Answer] = {
    "lenet5": Answer(61_706, 10, 1.1152),
    "lenet5_original": Answer(60_000, 10, 219.2),
    "bn_lenet": Answer(44_878, 10, 0.86291),
    "alexnet": Answer(62_378_344, 1000, 119.94),
    "alexnet_one_tower": Answer(61_100_840, 1000, 542.66),
    "alexnet_small": Answer(425_514, 10, 0.50395),
    "vgg11": Answer(132_863_336, 1000, 225.54),
    "vgg11_bn": Answer(132_868_840, 1000, 225.53),
    "vgg11_lrn": Answer(132_863_336, 1000, 134.09),
    "vgg13": Answer(133_047_848, 1000, 101.82),
    "vgg13_bn": Answer(133_053_736, 1000, 101.82),
    "vgg16": Answer(138_357_544, 1000, 20.958),
    "vgg16_1x1": Answer(133_638_952, 1000, 8.078),
    "vgg16_bn": Answer(138_365_992, 1000, 20.957),
    "vgg19": Answer(143_667_240, 1000, 7.129),
    "vgg19_bn": Answer(143_678_248, 1000, 7.1284),
    "vgg_small": Answer(220_794, 10, 0.8009),
    "nin": Answer(1_992_166, 10, 0.48752),
    "nin_cifar": Answer(966_986, 10, 0.43372),
    "nin_small": Answer(46_210, 10, 0.49451),
    "googlenet": Answer(6_998_552, 1000, 0.070489),
    "googlenet_bn": Answer(6_624_904, 1000, 0.21507),
    "googlenet_small": Answer(355_490, 10, 0.63748),
    "resnet18": Answer(11_689_512, 1000, 3.6432),
    "resnet34": Answer(21_797_672, 1000, 21.334),
    "resnet50": Answer(25_557_032, 1000, 85.392),
    "resnet101": Answer(44_549_160, 1000, 32024),
    "resnet152": Answer(60_192_808, 1000, 1.2397e07),
    "cifar_resnet": Answer(269_722, 10, 10.988),
    "resnet_small": Answer(43_490, 10, 2.9935),
    "densenet121": Answer(7_978_856, 1000, 0.4534),
    "densenet161": Answer(28_681_000, 1000, 0.26421),
    "densenet169": Answer(14_149_480, 1000, 0.42531),
    "densenet201": Answer(20_013_928, 1000, 0.30847),
    "cifar_densenet": Answer(769_162, 10, 0.23862),
    "densenet_small": Answer(32_318, 10, 0.30501),
}

RECORD_TOLERANCE = 1e-3  # 더하는 차례가 다른 CPU 사이의 차이
DEVICE_TOLERANCE = 5e-2  # GPU의 합성곱이 쓰는 TF32는 유효 숫자가 세 자리이고, 층마다 쌓인다

PERIOD = 10_007  # 소수. 층의 모양과 나누어떨어지지 않아 커널마다 값이 다르다
LARGEST_WEIGHT = 4096 * 512 * 7**2  # VGG의 첫 완전 연결 층
BIG = 4_000_000


class SkipRandomness(TorchFunctionMode):
    """문맥 안에서 난수로 채우는 일을 건너뛴다. 곧 다른 값으로 채울 모형을 빨리 만든다."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """이름이 `normal_`이나 `uniform_`으로 끝나는 함수는 받은 텐서를 그대로 돌려준다."""
        kwargs = kwargs or {}
        if getattr(function, "__name__", "").endswith(("normal_", "uniform_")):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def fixed_numbers(count: int = LARGEST_WEIGHT) -> Tensor:
    """−0.5 이상 0.5 미만에 고루 퍼진, 늘 같은 수 `count`개. i²φ의 소수 부분에서 0.5를 뺀 것이다."""
    index = torch.arange(PERIOD, dtype=torch.float64)
    cycle = (index.square() * 0.6180339887498949 % 1 - 0.5).float()
    return cycle.repeat(-(-count // PERIOD))[:count]


def fill(model: nn.Module, pool: Tensor) -> None:
    """매개변수를 `pool`의 앞부분으로 바꾼다. 1차원인 것은 weight면 1로, 아니면 0으로 둔다.

    He 초기화처럼 크기를 맞추되, 큰 완전 연결 층은 메모리를 아끼려고 `pool`을 그대로 나누어 쓴다.
    """
    for module in list(model.modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.dim() > 1:
                value = pool[: parameter.numel()].view(parameter.shape)
                if parameter.numel() < BIG:
                    value = value * (24 / parameter[0].numel()) ** 0.5
            else:
                value = pool.new_full(parameter.shape, float(name == "weight"))
            setattr(module, name, nn.Parameter(value, requires_grad=False))
    model.to(pool.device)


def fixed_logits(name: str, pool: Tensor) -> tuple[int, Tensor]:
    """`pool`로 채운 모형의 매개변수 수와, 작은 이미지 두 장의 로짓(CPU).

    Parameters
    ----------
    name : `MODELS`의 열쇠
    pool : 계산할 장치에 놓인 `fixed_numbers`
    """
    with SkipRandomness():
        model = build_model(name).eval()
    fill(model, pool)
    channels = getattr(model, "in_channels", 1)
    side = 28 if name == "bn_lenet" else max(getattr(model, "minimum_size", 32), 32)
    shape = (2, channels, side, side)
    images = pool[: 2 * channels * side * side].view(shape) + 0.5
    with torch.inference_mode():
        return count_parameters(model), model(images).cpu()


def discrepancy(name: str, parameters: int, logits: Tensor, on_cpu: Tensor | None = None) -> str:
    """책과 다른 점을 적은 글. 같으면 빈 글.

    Parameters
    ----------
    name : `ANSWERS`의 열쇠
    parameters, logits : `fixed_logits`가 돌려준 것
    on_cpu : 다른 장치의 `logits`이면 견줄 CPU의 로짓
    """
    answer = ANSWERS[name]
    if parameters != answer.parameters:
        return f"매개변수가 {parameters:,}개입니다 (책은 {answer.parameters:,}개)"
    if logits.shape != (2, answer.classes):
        return f"로짓의 모양이 {tuple(logits.shape)}입니다 (책은 {(2, answer.classes)})"
    if not logits.isfinite().all():
        return "로짓에 유한하지 않은 값이 있습니다"
    largest = logits.abs().max().item()
    tolerance = RECORD_TOLERANCE if on_cpu is None else DEVICE_TOLERANCE
    if abs(largest - answer.largest) > tolerance * answer.largest:
        return f"가장 큰 로짓이 {largest:.5g}입니다 (기록은 {answer.largest:.5g})"
    if on_cpu is not None:
        difference = (logits - on_cpu).abs().max().item()
        if difference > tolerance * answer.largest:
            return f"로짓이 CPU와 {difference:.3g}만큼 다릅니다"
    return ""
