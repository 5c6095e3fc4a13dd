"""9장 GoogLeNet의 연습 문제."""

from bisect import bisect_right
from functools import cache
from itertools import starmap

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import count_parameters, multiply_adds
from cnn_lectures.exercises._criteria import maps, uses
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.models import build_model, googlenet


def _module(row=None, *, in_channels=528):
    """모듈 4e의 출력 채널 수와 매개변수 수. `row`를 주면 그 채널 수로 만든다."""
    row = row or googlenet.INCEPTIONS["4e"]
    with torch.device("meta"):
        module = googlenet.Inception(in_channels, row, googlenet.VARIANTS["paper"])
    return module.out_channels, count_parameters(module)


C1, R3, C3, R5, C5, POOLED = googlenet.INCEPTIONS["4e"]
WEIGHTS = 528 * (C1 + R3 + R5 + POOLED) + 9 * R3 * C3 + 25 * R5 * C5
OUTPUTS = C1 + C3 + C5 + POOLED


def _macs(*convolutions, image=28, padded=True):
    """(입력 채널, 출력 채널, 커널)인 합성곱들을 이은 것의 곱셈-누산 수."""
    with torch.device("meta"):
        layers = nn.Sequential(
            *(nn.Conv2d(a, b, k, padding=k // 2 if padded else 0) for a, b, k in convolutions)
        )
    return multiply_adds(layers, (1, convolutions[0][0], image, image))


SPLITS = (
    ((16, 32, 3), (32, 32, 3)),
    ((16, 32, 5),),
    ((16, 16, 3), (16, 32, 3)),
)


def _first_loss(kernel=5):
    """줄이지 않을 때보다 비싸지는 가장 작은 r."""
    naive = _macs((192, 32, kernel))
    cost = [_macs((192, 1, 1)), _macs((1, 32, kernel))]  # r이 1 늘 때마다 드는 값
    return bisect_right(range(1, 400), naive, key=lambda r: r * sum(cost)) + 1


def _auxiliary():
    """4a와 4d에 다는 보조 분류기의 매개변수 수."""
    with torch.device("meta"):
        model = googlenet.googlenet(aux_logits=True)
    return count_parameters(model.aux1), count_parameters(model.aux2)


def _by_hand(channels=(512, 528), inputs=128 * 4 * 4, bias=1):
    """보조 분류기의 매개변수 수를 식으로."""
    rest = (inputs + bias) * 1024 + (1024 + bias) * 1000
    return [(c + bias) * 128 + rest for c in channels]


@cache
def _counts():
    """세 신경망의 매개변수 수."""
    with torch.device("meta"):
        models = [build_model(name) for name in ("googlenet", "densenet121", "vgg16")]
    return [count_parameters(model) for model in models]


def _megabytes(each=4, mega=1e6):
    """세 신경망의 가중치를 저장한 크기. `each`는 매개변수 하나의 바이트 수"""
    return [each * count / mega for count in _counts()]


def total_loss(main, first, second, labels, *, weights=(1, 0.3, 0.3)):
    """논문의 손실. `weights`는 로짓 셋의 손실에 곱하는 수"""
    losses = (F.cross_entropy(logits, labels) for logits in (main, first, second))
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True))


def _logits():
    random = torch.Generator().manual_seed(1)

    def one(images, classes):
        logits = (2 * torch.randn(images, classes, generator=random) for _ in range(3))
        return *logits, torch.randint(classes, (images,), generator=random)

    return list(starmap(one, ((4, 10), (1, 3), (7, 5))))


class _Block(nn.Module):
    """설계 문제의 보기. `reduced`는 3×3 앞에서 줄인 채널 수"""

    def __init__(self, *, reduced=64, wide=5, pooling=True, projected=True):
        super().__init__()
        padding = wide // 2
        pool = nn.MaxPool2d(3, stride=1, padding=1) if pooling else nn.Identity()
        self.branches = nn.ModuleList(
            [
                nn.Conv2d(192, 64, 1),
                nn.Sequential(
                    nn.Conv2d(192, reduced, 1), nn.ReLU(), nn.Conv2d(reduced, 128, 3, padding=1)
                ),
                nn.Sequential(
                    nn.Conv2d(192, 16, 1), nn.ReLU(), nn.Conv2d(16, 32, wide, padding=padding)
                ),
                nn.Sequential(pool, nn.Conv2d(192, 32, 1) if projected else nn.Identity()),
            ]
        )

    def forward(self, x):
        """(N, 192, H, W) -> (N, 256, H, W)"""
        return torch.cat([branch(x) for branch in self.branches], dim=1).relu()


def _reaches(model):
    """출력 채널마다, 가운데 칸이 몇 칸 떨어진 입력까지 보는지."""
    random = torch.Generator().manual_seed(0)
    x, center = torch.randn(4, 192, 9, 9, generator=random), 4
    offset = (torch.arange(9) - center).abs()
    distance = torch.maximum(offset[:, None], offset)
    model.eval()
    with torch.inference_mode():
        before, found = model(x)[..., center, center], {}
        for ring in range(5):
            noise = torch.randn(x.shape, generator=random) * (distance == ring)
            after = model(x + 5 * noise)[..., center, center]
            changed = (before != 0) & (after != before)  # ReLU에 막힌 칸은 넓이를 말해 주지 않는다
            found |= dict.fromkeys(changed.any(dim=0).nonzero().flatten().tolist(), ring)
    return set(found.values())


BUDGET = 100_000_000
JOINED = "갈래마다 크기를 지키고, 채널 수의 합이 맞아야 합니다. 풀링은 채널 수를 바꾸지 못합니다."
HEAVY = "3×3과 5×5가 받는 채널 수를 보십시오. 앞의 1×1 합성곱으로 더 줄일 수 있습니다."
NO_POOL = (
    "`nn.MaxPool2d` 층을 지나는 갈래가 없습니다. `F.max_pool2d`처럼 함수로 쓴 것은 세지 않습니다."
)
NARROW = "세 가지 넓이 가운데 빠진 것이 있습니다. 갈래마다 입력을 몇 칸까지 보는지 적어 보십시오."


EXERCISES = (
    Number(
        question="528채널을 받는 인셉션 모듈 4e가 있습니다. 1×1 갈래는 256채널, 3×3 갈래는 1×1 합성곱으로 160채널로 줄인 다음 320채널, 5×5 갈래는 1×1 합성곱으로 32채널로 줄인 다음 128채널, 풀링 갈래는 풀링 뒤의 1×1 합성곱으로 128채널을 냅니다. 출력 채널 수와 매개변수 수를 차례로 구하십시오. 합성곱마다 편향이 있습니다.",
        hint="합성곱이 여섯 개입니다. 하나하나의 입력 채널이 528인지 줄인 수인지부터 적으십시오.",
        explanation=r"출력은 $256 + 320 + 128 + 128 = 832$채널입니다. 가중치는 $528(256 + 160 + 32 + 128) + 9 \cdot 160 \cdot 320 + 25 \cdot 32 \cdot 128$ = 867,328개, 편향은 여섯 합성곱의 출력 채널을 더한 1,024개이므로 868,352개입니다.",
        level=1,
        minutes=5,
        answer=_module,
        mistakes=(
            Mistake((OUTPUTS, WEIGHTS), "편향을 잊었습니다. 줄이는 1×1 합성곱에도 있습니다."),
            Mistake(
                lambda: (OUTPUTS + R3 + R5, _module()[1]),
                "줄이는 1×1 합성곱의 채널까지 이어 붙였습니다. 갈래의 **마지막** 출력만 이어 붙입니다.",
            ),
            Mistake(
                (
                    OUTPUTS,
                    528 * (C1 + R3 + R5 + POOLED + 9 * C3 + 25 * C5) + OUTPUTS + R3 + R5,
                ),
                "3×3과 5×5가 528채널을 그대로 받는다고 보았습니다. 앞의 1×1 합성곱이 줄인 채널을 받습니다.",
            ),
            Mistake(
                (
                    OUTPUTS,
                    528 * (C1 + R3 + R5 + POOLED) + R3 * C3 + R5 * C5 + OUTPUTS + R3 + R5,
                ),
                "3×3과 5×5 커널의 넓이를 곱하지 않았습니다.",
            ),
        ),
    ),
    Number(
        question="28×28 맵에서 16채널을 32채널로 바꾸려고 합니다. 크기를 지키는 패딩을 둘 때 다음 셋의 곱셈-누산 수를 차례로 구하십시오. (가) 3×3 둘, 16 → 32 → 32채널, (나) 5×5 하나, 16 → 32채널, (다) 3×3 둘, 16 → 16 → 32채널",
        hint="층 하나의 곱셈-누산은 출력의 칸 수에 (입력 채널) · (출력 채널) · (커널의 넓이)를 곱한 것입니다.",
        explanation=r"(가) $28^2(9 \cdot 16 \cdot 32 + 9 \cdot 32 \cdot 32)$ = 10,838,016번, (나) $28^2 \cdot 25 \cdot 16 \cdot 32$ = 10,035,200번, (다) $28^2(9 \cdot 16 \cdot 16 + 9 \cdot 16 \cdot 32)$ = 5,419,008번입니다. 5×5를 3×3 둘로 나눈다고 늘 싸지는 것이 아니라 **중간 채널**에 달렸습니다. 뒷날의 인셉션은 5×5를 3×3 둘로 바꾸었습니다.",
        level=2,
        minutes=6,
        answer=lambda: [_macs(*split) for split in SPLITS],
        mistakes=(
            Mistake(
                lambda: [_macs(*split, image=1) for split in SPLITS],
                "가중치의 수를 셌습니다. 그 가중치를 출력의 칸마다 되풀이하여 씁니다.",
            ),
            Mistake(
                lambda: [_macs(*split, padded=False) for split in SPLITS],
                "패딩이 없다고 보아 출력이 작아졌습니다.",
            ),
            Mistake(
                lambda: [2 * _macs(*split) for split in SPLITS],
                "곱셈과 덧셈을 따로 셌습니다. 곱하고 더하는 것을 한 번으로 칩니다.",
            ),
            Mistake(
                lambda: [_macs(split[0]) for split in SPLITS],
                "이은 합성곱 가운데 첫째만 셌습니다.",
            ),
        ),
    ),
    Number(
        question="28×28 맵의 192채널을 5×5 합성곱으로 32채널로 바꿉니다. 앞에 1×1 합성곱을 두어 먼저 $r$채널로 줄이면 대개 곱셈-누산이 줄지만, $r$이 너무 크면 오히려 손해입니다. 줄이지 않을 때보다 곱셈-누산이 **많아지는** 가장 작은 자연수 $r$은 얼마입니까?",
        hint="한 칸에서 드는 곱셈-누산만 견주면 됩니다. 줄일 때의 값에는 1×1 합성곱의 몫도 있습니다.",
        explanation=r"한 칸에서 줄이지 않으면 $192 \cdot 32 \cdot 25$ = 153,600번, 줄이면 $192r + 800r = 992r$번입니다. $r$이 $153600 / 992 = 154.8$을 넘으면 손해이므로 155부터입니다. 192보다 한참 작을 때부터 손해인 것은 1×1 합성곱도 공짜가 아니기 때문입니다.",
        level=2,
        minutes=5,
        answer=_first_loss,
        mistakes=(
            Mistake(
                lambda: _first_loss() - 1,
                "이득을 보는 가장 **큰** 수를 구했습니다. 손해를 보기 시작하는 수를 묻습니다.",
            ),
            Mistake(
                lambda: 192 * 32 * 25 // (32 * 25) + 1,
                "1×1 합성곱의 곱셈-누산을 빠뜨렸습니다. 줄이는 데에도 값이 듭니다.",
            ),
            Mistake(
                lambda: _first_loss(kernel=3),
                "커널의 넓이를 9로 셌습니다. 5×5입니다.",
            ),
            Mistake(
                lambda: 192 * 32 // (192 + 32 * 25) + 1,
                "줄이지 않을 때의 곱셈-누산에서 커널의 넓이를 잊었습니다.",
            ),
        ),
    ),
    Number(
        question="보조 분류기는 평균 풀링으로 입력의 크기를 4×4로 줄이고 1×1 합성곱으로 128채널을 만든 다음, 평탄화하여 1,024유닛 완전 연결 층과 1,000종류의 로짓을 내는 완전 연결 층을 거칩니다. 모두 편향이 있습니다. 512채널인 4a에 다는 것과 528채널인 4d에 다는 것의 매개변수 수를 차례로 구하십시오.",
        hint="1×1 합성곱, 완전 연결 층 둘의 차례로 적으십시오. 둘째 층부터는 두 분류기가 같습니다.",
        explanation=r"4a에서는 $(512 + 1) \cdot 128 + (2048 + 1) \cdot 1024 + (1024 + 1) \cdot 1000$ = 3,188,840개입니다. 4d에서는 입력이 16채널 많아 $16 \cdot 128$ = 2,048개가 더 많은 3,190,888개입니다. 둘을 더하면 본체의 9할에 이르지만, 추론할 때에는 떼어 냅니다.",
        level=2,
        minutes=6,
        answer=_auxiliary,
        mistakes=(
            Mistake(lambda: _by_hand(bias=0), "편향을 잊었습니다. 세 층에 모두 있습니다."),
            Mistake(
                lambda: _by_hand(inputs=128),
                "완전 연결 층의 입력을 채널 수로만 셌습니다. 전역 평균이 아니라 4×4로 줄인 것을 평탄화합니다.",
            ),
            Mistake(
                lambda: _by_hand(inputs=128 * 14 * 14),
                "풀링하지 않은 14×14 맵을 평탄화했습니다.",
            ),
            Mistake(
                lambda: _by_hand(inputs=128 * 3 * 3),
                "4×4를 풀링 창의 크기로 읽었습니다. 풀링한 **뒤**의 크기가 4×4입니다.",
            ),
            Mistake(
                lambda: _by_hand(channels=(512, 512)),
                "두 분류기를 같게 보았습니다. 1×1 합성곱이 받는 채널 수가 다릅니다.",
            ),
        ),
    ),
    Number(
        question="매개변수가 GoogLeNet은 6,998,552개, DenseNet-121은 7,978,856개, VGG16은 138,357,544개입니다. 32비트 실수로 저장한 가중치의 크기를 MB 단위로 차례로 구하고, 앱에 넣을 수 있는 크기가 30 MB까지라면 어느 것을 쓸 수 있는지 생각해 보십시오. 답은 소수점 아래 첫째 자리까지 적습니다. (1 MB = $10^6$바이트)",
        hint="32비트가 몇 바이트인지 적고 시작하십시오.",
        explanation="매개변수 하나가 4바이트이므로 28.0 MB, 31.9 MB, 553.4 MB입니다. 30 MB에 드는 것은 GoogLeNet뿐이고, VGG16은 그 스무 배쯤입니다.",
        level=1,
        minutes=4,
        tolerance=0.06,
        answer=_megabytes,
        mistakes=(
            Mistake(
                lambda: _megabytes(each=1),
                "매개변수 하나를 1바이트로 셌습니다.",
            ),
            Mistake(
                lambda: _megabytes(each=32),
                "비트로 셌습니다. 1바이트는 8비트입니다.",
            ),
            Mistake(
                lambda: _megabytes(mega=2**20),
                "$2^{20}$으로 나누었습니다. 그것은 MiB이고, 여기서는 $10^6$바이트입니다.",
            ),
            Mistake(
                lambda: _megabytes(each=8),
                "64비트 실수로 셌습니다.",
            ),
        ),
    ),
    Choice(
        question="인셉션 모듈은 네 갈래의 출력을 채널 방향으로 이어 붙입니다. 이어 붙이는 대신 **더하려면** 무엇이 같아야 하고, 표현력은 어떻게 달라집니까?",
        right="갈래마다 채널 수까지 같아야 하고, 표현력은 줄어든다. 다음 층이 네 갈래를 같은 가중치로만 본다.",
        place=4,
        mistakes=(
            Mistake(
                "갈래마다 커널의 크기가 같아야 하고, 표현력은 그대로이다. 더하기도 네 갈래의 정보를 모두 담는다.",
                "커널이 달라도 패딩으로 크기를 맞추면 더할 수 있습니다. 더한 뒤에 갈래를 다시 가려낼 수 있는지도 생각해 보십시오.",
            ),
            Mistake(
                "세로와 가로만 같으면 되고, 표현력은 줄어든다. 채널이 적은 갈래가 묻힌다.",
                "세로와 가로만 같으면 되는 것은 이어 붙이기입니다. 칸끼리 더하려면 축이 하나 더 맞아야 합니다.",
            ),
            Mistake(
                "갈래마다 채널 수까지 같아야 하고, 표현력은 늘어난다. 이어 붙이기는 더하기의 특별한 경우이다.",
                "이어 붙인 것에 어떤 1×1 합성곱을 하면 더한 것과 같아지는지 보십시오. 어느 쪽이 특별한 경우입니까?",
            ),
        ),
        hint="이어 붙인 뒤에 오는 1×1 합성곱의 가중치가 갈래마다 같다면 무엇이 됩니까?",
        explanation="이어 붙이면 다음 층의 1×1 합성곱이 갈래마다 다른 가중치를 배울 수 있고, 그 가중치가 갈래마다 같은 특별한 경우가 더하기입니다. 더하기는 뒤에 나올 ResNet이, 이어 붙이기는 DenseNet이 이어받습니다.",
        level=2,
        minutes=4,
    ),
    Function(
        question="보조 분류기 둘이 있는 GoogLeNet을 논문대로 학습할 때의 손실 `total_loss(main, first, second, labels)`를 쓰십시오. 앞의 셋은 본 분류기와 두 보조 분류기의 로짓이며 모두 (N, 종류 수)인 텐서이고, `labels`는 정답의 번호 (N,)입니다. 로짓마다 교차 엔트로피를 미니배치에서 평균하여 손실을 구하고, 보조 분류기의 손실에는 0.3을 곱한 다음, 모두 더한 값 하나를 돌려줍니다. `F.cross_entropy`를 써도 됩니다.",
        hint="손실 셋을 따로 구한 다음, 어디에 0.3을 곱하는지 보십시오. `F.cross_entropy`는 로짓을 그대로 받습니다.",
        explanation=r"$L = L_\text{본} + 0.3\,(L_\text{보조 1} + L_\text{보조 2})$입니다. 추론에는 본 분류기의 로짓만 쓰므로 보조 분류기는 계산하지도 않습니다.",
        level=1,
        minutes=5,
        oracle=total_loss,
        inputs=_logits,
        mistakes=(
            Mistake(
                lambda *arguments: total_loss(*arguments, weights=(1, 1, 1)),
                "0.3을 곱하지 않았습니다.",
            ),
            Mistake(
                lambda *arguments: total_loss(*arguments, weights=(1, 0.3, 1)),
                "보조 분류기 하나에만 0.3을 곱했습니다. 괄호를 확인하십시오.",
            ),
            Mistake(
                lambda *arguments: total_loss(*arguments, weights=(0.3, 0.3, 0.3)),
                "본 분류기의 손실에까지 0.3을 곱했습니다.",
            ),
            Mistake(
                lambda *arguments: total_loss(*arguments, weights=(1, 0.15, 0.15)),
                "보조 분류기의 두 손실을 더하지 않고 평균했습니다.",
            ),
            Mistake(
                lambda main, first, second, labels: total_loss(
                    *(logits.softmax(dim=1) for logits in (main, first, second)), labels
                ),
                "소프트맥스를 두 번 했습니다. `F.cross_entropy`가 안에서 소프트맥스를 합니다.",
            ),
        ),
    ),
    Design(
        question="모듈 3a의 자리(192채널 28×28)에 넣을 인셉션 모듈을 설계하십시오. 3a와 같이 256채널을 내고 좁게 본 채널과 넓게 본 채널이 섞여 있어야 하지만, 곱셈-누산은 3a의 128,049,152번보다 적은 1억 번까지만 쓸 수 있습니다. 갈래를 품은 `nn.Module`을 정의하고 그 객체로 답하십시오.",
        hint="3a의 채널 수에서 시작하여 갈래마다 곱셈-누산을 적어 보고, 가장 비싼 갈래가 받는 채널을 줄이십시오. 이어 붙이기는 `torch.cat(…, dim=1)`입니다.",
        explanation="가장 비싼 것은 3×3 갈래입니다. 3×3 앞에서 96채널 대신 64채널로 줄이기만 해도 94,330,880번이 됩니다. 셋째 갈래를 3×3으로 두면 더 싸지만 5×5를 보는 채널이 사라집니다. torchvision의 GoogLeNet이 바로 그렇습니다.",
        level=3,
        minutes=15,
        rubric=(
            maps((1, 192, 28, 28), (1, 256, 28, 28), hint=JOINED),
            Criterion(
                f"곱셈-누산 {BUDGET:,}번 이하(28×28에서)",
                lambda model: 0 < multiply_adds(model, (1, 192, 28, 28)) <= BUDGET,
                HEAVY,
            ),
            Criterion(
                "1×1만 보는 채널, 3×3까지 보는 채널, 5×5까지 보는 채널이 모두 있음",
                lambda model: {0, 1, 2} <= _reaches(model),
                NARROW,
            ),
            uses(
                nn.MaxPool2d, (1, 192, 28, 28), "`nn.MaxPool2d`를 지나는 갈래가 있음", hint=NO_POOL
            ),
        ),
        example=_Block,
        mistakes=(
            Mistake(lambda: _Block(projected=False), JOINED),
            Mistake(lambda: _Block(reduced=96), HEAVY),
            Mistake(lambda: _Block(wide=3), NARROW),
            Mistake(lambda: _Block(pooling=False), NO_POOL),
        ),
    ),
)
