"""11장 ResNet의 연습 문제."""

import math

import torch
from torch import Tensor, nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._criteria import calls, contains, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.batch_norm import BatchNorm2d
from cnn_lectures.models import resnet


def _build(name: str, **options) -> resnet.ResNet:
    """값이 없는 신경망."""
    with torch.device("meta"):
        return getattr(resnet, name)(**options)


def _first_stage() -> tuple[int, int, int, int]:
    """ResNet-50의 `layer1`과 첫 블록, 둘째 블록, 첫 블록의 사영의 매개변수 수."""
    stage = _build("resnet50").layer1
    return tuple(map(count_parameters, (stage, stage[0], stage[1], stage[0].downsample)))


def _norms(module: nn.Module) -> int:
    """배치 정규화의 매개변수 수."""
    return sum(count_parameters(m) for m in module.modules() if isinstance(m, nn.BatchNorm2d))


def _convolutions(model: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv2d) for layer in model.modules())


def _from_a_to_b() -> int:
    """ResNet-34의 지름길을 A에서 B로 바꿀 때 느는 매개변수 수."""
    a, b = (count_parameters(_build("resnet34", shortcut=option)) for option in "AB")
    return b - a


def _remaining_paths(blocks: int = 16, through: int = 8) -> tuple[int, int]:
    """블록 하나를 쓸 수 없을 때 남는 경로의 수와, 그 가운데 F를 `through`개 지나는 것의 수."""
    left = [path.bit_count() for path in range(2**blocks) if not path & 1]
    return len(left), left.count(through)


def _zero_gradients() -> int:
    """γ를 0으로 시작한 20층 신경망에서 기울기가 모두 0인 합성곱의 수."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = resnet.cifar_resnet(20, zero_init_residual=True)
        loss = nn.functional.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.arange(4))
    loss.backward()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    return sum(not layer.weight.grad.any() for layer in layers)


def _after_scaling(factor: float = 10.0) -> tuple[float, float, float]:
    """가중치를 `factor`배 한 뒤 출력, 기울기, 방향이 바뀌는 빠르기가 각각 몇 배인지."""
    generator = torch.Generator().manual_seed(0)
    x, direction = torch.randn(2, 8, 3, 6, 6, generator=generator, dtype=torch.float64)
    norm = nn.BatchNorm2d(3, eps=1e-12, dtype=torch.float64)
    measured = []
    weight = torch.randn(3, 3, 3, 3, generator=generator, dtype=torch.float64)
    for scale in (1.0, factor):
        w = (scale * weight).requires_grad_()
        y = norm(nn.functional.conv2d(x, w, padding=1))
        (gradient,) = torch.autograd.grad(y, w, direction)
        size = gradient.norm().item()
        measured.append((y.norm().item(), size, size / w.norm().item()))
    before, after = measured
    return tuple(b / a for a, b in zip(before, after, strict=True))


def gradient(x: Tensor, weights: Tensor, delta: Tensor) -> Tensor:
    """블록마다 h + W·ReLU(h)로 나아갈 때 처음 h의 기울기."""
    h = start = x.clone().requires_grad_()
    for w in weights:
        h = h + w @ h.relu()
    return torch.autograd.grad(h, start, delta)[0]


def _by_hand(x, weights, delta, *, shortcut=1.0, turned=True, masks=lambda states: states[:-1]):
    """`gradient`를 손으로 계산한다. 인자마다 흔한 오해 하나를 켜고 끈다.

    `masks`는 순전파의 h 가운데 블록마다 ReLU의 도함수를 구할 것을 고른다.
    """
    states = [x]
    for w in weights:
        states.append(states[-1] + w @ states[-1].relu())
    for h, w in zip(reversed(masks(states)), weights.flip(0), strict=True):
        delta = shortcut * delta + ((w.T if turned else w) @ delta) * (h > 0)
    return delta


def _front_to_back(x, weights, delta):
    """역전파를 앞 블록부터 한다."""
    h = x
    for w in weights:
        delta, h = delta + (w.T @ delta) * (h > 0), h + w @ h.relu()
    return delta


def _chains() -> list[tuple[Tensor, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(4)
    return [
        tuple(
            torch.randn(shape, generator=generator)
            for shape in ((size,), (blocks, size, size), (size,))
        )
        for size, blocks in ((3, 1), (4, 2), (6, 5))
    ]


class _Block(nn.Module):
    """사전 활성화 블록. `depth`는 합성곱의 수, `zeros`는 가중치가 0에서 시작하는 합성곱의 수."""

    def __init__(self, depth: int = 2, *, zeros: int = 1, last: nn.Module | None = None):
        super().__init__()
        self.residual, self.last = nn.Sequential(), last or nn.Identity()
        for position in range(depth):
            conv = resnet.convolution(64, 64, 3)
            if position >= depth - zeros:
                nn.init.zeros_(conv.weight)
            self.residual.extend([nn.BatchNorm2d(64), nn.ReLU(), conv])

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) -> (N, 64, H, W)"""
        return self.last(x + self.residual(x))


def _normed_after() -> _Block:
    """정규화와 활성화를 합성곱 뒤에 두고 덧셈 뒤의 ReLU만 뺀 블록."""
    block = _Block()
    block.residual = nn.Sequential(*block.residual[2:], block.residual[0])
    return block


def _starts_as_identity(model: nn.Module) -> bool:
    x = torch.randn(2, 64, 6, 8, generator=torch.Generator().manual_seed(0))
    model.eval()
    with torch.inference_mode():
        return torch.allclose(model(x.clone()), x, atol=1e-6)  # 입력을 고쳐 쓸 수 있다


def _activates_first(model: nn.Module) -> bool:
    """합성곱마다 배치 정규화와 ReLU를 차례로 지난 값을 받는다."""
    x = torch.randn(2, 64, 6, 8, generator=torch.Generator().manual_seed(2))
    found = calls(model.eval(), (nn.Conv2d, nn.BatchNorm2d, BatchNorm2d), x)
    given = [call.given for call in found if isinstance(call.layer, nn.Conv2d)]
    active = [call.output.relu() for call in found if not isinstance(call.layer, nn.Conv2d)]
    return bool(given) and all(any(torch.equal(a, b) for b in active) for a in given)


def _learns(model: nn.Module) -> bool:
    """경사 하강법 세 스텝 안에 모든 합성곱이 0이 아닌 기울기를 받는다."""
    generator = torch.Generator().manual_seed(1)
    x, target = torch.randn(2, 4, 64, 6, 6, generator=generator)
    layers = [layer for layer in model.train().modules() if isinstance(layer, nn.Conv2d)]
    if not layers:
        return False
    update, reached = torch.optim.SGD(model.parameters(), lr=0.1), set()
    for _ in range(3):
        update.zero_grad()
        (model(x) - target).square().mean().backward()
        update.step()
        grads = {layer: layer.weight.grad for layer in layers}
        reached |= {layer for layer, grad in grads.items() if grad is not None and grad.any()}
    return reached == set(layers)


KEEPS = "지름길로 온 입력을 더하려면 채널 수도 높이와 너비도 입력과 같아야 합니다. 3×3에는 패딩이 있어야 합니다."
TOO_MANY = "64채널끼리의 3×3 합성곱 하나에 매개변수가 얼마나 드는지 세어 보고, 몇 개까지 둘 수 있는지 따져 보십시오."
SHALLOW = "합성곱이 모자랍니다. 지름길이 건너뛰는 합성곱은 둘 이상이어야 합니다."
CHANGES = "처음의 출력이 입력과 다릅니다. 덧셈 뒤에 다른 연산이 남아 있거나, 갈래의 마지막 층이 0을 내며 시작하지 않습니다."
AFTER = "배치 정규화와 ReLU를 차례로 지나지 않은 값을 받는 합성곱이 있습니다. 사전 활성화에서는 무엇이 합성곱보다 앞에 옵니까?"
STUCK = "기울기가 늘 0인 합성곱이 있습니다. 0을 여럿 두었거나 ReLU 바로 앞에 두어, 기울기가 갈래에 들어오지 못합니다."


EXERCISES = (
    Number(
        question="ResNet-50의 `layer1`은 병목 블록 셋입니다. 첫 블록은 64채널을, 나머지 둘은 256채널을 받고, 셋 다 1×1 합성곱으로 64채널을 만들고, 3×3 합성곱을 한 뒤, 1×1 합성곱으로 256채널을 냅니다. 합성곱에는 편향이 없고, 합성곱마다(사영까지) 배치 정규화가 뒤따르며, 모양이 바뀌는 지름길만 사영합니다. 매개변수는 모두 몇 개입니까?",
        hint="첫 블록의 합성곱 셋, 첫 블록의 사영, 나머지 블록으로 나누어 세십시오. 배치 정규화도 잊지 마십시오.",
        explanation=r"첫 블록은 사영을 빼면 $64 \cdot 64 + 9 \cdot 64 \cdot 64 + 64 \cdot 256 + 2(64 + 64 + 256)$ = 58,112개, 사영이 $64 \cdot 256 + 2 \cdot 256$ = 16,896개로 모두 75,008개입니다. 나머지는 $256 \cdot 64 + 9 \cdot 64 \cdot 64 + 64 \cdot 256 + 768$ = 70,400개씩이므로, 더하면 215,808개입니다. 스트라이드가 1인데도 채널이 64에서 256으로 바뀌므로 첫 블록에 사영이 있습니다.",
        level=2,
        minutes=8,
        answer=lambda: _first_stage()[0],
        mistakes=(
            Mistake(
                lambda: _first_stage()[0] - _norms(_build("resnet50").layer1),
                "합성곱만 셌습니다. 배치 정규화에도 채널마다 γ와 β가 있습니다.",
            ),
            Mistake(
                lambda: _first_stage()[0] - _first_stage()[3],
                "첫 블록의 사영을 빠뜨렸습니다. 크기가 그대로여도 채널이 바뀌면 사영합니다.",
            ),
            Mistake(
                lambda: _first_stage()[0] - _norms(_build("resnet50").layer1[0].downsample),
                "사영 뒤의 배치 정규화를 빠뜨렸습니다.",
            ),
            Mistake(
                lambda: 3 * _first_stage()[1],
                "세 블록을 똑같이 셌습니다. 둘째 블록부터는 받는 채널이 다르고 사영이 없습니다.",
            ),
            Mistake(
                lambda: count_parameters(_build("resnet50", shortcut="C").layer1),
                "모든 지름길에 사영을 두었습니다. 모양이 같으면 입력을 그대로 더합니다.",
            ),
        ),
    ),
    Number(
        question="ResNet-101은 네 단계에 병목 블록을 3, 4, 23, 3개 둡니다. 모양이 바뀌는 지름길만 1×1 합성곱으로 사영할 때, 이 신경망을 만들어 `nn.Conv2d`를 모두 세면 몇 개입니까?",
        hint="이름의 101이 무엇을 센 수인지부터 따져 보고, 거기에서 뺄 것과 더할 것을 찾으십시오.",
        explanation=r"블록이 33개이므로 사영을 뺀 합성곱은 처음의 7×7까지 $1 + 3 \cdot 33 = 100$개이고, 완전 연결 층을 더한 것이 이름의 101입니다. 단계마다 첫 블록에 하나씩인 사영 4개는 이름에서는 세지 않지만 `nn.Conv2d`이므로 모두 104개입니다.",
        level=2,
        minutes=4,
        answer=lambda: _convolutions(_build("resnet101")),
        mistakes=(
            Mistake(
                101,
                "이름의 수를 그대로 적었습니다. 그 수가 `nn.Conv2d`만 센 것인지, 빠뜨린 `nn.Conv2d`는 없는지 따져 보십시오.",
            ),
            Mistake(
                lambda: _convolutions(_build("resnet101", shortcut="A")),
                "사영을 뺀 것만 셌습니다. 지름길의 사영도 합성곱 층입니다.",
            ),
            Mistake(
                lambda: _convolutions(_build("resnet101")) + 1,
                "사영은 더했지만, 이름의 수에는 합성곱이 아닌 층도 들어 있습니다.",
            ),
            Mistake(
                lambda: _convolutions(_build("resnet101")) - 1,
                "첫 단계에는 사영이 없다고 보았습니다. 크기는 그대로여도 채널이 네 배가 됩니다.",
            ),
            Mistake(
                lambda: _convolutions(_build("resnet101", shortcut="C")),
                "블록마다 사영을 두었습니다. 모양이 같은 지름길에는 아무 층도 없습니다.",
            ),
        ),
    ),
    Number(
        question="ResNet-34의 네 단계는 64, 128, 256, 512채널입니다. 지름길을 A(0 채우기)에서 B(모양이 바뀌는 곳만 1×1 합성곱과 배치 정규화로 사영)로 바꾸면 매개변수가 몇 개 늡니까?",
        hint="기본 블록은 채널을 늘리지 않으므로, 채널은 단계가 바뀔 때만 두 배가 됩니다. 모양이 바뀌는 곳은 몇 군데입니까?",
        explanation=r"사영은 단계가 바뀌는 세 곳에만 있습니다. $(64 \cdot 128 + 256) + (128 \cdot 256 + 512) + (256 \cdot 512 + 1{,}024)$ = 8,448 + 33,280 + 132,096 = 173,824개입니다. 전체의 1 %도 되지 않습니다.",
        level=2,
        minutes=5,
        answer=_from_a_to_b,
        mistakes=(
            Mistake(
                lambda: 64 * 128 + 128 * 256 + 256 * 512,
                "사영 뒤의 배치 정규화를 빠뜨렸습니다.",
            ),
            Mistake(
                lambda: 9 * (64 * 128 + 128 * 256 + 256 * 512) + 2 * (128 + 256 + 512),
                "사영을 3×3으로 셌습니다. 지름길의 합성곱은 1×1입니다.",
            ),
            Mistake(
                lambda: _from_a_to_b() + 64 * 64 + 2 * 64,
                "첫 단계에도 사영을 두었습니다. 기본 블록의 첫 단계는 64채널을 받아 64채널을 냅니다.",
            ),
            Mistake(
                lambda: (
                    count_parameters(_build("resnet34", shortcut="C"))
                    - count_parameters(_build("resnet34", shortcut="A"))
                ),
                "모든 지름길에 사영을 두었습니다. 그것은 C입니다.",
            ),
        ),
    ),
    Number(
        question="잔차 블록 16개를 이은 신경망에서 경로는 블록마다 지름길과 $F$ 가운데 하나를 골라 정해집니다. 블록 하나의 $F$를 없애면 남는 경로는 몇 개이고, 그 가운데 $F$를 꼭 8개 지나는 것은 몇 개입니까? 차례로 답하십시오.",
        hint="없앤 블록에서는 고를 것이 없습니다. 나머지 블록에서만 고르십시오.",
        explanation=r"나머지 15개에서 고르므로 $2^{15}$ = 32,768개로, 절반이 남습니다. $F$를 8개 지나는 것은 $\binom{15}{8}$ = 6,435개이고 이것도 12,870개의 절반입니다. 일반 신경망의 경로는 하나뿐이라 하나도 남지 않습니다.",
        level=2,
        minutes=4,
        answer=_remaining_paths,
        mistakes=(
            Mistake(
                (2**16 - 1, math.comb(16, 8) - 1),
                "경로 하나만 없어졌다고 보았습니다. 그 $F$를 지나는 경로가 모두 없어집니다.",
            ),
            Mistake(
                (0, 0),
                "경로가 하나뿐인 일반 신경망의 답입니다. 여기에는 지름길이 남아 있습니다.",
            ),
            Mistake(
                lambda: (_remaining_paths()[0], math.comb(16, 8)),
                "$F$를 8개 지나는 경로는 그대로라고 보았습니다. 그 가운데에도 없앤 $F$를 지나던 것이 있습니다.",
            ),
            Mistake(
                (15 * 2, 8 * 2),
                "블록마다의 갈래를 더했습니다. 블록마다 따로 고르므로 곱해야 합니다.",
            ),
        ),
    ),
    Choice(
        question="256채널을 받아 256채널을 내는 병목 블록의 스트라이드를 2로 바꾸면서, 지름길은 `nn.Identity()`로 두었습니다. 8×8 특징 맵을 넣으면 무슨 일이 생깁니까?",
        right="블록은 만들어지지만, 더할 때 모양이 달라 오류가 난다.",
        place=2,
        mistakes=(
            Mistake(
                "채널 수가 같으므로 오류 없이 더해지고, 값도 옳다.",
                "채널만 보았습니다. 스트라이드 2이면 $F(x)$의 높이와 너비가 절반이 됩니다.",
            ),
            Mistake(
                "지름길이 스트라이드와 맞지 않아, 블록을 만드는 순간 오류가 난다.",
                "층을 만들 때에는 입력의 크기를 모릅니다. `nn.Identity()`도 무엇이든 받습니다.",
            ),
            Mistake(
                "브로드캐스팅으로 더해져 오류 없이 틀린 값이 나온다.",
                "브로드캐스팅은 한쪽의 길이가 1일 때만 일어납니다. 여기에서 $F(x)$의 높이와 너비는 얼마입니까?",
            ),
        ),
        hint="$F(x)$와 $x$의 모양을 따로 적어 보십시오.",
        explanation="256@8×8을 받으면 $F(x)$는 256@4×4, $x$는 256@8×8이라 더할 수 없습니다. 채널이 같아도 크기가 다르면 안 되므로 `shortcut_for`는 채널과 스트라이드를 **둘 다** 보고 지름길을 고릅니다.",
        level=1,
        minutes=3,
    ),
    Number(
        question="지름길 A를 쓰는 20층 CIFAR-10 잔차 신경망(3×3 합성곱 19개)에서 블록마다 마지막 배치 정규화의 γ를 0으로 두고 시작합니다(β는 늘 0에서 시작합니다). 첫 스텝의 역전파에서 가중치의 기울기가 **모두 0인** 합성곱은 몇 개입니까?",
        hint=r"블록은 $y = \operatorname{ReLU}(\gamma \hat{x} + \beta + x)$입니다. 손실의 기울기가 $\hat{x}$로 얼마나 내려옵니까? 블록 밖에 있는 합성곱은 무엇입니까?",
        explanation=r"γ = 0이면 $\hat{x}$로 가는 기울기가 0이므로 블록 아홉의 합성곱 18개의 기울기는 모두 0입니다. 첫 합성곱은 지름길로 기울기를 받습니다. 그래도 학습이 되는 것은 γ의 기울기가 0이 아니기 때문입니다. 한 스텝 뒤에 γ가 0에서 벗어나고, 그때부터 블록 안의 합성곱도 배웁니다.",
        level=3,
        minutes=6,
        answer=_zero_gradients,
        mistakes=(
            Mistake(
                lambda: _convolutions(_build("cifar_resnet")),
                "첫 합성곱까지 셌습니다. 블록 밖의 합성곱에는 지름길로 기울기가 옵니다.",
            ),
            Mistake(
                lambda: _zero_gradients() // 2,
                "블록마다 하나만 셌습니다. 막힌 기울기는 블록의 앞 합성곱에도 닿지 못합니다.",
            ),
            Mistake(
                0,
                "γ만 0이고 가중치는 0이 아니니 기울기도 있다고 보았습니다. 기울기는 γ를 곱하여 내려옵니다.",
            ),
            Mistake(
                lambda: _zero_gradients() * 3 // 2,
                "블록 안의 앞쪽 배치 정규화까지 셌습니다. 합성곱만 물었습니다.",
            ),
        ),
    ),
    Number(
        question=r"배치 정규화(미니배치의 통계, $\varepsilon = 0$)가 뒤따르는 합성곱의 가중치를 10배 합니다. 배치 정규화의 출력, 손실을 가중치로 미분한 기울기의 노름, 같은 학습률의 모멘텀 없는 SGD로 한 스텝 갈 때 가중치의 **방향**이 바뀌는 빠르기는 각각 몇 배가 됩니까? 차례로 답하십시오.",
        hint="배치 정규화는 크기를 나누어 없앱니다. 방향이 바뀌는 빠르기는 가중치의 크기에 견준 변화입니다.",
        explanation=r"출력은 그대로인데 가중치를 같은 양만큼 바꾸어도 효과가 10분의 1이므로 기울기는 0.1배입니다. 가중치는 10배 크므로 방향이 바뀌는 빠르기는 $0.1 / 10 = 0.01$배입니다. 그래서 기울기의 노름만 보고 “소실”을 말하기 전에 가중치의 노름을 함께 보아야 합니다. 실제의 신경망에서는 $\varepsilon$이 있어 꼭 맞지는 않지만 거의 이 배수입니다.",
        level=3,
        minutes=5,
        tolerance=0.0005,
        answer=_after_scaling,
        mistakes=(
            Mistake(
                (10, 1, 0.1),
                "합성곱의 출력만 보았습니다. 뒤따르는 배치 정규화가 그 배수를 나누어 없앱니다.",
            ),
            Mistake(
                (1, 1, 0.1),
                "출력이 같으니 기울기도 같다고 보았습니다. 가중치를 조금 바꿀 때의 효과는 달라집니다.",
            ),
            Mistake(
                (1, 10, 1),
                "기울기도 가중치를 따라 커진다고 보았습니다. 가중치가 클수록 조금 바꾼 것은 티가 덜 납니다.",
            ),
            Mistake(
                (1, 0.1, 0.1),
                "움직인 거리만 보았습니다. 방향은 거리를 가중치의 크기로 나눈 만큼 바뀝니다.",
            ),
        ),
    ),
    Function(
        question=r"활성화가 덧셈 앞에 있는 잔차 신경망 $h_{l+1} = h_l + W_l \operatorname{ReLU}(h_l)$을 손으로 역전파하는 `gradient(x, weights, delta)`를 쓰십시오. `x`는 $h_0$으로 길이 D, `weights`는 (L, D, D), `delta`는 $\partial \mathcal{L}/\partial h_L$로 길이 D인 torch 텐서이고, $\partial \mathcal{L}/\partial h_0$을 돌려줍니다. autograd(`backward`, `torch.autograd`)는 쓰지 않습니다.",
        hint=r"블록마다의 입력 $h_l$을 순전파에서 모아 두십시오. 블록의 야코비 행렬은 $I + W_l \operatorname{diag}(h_l > 0)$이고, 역전파에서는 그 전치를 곱합니다.",
        explanation=r"블록을 거슬러 갈 때마다 $\delta \leftarrow \delta + (W_l^\top \delta) \odot [h_l > 0]$입니다. 지름길로 온 $\delta$에는 아무것도 곱해지지 않으므로, 갈래가 모두 막혀도 처음의 $\delta$는 입력까지 그대로 옵니다.",
        level=2,
        minutes=8,
        rtol=1e-4,
        atol=1e-5,
        oracle=gradient,
        inputs=_chains,
        mistakes=(
            Mistake(
                lambda x, w, d: _by_hand(x, w, d, shortcut=0.0),
                "지름길로 온 기울기를 더하지 않았습니다. 덧셈은 기울기를 두 갈래에 그대로 나누어 줍니다.",
            ),
            Mistake(
                lambda x, w, d: _by_hand(
                    x, w, d, masks=lambda states: [torch.ones_like(x)] * len(w)
                ),
                "ReLU의 도함수를 빠뜨렸습니다. 입력이 음수인 유닛은 갈래의 기울기를 막습니다.",
            ),
            Mistake(
                lambda x, w, d: _by_hand(x, w, d, turned=False),
                "가중치를 전치하지 않았습니다. 순전파에서 $W$를 곱했으면 역전파에서는 $W^\\top$을 곱합니다.",
            ),
            Mistake(
                lambda x, w, d: _by_hand(x, w, d, masks=lambda states: [x] * len(w)),
                "ReLU의 도함수를 늘 `x`에서 구했습니다. 블록마다 **그 블록의 입력**에서 구해야 합니다.",
            ),
            Mistake(
                lambda x, w, d: _by_hand(x, w, d, masks=lambda states: states[1:]),
                "ReLU의 도함수를 블록의 출력에서 구했습니다. ReLU가 받는 것은 그 블록의 **입력**입니다.",
            ),
            Mistake(
                _front_to_back,
                "역전파를 앞 블록부터 했습니다. 순전파는 앞에서부터, 역전파는 뒤에서부터입니다.",
            ),
        ),
    ),
    Design(
        question="64채널 특징 맵을 받아 64채널을 내는 **사전 활성화** 잔차 블록(배치 정규화, ReLU, 합성곱의 차례)을 `nn.Module`로 설계하십시오. 갓 만든 블록은 음수가 섞인 입력도 그대로 내보내고(추론 모드), 그러면서도 학습을 시작하면 모든 합성곱이 배워야 합니다.",
        hint="배치 정규화, ReLU, 3×3 합성곱을 두 번 지난 것을 입력에 더합니다. 0으로 시작할 것은 하나면 됩니다.",
        explanation="예를 들어 두 번째 3×3의 가중치만 0으로 시작합니다. 덧셈 뒤에 아무것도 없으므로 음수까지 그대로 나갑니다. 첫 스텝에 마지막 합성곱이, 다음 스텝부터 앞의 합성곱이 배웁니다. 두 합성곱을 모두 0으로 두면 앞뒤가 서로를 막아 영영 배우지 못합니다. 사전 활성화에서는 둘째 배치 정규화의 γ를 0으로 두어도 안 됩니다. 바로 뒤의 ReLU가 0에서 기울기를 막기 때문입니다. 매개변수는 73,984개입니다.",
        level=3,
        minutes=12,
        rubric=(
            maps((2, 64, 10, 14), (2, 64, 10, 14), hint=KEEPS),
            parameters_at_most(75_000, hint=TOO_MANY),
            contains(nn.Conv2d, "합성곱 층 둘 이상", least=2, hint=SHALLOW),
            Criterion(
                "합성곱마다 `nn.BatchNorm2d`와 ReLU를 차례로 지난 값을 받음",
                _activates_first,
                AFTER,
            ),
            Criterion("갓 만들었을 때 출력이 입력과 같음(음수까지)", _starts_as_identity, CHANGES),
            Criterion("학습하면 세 스텝 안에 모든 합성곱이 0이 아닌 기울기를 받음", _learns, STUCK),
        ),
        example=_Block,
        mistakes=(
            Mistake(lambda: _Block(3), TOO_MANY),
            Mistake(lambda: _Block(1), SHALLOW),
            Mistake(lambda: _Block(last=nn.ReLU()), CHANGES),
            Mistake(_normed_after, AFTER),
            Mistake(lambda: _Block(zeros=2), STUCK),
        ),
    ),
)
