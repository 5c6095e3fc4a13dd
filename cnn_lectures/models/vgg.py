"""VGG: 3×3 합성곱만 쌓아 16층과 19층까지 깊어진 신경망.

논문: Simonyan & Zisserman (2015), arXiv:1409.1556, 표 1.
논문과 다른 점: 합성곱은 He 초기화로 채운다(논문은 얕은 A를 먼저 학습하여 옮겼다). 완전 연결 층
앞에 적응형 평균 풀링을 두어 다른 크기의 이미지도 받는다. 배치 정규화를 넣은 꼴(`_bn`)은 논문 뒤에
나왔다.
"""

from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.models._common import choice, he_initialization, minimum_size, rate

# 표 1. 수는 3×3 합성곱의 출력 채널이다(1×가 붙으면 1×1 합성곱). | 자리마다 2×2 최대 풀링이 있다.
# fmt: off
CONFIGURATIONS = {
    # 특징 맵 224²    112²      56²               28²               14²                매개변수
    "A":     "64    | 128     | 256 256         | 512 512         | 512 512        ",  # 132,863,336
    "A-LRN": "64 LRN| 128     | 256 256         | 512 512         | 512 512        ",  # 132,863,336
    "B":     "64 64 | 128 128 | 256 256         | 512 512         | 512 512        ",  # 133,047,848
    "C":     "64 64 | 128 128 | 256 256 1×256   | 512 512 1×512   | 512 512 1×512  ",  # 133,638,952
    "D":     "64 64 | 128 128 | 256 256 256     | 512 512 512     | 512 512 512    ",  # 138,357,544
    "E":     "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512",  # 143,667,240
    "small": "16 16 | 32 32   | 64 64",  # 논문에 없는, 32×32 이미지에 맞게 줄인 것
}
# fmt: on


def convolutions(configuration: str, *, in_channels: int, batch_norm: bool) -> nn.Sequential:
    """`CONFIGURATIONS`의 한 줄을 층으로 옮긴다."""
    layers: list[nn.Module] = []
    for stage in configuration.split("|"):
        for item in stage.split():
            if item == "LRN":
                layers.append(LocalResponseNorm())
                continue
            channels = int(item.removeprefix("1×"))
            kernel_size = 1 if item.startswith("1×") else 3
            conv = nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2)
            normalization = [nn.BatchNorm2d(channels)] if batch_norm else []
            layers += [conv, *normalization, nn.ReLU(inplace=True)]
            in_channels = channels
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """표 1의 한 열.

    Parameters
    ----------
    configuration : `CONFIGURATIONS`의 열쇠. A는 11층, B는 13층, C와 D는 16층, E는 19층이다.
    batch_norm : 합성곱마다 배치 정규화를 둘지
    num_classes : 종류 수, 1 이상
    in_channels : 이미지의 채널 수, 1 이상
    grid_size : 완전 연결 층이 받는 특징 맵의 한 변
    hidden_features : 완전 연결 은닉층의 유닛 수
    dropout : 완전 연결 은닉층 뒤의 드롭아웃 확률, 0 이상 1 미만

    Raises
    ------
    ValueError
        표에 없는 구성이거나, 인자가 범위를 벗어나거나, 이미지가
        `minimum_size`(표 1의 구성은 32×32)보다 작을 때.
    """

    def __init__(
        self,
        configuration: str,
        *,
        batch_norm: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
        grid_size: int = 7,
        hidden_features: int = 4096,
        dropout: float = 0.5,
    ):
        super().__init__()
        row = CONFIGURATIONS[choice("configuration", configuration, CONFIGURATIONS)]
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        grid_size = _checks.integer("grid_size", grid_size, minimum=1)
        hidden_features = _checks.integer("hidden_features", hidden_features, minimum=1)
        dropout = rate("dropout", dropout)

        self.features = convolutions(row, in_channels=in_channels, batch_norm=batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(grid_size)
        channels = int(row.split()[-1].removeprefix("1×"))
        self.classifier = nn.Sequential(
            nn.Linear(channels * grid_size**2, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )
        self.minimum_size = minimum_size(self.features)
        he_initialization(self)
        for layer in self.classifier[::3]:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> 로짓 (N, num_classes)"""
        _checks.image_batch(images, channels=self.in_channels, minimum=self.minimum_size)
        x = self.features(images)  # 224×224면 (N, 512, 7, 7)
        return self.classifier(self.avgpool(x).flatten(1))


def vgg11(**options) -> VGG:
    """구성 A. 매개변수 132,863,336개."""
    return VGG("A", **options)


def vgg11_lrn(**options) -> VGG:
    """구성 A-LRN. 국소 응답 정규화에는 매개변수가 없어 A와 같은 132,863,336개."""
    return VGG("A-LRN", **options)


def vgg13(**options) -> VGG:
    """구성 B. 매개변수 133,047,848개."""
    return VGG("B", **options)


def vgg16_1x1(**options) -> VGG:
    """구성 C. D와 깊이가 같고 세 층이 1×1이다. 매개변수 133,638,952개."""
    return VGG("C", **options)


def vgg16(**options) -> VGG:
    """구성 D. 매개변수 138,357,544개."""
    return VGG("D", **options)


def vgg19(**options) -> VGG:
    """구성 E. 매개변수 143,667,240개."""
    return VGG("E", **options)


def vgg11_bn(**options) -> VGG:
    """배치 정규화를 넣은 구성 A. 매개변수 132,868,840개."""
    return VGG("A", batch_norm=True, **options)


def vgg13_bn(**options) -> VGG:
    """배치 정규화를 넣은 구성 B. 매개변수 133,053,736개."""
    return VGG("B", batch_norm=True, **options)


def vgg16_bn(**options) -> VGG:
    """배치 정규화를 넣은 구성 D. 매개변수 138,365,992개."""
    return VGG("D", batch_norm=True, **options)


def vgg19_bn(**options) -> VGG:
    """배치 정규화를 넣은 구성 E. 매개변수 143,678,248개."""
    return VGG("E", batch_norm=True, **options)


def vgg_small(**options) -> VGG:
    """32×32 흑백 이미지에 맞게 줄인 VGG."""
    small = {"num_classes": 10, "in_channels": 1, "grid_size": 4, "hidden_features": 128}
    return VGG("small", **small | options)
