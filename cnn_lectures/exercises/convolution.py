"""1장 합성곱의 연습 문제."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn

from cnn_lectures.exercises._criteria import (
    calls,
    contains,
    lacks,
    layers,
    maps,
    parameters_at_most,
)
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.convolution import conv2d, conv2d_backward, output_size, remainder

RAMP = np.arange(16.0).reshape(1, 1, 4, 4)
ONES = np.ones((1, 1, 3, 3))
DIAGONAL = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])


def _padded_windows(padding, **options):
    """`RAMP`에 (위, 아래, 왼쪽, 오른쪽)만큼 덧붙이고 3×3 창의 합을 두 칸씩 구한다."""
    top, bottom, left, right = padding
    padded = np.pad(RAMP[0, 0], ((top, bottom), (left, right)), **options)
    return conv2d(padded[None, None], ONES, stride=2)[0, 0]


def _gradient(**options):
    """`RAMP`와 `DIAGONAL`에서 δ가 모두 1일 때 가중치의 기울기."""
    delta = np.ones((1, 1, *options.pop("size", (2, 2))))
    return conv2d_backward(delta, RAMP, DIAGONAL, **options)[1][0, 0]


def _plain_and_separable(size=14, channels=256, kernel=3):
    """보통의 합성곱과 깊이별 분리 합성곱의 곱셈-누산 수."""
    plain = size**2 * channels * channels * kernel**2
    return plain, size**2 * (channels * kernel**2 + channels * channels)


def convolve(x, w):
    """커널을 뒤집는 진짜 합성곱. 패딩하지 않는다."""
    return conv2d(x[None, None], w[None, None, ::-1, ::-1])[0, 0]


def _pairs():
    random = np.random.default_rng(1)
    return [
        (random.normal(size=s), random.normal(size=k))
        for s, k in (((5, 6), (3, 2)), ((4, 4), (3, 3)))
    ]


def _sizes():
    return [
        (32, 5, 1, 0, 1),
        (64, 3, 2, 1, 1),
        (224, 11, 4, 2, 1),
        (7, 2, 2, 0, 1),
        (20, 3, 1, 2, 2),
        (9, 3, 3, 1, 2),
    ]


def _formula(size, kernel, stride, padding, dilation):
    return output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)


POOLINGS = (
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d,
)  # fmt: skip


def _resized_by_convolution(model):
    """풀링 층이 없고, 맵의 크기가 합성곱과 제로 패딩에서만 바뀐다."""
    images = torch.zeros(2, 3, 32, 32)
    seen = {images.shape[2:]}
    for call in calls(model.eval(), (nn.Conv2d, nn.ConstantPad2d), images):
        if call.given.shape[2:] not in seen:
            return False
        seen.add(call.output.shape[2:])
    with torch.no_grad():
        return model(images).shape[2:] in seen and not layers(model, POOLINGS)


SHRINKS = "32에서 8로 줄이려면 스트라이드의 곱이 4여야 합니다. 층마다의 패딩도 확인하십시오."
TOO_MANY = "가중치가 많은 층부터 찾으십시오. 매개변수는 커널의 넓이와 두 채널 수의 곱에 비례합니다."
FEW = "합성곱 층이 모자랍니다. 두 번에 나누어 줄이십시오."
POOLS = (
    "풀링 층이 있거나, 합성곱이 아닌 것이 크기를 바꿉니다. 크기는 합성곱의 스트라이드로 줄이십시오."
)
DENSE = "완전 연결 층 대신 합성곱만 쓰십시오. 그래야 자리마다 같은 가중치를 씁니다."


EXERCISES = (
    Number(
        question="0부터 15까지를 차례로 채운 4×4 입력에, 모두 1인 3×3 커널을 스트라이드 2, 제로 패딩 1로 겁니다. 2×2 출력을 왼쪽 위부터 차례로 적으십시오.",
        hint="첫 창은 왼쪽 위 모서리에 걸쳐 있어 진짜 화소를 네 개만 봅니다. 창을 하나씩 그려 보십시오.",
        explanation="첫 창은 패딩에 걸쳐 0+1+4+5 = 10을 보고, 오른쪽 위는 1+2+3+5+6+7 = 24, 왼쪽 아래는 4+5+8+9+12+13 = 51, 창이 진짜 화소로 다 차는 오른쪽 아래는 90입니다.",
        level=1,
        minutes=4,
        answer=lambda: _padded_windows((1, 0, 1, 0)),
        mistakes=(
            Mistake(
                lambda: _padded_windows((0, 1, 0, 1)),
                "패딩을 오른쪽과 아래에만 했습니다. 패딩 1은 **사방에** 한 줄씩입니다.",
            ),
            Mistake(
                lambda: _padded_windows((1, 0, 1, 0)) / 9,
                "합이 아니라 평균을 구했습니다. 커널의 값이 1/9이 아니라 1입니다.",
            ),
            Mistake(
                lambda: _padded_windows((1, 0, 1, 0), mode="edge"),
                "패딩한 자리를 0이 아니라 가장자리의 값으로 채웠습니다.",
            ),
            Mistake(
                lambda: conv2d(RAMP, ONES, padding=0)[0, 0],
                "스트라이드를 1로, 패딩을 0으로 두고 계산했습니다.",
            ),
        ),
    ),
    Number(
        question="64×64 입력에 3×3 커널을 패딩 1, 스트라이드 2로 겁니다. 출력의 한 변과, **패딩까지 센 입력**을 가로로 볼 때 커널이 끝내 닿지 않고 남는 줄의 수를 차례로 구하십시오.",
        hint="64 + 2·1 − 3을 2로 나눈 몫과 나머지를 따로 보십시오.",
        explanation="$64 + 2 - 3 = 63$을 2로 나누면 몫이 31, 나머지가 1입니다. 출력은 $31 + 1 = 32$이고 한 줄이 남습니다. 세로로 보아도 같습니다. 남는 것은 오른쪽과 아래의 **패딩**이므로 진짜 화소는 모두 쓰입니다.",
        level=1,
        minutes=3,
        answer=lambda: (
            output_size(64, 3, stride=2, padding=1),
            remainder(64, 3, stride=2, padding=1),
        ),
        mistakes=(
            Mistake((63 // 2, 63 % 2), "나눈 몫에 **1을 더하는 것**을 잊었습니다."),
            Mistake(
                (math.ceil(63 / 2) + 1, 1),
                "나눗셈을 올렸습니다. 창이 다 들어가야 하므로 **내림**입니다.",
            ),
            Mistake(
                ((64 + 1 - 3) // 2 + 1, (64 + 1 - 3) % 2),
                "패딩을 한쪽만 셌거나, 남는 줄을 진짜 화소에서만 찾았습니다. 패딩은 양쪽에 붙으므로 $2P$이고, 남는 줄은 패딩까지 세어 찾습니다.",
            ),
            Mistake((63 / 2 + 1, 0), "내림을 잊었습니다. 반 칸짜리 출력은 없습니다."),
        ),
    ),
    Choice(
        question="출력 크기가 입력과 같도록 **양쪽에 똑같이** 패딩할 수 있는 것은 왜 크기 $K$가 홀수인 커널뿐입니까? (스트라이드 1, 팽창률 1)",
        right="필요한 패딩은 모두 $K - 1$줄인데, 이것은 $K$가 홀수일 때에만 짝수이다.",
        place=3,
        mistakes=(
            Mistake(
                "$K$가 짝수이면 출력 크기의 식이 나누어떨어지지 않아 정수가 되지 않는다.",
                "스트라이드가 1이면 나눌 것이 없어 크기는 늘 정수입니다. 크기가 아니라 패딩을 보십시오.",
            ),
            Mistake(
                "$K$가 짝수이면 커널에 가운데 칸이 없어 창을 놓을 자리를 정할 수 없다.",
                "가운데 칸이 없어도 창은 놓을 수 있습니다. 2×2 커널을 떠올려 보십시오.",
            ),
            Mistake(
                "$K$가 짝수이면 기울기를 계산할 때 커널을 180° 돌려서 쓸 수 없다.",
                "커널은 크기가 어떻든 돌릴 수 있습니다. 돌려도 크기는 그대로입니다.",
            ),
        ),
        hint="$H + 2P - K + 1 = H$를 $P$에 대하여 푸십시오.",
        explanation=(
            "크기를 지키려면 $2P = K - 1$입니다. $K = 4$이면 $P = 1.5$이므로 한쪽에 1줄, 다른 쪽에 2줄을 "
            '덧붙일 수밖에 없습니다. `nn.Conv2d(…, padding="same")`은 오른쪽과 아래에 더 덧붙입니다.'
        ),
        level=2,
        minutes=3,
    ),
    Function(
        question="커널을 뒤집는 진짜 합성곱 `convolve(x, w)`를 쓰십시오. `x`는 (H, W), `w`는 (K, L)인 NumPy 배열이고, 패딩 없이 스트라이드 1로 계산하여 (H−K+1, W−L+1)을 돌려줍니다. 교차상관을 하는 이 책의 `conv2d`를 불러 써도 됩니다.",
        hint="교차상관에 넣기 전에 `w`를 두 축 모두 거꾸로 놓으면 됩니다. `conv2d`는 네 축의 배열을 받습니다.",
        explanation="합성곱은 180° 돌린 커널로 하는 교차상관입니다. 세로 경계 소벨 커널은 180° 돌리면 부호만 바뀌므로 응답의 부호만 바뀝니다. 학습은 필요한 쪽의 커널을 찾아가므로, 뒤집기로 약속을 바꾸어도 저장되는 수의 차례만 달라집니다.",
        level=2,
        minutes=8,
        oracle=convolve,
        inputs=_pairs,
        mistakes=(
            Mistake(
                lambda x, w: conv2d(x[None, None], w[None, None])[0, 0],
                "교차상관을 그대로 돌려주었습니다. 커널을 뒤집지 않았습니다.",
            ),
            Mistake(
                lambda x, w: conv2d(x[None, None], w[None, None, :, ::-1])[0, 0],
                "좌우로만 뒤집었습니다. 두 축을 모두 뒤집으면 180° 돌린 것이 됩니다.",
            ),
            Mistake(
                lambda x, w: conv2d(x[None, None], w[None, None, ::-1])[0, 0],
                "위아래로만 뒤집었습니다. 두 축을 모두 뒤집어야 합니다.",
            ),
            Mistake(
                lambda x, w: conv2d(x[None, None, ::-1, ::-1], w[None, None])[0, 0],
                "커널이 아니라 입력을 뒤집었습니다. 그러면 출력도 뒤집혀 나옵니다.",
            ),
        ),
    ),
    Number(
        question="14×14 특징 맵에 3×3, 256 → 256채널 합성곱을 합니다(패딩 1). 보통의 합성곱과 깊이별 분리 합성곱의 곱셈-누산 수를 차례로 구하십시오. 편향은 세지 않습니다.",
        hint="깊이별 분리 합성곱은 채널마다 3×3을 하나씩 한 뒤 1×1로 채널을 섞습니다.",
        explanation=r"보통은 $14^2 \cdot 256 \cdot 256 \cdot 9$ = 115,605,504번, 분리하면 $14^2 (256 \cdot 9 + 256 \cdot 256)$ = 13,296,640번입니다. 비율은 $1/M + 1/K^2$이고 그 역수가 8.69입니다. 출력 채널 $M$이 크면 약 $K^2$배 줄어듭니다.",
        level=2,
        minutes=6,
        answer=_plain_and_separable,
        mistakes=(
            Mistake(
                lambda: _plain_and_separable(size=1),
                "출력의 칸마다 되풀이한다는 것을 잊었습니다. 그것은 가중치의 수입니다.",
            ),
            Mistake(
                lambda: (_plain_and_separable()[0], 14**2 * (256 * 256 * 9 + 256 * 256)),
                "깊이별 합성곱에서 채널을 두 번 곱했습니다. 커널 하나는 채널 하나만 봅니다.",
            ),
            Mistake(
                lambda: (_plain_and_separable()[0], 14**2 * 256 * 9),
                "깊이별 합성곱만 세고 채널을 섞는 1×1을 빼놓았습니다.",
            ),
            Mistake(
                lambda: _plain_and_separable(size=12),
                "패딩을 잊었습니다. 패딩 1이면 출력도 14×14입니다.",
            ),
        ),
    ),
    Number(
        question="이미지 32장의 미니배치로 VGG의 둘째 합성곱(64채널 224×224 입력, 3×3, 패딩 1)을 계산하며 im2col 행렬을 통째로 만듭니다. float32로 몇 GiB가 듭니까? 소수점 아래 둘째 자리까지 적으십시오. (1 GiB = $2^{30}$바이트)",
        hint="출력의 칸마다 64·3·3개의 수가 한 행에 놓입니다.",
        explanation=r"이미지 한 장에 $224^2 \cdot 576$개, 110.25 MiB입니다. 32장이면 3,528 MiB, 곧 3.45 GiB입니다.",
        level=2,
        minutes=5,
        tolerance=0.005,
        answer=lambda: 32 * 224**2 * 64 * 9 * 4 / 2**30,
        mistakes=(
            Mistake(
                lambda: 32 * 224**2 * 64 * 9 / 2**30,
                "수의 개수를 바이트로 여겼습니다. float32는 수 하나가 4바이트입니다.",
            ),
            Mistake(lambda: 224**2 * 64 * 9 * 4 / 2**30, "이미지 한 장만 셌습니다."),
            Mistake(
                lambda: 32 * 224**2 * 64 * 9 * 4 / 1e9,
                "$10^9$으로 나누었습니다. GiB는 $2^{30}$바이트입니다.",
            ),
            Mistake(
                lambda: 32 * 224**2 * 64 * 4 / 2**30,
                "창마다 화소 아홉 개를 편다는 것을 잊었습니다. 이것은 입력의 크기입니다.",
            ),
        ),
    ),
    Number(
        question=r"0부터 15까지를 채운 4×4 입력 $x$와 커널 $w = [[1, 0], [0, -1]]$로 스트라이드 2의 교차상관을 하고, $\partial L/\partial y$를 모두 1로 둡니다. $\partial L/\partial w$의 네 수를 왼쪽 위부터 차례로 적으십시오.",
        hint="$w$의 한 칸은 창마다 어느 화소와 곱해졌습니까? 그 화소들을 모두 더합니다.",
        explanation=r"창이 겹치지 않습니다. $\partial L/\partial w$는 네 창의 합 [[20, 24], [36, 40]]입니다. 참고로 $y$는 모두 −5이고, $\partial L/\partial x$는 $w$를 2×2로 이어 놓은 것입니다.",
        level=2,
        minutes=6,
        answer=lambda: _gradient(stride=2),
        mistakes=(
            Mistake(
                lambda: _gradient(size=(3, 3)),
                "스트라이드 1로 계산했습니다. 창은 두 칸씩 옮겨 가며 모두 네 개입니다.",
            ),
            Mistake(
                lambda: _gradient(stride=2) / 4,
                "합이 아니라 평균을 구했습니다. 같은 가중치를 쓴 창의 기울기는 더합니다.",
            ),
            Mistake(
                lambda: _gradient(stride=2) * DIAGONAL[0, 0],
                "가중치를 한 번 더 곱했습니다. $w$로 미분하면 $w$는 남지 않습니다.",
            ),
            Mistake(
                lambda: _gradient(stride=2)[::-1, ::-1],
                r"커널을 뒤집어 놓았습니다. 뒤집기는 $\partial L/\partial x$에서 나타납니다.",
            ),
        ),
    ),
    Function(
        question="출력의 한 변을 구하는 `size(h, k, s, p, d)`를 쓰십시오. 차례로 입력, 커널, 스트라이드, 패딩, 팽창률이고 모두 정수입니다. 이 책의 `output_size`는 쓰지 않습니다.",
        hint="팽창한 커널이 덮는 폭은 $D(K - 1) + 1$입니다. 파이썬의 내림 나눗셈은 `//`입니다.",
        explanation=r"$\lfloor (H + 2P - D(K - 1) - 1) / S \rfloor + 1$을 그대로 옮기면 됩니다.",
        level=1,
        minutes=5,
        oracle=_formula,
        inputs=_sizes,
        mistakes=(
            Mistake(
                lambda h, k, s, p, d: -(-(h + 2 * p - d * (k - 1) - 1) // s) + 1,
                "나눗셈을 올렸습니다. 창이 다 들어가야 하므로 내림입니다.",
            ),
            Mistake(
                lambda h, k, s, p, d: (h + p - d * (k - 1) - 1) // s + 1,
                "패딩을 한쪽만 셌습니다. 양쪽에 붙습니다.",
            ),
            Mistake(
                lambda h, k, s, p, d: (h + 2 * p - k) // s + 1,
                "팽창률을 쓰지 않았습니다. 팽창한 커널은 더 넓은 자리를 덮습니다.",
            ),
            Mistake(
                lambda h, k, s, p, d: (h + 2 * p - d * (k - 1) - 1) // s,
                "마지막에 1을 더하는 것을 잊었습니다.",
            ),
            Mistake(
                lambda h, k, s, p, d: float(Fraction(h + 2 * p - d * (k - 1) - 1, s) + 1),
                "내림을 잊었습니다. `/` 대신 `//`를 쓰십시오.",
            ),
        ),
    ),
    Design(
        question="합성곱 층만으로 컬러 이미지를 16채널의 특징 맵으로 바꾸는 `nn.Sequential`을 설계하십시오. 층 사이에 `nn.ReLU`를 넣어도 됩니다.",
        hint="스트라이드가 2인 3×3 합성곱을 두 번 거치면 한 변이 4분의 1이 됩니다.",
        explanation=r"예를 들어 3 → 12 → 16채널의 3×3 합성곱을 스트라이드 2, 패딩 1로 두 번 합니다. 매개변수는 $12 \cdot 28 + 16 \cdot 109$ = 2,080개입니다.",
        level=2,
        minutes=10,
        rubric=(
            maps((2, 3, 32, 32), (2, 16, 8, 8), hint=SHRINKS),
            parameters_at_most(3000, hint=TOO_MANY),
            contains(nn.Conv2d, "합성곱 층 둘 이상", least=2, hint=FEW),
            Criterion("풀링 없이 합성곱으로만 크기를 줄인다", _resized_by_convolution, POOLS),
            lacks(nn.Linear, "완전 연결 층 없음", hint=DENSE),
        ),
        example=lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 16, 3, stride=2, padding=1),
        ),
        mistakes=(
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(3, 12, 3, stride=2), nn.Conv2d(12, 16, 3, stride=2)
                ),
                SHRINKS,
            ),
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(3, 32, 3, stride=2, padding=1),
                    nn.Conv2d(32, 16, 3, stride=2, padding=1),
                ),
                TOO_MANY,
            ),
            Mistake(lambda: nn.Sequential(nn.Conv2d(3, 16, 4, stride=4)), FEW),
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 16, 3, padding=1), nn.MaxPool2d(4)
                ),
                POOLS,
            ),
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(3, 12, 3, stride=2, padding=1),
                    nn.Conv2d(12, 16, 3, stride=2, padding=1),
                    nn.Linear(8, 8),
                ),
                DENSE,
            ),
        ),
    ),
)
