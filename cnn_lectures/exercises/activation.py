"""4장 활성화 함수의 연습 문제."""

import math
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.init import calculate_gain

from cnn_lectures.exercises._criteria import calls, contains, lacks, layers, maps
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.activation import gradient, sigmoid

WEIGHTS = (0.5, -1.0, 0.25)
WIDTH = 128


def _largest_slope(function):
    """활성화 함수의 가장 가파른 기울기."""
    return gradient(function, torch.linspace(-8, 8, 1601, dtype=torch.float64)).max().item()


def _layers_below(limit, slope):
    """층마다 `slope`배가 되는 기울기가 `limit`보다 작아지는 첫 층수."""
    return next(n for n in range(1, 999) if slope**n < limit)


def _chain(layers=10, weight=4.0):
    """0.5에서 시작하여 h ← σ(4h)를 `layers`번 한 결과의 기울기."""
    start = h = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    for _ in range(layers):
        h = sigmoid(4 * h)
    (slope,) = torch.autograd.grad(h, start)
    return slope.item() * (weight / 4) ** layers


def _xavier_relu(gaps=29):
    """분산이 1/n인 ReLU 층 사이를 `gaps`번 거슬러 올라간 기울기의 배율."""
    return (calculate_gain("linear") / calculate_gain("relu")) ** gaps


def _leaky_over_he(power=2):
    """음수 쪽의 기울기가 0.1, 1인 Leaky ReLU의 분산을 He 초기화의 분산으로 나눈 것."""
    he = calculate_gain("relu")
    return [(calculate_gain("leaky_relu", slope) / he) ** power for slope in (0.1, 1)]


def _dead_bias():
    """화소가 0과 1 사이일 때, 모든 입력에서 0 이하가 되는 가장 큰 편향."""
    corners = torch.tensor(list(product((0.0, 1.0), repeat=len(WEIGHTS))))
    return -(corners @ torch.tensor(WEIGHTS)).max().item()


def _logits():
    random = torch.Generator().manual_seed(5)
    return [
        (torch.tensor([-1000.0, -1.0, 0.0, 1.0, 1000.0]),),
        (3 * torch.randn(2, 3, generator=random),),
        (torch.tensor([[-800.0], [-95.0], [-30.0], [95.0]]),),
    ]


NORMALIZATIONS = (nn.BatchNorm1d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.RMSNorm)


def _gradient_ratio(model):
    """무작위 기울기를 출력에 주었을 때, 입력까지 내려온 기울기의 크기와의 비."""
    random = torch.Generator().manual_seed(0)
    images = torch.randn(32, WIDTH, generator=random, requires_grad=True)
    output = model.train()(images)
    upstream = torch.randn(output.shape, generator=random)
    (grad,) = torch.autograd.grad(output, images, upstream)
    return (grad.norm() / upstream.norm()).item()


def _is_affine(given, output):
    """`output`이 `given`의 아핀 변환인지. 최소제곱으로 맞추어 남는 것이 없으면 그렇다."""
    given, output = F.pad(given.flatten(1), (0, 1), value=1.0), output.flatten(1)
    fitted = given @ torch.linalg.lstsq(given, output).solution
    return (fitted - output).norm() < 1e-3 * output.norm()


def _activated(model):
    """완전 연결 층의 출력이 활성화 함수를 거치지 않고 다음 완전 연결 층에 들어가는 일이 없다."""

    def standardize(_, given, output):
        """값이 0으로 줄어들면 tanh도 항등 함수와 같아지므로, 크기를 1로 맞춘다."""
        return F.batch_norm(output, None, None, training=True, eps=1e-12)

    for layer in layers(model, nn.Linear):
        layer.register_forward_hook(standardize)
    images = torch.randn(1024, WIDTH, generator=torch.Generator().manual_seed(0))
    found = calls(model.eval(), nn.Linear, images)
    return not any(_is_affine(first.output, then.given) for first, then in pairwise(found))


def _deep(*, gain, depth=20, between=(nn.ReLU,)):
    """폭이 같은 완전 연결 층을 쌓고, 가중치의 표준편차를 gain/√n으로 맞춘다."""
    random = torch.Generator().manual_seed(0)
    layers = []
    for _ in range(depth):
        layer = nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(WIDTH), generator=random)
        nn.init.zeros_(layer.bias)
        layers += [layer, *(make() for make in between)]
    return nn.Sequential(*layers)


SHAPE = "모든 층의 입력과 출력이 128개여야 합니다."
SHALLOW = "층이 모자랍니다. 완전 연결 층을 더 쌓으십시오."
LINEAR = "활성화 함수를 거치지 않고 이어진 완전 연결 층이 있습니다. 그런 층은 아무리 쌓아도 선형 변환 하나입니다."
VANISHES = "기울기가 사라집니다. 활성화 함수가 줄이는 만큼 가중치의 분산을 키우십시오."
EXPLODES = "기울기가 폭발합니다. 가중치의 분산을 줄이십시오."
NORMALIZES = "정규화 층을 빼고 초기화만으로 맞추십시오."


EXERCISES = (
    Number(
        question="유닛이 한 줄로 이어져 있고 가중치가 모두 1인 신경망에서 시그모이드를 $n$번 지납니다. 기울기가 **아무리 커도** 백만분의 일보다 작은 것은 $n$이 몇일 때부터입니까?",
        hint="시그모이드의 기울기는 가장 클 때 얼마입니까? 층마다 그만큼 곱해집니다.",
        explanation=r"층마다 아무리 커도 1/4배입니다. $0.25^9 = 3.81 \cdot 10^{-6}$이고, $0.25^{10} = 9.54 \cdot 10^{-7}$에서 처음으로 백만분의 일보다 작아집니다.",
        level=1,
        minutes=3,
        answer=lambda: _layers_below(1e-6, _largest_slope(sigmoid)),
        mistakes=(
            Mistake(
                lambda: _layers_below(1e-6, 0.5),
                "$x = 0$에서 시그모이드의 **값**을 곱했습니다. 기울기는 $\\sigma(x)(1 - \\sigma(x))$입니다.",
            ),
            Mistake(
                lambda: _layers_below(1e-6, _largest_slope(sigmoid)) - 1,
                "한 층이 모자랍니다. 그때의 상한은 아직 백만분의 일보다 큽니다.",
            ),
            Mistake(
                lambda: _layers_below(1e-6, _largest_slope(sigmoid) ** 2),
                "층마다 도함수를 두 번 곱했거나, 백만분의 일을 천분의 일로 보았습니다. 층 하나를 지날 때 도함수는 한 번 곱해집니다.",
            ),
        ),
    ),
    Number(
        question=r"유닛이 한 줄로 이어진 신경망 $h_l = \sigma(4 h_{l-1})$은 기울기의 상한이 $(4/4)^n = 1$입니다. $h_0 = 0.5$에서 출발하여 열 층을 지난 **실제** 기울기 $\partial h_{10} / \partial h_0$은 얼마입니까? 유효 숫자 두 자리로 적으십시오(예: `1.2e-3`).",
        hint=r"층마다 $h$를 새로 구하고 $4\sigma'(4h)$를 곱해 나갑니다. 짧은 반복문이나 자동 미분을 써도 됩니다.",
        explanation=r"약 $5.5 \cdot 10^{-11}$입니다. $h$가 층을 지나며 0.98에 가까워져서 유닛이 포화하므로, 층마다의 배율 $4\sigma'(4h)$가 1보다 훨씬 작아집니다. 기울기가 상한과 같아지는 것은 모든 유닛의 입력이 0일 때뿐인데, 시그모이드의 출력은 늘 양수라서 둘째 층부터는 그럴 수 없습니다.",
        level=2,
        minutes=6,
        relative=0.012,
        answer=_chain,
        mistakes=(
            Mistake(
                1,
                "상한을 적었습니다. 유닛의 입력이 0이 아니면 도함수는 1/4보다 작습니다.",
            ),
            Mistake(
                lambda: _chain(layers=1) ** 10,
                "$h$를 층마다 새로 구하지 않고 처음 값 0.5에 머물게 했습니다.",
            ),
            Mistake(lambda: _chain(layers=9), "아홉 층만 지났습니다."),
            Mistake(
                lambda: _chain(weight=1.0),
                "가중치 4를 곱하지 않고 도함수만 곱했습니다.",
            ),
        ),
    ),
    Number(
        question="폭이 같은 ReLU 신경망 30층을 Xavier 초기화(분산 $1/n$)로 시작합니다. 손실을 첫 층의 출력으로 미분한 기울기의 크기는 마지막 층의 출력으로 미분한 기울기의 몇 배쯤 되겠습니까? 유효 숫자 두 자리로 적으십시오(예: `1.2e-3`).",
        hint=r"층 하나를 거슬러 올라갈 때 기울기의 **제곱**은 평균하여 $n v \cdot \mathbb{E}[\varphi'^2]$배가 됩니다. 층 사이는 몇 번입니까?",
        explanation=r"제곱이 층마다 1/2배이므로 크기는 $1/\sqrt 2$배이고, 층 사이가 29번이므로 $(1/\sqrt 2)^{29} = 4.3 \cdot 10^{-5}$배입니다. He 초기화는 분산이 두 배, 표준편차가 $\sqrt 2$배이므로 배율이 정확히 상쇄되어 1배쯤이 됩니다.",
        level=2,
        minutes=5,
        relative=0.021,
        answer=_xavier_relu,
        mistakes=(
            Mistake(
                lambda: _xavier_relu(30),
                "서른 번 곱했습니다. 첫 층의 출력과 마지막 층의 출력 사이를 세어 보십시오.",
            ),
            Mistake(
                lambda: _xavier_relu() ** 2,
                "기울기의 제곱의 배율입니다. 크기의 배율은 그 제곱근입니다.",
            ),
            Mistake(
                lambda: _xavier_relu() ** 0.5,
                "제곱근을 두 번 취했습니다. 층마다 절반이 되는 것은 기울기의 제곱입니다.",
            ),
            Mistake(
                1,
                "He 초기화를 썼을 때의 값입니다. Xavier 초기화의 분산은 그 절반입니다.",
            ),
        ),
    ),
    Function(
        question=r"로그 시그모이드 $\ln \sigma(x)$를 계산하는 `log_sigmoid(x)`를 쓰십시오. `x`는 어떤 모양이든 될 수 있는 float32 텐서이고, 값은 −1000 이상 1000 이하입니다. 결과도 같은 모양이며, NaN이나 무한대가 없어야 합니다. `F.logsigmoid`와 `F.softplus`는 쓰지 않습니다.",
        hint=r"$x < 0$이면 분자와 분모에 $e^x$를 곱하여 $\sigma(x) = e^x / (1 + e^x)$로 바꾸고 로그를 취하십시오. 지수가 음수이면 넘치지 않습니다. `torch.log1p(x)`는 $\ln(1 + x)$입니다.",
        explanation=r"$\ln \sigma(x) = \min(x, 0) - \ln(1 + e^{-|x|})$입니다. `torch.log(sigmoid(x))`는 $x = -1000$에서 시그모이드가 0이므로 $-\infty$를 내지만, 참값은 $-\ln(1 + e^{1000}) \approx -1000$입니다. 실제로는 로그까지 한꺼번에 계산하는 `F.logsigmoid`를 씁니다. 손실을 `F.cross_entropy`처럼 로짓에서 바로 계산하는 것도 같은 까닭입니다.",
        level=3,
        minutes=8,
        oracle=F.logsigmoid,
        inputs=_logits,
        mistakes=(
            Mistake(
                lambda x: torch.log(torch.sigmoid(x) + 1e-12),
                "시그모이드에 아주 작은 수를 더하여 무한대만 막았습니다. $x$가 크게 음수이면 값이 틀립니다.",
            ),
            Mistake(
                lambda x: torch.log(torch.sigmoid(x).clamp(min=torch.finfo(x.dtype).tiny)),
                "시그모이드를 가장 작은 양수에서 잘라 무한대만 막았습니다. 로그까지 한꺼번에 계산하는 꼴로 바꾸십시오.",
            ),
            Mistake(
                lambda x: x.clamp(max=0),
                "$|x|$가 클 때의 근삿값입니다. 0 가까이에서는 1에 더해지는 지수를 버릴 수 없습니다.",
            ),
            Mistake(
                lambda x: F.softplus(-x),
                "부호가 거꾸로입니다. 시그모이드는 1보다 작으므로 그 로그는 음수입니다.",
            ),
            Mistake(
                torch.sigmoid,
                "로그를 취하지 않았습니다.",
            ),
        ),
    ),
    Number(
        question="음수 쪽의 기울기가 $a$인 Leaky ReLU에 맞는 초기화의 분산은 He 초기화($2/n$)의 몇 배입니까? $a = 0.1$일 때와 $a = 1$일 때를 차례로 소수점 아래 넷째 자리까지 적으십시오.",
        hint=r"$n v \cdot \mathbb{E}[\varphi'^2] = 1$이 되는 $v$를 찾으십시오. 입력의 절반에서는 $\varphi' = 1$이고, 나머지 절반에서는 $\varphi' = a$입니다.",
        explanation=r"$\mathbb{E}[\varphi'^2] = (1 + a^2)/2$이므로 $v = 2 / ((1 + a^2)\,n)$입니다. $a = 0.1$이면 0.9901배로, He 초기화와 거의 같습니다. $a = 1$이면 항등 함수가 되어 $v = 1/n$, 곧 Xavier 초기화와 같습니다.",
        level=2,
        minutes=5,
        tolerance=6e-5,
        answer=_leaky_over_he,
        mistakes=(
            Mistake(
                [1 / (1 + a) for a in (0.1, 1)],
                "음수 쪽의 기울기를 제곱하지 않았습니다.",
            ),
            Mistake(
                lambda: _leaky_over_he(power=1),
                "표준편차의 비를 적었습니다. 분산의 비를 물었습니다.",
            ),
            Mistake(
                lambda: _leaky_over_he(power=-2),
                "거꾸로 나누었습니다. 음수 쪽에서도 기울기가 흐르므로 분산은 He 초기화보다 작아야 합니다.",
            ),
            Mistake(
                [1 - a**2 for a in (0.1, 1)],
                "음수 쪽의 몫을 1에서 뺐습니다. 음수 쪽에서도 기울기가 흐르므로, 두 쪽의 몫을 **더하여** 배율을 구한 다음 $v$에 대하여 푸십시오.",
            ),
        ),
    ),
    Choice(
        question="이미지 한 장으로 기울기를 구할 때, **완전 연결 층**의 한 유닛이 가진 가중치들이 서로 **다른 부호**의 기울기를 받을 수 있는 것은 앞 층의 활성화 함수가 무엇일 때입니까?",
        right="tanh",
        place=2,
        mistakes=(
            Mistake(
                "시그모이드",
                "시그모이드의 출력은 모두 양수입니다. 가중치의 기울기는 그 출력에 무엇을 곱한 것입니까?",
            ),
            Mistake(
                "ReLU",
                "ReLU의 출력은 0 이상입니다. 0인 것은 기울기도 0이므로, 나머지는 모두 부호가 같습니다.",
            ),
            Mistake(
                "셋 모두. 부호는 손실 함수에 달려 있다.",
                "손실은 유닛 하나에 수 하나만 건네줍니다. 가중치마다 다른 것은 그 수에 곱하는 앞 층의 출력입니다.",
            ),
        ),
        hint=r"유닛의 입력을 $z = \sum_i w_i h_i$라 하고 $\partial L / \partial w_i$를 쓰십시오.",
        explanation=r"$\partial L / \partial w_i = (\partial L / \partial z)\, h_i$입니다. 시그모이드의 출력 $h_i$는 모두 양수이므로 부호는 $\partial L / \partial z$ 하나로 정해집니다. tanh의 출력에는 양수와 음수가 섞여 있습니다. ReLU의 출력은 0 이상이라 시그모이드와 마찬가지이지만, 양수 쪽에서 포화하지 않으므로 얻는 것이 더 큽니다.",
        level=2,
        minutes=3,
    ),
    Choice(
        question=r"활성화 함수라면 출력의 합을 한 번 역전파하여 자리마다의 도함수 $\partial y_i / \partial x_i$를 얻을 수 있습니다. 소프트맥스에 이 방법을 쓰면 무엇이 나옵니까?",
        right="모두 0이 나온다.",
        place=3,
        mistakes=(
            Mistake(
                "$y_i (1 - y_i)$가 나온다.",
                "그것이 얻으려던 도함수이지만, 출력 하나가 모든 입력에 달려 있으면 합을 역전파할 때 다른 출력의 몫이 섞입니다.",
            ),
            Mistake(
                "야코비 행렬이 나온다.",
                "합은 수 하나이므로 한 번 역전파하면 입력과 모양이 같은 기울기만 나옵니다.",
            ),
            Mistake(
                "자리마다 1이 나온다.",
                "출력의 합이 1인 것이지, 그 합을 미분한 것이 1은 아닙니다.",
            ),
        ),
        hint="소프트맥스의 출력을 모두 더하면 얼마입니까? 입력을 조금 바꾸면 그 합은 어떻게 됩니까?",
        explanation=r"소프트맥스의 출력은 합이 늘 1이므로 합의 기울기는 모두 0입니다. 출력 하나가 모든 입력에 달려 있어서 $\partial y_i / \partial x_i$에 다른 출력의 몫이 섞이고, 더하면 꼭 상쇄됩니다.",
        level=2,
        minutes=3,
    ),
    Number(
        question="입력이 셋인 ReLU 유닛의 가중치가 차례로 0.5, −1, 0.25입니다. 입력은 모두 0 이상 1 이하의 화소입니다. 어떤 이미지가 들어와도 출력이 0이어서 유닛이 죽어 있으려면 편향은 얼마 **이하**여야 합니까?",
        hint="유닛의 입력을 가장 크게 만드는 이미지를 찾으십시오. 화소마다 0과 1 가운데 무엇이 좋습니까?",
        explanation="가중치가 양수인 화소는 1, 음수인 화소는 0일 때 입력이 $0.75 + b$로 가장 큽니다. 이것이 0 이하이면 어떤 이미지에서도 0을 내고 기울기도 0이므로, 학습률을 바꾸어도 되살아나지 못합니다.",
        level=2,
        minutes=4,
        answer=_dead_bias,
        mistakes=(
            Mistake(
                lambda: -sum(WEIGHTS),
                "화소가 모두 1인 이미지만 보았습니다. 더 크게 반응하는 이미지가 있습니다.",
            ),
            Mistake(
                lambda: -sum(map(abs, WEIGHTS)),
                "음수인 가중치까지 크기를 더했습니다. 화소는 음수가 될 수 없습니다.",
            ),
            Mistake(
                lambda: -_dead_bias(),
                "부호가 거꾸로입니다. 편향이 양수이면 유닛은 더 쉽게 켜집니다.",
            ),
            Mistake(
                0,
                "화소가 모두 0인 이미지만 보았습니다. 죽은 유닛은 **모든** 이미지에서 0을 냅니다.",
            ),
        ),
    ),
    Design(
        question="폭이 128인 완전 연결 층을 스무 층 이상 쌓되, 처음부터 기울기가 끝까지 흐르는 신경망을 `nn.Sequential`로 만드십시오. 출력에 무작위 기울기를 주고, 입력까지 내려온 기울기의 크기가 출력에 준 것의 몇 배인지를 잽니다. 초기화는 `nn.init`의 함수로 직접 합니다.",
        hint="활성화 함수와 초기화는 짝입니다. 쌓고 나서 완전 연결 층의 `weight`를 하나씩 다시 채우십시오.",
        explanation="예를 들어 `nn.Linear(128, 128)`과 `nn.ReLU()`를 스무 번 되풀이하고, 가중치를 `nn.init.kaiming_normal_`로 채웁니다. tanh에 Xavier 초기화를 짝지어도 됩니다. torch의 기본값은 분산이 $1/(3n)$이라서 ReLU와 함께 쓰면 층마다 0.41배로 줄어듭니다.",
        level=3,
        minutes=12,
        rubric=(
            maps((32, WIDTH), (32, WIDTH), hint=SHAPE),
            contains(nn.Linear, "완전 연결 층 스물 이상", least=20, hint=SHALLOW),
            Criterion("완전 연결 층 사이마다 활성화 함수", _activated, LINEAR),
            Criterion(
                "입력까지 내려온 기울기의 크기가 0.01배 이상",
                lambda model: _gradient_ratio(model) >= 0.01,
                VANISHES,
            ),
            Criterion(
                "입력까지 내려온 기울기의 크기가 100배 이하",
                lambda model: _gradient_ratio(model) <= 100,
                EXPLODES,
            ),
            lacks(NORMALIZATIONS, "정규화 층 없음", hint=NORMALIZES),
        ),
        example=lambda: _deep(gain=calculate_gain("relu")),
        mistakes=(
            Mistake(
                lambda: nn.Sequential(
                    *_deep(gain=calculate_gain("relu")), nn.Unflatten(1, (1, WIDTH))
                ),
                SHAPE,
            ),
            Mistake(lambda: _deep(gain=calculate_gain("relu"), depth=3), SHALLOW),
            Mistake(lambda: _deep(gain=1, between=()), LINEAR),
            Mistake(lambda: _deep(gain=1), VANISHES),
            Mistake(lambda: _deep(gain=2), EXPLODES),
            Mistake(
                lambda: _deep(gain=1, between=(lambda: nn.LayerNorm(WIDTH), nn.ReLU)),
                NORMALIZES,
            ),
        ),
    ),
)
