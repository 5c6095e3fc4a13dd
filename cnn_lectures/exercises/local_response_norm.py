"""5장 국소 응답 정규화의 연습 문제."""

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._criteria import contains, maps
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.local_response_norm import LocalResponseNorm

SPIKE = torch.tensor([0.0, 0.0, 40.0, 0.0, 0.0], dtype=torch.float64)
SIX = torch.tensor([20.0, 50.0, 60.0, 10.0, 30.0, 40.0], dtype=torch.float64)


def _normalized(values, **options):
    """한 자리에 있는 채널들의 LRN."""
    return LocalResponseNorm(**options)(values.view(1, -1, 1)).flatten()


def _window_sum(x, n, axis=0):
    """`axis`를 따라 `n`칸짜리 창의 합. 밖은 0으로 본다."""
    padded = F.pad(x.movedim(axis, -1), (n // 2, n // 2))
    return padded.unfold(-1, n, 1).sum(-1).movedim(-1, axis)


def _circular_sum(x, n):
    """첫 채널과 끝 채널을 이웃으로 본 창의 합."""
    return sum(x.roll(step, 0) for step in range(-(n // 2), n // 2 + 1))


def _sum_without_max(a, n):
    """잘라 낼 시작 번호가 음수가 되게 둔 제곱의 합."""
    reach = n // 2
    slices = [a[i - reach : i + reach + 1] for i in range(len(a))]
    return torch.stack([part.square().sum(dim=0) for part in slices])


def _sum_from_the_end(a, n):
    """뒤쪽 끝만 막고 채널의 번호가 음수가 되게 둔 제곱의 합."""
    reach = n // 2
    windows = [range(i - reach, min(i + reach + 1, len(a))) for i in range(len(a))]
    return torch.stack([sum(a[j] ** 2 for j in window) for window in windows])


def _base(total):
    """여섯 채널의 밑. `total`은 합을 구하는 함수"""
    return 2 + 1e-4 * total(SIX)


def _largest(layer=None, *, upto=1000):
    """이웃이 모두 0인 채널에서 출력이 가장 큰 입력과 그 출력."""
    inputs = torch.arange(1.0, upto + 1, dtype=torch.float64)
    outputs = (layer or LocalResponseNorm())(inputs.view(-1, 1, 1)).flatten()
    best = outputs.argmax()
    return float(inputs[best]), float(outputs[best])


def _ratios(factor=100.0, **options):
    """모든 채널을 `factor`배 할 때, 값이 아주 작은 곳과 아주 큰 곳에서 출력의 배율."""
    return [
        float(
            _normalized(factor * size * SIX, **options)[2] / _normalized(size * SIX, **options)[2]
        )
        for size in (1e-6, 1e6)
    ]


def _alpha_of(layer):
    """`layer`가 제곱의 **합**에 곱하는 수. `layer`는 k = 0, β = 1이어야 한다."""
    x = torch.ones(1, 9, 1, dtype=torch.float64)
    return float(x[0, 4, 0] / layer(x)[0, 4, 0]) / layer.size


def _alphas():
    """(논문의 α를 지키는 torch의 alpha, torch의 기본값을 논문의 꼴로 쓴 α)."""
    unit = _alpha_of(nn.LocalResponseNorm(3, alpha=1.0, beta=1, k=0))
    return 1e-4 / unit, _alpha_of(nn.LocalResponseNorm(5, beta=1, k=0))


def lrn(a, n, alpha, beta, k):
    """패키지의 층으로 계산한 LRN."""
    return LocalResponseNorm(n, alpha=alpha, beta=beta, k=k)(a[None])[0]


def _lrn_with(total):
    """합을 `total`로 구하는 LRN."""
    return lambda a, n, alpha, beta, k: a / (k + alpha * total(a, n)) ** beta


def _activations():
    generator = torch.Generator().manual_seed(0)
    cases = (
        ((6, 2, 4), 5, 1e-4, 0.75, 2.0),
        ((7, 3, 5), 3, 1e-2, 0.5, 1.0),
        ((2, 4, 3), 5, 1e-3, 1.0, 1.0),
    )
    return [
        (30 * torch.rand(shape, generator=generator), *constants) for shape, *constants in cases
    ]


def equals_rms_norm(*, hint):
    """자리마다 RMS 정규화와 같은 값을 낸다."""

    def met(model):
        x = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(0))
        expected = F.rms_norm(x.movedim(1, 3), (8,)).movedim(3, 1)
        with torch.inference_mode():
            return torch.allclose(model.eval()(x), expected, atol=1e-3)

    return Criterion("자리마다 채널 8개의 RMS 정규화와 같은 값(오차 0.001 이하)", met, hint)


def finite_at_zero(*, hint):
    """값이 모두 0인 이미지에서도 NaN이 없다."""

    def met(model):
        with torch.inference_mode():
            return bool(model.eval()(torch.zeros(1, 8, 3, 3)).isfinite().all())

    return Criterion("모두 0인 입력에서도 NaN이 없음", met, hint)


def learns_nothing(*, hint):
    """배우는 매개변수가 없다."""
    return Criterion("배우는 매개변수 없음", lambda model: count_parameters(model) == 0, hint)


def _rms(size=15, **options):
    """채널 8개의 RMS 정규화를 흉내 낸 LRN."""
    return nn.LocalResponseNorm(size, **{"alpha": size / 8, "beta": 0.5, "k": 1e-8} | options)


def _mixing():
    """1×1 합성곱. 처음에는 입력을 그대로 내보낸다."""
    layer = nn.Conv2d(8, 8, 1, bias=False)
    nn.init.dirac_(layer.weight)
    return layer


SHAPE = "이미지의 크기가 달라져도 모양을 그대로 돌려주어야 합니다."
DIFFERENT = "창이 어느 채널에서나 여덟 채널을 모두 덮는지, torch의 `alpha`가 무엇으로 나뉘는지, 제곱근인지, RMS 정규화의 식에 없는 $k$가 값을 바꾸지는 않는지 차례로 확인하십시오."
OTHER = "국소 응답 정규화 층이 없습니다. 다른 정규화 층을 쓰지 말고 LRN의 상수를 정하십시오."
LEARNS = "배우는 층이 섞여 있습니다. LRN의 상수는 배우지 않고 정해 둡니다."
ZERO = "분모까지 0이 됩니다. 결과를 거의 바꾸지 않으면서 0으로 나누는 것을 막을 상수가 식에 하나 있습니다."


EXERCISES = (
    Number(
        question=r"AlexNet의 국소 응답 정규화 $b_i = a_i / (k + \alpha \sum_j a_j^2)^\beta$의 상수는 $k = 2$, $n = 5$, $\alpha = 10^{-4}$, $\beta = 0.75$입니다. 한 자리의 다섯 채널이 $(0, 0, 40, 0, 0)$일 때 다섯 출력을 차례로 구하십시오. 소수점 아래 둘째 자리까지 적으십시오.",
        hint="분자가 0인 채널부터 적고, 가운데 채널의 밑을 구하십시오.",
        explanation=r"가운데는 $40 / (2 + 10^{-4} \cdot 1600)^{0.75} = 40 / 2.16^{0.75} = 22.45$이고 나머지는 분자가 0이므로 0입니다. LRN은 0을 0이 아닌 값으로 바꾸지 않습니다. 그래서 ReLU가 끈 채널은 꺼진 채로 남습니다.",
        level=1,
        minutes=3,
        tolerance=0.006,
        answer=lambda: _normalized(SPIKE),
        mistakes=(
            Mistake(
                lambda: _normalized(SPIKE, average=True),
                "제곱의 합을 5로 나누었습니다. torch의 방식이고, 논문은 합을 그대로 씁니다.",
            ),
            Mistake(
                lambda: _normalized(SPIKE, alpha=0),
                "이웃만 더했습니다. 합에는 자기 자신의 제곱도 들어갑니다.",
            ),
            Mistake(
                lambda: SPIKE / (2 + 1e-4 * SPIKE.sum()) ** 0.75,
                "값을 제곱하지 않고 더했습니다.",
            ),
            Mistake(
                lambda: _normalized(SPIKE, beta=1),
                r"지수 $\beta$를 빼놓고 밑으로 그냥 나누었습니다.",
            ),
        ),
    ),
    Number(
        question=r"한 자리의 여섯 채널이 차례로 $(20, 50, 60, 10, 30, 40)$입니다. 국소 응답 정규화의 밑 $k + \alpha \sum_j a_j^2$을 채널마다 구하여 여섯 수를 차례로 적으십시오. $k = 2$, $n = 5$, $\alpha = 10^{-4}$이고, 없는 채널은 더하지 않습니다.",
        hint="제곱을 먼저 적어 두십시오. 창은 앞뒤로 두 채널씩이고, 양 끝에서는 세 채널만 남습니다.",
        explanation="제곱은 $(400, 2500, 3600, 100, 900, 1600)$, 창의 합은 $(6500, 6600, 7500, 8700, 6200, 2600)$입니다. 여기에 $10^{-4}$을 곱하고 2를 더하면 됩니다. 가장 큰 수로 나누어지는 것은 가장 큰 채널이 아니라 큰 이웃이 많은 채널입니다.",
        level=1,
        minutes=5,
        tolerance=1e-6,
        answer=lambda: SIX / _normalized(SIX, beta=1),
        mistakes=(
            Mistake(
                lambda: _base(lambda x: _window_sum(x**2, 5) / 5),
                "합이 아니라 평균을 썼습니다. 논문의 식은 나누지 않습니다.",
            ),
            Mistake(
                lambda: _base(lambda x: _circular_sum(x**2, 5)),
                "첫 채널과 끝 채널을 이웃으로 보았습니다. 채널은 고리처럼 이어지지 않습니다.",
            ),
            Mistake(
                lambda: _base(lambda x: 5 * x**2),
                "자기 자신의 제곱만 다섯 번 더했습니다. 합 속의 첨자는 $i$가 아니라 $j$입니다.",
            ),
            Mistake(
                lambda: _base(lambda x: _window_sum(x**2, 5) - x**2),
                "자기 자신을 빼고 더했습니다.",
            ),
            Mistake(
                lambda: _base(lambda x: _window_sum(x**2, 3)),
                "앞뒤로 한 채널씩만 더했습니다. $n = 5$이면 자기 자신을 넣어 다섯입니다.",
            ),
        ),
    ),
    Number(
        question=r"`nn.LocalResponseNorm(size, alpha=…)`은 제곱의 합이 아니라 합을 `size`로 나눈 평균에 `alpha`를 곱합니다. 논문의 식(합을 그대로 씀)에서 창만 $n = 3$으로 줄이고 $\alpha = 10^{-4}$은 지키려면 torch에 `alpha`로 얼마를 주어야 합니까? 거꾸로, torch에서 `size=5`, `alpha=1e-4`로 쓴 층은 논문의 식으로 $\alpha$가 얼마입니까? 차례로 적으십시오.",
        hint=r"두 식의 $\sum_j a_j^2$ 앞에 곱해진 수가 같아야 합니다.",
        explanation=r"논문의 $\alpha$는 `alpha / size`와 같습니다. 그러므로 앞의 것은 $3 \cdot 10^{-4}$, 뒤의 것은 $2 \cdot 10^{-5}$입니다. torch의 `alpha`는 창의 크기가 바뀌면 함께 바꾸어야 합니다. 끝 채널에서 이웃이 적어도 torch는 늘 `size`로 나누므로 끝에서도 어긋나지 않습니다.",
        level=2,
        minutes=4,
        relative=0.012,
        answer=_alphas,
        mistakes=(
            Mistake(
                (1e-4, 1e-4),
                "두 식의 글자가 같다고 같은 수를 적었습니다. torch는 `size`로 나눕니다.",
            ),
            Mistake(
                (1e-4 / 3, 1e-4 * 5),
                "곱할 것과 나눌 것이 바뀌었습니다. 나누는 쪽은 torch입니다.",
            ),
            Mistake(
                (1e-4 * 5, 1e-4 / 5),
                "첫째 수에서 창의 크기를 5로 보았습니다. torch가 나누는 수는 그 층의 `size`입니다.",
            ),
            Mistake(
                (1e-4 * 3, 1e-4 * 5),
                "둘째 수는 방향이 거꾸로입니다. torch에서 논문으로 옮길 때를 물었습니다.",
            ),
        ),
    ),
    Number(
        question=r"논문의 상수로 국소 응답 정규화를 합니다. 모든 채널의 값을 100배 하면 출력은 몇 배가 됩니까? 100배 하기 전후의 값이 모두 아주 작아 $k$만 남을 때와, 모두 아주 커서 $k$를 무시할 수 있을 때로 나누어 차례로 적으십시오. ($\beta = 0.75$)",
        hint=r"큰 쪽에서는 분모가 $(\alpha \sum_j a_j^2)^{0.75}$입니다. 값이 $c$배가 되면 이것은 몇 배가 됩니까?",
        explanation=r"작을 때는 분모가 $k^\beta$로 일정하므로 그대로 100배입니다. 클 때는 $c / c^{2\beta} = c^{-1/2}$배, 곧 0.1배라서 밝아질수록 출력이 오히려 작아집니다. $\beta = 1/2$이라면 $c^0$, 곧 밝기를 바꾸어도 출력이 변하지 않습니다.",
        level=2,
        minutes=4,
        tolerance=0.001,
        answer=_ratios,
        mistakes=(
            Mistake(
                lambda: _ratios(beta=0.5),
                r"클 때 분모가 $c$배가 된다고 보았습니다. 그것은 $\beta$가 1/2일 때입니다.",
            ),
            Mistake(
                lambda: (100.0, 100.0),
                "나누기가 있는데도 늘 비례한다고 보았습니다. 값이 크면 분모도 함께 커집니다.",
            ),
            Mistake(
                lambda: (100 * 2**-0.75, _ratios()[1]),
                "$k$로 나누는 것은 값을 키우기 전에도 마찬가지입니다. 배율에서는 약분됩니다.",
            ),
            Mistake(
                lambda: (100.0, 100 / 100**0.75),
                "분모 속의 값이 제곱이라는 것을 잊었습니다.",
            ),
        ),
    ),
    Design(
        question=r"RMS 정규화는 한 자리의 $C$개 채널을 제곱 평균의 제곱근으로 나눕니다: $x_i / \sqrt{\frac1C \sum_j x_j^2}$. 8채널 특징 맵에 이것과 같은 계산을 하는 모듈을 국소 응답 정규화 층의 상수만 알맞게 정하여 만드십시오. torch의 `nn.LocalResponseNorm`과 이 책의 `LocalResponseNorm` 가운데 어느 것을 써도 됩니다.",
        hint=r"첫 채널의 창에도 마지막 채널이 들어야 합니다. $\beta$는 제곱근에서, $\alpha$는 평균에서 읽습니다.",
        explanation=r"제곱근이므로 $\beta = 0.5$이고, 어느 채널에서나 모든 채널이 창에 들도록 `size`를 $2C - 1 = 15$로 둡니다. 이 책의 층이면 $\alpha = 1/C = 1/8$, torch의 층이면 거기에 15를 곱한 15/8입니다. $k$는 0에 가까운 양수로 두어 0으로 나누는 것을 막습니다. RMS 정규화의 구현에 있는 $\epsilon$과 같은 일을 합니다.",
        level=3,
        minutes=10,
        rubric=(
            maps((2, 8, 5, 7), (2, 8, 5, 7), hint=SHAPE),
            contains((nn.LocalResponseNorm, LocalResponseNorm), "국소 응답 정규화 층", hint=OTHER),
            equals_rms_norm(hint=DIFFERENT),
            finite_at_zero(hint=ZERO),
            learns_nothing(hint=LEARNS),
        ),
        example=_rms,
        mistakes=(
            Mistake(lambda: _rms(alpha=1 / 8), DIFFERENT),
            Mistake(lambda: _rms(k=0.0), ZERO),
            Mistake(lambda: nn.Sequential(_rms(), _mixing()), LEARNS),
            Mistake(lambda: nn.Sequential(_rms(), nn.AdaptiveAvgPool2d(3)), SHAPE),
        ),
    ),
    Number(
        question=r"이웃이 모두 0인 채널 하나에 $a > 0$을 주면 국소 응답 정규화의 출력은 $b = a / (2 + 10^{-4} a^2)^{0.75}$입니다. 출력이 가장 커지는 $a$와 그때의 출력을 차례로 구하십시오. $a$는 정수로 반올림하고, 출력은 소수점 아래 둘째 자리까지 적으십시오.",
        hint="$b$를 $a$로 미분하여 0으로 두거나, $a$를 조금씩 키우며 계산해 보십시오.",
        explanation=r"미분하여 0으로 두면 $k + \alpha a^2 = 2\alpha\beta a^2$, 곧 $a^2 = k / (\alpha(2\beta - 1)) = 40000$입니다. $a = 200$에서 $b = 200 / 6^{0.75} = 52.17$이 가장 크고, 그보다 큰 입력은 오히려 출력이 작아집니다.",
        level=3,
        minutes=7,
        tolerance=0.006,
        answer=_largest,
        mistakes=(
            Mistake(
                lambda: (_largest()[0] ** 2, _largest()[1]),
                "$a^2$을 적었습니다. 제곱근을 구하십시오.",
            ),
            Mistake(
                lambda: (round(2e4**0.5), float(_normalized(torch.tensor([2e4**0.5]).double())[0])),
                r"미분할 때 $\beta$의 자리에 1을 썼습니다. 지수도 미분에 나타납니다.",
            ),
            Mistake(
                lambda: (_largest()[0], _largest()[0] / 4**0.75),
                r"출력의 밑에서 $k$를 빠뜨렸습니다.",
            ),
            Mistake(
                lambda: _largest(LocalResponseNorm(average=True)),
                "제곱을 5로 나누었습니다. torch의 방식입니다.",
            ),
        ),
    ),
    Choice(
        question=r"특징 맵의 채널을 어떤 순서로 뒤섞어 넣어도 출력의 채널이 그와 똑같은 순서로 뒤섞여 나옵니까? ($n = 5$인 국소 응답 정규화와, $\gamma$와 $\beta$를 채널과 함께 옮긴 배치 정규화를 견주십시오. 채널은 96개입니다.)",
        right="배치 정규화는 그렇지만 국소 응답 정규화는 그렇지 않다.",
        place=4,
        mistakes=(
            Mistake(
                "둘 다 그렇다. 정규화는 값의 크기만 고르기 때문이다.",
                "채널을 뒤섞으면 창 안의 이웃이 누구로 바뀌는지 생각해 보십시오.",
            ),
            Mistake(
                "국소 응답 정규화는 그렇지만 배치 정규화는 그렇지 않다.",
                "출력 하나를 구할 때 다른 채널의 값을 쓰는 것이 어느 쪽인지 다시 보십시오.",
            ),
            Mistake(
                "둘 다 그렇지 않다. 다른 채널의 값을 함께 쓰기 때문이다.",
                "배치 정규화가 평균과 분산을 구할 때 다른 채널의 값도 씁니까?",
            ),
        ),
        hint="출력 채널 하나를 계산하는 데 어느 채널의 값이 쓰이는지 두 층에서 견주어 보십시오.",
        explanation="국소 응답 정규화는 이웃이 바뀌므로 값이 달라집니다. 어떤 순서로 뒤섞어도 출력이 그대로 따라오는 것은 창이 모든 채널을 덮거나 자기 자신만 덮을($n = 1$) 때뿐입니다. 배치 정규화는 채널마다 따로 계산하므로 그대로 뒤섞입니다. 합성곱의 채널 순서에는 본디 뜻이 없는데도, LRN을 두면 순서가 뜻을 갖게 됩니다.",
        level=2,
        minutes=3,
    ),
    Function(
        question=r"국소 응답 정규화 `lrn(a, n, alpha, beta, k)`를 쓰십시오. `a`는 (C, H, W)인 텐서, `n`은 홀수인 창의 크기이고, 같은 모양의 텐서를 돌려줍니다. 논문의 식 $b_i = a_i / (k + \alpha \sum_j a_j^2)^\beta$에서 $j$는 같은 자리에 있는 $i - (n - 1)/2$번부터 $i + (n - 1)/2$번까지의 채널이고, 없는 채널은 더하지 않습니다. 국소 응답 정규화 층과 `F.local_response_norm`은 쓰지 않습니다.",
        hint="제곱한 텐서에서 채널 `max(0, i - n // 2)`부터 `i + n // 2`까지를 잘라 더하십시오. 파이썬의 자르기는 끝 번호를 넣지 않습니다.",
        explanation="채널마다 창을 잘라 제곱의 합을 구하고, 그것으로 나누면 됩니다. 파이썬의 자르기는 끝을 넘어도 오류를 내지 않으므로 뒤쪽 끝은 따로 다루지 않아도 되지만, 앞쪽에서는 음수 번호가 뒤에서부터 센다는 뜻이 되므로 `max`가 있어야 합니다.",
        level=2,
        minutes=8,
        oracle=lrn,
        inputs=_activations,
        atol=1e-5,
        mistakes=(
            Mistake(
                _lrn_with(lambda a, n: _window_sum(a**2, n) / n),
                "합을 `n`으로 나누었습니다. torch의 방식이고, 논문의 식은 나누지 않습니다.",
            ),
            Mistake(
                _lrn_with(lambda a, n: _window_sum(a**2, n, axis=2)),
                "이웃한 화소를 더했습니다. 더하는 것은 같은 자리의 이웃한 **채널**입니다.",
            ),
            Mistake(
                _lrn_with(lambda a, n: _circular_sum(a**2, n)),
                "첫 채널과 끝 채널을 이웃으로 보았습니다. `roll`이나 나머지 연산으로 번호를 돌리지 않았는지 보십시오.",
            ),
            Mistake(
                _lrn_with(_sum_without_max),
                "앞쪽 채널에서 잘라 낼 시작 번호가 음수가 되었습니다. 파이썬은 이것을 뒤에서부터 센 번호로 읽으므로 더할 채널이 빠집니다.",
            ),
            Mistake(
                _lrn_with(_sum_from_the_end),
                "앞쪽 채널에서 이웃의 번호가 음수가 되었습니다. 파이썬은 이것을 뒤에서부터 센 번호로 읽으므로 끝의 채널을 더하게 됩니다.",
            ),
            Mistake(
                _lrn_with(lambda a, n: _window_sum(a**2, n) - a**2),
                "합에서 자기 자신을 빼놓았습니다.",
            ),
            Mistake(
                _lrn_with(lambda a, n: _window_sum(a, n)),
                "값을 제곱하지 않고 더했습니다.",
            ),
        ),
    ),
)
