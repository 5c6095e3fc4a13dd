"""7장 VGG의 연습 문제."""

from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures.complexity import count_parameters, layer_costs
from cnn_lectures.exercises._criteria import calls, layers, maps, parameters_at_most
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.models import vgg
from cnn_lectures.receptive_field import Window, receptive_fields, side

IMAGE = (1, 3, 224, 224)


def _on_meta(build, *arguments, **options):
    """값 없이 모양만 있는 모형이나 층."""
    with torch.device("meta"):
        return build(*arguments, **options)


def _convolutions():
    return [layer for layer in _on_meta(vgg.vgg16).features if isinstance(layer, nn.Conv2d)]


def _weights(kernel_size):
    """채널이 64개일 때 합성곱 한 층의 가중치 수."""
    return count_parameters(_on_meta(nn.Conv2d, 64, 64, kernel_size, bias=False))


def _layers_for(size):
    """3×3을 쌓아 수용 영역이 `size`가 되는 층의 수."""
    fields = receptive_fields([Window("conv", 3)] * size)
    return [field.size for field in fields].index(size) + 1


def _pooled_head(inputs=512, bias=True):
    """머리를 완전 연결 층 하나로 바꾼 VGG16의 (매개변수, 원래의 몇 %)."""
    model = _on_meta(vgg.vgg16)
    head = _on_meta(nn.Linear, inputs, 1000, bias=bias)
    count = count_parameters(model.features) + count_parameters(head)
    return count, 100 * count / count_parameters(model)


def _memory(*, images=64, size=4, unit=2**30, copies=1):
    """VGG16의 합성곱 출력과 매개변수가 차지하는 (활성값, 매개변수)의 메모리."""
    model = _on_meta(vgg.vgg16)
    rows = [row for row in layer_costs(model, IMAGE) if row.parameters]
    activations = sum(prod(row.output_size) for row in rows[:-3])
    parameters = copies * count_parameters(model)
    return images * size * activations / unit, size * parameters / unit


def _std(n):
    """ReLU가 있는 층에서 신호의 크기를 지키는 가중치의 표준편차."""
    return nn.init.calculate_gain("relu") / n**0.5


def _gain(n, std):
    """표준편차가 `std`인 가중치로 채운 층 하나를 지날 때 신호가 커지는 배율."""
    return std / _std(n)


def _score_map(size=480):
    """완전 연결 층을 합성곱으로 바꾼 VGG16의 (점수 지도의 한 변, 이웃한 창의 거리)."""
    features = _on_meta(vgg.vgg16).features
    grid = features(torch.empty(1, 3, size, size, device="meta"))
    scores = _on_meta(nn.Conv2d, 512, 4096, 7)(grid)
    windows = [
        Window("window", side(layer, "kernel_size"), side(layer, "stride"))
        for layer in features
        if hasattr(layer, "kernel_size")
    ]
    return scores.shape[2], receptive_fields(windows)[-1].jump


def merge(first, second):
    """교차상관 두 번의 결과를 한 번에 내는 커널. 점 하나의 응답을 뒤집어 얻는다."""
    height, width = (a + b - 1 for a, b in zip(first.shape, second.shape, strict=True))
    point = torch.zeros(1, 1, 2 * height - 1, 2 * width - 1)
    point[..., height - 1, width - 1] = 1
    response = F.conv2d(F.conv2d(point, first[None, None]), second[None, None])
    return response[0, 0].flip(0, 1)


def _merge_flipping(*axes):
    """둘째 커널을 `axes`로만 뒤집어 합치는 함수를 만든다."""

    def wrong(first, second):
        padding = tuple(length - 1 for length in second.shape)
        return F.conv2d(first[None, None], second.flip(axes)[None, None], padding=padding)[0, 0]

    return wrong


def _kernels():
    generator = torch.Generator().manual_seed(0)
    sizes = (((3, 3), (3, 3)), ((1, 1), (3, 3)), ((3, 3), (5, 5)), ((2, 3), (4, 2)))
    return [tuple(torch.randn(size, generator=generator) for size in pair) for pair in sizes]


def sees(size, *, hint):
    """출력 한 칸이 보는 범위를 역전파로 잰다."""

    def met(model):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(4, 64, 21, 21, generator=generator, requires_grad=True)
        with torch.no_grad():
            for parameter in model.parameters():  # 모두 양수이면 ReLU가 꺼지지 않는다
                parameter.uniform_(0, 0.01, generator=generator)
        output = model.eval()(images.clone())[:, :, 10, 10].sum()
        (slopes,) = torch.autograd.grad(output, images)
        seen = slopes.ne(0).any(dim=(0, 1))
        return [int(seen.any(dim=axis).sum()) for axis in (0, 1)] == [size, size]

    return Criterion(f"수용 영역 {size}×{size}", met, hint)


def kernels_at_most(size, *, hint):
    """한 변이 `size`를 넘는 합성곱이 없다."""

    def met(model):
        sides = [max(layer.kernel_size) for layer in layers(model, nn.Conv2d)]
        return bool(sides) and max(sides) <= size

    return Criterion(f"합성곱의 커널은 {size}×{size} 이하", met, hint)


def activated(*, hint):
    """뒤에 ReLU가 오는 합성곱이 둘 이상이다."""

    def met(model):
        found = calls(model.eval(), (nn.Conv2d, nn.ReLU), torch.zeros(1, 64, 12, 12))
        kinds = pairwise(isinstance(call.layer, nn.ReLU) for call in found)
        return sum(after and not before for before, after in kinds) >= 2

    return Criterion("합성곱 뒤의 ReLU 둘 이상(잇달아 둔 것은 하나로 셈)", met, hint)


def _stack(*widths, relu=True):
    """`widths`의 채널을 차례로 지나는 3×3 합성곱."""
    parts = []
    for before, after in pairwise(widths):
        parts += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*(part for part in parts if relu or isinstance(part, nn.Conv2d)))


SHAPE = "크기도 채널도 그대로여야 합니다. 3×3 합성곱에는 패딩이 1줄씩 필요합니다."
FIELD = "3×3 한 층이 수용 영역을 두 화소씩 넓힙니다. 몇 층을 쌓았는지 세어 보십시오."
BIG = "큰 커널로 한 번에 보았습니다. 작은 커널을 여러 번 쓰십시오."
LINEAR = "합성곱 뒤의 `nn.ReLU`가 모자랍니다. 합성곱 사이마다 하나씩 넣으십시오. 잇달아 둔 ReLU는 하나와 같습니다."
BUDGET = "가운데 층의 채널 수까지 64일 까닭은 없습니다. 매개변수는 두 채널 수의 곱에 비례합니다."


EXERCISES = (
    Number(
        question="층마다 입력과 출력이 모두 $C$채널이고 스트라이드는 1입니다. 9×9 합성곱 한 층과 수용 영역이 같도록 3×3 합성곱을 쌓으려면 몇 층이 필요합니까? 또 9×9 한 층의 가중치는 쌓은 것의 몇 배입니까? 편향은 세지 않습니다. 차례로 적으십시오.",
        hint="3×3을 한 층 더할 때마다 수용 영역의 한 변이 얼마나 늘어납니까?",
        explanation=r"$2 \cdot 4 + 1 = 9$이므로 네 층입니다. 쌓은 것은 $4 \cdot 9C^2 = 36C^2$개, 9×9는 $81C^2$개이므로 2.25배입니다. 보는 범위가 넓어질수록 쌓는 쪽의 이득이 커집니다.",
        level=1,
        minutes=4,
        tolerance=0.006,
        answer=lambda: (_layers_for(9), _weights(9) / (_layers_for(9) * _weights(3))),
        mistakes=(
            Mistake(
                lambda: (9 // 3, _weights(9) / (9 // 3 * _weights(3))),
                "창을 겹치지 않게 이어 붙였습니다. 3×3 두 층이 보는 범위는 6×6이 아니라 5×5입니다.",
            ),
            Mistake(
                lambda: (_layers_for(9), _layers_for(9) * _weights(3) / _weights(9)),
                "비를 거꾸로 구했습니다. 9×9를 쌓은 것으로 나누십시오.",
            ),
            Mistake(
                lambda: (_layers_for(9), _weights(9) / _weights(3)),
                "3×3 한 층과 견주었습니다. 쌓은 층을 모두 더해야 합니다.",
            ),
            Mistake(
                lambda: (_layers_for(9), 9 / (_layers_for(9) * 3)),
                "커널의 한 변으로 견주었습니다. 가중치의 수는 넓이를 따릅니다.",
            ),
        ),
    ),
    Number(
        question="VGG16은 매개변수가 138,357,544개이고 그 가운데 14,714,688개가 합성곱에 있습니다. 마지막 특징 맵은 512채널입니다. 완전 연결 층 셋을 ‘전역 평균 풀링 다음에 1,000종류로 가는 완전 연결 층 하나(편향 있음)’로 바꿉니다. 바꾼 신경망의 매개변수는 몇 개이고, 원래의 몇 %입니까? 둘째 수는 소수점 아래 첫째 자리까지 적으십시오.",
        hint="전역 평균 풀링을 지나면 채널마다 수가 하나씩 남습니다.",
        explanation=r"합성곱의 14,714,688개에 $512 \cdot 1000 + 1000$ = 513,000개를 더하여 15,227,688개, 원래의 11.0 %입니다. 매개변수가 9분의 1이 되어도 곱셈-누산은 1 %도 줄지 않습니다.",
        level=1,
        minutes=4,
        tolerance=0.06,
        answer=_pooled_head,
        mistakes=(
            Mistake(
                lambda: _pooled_head(bias=False),
                "완전 연결 층의 편향을 잊었습니다.",
            ),
            Mistake(
                lambda: _pooled_head(inputs=512 * 49),
                "풀링하지 않고 7×7 맵을 그대로 펼쳤습니다.",
            ),
            Mistake(
                lambda: (_pooled_head()[0], _pooled_head()[1] / 100),
                "비율을 %로 바꾸지 않았습니다.",
            ),
            Mistake(
                lambda: (_pooled_head()[0], 100 - _pooled_head()[1]),
                "줄어든 비율을 적었습니다. 남은 비율을 물었습니다.",
            ),
        ),
    ),
    Number(
        question="VGG16의 합성곱 13층은 출력 채널이 차례로 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512입니다. 합성곱마다 배치 정규화를 더하면 배우는 매개변수가 모두 몇 개 늘어납니까? 합성곱의 편향은 그대로 둡니다.",
        hint=r"배치 정규화가 채널마다 배우는 것은 스케일 $\gamma$와 이동 $\beta$입니다.",
        explanation=r"출력 채널을 모두 더하면 $2 \cdot 64 + 2 \cdot 128 + 3 \cdot 256 + 6 \cdot 512$ = 4,224이고, 채널마다 둘이므로 8,448개입니다. 1억이 넘는 매개변수에 견주면 없는 것이나 마찬가지인데도, 깊은 신경망이 학습을 시작하는 데에는 큰 힘이 됩니다.",
        level=1,
        minutes=4,
        answer=lambda: (
            count_parameters(_on_meta(vgg.vgg16_bn)) - count_parameters(_on_meta(vgg.vgg16))
        ),
        mistakes=(
            Mistake(
                lambda: sum(layer.out_channels for layer in _convolutions()),
                r"채널마다 하나만 셌습니다. $\gamma$와 $\beta$가 따로 있습니다.",
            ),
            Mistake(
                lambda: 4 * sum(layer.out_channels for layer in _convolutions()),
                "이동 평균과 이동 분산까지 셌습니다. 그 둘은 배우지 않는 버퍼입니다.",
            ),
            Mistake(
                lambda: 2 * sum(layer.in_channels for layer in _convolutions()),
                "입력 채널로 셌습니다. 배치 정규화는 합성곱의 출력에 겁니다.",
            ),
            Mistake(
                lambda: 2 * (64 + 128 + 256 + 512 + 512),
                "풀링 사이의 단마다 한 번만 셌습니다. 합성곱 층마다 하나씩 있습니다.",
            ),
        ),
    ),
    Number(
        question="VGG16의 합성곱 13층이 224×224 이미지 한 장에서 내는 값은 모두 13,547,520개이고, 신경망의 매개변수는 138,357,544개입니다. 배치 64로 학습하며 합성곱의 출력을 모두 float32로 기억해 두면 활성값과 매개변수가 각각 몇 GiB를 차지합니까? 소수점 아래 둘째 자리까지 차례로 적으십시오. (1 GiB = $2^{30}$바이트)",
        hint="배치의 크기를 따라 늘어나는 것은 둘 가운데 어느 쪽입니까?",
        explanation=r"활성값은 $64 \cdot 4 \cdot 13547520 / 2^{30} = 3.23$ GiB, 매개변수는 0.52 GiB입니다. 학습할 때에는 활성값이 여섯 배쯤 큽니다. 이미지가 한 장뿐이라면 거꾸로 매개변수가 열 배쯤 큽니다.",
        level=2,
        minutes=5,
        tolerance=0.006,
        answer=_memory,
        mistakes=(
            Mistake(
                lambda: _memory(size=1),
                "수의 개수를 바이트로 여겼습니다. float32는 수 하나가 4바이트입니다.",
            ),
            Mistake(
                lambda: _memory(unit=1e9),
                "$10^9$으로 나누었습니다. GiB는 $2^{30}$바이트입니다.",
            ),
            Mistake(
                lambda: _memory(copies=64),
                "매개변수에도 배치의 크기를 곱했습니다. 배치의 이미지들은 같은 매개변수를 함께 씁니다.",
            ),
            Mistake(
                lambda: _memory(images=1),
                "이미지 한 장의 활성값만 셌습니다.",
            ),
        ),
    ),
    Number(
        question=r"입력의 수가 $n$인 층의 가중치를 평균 0, 표준편차 $\sigma$인 정규 분포로 채우면, ReLU가 있는 신경망에서 층 하나를 지날 때 신호의 표준편차가 $\sqrt{n\sigma^2/2}$배가 됩니다. 3×3, 512 → 512채널 합성곱에서 신호의 크기가 그대로이려면 $\sigma$는 얼마여야 합니까? 또 그 $\sigma$(반올림하지 않은 값)로 3×3, 64 → 64채널 합성곱을 채우면 신호가 몇 배가 됩니까? 소수점 아래 셋째 자리까지 차례로 적으십시오.",
        hint="$n$은 출력 하나를 만들 때 곱해 더하는 입력의 수입니다. 커널의 넓이도 들어갑니다.",
        explanation=r"$n = 9 \cdot 512$ = 4,608이므로 $\sigma = \sqrt{2/4608} = 0.021$입니다. 64채널이면 $n = 576$이라 $\sqrt{576/4608} = 0.354$배, 곧 3분의 1쯤으로 줄어듭니다. 채널 수가 층마다 다르므로 한 값이 모든 층에 맞을 수 없습니다.",
        level=2,
        minutes=6,
        tolerance=0.0006,
        answer=lambda: (_std(9 * 512), _gain(9 * 64, _std(9 * 512))),
        mistakes=(
            Mistake(
                lambda: ((9 * 512) ** -0.5, _gain(9 * 64, (9 * 512) ** -0.5)),
                "첫째 수를 구할 때 ReLU가 반을 0으로 만든다는 것을 빼놓았습니다. 선형인 층에 맞는 값이라 둘째 수도 그만큼 작아졌습니다.",
            ),
            Mistake(
                lambda: ((9 * 512) ** -0.5, (64 / 512) ** 0.5),
                "ReLU가 반을 0으로 만든다는 것을 빼놓았습니다. 첫째 수는 선형인 층에 맞는 값입니다.",
            ),
            Mistake(
                lambda: (_std(512), _gain(64, _std(512))),
                "$n$에 커널의 넓이를 곱하지 않았습니다. 출력 하나는 3×3 창의 모든 채널을 더합니다.",
            ),
            Mistake(
                lambda: (_std(9 * 512) ** 2, _gain(9 * 64, _std(9 * 512)) ** 2),
                "분산과 분산의 배율을 적었습니다. 물은 것은 표준편차입니다.",
            ),
            Mistake(
                lambda: (_std(9 * 512), _gain(9 * 64, _std(9 * 512)) ** 2),
                "배율의 제곱근을 잊었습니다. 채널이 8분의 1일 때 8분의 1이 되는 것은 분산입니다.",
            ),
        ),
    ),
    Number(
        question="VGG16의 완전 연결 층을 패딩 없는 7×7 합성곱과 1×1 합성곱 둘로 바꾸어 480×480 이미지를 넣습니다. 앞의 합성곱은 모두 크기를 지키고, 2×2 최대 풀링이 다섯 번 있습니다. 점수 지도의 한 변은 얼마입니까? 또 이웃한 두 점수가 보는 창은 입력에서 몇 화소 떨어져 있습니까? 차례로 적으십시오.",
        hint="먼저 특징 맵의 한 변을 구하고, 그 위에 7×7 창을 놓을 자리를 세십시오.",
        explanation="$480 / 2^5 = 15$이므로 특징 맵이 15×15이고, 7×7 창을 놓을 자리가 한 방향에 $15 - 7 + 1 = 9$입니다. 특징 맵의 한 칸은 입력의 32화소이므로 창도 32화소씩 떨어져 있습니다. 신경망을 한 번 계산하여 81자리를 봅니다.",
        level=2,
        minutes=5,
        answer=_score_map,
        mistakes=(
            Mistake(
                lambda: (480 // 32, 32),
                "특징 맵의 한 변을 적었습니다. 7×7 합성곱에는 패딩이 없습니다.",
            ),
            Mistake(
                lambda: (480 // 32 - 7, 32),
                "창을 놓을 자리를 하나 빠뜨렸습니다. 첫 자리도 셉니다.",
            ),
            Mistake(
                lambda: (480 // 224, 224),
                "224×224 조각을 겹치지 않게 놓았습니다. 조밀 평가의 창은 겹칩니다.",
            ),
            Mistake(
                lambda: (480 - 224 + 1, 1),
                "창을 한 화소씩 옮겼습니다. 풀링을 지날 때마다 옮기는 간격이 두 배가 됩니다.",
            ),
        ),
    ),
    Choice(
        question="VGG의 구성 B, C, D는 상위 1 오류율이 28.7 %, 28.1 %, 27.0 %입니다. C는 B에 1×1 합성곱을 셋 더한 것이고, D는 C의 1×1을 모두 3×3으로 바꾼 것입니다. C보다 D가 나은 까닭으로 가장 그럴듯한 것은 무엇입니까?",
        right="D는 이웃한 자리까지 보아 공간의 맥락을 더 쓴다.",
        place=2,
        mistakes=(
            Mistake(
                "D가 C보다 깊어서 비선형 함수가 더 많다.",
                "커널의 크기를 바꾸어도 층의 수와 ReLU의 수는 그대로입니다. 그것은 B와 C의 차이입니다.",
            ),
            Mistake(
                "1×1 합성곱은 채널을 섞지 못하여 쓸모가 없다.",
                "1×1이 하는 일이 바로 채널을 섞는 것입니다. 그것만 더한 C도 B보다 낫습니다.",
            ),
            Mistake(
                "D는 매개변수가 C보다 적어서 과적합이 덜하다.",
                "3×3의 가중치는 1×1의 아홉 배이므로 D의 매개변수가 더 많습니다.",
            ),
        ),
        hint="C와 D에서 같은 것과 다른 것을 나누어 적어 보십시오.",
        explanation="C와 D는 깊이가 16층으로 같습니다. 다른 것은 공간의 맥락을 더 보느냐입니다. 수용 영역으로 말하면 C의 마지막 합성곱은 B와 같은 140화소를, D는 196화소를 봅니다. 다만 D는 매개변수도 더 많아서, 이 실험만으로 수용 영역의 효과를 깨끗이 떼어 낼 수는 없습니다.",
        level=2,
        minutes=3,
    ),
    Function(
        question="채널이 하나일 때, 패딩 없는 교차상관을 `first`로 한 다음 `second`로 한 것과 똑같은 결과를 한 번에 내는 커널 하나를 구하는 `merge(first, second)`를 쓰십시오. `first`는 (K, L), `second`는 (M, N)인 텐서이고, (K+M−1, L+N−1)인 텐서를 돌려줍니다. `F.conv2d`를 불러 써도 됩니다.",
        hint="두 번의 교차상관에서 합친 커널은 두 커널의 **진짜 합성곱**입니다. 교차상관을 하는 함수로 합성곱을 하려면 무엇을 뒤집어야 합니까?",
        explanation="`first`에 둘째 커널보다 한 줄 적게 패딩하고, 두 축을 모두 뒤집은 `second`로 교차상관을 하면 됩니다. 3×3 둘을 합치면 5×5가 나옵니다. 사이에 ReLU가 있으면 이렇게 합칠 수 없습니다. 그래서 쌓은 두 층이 5×5 한 층과 다른 함수가 됩니다.",
        level=3,
        minutes=9,
        oracle=merge,
        inputs=_kernels,
        atol=1e-5,
        mistakes=(
            Mistake(
                _merge_flipping(),
                "둘째 커널을 뒤집지 않아 합성곱이 아니라 교차상관으로 합쳤습니다.",
            ),
            Mistake(
                _merge_flipping(1),
                "둘째 커널을 좌우로만 뒤집었습니다. 위아래로도 뒤집어야 합니다.",
            ),
            Mistake(
                _merge_flipping(0),
                "둘째 커널을 위아래로만 뒤집었습니다. 좌우로도 뒤집어야 합니다.",
            ),
            Mistake(
                lambda first, second: merge(first, second).flip(0, 1),
                "합친 커널이 180° 돌아가 있습니다. 점 하나를 넣어 얻은 응답은 커널을 뒤집은 모양이고, `first`를 뒤집어도 그렇게 됩니다.",
            ),
        ),
    ),
    Design(
        question="64채널 특징 맵을 받아 64채널을 내는 7×7 합성곱 한 층은 매개변수가 200,768개입니다. 이것을 갈음하여 같은 범위를 보되 매개변수가 훨씬 적고 비선형 함수는 더 많은 `nn.Sequential`을 설계하십시오.",
        hint="3×3을 쌓는 것만으로는 절반 남짓까지 줄어듭니다. 가운데 채널 수도 여러분이 정합니다.",
        explanation=r"예를 들어 64 → 32 → 32 → 64채널의 3×3 합성곱을 쌓고 층마다 ReLU를 둡니다. 매개변수는 18,464 + 9,248 + 18,496 = 46,208개로 4분의 1이 안 됩니다. 대신 가운데에서 정보가 32채널을 지나야 합니다. 이런 병목은 ResNet의 블록에서 다시 만납니다.",
        level=2,
        minutes=10,
        rubric=(
            maps((2, 64, 12, 12), (2, 64, 12, 12), hint=SHAPE),
            sees(7, hint=FIELD),
            kernels_at_most(3, hint=BIG),
            activated(hint=LINEAR),
            parameters_at_most(60_000, hint=BUDGET),
        ),
        example=lambda: _stack(64, 32, 32, 64),
        mistakes=(
            Mistake(
                lambda: nn.Sequential(*_stack(64, 32, 32), nn.Conv2d(32, 60, 3, padding=1)), SHAPE
            ),
            Mistake(lambda: _stack(64, 32, 64), FIELD),
            Mistake(
                lambda: nn.Sequential(
                    nn.Conv2d(64, 8, 7, padding=3), nn.ReLU(), nn.Conv2d(8, 64, 1), nn.ReLU()
                ),
                BIG,
            ),
            Mistake(lambda: _stack(64, 32, 32, 64, relu=False), LINEAR),
            Mistake(lambda: _stack(64, 64, 64, 64), BUDGET),
        ),
    ),
)
