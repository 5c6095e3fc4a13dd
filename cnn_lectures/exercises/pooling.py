"""3장 풀링의 연습 문제."""

import math

import numpy as np
import torch
from torch import nn

from cnn_lectures.exercises._criteria import calls, gives_logits, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.convolution import output_size
from cnn_lectures.layers.pooling import (
    adaptive_bins,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

GRID = np.array([[1.0, 3, 2, 1], [4, 2, 0, 5], [6, 1, 8, 7], [0, 2, 3, 4]])


def _at_5_to_8(table):
    """`GRID`에서 5, 6, 7, 8이 있던 칸의 값."""
    return [table[value == GRID].item() for value in (5, 6, 7, 8)]


def _grid_gradient(backward, kernel_size):
    """`GRID`를 한 칸씩 옮기며 풀링한 출력의 합을 5, 6, 7, 8로 미분한 값."""
    side = output_size(4, kernel_size)
    grad = backward(np.ones((1, 1, side, side)), GRID[None, None], kernel_size, stride=1)
    return _at_5_to_8(grad[0, 0])


def _windows_over(shape=(13, 13)):
    """화소마다, 3×3 창을 두 칸씩 옮길 때 그 화소가 드는 창의 수."""
    outputs = [output_size(size, 3, stride=2) for size in shape]
    images = np.ones((1, 1, *shape))
    return 9 * avg_pool2d_backward(np.ones((1, 1, *outputs)), images, 3, stride=2)


def _sides(size=112, kernel=3, **options):
    """내림하였을 때와 올림하였을 때의 출력의 한 변."""
    return [output_size(size, kernel, ceil_mode=ceil, **options) for ceil in (False, True)]


def _bins(first=math.floor, last=math.ceil, step=7 / 3):
    """7칸을 `step`칸씩 셋으로 나누는 구간의 시작과 끝을 한 줄로 편 것."""
    return [min(f(k * step), 7) for i in range(3) for f, k in ((first, i), (last, i + 1))]


def _global_shares():
    """6×6 맵을 통째로 평균할 때와 최댓값을 고를 때, 한 칸이 받는 가장 큰 기울기."""
    one, image = np.ones((1, 1, 1, 1)), np.arange(36.0).reshape(1, 1, 6, 6)
    return [f(one, image, 6).max() for f in (avg_pool2d_backward, max_pool2d_backward)]


def pool(x, k, s, p):
    """−∞로 패딩한 최대 풀링."""
    return max_pool2d(x[None, None], k, stride=s, padding=p)[0, 0]


def _batches():
    random = np.random.default_rng(3)
    return [
        (random.normal(size=(5, 5)), 2, 3, 0),
        (-random.integers(10**12, 10**13, size=(4, 6)), 3, 2, 1),
        (random.normal(size=(6, 5)) - 2, 3, 1, 1),
        (random.normal(size=(7, 4)), 2, 2, 0),
    ]


def _takes_any_size(model):
    """크기가 다른 이미지에서도 한 장의 출력이 32×32일 때와 같은 모양이다."""
    with torch.inference_mode():
        shapes = {
            tuple(model.eval()(torch.zeros(1, 3, *size)).shape)
            for size in ((32, 32), (45, 64), (100, 37))
        }
    return len(shapes) == 1


def _pools_overlap(model):
    """해상도를 줄이는 최대 풀링을 두 번 이상 하고, 창이 겹치지 않는 것은 없다."""
    found = calls(model.eval(), nn.MaxPool2d, torch.zeros(1, 3, 32, 32))
    pools = [call.layer for call in found]
    shrinking = [pool for pool in pools if np.all(np.greater(pool.stride, 1))]
    return len(shrinking) >= 2 and all(
        np.all(np.less(pool.stride, pool.kernel_size)) for pool in pools
    )


def _classifier(*head, channels=(8, 16), window=(3, 2, 1), pools=2):
    """합성곱과 최대 풀링 뒤에 `head`를 이은 신경망."""
    body, inputs = [], 3
    for outputs in channels:
        body += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(*window)]
        inputs = outputs
    body += [nn.MaxPool2d(*window) for _ in range(pools - len(channels))]
    head = head or (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))
    return nn.Sequential(*body, *head)


SHAPE = "이미지마다 로짓이 열 개인 2차원 텐서를 내야 합니다. 풀링한 맵을 평탄화했는지 보십시오."
FIXED_SIZE = "이미지의 크기가 바뀌면 오류가 나거나 출력의 모양이 달라집니다. 완전 연결 층에 들어가는 수가 이미지의 크기에 달려 있지 않게 하십시오."
NO_OVERLAP = "창이 겹치지 않는 최대 풀링이 있거나, 해상도를 줄이는 최대 풀링이 모자랍니다. 창과 스트라이드를 따로 정하십시오."
TOO_MANY = "매개변수가 많습니다. 합성곱의 채널 수나 완전 연결 층에 들어가는 수를 줄이십시오."
PROBABILITIES = "출력이 확률입니다. 확률로 바꾸기 전의 점수를 그대로 내놓으십시오."


EXERCISES = (
    Number(
        question="다음 특징 맵을 2×2 창으로 **한 칸씩** 옮기며 최대 풀링합니다. 출력 아홉 개의 합을 입력으로 미분할 때 5, 6, 7, 8이 있는 칸의 기울기를 차례로 적으십시오.\n\n| | | | |\n|---|---|---|---|\n| 1 | 3 | 2 | 1 |\n| 4 | 2 | 0 | 5 |\n| 6 | 1 | 8 | 7 |\n| 0 | 2 | 3 | 4 |",
        hint="창 아홉 개의 최댓값을 먼저 적고, 어느 칸이 몇 번 뽑혔는지 세십시오.",
        explanation="출력은 [[4, 3, 5], [6, 8, 8], [6, 8, 8]]입니다. 8은 네 창에서, 6은 두 창에서, 5는 한 창에서 뽑힙니다. 7은 큰 값인데도, 저를 품은 두 창에 모두 8이 있어 한 번도 뽑히지 않으므로 기울기를 받지 못합니다.",
        level=1,
        minutes=5,
        answer=lambda: _grid_gradient(max_pool2d_backward, 2),
        mistakes=(
            Mistake(
                lambda: np.minimum(_grid_gradient(max_pool2d_backward, 2), 1),
                "뽑힌 칸마다 한 번만 셌거나, 창을 두 칸씩 옮겼습니다. 한 칸씩 옮기면 창이 아홉 개이고 서로 겹칩니다. 창마다 온 기울기를 더하십시오.",
            ),
            Mistake(
                lambda: _grid_gradient(avg_pool2d_backward, 2),
                "창의 모든 칸에 고르게 나누었습니다. 그것은 평균 풀링입니다.",
            ),
            Mistake(
                lambda: np.multiply(_grid_gradient(max_pool2d_backward, 2), (5, 6, 7, 8)),
                "칸의 값을 곱했습니다. 최댓값을 그 칸으로 미분하면 1입니다.",
            ),
            Mistake(
                lambda: _grid_gradient(max_pool2d_backward, 3),
                "3×3 창으로 계산했습니다. 2×2 창을 한 칸씩 옮기면 창이 아홉 개입니다.",
            ),
        ),
    ),
    Number(
        question="AlexNet의 13×13 맵을 3×3 창, 스트라이드 2로 패딩 없이 풀링합니다. 한 화소가 드는 창의 수는 가장 많으면 몇이고, 모든 화소에서 평균하면 몇입니까? 평균은 소수점 아래 둘째 자리까지 적으십시오.",
        hint="평균은 화소마다 세지 않고도 구할 수 있습니다. 창은 모두 몇 개이고, 창 하나에는 칸이 몇 개 있습니까?",
        explanation="한 방향에서 번호가 짝수인 화소는, 0번과 12번을 빼면, 두 창에 들고 나머지는 한 창에 듭니다. 두 방향 모두에서 두 창에 드는 화소가 네 창에 듭니다. 창 36개에 9칸씩 324칸이 있으므로 화소 169개의 평균은 $324 / 169 = 1.92$입니다.",
        level=2,
        minutes=6,
        tolerance=0.006,
        answer=lambda: (_windows_over().max(), _windows_over().mean()),
        mistakes=(
            Mistake(
                (2, 6 * 3 / 13),
                "한 방향만 셌습니다. 세로와 가로가 모두 겹칩니다.",
            ),
            Mistake(
                lambda: (_windows_over().max(), 9 / 4),
                "평균을 창의 넓이를 스트라이드의 제곱으로 나누어 구했습니다. 가장자리의 화소는 그보다 적은 창에 듭니다.",
            ),
            Mistake(
                lambda: (9, _windows_over().mean()),
                "창 하나에 드는 화소의 수를 적었습니다. 화소 하나가 드는 창의 수를 물었습니다.",
            ),
            Mistake(
                lambda: (_windows_over().max(), 9 * 49 / 169),
                "한 방향에 창이 일곱 개 있다고 셌습니다. 마지막 창은 맵 밖으로 나가지 않아야 합니다.",
            ),
        ),
    ),
    Number(
        question="크기 7을 3칸으로 줄이는 적응형 평균 풀링의 구간을 $[a, b)$라고 할 때, 세 구간의 $a$와 $b$를 $a_0, b_0, a_1, b_1, a_2, b_2$의 차례로 적으십시오. 칸의 번호는 0부터 셉니다.",
        hint=r"$i$번 구간은 $iH/o$를 내린 곳에서 시작하여 $(i + 1)H/o$를 올린 곳에서 끝납니다.",
        explanation="[0, 3), [2, 5), [4, 7)입니다. 길이가 모두 3이고 두 칸씩 옮겨 가므로 창 3, 스트라이드 2인 평균 풀링과 똑같습니다. $H = 2o + 1$이면 언제나 그렇습니다. 13을 6으로 줄이는 것도 이 경우입니다.",
        level=1,
        minutes=4,
        answer=lambda: np.ravel(adaptive_bins(7, 3)),
        mistakes=(
            Mistake(
                lambda: _bins(last=math.floor),
                "끝을 내렸습니다. 시작은 내리고 **끝은 올립니다**.",
            ),
            Mistake(
                lambda: _bins(first=math.ceil),
                "시작을 올렸습니다. 걸친 칸은 양쪽 구간이 모두 씁니다.",
            ),
            Mistake(
                lambda: _bins(step=3),
                "앞에서부터 똑같이 잘라 마지막 구간이 짧아졌습니다. 구간은 되도록 고르게 놓입니다.",
            ),
            Mistake(
                lambda: np.ravel(np.subtract(adaptive_bins(7, 3), (0, 1))),
                "끝을 마지막 칸의 번호로 적었습니다. $[a, b)$에는 $b$가 들지 않습니다.",
            ),
        ),
    ),
    Choice(
        question=r"최대 풀링을 $-\infty$ 대신 **0으로** 패딩해도 결과가 언제나 같은 자리는 어디입니까?",
        right="ReLU 바로 뒤",
        place=2,
        mistakes=(
            Mistake(
                "배치 정규화 바로 뒤",
                "배치 정규화는 평균을 맞추므로 값의 절반쯤이 음수일 수 있습니다. 창 안이 모두 음수이면 0이 뽑힙니다.",
            ),
            Mistake(
                "tanh 바로 뒤",
                "tanh의 값은 음수일 수 있습니다. 창 안이 모두 음수이면 있지도 않은 0이 뽑힙니다.",
            ),
            Mistake(
                "편향이 없는 합성곱 바로 뒤",
                "편향이 없어도 가중치가 음수이면 출력도 음수일 수 있습니다.",
            ),
        ),
        hint="덧댄 0이 최댓값으로 뽑히더라도 결과가 그대로이려면 창 안의 진짜 값이 어떠해야 합니까?",
        explanation="창마다 0 이상인 진짜 값이 적어도 하나 있으면 0을 덧대도 최댓값이 바뀌지 않습니다. ReLU 바로 뒤라면 늘 그렇습니다. tanh나 배치 정규화 바로 뒤에서는 그렇지 않습니다.",
        level=1,
        minutes=2,
    ),
    Number(
        question="112×112 맵을 3×3 창, 스트라이드 2로 패딩 없이 풀링합니다. 출력의 한 변은 내림하면 얼마이고, 올림하면(`ceil_mode=True`) 얼마입니까?",
        hint="112 − 3을 2로 나누면 딱 떨어지지 않습니다. 어디에서 내리고 올리는지 보십시오.",
        explanation="$(112 - 3) / 2 = 54.5$이므로 내리면 $54 + 1 = 55$, 올리면 $55 + 1 = 56$입니다. GoogLeNet의 56×56 맵은 올림에서 나온 것입니다.",
        level=1,
        minutes=3,
        answer=lambda: _sides(stride=2),
        mistakes=(
            Mistake(
                lambda: np.subtract(_sides(stride=2), 1),
                "나눈 뒤에 **1을 더하는 것**을 잊었습니다.",
            ),
            Mistake(
                lambda: _sides(stride=3),
                "스트라이드를 창과 같은 3으로 두었습니다. 창과 스트라이드는 따로 정합니다.",
            ),
            Mistake(
                lambda: _sides(stride=2, padding=1),
                "패딩 1을 했습니다. 이 풀링에는 패딩이 없습니다.",
            ),
            Mistake(
                lambda: _sides(stride=2)[::-1], "차례가 바뀌었습니다. 내림한 쪽을 먼저 적으십시오."
            ),
        ),
    ),
    Number(
        question="6×6 맵(값은 모두 다릅니다)을 통째로 평균하는 풀링과 통째로 최댓값을 고르는 풀링이 있습니다. 출력의 기울기가 1일 때 맵의 한 칸이 받는 기울기는 가장 크면 얼마입니까? 평균, 최댓값의 차례로 소수점 아래 넷째 자리까지 적으십시오.",
        hint="두 풀링 모두, 칸마다 받은 기울기를 더하면 출력의 기울기인 1이 됩니다.",
        explanation="평균은 모든 칸에 $1/36 = 0.0278$씩 주고, 최댓값은 한 칸에 1을 주고 나머지에는 0을 줍니다. 전역 평균 풀링에서는 맵 전체가 함께 배웁니다.",
        level=1,
        minutes=3,
        tolerance=6e-5,
        answer=_global_shares,
        mistakes=(
            Mistake(lambda: (1 / 6, 1), "한 변으로 나누었습니다. 평균은 칸의 수로 나눈 것입니다."),
            Mistake(lambda: (1, 1), "평균에서 칸의 수로 나누는 것을 잊었습니다."),
            Mistake(
                lambda: (1 / 36, 1 / 36),
                "최댓값에서도 기울기를 고르게 나누었습니다. 최댓값이 아닌 칸은 조금 흔들어도 출력이 그대로입니다.",
            ),
            Mistake(
                lambda: _global_shares()[::-1],
                "차례가 바뀌었습니다. 평균을 먼저 적으십시오.",
            ),
        ),
    ),
    Choice(
        question=r"부호가 섞인 특징 맵 $x$에 2×2 평균 풀링 $P$와 ReLU를 차례를 바꾸어 가며 적용했습니다. $P(\mathrm{ReLU}(x))$와 $\mathrm{ReLU}(P(x))$를 칸마다 견주면 어떻습니까?",
        right=r"$P(\mathrm{ReLU}(x))$가 늘 크거나 같다.",
        place=4,
        mistakes=(
            Mistake(
                "늘 같다.",
                "그것은 최대 풀링의 성질입니다. 창의 네 값이 3, −3, 0, 0일 때를 계산해 보십시오.",
            ),
            Mistake(
                r"$\mathrm{ReLU}(P(x))$가 늘 크거나 같다.",
                "먼저 평균하면 음수가 양수를 깎습니다. 창의 네 값이 3, −3, 0, 0일 때를 계산해 보십시오.",
            ),
            Mistake(
                "어느 쪽이 큰지는 칸마다 다르다.",
                "창의 네 값을 몇 가지 정하여 두 쪽을 계산해 보십시오. 대소가 뒤바뀌는 보기를 찾을 수 있습니까?",
            ),
        ),
        hint="한 창에 양수와 음수가 섞여 있을 때 음수가 평균에 어떤 영향을 줍니까?",
        explanation="ReLU를 먼저 거치면 음수가 0이 되어 평균이 커지고, 0보다 작아지는 일도 없습니다. 한 창에 양수와 음수가 섞여 있지 않을 때에만 둘이 같습니다. 최대 풀링에서는 차례를 바꾸어도 언제나 같으므로, 2×2 풀링을 먼저 하면 ReLU를 4분의 1만 계산해도 됩니다.",
        level=3,
        minutes=4,
    ),
    Function(
        question=r"최대 풀링 `pool(x, k, s, p)`를 쓰십시오. `x`는 정수나 실수가 든 (H, W)인 NumPy 배열, `k`는 창의 한 변, `s`는 스트라이드, `p`는 사방에 덧대는 줄의 수이고, ($\lfloor (H + 2p - k)/s \rfloor + 1$, $\lfloor (W + 2p - k)/s \rfloor + 1$)인 배열을 돌려줍니다. 이 책의 `max_pool2d`와 torch의 풀링은 쓰지 않습니다.",
        hint="`np.pad`의 `constant_values`로 무엇을 덧댈지 생각하십시오. 창마다 최댓값을 고르는 데에는 두 겹의 반복문이면 됩니다.",
        explanation=r"`np.pad`로 $-\infty$를 덧대고 창마다 `max`를 부르면 됩니다. $-\infty$를 담을 수 있게 먼저 실수로 바꿉니다. 0을 덧대면 음수뿐인 입력에서 틀립니다.",
        level=2,
        minutes=10,
        oracle=pool,
        inputs=_batches,
        mistakes=(
            Mistake(
                lambda x, k, s, p: max_pool2d(np.pad(x, p)[None, None], k, stride=s)[0, 0],
                "0으로 패딩했습니다. 음수만 있는 창에서 있지도 않은 0이 뽑힙니다.",
            ),
            Mistake(
                lambda x, k, s, p: max_pool2d(x[None, None], k, padding=p)[0, 0],
                "스트라이드를 창의 크기와 같다고 보았습니다. `s`를 쓰십시오.",
            ),
            Mistake(
                lambda x, k, s, p: np.maximum(pool(x, k, s, p), 0),
                "최댓값을 0에서 시작하여 모았습니다. 창 안이 모두 음수이면 0이 남습니다.",
            ),
            Mistake(
                lambda x, k, s, p: avg_pool2d(x[None, None], k, stride=s, padding=p)[0, 0],
                "최댓값이 아니라 평균을 구했습니다.",
            ),
            Mistake(
                lambda x, k, s, p: pool(x, k, s, p).T,
                "세로와 가로가 뒤바뀌었습니다. 첫 축이 세로입니다.",
            ),
        ),
    ),
    Design(
        question="크기가 어떻든 컬러 이미지를 받아 로짓 열 개를 내는 신경망을 `nn.Sequential`로 설계하십시오. 해상도는 창이 **겹치는** 최대 풀링(`nn.MaxPool2d`)으로 두 번 이상 줄입니다.",
        hint="합성곱과 풀링은 크기를 가리지 않습니다. 완전 연결 층 앞에서 맵의 크기를 맞추어 주는 층이 무엇이었습니까?",
        explanation="예를 들어 3 → 8 → 16채널의 3×3 합성곱마다 3×3 창, 스트라이드 2의 최대 풀링을 두고, `nn.AdaptiveAvgPool2d(1)`로 맵을 통째로 평균한 다음 완전 연결 층을 둡니다. 매개변수는 1,562개뿐입니다. 입력의 크기에 달린 매개변수가 하나도 없기 때문입니다.",
        level=2,
        minutes=9,
        rubric=(
            maps((2, 3, 32, 32), (2, 10), hint=SHAPE),
            Criterion("45×64, 100×37 이미지도 받아 같은 모양을 낸다", _takes_any_size, FIXED_SIZE),
            Criterion(
                "해상도를 줄이는 최대 풀링이 둘 이상이고 창이 모두 겹친다",
                _pools_overlap,
                NO_OVERLAP,
            ),
            parameters_at_most(5000, hint=TOO_MANY),
            gives_logits((3, 32, 32), hint=PROBABILITIES),
        ),
        example=_classifier,
        mistakes=(
            Mistake(
                lambda: _classifier(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 10, 1)),
                SHAPE,
            ),
            Mistake(
                lambda: _classifier(nn.Flatten(), nn.Linear(16 * 4 * 4, 10), pools=3),
                FIXED_SIZE,
            ),
            Mistake(lambda: _classifier(window=(2, 2)), NO_OVERLAP),
            Mistake(lambda: _classifier(channels=(32, 64)), TOO_MANY),
            Mistake(lambda: nn.Sequential(*_classifier(), nn.Softmax(dim=1)), PROBABILITIES),
        ),
    ),
)
