"""10장 배치 정규화의 연습 문제."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._criteria import calls, contains, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNormNd,
    batch_norm_backward,
    fold_batch_norm,
)
from cnn_lectures.models import build_model

X = torch.tensor([[0.0], [0.0], [0.0], [4.0]], dtype=torch.float64)
G = torch.tensor([[1.0], [0.0], [0.0], [0.0]], dtype=torch.float64)
CENTERED, BIASED = X - X.mean(), X.var(correction=0)
X_HAT = CENTERED / BIASED.sqrt()


def _forward():
    """γ = 2, β = 1로 `X`를 정규화한 값."""
    layer = BatchNorm1d(1, eps=0.0).double()
    with torch.no_grad():
        layer.weight.fill_(2)
        layer.bias.fill_(1)
        return layer(X)


def _running_mean(steps):
    """평균이 2.5인 미니배치를 `steps`번 넣은 뒤의 `running_mean`."""
    layer = BatchNorm1d(1, affine=False).double()
    for _ in range(steps):
        layer(X + 1.5)
    return layer.running_mean.item()


def _steps():
    """`running_mean`이 2.5의 99 %에 이르는 가장 작은 횟수."""
    return next(t for t in range(1, 100) if _running_mean(t) >= 0.99 * 2.5)


def _growth():
    """VGG16에 배치 정규화를 넣을 때 늘어나는 매개변수. 앞 층의 편향을 없앨 때와 남길 때."""
    with torch.device("meta"):
        plain, normed = build_model("vgg16"), build_model("vgg16", batch_norm=True)
    kept = count_parameters(normed) - count_parameters(plain)
    layers = [layer for layer in plain.modules() if isinstance(layer, nn.Conv2d)]
    return kept - sum(layer.bias.numel() for layer in layers), kept


CHANNELS = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


def _seen():
    """출력 하나가 보는 입력의 수를 정규화마다. 미분하여 0이 아닌 것을 센다."""
    x = torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    layers = (BatchNorm2d(6), nn.LayerNorm([6, 5, 5]), nn.GroupNorm(3, 6), nn.InstanceNorm2d(6))
    gradients = (torch.autograd.grad(layer(x)[0, 0, 0, 0], x)[0] for layer in layers)
    return [int(gradient.count_nonzero()) for gradient in gradients]


def _folded():
    """가중치 0.5, 편향 1인 층에 γ = 2, β = −1, μ = 3, σ² = 0.25인 배치 정규화를 접은 것."""
    layer, norm = nn.Linear(1, 1), BatchNorm1d(1, eps=0.0)
    values = ((layer.weight, 0.5), (layer.bias, 1), (norm.weight, 2), (norm.bias, -1))
    for tensor, value in (*values, (norm.running_mean, 3), (norm.running_var, 0.25)):
        nn.init.constant_(tensor, value)
    folded = fold_batch_norm(layer, norm)
    return folded.weight.item(), folded.bias.item()


def _normalize(x, gamma, beta, eps, *, axes=(0, 2, 3), correction=0, divide=None):
    """`axes`의 평균과 분산으로 정규화한다. `divide`는 (x − μ)를 나눌 수"""
    variance = x.var(axes, correction=correction, keepdim=True)
    spread = divide(variance, eps) if divide else (variance + eps).sqrt()
    x = (x - x.mean(axes, keepdim=True)) / spread
    return gamma.view(-1, 1, 1) * x + beta.view(-1, 1, 1)


def normalize(x, gamma, beta, eps):
    """학습 모드의 배치 정규화."""
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def _maps():
    random = torch.Generator().manual_seed(1)
    cases = (((4, 3, 2, 5), 0.1), ((2, 1, 3, 3), 1e-5), ((3, 4, 2, 1), 0.5))
    return [
        (
            3 * torch.randn(shape, generator=random, dtype=torch.float64) + 2,
            torch.rand(shape[1], generator=random, dtype=torch.float64) + 0.5,
            torch.randn(shape[1], generator=random, dtype=torch.float64),
            eps,
        )
        for shape, eps in cases
    ]


def _images():
    return torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def _training(model):
    """드롭아웃만 끈 학습 모드로 둔다."""
    for layer in model.train().modules():
        if isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d):
            layer.eval()
    return model


def _same(given, logits):
    """`given`이 `logits`의 앞부분과 같은지. 갓 만든 신경망의 로짓은 이미지마다 거의 같을 수 있으므로
    이미지 사이의 차이에 견준다.
    """
    spread = (logits - logits.mean(dim=0)).abs().max()
    return bool((given - logits[: len(given)]).abs().max() < 1e-2 * spread)


def _alone(model):
    """학습 모드에서도 한 장만 넣은 로짓이 여덟 장을 넣은 것과 같은지."""
    model, images = _training(model), _images()
    with torch.no_grad():
        return _same(model(images[:1]), model(images))


def _scale_free(model):
    """첫 합성곱의 가중치를 10배 하여도 로짓이 같은지."""
    model, images = _training(model), _images()
    convolutions = calls(model, nn.Conv2d, images)
    if not convolutions:
        return False
    with torch.no_grad():
        before = model(images)
        convolutions[0].layer.weight.mul_(10)
        return _same(model(images), before)


def _group(channels):
    return nn.GroupNorm(2, channels)


def _network(first=_group, last=_group, *, bias=False, active=nn.ReLU, hidden=84, classes=10):
    """설계 문제의 보기. `first`와 `last`는 첫째와 둘째 합성곱 다음의 정규화"""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, bias=bias), first(6), active(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5, bias=bias), last(16), active(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(256, hidden), active(), nn.Linear(hidden, classes)),
    )


NORMS = (
    *(nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.InstanceNorm2d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, BatchNormNd),
)
CLASSES = "로짓은 이미지마다 열 개여야 합니다."
TOO_MANY = "매개변수가 몰려 있는 완전 연결 층을 보십시오."
FEW_NORMS = (
    "torch의 정규화 층이 하나뿐이거나 없습니다. `F.group_norm`처럼 함수로 쓴 것은 세지 않습니다."
)
MATES = (
    "함께 든 이미지에 따라 값이 달라지는 층이 있습니다. 정규화가 이미지 한 장 안에서 끝나야 합니다."
)
SCALED = "가중치의 크기가 사라지려면 합성곱의 출력을 정규화해야 하고, 그 앞에서 **가중치와 함께 커지지 않는 것**을 더해서는 안 됩니다."


EXERCISES = (
    Number(
        question=r"채널 하나의 미니배치가 $(0, 0, 0, 4)$입니다. $\varepsilon = 0$, $\gamma = 2$, $\beta = 1$인 배치 정규화를 학습 모드로 할 때 네 출력을 차례로 구하십시오. 소수점 아래 넷째 자리까지 적습니다.",
        hint="평균, 편향 분산, 표준편차의 차례로 구하십시오. 넷 가운데 셋은 값이 같습니다.",
        explanation=r"평균은 1, 편향 분산은 $(1 + 1 + 1 + 9)/4 = 3$입니다. $\hat x = (-0.5774, -0.5774, -0.5774, 1.7321)$이고 $y = 2\hat x + 1$이므로 $(-0.1547, -0.1547, -0.1547, 4.4641)$입니다.",
        level=1,
        minutes=4,
        tolerance=6e-5,
        answer=_forward,
        mistakes=(
            Mistake(
                lambda: 2 * CENTERED / X.std() + 1,
                "분산을 $m - 1$로 나누었습니다. 미니배치를 정규화할 때는 편향 분산입니다.",
            ),
            Mistake(
                lambda: 2 * CENTERED / BIASED + 1,
                "표준편차가 아니라 분산으로 나누었습니다.",
            ),
            Mistake(
                lambda: 2 * (X_HAT + 1),
                r"$\beta$를 더한 다음 $\gamma$를 곱했습니다. 곱하는 것이 먼저입니다.",
            ),
            Mistake(
                lambda: 2 * X / BIASED.sqrt() + 1,
                "평균을 빼지 않았습니다.",
            ),
            Mistake(lambda: X_HAT, r"$\gamma$와 $\beta$를 쓰지 않았습니다."),
        ),
    ),
    Number(
        question=r"채널 하나의 미니배치가 $x = (0, 0, 0, 4)$이고, 배치 정규화의 출력에서 온 기울기가 $\partial L / \partial y = (1, 0, 0, 0)$입니다. $\gamma = 1$, $\varepsilon = 0$일 때 $\partial L / \partial x$의 네 수를 차례로 구하십시오. 소수점 아래 넷째 자리까지 적습니다.",
        hint=r"$\hat x$와 $s = \sqrt{\sigma^2}$를 구하고, 기울기에서 평균과 $\hat x$ 방향의 성분을 빼십시오.",
        explanation=r"$\hat x = (-0.5774, -0.5774, -0.5774, 1.7321)$, $s = 1.7321$, $\partial L/\partial\beta = 1$, $\partial L/\partial\gamma = -0.5774$입니다. $\frac{1}{s}\big(g_i - \frac14 + \frac{0.5774}{4}\hat x_i\big)$를 계산하면 $(0.3849, -0.1925, -0.1925, 0)$이고 합은 0입니다. 넷째가 0인 까닭은, 같은 값 셋과 그보다 큰 값 하나뿐이면 그 하나를 조금 옮겨도 $\hat x$가 그대로이기 때문입니다.",
        level=3,
        minutes=8,
        tolerance=6e-5,
        answer=lambda: batch_norm_backward(G, X, torch.ones(1).double(), eps=0.0)[0],
        mistakes=(
            Mistake(
                lambda: G / BIASED.sqrt(),
                "평균과 표준편차를 상수로 보았습니다. 둘 다 $x$에서 나온 값입니다.",
            ),
            Mistake(
                lambda: (G - G.mean()) / BIASED.sqrt(),
                r"표준편차가 움직이는 몫을 빠뜨렸습니다. $\hat x$ 방향의 성분도 빼십시오.",
            ),
            Mistake(
                lambda: (G - X_HAT * (G * X_HAT).mean()) / BIASED.sqrt(),
                "평균이 움직이는 몫을 빠뜨렸습니다. 기울기의 평균도 빼십시오.",
            ),
            Mistake(
                lambda: G - G.mean() - X_HAT * (G * X_HAT).mean(),
                "마지막에 $s$로 나누지 않았습니다.",
            ),
        ),
    ),
    Number(
        question="`momentum=0.1`인 torch의 배치 정규화 층에, 평균이 늘 2.5인 미니배치를 학습 모드로 거듭 넣습니다. 열 번 넣은 뒤의 `running_mean`과, `running_mean`이 2.5의 99 % 이상이 될 때까지 넣어야 하는 가장 작은 횟수를 차례로 구하십시오. 앞의 수는 소수점 아래 넷째 자리까지 적습니다.",
        hint="2.5에 얼마나 못 미치는지 보십시오. 한 번 넣을 때마다 그것이 같은 비율로 줄어듭니다.",
        explanation=r"0에서 시작하여 $t$번 뒤에는 $2.5\,(1 - 0.9^t)$입니다. 열 번이면 1.6283입니다. $0.9^t \le 0.01$이어야 하므로 $t \ge \ln 0.01 / \ln 0.9 = 43.7$, 곧 44번입니다.",
        level=2,
        minutes=5,
        tolerance=6e-5,
        answer=lambda: (_running_mean(10), _steps()),
        mistakes=(
            Mistake(
                lambda: (2.5 * (1 - 0.1**10), math.ceil(math.log(0.01) / math.log(0.1))),
                "`momentum`을 옛 통계의 비중으로 보았습니다. torch에서는 **새** 통계의 비중입니다.",
            ),
            Mistake(
                lambda: (_running_mean(10), _steps() - 1),
                "소수를 내림하여 횟수를 구했습니다. 그 횟수에서는 아직 조금 모자랍니다.",
            ),
            Mistake(
                lambda: (2.5 * 0.9**10, _steps()),
                "남은 차이를 적었습니다. `running_mean`은 2.5에서 그것을 뺀 값입니다.",
            ),
            Mistake(
                lambda: (10 * 0.1 * 2.5, 10),
                "넣을 때마다 같은 양이 늘어난다고 보았습니다. 옛 통계도 그때마다 줄어듭니다.",
            ),
        ),
    ),
    Number(
        question="VGG16의 합성곱 층은 열셋이고 출력 채널은 차례로 64가 둘, 128이 둘, 256이 셋, 512가 여섯입니다. 합성곱마다 그 뒤에 배치 정규화를 넣을 때, (가) 합성곱의 쓸모없어진 편향을 없애면, (나) 편향을 그대로 두면 매개변수가 각각 몇 개 늘어납니까? 두 수를 차례로 적으십시오.",
        hint="채널 하나에서 무엇이 생기고 무엇이 없어지는지 세고, 채널 수를 모두 더하십시오.",
        explanation=r"출력 채널을 모두 더하면 4,224입니다. 채널마다 $\gamma$와 $\beta$ 둘이 늘고 편향이 하나 줄어 4,224개가 늘어납니다. 편향을 남기면 8,448개입니다. `running_mean`과 `running_var`는 버퍼이지 매개변수가 아닙니다.",
        level=1,
        minutes=4,
        answer=_growth,
        mistakes=(
            Mistake(
                lambda: (3 * sum(CHANNELS), 4 * sum(CHANNELS)),
                "이동 평균까지 셌습니다. 학습하는 값이 아니므로 매개변수가 아닙니다.",
            ),
            Mistake(
                lambda: (0, sum(CHANNELS)),
                r"채널마다 하나만 늘어난다고 보았습니다. $\gamma$와 $\beta$가 모두 있습니다.",
            ),
            Mistake(
                lambda: (2 * sum(CHANNELS), 2 * sum(CHANNELS)),
                "없앤 편향을 빼지 않았습니다.",
            ),
            Mistake(
                lambda: (len(CHANNELS), 2 * len(CHANNELS)),
                "층마다 한 벌이라고 보았습니다. 통계도 $\\gamma$와 $\\beta$도 채널마다 따로입니다.",
            ),
        ),
    ),
    Choice(
        question=r"배치 정규화 바로 앞에 있는 합성곱의 가중치를 $w$라고 합시다. 가중치 감쇠 없이 SGD로 한 스텝 움직이면 $\lVert w \rVert$는 어떻게 됩니까? 기울기는 0이 아니고 $\varepsilon$은 무시합니다.",
        right=r"언제나 커진다. 기울기가 $w$와 수직이기 때문이다.",
        place=2,
        mistakes=(
            Mistake(
                "언제나 작아진다. 손실을 줄이는 쪽으로 가면 가중치가 0에 가까워진다.",
                "가중치를 0으로 당기는 것은 가중치 감쇠이고, 여기에는 없습니다.",
            ),
            Mistake(
                "그대로이다. 길이는 출력에 영향을 주지 않으므로 길이 방향의 기울기가 0이다.",
                r"그 방향의 기울기가 0인 것은 맞습니다. 그러면 $w$에서 어느 쪽으로 걷게 되는지 그림을 그려 보십시오.",
            ),
            Mistake(
                "미니배치에 따라 커지기도 하고 작아지기도 한다.",
                r"어느 미니배치에서나 $w$를 $a$배 하여도 손실이 같습니다. 그 식을 $a$로 미분해 보십시오.",
            ),
        ),
        hint=r"$\lVert w - \eta g \rVert^2$을 전개하고 $w$와 $g$의 내적을 생각해 보십시오.",
        explanation=r"$w \cdot g = 0$이므로 $\lVert w - \eta g \rVert^2 = \lVert w \rVert^2 + \eta^2 \lVert g \rVert^2$입니다. 가중치 감쇠가 없다면 $\lVert w \rVert$는 늘기만 하고, 실질적인 학습률 $\eta / \lVert w \rVert^2$은 줄기만 합니다.",
        level=2,
        minutes=4,
    ),
    Number(
        question="모양이 (4, 6, 5, 5)인 특징 맵을 정규화합니다. 값 하나를 정규화할 때 평균과 분산을 내는 데 쓰는 값은 몇 개입니까? 배치 정규화(학습 모드), 채널과 자리를 통틀어 정규화하는 층 정규화, 그룹이 셋인 그룹 정규화, 인스턴스 정규화의 차례로 적으십시오.",
        hint="정규화마다 네 축 가운데 어느 축을 통틀어 평균을 내는지 적어 보십시오.",
        explanation=r"배치 정규화는 채널 하나를 배치와 자리에서 모두 모아 $4 \cdot 25 = 100$개, 층 정규화는 이미지 하나의 $6 \cdot 25 = 150$개, 그룹 정규화는 두 채널의 $2 \cdot 25 = 50$개, 인스턴스 정규화는 한 채널의 25개를 봅니다. 그러므로 그룹이 채널의 수만큼인 그룹 정규화, 인스턴스 정규화, 그리고 미니배치가 한 장인 학습 모드의 배치 정규화는 $\gamma = 1$, $\beta = 0$일 때 같은 값을 냅니다.",
        level=2,
        minutes=5,
        answer=_seen,
        mistakes=(
            Mistake(
                (4, 150, 50, 25),
                "배치 정규화에서 자리를 빠뜨렸습니다. 같은 커널이 훑은 자리는 모두 함께 봅니다.",
            ),
            Mistake(
                (100, 150, 3 * 25, 25),
                "그룹의 수를 그룹마다의 채널 수로 읽었습니다.",
            ),
            Mistake(
                (100, 6, 50, 25),
                "층 정규화에서 자리마다 채널만 모았습니다. 여기에서는 자리까지 통틀어 정규화합니다.",
            ),
            Mistake(
                (4 * 150, 150, 50, 25),
                "배치 정규화에서 채널까지 모았습니다. 채널마다 따로 정규화합니다.",
            ),
        ),
    ),
    Number(
        question=r"추론 모드의 배치 정규화를 앞 층에 접으려고 합니다. 어떤 채널에서 앞 층의 가중치는 하나뿐이고 $w = 0.5$, 편향은 $b = 1$이며, $\gamma = 2$, $\beta = -1$, `running_mean`은 3, `running_var`는 0.25, $\varepsilon = 0$입니다. 접은 뒤의 가중치와 편향을 차례로 구하십시오.",
        hint=r"$y = \gamma\,(wx + b - \mu)/\sigma + \beta$를 $x$의 일차식으로 정리하십시오.",
        explanation=r"$\gamma / \sigma = 2 / 0.5 = 4$입니다. 가중치는 $4 \cdot 0.5 = 2$, 편향은 $-1 + 4\,(1 - 3) = -9$입니다. 추론할 때 배치 정규화는 이렇게 사라지므로 계산이 늘지 않습니다.",
        level=1,
        minutes=4,
        answer=_folded,
        mistakes=(
            Mistake(
                lambda: (2 / 0.25 * 0.5, -1 + 2 / 0.25 * (1 - 3)),
                "`running_var`로 그대로 나누었습니다. 표준편차로 나눕니다.",
            ),
            Mistake(
                lambda: (4 * 0.5, -1 + 4 * 1),
                "편향에서 평균을 빼지 않았습니다.",
            ),
            Mistake(
                lambda: (4 * 0.5, -1 - 4 * 3),
                "앞 층에 편향이 있다는 것을 잊었습니다. 추론 모드에서는 편향이 사라지지 않습니다.",
            ),
            Mistake(
                lambda: (4 * 0.5, 4 * (1 - 3)),
                r"$\beta$를 더하지 않았습니다.",
            ),
        ),
    ),
    Function(
        question="학습 모드의 배치 정규화 `normalize(x, gamma, beta, eps)`를 쓰십시오. `x`는 (N, C, H, W), `gamma`와 `beta`는 (C,)인 텐서이고 `eps`는 수입니다. 채널마다 미니배치의 통계로 정규화한 (N, C, H, W) 텐서를 돌려줍니다. 이동 평균은 없습니다. `nn.BatchNorm2d`와 `F.batch_norm`은 쓰지 않습니다.",
        hint="`x.mean`과 `x.var`에는 여러 축을 한꺼번에 줄 수 있고, `keepdim=True`를 주면 모양을 맞추기 쉽습니다.",
        explanation=r"통계는 0, 2, 3번 축에서 내고, 분산은 `correction=0`인 편향 분산이며, $\varepsilon$은 제곱근 **안**에 더합니다. `gamma`와 `beta`는 (C, 1, 1)로 바꾸어야 채널 축에 맞습니다.",
        level=2,
        minutes=8,
        oracle=normalize,
        inputs=_maps,
        mistakes=(
            Mistake(
                lambda *arguments: _normalize(*arguments, correction=1),
                "분산을 $m - 1$로 나누었습니다. `x.var`의 기본값은 불편 분산입니다.",
            ),
            Mistake(
                lambda *arguments: _normalize(*arguments, axes=(0,)),
                "자리마다 따로 정규화했습니다. 자리도 통틀어 통계를 내십시오.",
            ),
            Mistake(
                lambda *arguments: _normalize(*arguments, axes=(2, 3)),
                "이미지마다 따로 정규화했습니다. 그것은 인스턴스 정규화입니다.",
            ),
            Mistake(
                lambda *arguments: _normalize(*arguments, divide=lambda v, eps: v.sqrt() + eps),
                r"$\varepsilon$을 표준편차에 더했습니다. 분산에 더한 다음 제곱근을 구합니다.",
            ),
            Mistake(
                lambda *arguments: _normalize(*arguments, divide=lambda v, eps: v + eps),
                "분산으로 나누었습니다. 제곱근을 잊었습니다.",
            ),
        ),
    ),
    Design(
        question="이미지를 한 장씩만 넣어 학습해야 하는 사정이 생겼습니다. 28×28 흑백 이미지를 10종류로 분류하는, 정규화를 쓰는 합성곱 신경망을 설계하십시오. 이미지 한 장의 로짓은 학습 모드에서도 함께 든 이미지와 상관이 없어야 하고, 첫 합성곱의 가중치를 10배 하여도 로짓이 그대로여야 합니다. 드롭아웃을 두려면 `nn.Dropout`으로 두십시오(채점할 때에는 끕니다).",
        hint="정규화마다 어느 값들을 함께 보는지 되짚어 보고, 합성곱과 정규화 사이에 무엇이 있는지 살피십시오.",
        explanation="예를 들어 6채널과 16채널을 내는 5×5 합성곱에서 편향을 없애고 곧바로 `nn.GroupNorm(2, …)`을 둔 다음, 완전 연결 층을 256 → 84 → 10으로 이으면 매개변수는 25,032개입니다. 그룹 정규화는 여러 채널을 함께 보므로, 배치 정규화와 달리 앞 층의 편향이 저절로 지워지지 않습니다. 그래서 편향을 남기면 가중치만 10배 했을 때 로짓이 달라집니다.",
        level=3,
        minutes=12,
        rubric=(
            maps((4, 1, 28, 28), (4, 10), hint=CLASSES),
            parameters_at_most(45_000, hint=TOO_MANY),
            contains(
                NORMS,
                "정규화 층 둘 이상(`nn.GroupNorm`, `nn.LayerNorm` 같은 torch의 층)",
                least=2,
                hint=FEW_NORMS,
            ),
            Criterion("학습 모드에서 한 장만 넣어도, 여덟 장을 넣어도 같은 로짓", _alone, MATES),
            Criterion("첫 합성곱의 가중치를 10배 하여도 같은 로짓", _scale_free, SCALED),
        ),
        example=_network,
        mistakes=(
            Mistake(lambda: _network(classes=84), CLASSES),
            Mistake(lambda: _network(hidden=400), TOO_MANY),
            Mistake(lambda: _network(last=lambda _: nn.Identity()), FEW_NORMS),
            Mistake(lambda: _network(nn.BatchNorm2d, active=nn.Sigmoid), MATES),
            Mistake(lambda: _network(bias=True, active=nn.Sigmoid), SCALED),
        ),
    ),
)
