"""GoogLeNet: 인셉션 모듈 아홉 개를 쌓아 2014년 ILSVRC에서 우승한 신경망.

논문: Szegedy et al. (2015), arXiv:1409.4842, 표 1과 그림 2.
논문과 다른 점: 보조 분류기의 평균 풀링이 적응형이라 다른 크기의 이미지도 받는다. 초기화는 논문에
없어 He 초기화를 쓴다. `googlenet_bn`은 논문이 아니라 torchvision의 GoogLeNet이다.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.models._common import choice, he_initialization, integers, minimum_size

# 표 1. 출력 채널. 이름의 숫자가 바뀌는 곳마다 최대 풀링이 있다.
# fmt: off
INCEPTIONS = {
    # 1×1  3×3 앞  3×3  5×5 앞  5×5  풀링 뒤    매개변수
    "3a": ( 64,     96, 128,    16,  32,  32),  #   163,696
    "3b": (128,    128, 192,    32,  96,  64),  #   388,736
    "4a": (192,     96, 208,    16,  48,  64),  #   376,176
    "4b": (160,    112, 224,    24,  64,  64),  #   449,160
    "4c": (128,    128, 256,    24,  64,  64),  #   510,104
    "4d": (112,    144, 288,    32,  64,  64),  #   605,376
    "4e": (256,    160, 320,    32, 128, 128),  #   868,352
    "5a": (256,    160, 320,    32, 128, 128),  # 1,043,456
    "5b": (384,    192, 384,    48, 128, 128),  # 1,444,080
}
# fmt: on
AUXILIARIES = {"inception4a": "aux1", "inception4d": "aux2"}  # 보조 분류기가 붙는 곳


class Variant(NamedTuple):
    """논문과 torchvision이 서로 다른 점."""

    batch_norm: bool  # LRN 대신 합성곱마다 배치 정규화를 두는지
    wide_kernel_size: int  # 셋째 갈래의 커널
    last_pool_size: int  # 넷째 풀링의 창
    dropout: float  # 마지막 선형 층 앞


VARIANTS = {
    "paper": Variant(batch_norm=False, wide_kernel_size=5, last_pool_size=3, dropout=0.4),
    # 3×3은 torchvision이 호환을 위해 남겨 둔 잘못이다(pytorch/vision#906).
    "torchvision": Variant(batch_norm=True, wide_kernel_size=3, last_pool_size=2, dropout=0.2),
}


class ConvReLU(nn.Module):
    """합성곱과 ReLU. `batch_norm`이면 그 사이에 배치 정규화를 두고 편향을 뺀다."""

    def __init__(self, in_channels, out_channels, kernel_size, *, batch_norm, stride=1):
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H', W')"""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """네 갈래를 나란히 계산하여 채널 방향으로 이어 붙인다(그림 2(b)).

    Parameters
    ----------
    in_channels : 입력 채널 수
    row : `INCEPTIONS`의 한 줄
    variant : `VARIANTS`의 한 줄
    """

    def __init__(self, in_channels: int, row: tuple[int, ...], variant: Variant):
        super().__init__()

        def conv(in_channels: int, out_channels: int, kernel_size: int) -> ConvReLU:
            return ConvReLU(in_channels, out_channels, kernel_size, batch_norm=variant.batch_norm)

        c1, reduced3, c3, reduced5, c5, projected = row
        self.branch1 = conv(in_channels, c1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, reduced3, 1), conv(reduced3, c3, 3))
        self.branch3 = nn.Sequential(
            conv(in_channels, reduced5, 1), conv(reduced5, c5, variant.wide_kernel_size)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1), conv(in_channels, projected, 1)
        )
        self.out_channels = c1 + c3 + c5 + projected

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)"""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


class AuxiliaryClassifier(nn.Module):
    """중간의 특징 맵에서 바로 분류하여 앞쪽 층에 기울기를 보탠다. 추론에는 쓰지 않는다."""

    def __init__(self, in_channels: int, num_classes: int, *, batch_norm: bool):
        super().__init__()
        self.conv = ConvReLU(in_channels, 128, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> 로짓 (N, num_classes)"""
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)  # (N, 2048)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class InputRescaling(nn.Module):
    """ImageNet의 평균과 표준편차로 정규화한 이미지를 −1 이상 1 이하로 되돌린다."""

    def __init__(self):
        super().__init__()
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        self.register_buffer("scale", std / 0.5, persistent=False)
        self.register_buffer("shift", (mean - 0.5) / 0.5, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """모양은 그대로다."""
        return images * self.scale + self.shift


class GoogLeNet(nn.Module):
    """표 1의 신경망. 매개변수는 보조 분류기를 빼고 6,998,552개이다.

    Parameters
    ----------
    num_classes, in_channels : 종류 수와 이미지의 채널 수, 1 이상
    aux_logits : 보조 분류기를 둘지. 그 로짓은 `forward_auxiliary`로 얻는다.
    variant : `"paper"` 또는 `"torchvision"`
    stem, stem_stride : 첫째와 셋째 합성곱의 채널 수와, 첫째 합성곱의 스트라이드
    inceptions : 인셉션 모듈의 이름과 채널 수. `INCEPTIONS`와 같은 꼴
    transform_input : 이미지를 −1 이상 1 이하로 되돌릴지. torchvision의 사전 학습된 가중치에 쓴다.

    Raises
    ------
    ValueError
        인자가 범위를 벗어나거나, 이미지가 `minimum_size`보다 작을 때.
    """

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        aux_logits: bool = False,
        variant: str = "paper",
        stem: tuple[int, int] = (64, 192),
        stem_stride: int = 2,
        inceptions: Mapping[str, tuple[int, ...]] = INCEPTIONS,
        transform_input: bool = False,
    ):
        super().__init__()
        chosen = VARIANTS[choice("variant", variant, VARIANTS)]
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        stem_stride = _checks.integer("stem_stride", stem_stride, minimum=1)
        if transform_input and in_channels != 3:
            raise _checks.error("in_channels", "`transform_input`에는 3이어야 합니다", in_channels)
        first, channels = integers("stem", stem, count=2)
        bn = chosen.batch_norm

        def pool(kernel_size: int = 3) -> nn.Module:
            return nn.MaxPool2d(kernel_size, stride=2, ceil_mode=True)

        def normalization() -> nn.Module:
            return nn.Identity() if bn else LocalResponseNorm()

        trunk: dict[str, nn.Module] = {  # 224×224 이미지에서
            "conv1": ConvReLU(in_channels, first, 7, stride=stem_stride, batch_norm=bn),  # 112×112
            "maxpool1": pool(),  # 56×56
            "norm1": normalization(),
            "conv2": ConvReLU(first, first, 1, batch_norm=bn),
            "conv3": ConvReLU(first, channels, 3, batch_norm=bn),
            "norm2": normalization(),
            "maxpool2": pool(),  # 28×28
        }
        stage = "3"
        for name, row in inceptions.items():
            if name[0] != stage:  # 28×28 -> 14×14 -> 7×7
                trunk[f"maxpool{stage}"] = pool(chosen.last_pool_size if stage == "4" else 3)
                stage = name[0]
            row = integers("inceptions", row, count=6)
            trunk[f"inception{name}"] = module = Inception(channels, row, chosen)
            channels = module.out_channels

        self.transform_input = InputRescaling() if transform_input else nn.Identity()
        self.trunk = list(trunk)
        for name, module in trunk.items():
            self.add_module(name, module)
        self.auxiliaries = AUXILIARIES if aux_logits else {}
        for name, auxiliary in self.auxiliaries.items():
            if name not in trunk:
                rule = "보조 분류기를 붙일 4a와 4d가 있어야 합니다"
                raise _checks.error("inceptions", rule, list(inceptions))
            width = trunk[name].out_channels
            self.add_module(auxiliary, AuxiliaryClassifier(width, num_classes, batch_norm=bn))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(chosen.dropout)
        self.fc = nn.Linear(channels, num_classes)
        self.minimum_size = minimum_size(self)
        he_initialization(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> 로짓 (N, num_classes)"""
        return self._logits(images, auxiliaries={})[0]

    def forward_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """로짓과 보조 분류기 둘의 로짓. 논문은 보조 분류기의 손실에 0.3을 곱하여 더한다."""
        if not self.auxiliaries:
            raise _checks.error("aux_logits", "True로 만든 모형이어야 합니다", False)
        return tuple(self._logits(images, auxiliaries=self.auxiliaries))

    def _logits(self, images: Tensor, *, auxiliaries: Mapping[str, str]) -> list[Tensor]:
        _checks.image_batch(images, channels=self.in_channels, minimum=self.minimum_size)
        x = self.transform_input(images)
        logits = []
        for name in self.trunk:
            x = self.get_submodule(name)(x)
            if name in auxiliaries:
                logits.append(self.get_submodule(auxiliaries[name])(x))
        return [self.fc(self.dropout(self.avgpool(x).flatten(1))), *logits]


def googlenet(**options) -> GoogLeNet:
    """논문의 GoogLeNet. 매개변수 6,998,552개."""
    return GoogLeNet(**options)


def googlenet_bn(**options) -> GoogLeNet:
    """torchvision의 GoogLeNet. 매개변수 6,624,904개(보조 분류기까지 13,004,888개)."""
    return GoogLeNet(variant="torchvision", **options)


def googlenet_small(**options) -> GoogLeNet:
    """32×32 흑백 이미지에 맞게 채널을 4분의 1로 줄이고 배치 정규화를 넣은 GoogLeNet."""
    quarter = {name: tuple(channels // 4 for channels in row) for name, row in INCEPTIONS.items()}
    small = {"num_classes": 10, "in_channels": 1, "stem": (16, 48), "stem_stride": 1}
    return GoogLeNet(variant="torchvision", inceptions=quarter, **small | options)
