"""6장 AlexNet의 연습 문제."""

from operator import floordiv

import numpy as np
import torch
from torch import nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._criteria import calls, contains, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.convolution import output_size
from cnn_lectures.models.alexnet import AlexNet
from cnn_lectures.receptive_field import side

LOGITS = torch.tensor([[4.0, 0.0], [0.0, 1.0]])


def _alexnet(**options):
    """값 없이 모양만 있는 AlexNet."""
    with torch.device("meta"):
        return AlexNet(**options)


def _sides():
    """256×256 이미지에서 첫 합성곱과 마지막 풀링의 한 변."""
    features = _alexnet(groups=2).features
    images = torch.empty(1, 3, 256, 256, device="meta")
    return features[0](images).shape[2], features(images).shape[2]


def _pooled(first, *, times=3, added=1, divide=floordiv):
    """한 변이 `first`인 맵을 3×3 창과 스트라이드 2로 `times`번 풀링한다."""
    last = first
    for _ in range(times):
        last = divide(last - 3, 2) + added
    return first, last


def _divided_up(a, b):
    """나누어 올림한 수."""
    return -(-a // b)


def _saved():
    """conv2, conv4, conv5를 둘로 나누면 줄어드는 매개변수의 수."""
    whole, halved = (
        [layer for layer in model.features if isinstance(layer, nn.Conv2d)]
        for model in (_alexnet(), _alexnet(groups=2))
    )
    return [count_parameters(whole[i]) - count_parameters(halved[i]) for i in (1, 3, 4)]


def _pooled_head():
    """전역 평균 풀링을 한 AlexNet의 fc6과 전체의 매개변수."""
    model = _alexnet(groups=2, grid_size=1)
    return count_parameters(model.classifier[1]), count_parameters(model)


def _scale_and_variance(keep, scale):
    """확률 `keep`으로 `scale`, 나머지는 0인 값의 (배수, 분산)."""
    outcomes, weights = np.array([scale, 0.0]), [keep, 1 - keep]
    mean = np.average(outcomes, weights=weights)
    return scale, np.average((outcomes - mean) ** 2, weights=weights)


def _two_averages(axis=1, reduce=torch.mean):
    """첫 종류의 확률: 확률의 평균, 로짓을 `reduce`한 것의 확률."""
    arithmetic = LOGITS.softmax(axis).mean(0)
    return float(arithmetic[0]), float(reduce(LOGITS, 0).softmax(0)[0])


def train(w, gradients, rates):
    """논문의 식으로 고친 가중치들. 기울기에 학습률을 미리 곱해 torch의 SGD로 계산한다."""
    weight = nn.Parameter(torch.tensor(w, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    history = []
    for gradient, rate in zip(gradients, rates, strict=True):
        weight.grad = rate * (gradient + 0.0005 * weight.detach())
        optimizer.step()
        history.append(weight.item())
    return history


def _train_like(velocity_of, step_of=lambda v, rate: v):
    """속도와 가중치에 더할 값을 구하는 식을 바꾸어 학습하는 함수를 만든다."""

    def wrong(w, gradients, rates):
        v, history = 0.0, []
        for gradient, rate in zip(gradients, rates, strict=True):
            v = velocity_of(v, w, gradient, rate)
            w = w + step_of(v, rate)
            history.append(w)
        return history

    return wrong


def _runs():
    return [
        (20.0, [0.5, -0.25, 1.0], [0.1, 0.1, 0.1]),
        (-40.0, [2.0, 1.0, 0.5, 0.25, 0.0], [0.1, 0.1, 0.01, 0.01, 0.001]),
    ]


def _seen_halves(output, images):
    """`output`의 기울기가 `images`의 앞 절반과 뒤 절반의 채널에 닿는지."""
    (slopes,) = torch.autograd.grad(output.sum(), images, retain_graph=True)
    return [bool(half.any()) for half in slopes.chunk(2, dim=1)]


def separated(*, hint):
    """출력의 앞 절반과 뒤 절반이 저마다 입력의 같은 절반만 본다."""

    def met(model):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(1, 96, 27, 27, generator=generator, requires_grad=True)
        with torch.no_grad():
            for parameter in model.parameters():  # 모두 양수이면 ReLU가 꺼지지 않는다
                parameter.uniform_(0, 1e-3, generator=generator)
        halves = model.eval()(images.clone()).chunk(2, dim=1)
        return [_seen_halves(half, images) for half in halves] == [[True, False], [False, True]]

    text = "출력의 앞 절반은 입력의 앞 48채널만, 뒤 절반은 뒤 48채널만 봄"
    return Criterion(text, met, hint)


def overlapping(*, hint):
    """창이 스트라이드보다 크면서 맵을 줄이는 최대 풀링이 있다."""

    def met(model):
        found = calls(model.eval(), nn.MaxPool2d, torch.zeros(1, 96, 27, 27))
        pools = [call.layer for call in found]
        return any(side(pool, "kernel_size") > side(pool, "stride") > 1 for pool in pools)

    return Criterion("창이 겹치면서 크기를 줄이는 최대 풀링", met, hint)


def _towers(*, width=256, kernel=5, padding=2, groups=2, pool=3):
    """합성곱, 풀링, 합성곱으로 된 두 탑."""
    return nn.Sequential(
        nn.Conv2d(96, width, kernel, padding=padding, groups=groups),
        nn.ReLU(),
        nn.MaxPool2d(pool, stride=2),
        nn.Conv2d(width, 384, 3, padding=1, groups=groups),
        nn.ReLU(),
    )


SIZE = "27에서 13으로 줄이는 것은 풀링 하나로 충분합니다. 합성곱이 크기를 지키도록 패딩하십시오."
MIXED = "한쪽 입력만 바꾸었는데 다른 쪽 출력까지 달라지거나, 제 쪽 출력이 그대로입니다. 합성곱의 `groups`를 보고, 앞뒤 절반의 채널을 섞는 다른 층이 있는지도 보십시오."
ALONE = "합성곱이 하나뿐입니다. 두 탑은 여러 층을 지나는 동안 갈라져 있어야 합니다."
SEPARATE_WINDOWS = "창이 겹치면서 크기를 줄이는 `nn.MaxPool2d`가 없습니다. 창의 크기와 스트라이드를 견주어 보십시오."
HEAVY = "합성곱 하나의 가중치는 커널의 넓이 × 출력 채널 × (입력 채널 ÷ 그룹 수)입니다. 가운데 채널 수를 줄여 보십시오."


EXERCISES = (
    Number(
        question="AlexNet의 첫 합성곱은 커널 11, 스트라이드 4, 패딩 2이고, 그 뒤로 3×3 창을 두 칸씩 옮기는 최대 풀링이 세 번 있습니다. 다른 합성곱은 크기를 바꾸지 않습니다. 256×256 이미지를 넣으면 첫 합성곱과 마지막 풀링의 출력은 한 변이 각각 얼마입니까? 차례로 적으십시오.",
        hint="출력의 식을 네 번 씁니다. 합성곱에서 한 번, 풀링에서 세 번입니다.",
        explanation="$(256 + 4 - 11)/4 + 1 = 63.25$를 내려 63입니다. 풀링을 거치며 31, 15, 7이 됩니다. 224×224일 때의 6×6이 아니므로, 특징 맵을 그대로 펼쳐 완전 연결 층에 넣을 수는 없습니다.",
        level=1,
        minutes=4,
        answer=_sides,
        mistakes=(
            Mistake(
                lambda: _pooled(output_size(256, 11, stride=4, padding=0)),
                "첫 합성곱의 패딩을 잊었거나 한쪽만 셌습니다. 패딩은 양쪽에 붙습니다.",
            ),
            Mistake(
                lambda: _pooled(_divided_up(256 + 4 - 11, 4) + 1, divide=_divided_up),
                "나눈 값을 올림했습니다. 창이 다 들어가야 하므로 내림합니다.",
            ),
            Mistake(
                lambda: _pooled((256 + 4 - 11) // 4, added=0),
                "나눈 몫에 1을 더하는 것을 잊었습니다. 첫 창도 하나로 셉니다.",
            ),
            Mistake(
                lambda: _pooled(output_size(256, 11, stride=4, padding=2), times=2),
                "풀링을 두 번만 했습니다. 다섯째 합성곱 뒤에도 풀링이 있습니다.",
            ),
        ),
    ),
    Number(
        question="AlexNet을 두 GPU에 나누면 conv2(5×5, 96 → 256채널), conv4(3×3, 384 → 384채널), conv5(3×3, 384 → 256채널)가 같은 쪽 GPU의 맵만 봅니다. 나누지 않은 꼴보다 매개변수가 층마다 몇 개 줄어듭니까? conv2, conv4, conv5의 차례로 적으십시오.",
        hint="출력 채널 하나가 보는 입력 채널이 몇 개에서 몇 개로 줄었는지 보십시오.",
        explanation=r"입력 채널이 반이므로 가중치도 반이 됩니다. $256 \cdot 25 \cdot 48$ = 307,200개, $384 \cdot 9 \cdot 192$ = 663,552개, $256 \cdot 9 \cdot 192$ = 442,368개가 줄어듭니다. 더하면 두 꼴의 차이인 1,413,120개입니다. 편향은 그대로입니다.",
        level=2,
        minutes=5,
        answer=_saved,
        mistakes=(
            Mistake(
                lambda: [2 * saved for saved in _saved()],
                "나누지 않은 층의 가중치를 모두 적었습니다. 줄어드는 것은 그 가운데 일부입니다.",
            ),
            Mistake(
                lambda: np.add(_saved(), (256 // 2, 384 // 2, 256 // 2)),
                "편향까지 반으로 줄였습니다. 출력 채널마다 하나씩이므로 편향의 수는 그대로입니다.",
            ),
            Mistake(
                lambda: [3 * saved // 2 for saved in _saved()],
                "4분의 1만 남는다고 보았습니다. GPU 한 대의 몫은 4분의 1이지만 GPU가 두 대입니다.",
            ),
            Mistake(
                lambda: np.divide(_saved(), (25, 9, 9)),
                "커널의 넓이를 곱하지 않았습니다. 채널 한 쌍마다 커널이 하나씩 있습니다.",
            ),
        ),
    ),
    Number(
        question="매개변수가 60,965,224개인 AlexNet(두 GPU에 나눈 꼴)에서 fc6은 6×6×256개의 값을 받아 4,096개를 내놓습니다. 6×6 맵을 전역 평균 풀링하여 256개의 값만 fc6에 넣는다면, fc6의 매개변수와 신경망 전체의 매개변수는 각각 몇 개가 됩니까?",
        hint="전체에서 예전 fc6을 빼고 새 fc6을 더합니다. 풀링에는 배우는 것이 없습니다.",
        explanation=r"새 fc6은 $4096 \cdot (256 + 1)$ = 1,052,672개이고, 예전 fc6은 37,752,832개였습니다. 전체는 24,265,064개로 반이 넘게 줄어듭니다. 합성곱은 그대로입니다. 크기가 다른 이미지도 받게 되는 대신, 특징이 **어디에** 있었는지는 잊습니다.",
        level=2,
        minutes=5,
        answer=_pooled_head,
        mistakes=(
            Mistake(
                lambda: (_pooled_head()[0] - 4096, _pooled_head()[1]),
                "편향을 잊었습니다. 출력 유닛마다 하나씩 있습니다.",
            ),
            Mistake(
                lambda: [count - 4096 for count in _pooled_head()],
                "새 fc6에서만 편향을 잊었습니다. 예전 fc6을 뺄 때에는 편향까지 뺐습니다.",
            ),
            Mistake(
                lambda: (
                    _pooled_head()[0],
                    count_parameters(_alexnet(groups=2)) + _pooled_head()[0],
                ),
                "예전 fc6을 빼지 않았습니다. 새 층은 예전 층을 대신합니다.",
            ),
            Mistake(
                lambda: (
                    _pooled_head()[0],
                    count_parameters(_alexnet(groups=1, grid_size=1)),
                ),
                "전체를 나누지 않은 꼴에서 셌습니다. 문제에 적힌 수에서 시작하십시오.",
            ),
            Mistake(
                lambda: (
                    count_parameters(nn.Linear(36, 4096, device="meta")),
                    count_parameters(_alexnet(groups=2))
                    - count_parameters(nn.Linear(9216, 4096, device="meta"))
                    + count_parameters(nn.Linear(36, 4096, device="meta")),
                ),
                "채널을 평균했습니다. 전역 평균 풀링은 자리를 평균하고 채널은 남깁니다.",
            ),
        ),
    ),
    Number(
        question="유닛을 확률 $p = 0.2$로 끄는 역 드롭아웃에서 살아남은 값은 몇 배가 됩니까? 또 값이 1인 유닛 하나에 이 드롭아웃을 걸 때, 출력의 분산은 얼마입니까? 차례로 적으십시오.",
        hint="출력이 될 수 있는 값은 둘뿐입니다. 두 값과 그 확률을 적어 보십시오.",
        explanation=r"$1/(1 - 0.2) = 1.25$배입니다. 출력은 확률 0.8로 1.25, 확률 0.2로 0이므로 평균이 1이고 분산은 $0.8 \cdot 1.25^2 - 1 = 0.25$입니다. 일반적으로 $p/(1 - p)$입니다. 많이 끌수록 출력이 더 크게 흔들립니다.",
        level=2,
        minutes=5,
        tolerance=1e-6,
        answer=lambda: _scale_and_variance(0.8, 1 / (1 - 0.2)),
        mistakes=(
            Mistake(
                lambda: _scale_and_variance(0.2, 1 / 0.2),
                "$p$를 살아남을 확률로 보았습니다. 여기서는 꺼질 확률입니다.",
            ),
            Mistake(
                lambda: _scale_and_variance(0.8, 1.0),
                "학습할 때 키우지 않는 논문의 방식입니다. 역 드롭아웃은 학습할 때 미리 키웁니다.",
            ),
            Mistake(
                lambda: (1 / 0.8, _scale_and_variance(0.8, 1 / 0.8)[1] ** 0.5),
                "표준편차를 적었습니다. 분산은 그 제곱입니다.",
            ),
            Mistake(
                lambda: (1 / 0.8, 0.8 * (1 / 0.8) ** 2),
                "제곱의 평균만 구했습니다. 분산은 거기에서 평균의 제곱을 뺀 것입니다.",
            ),
        ),
    ),
    Number(
        question="32×32 이미지에서 28×28 조각을 아무 데나 자르고, 좌우로 뒤집거나 뒤집지 않습니다. 서로 다른 방법은 모두 몇 가지입니까?",
        hint="조각의 왼쪽 위 모서리가 놓일 수 있는 줄은 몇 개입니까?",
        explanation=r"모서리는 세로로도 가로로도 0칸에서 4칸까지 옮길 수 있어 $5^2 = 25$가지이고, 뒤집기가 둘이므로 50가지입니다. 같은 방법으로 세면 256×256에서 224×224를 자르는 논문의 증강은 2,048배가 아니라 2,178배입니다.",
        level=1,
        minutes=3,
        answer=lambda: output_size(32, 28) ** 2 * 2,
        mistakes=(
            Mistake(
                (32 - 28) ** 2 * 2,
                "옮길 수 있는 칸의 수만 셌습니다. 옮기지 않는 경우도 한 가지입니다.",
            ),
            Mistake(
                lambda: output_size(32, 28) ** 2,
                "뒤집은 조각을 세지 않았습니다.",
            ),
            Mistake(
                lambda: output_size(32, 28) * 2,
                "한 방향으로만 옮겼습니다. 세로와 가로를 따로 고를 수 있습니다.",
            ),
            Mistake(
                lambda: output_size(32, 28) ** 2 * 4,
                "위아래로도 뒤집었습니다. 뒤집기는 좌우로만 합니다.",
            ),
        ),
    ),
    Number(
        question="두 종류를 가르는 모형에 한 사진의 두 크롭을 넣었더니 로짓이 $(4, 0)$과 $(0, 1)$이었습니다. 첫 종류의 확률을 두 가지로 구하십시오. 하나는 두 크롭의 **확률**을 평균한 것이고, 다른 하나는 두 크롭의 **로짓**을 평균하여 소프트맥스에 넣은 것입니다. 차례로, 소수점 아래 둘째 자리까지 적으십시오.",
        hint=r"종류가 둘이면 소프트맥스의 첫 값은 로짓의 차 $d$에 대하여 $1/(1 + e^{-d})$입니다.",
        explanation=r"크롭마다의 확률은 0.982와 0.269이므로 평균이 0.63입니다. 로짓의 평균은 $(2, 0.5)$이고 확률은 0.82입니다. 로짓의 평균은 확률을 **기하** 평균하여 다시 정규화한 것이라, 확신이 큰 크롭의 말을 더 따릅니다. 논문은 확률을 평균했습니다.",
        level=2,
        minutes=6,
        tolerance=0.006,
        answer=_two_averages,
        mistakes=(
            Mistake(
                lambda: _two_averages()[::-1],
                "두 수의 차례가 바뀌었습니다.",
            ),
            Mistake(
                lambda: _two_averages(axis=0),
                "소프트맥스를 크롭 쪽으로 걸었습니다. 합이 1이어야 하는 것은 한 크롭의 두 종류입니다.",
            ),
            Mistake(
                lambda: _two_averages(reduce=torch.sum),
                "로짓을 더하기만 하고 크롭의 수로 나누지 않았습니다.",
            ),
            Mistake(
                lambda: (_two_averages()[0],) * 2,
                "두 방법이 같다고 보았습니다. 소프트맥스는 선형이 아닙니다.",
            ),
        ),
    ),
    Choice(
        question="다음 네 가지 분류 문제 가운데, 학습 사진을 좌우로 뒤집어도 정답이 바뀌지 않는 것은 무엇입니까?",
        right="흑백 옷 사진을 티셔츠, 바지, 운동화 같은 열 종류로 가르기",
        place=2,
        mistakes=(
            Mistake(
                "손으로 쓴 숫자 0에서 9까지를 가르기",
                "2나 7을 거울에 비추어 보십시오. 그런 숫자는 없습니다.",
            ),
            Mistake(
                "교통 표지판을 좌회전, 우회전, 직진으로 가르기",
                "화살표를 뒤집으면 다른 표지판이 됩니다.",
            ),
            Mistake(
                "가슴 X선 사진에서 심장이 왼쪽에 있는지 오른쪽에 있는지 가르기",
                "뒤집으면 왼쪽과 오른쪽, 곧 정답이 서로 바뀝니다.",
            ),
        ),
        hint="사진을 거울에 비추었을 때 이름표를 고쳐 붙여야 하는지 따져 보십시오.",
        explanation="옷은 뒤집어도 같은 옷입니다. 다만 Fashion-MNIST의 신발은 거의 다 같은 쪽을 보고 있어서, 시험 자료에 없는 모습까지 배우느라 얻는 것이 적을 수 있습니다. 증강은 문제에 맞추어 골라야 합니다.",
        level=1,
        minutes=2,
    ),
    Function(
        question=r"논문의 모멘텀과 가중치 감쇠로 가중치 하나를 고치는 `train(w, gradients, rates)`를 쓰십시오. $v$는 0에서 시작하고, 스텝마다 $v \leftarrow 0.9\,v - 0.0005\,\epsilon\,w - \epsilon\,g$ 다음에 $w \leftarrow w + v$입니다. `w`는 처음 가중치(실수), `gradients`와 `rates`는 스텝마다의 $g$와 $\epsilon$을 적은 같은 길이의 목록입니다. 스텝마다 고친 $w$를 차례로 담은 목록을 돌려주십시오. `torch.optim`은 쓰지 않습니다.",
        hint="두 목록을 `zip`으로 함께 훑고, 스텝마다 $v$를 먼저 고친 다음 $w$를 고칩니다.",
        explanation="식을 그대로 옮기면 됩니다. 속도 $v$에 학습률이 이미 들어 있으므로, 학습률을 줄여도 전에 쌓인 속도는 그대로 남아 스텝마다 0.9배로 줄 뿐입니다. `torch.optim.SGD`는 학습률을 속도 밖에서 곱하므로 학습률을 줄이는 순간 곧바로 느려집니다.",
        level=2,
        minutes=8,
        oracle=train,
        inputs=_runs,
        mistakes=(
            Mistake(
                _train_like(lambda v, w, g, e: 0.9 * v - 0.0005 * w - g, lambda v, e: e * v),
                "학습률을 속도 밖에서 곱했습니다. torch의 식이며, 학습률이 바뀐 뒤부터 논문의 식과 다릅니다.",
            ),
            Mistake(
                _train_like(lambda v, w, g, e: 0.9 * v - 0.0005 * w - e * g),
                "가중치 감쇠에 학습률을 곱하지 않았습니다.",
            ),
            Mistake(
                _train_like(lambda v, w, g, e: 0.9 * v + 0.0005 * e * w - e * g),
                "가중치 감쇠의 부호가 반대라 가중치가 0에서 멀어집니다.",
            ),
            Mistake(
                _train_like(lambda v, w, g, e: -0.0005 * e * w - e * g),
                "앞 스텝의 속도를 이어받지 않았습니다. 모멘텀이 없는 SGD입니다.",
            ),
            Mistake(
                _train_like(lambda v, w, g, e: 0.9 * v - e * g),
                "가중치 감쇠를 빠뜨렸습니다.",
            ),
        ),
    ),
    Design(
        question="두 GPU에 나누어 놓아도 서로 주고받을 것이 없는 두 탑을 `nn.Sequential` 하나로 설계하십시오. 앞 48채널은 첫째 GPU, 뒤 48채널은 둘째 GPU에서 온 것이고, 출력도 앞뒤 절반씩 나누어 맡습니다. 크기는 `nn.MaxPool2d`로 줄이고, `nn.ReLU`를 넣어도 됩니다.",
        hint="AlexNet의 conv2처럼 `groups=2`인 합성곱으로 시작하십시오. 채널을 섞는 층이 하나라도 있으면 두 탑이 이어집니다.",
        explanation=r"예를 들어 5×5로 96 → 256채널, 3×3 창을 두 칸씩 옮기는 풀링, 3×3으로 256 → 384채널입니다. 합성곱은 둘 다 `groups=2`입니다. 매개변수는 307,456 + 442,752 = 750,208개입니다. 논문의 AlexNet은 이렇게 갈라진 두 탑을 conv3과 완전 연결 층에서만 이었습니다.",
        level=2,
        minutes=10,
        rubric=(
            maps((2, 96, 27, 27), (2, 384, 13, 13), hint=SIZE),
            separated(hint=MIXED),
            contains(nn.Conv2d, "합성곱 층 둘 이상", least=2, hint=ALONE),
            overlapping(hint=SEPARATE_WINDOWS),
            parameters_at_most(800_000, hint=HEAVY),
        ),
        example=_towers,
        mistakes=(
            Mistake(lambda: _towers(padding=0), SIZE),
            Mistake(lambda: _towers(width=64, groups=1), MIXED),
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(96, 384, 5, padding=2, groups=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)
                ),
                ALONE,
            ),
            Mistake(lambda: _towers(pool=2), SEPARATE_WINDOWS),
            Mistake(lambda: _towers(width=512), HEAVY),
        ),
    ),
)
