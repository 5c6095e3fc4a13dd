"""모든 신경망을 나란히 견준다: 논문에 실린 오류율은 자료로, 나머지 수는 모형에서 계산한다.

오류율(%)은 재는 방법이 다르면 견줄 수 없으므로 방법과 출처를 함께 적는다. torchvision의 오류율은
가중치를 내려받지 않고 그 가중치의 설명에서 읽는다.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import permutations
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.complexity import (
    NARROW_BRANCHES,
    PeakMemory,
    count_parameters,
    layer_costs,
    longest_path,
)
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.models import build_model
from cnn_lectures.models._common import choice
from cnn_lectures.models.densenet import DenseBlock
from cnn_lectures.models.googlenet import ConvReLU, Inception
from cnn_lectures.models.resnet import BottleneckV1, ResidualBlock
from cnn_lectures.receptive_field import receptive_fields


class Result(NamedTuple):
    """논문에 실린 성적 하나.

    Attributes
    ----------
    top1, top5 : 상위 1, 상위 5 오류율(%). 논문에 없으면 None
    protocol : 재는 방법. 앙상블이 아니면 신경망 하나의 성적이다.
    split : 자료
    place : 출처의 참고 문헌 열쇠와 표
    """

    top1: float | None
    top5: float | None
    protocol: str
    split: str
    place: str


VAL, TEST = "ImageNet val", "ImageNet test"
VGG, GOING = "simonyan2015vgg", "szegedy2015going"
RESNET, DENSE = "he2016resnet", "huang2017densenet"
# 1 crop: 가운데 하나. 10 crops: 크롭 다섯과 그 거울상. dense: 큰 이미지에 합성곱으로 적용하여
# 평균. multi-scale: 여러 크기에서 되풀이. multi-crop: dense와 크기마다의 크롭 50개를 함께 평균.
ONE, TEN, DENSE1, SCALES = "1 crop", "10 crops", "dense", "multi-scale"


class Network(NamedTuple):
    """견줄 신경망 하나.

    Attributes
    ----------
    name : 논문의 이름
    year : 처음 공개된 해(arXiv에 먼저 올렸으면 그해)
    model, options : 논문의 꼴(LeNet-5만 오늘날의 꼴)을 만드는 `MODELS`의 열쇠와 인자
    chapter : 이 책의 장
    results : 논문에 실린 성적. 손이 덜 간 방법부터
    torchvision : torchvision의 이름과, 그것과 같은 `MODELS`의 열쇠. 없으면 None
    image : 이미지의 (채널 수, 한 변)
    """

    name: str
    year: int
    model: str
    options: dict
    chapter: int
    results: tuple[Result, ...]
    torchvision: tuple[str, str] | None = None
    image: tuple[int, int] = (3, 224)


def _same_name(name: str, year: int, chapter: int, *results: Result, **options) -> Network:
    """논문의 이름에서 줄표를 뺀 것이 이 책과 torchvision의 이름인 신경망."""
    key = name.lower().replace("-", "")
    return Network(name, year, key, options, chapter, results, (key, key))


NETWORKS: tuple[Network, ...] = (
    Network(
        "LeNet-5", 1998, "lenet5", {}, 2,
        (Result(0.95, None, "whole image", "MNIST test", "lecun1998gradient, III.B"),),
        image=(1, 32),
    ),
    Network(
        "AlexNet", 2012, "alexnet", {"groups": 2}, 6,
        (
            Result(40.7, 18.2, TEN, VAL, "krizhevsky2012imagenet, Table 2"),
            Result(38.1, 16.4, f"{TEN}, 5 nets", VAL, "krizhevsky2012imagenet, Table 2"),
        ),
        ("alexnet", "alexnet_one_tower"),
    ),
    Network(  # 논문에 ImageNet 성적이 없다. CIFAR-10은 다른 신경망(`nin_cifar`)으로 얻었다.
        "NiN", 2013, "nin", {"in_channels": 3, "num_classes": 1000}, 8,
        (
            Result(10.41, None, "whole image", "CIFAR-10 test", "lin2014nin, Table 1"),
            Result(8.81, None, "whole image, augmented", "CIFAR-10 test", "lin2014nin, Table 1"),
        ),
    ),
    # 표 3은 한 크기로 학습하고 재었다(S=Q=256). 16층과 19층의 dense는 S를 256–512로 바꿔 가며 학습
    _same_name("VGG-11", 2014, 7, Result(29.6, 10.4, DENSE1, VAL, f"{VGG}, Table 3")),
    _same_name("VGG-13", 2014, 7, Result(28.7, 9.9, DENSE1, VAL, f"{VGG}, Table 3")),
    _same_name(
        "VGG-16", 2014, 7,
        Result(28.07, 9.33, TEN, VAL, f"{RESNET}, Table 3"),
        Result(25.6, 8.1, DENSE1, VAL, f"{VGG}, Table 3"),
        Result(24.8, 7.5, f"{DENSE1}, {SCALES}", VAL, f"{VGG}, Table 4"),
        Result(24.4, 7.2, "dense + multi-crop", VAL, f"{VGG}, Table 5"),
    ),
    _same_name(
        "VGG-19", 2014, 7,
        Result(25.5, 8.0, DENSE1, VAL, f"{VGG}, Table 3"),
        Result(24.8, 7.5, f"{DENSE1}, {SCALES}", VAL, f"{VGG}, Table 4"),
        Result(24.4, 7.1, "dense + multi-crop", VAL, f"{VGG}, Table 5"),
    ),
    Network(
        "GoogLeNet", 2014, "googlenet", {}, 9,
        (
            Result(None, 10.07, ONE, VAL, f"{GOING}, Table 3"),
            Result(None, 9.15, TEN, VAL, f"{GOING}, Table 3"),
            Result(None, 7.89, "144 crops", VAL, f"{GOING}, Table 3"),
            Result(None, 6.67, "144 crops, 7 nets", TEST, f"{GOING}, Table 2"),
        ),
        ("googlenet", "googlenet_bn"),
    ),
    _same_name("ResNet-18", 2015, 11, Result(27.88, None, TEN, VAL, f"{RESNET}, Table 2")),
    _same_name(
        "ResNet-34", 2015, 11,
        Result(24.52, 7.46, TEN, VAL, f"{RESNET}, Table 3 (B)"),
        Result(21.84, 5.71, f"{DENSE1}, {SCALES}", VAL, f"{RESNET}, Table 4 (B)"),
    ),
    _same_name(
        "ResNet-50", 2015, 11,
        Result(22.85, 6.71, TEN, VAL, f"{RESNET}, Table 3"),
        Result(20.74, 5.25, f"{DENSE1}, {SCALES}", VAL, f"{RESNET}, Table 4"),
        block=BottleneckV1,
    ),
    _same_name(
        "ResNet-101", 2015, 11,
        Result(21.75, 6.05, TEN, VAL, f"{RESNET}, Table 3"),
        Result(19.87, 4.60, f"{DENSE1}, {SCALES}", VAL, f"{RESNET}, Table 4"),
        block=BottleneckV1,
    ),
    _same_name(
        "ResNet-152", 2015, 11,
        Result(21.43, 5.71, TEN, VAL, f"{RESNET}, Table 3"),
        Result(19.38, 4.49, f"{DENSE1}, {SCALES}", VAL, f"{RESNET}, Table 4"),
        # 깊이가 다른 여섯의 앙상블. 152층은 둘
        Result(None, 3.57, f"{DENSE1}, {SCALES}, 6 nets", TEST, f"{RESNET}, Table 5"),
        block=BottleneckV1,
    ),
    _same_name(
        "DenseNet-121", 2016, 12,
        Result(25.02, 7.71, ONE, VAL, f"{DENSE}, Table 3"),
        Result(23.61, 6.66, TEN, VAL, f"{DENSE}, Table 3"),
    ),
    _same_name(
        "DenseNet-169", 2016, 12,
        Result(23.80, 6.85, ONE, VAL, f"{DENSE}, Table 3"),
        Result(22.08, 5.92, TEN, VAL, f"{DENSE}, Table 3"),
    ),
    _same_name(
        "DenseNet-201", 2016, 12,
        Result(22.58, 6.34, ONE, VAL, f"{DENSE}, Table 3"),
        Result(21.46, 5.54, TEN, VAL, f"{DENSE}, Table 3"),
    ),
    _same_name("DenseNet-161", 2016, 12),  # 논문의 표 3에는 없고 torchvision에 있다
)  # fmt: skip


class Row(NamedTuple):
    """견주는 표의 한 줄. 크기는 모두 이미지 한 장을 넣은 `meta` 모형에서 센 것이다.

    Attributes
    ----------
    depth : 가중치가 있는 층의 수. 갈래는 하나만, ResNet의 사영 지름길은 빼고 센다.
    activations : 합성곱 층과 완전 연결 층의 출력에 든 값의 개수
    stored_bytes : 학습할 때 순전파를 마치고 역전파를 위해 남겨 두는 바이트. 매개변수는 뺀다.
    receptive_field : 마지막 특징 맵의 수용 영역, 한 변의 화소 수
    top1, top5 : 오류율(%). 없으면 None
    """

    name: str
    year: int
    depth: int
    parameters: int
    multiply_adds: int
    activations: int
    stored_bytes: int
    receptive_field: int
    top1: float | None
    top5: float | None


def measure(model: nn.Module, image: tuple[int, int]) -> dict[str, int]:
    """`Row` 가운데 모형에서 얻는 것을 센다.

    Parameters
    ----------
    model : `meta` 장치에 만든 모형
    image : 이미지의 (채널 수, 한 변)
    """
    channels, side = image
    weighted = {
        name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    costs = layer_costs(model, (1, channels, side, side))
    images = torch.zeros(1, channels, side, side, device="meta")
    with PeakMemory() as memory:
        logits = model(images)  # 붙들고 있는 동안 역전파에 쓸 값이 남아 있다
        stored = memory.current
    del logits
    return {
        "depth": sum(NARROW_BRANCHES.isdisjoint(name.split(".")) for name in weighted),
        "parameters": count_parameters(model),
        "multiply_adds": sum(row.multiply_adds for row in costs),
        "activations": sum(prod(row.output_size) for row in costs if row.name in weighted),
        "stored_bytes": stored,
        "receptive_field": receptive_fields(longest_path(model))[-1].size,
    }


@cache
def _sizes(name: str, options: tuple[tuple[str, object], ...], image: tuple[int, int]) -> dict:
    """한 번 센 모형은 다시 세지 않는다. 두 꼴의 표가 모형을 많이 함께 쓴다."""
    with torch.device("meta"):
        return measure(build_model(name, **dict(options)), image)


def table(form: str = "paper") -> list[Row]:
    """신경망마다 한 줄씩의 표.

    Parameters
    ----------
    form : `"paper"`면 논문의 꼴과 논문에 실린 첫 성적을, `"torchvision"`이면 torchvision의 꼴과
        torchvision이 크롭 하나(1 crop)로 잰 오류율을 담는다. 뒤쪽에는 LeNet-5와 NiN이 없다.
    """
    theirs = choice("form", form, ("paper", "torchvision")) == "torchvision"
    rows = []
    for network in NETWORKS:
        if theirs and not network.torchvision:
            continue
        name, options = network.model, network.options
        errors = (network.results[0].top1, network.results[0].top5) if network.results else ()
        if theirs:
            (source, name), options = network.torchvision, {}
            errors = torchvision_errors(source)
        top1, top5 = errors or (None, None)
        sizes = _sizes(name, tuple(options.items()), network.image)
        rows.append(Row(network.name, network.year, **sizes, top1=top1, top5=top5))
    return rows


def torchvision_errors(name: str, *, weights: str = "IMAGENET1K_V1") -> tuple[float, float]:
    """torchvision이 적어 둔 (상위 1, 상위 5) 오류율(%). 가중치는 내려받지 않는다.

    Parameters
    ----------
    name : torchvision의 모형 이름
    weights : 가중치의 이름. ResNet-50부터는 학습법만 바꾼 `"IMAGENET1K_V2"`도 있다.
    """
    from torchvision.models import get_model_weights

    versions = get_model_weights(name)
    metrics = versions[choice("weights", weights, versions.__members__)].meta["_metrics"]
    accuracy = metrics["ImageNet-1K"]
    return tuple(round(100 - accuracy[kind], 3) for kind in ("acc@1", "acc@5"))


# 열의 제목과 꼴. 여기에 없는 열은 표에 나오지 않는다.
COLUMNS: dict[str, tuple[str, Callable]] = {
    "name": ("network", str),
    "year": ("year", str),
    "depth": ("depth", str),
    "parameters": ("parameters", "{:,}".format),
    "multiply_adds": ("multiply-adds", "{:,}".format),
    "activations": ("activations", "{:,}".format),
    "stored_bytes": ("stored MiB", lambda value: f"{value / 2**20:.1f}"),
    "receptive_field": ("field", str),
    "top1": ("top-1", "{:.2f}".format),
    "top5": ("top-5", "{:.2f}".format),
}


def format_table(
    rows: Sequence[Row],
    *,
    key: str = "year",
    descending: bool = False,
    columns: Sequence[str] = tuple(COLUMNS),
) -> str:
    """`rows`를 `key`열의 차례로 늘어놓은 글. 값이 없는 줄은 맨 뒤에 둔다.

    Parameters
    ----------
    rows : `table`이 돌려준 것
    key : 차례를 정할 열. `COLUMNS`의 열쇠
    descending : 큰 것부터 적을지
    columns : 보일 열
    """
    choice("key", key, COLUMNS)
    for column in columns:
        choice("columns", column, COLUMNS)
    known = [row for row in rows if getattr(row, key) is not None]
    ordered = sorted(known, key=lambda row: getattr(row, key), reverse=descending)
    ordered += [row for row in rows if getattr(row, key) is None]
    lines = [[COLUMNS[column][0] for column in columns]]
    for row in ordered:
        values = [getattr(row, column) for column in columns]
        lines.append(
            ["-" if value is None else COLUMNS[column][1](value)
             for column, value in zip(columns, values, strict=True)]
        )  # fmt: skip
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == "name" else cell.rjust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def counterexamples(rows: Sequence[Row], cause: str, effect: str, *, sign: int) -> list[tuple]:
    """“`cause`가 크면 `effect`도 크다(`sign`이 −1이면 작다)”에 어긋나는 쌍을 모두 찾는다.

    Parameters
    ----------
    rows : 견줄 줄
    cause, effect : `Row`의 열
    sign : 1 또는 −1

    Returns
    -------
    list[tuple]
        (`cause`가 큰 줄, 작은 줄)의 목록
    """
    if sign not in (1, -1):
        raise _checks.error("sign", "1이나 -1이어야 합니다", sign)
    known = [row for row in rows if None not in (getattr(row, cause), getattr(row, effect))]
    return [
        (a, b)
        for a, b in permutations(known, 2)
        if getattr(a, cause) > getattr(b, cause)
        and sign * (getattr(a, effect) - getattr(b, effect)) < 0
    ]


def _has(kind: type | tuple[type, ...]) -> Callable[[nn.Module], bool]:
    return lambda model: any(isinstance(layer, kind) for layer in model.modules())


def _kernels(model: nn.Module) -> list[int]:
    return [
        layer.kernel_size[0]
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and "downsample" not in name
    ]


# 부품의 이름과, 모형이 그것을 쓰는지 알아보는 방법. 이 책의 신경망에 처음 나오는 차례로 적는다.
IDEAS: dict[str, Callable[[nn.Module], bool]] = {
    "완전 연결 은닉층": lambda model: sum(isinstance(m, nn.Linear) for m in model.modules()) > 1,
    "tanh": _has(nn.Tanh),
    "ReLU": _has((nn.ReLU, ConvReLU)),
    "최대 풀링": _has(nn.MaxPool2d),
    "드롭아웃": lambda model: any(getattr(m, "p", 0) for m in model.modules()),
    "국소 응답 정규화": _has(LocalResponseNorm),
    "그룹 합성곱": lambda model: any(getattr(m, "groups", 1) > 1 for m in model.modules()),
    "1×1 합성곱": lambda model: 1 in _kernels(model),
    "전역 평균 풀링": lambda model: any(
        isinstance(m, nn.AdaptiveAvgPool2d) and m.output_size == 1 for m in model.modules()
    ),
    "3×3 합성곱만": lambda model: set(_kernels(model)) == {3},
    "나란한 갈래": _has(Inception),
    "배치 정규화": _has(nn.BatchNorm2d),
    "지름길 연결": _has(ResidualBlock),
    "밀집 연결": _has(DenseBlock),
}

# 계보: (준 쪽, 받은 쪽, 이어진 것)
LINEAGE = (
    ("LeNet-5", "AlexNet", "합성곱과 풀링"),
    ("AlexNet", "NiN", "ReLU, 드롭아웃"),
    ("AlexNet", "VGG", "ReLU, 드롭아웃"),
    ("NiN", "GoogLeNet", "1×1, 전역 평균"),
    ("VGG", "ResNet", "3×3 쌓기"),
    ("GoogLeNet", "ResNet", "1×1로 줄이기"),
    ("배치 정규화", "ResNet", "정규화"),
    ("ResNet", "DenseNet", "지름길"),
)


def ideas(network: Network) -> set[str]:
    """`network`의 모형에서 찾은 부품."""
    with torch.device("meta"):
        model = build_model(network.model, **network.options)
    return {name for name, found in IDEAS.items() if found(model)}


def best_times(jobs: Mapping[str, Callable[[], Tensor]], *, rounds: int = 5) -> dict[str, float]:
    """일마다 걸린 가장 짧은 시간(초). 번갈아 재어, 기계가 바쁜 동안의 손해를 고루 나눈다.

    Parameters
    ----------
    jobs : 이름과, 인자 없이 부를 함수
    rounds : 재는 횟수, 1 이상. 그 앞에 한 번씩 재지 않고 부른다.
    """
    rounds = _checks.integer("rounds", rounds, minimum=1)
    times: dict[str, list[float]] = {name: [] for name in jobs}
    with torch.inference_mode():
        for _ in range(rounds + 1):
            for name, job in jobs.items():
                start = time.perf_counter()
                job()
                times[name].append(time.perf_counter() - start)
    return {name: min(values[1:]) for name, values in times.items()}
