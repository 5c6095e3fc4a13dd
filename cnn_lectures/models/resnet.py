"""ResNet: 층이 배울 것을 입력과의 차이(잔차)로 바꾸어 152층까지 깊어진 신경망.

논문: He, Zhang, Ren & Sun (2016), arXiv:1512.03385, 표 1과 4.2절.
논문과 다른 점: 병목 블록의 스트라이드가 torchvision처럼 3×3에 있다(v1.5). 첫 1×1에 있는 논문의
꼴(v1)은 `BottleneckV1`이다.
"""

from torch import Tensor, nn
from torch.nn.functional import pad

from cnn_lectures import _checks
from cnn_lectures.models._common import choice, he_initialization, integers

SHORTCUTS = ("A", "B", "C", "none")
STEMS = {"imagenet": (7, 2), "cifar": (3, 1)}  # 첫 합성곱의 커널과 스트라이드


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
    """크기를 지키는 패딩을 둔 합성곱. 뒤따르는 배치 정규화의 β가 편향을 대신한다."""
    padding = kernel_size // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)


class ZeroPadding(nn.Module):
    """지름길 A: 위치를 `stride`마다 하나씩 남기고 모자라는 채널을 0으로 채운다."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.extra, self.stride = out_channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)"""
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class NoShortcut(nn.Module):
    """지름길 없음: 0을 더한다. 블록은 일반 신경망(plain)의 합성곱 층이 된다."""

    def forward(self, x: Tensor) -> Tensor:
        """무엇을 받든 스칼라 0이다."""
        return x.new_zeros(())


def shortcut_for(option: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """블록을 만들 때 한 번 지름길을 고른다(4.1절의 A, B, C)."""
    if option == "none":
        return NoShortcut()
    if option != "C" and stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if option == "A":
        if out_channels < in_channels:
            rule = f"A는 채널을 {in_channels}개에서 {out_channels}개로 줄이지 못합니다"
            raise _checks.error("shortcut", rule, option)
        return ZeroPadding(in_channels, out_channels, stride)
    conv = convolution(in_channels, out_channels, 1, stride)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


class ResidualBlock(nn.Module):
    """y = ReLU(F(x) + x). x의 모양이 F(x)와 다르면 지름길이 맞춘다(식 1과 2).

    Attributes
    ----------
    expansion : 출력 채널 수를 `channels`로 나눈 값
    last_norm : F(x)의 마지막 배치 정규화의 이름
    """

    expansion: int
    last_norm: str

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, expansion·channels, ⌈H/stride⌉, ⌈W/stride⌉)"""
        out = self.residual(x)
        out += self.downsample(x)
        return self.relu(out)


class BasicBlock(ResidualBlock):
    """3×3 합성곱 둘(그림 5 왼쪽). 18층과 34층, CIFAR-10 신경망에 쓴다."""

    expansion, last_norm = 1, "bn2"

    def __init__(self, in_channels: int, channels: int, *, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        self.conv1 = convolution(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = convolution(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut_for(shortcut, in_channels, channels, stride)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)"""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.conv2(x)  # 이름을 다시 써서 앞의 특징 맵을 바로 놓아준다
        return self.bn2(x)


class Bottleneck(ResidualBlock):
    """1×1로 채널을 줄이고 3×3을 적용한 뒤 1×1로 네 배로 늘린다(그림 5 오른쪽). 50층부터 쓴다."""

    expansion, last_norm = 4, "bn3"
    stride_in_1x1 = False

    def __init__(self, in_channels: int, channels: int, *, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        out_channels = self.expansion * channels
        first, second = (stride, 1) if self.stride_in_1x1 else (1, stride)
        self.conv1 = convolution(in_channels, channels, 1, first)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = convolution(channels, channels, 3, second)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = convolution(channels, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut_for(shortcut, in_channels, out_channels, stride)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)"""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.conv3(x)
        return self.bn3(x)


class BottleneckV1(Bottleneck):
    """논문의 병목 블록. 첫 1×1 합성곱에서 위치를 건너뛴다."""

    stride_in_1x1 = True


class ResNet(nn.Module):
    """잔차 블록을 쌓은 단계들. 둘째 단계부터는 크기를 절반으로 줄이며 시작한다.

    Parameters
    ----------
    block : `BasicBlock`, `Bottleneck`, `BottleneckV1` 가운데 하나
    layers, channels : 단계마다의 블록 수와 채널 수. 출력 채널은 `block.expansion`배이다.
    num_classes, in_channels : 종류 수와 이미지의 채널 수, 1 이상
    shortcut : 지름길. 모양이 달라지면 `"A"`는 0을 채우고 `"B"`는 사영한다. `"C"`는 늘 사영하고,
        `"none"`은 지름길을 두지 않는다.
    stem : `"imagenet"`은 7×7 합성곱과 풀링, `"cifar"`는 3×3 합성곱 하나
    zero_init_residual : 블록의 마지막 γ를 0으로 두어 항등 사상에서 학습을 시작할지

    Attributes
    ----------
    feature_specs : `forward_features`가 돌려주는 특징 맵의 이름과 (채널 수, 누적 스트라이드)

    Raises
    ------
    ValueError
        인자가 범위를 벗어나거나, 이미지의 모양이 (N, in_channels, H, W)가 아닐 때.
    """

    def __init__(
        self,
        block: type[ResidualBlock],
        layers: tuple[int, ...],
        *,
        channels: tuple[int, ...] = (64, 128, 256, 512),
        num_classes: int = 1000,
        in_channels: int = 3,
        shortcut: str = "B",
        stem: str = "imagenet",
        zero_init_residual: bool = False,
    ):
        super().__init__()
        if not (isinstance(block, type) and issubclass(block, BasicBlock | Bottleneck)):
            raise _checks.error("block", "BasicBlock이나 Bottleneck이어야 합니다", block)
        layers = integers("layers", layers)
        channels = integers("channels", channels, count=len(layers))
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        self.block = block
        choice("shortcut", shortcut, SHORTCUTS)
        kernel_size, stride = STEMS[choice("stem", stem, STEMS)]
        pooled = stem == "imagenet"

        self.conv1 = convolution(in_channels, channels[0], kernel_size, stride)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if pooled else nn.Identity()
        self.stages: dict[str, str] = {}  # 특징 맵의 이름: 단계의 이름
        self.feature_specs: dict[str, tuple[int, int]] = {}
        width, total_stride = channels[0], 2 * stride if pooled else stride
        for index, (blocks, planes) in enumerate(zip(layers, channels, strict=True)):
            stage = nn.Sequential()
            for position in range(blocks):
                step = 2 if index > 0 and position == 0 else 1
                stage.append(block(width, planes, stride=step, shortcut=shortcut))
                width, total_stride = block.expansion * planes, step * total_stride
            feature, name = f"c{index + 2}", f"layer{index + 1}"
            self.add_module(name, stage)
            self.stages[feature], self.feature_specs[feature] = name, (width, total_stride)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes)

        he_initialization(self)
        for module in self.modules():
            if zero_init_residual and isinstance(module, ResidualBlock):
                nn.init.zeros_(module.get_submodule(module.last_norm).weight)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> 로짓 (N, num_classes)"""
        x = self._stem(images)
        for name in self.stages.values():
            x = self.get_submodule(name)(x)
        return self.fc(self.avgpool(x).flatten(1))

    def forward_features(self, images: Tensor) -> dict[str, Tensor]:
        """단계마다의 특징 맵. 224×224면 c2 56×56, c3 28×28, c4 14×14, c5 7×7이다."""
        x = self._stem(images)
        features = {}
        for feature, name in self.stages.items():
            features[feature] = x = self.get_submodule(name)(x)
        return features

    def _stem(self, images: Tensor) -> Tensor:
        _checks.image_batch(images, channels=self.in_channels)
        return self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (N, 64, 56, 56)


class Backbone(nn.Module):
    """검출기에 쓰도록 `body`의 특징 맵 뒤에 단계를 더한다. `body`는 바뀌지 않는다.

    Parameters
    ----------
    body : ResNet. 사전 학습된 가중치를 읽은 것이어도 된다.
    extra_channels : 더할 단계마다의 출력 채널 수. 단계는 스트라이드가 2인 블록 하나이며
        지름길은 사영이다.

    Attributes
    ----------
    feature_specs : `body`의 것에 c6, c7, …을 더한 것

    Raises
    ------
    ValueError
        `extra_channels`가 `body.block.expansion`의 배수가 아닐 때.
    """

    def __init__(self, body: ResNet, *, extra_channels: tuple[int, ...]):
        super().__init__()
        expansion = body.block.expansion
        self.body, self.extra = body, nn.ModuleDict()
        self.feature_specs = dict(body.feature_specs)
        width, stride = list(self.feature_specs.values())[-1]
        for channels in integers("extra_channels", extra_channels):
            if channels % expansion:
                raise _checks.error("extra_channels", f"{expansion}의 배수여야 합니다", channels)
            name = f"c{len(self.feature_specs) + 2}"
            planes = channels // expansion
            self.extra[name] = body.block(width, planes, stride=2, shortcut="B")
            width, stride = channels, 2 * stride
            self.feature_specs[name] = (width, stride)
        he_initialization(self.extra)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> 이름마다 (N, 채널 수, ⌈H/스트라이드⌉, ⌈W/스트라이드⌉)"""
        features = self.body.forward_features(images)
        for name, block in self.extra.items():
            features[name] = block(list(features.values())[-1])
        return features


# 표 1. 블록의 종류와 단계마다의 블록 수
CONFIGURATIONS = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),  # 11,689,512
    "resnet34": (BasicBlock, (3, 4, 6, 3)),  # 21,797,672
    "resnet50": (Bottleneck, (3, 4, 6, 3)),  # 25,557,032
    "resnet101": (Bottleneck, (3, 4, 23, 3)),  # 44,549,160
    "resnet152": (Bottleneck, (3, 8, 36, 3)),  # 60,192,808
}


def _build(name: str, options: dict) -> ResNet:
    block, layers = CONFIGURATIONS[name]
    return ResNet(options.pop("block", block), layers, **options)


def resnet18(**options) -> ResNet:
    """18층. 매개변수 11,689,512개."""
    return _build("resnet18", options)


def resnet34(**options) -> ResNet:
    """34층. 매개변수 21,797,672개."""
    return _build("resnet34", options)


def resnet50(**options) -> ResNet:
    """50층. 매개변수 25,557,032개. `block=BottleneckV1`을 주면 논문의 꼴이다."""
    return _build("resnet50", options)


def resnet101(**options) -> ResNet:
    """101층. 매개변수 44,549,160개."""
    return _build("resnet101", options)


def resnet152(**options) -> ResNet:
    """152층. 매개변수 60,192,808개."""
    return _build("resnet152", options)


def cifar_resnet(depth: int = 20, **options) -> ResNet:
    """4.2절의 CIFAR-10 신경망. 20층은 매개변수 269,722개, 110층은 1,727,962개.

    Parameters
    ----------
    depth : 6n+2. 세 단계에 블록이 n개씩 있다.
    **options : `ResNet`의 키워드 인자. `shortcut="none"`을 주면 같은 깊이의 일반 신경망이다.
    """
    depth = _checks.integer("depth", depth, minimum=8)
    if depth % 6 != 2:
        raise _checks.error("depth", "20, 32, 44처럼 6n+2여야 합니다", depth)
    cifar = {"channels": (16, 32, 64), "num_classes": 10, "shortcut": "A", "stem": "cifar"}
    return ResNet(BasicBlock, (depth // 6,) * 3, **cifar | options)


def resnet_small(**options) -> ResNet:
    """32×32 흑백 이미지에 맞게 채널을 절반으로 줄인 14층 CIFAR-10 신경망."""
    return cifar_resnet(14, **{"channels": (8, 16, 32), "in_channels": 1} | options)
