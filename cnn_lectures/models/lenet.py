"""LeNet-5: 오늘날의 꼴(`LeNet5`)과 1998년 논문의 꼴(`LeNet5Original`).

논문: LeCun, Bottou, Bengio & Haffner (1998), Proceedings of the IEEE 86(11), 2278–2324쪽, 그림 2.
논문과 다른 점: `LeNet5`는 서브샘플링 대신 매개변수 없는 평균 풀링을, 성긴 C3(표 I) 대신 모든 맵을
잇는 합성곱을, RBF 출력 대신 선형 층을 쓴다. 활성화는 계수 없는 tanh이고 풀링 뒤에는 없다. 초기화는
torch의 기본값이다. `LeNet5Original`은 출력 층의 비트맵만 새로 그렸다. `bn_lenet`은 논문에 없는,
배치 정규화를 넣은 꼴이다.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.layers.batch_norm import BatchNorm1d, BatchNorm2d

# 특징 맵의 이름: (채널 수, 누적 스트라이드)
FEATURE_SPECS = {"c1": (6, 1), "s2": (6, 2), "c3": (16, 2), "s4": (16, 4), "c5": (120, 4)}

# 표 I: C3의 맵마다 입력으로 받는 S2의 맵
C3_CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),  # 이웃한 셋
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),  # 이웃한 넷
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),  # 떨어진 넷
    (0, 1, 2, 3, 4, 5),  # 모두
)  # fmt: skip

# 출력 층의 목표. 숫자마다 가로 7, 세로 12이며 #은 +1, .은 −1이다.
DIGIT_BITMAPS = """
..###.. ...#... ..###.. .#####. .....#. ####### ...###. ####### ..###.. ..###..
.#...#. ..##... .#...#. #.....# ....##. #...... ..#.... ......# .#...#. .#...#.
#.....# .#.#... #.....# ......# ...#.#. #...... .#..... ......# #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ......# .#...#. ######. #...... .....#. .#...#. #.....#
#.....# ...#... .....#. ..####. #....#. ......# #.###.. ....#.. ..###.. .#...##
#.....# ...#... ....#.. ......# #....#. ......# ##...#. ....#.. .#...#. ..###.#
#.....# ...#... ...#... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... ......# .....#. ......# #.....# ..#.... #.....# .....#.
.#...#. ...#... #...... #.....# .....#. #.....# .#...#. ..#.... .#...#. ....#..
..###.. .#####. ####### .#####. .....#. .#####. ..###.. ..#.... ..###.. .###...
"""


def check_images(images: Tensor) -> None:
    """(N, 1, 32, 32)인 실수 배치인지 확인한다. 28×28이면 고칠 방법도 알린다."""
    if images.shape[-2:] == (28, 28):
        rule = "크기가 32×32여야 합니다. Fashion-MNIST는 `load_fashion_mnist(padding=2)`로 읽습니다"
        raise _checks.error("images", rule, tuple(images.shape))
    _checks.image_batch(images, channels=1, size=32)


class LeNet5(nn.Module):
    """오늘날 흔히 쓰는 LeNet-5. 매개변수는 61,706개이다.

    Parameters
    ----------
    num_classes : 종류 수, 1 이상

    Raises
    ------
    ValueError
        이미지의 모양이 (N, 1, 32, 32)가 아닐 때.
    """

    feature_specs = FEATURE_SPECS

    def __init__(self, *, num_classes: int = 10):
        super().__init__()
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5),
            nn.Tanh(),
            nn.AvgPool2d(kernel_size=2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.Tanh(),
            nn.AvgPool2d(kernel_size=2),
            nn.Conv2d(16, 120, kernel_size=5),
            nn.Tanh(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) -> 로짓 (N, num_classes)"""
        check_images(images)
        return self.classifier(self.features(images).flatten(1))

    def forward_features(self, images: Tensor) -> dict[str, Tensor]:
        """논문의 이름으로 특징 맵을 돌려준다. C 층의 맵은 활성화를 거친 값이다.

        합성곱까지만 계산하므로 32보다 큰 이미지도 받는다. 40×40이면 C5가 3×3이 된다.
        """
        _checks.image_batch(images, channels=1, minimum=32)
        c1 = self.features[:2](images)  # (N, 6, 28, 28)
        s2 = self.features[2](c1)  # (N, 6, 14, 14)
        c3 = self.features[3:5](s2)  # (N, 16, 10, 10)
        s4 = self.features[5](c3)  # (N, 16, 5, 5)
        c5 = self.features[6:](s4)  # (N, 120, 1, 1)
        return {"c1": c1, "s2": s2, "c3": c3, "s4": s4, "c5": c5}


@torch.no_grad()
def lecun_uniform_(parameter: Tensor, fan_in: int | Tensor) -> Tensor:
    """유닛의 입력 수가 `fan_in`일 때 ±2.4/`fan_in`의 균등 분포로 채운다(논문의 부록 A)."""
    return parameter.uniform_(-1, 1).mul_(2.4 / fan_in)


class ScaledTanh(nn.Module):
    """f(a) = 1.7159 tanh(2a/3). ±1에서 포화하지 않고 ±1을 낸다(식 6)."""

    def forward(self, x: Tensor) -> Tensor:
        """모양은 그대로다."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class TrainableSubsampling(nn.Module):
    """2×2 이웃의 값을 더해 맵마다 하나인 계수를 곱하고 편향을 더한다. 활성화는 따로 거친다.

    Parameters
    ----------
    channels : 맵의 수, 1 이상
    """

    kernel_size = stride = 2

    def __init__(self, channels: int):
        super().__init__()
        channels = _checks.integer("channels", channels, minimum=1)
        self.weight = nn.Parameter(lecun_uniform_(torch.empty(channels), fan_in=4))
        self.bias = nn.Parameter(lecun_uniform_(torch.empty(channels), fan_in=4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H/2, W/2)"""
        total = nn.functional.avg_pool2d(x, self.kernel_size, divisor_override=1)
        return total * self.weight[:, None, None] + self.bias[:, None, None]


class C3(nn.Module):
    """S2의 6개 맵 가운데 `C3_CONNECTIONS`에 적힌 것만 보는 5×5 합성곱.

    이어진 60쌍의 커널만 매개변수로 둔다. 매개변수는 60·25 + 16 = 1,516개이다.
    """

    kernel_size = 5

    def __init__(self):
        super().__init__()
        links = [(out, into) for out, inputs in enumerate(C3_CONNECTIONS) for into in inputs]
        self.register_buffer("links", torch.tensor(links).T, persistent=False)  # (2, 60)
        fan_in = torch.tensor([25 * len(inputs) for inputs in C3_CONNECTIONS])
        by_link = fan_in[self.links[0], None, None]
        self.weight = nn.Parameter(lecun_uniform_(torch.empty(len(links), 5, 5), by_link))
        self.bias = nn.Parameter(lecun_uniform_(torch.empty(len(fan_in)), fan_in))

    def dense_weight(self) -> Tensor:
        """이어지지 않은 자리를 0으로 채운 가중치 (16, 6, 5, 5)."""
        return self.weight.new_zeros(16, 6, 5, 5).index_put(tuple(self.links), self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6, H, W) -> (N, 16, H-4, W-4)"""
        return nn.functional.conv2d(x, self.dense_weight(), self.bias)


class RBFOutput(nn.Module):
    """숫자 비트맵까지의 거리 y_i = Σ_j (x_j − w_ij)²를 재는 출력 층(식 7). 목표 w는 고정한다."""

    def __init__(self):
        super().__init__()
        words = DIGIT_BITMAPS.split()
        bitmaps = ["".join(words[digit::10]) for digit in range(10)]
        signs = [[1.0 if pixel == "#" else -1.0 for pixel in bitmap] for bitmap in bitmaps]
        self.register_buffer("targets", torch.tensor(signs))  # (10, 84)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 84) -> 거리의 제곱 (N, 10)"""
        return (x[:, None] - self.targets).square().sum(dim=2)


class LeNet5Original(nn.Module):
    """1998년 논문의 LeNet-5. 학습하는 매개변수는 60,000개이다.

    로짓은 RBF 거리의 부호를 바꾼 것이라, 가장 가까운 비트맵의 로짓이 가장 크다. 이 로짓의 교차
    엔트로피는 논문의 MAP 기준(식 9)에서 로그 안의 상수항 e^(−j)만 지운 것과 같다.
    """

    feature_specs = FEATURE_SPECS

    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)
        self.s2 = TrainableSubsampling(6)
        self.c3 = C3()
        self.s4 = TrainableSubsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = RBFOutput()
        self.activation = ScaledTanh()
        for layer in (self.c1, self.c5, self.f6):
            for parameter in (layer.weight, layer.bias):
                lecun_uniform_(parameter, fan_in=layer.weight[0].numel())

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) -> 로짓 (N, 10)"""
        return -self.output(self.forward_features(images)["f6"])

    def forward_features(self, images: Tensor) -> dict[str, Tensor]:
        """활성화를 거친 c1부터 c5까지의 특징 맵과 f6 (N, 84)를 돌려준다."""
        check_images(images)
        c1 = self.activation(self.c1(images))  # (N, 6, 28, 28)
        s2 = self.activation(self.s2(c1))  # (N, 6, 14, 14)
        c3 = self.activation(self.c3(s2))  # (N, 16, 10, 10)
        s4 = self.activation(self.s4(c3))  # (N, 16, 5, 5)
        c5 = self.activation(self.c5(s4))  # (N, 120, 1, 1)
        f6 = self.activation(self.f6(c5.flatten(1)))  # (N, 84)
        return {"c1": c1, "s2": s2, "c3": c3, "s4": s4, "c5": c5, "f6": f6}


def bn_lenet(*, batch_norm: bool = True) -> nn.Sequential:
    """시그모이드와 평균 풀링을 쓰는, 28×28을 받는 LeNet. 활성화 앞마다 배치 정규화를 넣는다.

    매개변수는 44,878개이고, 그 가운데 452개가 배치 정규화의 γ와 β이다.

    Parameters
    ----------
    batch_norm : 거짓이면 배치 정규화 자리에 `nn.Identity`를 둔다. 층의 번호는 그대로다.

    References
    ----------
    .. [1] Zhang, Lipton, Li & Smola (2023), Dive into Deep Learning, arXiv:2106.11342, 배치 정규화.
    """
    norm1d, norm2d = (BatchNorm1d, BatchNorm2d) if batch_norm else (nn.Identity, nn.Identity)
    network = nn.Sequential(
        *(nn.Conv2d(1, 6, kernel_size=5), norm2d(6), nn.Sigmoid()),  # (N, 6, 24, 24)
        nn.AvgPool2d(kernel_size=2),  # (N, 6, 12, 12)
        *(nn.Conv2d(6, 16, kernel_size=5), norm2d(16), nn.Sigmoid()),  # (N, 16, 8, 8)
        nn.AvgPool2d(kernel_size=2),  # (N, 16, 4, 4)
        nn.Flatten(),
        *(nn.Linear(256, 120), norm1d(120), nn.Sigmoid()),
        *(nn.Linear(120, 84), norm1d(84), nn.Sigmoid()),
        nn.Linear(84, 10),
    )
    network.register_forward_pre_hook(check_small_images)
    return network


def check_small_images(network: nn.Module, inputs: tuple[Tensor]) -> None:
    """`bn_lenet`의 입력이 (N, 1, 28, 28)인 실수 배치인지 확인한다."""
    _checks.image_batch(inputs[0], channels=1, size=28)


class LayerCount(NamedTuple):
    """한 층의 학습하는 매개변수 수와 연결 수(편향의 연결을 포함한다)."""

    layer: str
    parameters: int
    connections: int


def connections() -> list[LayerCount]:
    """`LeNet5Original`의 층마다 매개변수와 연결을 센다. 합은 60,000개와 340,908개이다."""
    with torch.device("meta"):  # 모양만 계산하고 값은 만들지 않는다
        model = LeNet5Original()
        maps = model.forward_features(torch.empty(1, 1, 32, 32))
    rows = []
    for name, x in maps.items():
        layer = getattr(model, name)
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        per_position = parameters
        if isinstance(layer, TrainableSubsampling):  # 맵마다 네 입력이 계수 하나를 나누어 쓴다
            per_position = len(layer.weight) * (layer.kernel_size**2 + 1)
        rows.append(LayerCount(name, parameters, x[0, 0].numel() * per_position))
    return [*rows, LayerCount("output", 0, model.output.targets.numel())]


def sharing_counts(layer: nn.Conv2d, *, size: int) -> list[LayerCount]:
    """`layer`와 크기가 같은 출력을 내는 완전 연결, 국소 연결, 합성곱 층의 수를 센다.

    국소 연결은 위치마다 다른 커널을 두고, 합성곱은 커널 하나를 모든 위치에서 쓴다.

    Parameters
    ----------
    layer : 편향이 있는 합성곱 층
    size : 정사각형 입력의 한 변, `kernel_size` 이상
    """
    size = _checks.integer("size", size, minimum=layer.kernel_size[0])
    images = layer.weight.new_zeros(1, layer.in_channels, size, size)
    units = layer(images).numel()
    dense = units * (images.numel() + 1)
    window = layer.weight[0].numel() + 1
    return [
        LayerCount("완전 연결", dense, dense),
        LayerCount("국소 연결", units * window, units * window),
        LayerCount("합성곱", layer.out_channels * window, units * window),
    ]
