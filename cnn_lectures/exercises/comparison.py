"""13장 비교의 연습 문제."""

import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_lectures import comparison
from cnn_lectures.complexity import count_parameters, multiply_adds
from cnn_lectures.exercises._criteria import gives_logits, maps, parameters_at_most, uses
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.models import build_model

CANDIDATES = (
    "googlenet", "nin", "densenet121", "resnet18", "densenet169", "resnet34",
)  # fmt: skip


def _build(name: str) -> nn.Module:
    """값이 없는 신경망."""
    colors = {"in_channels": 3, "num_classes": 1000} if name == "nin" else {}
    with torch.device("meta"):
        return build_model(name, **colors)


@cache
def _counts() -> list[int]:
    """`CANDIDATES`의 매개변수 수."""
    return [count_parameters(_build(name)) for name in CANDIDATES]


def _fitting(*sizes: int) -> tuple[int, ...]:
    """매개변수 하나의 바이트마다, 3천만 바이트 안에 드는 신경망의 수."""
    return tuple(sum(size * count <= 30_000_000 for count in _counts()) for size in sizes)


def _with_head(*, bias: int = 1, cells: tuple[int, int] = (1, 1), classes: int = 1000):
    """합성곱 부분에 선형 층 하나를 붙인 AlexNet과 VGG-16의 매개변수 수."""
    names, channels = ("alexnet", "vgg16"), (256, 512)
    return tuple(
        count_parameters(_build(name).features) + classes * (width * area + bias)
        for name, width, area in zip(names, channels, cells, strict=True)
    )


def _vgg(batch_size: int = 32, *, unit: float = 4.0) -> tuple[float, int]:
    """VGG-16이 남겨 두는 값이 매개변수의 몇 배인지와, 그것이 매개변수보다 많아지는 배치의 크기."""
    sizes = comparison.measure(_build("vgg16"), (3, 224))
    ratio = sizes["stored_bytes"] / (unit * sizes["parameters"])
    return batch_size * ratio, math.ceil(1 / ratio)


def _standard_error(count: int, accuracy: float = 0.7) -> float:
    """맞으면 1, 틀리면 0인 답 `count`개의 평균의 표준오차."""
    right = round(accuracy * count)
    answers = torch.tensor([1.0] * right + [0.0] * (count - right), dtype=torch.float64)
    return (answers.std(correction=0) / count**0.5).item()


def _top1(name: str, protocol: str) -> float:
    """논문에 실린 상위 1 오류율(%)."""
    network = next(network for network in comparison.NETWORKS if network.name == name)
    return next(result.top1 for result in network.results if result.protocol == protocol)


TEN, SCALES = comparison.TEN, f"{comparison.DENSE1}, {comparison.SCALES}"


def _effects(depth: str = TEN) -> tuple[float, float]:
    """층을 더 쌓아 낮춘 오류율과, 재는 방법을 바꾸어 낮춘 오류율(%p)."""
    return (
        _top1("ResNet-50", depth) - _top1("ResNet-152", depth),
        _top1("ResNet-50", TEN) - _top1("ResNet-50", SCALES),
    )


def _intensity(*, moved: int = 2, groups: int = 256) -> tuple[float, float]:
    """옮기는 값 하나마다의 곱셈-누산. 보통의 합성곱과 그룹이 `groups`인 합성곱."""
    with torch.device("meta"):
        layers = [nn.Conv2d(256, 256, 3, padding=1, groups=count) for count in (1, groups)]
    return tuple(multiply_adds(layer, (1, 256, 56, 56)) / (moved * 256 * 56**2) for layer in layers)


def top_k_error(logits: Tensor, labels: Tensor, k: int) -> float:
    """점수가 높은 `k`개 안에 정답이 없는 비율(%)."""
    hit = (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)
    return 100 * (1 - hit.double().mean().item())


def _kth_only(logits: Tensor, labels: Tensor, k: int) -> float:
    kth = logits.argsort(dim=1, descending=True)[:, k - 1]
    return 100 * (kth != labels).double().mean().item()


def _every_cell(logits: Tensor, labels: Tensor, k: int) -> float:
    cells = logits.topk(k, dim=1).indices == labels[:, None]
    return 100 * (1 - cells.double().mean().item())


def _scores() -> list[tuple[Tensor, Tensor, int]]:
    generator = torch.Generator().manual_seed(8)
    return [
        (
            torch.randn(count, classes, generator=generator),
            torch.randint(classes, (count,), generator=generator),
            k,
        )
        for count, classes, k in ((7, 5, 1), (9, 10, 5), (40, 20, 3), (6, 4, 4))
    ]


def _network(
    *, stride=2, width=32, last_stride=1, normalized=True, deep=True, fixed=False, softmax=False
):
    """3×3 합성곱 넷의 작은 분류기. 인자마다 흔한 잘못 하나를 켠다."""
    layers = []
    plan = [(3, 16, stride), (16, 16, 1), (16, 32, 4 // stride), (32, width, last_stride)]
    for in_channels, out_channels, step in plan if deep else [(3, 16, 2), (16, width, 2)]:
        layers.append(nn.Conv2d(in_channels, out_channels, 3, step, 1, bias=not normalized))
        layers += [nn.BatchNorm2d(out_channels), nn.ReLU()] if normalized else [nn.ReLU()]
    cells = 4 if fixed else 1
    layers.append(nn.AvgPool2d(4) if fixed else nn.AdaptiveAvgPool2d(1))
    layers += [nn.Flatten(), nn.Linear(width * cells, 10)]
    if softmax:
        layers.append(nn.Softmax(dim=1))
    return nn.Sequential(*layers)


def _affordable(model: nn.Module) -> bool:
    """곱셈-누산이 예산 안에 든다. 층으로 쓰지 않은 합성곱도 세도록 torch가 센 것의 절반을 쓴다."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(COLOR))
    return 0 < counter.get_total_flops() // 2 <= 2_000_000


COLOR = (1, 3, 32, 32)
SHAPE = "컬러 이미지마다 로짓 열 개를 내야 합니다."
FIXED = "마지막 선형 층이 받는 수가 이미지의 크기에 따라 달라집니다. 어떤 크기든 채널마다 값 하나로 줄이는 풀링이 있습니다."
TOO_BIG = "매개변수는 커널의 넓이와 두 채널 수의 곱입니다. 채널이 가장 많은 층부터 줄이십시오."
TOO_SLOW = "곱셈-누산에는 출력의 칸 수가 곱해집니다. 큰 특징 맵에서 여러 번 합성곱하지 말고 먼저 줄이십시오."
PROBABILITY = "출력이 확률입니다. torch의 교차 엔트로피는 소프트맥스에 넣기 전의 점수를 받습니다."
UNNORMALIZED = "배치 정규화가 없거나 쓰이지 않습니다. 짧게 학습할 때 출발이 늦어집니다."
SHALLOW = "`nn.Conv2d`를 지나는 횟수가 모자랍니다. 남은 예산으로 층을 더 쌓으십시오."


EXERCISES = (
    Number(
        question="""여섯 신경망의 매개변수 수입니다.

| 신경망 | 매개변수 |
|---|---|
| GoogLeNet | 6,998,552 |
| NiN | 7,439,608 |
| DenseNet-121 | 7,978,856 |
| ResNet-18 | 11,689,512 |
| DenseNet-169 | 14,149,480 |
| ResNet-34 | 21,797,672 |

매개변수만 저장할 때 30 MB(3천만 바이트) 안에 드는 것은 float32로 몇 개, float16으로 몇 개입니까? 차례로 답하십시오.""",
        hint="32와 16은 비트입니다. 3천만 바이트에 매개변수가 몇 개 드는지부터 구하십시오.",
        explanation="float32는 4바이트이므로 7,500,000개까지라 GoogLeNet(28.0 MB)과 NiN(29.8 MB)만 들고, DenseNet-121은 31.9 MB로 들지 않습니다. float16은 2바이트이므로 15,000,000개까지라 ResNet-34만 빠집니다.",
        level=1,
        minutes=4,
        answer=lambda: _fitting(4, 2),
        mistakes=(
            Mistake(
                lambda: _fitting(1, 1),
                "매개변수 하나를 1바이트로 보았습니다. 8비트가 1바이트입니다.",
            ),
            Mistake(
                lambda: _fitting(4, 1),
                "float16의 바이트를 너무 적게 잡았습니다. 16비트는 몇 바이트입니까?",
            ),
            Mistake(
                lambda: _fitting(4, 4),
                "자료형을 바꾸어도 크기가 같다고 보았습니다.",
            ),
            Mistake(
                lambda: _fitting(8, 4),
                "float64와 float32로 셌습니다.",
            ),
        ),
    ),
    Number(
        question="AlexNet(그룹을 나누지 않은 꼴)의 합성곱 부분은 매개변수가 3,747,200개이고 256@6×6을 냅니다. VGG-16의 합성곱 부분은 14,714,688개이고 512@7×7을 냅니다. 완전 연결 층을 모두 떼고 전역 평균 풀링과 1000종류의 선형 층(편향 있음) 하나만 두면 매개변수는 각각 모두 몇 개입니까? 차례로 답하십시오.",
        hint="전역 평균 풀링은 채널마다 값 하나를 냅니다. 선형 층이 받는 수는 몇 개입니까?",
        explanation=r"AlexNet은 $3{,}747{,}200 + 257 \cdot 1000$ = 4,004,200개, VGG-16은 $14{,}714{,}688 + 513 \cdot 1000$ = 15,227,688개입니다. VGG-16은 처음의 11.0 %만 남습니다. 매개변수의 대부분이 완전 연결 층에 있었기 때문입니다.",
        level=2,
        minutes=5,
        answer=_with_head,
        mistakes=(
            Mistake(lambda: _with_head(bias=0), "선형 층의 편향을 잊었습니다."),
            Mistake(
                (257 * 1000, 513 * 1000),
                "선형 층만 셌습니다. 합성곱 부분도 남아 있습니다.",
            ),
            Mistake(
                lambda: _with_head(cells=(36, 49)),
                "특징 맵을 펴서 선형 층에 넣었습니다. 전역 평균 풀링은 칸을 모두 평균합니다.",
            ),
            Mistake(
                lambda: _with_head(classes=0),
                "선형 층을 빠뜨렸습니다. 종류마다의 점수를 내는 층이 있어야 합니다.",
            ),
            Mistake(
                lambda: tuple(
                    count + width for count, width in zip(_with_head(), (256, 512), strict=True)
                ),
                "전역 평균 풀링에도 채널마다 매개변수를 두었습니다. 평균에는 배울 것이 없습니다.",
            ),
        ),
    ),
    Choice(
        question="ResNet-34는 ResNet-50보다 상위 1 오류율이 높은데, 마지막 특징 맵의 수용 영역은 더 넓습니다. 수용 영역은 왜 더 넓습니까?",
        right="블록마다 3×3 합성곱이 ResNet-34에는 둘, ResNet-50에는 하나이다.",
        place=2,
        mistakes=(
            Mistake(
                "ResNet-34는 채널이 적어 같은 매개변수로 더 넓은 영역을 본다.",
                "채널 수는 수용 영역과 상관이 없습니다. 커널의 크기와 스트라이드만 봅니다.",
            ),
            Mistake(
                "ResNet-50은 스트라이드 2인 층이 더 많아 특징 맵이 작다.",
                "두 신경망의 누적 스트라이드는 같습니다.",
            ),
            Mistake(
                "1×1 합성곱을 지날 때마다 수용 영역이 좁아진다.",
                "1×1은 수용 영역을 넓히지도 좁히지도 않습니다.",
            ),
        ),
        hint="층 하나는 수용 영역을 $(K - 1)$에 누적 스트라이드를 곱한 만큼 넓힙니다. 두 블록에서 $K$가 1보다 큰 층을 세어 보십시오.",
        explanation="두 신경망의 블록은 똑같이 16개이므로 3×3 합성곱이 ResNet-34에는 32개, ResNet-50에는 16개 있습니다. 그래서 논문의 꼴로 ResNet-34는 899화소, ResNet-50은 483화소입니다. 둘 다 이미지의 224화소를 넘습니다. 이론상의 수용 영역이 넓다고 더 잘 맞히는 것은 아닙니다.",
        level=2,
        minutes=3,
    ),
    Number(
        question="VGG-16의 매개변수는 138,357,544개이고, 학습할 때 이미지 한 장마다 역전파를 기다리며 남겨 두는 값은 69.4 MiB입니다. 모두 float32입니다. 배치가 32이면 남겨 두는 값은 매개변수의 몇 배입니까(소수점 아래 첫째 자리까지)? 남겨 두는 값이 매개변수보다 많아지는 것은 배치가 몇 장일 때부터입니까? (1 MiB = $2^{20}$바이트)",
        hint="두 크기를 같은 단위로 맞추십시오. 매개변수는 4바이트씩입니다.",
        explanation="32장이면 2,221 MiB이고 매개변수는 528 MiB이므로 4.2배입니다. 한 장이 매개변수의 0.13배라서 8장부터 더 많습니다. 매개변수가 많기로 이름난 VGG-16조차 배치가 32이면 남겨 두는 값이 매개변수보다 훨씬 많습니다. (매개변수마다의 기울기와 모멘텀은 세지 않았습니다.)",
        level=2,
        minutes=5,
        tolerance=0.06,
        answer=_vgg,
        mistakes=(
            Mistake(
                lambda: _vgg(unit=1),
                "매개변수의 개수를 바이트로 여겼습니다.",
            ),
            Mistake(
                lambda: _vgg(unit=4 * 2**20 / 1e6),
                "매개변수를 $10^6$바이트로 나누고 남겨 두는 값은 $2^{20}$바이트로 나누었습니다. 단위를 맞추십시오.",
            ),
            Mistake(
                lambda: (_vgg()[0], _vgg()[1] - 1),
                "나눗셈을 내렸습니다. 그만큼으로는 아직 매개변수보다 적습니다.",
            ),
            Mistake(
                lambda: _vgg(1),
                "배율을 이미지 한 장으로 셌습니다. 남겨 두는 값은 배치에 비례합니다.",
            ),
        ),
    ),
    Number(
        question="시험 이미지 500장에서 정확도 0.7을 얻었습니다. 정확도의 표준오차는 얼마입니까? 이미지가 10,000장이었다면 얼마입니까? 소수점 아래 셋째 자리까지 차례로 답하십시오.",
        hint="맞으면 1, 틀리면 0인 값의 분산은 $p(1 - p)$이고, $n$개를 평균하면 분산이 $n$으로 나뉩니다.",
        explanation=r"$\sqrt{0.7 \cdot 0.3 / 500} = 0.020$이고 10,000장이면 0.005입니다. 두 신경망을 **서로 다른** 500장씩으로 재어 0.70과 0.73을 얻었다면, 차이 0.03은 차이의 표준오차 $\sqrt{2} \cdot 0.0205 = 0.029$와 비슷하므로 어느 쪽이 낫다고 말할 수 없습니다. 같은 500장으로 재었다면 두 신경망의 답이 엇갈린 이미지를 세어 견주어야 합니다.",
        level=2,
        minutes=4,
        tolerance=0.0005,
        answer=lambda: (_standard_error(500), _standard_error(10_000)),
        mistakes=(
            Mistake(
                lambda: (0.7 * 0.3 / 500, 0.7 * 0.3 / 10_000),
                "제곱근을 씌우지 않았습니다. 그것은 분산입니다.",
            ),
            Mistake(
                lambda: (math.sqrt(0.7 / 500), math.sqrt(0.7 / 10_000)),
                "분산을 구할 때 틀릴 확률을 곱하지 않았습니다.",
            ),
            Mistake(
                lambda: (math.sqrt(0.7 * 0.3), math.sqrt(0.7 * 0.3)),
                "이미지 한 장의 표준편차입니다. 평균하면 줄어듭니다.",
            ),
            Mistake(
                lambda: (_standard_error(500), _standard_error(500) / 20),
                "이미지가 20배이면 오차가 20분의 1이라고 보았습니다. 제곱근만큼 줄어듭니다.",
            ),
        ),
    ),
    Number(
        question="""ImageNet 검증 자료의 상위 1 오류율(%)입니다. 신경망 하나씩의 성적입니다. ‘크롭 10개’는 이미지의 네 귀퉁이와 한가운데를 잘라 낸 다섯 장과 그 거울상에서 얻은 답의 평균이고, ‘여러 크기’는 이미지를 자르지 않고 크기를 바꾸어 가며 통째로 넣어 얻은 답의 평균입니다.

| 신경망 | 크롭 10개 | 여러 크기 |
|---|---|---|
| ResNet-50 | 22.85 | 20.74 |
| ResNet-152 | 21.43 | 19.38 |

크롭 10개로 잴 때 102층을 더 쌓아 낮춘 오류율과, ResNet-50에서 재는 방법을 크롭 10개에서 여러 크기로 바꾸어 낮춘 오류율은 각각 몇 %p입니까? 소수점 아래 둘째 자리까지 차례로 답하십시오.""",
        hint="한 번에 하나만 바꾼 두 수를 고르십시오.",
        explanation="1.42 %p와 2.11 %p입니다. 102층을 더 쌓아 얻은 것보다 재는 방법을 바꾸어 얻은 것이 더 많습니다. 재는 방법을 적지 않은 오류율은 견줄 수 없습니다.",
        level=1,
        minutes=3,
        tolerance=0.006,
        answer=_effects,
        mistakes=(
            Mistake(
                lambda: (_top1("ResNet-50", TEN) - _top1("ResNet-152", SCALES), _effects()[1]),
                "첫째에서 깊이와 재는 방법을 한꺼번에 바꾸었습니다.",
            ),
            Mistake(
                lambda: _effects(SCALES),
                "첫째를 여러 크기로 잰 성적에서 구했습니다.",
            ),
            Mistake(
                lambda: _effects()[::-1],
                "두 답의 차례가 바뀌었습니다.",
            ),
            Mistake(
                lambda: tuple(100 * effect / _top1("ResNet-50", TEN) for effect in _effects()),
                "비율로 답했습니다. %p는 두 백분율의 차입니다.",
            ),
        ),
    ),
    Number(
        question="256채널 56×56 특징 맵을 받아 256채널 56×56을 내는 3×3 합성곱(패딩 1)을 합니다. 메모리에서 읽고 쓰는 값으로 입력과 출력만 한 번씩 센다면(가중치는 세지 않습니다), 읽고 쓰는 값 하나마다 곱셈-누산을 몇 번 합니까? 보통의 합성곱과, 채널마다 커널 하나로 따로 계산하는 깊이별 합성곱을 차례로 답하십시오.",
        hint="출력의 값 하나를 만드는 곱셈-누산부터 구하십시오. 입력과 출력은 값의 개수가 같습니다.",
        explanation=r"출력 하나에 보통은 $256 \cdot 9$번, 깊이별은 9번이 들고, 그때마다 읽고 쓰는 값은 입력과 출력 하나씩이므로 1,152번과 4.5번입니다. 깊이별 합성곱은 곱셈을 256분의 1로 줄였지만 옮길 값은 그대로라서, 곱하는 시간보다 **옮기는 시간**이 길어집니다. 256배 빨라지지 않는 까닭입니다.",
        level=3,
        minutes=6,
        answer=_intensity,
        mistakes=(
            Mistake(
                lambda: _intensity(moved=1),
                "입력도 읽어야 하는데 출력만 셌거나, 곱셈과 덧셈을 두 번으로 셌습니다. 곱셈-누산은 한 번으로 칩니다.",
            ),
            Mistake(
                lambda: _intensity(moved=8),
                "바이트로 나누었습니다. 값 하나마다의 횟수를 물었습니다.",
            ),
            Mistake(
                lambda: _intensity(groups=1),
                "깊이별 합성곱에서도 모든 채널을 곱했습니다. 채널 하나는 제 커널하고만 만납니다.",
            ),
            Mistake(
                lambda: tuple(2 * value for value in _intensity(moved=1)),
                "곱셈과 덧셈을 따로 셌고, 입력도 빼놓았습니다.",
            ),
        ),
    ),
    Function(
        question="상위 k 오류율(%)을 구하는 `top_k_error(logits, labels, k)`를 쓰십시오. `logits`는 (N, 종류 수), `labels`는 정답의 번호 (N,)인 torch 텐서이고 `k`는 1 이상 종류 수 이하의 정수입니다. 점수가 높은 k개 안에 정답이 **없는** 이미지의 비율을 0에서 100 사이의 수로 돌려줍니다. 같은 점수는 없습니다.",
        hint="`logits.topk(k, dim=1).indices`는 (N, k)입니다. `labels[:, None]`과 견주면 (N, k)의 참·거짓이 나옵니다.",
        explanation="정답이 k개 가운데 하나라도 있으면 맞은 것이므로 `any(dim=1)`로 모으고, 맞은 비율을 1에서 뺍니다. k가 종류 수와 같으면 언제나 0입니다.",
        level=2,
        minutes=7,
        oracle=top_k_error,
        inputs=_scores,
        mistakes=(
            Mistake(
                lambda logits, labels, k: 100 - top_k_error(logits, labels, k),
                "정확도를 돌려주었습니다. 정답이 없는 비율을 물었습니다.",
            ),
            Mistake(
                lambda logits, labels, k: top_k_error(logits, labels, k) / 100,
                "비율이 아니라 백분율로 답하십시오.",
            ),
            Mistake(
                lambda logits, labels, k: top_k_error(-logits, labels, k),
                "점수가 **낮은** k개를 골랐습니다.",
            ),
            Mistake(
                lambda logits, labels, k: top_k_error(logits, labels, 1),
                "`k`를 쓰지 않고 가장 높은 점수 하나만 보았습니다.",
            ),
            Mistake(
                _kth_only,
                "k번째 점수가 정답인지만 보았습니다. k개 가운데 어느 것이어도 됩니다.",
            ),
            Mistake(
                _every_cell,
                "N×k칸을 모두 평균했습니다. 이미지마다 맞았는지를 먼저 하나로 모아야 합니다.",
            ),
        ),
    ),
    Design(
        question="휴대 기기에 넣을 작은 분류기를 `nn.Module`로 설계하십시오. 32×32 컬러 이미지마다 열 종류의 로짓을 내되, 매개변수만 저장하면 float32로 80 kB(8만 바이트), 이미지 한 장의 곱셈-누산은 2,000,000번을 넘지 않아야 하고, 다른 크기의 이미지도 받아야 합니다.",
        hint="80 kB이면 매개변수가 몇 개까지입니까? 특징 맵의 크기를 일찍 줄이고 채널은 나중에 늘리십시오.",
        explanation="예를 들어 3 → 16 → 16 → 32 → 32채널의 3×3 합성곱을 첫째와 셋째만 스트라이드 2로 하고 전역 평균 풀링과 선형 층을 둡니다. 매개변수는 17,082개, 곱셈-누산은 1,585,472번입니다. 같은 채널이라도 첫 스트라이드를 1로 두면 곱셈-누산만 예산을 넘습니다. 두 비용은 따로 움직입니다.",
        level=3,
        minutes=12,
        rubric=(
            maps((2, 3, 32, 32), (2, 10), hint=SHAPE),
            maps((2, 3, 48, 64), (2, 10), hint=FIXED),
            parameters_at_most(20_000, hint=TOO_BIG),
            Criterion("32×32 이미지 한 장에 곱셈-누산 2,000,000번 이하", _affordable, TOO_SLOW),
            gives_logits((3, 32, 32), hint=PROBABILITY),
            uses(nn.BatchNorm2d, COLOR, "`nn.BatchNorm2d`를 한 번 이상 지남", hint=UNNORMALIZED),
            uses(nn.Conv2d, COLOR, "`nn.Conv2d`를 네 번 이상 지남", least=4, hint=SHALLOW),
        ),
        example=_network,
        mistakes=(
            Mistake(lambda: _network(fixed=True), FIXED),
            Mistake(lambda: _network(width=64, last_stride=2), TOO_BIG),
            Mistake(lambda: _network(stride=1), TOO_SLOW),
            Mistake(lambda: _network(softmax=True), PROBABILITY),
            Mistake(lambda: _network(normalized=False), UNNORMALIZED),
            Mistake(lambda: _network(deep=False), SHALLOW),
        ),
    ),
)
