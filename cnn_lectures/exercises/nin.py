"""8장 NiN의 연습 문제."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import count_parameters, layer_costs
from cnn_lectures.exercises._criteria import calls, lacks, layers, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers.convolution import output_size
from cnn_lectures.models import build_model, nin


def _on_meta(*makers):
    """값 없는 장치에서 만든 층들의 매개변수 수."""
    with torch.device("meta"):
        return [count_parameters(make()) for make in makers]


def _last_side(image):
    """`nin()`의 마지막 맵의 한 변."""
    with torch.device("meta"):
        model = nin.nin()
    return layer_costs(model, (1, 1, image, image))[-2].output_size[-1]


def _chain(image, size):
    """11×11/4 합성곱 하나와 3×3/2 풀링 셋을 지난 한 변. `size`는 크기의 식."""
    image = size(image, 11, 4)
    for _ in range(3):
        image = size(image, 3, 2)
    return image


W1, B1 = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([1.0, 2.0])
W2, B2 = torch.tensor([[2.0, 1.0], [1.0, -1.0]]), torch.tensor([1.0, -2.0])


def _merged():
    """합친 1×1 합성곱의 가중치와 편향. 영벡터와 단위 벡터를 넣어 알아낸다."""
    x = torch.cat([torch.zeros(1, 2), torch.eye(2)])[..., None, None]
    bias, *columns = F.conv2d(
        F.conv2d(x, W1[..., None, None], B1), W2[..., None, None], B2
    ).flatten(1)
    return [*(torch.stack(columns, dim=1) - bias[:, None]).flatten(), *bias]


def _alexnet(*makers):
    """AlexNet의 합성곱 부분에 `makers`의 층을 이은 신경망의 매개변수 수."""
    return sum(_on_meta(lambda: build_model("alexnet").features, *makers))


def _dead():
    """ReLU가 모든 칸에서 꺼진 이미지의 손실과, 정답 종류의 가중치가 받는 기울기의 크기."""
    weight = torch.full((10, 4, 1, 1), -1.0, requires_grad=True)
    logits = F.conv2d(torch.ones(1, 4, 3, 3), weight).relu().mean(dim=(2, 3))
    loss = F.cross_entropy(logits, torch.tensor([3]))
    (gradient,) = torch.autograd.grad(loss, weight)
    return loss.item(), gradient[3].norm().item()


def _down(x):
    """아래 화소에서 위 화소를 뺀 값."""
    return x[..., 1:, :] - x[..., :-1, :]


def edges(x):
    """위아래로 이웃한 두 화소의 차의 절댓값."""
    return _down(x).abs()


def _images():
    random = torch.Generator().manual_seed(1)
    sizes = ((1, 1, 4, 3), (2, 1, 5, 7), (1, 1, 2, 3))
    return [(torch.rand(size, generator=random),) for size in sizes]


def _has_both_signs(model):
    """마지막 합성곱의 부호를 뒤집은 모형까지 보아, 로짓이 음수도 양수도 될 수 있는지."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    last = calls(model.eval(), nn.Conv2d, images)[-1].layer
    with torch.no_grad():
        logits = model(images)
        for parameter in last.parameters():
            parameter.neg_()
        logits = torch.cat([logits, model(images)])
    return bool((logits < 0).any() and (logits > 0).any())


def _has_pointwise(model):
    """1×1 합성곱이 둘 이상인지."""
    return sum(layer.kernel_size == (1, 1) for layer in layers(model, nn.Conv2d)) >= 2


def _network(first=5, channels=24, point=1, tail=None):
    """설계 문제의 보기. `first`와 `channels`는 첫 합성곱, `point`는 채널을 섞는 합성곱의 커널."""
    parts = [nn.Conv2d(3, channels, first, padding=first // 2), nn.ReLU()]
    parts += [nn.Conv2d(channels, 16, point, padding=point // 2), nn.ReLU(), nn.MaxPool2d(2)]
    parts += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    parts += tail or [nn.Conv2d(32, 10, point, padding=point // 2), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*parts, nn.Flatten())


CLASSES = "로짓은 이미지 한 장에 종류마다 하나씩, 모두 열 개여야 합니다."
FIXED = "크기가 정해진 창이나 평탄화로 끝나서 다른 크기를 받지 못합니다. 맵 전체를 평균하십시오."
HEAVY = "커널이 큰 층의 채널 수부터 줄이십시오. 1×1 합성곱은 값쌉니다."
LINEAR = "평균한 다음에 완전 연결 층을 두어도 같은 계산이지만, 여기에서는 평균하기 전에 종류별 맵을 만드십시오."
WIDE = "채널만 섞는 합성곱은 커널이 한 칸이면 됩니다. 이웃은 k×k 합성곱이 보면 됩니다."
CLIPPED = "로짓의 부호를 한쪽으로 가두는 것이 있습니다. 마지막 합성곱 뒤의 ReLU나 소프트맥스, 로그 소프트맥스를 빼십시오."


EXERCISES = (
    Number(
        question="마지막 특징 맵이 192채널, 8×8입니다. 10종류로 분류하려고 다음을 붙일 때 그 부분의 매개변수는 몇 개씩입니까? 편향도 셉니다. (가) 평탄화하여 완전 연결 층 하나, (나) 10채널을 내는 1×1 합성곱과 전역 평균 풀링, (다) 이미 10채널인 맵에 전역 평균 풀링만. 세 수를 차례로 적으십시오.",
        hint="층마다 ‘출력 하나가 몇 개의 수를 보는가’를 먼저 적고, 배우는 가중치가 위치마다 따로 있는지 살피십시오.",
        explanation=r"완전 연결 층은 $192 \cdot 64 \cdot 10 + 10$ = 122,890개, 1×1 합성곱은 모든 위치가 가중치를 나누어 쓰므로 $192 \cdot 10 + 10$ = 1,930개입니다. 평균에는 배울 것이 없습니다.",
        level=1,
        minutes=4,
        answer=lambda: _on_meta(
            lambda: nn.Linear(192 * 8 * 8, 10),
            lambda: nn.Conv2d(192, 10, kernel_size=1),
            lambda: nn.AdaptiveAvgPool2d(1),
        ),
        mistakes=(
            Mistake(
                (192 * 64 * 10, 192 * 10, 0),
                "편향을 잊었습니다. 출력 채널이나 출력 유닛마다 하나씩 있습니다.",
            ),
            Mistake(
                (192 * 64 * 10 + 10, 64 * (192 * 10 + 10), 0),
                "1×1 합성곱의 가중치를 위치마다 셌습니다. 합성곱은 모든 위치에서 같은 가중치를 씁니다.",
            ),
            Mistake(
                (192 * 10 + 10, 192 * 10 + 10, 0),
                "완전 연결 층의 입력을 채널 수로만 셌습니다. 평탄화하면 위치마다 입력이 하나씩 생깁니다.",
            ),
            Mistake(
                (192 * 64 * 10 + 10, 192 * 10 + 10, 64 * 10),
                "평균의 1/64을 배우는 가중치로 셌습니다. 그 값은 정해져 있어 바뀌지 않습니다.",
            ),
        ),
    ),
    Number(
        question="커널 11, 스트라이드 4인 합성곱으로 시작하는 NiN이 있습니다. 그 뒤로 커널 3, 스트라이드 2인 최대 풀링이 세 번 나오고, 나머지 합성곱은 크기를 바꾸지 않습니다. 첫 합성곱과 풀링에는 패딩이 없고, 크기를 구할 때 나머지는 버립니다. 224×224 이미지로 학습한 이 신경망에 320×320 이미지를 넣으면 전역 평균 풀링이 받는 맵의 한 변은 얼마입니까?",
        hint=r"$\lfloor (H - K)/S \rfloor + 1$을 네 번 쓰면 됩니다. 맵의 크기가 이미지의 크기를 따라가는지 생각해 보십시오.",
        explanation="한 변은 320에서 78, 38, 18을 거쳐 8이 됩니다. 전역 평균 풀링은 25칸 대신 64칸의 평균을 낼 뿐이므로 **가중치를 하나도 바꾸지 않고** 쓸 수 있습니다. 평탄화하는 신경망이라면 완전 연결 층의 크기가 맞지 않았을 것입니다.",
        level=1,
        minutes=5,
        answer=lambda: _last_side(320),
        mistakes=(
            Mistake(
                lambda: _last_side(224),
                "이미지가 커져도 맵의 크기가 같다고 보았습니다. 크기를 하나로 만드는 것은 평균이지 합성곱이 아닙니다.",
            ),
            Mistake(
                lambda: _chain(320, lambda h, k, s: (h - k) // s),
                "나눗셈의 몫에 1을 더하는 것을 잊었습니다.",
            ),
            Mistake(
                lambda: _chain(320, lambda h, k, s: math.ceil((h - k) / s) + 1),
                "나눈 값을 올림했습니다. 창이 다 들어가야 하므로 내림합니다.",
            ),
            Mistake(
                lambda: _chain(
                    320, lambda h, k, s: output_size(h, k, stride=s, padding=int(k == 3))
                ),
                "풀링에 패딩 1이 있다고 보았습니다. 여기에는 패딩이 없습니다.",
            ),
        ),
    ),
    Number(
        question="채널이 2개인 맵에 1×1 합성곱을 ReLU 없이 두 번 합니다. 첫째는 가중치 $W_1 = [[1, 2], [0, -1]]$, 편향 $b_1 = [1, 2]$이고 둘째는 $W_2 = [[2, 1], [1, -1]]$, $b_2 = [1, -2]$입니다(가중치의 행은 출력 채널). 둘을 1×1 합성곱 하나로 합칠 때 가중치 네 수를 첫 행부터 적고, 이어서 편향 두 수를 적으십시오.",
        hint="한 위치의 채널을 벡터 $x$로 놓고 두 층을 차례로 거친 식을 전개하십시오.",
        explanation="$W_2(W_1 x + b_1) + b_2 = (W_2 W_1)x + (W_2 b_1 + b_2)$이므로 가중치는 $[[2, 3], [1, 3]]$, 편향은 $[5, -3]$입니다. 선형 변환은 아무리 이어도 선형 변환 하나입니다. 비선형 함수가 사이에 있어야 층을 더한 보람이 있습니다.",
        level=2,
        minutes=6,
        answer=_merged,
        mistakes=(
            Mistake(
                lambda: [*(W1 @ W2).flatten(), *(W2 @ B1 + B2)],
                "가중치를 곱하는 차례를 바꾸었습니다. 나중에 거치는 층의 행렬이 왼쪽에 옵니다.",
            ),
            Mistake(
                lambda: [*(W2 @ W1).flatten(), *(B1 + B2)],
                "두 편향을 그대로 더했습니다. 첫째 편향도 둘째 가중치를 거칩니다.",
            ),
            Mistake(
                lambda: [*(W2 @ W1).flatten(), *(W2 @ B1)],
                "둘째 층의 편향을 빠뜨렸습니다.",
            ),
            Mistake(
                lambda: [*(W2 * W1).flatten(), *(W2 @ B1 + B2)],
                "가중치를 칸끼리 곱했습니다. 출력 채널은 모든 중간 채널을 거친 길의 합입니다.",
            ),
        ),
    ),
    Number(
        question="그룹을 나누지 않은 AlexNet의 합성곱 부분은 매개변수가 3,747,200개이고, 마지막에 256채널 6×6 맵을 냅니다. 그 뒤의 완전 연결 층 셋을 ‘전역 평균 풀링 다음에 1,000종류로 가는 완전 연결 층 하나’로 바꾸면 신경망 전체의 매개변수는 몇 개입니까? 편향도 셉니다.",
        hint="전역 평균 풀링을 지난 벡터의 길이를 먼저 구하십시오.",
        explanation=r"평균을 내면 채널마다 수 하나, 곧 256차원 벡터입니다. $256 \cdot 1000 + 1000$ = 257,000개를 더해 4,004,200개이고, 이것은 원래 신경망(62,378,344개)의 6 %입니다. 다만 정확도까지 그대로이리라는 보장은 없습니다.",
        level=1,
        minutes=4,
        answer=lambda: _alexnet(lambda: nn.AdaptiveAvgPool2d(1), lambda: nn.Linear(256, 1000)),
        mistakes=(
            Mistake(
                lambda: _alexnet(lambda: nn.Linear(256 * 36, 1000)),
                "평균하지 않고 평탄화했습니다. 전역 평균 풀링을 지나면 위치가 남지 않습니다.",
            ),
            Mistake(
                lambda: _alexnet(lambda: nn.Linear(256, 1000, bias=False)),
                "완전 연결 층의 편향을 잊었습니다.",
            ),
            Mistake(
                lambda: _on_meta(lambda: nn.Linear(256, 1000))[0],
                "새로 붙인 부분만 셌습니다. 합성곱 부분도 더하십시오.",
            ),
            Mistake(
                lambda: _alexnet(
                    lambda: nn.Linear(256, 4096),
                    lambda: nn.Linear(4096, 4096),
                    lambda: nn.Linear(4096, 1000),
                ),
                "완전 연결 층 셋을 남겨 두고 앞에 평균만 넣었습니다. 남는 완전 연결 층은 하나입니다.",
            ),
        ),
    ),
    Number(
        question="마지막 1×1 합성곱 뒤에 **ReLU를 두고** 전역 평균 풀링을 하는 10종류 분류 모형이 있습니다. 어떤 이미지에서 마지막 합성곱의 출력이 모든 종류의 모든 칸에서 음수였습니다. 이 이미지의 교차 엔트로피 손실과, 마지막 합성곱에서 정답 종류의 가중치가 받는 기울기의 크기(노름)를 차례로 구하십시오. 로그는 자연로그이고, 소수점 아래 넷째 자리까지 적으십시오.",
        hint="로짓 열 개가 어떤 값이 되는지 보고 소프트맥스를 하십시오. 기울기는 뒤에서부터 ReLU를 지나옵니다.",
        explanation=r"로짓이 모두 0이므로 소프트맥스는 고르게 0.1이고 손실은 $\ln 10 = 2.3026$입니다. 로짓까지는 기울기 −0.9가 오지만, 꺼진 ReLU의 미분이 모든 칸에서 0이라 가중치에는 아무것도 닿지 않습니다. 틀렸는데도 이 이미지에서는 배우지 못합니다.",
        level=2,
        minutes=6,
        tolerance=6e-5,
        answer=_dead,
        mistakes=(
            Mistake(
                lambda: (_dead()[0], 1 - 0.1),
                "로짓이 받는 기울기에서 멈추었습니다. 가중치에 닿으려면 ReLU를 지나야 합니다.",
            ),
            Mistake((0, 0), "로짓이 0이면 손실도 없다고 보았습니다. 소프트맥스를 해 보십시오."),
            Mistake(
                lambda: (math.log10(10), 0), "상용로그를 썼습니다. 교차 엔트로피는 자연로그입니다."
            ),
            Mistake(
                (0.1, 0),
                "정답 종류의 확률을 적었습니다. 손실은 그 확률의 로그에 음의 부호를 붙인 것입니다.",
            ),
        ),
    ),
    Function(
        question="방향을 따지지 않는 **가로** 경계를 찾는 mlpconv 층을 손으로 만드십시오. `edges(x)`는 (N, 1, H, W) 텐서를 받아, 위아래로 이웃한 두 화소의 차의 절댓값인 (N, 1, H−1, W) 텐서를 돌려줍니다. 가중치를 직접 정한 `F.conv2d` 두 번과 ReLU만 쓰고, 두 번째 합성곱은 1×1입니다. `abs`는 쓰지 않습니다.",
        hint="가중치의 모양은 (출력 채널, 입력 채널, 세로, 가로)입니다. 세로 두 칸짜리 필터를 둘 두어 위가 밝은 경계와 아래가 밝은 경계를 따로 찾으십시오.",
        explanation=r"2×1 필터 $(-1, 1)^\top$과 $(1, -1)^\top$의 출력에 ReLU를 하고 1×1 합성곱 $(1, 1)$로 더합니다. 두 값 가운데 하나는 늘 0이므로 합이 차의 절댓값입니다. 가로 경계와 세로 경계를 모두 찾으려면 2×2 조각에서 은닉 유닛 넷이면 됩니다.",
        level=2,
        minutes=8,
        oracle=edges,
        inputs=_images,
        mistakes=(
            Mistake(
                lambda x: _down(x) - _down(x),
                "두 필터의 출력이 서로 지웠습니다. 더하기 **전에** ReLU가 있어야 합니다.",
            ),
            Mistake(
                lambda x: _down(x).relu(),
                "아래가 밝은 경계에서만 반응합니다. 필터 하나로는 한 방향만 찾습니다.",
            ),
            Mistake(
                lambda x: (-_down(x)).relu(),
                "위가 밝은 경계에서만 반응합니다. 필터 하나로는 한 방향만 찾습니다.",
            ),
            Mistake(
                lambda x: (x[..., 1:] - x[..., :-1]).abs(),
                "좌우로 이웃한 화소를 견주어 **세로** 경계를 찾았습니다. 필터의 세로와 가로를 보십시오.",
            ),
            Mistake(_down, "부호가 남아 있습니다. 은닉 유닛마다 ReLU를 하십시오."),
            Mistake(
                lambda x: edges(x) / 2, "두 은닉 유닛의 평균을 냈습니다. 1×1 합성곱으로 더하십시오."
            ),
        ),
    ),
    Choice(
        question="전역 평균 풀링 대신 전역 **최대** 풀링을 써서 처음부터 학습하면 종류별 맵은 어떻게 달라지겠습니까?",
        right="물체의 가장 두드러진 한 부분에만 반응하는 쪽으로 간다. 기울기가 가장 큰 한 칸으로만 흐르기 때문이다.",
        place=2,
        mistakes=(
            Mistake(
                "물체의 넓은 범위가 고르게 반응하는 쪽으로 간다. 최댓값을 찾으려면 모든 칸을 견주어야 하기 때문이다.",
                "모든 칸을 견주는 것은 순전파입니다. 역전파에서 고쳐지는 칸이 어디인지 보십시오.",
            ),
            Mistake(
                "달라지지 않는다. 두 풀링 모두 매개변수가 없어 앞의 층이 배우는 것을 바꾸지 못한다.",
                "매개변수가 없어도 기울기를 어디로 보낼지는 풀링이 정합니다.",
            ),
            Mistake(
                "맵이 학습되지 않는다. 최댓값은 미분할 수 없기 때문이다.",
                "최대 풀링도 거의 모든 곳에서 미분할 수 있고, 합성곱 신경망의 중간에서 늘 쓰입니다.",
            ),
        ),
        hint="종류의 점수를 맵의 칸마다 미분하면 두 풀링에서 각각 무엇이 나오는지 적어 보십시오.",
        explanation="최대 풀링에서는 가장 큰 칸 하나만 기울기를 받으므로 맵은 두드러진 **한 부분**만 찾으면 됩니다. 평균 풀링에서는 모든 칸이 똑같이 받으므로 물체의 **넓은 범위**가 반응하게 됩니다. 클래스 활성화 맵을 제안한 저우 등도 같은 까닭으로 평균을 골랐습니다.",
        level=2,
        minutes=3,
    ),
    Design(
        question="32×32 컬러 이미지를 10종류로 분류하되 크기가 다른 이미지도 받는 작은 NiN을 `nn.Sequential`로 설계하십시오. 로짓을 내놓으며 소프트맥스는 하지 않습니다.",
        hint="k×k 합성곱과 1×1 합성곱을 번갈아 쌓고, 종류마다 맵을 하나씩 낸 다음 맵 전체를 평균합니다. 마지막에는 `nn.Flatten()`으로 모양을 맞춥니다.",
        explanation="예를 들어 5×5, 1×1, 3×3, 1×1 합성곱으로 채널을 3 → 24 → 16 → 32 → 10으로 바꾸고 마지막 ReLU 없이 평균하면 매개변수는 7,194개입니다. 같은 맵을 평탄화하여 완전 연결 층에 넣었다면 다른 크기의 이미지는 받지 못합니다.",
        level=2,
        minutes=12,
        rubric=(
            maps((2, 3, 32, 32), (2, 10), hint=CLASSES),
            maps((1, 3, 64, 48), (1, 10), hint=FIXED),
            parameters_at_most(10_000, hint=HEAVY),
            Criterion("1×1 합성곱 둘 이상", _has_pointwise, WIDE),
            lacks(nn.Linear, "완전 연결 층 없음", hint=LINEAR),
            Criterion("로짓이 음수도 양수도 될 수 있음", _has_both_signs, CLIPPED),
        ),
        example=_network,
        mistakes=(
            Mistake(
                lambda: _network(tail=[nn.Conv2d(32, 10, 1), nn.AvgPool2d(8)]),
                FIXED,
            ),
            Mistake(lambda: _network(first=11, channels=48), HEAVY),
            Mistake(
                lambda: _network(
                    channels=8,
                    point=3,
                    tail=[nn.Conv2d(32, 10, 3, padding=1), nn.AdaptiveAvgPool2d(1)],
                ),
                WIDE,
            ),
            Mistake(
                lambda: _network(
                    tail=[
                        nn.Conv2d(32, 32, 1),
                        nn.ReLU(),
                        nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(),
                        nn.Linear(32, 10),
                    ]
                ),
                LINEAR,
            ),
            Mistake(
                lambda: _network(
                    tail=[nn.Conv2d(32, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
                ),
                CLIPPED,
            ),
        ),
    ),
)
