"""NiN(Network in Network): 1×1 합성곱과 전역 평균 풀링.

논문: Lin, Chen & Yan (2014), arXiv:1312.4400, 그림 2와 식 2.
논문과 다른 점: 마지막 1×1 합성곱 뒤에 ReLU를 두지 않는다. 두면 로짓이 음수가 될 수 없고, 0이 된
종류는 기울기를 받지 못한다. 기본 구성 `"imagenet"`은 mlpconv 층이 넷인 AlexNet 크기의 신경망이고,
논문의 CIFAR-10 신경망에 해당하는 것은 `"cifar"`이다. 논문은 초깃값을 손으로 정했다고만 적었으므로
He 초기화를 쓴다.
"""

from typing import NamedTuple

from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.models._common import choice, he_initialization, minimum_size, rate


class MLPConv(NamedTuple):
    """mlpconv 층 하나의 꼴. 채널 수가 None이면 종류 수를 뜻한다."""

    channels: tuple[int | None, int | None, int | None]
    kernel_size: int
    stride: int
    padding: int
    dropout: bool = False  # 이 층 앞에 드롭아웃을 두는지


# 이름: (풀링의 패딩, mlpconv 층들). 층과 층 사이에 3×3, 스트라이드 2의 최대 풀링이 있다.
CONFIGURATIONS = {
    "imagenet": (  # 매개변수 1,992,166(흑백 이미지, 10종류)
        0,
        MLPConv((96, 96, 96), 11, 4, 0),
        MLPConv((256, 256, 256), 5, 1, 2),
        MLPConv((384, 384, 384), 3, 1, 1),
        MLPConv((None, None, None), 3, 1, 1, dropout=True),
    ),
    "cifar": (  # 매개변수 966,986(컬러 이미지, 10종류)
        1,
        MLPConv((192, 160, 96), 5, 1, 2),
        MLPConv((192, 192, 192), 5, 1, 2, dropout=True),
        MLPConv((192, 192, None), 3, 1, 1, dropout=True),
    ),
    "small": (  # 논문에 없는, 32×32 이미지에 맞게 줄인 것
        1,
        MLPConv((32, 24, 16), 5, 1, 2),
        MLPConv((48, 48, 48), 3, 1, 1),
        MLPConv((64, 64, None), 3, 1, 1),
    ),
}


def mlpconv(in_channels: int, row: MLPConv) -> nn.Sequential:
    """k×k 합성곱 하나와 1×1 합성곱 둘. 위치마다 같은 다층 퍼셉트론을 적용하는 것과 같다(식 2)."""
    first, second, third = row.channels
    return nn.Sequential(
        nn.Conv2d(in_channels, first, row.kernel_size, stride=row.stride, padding=row.padding),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(second, third, kernel_size=1),
        nn.ReLU(inplace=True),
    )


class NiN(nn.Module):
    """mlpconv 층을 쌓고, 완전 연결 층 없이 전역 평균 풀링으로 로짓을 얻는다.

    `features`의 출력은 종류마다 하나씩인 특징 맵이라, 이미지의 어디를 보고 답했는지 알려 준다.

    Parameters
    ----------
    configuration : `CONFIGURATIONS`의 열쇠
    num_classes : 종류 수, 1 이상
    in_channels : 이미지의 채널 수, 1 이상
    dropout : 드롭아웃 확률, 0 이상 1 미만

    Raises
    ------
    ValueError
        표에 없는 구성이거나, 인자가 범위를 벗어나거나, 이미지가 `minimum_size`보다 작을 때.
    """

    def __init__(
        self,
        configuration: str = "imagenet",
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        dropout: float = 0.5,
    ):
        super().__init__()
        padding, *rows = CONFIGURATIONS[choice("configuration", configuration, CONFIGURATIONS)]
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        dropout = rate("dropout", dropout)

        layers: list[nn.Module] = []
        for row in rows:
            if layers:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=padding))
            if row.dropout:
                layers.append(nn.Dropout(dropout))
            channels = tuple(channel or num_classes for channel in row.channels)
            layers.append(mlpconv(in_channels, row._replace(channels=channels)))
            in_channels = channels[-1]
        layers[-1] = layers[-1][:-1]  # 마지막 ReLU를 뺀다
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.minimum_size = minimum_size(self.features)
        he_initialization(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) -> 로짓 (N, num_classes)"""
        _checks.image_batch(images, channels=self.in_channels, minimum=self.minimum_size)
        return self.avgpool(self.features(images)).flatten(1)


def nin(**options) -> NiN:
    """AlexNet 크기의 NiN. 흑백 이미지와 10종류에서 매개변수 1,992,166개."""
    return NiN("imagenet", **options)


def nin_cifar(**options) -> NiN:
    """32×32 컬러 이미지를 받는 NiN. 10종류에서 매개변수 966,986개."""
    return NiN("cifar", **{"in_channels": 3} | options)


def nin_small(**options) -> NiN:
    """32×32 흑백 이미지에 맞게 줄인 NiN."""
    return NiN("small", **options)
