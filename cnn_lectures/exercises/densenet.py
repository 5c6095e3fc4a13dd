"""12장 DenseNet의 연습 문제."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from cnn_lectures.complexity import count_parameters
from cnn_lectures.exercises._criteria import calls, lacks, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.models import densenet


def _small() -> tuple[int, int, int]:
    """입력 24채널, k = 12, 층 16개인 블록의 7번째 층이 받는 채널, 출력 채널, 전이 층의 매개변수."""
    with torch.device("meta"):
        features = densenet.DenseNet(12, (16, 1), 24, stem="cifar").features
    layer, transition = features.denseblock1[6], features.transition1
    return layer.norm1.num_features, transition.norm.num_features, count_parameters(transition)


def _gains(shift: int = 0) -> list[list[int]]:
    """DenseNet-121의 블록마다, 받는 채널이 `shift`만큼 많다면 병목이 이득인 층의 번호."""
    with torch.device("meta"):
        features = densenet.densenet121().features
    blocks = [part for part in features if isinstance(part, densenet.DenseBlock)]
    gains = []
    for block in blocks:
        gains.append([])
        for number, layer in enumerate(block, start=1):
            received = layer.conv1.in_channels + shift
            bottleneck = received * layer.conv1.out_channels + count_parameters(layer.conv2)
            if bottleneck < 9 * received * layer.conv2.out_channels:
                gains[-1].append(number)
    return gains


def _minimum(layers: list[tuple[int, int, int]]) -> int:
    """(커널, 스트라이드, 패딩)을 차례로 지나 한 칸이라도 남는 가장 작은 이미지의 한 변."""
    size = 1
    for kernel, stride, padding in reversed(layers):
        size = max((size - 1) * stride + kernel - 2 * padding, 1)
    return size


STEM, POOLED = [(7, 2, 3), (3, 2, 1)], (2, 2, 0)


def _saved_maps() -> tuple[int, int]:
    """층 8개인 블록이 저장하는 채널의 수. 그대로 계산할 때와 다시 계산할 때."""
    counts = []
    for memory_efficient in (False, True):
        model = densenet.DenseNet(12, (8,), 24, stem="cifar", memory_efficient=memory_efficient)
        x = torch.zeros(1, 24, 2, 2, requires_grad=True)
        saved = densenet.saved_bytes(model.features.denseblock1, x)
        counts.append(saved // (4 * 2 * 2))
    return tuple(counts)


RECEIVED = [24 + 12 * layer for layer in range(8)]


def dense_block(x: Tensor, weights: list[Tensor]) -> Tensor:
    """앞의 특징 맵을 모두 이어 붙여 ReLU와 3×3 합성곱을 하는 블록."""
    features = [x]
    for weight in weights:
        features.append(conv2d(torch.cat(features, dim=1).relu(), weight, padding=1))
    return torch.cat(features, dim=1)


def _kept_rectified(x: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        x = x.relu()
        x = torch.cat([x, conv2d(x, weight, padding=1)], dim=1)
    return x


def _new_first(x: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        x = torch.cat([conv2d(x.relu(), weight, padding=1), x], dim=1)
    return x


def _activated_last(x: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        x = torch.cat([x, conv2d(x, weight, padding=1).relu()], dim=1)
    return x


def _without_activation(x: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        x = torch.cat([x, conv2d(x, weight, padding=1)], dim=1)
    return x


def _blocks() -> list[tuple[Tensor, list[Tensor]]]:
    generator = torch.Generator().manual_seed(5)
    cases = []
    for channels, growth, layers, size in ((2, 1, 1, (3, 4)), (3, 2, 3, (5, 4)), (1, 3, 4, (4, 6))):
        x = torch.randn(2, channels, *size, generator=generator)
        shapes = [(growth, channels + growth * layer, 3, 3) for layer in range(layers)]
        cases.append((x, [torch.randn(shape, generator=generator) for shape in shapes]))
    return cases


class _Block(nn.Module):
    """밀집 블록. 인자마다 흔한 잘못 하나를 켠다."""

    def __init__(
        self, *, kernel_size=3, dilation=1, bottleneck=False, chained=False, new_first=False
    ):
        super().__init__()
        self.layers, self.chained, self.new_first = nn.ModuleList(), chained, new_first
        for layer in range(4):
            width = 12 if chained and layer else 16 + 12 * layer
            parts = [nn.BatchNorm2d(width), nn.ReLU()]
            if bottleneck:
                parts += [nn.Conv2d(width, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU()]
                width = 48
            options = {"padding": "same", "dilation": dilation, "bias": False}
            parts.append(nn.Conv2d(width, 12, kernel_size, **options))
            self.layers.append(nn.Sequential(*parts))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 16, H, W) -> (N, 64, H, W)"""
        features = [x]
        for layer in self.layers:
            seen = features[-1] if self.chained else torch.cat(features, dim=1)
            features.append(layer(seen))
        return torch.cat(features[::-1] if self.new_first else features, dim=1)


def _from_the_book() -> nn.Module:
    return densenet.DenseNet(12, (4,), 16, stem="cifar", bn_size=0).features.denseblock1


def _keeps_input(model: nn.Module) -> bool:
    x = torch.randn(2, 16, 6, 7, generator=torch.Generator().manual_seed(0))
    model.eval()
    with torch.inference_mode():
        return torch.equal(model(x.clone())[:, :16], x)


def _reach(model: nn.Module) -> Tensor:
    """가운데 값이 위, 왼쪽, 아래, 오른쪽으로 몇 칸 떨어진 화소까지 보는지."""
    x = torch.randn(8, 16, 17, 17, generator=torch.Generator().manual_seed(0)).double()
    output = model.double().eval()(x.requires_grad_())  # 배정밀도에서는 보지 않는 화소가 꼭 0이다
    (gradient,) = torch.autograd.grad(output[:, :, 8, 8].sum(), x)
    seen = gradient.abs().sum(dim=(0, 1)).nonzero() - 8
    return torch.cat([-seen.amin(dim=0), seen.amax(dim=0)])


def _receives_all(model: nn.Module) -> bool:
    """쓰이는 합성곱이 받는 채널에 16, 28, 40, 52가 모두 있다."""
    used = calls(model.eval(), nn.Conv2d, torch.zeros(1, 16, 8, 8))
    return {16, 28, 40, 52} <= {call.layer.in_channels for call in used}


SHAPE = "입력 16채널에 층마다 12채널씩 네 번 이어 붙입니다. 이어 붙이려면 높이와 너비가 그대로여야 합니다."
OVERWRITTEN = "출력의 처음 16채널이 입력과 다릅니다. 이어 붙이는 차례와, 입력을 고쳐 쓰는 연산이 없는지 보십시오."
TOO_MANY = (
    "받는 채널이 이만큼 적을 때에도 병목이 이득인지, 3×3 하나와 가중치의 수를 견주어 보십시오."
)
NARROW = "수용 영역이 좁습니다. 1×1 합성곱만으로는 이웃을 보지 못합니다."
WIDE = "수용 영역이 넓습니다. 커널이나 팽창률이 크거나, 이미지 전체의 통계를 쓰는 층이 있습니다."
CHAINED = "16, 28, 40, 52채널을 받는 `nn.Conv2d`가 모두 쓰이지는 않습니다. 층은 바로 앞의 출력만이 아니라 입력과 앞선 출력을 모두 이어 붙여 받아야 합니다."
BORROWED = "이 책의 블록을 가져왔습니다. `torch.cat`으로 직접 지어 보십시오."


EXERCISES = (
    Number(
        question="층이 12개인 밀집 블록에서 **층으로 들어가는** 직접 연결은 모두 몇 개입니까? 그 수는 층마다 바로 앞의 특징 맵 하나만 받을 때의 몇 배입니까? 차례로 답하십시오.",
        hint="블록의 입력 $x_0$도 특징 맵입니다. 첫 층은 하나, 둘째 층은 둘을 받습니다.",
        explanation=r"$1 + 2 + \cdots + 12 = 12 \cdot 13 / 2 = 78$개이고, 한 줄로만 이은 12개의 6.5배입니다.",
        level=1,
        minutes=3,
        tolerance=0.006,
        answer=lambda: (densenet.connections(12), densenet.connections(12) / 12),
        mistakes=(
            Mistake(
                lambda: (densenet.connections(11), densenet.connections(11) / 12),
                "첫째 수에서 블록의 입력이 보내는 연결을 빼놓았습니다.",
            ),
            Mistake(
                lambda: (densenet.connections(11), densenet.connections(11) / 11),
                "블록의 입력을 특징 맵으로 치지 않았습니다. 첫 층은 무엇을 받습니까?",
            ),
            Mistake(
                (12 * 12, 12),
                "모든 층을 서로 이었습니다. 층은 **앞선** 특징 맵만 받습니다.",
            ),
            Mistake(
                lambda: (densenet.connections(13), densenet.connections(13) / 12),
                "첫째 수가 많습니다. 입력은 보내기만 하고 받지 않으며, 블록 끝의 이어 붙이기는 층이 아닙니다.",
            ),
            Mistake(
                lambda: (densenet.connections(13), densenet.connections(13) / 13),
                "입력까지 층으로 셌거나, 블록 끝의 이어 붙이기까지 층으로 셌습니다.",
            ),
            Mistake(
                (2 * 12, 2),
                "층마다 둘씩만 받는 것으로 셌습니다. 받는 특징 맵은 층마다 하나씩 늘어납니다.",
            ),
        ),
    ),
    Number(
        question="입력이 24채널, 성장률 $k = 12$, 층이 16개인 밀집 블록 뒤에 압축 계수 $\\theta = 0.5$인 전이 층(배치 정규화, ReLU, 편향 없는 1×1 합성곱, 2×2 평균 풀링)이 있습니다. 7번째 층이 받는 채널, 블록의 출력 채널, 전이 층의 매개변수 수를 차례로 구하십시오.",
        hint=r"$l$번째 층은 앞선 $l - 1$개 층의 출력과 블록의 입력을 받습니다. 전이 층의 배치 정규화는 합성곱 **앞**에 있습니다.",
        explanation=r"$24 + 12 \cdot 6 = 96$채널을 받고, 블록은 $24 + 12 \cdot 16 = 216$채널을 냅니다. 전이 층은 배치 정규화가 $2 \cdot 216 = 432$개, 1×1 합성곱이 $216 \cdot 108$ = 23,328개로 23,760개입니다. 풀링에는 매개변수가 없습니다.",
        level=2,
        minutes=6,
        answer=_small,
        mistakes=(
            Mistake(
                lambda: (24 + 12 * 7, *_small()[1:]),
                "7번째 층이 자기의 출력까지 받는 것으로 셌습니다.",
            ),
            Mistake(
                (12 * 6, 12 * 16, 12 * 16 * 96 + 2 * 12 * 16),
                "블록의 입력 채널을 빼놓았습니다. 입력도 끝까지 이어 붙습니다.",
            ),
            Mistake(
                (96, 216, 216 * 108),
                "전이 층의 배치 정규화를 빼놓았습니다.",
            ),
            Mistake(
                (96, 216, 216 * 108 + 2 * 108),
                "배치 정규화를 줄인 뒤의 채널로 셌습니다. DenseNet에서는 정규화가 합성곱보다 먼저입니다.",
            ),
            Mistake(
                (96, 216, 216 * 216 + 2 * 216),
                "압축하지 않았습니다. 1×1 합성곱이 채널을 $\\theta$배로 줄입니다.",
            ),
        ),
    ),
    Number(
        question="받는 채널이 $m$일 때 $k$채널을 만드는 3×3 합성곱 하나와, 1×1로 $4k$채널을 만든 다음 3×3으로 $k$채널을 만드는 병목의 가중치를 견줍니다(편향과 배치 정규화는 세지 않습니다). DenseNet-121은 $k = 32$이고, 첫 블록은 64채널에서 시작하는 6층, 둘째 블록은 128채널에서 시작하는 12층입니다. 병목의 가중치가 더 **적은** 층은 첫 블록에 몇 개 있습니까? 둘째 블록에서는 몇 번째 층(1부터 셉니다)부터 적어집니까? 차례로 답하십시오.",
        hint="두 가중치를 $m$과 $k$의 식으로 적고 $m$에 대한 부등식을 푸십시오. 첫 층이 받는 것은 블록의 입력뿐입니다.",
        explanation=r"$9mk > 4mk + 36k^2$이면 $m > 7.2k = 230.4$입니다. 첫 블록은 끝까지 가도 224채널을 받으므로 하나도 없습니다. 둘째 블록의 5번째 층이 $128 + 32 \cdot 4 = 256$채널을 받아 처음으로 이득이고, 뒤의 블록으로 갈수록 이득이 커집니다.",
        level=3,
        minutes=7,
        answer=lambda: (len(_gains()[0]), _gains()[1][0]),
        mistakes=(
            Mistake(
                lambda: (len(_gains(shift=32)[0]), _gains(shift=32)[1][0]),
                "받는 채널이 아니라 그 층까지 이어 붙인 뒤의 채널로 견주었습니다.",
            ),
            Mistake(
                (6, 1),
                "병목의 3×3 합성곱을 빼놓았습니다. 1×1 뒤의 3×3은 $4k$채널을 받습니다.",
            ),
            Mistake(
                lambda: (len(_gains()[0]), _gains()[1][0] - 1),
                "층을 0부터 셌습니다.",
            ),
            Mistake(
                lambda: (len(_gains()[0]), _gains(shift=128)[1][0]),
                "둘째 블록을 전이 층이 줄이기 전의 채널에서 시작했습니다.",
            ),
        ),
    ),
    Choice(
        question="층이 $L$개인 밀집 블록에서 층마다 지날지 건너뛸지를 고르면 입력에서 출력으로 가는 길은 $2^L$개입니다. 잔차 블록 $L$개에서 지름길과 $F$ 가운데 하나씩을 골라 가는 길도 $2^L$개입니다. 두 신경망의 길은 무엇이 다릅니까?",
        right="만난 갈래가 잔차 신경망에서는 더해지고, 밀집 블록에서는 다른 채널로 남는다.",
        place=4,
        mistakes=(
            Mistake(
                "밀집 블록의 길은 모두 합성곱을 똑같은 횟수만큼 지난다.",
                "건너뛴 층이 많은 길은 합성곱을 적게 지납니다. 하나도 지나지 않는 길도 있습니다.",
            ),
            Mistake(
                "잔차 신경망에서는 합성곱을 하나도 지나지 않는 길이 없다.",
                "지름길만 고르면 합성곱을 하나도 지나지 않습니다.",
            ),
            Mistake(
                "밀집 블록은 직접 연결이 $L(L+1)/2$개이므로 길도 실제로는 그만큼뿐이다.",
                "직접 연결은 길의 한 토막입니다. 토막을 이어 만드는 길은 훨씬 많습니다.",
            ),
        ),
        hint="두 갈래가 만나는 곳에서 한쪽은 더하고 한쪽은 이어 붙입니다. 만난 뒤에도 나눌 수 있는 것은 어느 쪽입니까?",
        explanation="$L = 6$이면 64개, $L = 24$이면 16,777,216개로 셈은 같습니다. 그러나 더한 것은 다시 나눌 수 없고, 이어 붙인 것은 **층의 출력마다** 따로 남으므로, 받는 층의 합성곱이 저마다 다른 가중치를 줄 수 있습니다. 한 층 안에서는 그 층에 이르는 길들이 합쳐지므로, 24층이면 따로 남는 것은 블록의 입력까지 25묶음입니다.",
        level=2,
        minutes=3,
    ),
    Choice(
        question="메모리를 아끼려고 역전파에서 밀집 층을 다시 계산합니다. 다시 계산하는 부분 **안에** 드롭아웃이 있는데, 난수의 상태를 되돌리지 않습니다. **그 때문에** 잘못되는 것은 무엇입니까?",
        right="다시 계산할 때 다른 유닛이 꺼져, 기울기가 순전파와 어긋난다.",
        place=1,
        mistakes=(
            Mistake(
                "배치 정규화의 이동 평균이 두 번 갱신된다.",
                "그것도 다시 계산할 때의 함정이지만, 드롭아웃이 없어도 생기고 난수와 상관이 없습니다.",
            ),
            Mistake(
                "두 번 꺼지므로 남는 유닛이 너무 적어 값이 모두 0에 가까워진다.",
                "두 번째 계산은 첫 번째 결과에 겹쳐지지 않고 처음부터 다시 합니다.",
            ),
            Mistake(
                "추론할 때에도 드롭아웃이 켜진다.",
                "추론에는 역전파가 없으므로 다시 계산하는 일도 없습니다.",
            ),
        ),
        hint="다시 계산한 값이 순전파 때의 값과 **같아야** 하는 까닭을 생각해 보십시오.",
        explanation="체크포인트는 다시 계산한 값이 처음과 같다고 믿고 기울기를 구합니다. torch는 난수의 상태를 저장했다가 되돌릴 수 있지만 시간이 듭니다. 이 책의 구현은 드롭아웃을 체크포인트 **밖에** 두어 다시 계산하는 부분에 난수가 없게 하고 `preserve_rng_state=False`로 두었습니다.",
        level=2,
        minutes=3,
    ),
    Number(
        question="DenseNet-121은 7×7 합성곱(스트라이드 2, 패딩 3)과 3×3 최대 풀링(스트라이드 2, 패딩 1) 뒤에 밀집 블록 넷을 두고, 블록 사이마다 전이 층이 2×2 평균 풀링(스트라이드 2)을 합니다. 블록은 크기를 바꾸지 않습니다. 출력의 크기를 구할 때 나눗셈은 모두 내립니다. 끝의 특징 맵이 한 칸이라도 남는 가장 작은 정사각형 이미지의 한 변은 몇 화소입니까?",
        hint="끝이 1×1이라고 두고 거꾸로 올라가십시오. 평균 풀링 앞은 적어도 두 칸이어야 합니다.",
        explanation="29화소는 15, 8, 4, 2, 1로 줄어 꼭 한 칸이 남습니다. 이 크기의 이미지 한 장으로는 추론만 됩니다. 학습할 때의 배치 정규화는 채널마다 값이 하나뿐이면 분산을 구할 수 없어 오류를 냅니다.",
        level=2,
        minutes=6,
        answer=lambda: densenet.densenet121().minimum_size,
        mistakes=(
            Mistake(
                2**5,
                "누적 스트라이드를 답했습니다. 패딩이 있는 층에서는 홀수인 한 변이 절반보다 크게 남습니다.",
            ),
            Mistake(
                lambda: _minimum([*STEM, *[POOLED] * 4]),
                "풀링을 한 번 더 했습니다. 전이 층은 블록 **사이**에만 있습니다.",
            ),
            Mistake(
                lambda: _minimum([(7, 2, 0), (3, 2, 0), *[POOLED] * 3]),
                "처음 두 층의 패딩을 잊었습니다.",
            ),
            Mistake(
                lambda: _minimum([*STEM, *[POOLED] * 3]) - 1,
                "그 크기에서는 마지막 전이 층이 받는 것이 한 칸뿐이라 풀링할 수 없습니다.",
            ),
        ),
    ),
    Number(
        question=r"입력이 24채널, $k = 12$, 층이 8개인 밀집 블록(병목 $4k$)을 학습합니다. $l$번째 층이 받는 $C_l$채널은 이어 붙여 새로 만들어 저장하고, 그것이 정규화와 ReLU를 지난 값도 저장합니다(첫 층도 마찬가지입니다). 병목의 $4k$채널도 정규화의 입력과 합성곱의 입력으로 두 번 저장합니다. 저장하는 채널은 모두 몇 개입니까? 다시 계산하면 블록의 입력과 앞선 일곱 층의 출력을 한 번씩, 층마다 병목의 $4k$채널을 한 번씩만 저장합니다. 그때는 몇 개입니까? 차례로 답하십시오.",
        hint=r"그대로 두면 $\sum_l (2 C_l + 8k)$입니다. 다시 계산할 때의 앞부분은 마지막 층이 받는 채널과 같습니다.",
        explanation=r"받는 채널은 24, 36, …, 108이고 그 합은 528입니다. 그대로 두면 $2 \cdot 528 + 8 \cdot 96$ = 1,824채널, 다시 계산하면 $108 + 8 \cdot 48$ = 492채널입니다. 층을 16개로 늘리면 그대로 둔 것은 5,184채널로 2.8배, 다시 계산한 것은 972채널로 두 배쯤이 됩니다.",
        level=3,
        minutes=7,
        answer=_saved_maps,
        mistakes=(
            Mistake(
                lambda: (sum(RECEIVED) + 8 * 96, _saved_maps()[1]),
                "정규화와 ReLU를 지난 값을 빼놓았습니다. 1×1 합성곱의 역전파에 그 값이 필요합니다.",
            ),
            Mistake(
                lambda: (2 * sum(RECEIVED) + 8 * 48, _saved_maps()[1]),
                "병목의 채널을 한 번만 셌습니다. 그대로 두면 정규화의 앞과 뒤를 모두 저장합니다.",
            ),
            Mistake(
                lambda: (_saved_maps()[0], sum(RECEIVED) + 8 * 48),
                "다시 계산할 때에도 이어 붙인 것을 층마다 저장했습니다. 특징 맵은 저마다 한 번씩이면 됩니다.",
            ),
            Mistake(
                lambda: (_saved_maps()[0], RECEIVED[-1]),
                "다시 계산할 때 병목의 채널을 빼놓았습니다. 병목 뒤의 정규화와 ReLU를 다시 계산하려면 그 입력이 있어야 합니다.",
            ),
            Mistake(
                lambda: (_saved_maps()[0], _saved_maps()[1] + 12),
                "마지막 층의 출력까지 셌습니다. 그것을 받는 층이 블록 안에 있습니까?",
            ),
        ),
    ),
    Function(
        question="밀집 블록 `dense_block(x, weights)`를 쓰십시오. `x`는 (N, C, H, W)인 torch 텐서이고, `weights`는 층마다의 3×3 가중치 (k, 받는 채널, 3, 3)를 담은 목록입니다. 층마다, 앞의 특징 맵을 입력부터 만든 차례대로 이어 붙이고 ReLU와 3×3 합성곱(패딩 1, 편향 없음)을 합니다. 층이 L개일 때, 입력과 모든 층의 출력을 차례로 이어 붙인 (N, C + kL, H, W)를 돌려줍니다.",
        hint="특징 맵의 목록을 두고, 층마다 `torch.cat(…, dim=1)`로 이어 붙인 것을 새로 만들어 쓰십시오. 합성곱은 `torch.nn.functional.conv2d`입니다.",
        explanation="목록의 특징 맵은 고치지 않고 층마다 새로 이어 붙인 것에만 ReLU를 합니다. 그래서 출력의 앞 채널에는 입력이 음수까지 그대로 남습니다.",
        level=2,
        minutes=7,
        rtol=1e-4,
        atol=1e-4,
        oracle=dense_block,
        inputs=_blocks,
        mistakes=(
            Mistake(
                _kept_rectified,
                "쌓아 둔 특징 맵까지 ReLU로 바꾸었습니다. 앞의 특징 맵은 그대로 남아야 합니다.",
            ),
            Mistake(
                _new_first,
                "새 특징 맵을 앞에 붙였습니다. 뒤의 층은 입력부터 만든 차례대로 받습니다.",
            ),
            Mistake(
                _activated_last,
                "합성곱 다음에 ReLU를 했습니다. 이 블록에서는 ReLU가 먼저입니다.",
            ),
            Mistake(_without_activation, "ReLU를 빠뜨렸습니다."),
        ),
    ),
    Design(
        question="16채널을 받아 층마다 12채널씩 네 번 이어 붙이는 밀집 블록을 `nn.Module`로 설계하십시오. 출력의 처음 16채널은 입력 그대로이고, 마지막 층의 수용 영역은 9×9여야 합니다.",
        hint="병목을 둘지 말지부터 정하십시오. 받는 채널은 16에서 시작하여 마지막 층에서 52입니다.",
        explanation="배치 정규화, ReLU, 3×3 합성곱을 네 번 이어 붙이면 매개변수가 14,960개입니다. 받는 채널이 모두 $7.2k = 86.4$보다 적어 폭이 $4k$인 병목은 오히려 손해입니다. 그런 병목을 두면 가중치만 27,264개가 됩니다. (폭을 24로 좁힌 병목이라면 모두 합쳐 조금 적어집니다.)",
        level=3,
        minutes=12,
        rubric=(
            maps((2, 16, 8, 12), (2, 64, 8, 12), hint=SHAPE),
            Criterion(
                "출력의 처음 16채널이 입력과 한 비트도 다르지 않음", _keeps_input, OVERWRITTEN
            ),
            parameters_at_most(16_000, hint=TOO_MANY),
            Criterion(
                "네 칸 떨어진 화소까지 봄(9×9)",
                lambda model: bool((_reach(model) >= 4).all()),
                NARROW,
            ),
            Criterion(
                "네 칸보다 먼 화소는 보지 않음",
                lambda model: bool((_reach(model) <= 4).all()),
                WIDE,
            ),
            Criterion(
                "앞선 특징 맵을 모두 이어 붙여 받는 `nn.Conv2d`를 층마다 씀(16, 28, 40, 52채널)",
                _receives_all,
                CHAINED,
            ),
            lacks(densenet.DenseBlock, "이 책의 `DenseBlock`을 쓰지 않음", hint=BORROWED),
        ),
        example=_Block,
        mistakes=(
            Mistake(lambda: _Block(new_first=True), OVERWRITTEN),
            Mistake(lambda: _Block(bottleneck=True), TOO_MANY),
            Mistake(lambda: _Block(kernel_size=1), NARROW),
            Mistake(lambda: _Block(dilation=2), WIDE),
            Mistake(lambda: _Block(chained=True), CHAINED),
            Mistake(_from_the_book, BORROWED),
        ),
    ),
)
