"""2장 LeNet의 연습 문제."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import multiply_adds
from cnn_lectures.exercises._criteria import contains, gives_logits, maps, parameters_at_most
from cnn_lectures.exercises._kinds import (
    Choice,
    Criterion,
    Design,
    Function,
    Mistake,
    Number,
)
from cnn_lectures.models import lenet
from cnn_lectures.receptive_field import Window, receptive_fields


def _input_for_c5(side):
    """C5의 맵이 `side`×`side`가 되는 가장 작은 입력의 한 변."""
    with torch.device("meta"):
        model, size = lenet.LeNet5(), 32
        while model.forward_features(torch.empty(1, 1, size, size))["c5"].shape[-1] < side:
            size += 1
    return size


def _c3():
    """1998년의 C3: (매개변수, 연결)."""
    row = next(row for row in lenet.connections() if row.layer == "c3")
    return row.parameters, row.connections


def _local_c3():
    """C3와 크기가 같은 국소 연결 층: (매개변수, 곱셈-누산)."""
    with torch.device("meta"):
        _, local, _ = lenet.sharing_counts(nn.Conv2d(6, 16, 5), size=14)
    return local.parameters, local.connections - 16 * 10 * 10


def _layers_for(side):
    """3×3 합성곱을 몇 층 쌓아야 수용 영역의 한 변이 `side`가 되는지."""
    return next(
        n for n in range(1, 99) if receptive_fields([Window("conv", 3)] * n)[-1].size == side
    )


def _extreme_losses(classes=2):
    """확률을 로짓으로 넣은 교차 엔트로피의 가장 작은 값과 가장 큰 값."""
    perfect, labels = torch.eye(classes, dtype=torch.float64), torch.arange(classes)
    pair = (perfect, perfect.roll(1, dims=0))
    return [F.cross_entropy(scores, labels).item() for scores in pair]


def field(layers):
    """(커널, 스트라이드, 팽창률)을 쌓은 끝의 (수용 영역, 누적 스트라이드)."""
    found = receptive_fields([Window("", k, stride=s, dilation=d) for k, s, d in layers])
    return (found[-1].size, found[-1].jump) if found else (1, 1)


def _field_like(grow, multiply=lambda j, s: j * s):
    """수용 영역을 넓히는 식이나 누적 스트라이드를 늘리는 식을 바꾼 `field`."""

    def wrong(layers):
        r = j = 1
        for k, s, d in layers:
            r += grow(k, s, d, j)
            j = multiply(j, s)
        return r, j

    return wrong


def _stacks():
    return [
        ([],),
        ([(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), (5, 1, 1)],),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],),
        ([(3, 2, 1)] * 3,),
        ([(7, 2, 1), (3, 3, 1), (3, 1, 2), (2, 4, 1)],),
    ]


def _multiply_adds_at_most(limit, *, hint):
    def met(model):
        return 0 < multiply_adds(model, (1, 1, 28, 28)) <= limit

    return Criterion(f"이미지 한 장의 곱셈-누산 {limit:,}번 이하", met, hint)


def _small_lenet(*last, hidden=80, padding=0, side=4):
    """28×28을 받는 작은 LeNet. 뒤에 `last`를 덧붙인다."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=padding), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(16 * side**2, hidden), nn.Tanh(), nn.Linear(hidden, 10)),
        *last,
    )


SHAPE = "로짓은 이미지마다 열 개인 2차원 텐서입니다. 특징 맵의 축이 남아 있지 않은지, 완전 연결 층에 들어가는 수를 제대로 셌는지 보십시오."
NOT_CONVOLUTIONAL = (
    "합성곱 층이 모자랍니다. 특징을 한 번 찾고, 찾은 것을 엮어 다시 한 번 찾으십시오."
)
TOO_MANY = "매개변수가 많습니다. 평탄화한 바로 뒤의 완전 연결 층부터 줄이십시오."
TOO_SLOW = "곱셈-누산이 많습니다. 커널을 쓰는 자리의 수, 곧 특징 맵의 넓이를 줄이십시오."
PROBABILITIES = (
    "출력이 확률입니다. 소프트맥스는 손실 함수 안에 있으므로 모형은 그 앞까지만 계산해야 합니다."
)


EXERCISES = (
    Number(
        question="오늘날의 LeNet-5에서 합성곱까지만 계산하면 32×32보다 큰 이미지도 받을 수 있습니다. C1, C3, C5는 5×5 합성곱, S2와 S4는 겹치지 않는 2×2 풀링이고 패딩은 없습니다. C5의 맵이 3×3이 되는 가장 작은 정사각형 입력의 한 변은 몇 화소입니까?",
        hint="입력이 32×32이면 C5는 1×1입니다. C5에서 한 칸 옆의 유닛은 입력에서 몇 화소 옆을 봅니까?",
        explanation=r"C5의 누적 스트라이드는 4입니다. 1×1이 3×3이 되려면 두 칸이 더 필요하므로 $32 + 2 \cdot 4 = 40$, 곧 40×40입니다.",
        level=1,
        minutes=3,
        answer=lambda: _input_for_c5(3),
        mistakes=(
            Mistake(
                32 + 2,
                "C5의 한 칸이 입력의 한 화소라고 보았습니다. 앞에 풀링이 두 번 있습니다.",
            ),
            Mistake(
                32 + 2 * 2,
                "풀링을 하나만 셌습니다. 스트라이드는 지나온 층마다 곱해집니다.",
            ),
            Mistake(
                32 + 3 * 4,
                "늘어난 칸의 수를 잘못 셌습니다. 입력이 32×32일 때에도 이미 한 칸이 있습니다.",
            ),
            Mistake(
                32 * 3,
                "입력과 출력이 비례한다고 보았습니다. 이웃한 유닛의 수용 영역은 서로 겹칩니다.",
            ),
        ),
    ),
    Number(
        question="1998년의 LeNet-5에서 C3의 맵 16개는 S2의 맵 6개를 **모두 보지는 않습니다**. 여섯 맵은 셋을, 아홉 맵은 넷을, 나머지 하나만 여섯을 모두 봅니다. 커널은 5×5이고 편향은 C3의 맵마다 하나이며, C3의 맵은 10×10입니다. C3의 매개변수와 연결은 각각 몇 개입니까? (연결에는 편향도 넣어 셉니다.)",
        hint="맵 하나의 매개변수는 (보는 맵의 수)×25에 편향을 더한 것입니다.",
        explanation=r"$6(3 \cdot 25 + 1) + 9(4 \cdot 25 + 1) + 1(6 \cdot 25 + 1) = 456 + 909 + 151$, 곧 1,516개입니다. 이만큼을 10×10 자리에서 되풀이하므로 연결은 100배인 151,600개입니다.",
        level=2,
        minutes=5,
        answer=_c3,
        mistakes=(
            Mistake((60 * 25, 60 * 25 * 100), "편향을 빼놓았습니다."),
            Mistake(
                (60 * 26, 60 * 26 * 100),
                "편향을 커널마다 하나씩 두었습니다. 여러 맵을 보더라도 출력 맵 하나의 편향은 하나입니다.",
            ),
            Mistake(
                (16 * 151, 16 * 151 * 100),
                "C3의 모든 맵이 S2의 맵을 다 본다고 셌습니다. 그것은 오늘날의 꼴입니다.",
            ),
            Mistake(
                lambda: (_c3()[0], _c3()[0] * 14**2),
                "S2의 크기인 14×14 자리에서 되풀이한다고 보았습니다. 되풀이하는 자리는 출력의 칸입니다.",
            ),
        ),
    ),
    Choice(
        question="오늘날의 LeNet-5에서 곱셈-누산의 58 %는 C3(6 → 16채널, 5×5, 출력 10×10)에, 매개변수의 78 %는 C5(16 → 120채널, 5×5, 출력 1×1)에 있습니다. 곱셈-누산이 많은 층과 매개변수가 많은 층이 서로 다른 까닭은 무엇입니까?",
        right="C3의 커널은 100군데에서, C5의 커널은 한 군데에서 쓰인다.",
        place=2,
        mistakes=(
            Mistake(
                "C3에서는 tanh를 1,600번 계산하지만 C5에서는 120번만 계산한다.",
                "활성화는 곱셈-누산에 세지 않습니다. 커널을 몇 번 쓰는지 보십시오.",
            ),
            Mistake(
                "C5는 출력 채널이 120개나 되어 편향이 C3의 일곱 배가 넘는다.",
                "편향은 채널마다 하나뿐입니다. 매개변수는 거의 모두 가중치입니다.",
            ),
            Mistake(
                "C5의 커널은 S4의 맵을 통째로 덮으므로 C3의 커널보다 크다.",
                "두 층의 커널은 모두 5×5입니다. 작아진 것은 맵입니다.",
            ),
        ),
        hint="곱셈-누산은 (가중치의 수)×(출력 맵의 칸 수)입니다.",
        explanation="곱셈-누산은 모두 416,520번이고 그 가운데 240,000번이 C3의 것입니다. 가중치는 C5가 C3의 스무 배이지만, C3는 제 가중치를 100군데에서 씁니다. 앞쪽은 연산이, 뒤쪽은 매개변수가 많은 것은 AlexNet과 VGG에서도 되풀이됩니다.",
        level=1,
        minutes=3,
    ),
    Number(
        question="C3(6 → 16채널, 5×5, 입력 14×14, 출력 10×10)를 크기가 같은 **국소 연결 층**으로 바꿉니다. 유닛마다 커널과 편향을 따로 두며, S2의 여섯 맵을 모두 봅니다. 매개변수와 곱셈-누산은 각각 몇입니까? (곱셈-누산에는 편향을 세지 않습니다.)",
        hint="유닛은 모두 몇 개이고, 유닛 하나에는 매개변수가 몇 개 있습니까?",
        explanation="유닛 1,600개가 저마다 151개의 매개변수를 가지므로 241,600개입니다. 합성곱(2,416개)의 정확히 100배입니다. 곱셈-누산은 합성곱과 똑같이 240,000번입니다. 가중치 공유가 줄이는 것은 매개변수이지 연산량이 아닙니다.",
        level=2,
        minutes=5,
        answer=_local_c3,
        mistakes=(
            Mistake(
                lambda: (16 * 151, _local_c3()[1]),
                "매개변수는 가중치를 공유하는 합성곱의 것입니다. 자리마다 따로 두어 보십시오.",
            ),
            Mistake(
                lambda: (_local_c3()[0], _local_c3()[1] * 100),
                "매개변수가 늘어나는 만큼 연산도 늘어난다고 보았습니다. 유닛 하나가 하는 일은 그대로입니다.",
            ),
            Mistake(
                lambda: (_local_c3()[1], _local_c3()[1]),
                "매개변수에서 편향을 빼놓았습니다. 편향도 유닛마다 하나씩 있습니다.",
            ),
            Mistake(
                lambda: (1600 * (6 * 14**2 + 1), 1600 * 6 * 14**2),
                "완전 연결 층을 셌습니다. 국소 연결 층의 유닛은 5×5 이웃만 봅니다.",
            ),
        ),
    ),
    Number(
        question="5×5 합성곱 한 층을, 수용 영역이 같은 3×3 합성곱 여러 층으로 바꿉니다(스트라이드 1). 채널의 수는 어디서나 $C$이고 편향은 없습니다. 3×3 합성곱은 몇 층이 필요하며, 가중치는 몇 % 줄어듭니까? 두 수를 차례로 적으십시오.",
        hint="스트라이드가 1인 3×3 합성곱은 한 층마다 수용 영역을 두 화소씩 넓힙니다.",
        explanation=r"$2 \cdot 2 + 1 = 5$이므로 두 층입니다. 가중치는 $25C^2$개에서 $2 \cdot 9C^2 = 18C^2$개로, 28 % 줄어듭니다. 사이에 비선형 함수도 하나 더 들어갑니다. VGG가 이 생각을 끝까지 밀고 나갑니다.",
        level=1,
        minutes=4,
        answer=lambda: (_layers_for(5), 100 * (25 - 9 * _layers_for(5)) / 25),
        tolerance=0.05,
        mistakes=(
            Mistake((2, 100 * 18 / 25), "줄어드는 비율이 아니라 남는 비율을 적었습니다."),
            Mistake(
                (2, (25 - 18) / 25), "비율로 적었습니다. 몇 **%** 줄어드는지를 수로 적으십시오."
            ),
            Mistake(
                (2, 100 * (18 - 25) / 25),
                "부호가 거꾸로입니다. 몇 % **줄어드는지**를 물었으므로, 줄어들면 양수로 적습니다.",
            ),
            Mistake((2, 100 * (25 - 9) / 25), "3×3 합성곱 한 층의 가중치만 셌습니다."),
            Mistake(
                (2, 100 * (25 - 18) / 18),
                "줄어든 수를 3×3 쪽의 가중치로 나누었습니다. 기준은 처음에 있던 5×5입니다.",
            ),
            Mistake(
                (3, 100 * (25 - 27) / 25),
                "3×3 합성곱을 한 층 더 쌓았습니다. 첫 층의 수용 영역이 이미 세 화소입니다.",
            ),
        ),
    ),
    Number(
        question="**두** 종류를 가리는 분류기가 낸 확률을 로짓인 줄 알고 `F.cross_entropy`에 넣었습니다. 이 손실이 가질 수 있는 가장 작은 값과 가장 큰 값을 차례로, 소수점 아래 넷째 자리까지 적으십시오.",
        hint="가장 좋을 때의 확률은 [1, 0]입니다. `F.cross_entropy`는 이것에 소프트맥스를 한 번 더 합니다.",
        explanation=r"완벽하면 $\ln(e + 1) - 1 = 0.3133$, 모두 틀리면 $\ln(e + 1) = 1.3133$입니다. 아무리 잘 배워도 손실이 0.3133 아래로 내려가지 않습니다.",
        level=2,
        minutes=5,
        tolerance=6e-5,
        answer=_extreme_losses,
        mistakes=(
            Mistake(
                lambda: (0, _extreme_losses()[1]),
                "완벽하면 손실이 0이라고 보았습니다. 로짓 [1, 0]의 소프트맥스는 [1, 0]이 아닙니다.",
            ),
            Mistake(
                lambda: (_extreme_losses()[0], math.log(2)),
                "가장 나쁠 때를 반반인 확률로 보았습니다. 확신하며 틀리는 쪽이 더 나쁩니다.",
            ),
            Mistake(lambda: _extreme_losses(classes=10), "종류가 열일 때의 값입니다."),
            Mistake(
                lambda: [loss / math.log(2) for loss in _extreme_losses()],
                "밑이 2인 로그로 계산했습니다. 교차 엔트로피는 자연로그를 씁니다.",
            ),
            Mistake(
                lambda: _extreme_losses()[::-1], "차례가 바뀌었습니다. 작은 값부터 적으십시오."
            ),
        ),
    ),
    Choice(
        question="특징 맵에서 반응의 자리가 오른쪽으로 **두** 화소 옮겨 갔습니다. 겹치지 않는 2×2 평균 풀링의 출력은 어떻게 됩니까? (가장자리는 생각하지 않습니다.)",
        right="한 칸 옮겨 간다. 짝수만큼의 이동에 대한 등변성이다.",
        place=3,
        mistakes=(
            Mistake(
                "바뀌지 않는다. 풀링이 주는 불변성이다.",
                "바뀌지 않는 것은 반응이 같은 칸 안에 머무를 때입니다. 두 화소를 옮기면 그 칸을 벗어납니다.",
            ),
            Mistake(
                "두 칸 옮겨 간다. 합성곱과 같은 등변성이다.",
                "출력의 한 칸은 입력의 두 화소에 해당합니다.",
            ),
            Mistake(
                "두 칸에 나뉘어 흐려진다. 등변도 불변도 아니다.",
                "등변이 깨지는 것은 홀수만큼 옮겼을 때입니다. 두 화소를 옮기면 창과 반응이 다시 똑같이 맞물립니다.",
            ),
        ),
        hint="4번 열의 반응은 풀링한 맵의 2번 열에 나타납니다. 6번 열의 반응은 어디에 나타납니까?",
        explanation="스트라이드가 2인 층은 2의 배수만큼의 이동에 대해서는 등변이고(입력에서 2, 출력에서 1), 홀수만큼의 이동에 대해서는 등변도 불변도 아닙니다. S4까지 오면 누적 스트라이드가 4이므로 4의 배수에서만 성립합니다.",
        level=2,
        minutes=3,
    ),
    Function(
        question="층을 차례로 쌓았을 때 맨 끝 층의 수용 영역과 누적 스트라이드를 구하는 `field(layers)`를 쓰십시오. `layers`는 층마다 (커널, 스트라이드, 팽창률)을 적은 목록이고, (수용 영역의 한 변, 누적 스트라이드)를 돌려줍니다. 목록이 비어 있으면 (1, 1)입니다. 이 책의 `receptive_fields`는 쓰지 않습니다.",
        hint="두 수를 모두 1에서 시작하여 층마다 고칩니다. 수용 영역은 **앞 층까지의** 누적 스트라이드로 넓어집니다.",
        explanation=r"$r$을 먼저 $(k - 1)\,d\,j$만큼 넓히고 나서 $j$에 $s$를 곱합니다. 두 줄의 차례를 바꾸면 스트라이드가 있는 층에서 틀립니다. LeNet-5의 다섯 층을 넣으면 (32, 4)입니다.",
        level=2,
        minutes=8,
        oracle=field,
        inputs=_stacks,
        mistakes=(
            Mistake(
                _field_like(lambda k, s, d, j: (k - 1) * d * j * s),
                "누적 스트라이드를 먼저 곱한 다음 수용 영역을 넓혔습니다. 층의 스트라이드는 그다음 층부터 영향을 줍니다.",
            ),
            Mistake(
                _field_like(lambda k, s, d, j: (k - 1) * d),
                "누적 스트라이드를 곱하지 않았습니다. 뒤 층의 한 칸은 입력의 여러 화소에 해당합니다.",
            ),
            Mistake(
                _field_like(lambda k, s, d, j: (k - 1) * j),
                "팽창률을 쓰지 않았습니다. 벌어진 커널은 더 넓은 자리를 덮습니다.",
            ),
            Mistake(
                _field_like(lambda k, s, d, j: k * d * j),
                "커널의 한 변을 통째로 더했습니다. 커널의 한 칸은 이미 수용 영역에 들어 있습니다.",
            ),
            Mistake(
                _field_like(lambda k, s, d, j: (k - 1) * d * j, lambda j, s: j + s),
                "스트라이드를 더했습니다. 두 칸씩 건너뛰는 층을 두 번 지나면 몇 화소씩 건너뜁니까?",
            ),
        ),
    ),
    Design(
        question="덧대지 않은 28×28 흑백 이미지를 받아 이미지마다 로짓 열 개를 내는, 알뜰한 LeNet을 `nn.Sequential`로 설계하십시오.",
        hint="LeNet-5의 앞쪽을 그대로 쓰면 특징 맵이 24, 12, 8, 4로 작아집니다. 그다음에 C5와 F6 대신 작은 완전 연결 층을 두십시오.",
        explanation="예를 들어 C1과 C3, 두 번의 평균 풀링 뒤에 256 → 80 → 10의 완전 연결 층을 둡니다. 매개변수는 23,942개, 곱셈-누산은 261,280번입니다. 매개변수는 완전 연결 층에, 연산은 합성곱 층에 몰려 있어 줄이는 방법도 다릅니다.",
        level=2,
        minutes=10,
        rubric=(
            maps((2, 1, 28, 28), (2, 10), hint=SHAPE),
            contains(nn.Conv2d, "합성곱 층 둘 이상", least=2, hint=NOT_CONVOLUTIONAL),
            parameters_at_most(30_000, hint=TOO_MANY),
            _multiply_adds_at_most(300_000, hint=TOO_SLOW),
            gives_logits((1, 28, 28), hint=PROBABILITIES),
        ),
        example=_small_lenet,
        mistakes=(
            Mistake(lambda: _small_lenet(nn.Unflatten(1, (10, 1, 1))), SHAPE),
            Mistake(
                lambda: nn.Sequential(
                    nn.Flatten(), nn.Linear(784, 30), nn.Tanh(), nn.Linear(30, 10)
                ),
                NOT_CONVOLUTIONAL,
            ),
            Mistake(lambda: _small_lenet(hidden=120), TOO_MANY),
            Mistake(lambda: _small_lenet(hidden=60, padding=2, side=5), TOO_SLOW),
            Mistake(lambda: _small_lenet(nn.Softmax(dim=1)), PROBABILITIES),
        ),
    ),
)
