"""DenseNet: 블록 안의 층마다 앞선 특징 맵을 모두 이어 붙여 받는 신경망.

논문: Huang, Liu, van der Maaten & Weinberger (2017), arXiv:1608.06993, 표 1과 3절.
논문과 다른 점: DenseNet-161은 표 1에 없고 torchvision에 있다. 드롭아웃은 층의 마지막 합성곱
뒤에만 둔다(논문은 첫 합성곱을 뺀 모든 합성곱 뒤).
`memory_efficient`는 Pleiss et al. (2017), arXiv:1707.06990을 torch의 체크포인트로 옮긴 것이다.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from numbers import Real

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cnn_lectures import _checks
from cnn_lectures.models._common import choice, he_initialization, integers, minimum_size, rate

# 표 1(161은 torchvision). 성장률 k, 블록마다의 층 수, 처음 채널 수
CONFIGURATIONS = {
    "densenet121": (32, (6, 12, 24, 16), 64),  # 7,978,856
    "densenet169": (32, (6, 12, 32, 32), 64),  # 14,149,480
    "densenet201": (32, (6, 12, 48, 32), 64),  # 20,013,928
    "densenet161": (48, (6, 12, 36, 24), 96),  # 28,681,000
}


class FrozenStatistics:
    """`norm`을 다시 계산해도 이동 평균과 배치 수가 바뀌지 않게 하는 문맥.

    체크포인트는 역전파 때 순전파를 되풀이하므로, 그냥 두면 통계가 학습 한 번에 두 번 갱신된다.
    """

    def __init__(self, norm: nn.BatchNorm2d):
        self.norm = norm
        self.frozen = {"momentum": 0.0, "num_batches_tracked": None, "training": norm.training}

    def __enter__(self):
        self.saved = {name: getattr(self.norm, name) for name in self.frozen}
        self.assign(self.frozen)

    def __exit__(self, *_):
        self.assign(self.saved)

    def assign(self, values: dict) -> None:
        """`norm`의 속성을 `values`로 바꾼다."""
        for name, value in values.items():
            setattr(self.norm, name, value)


def stored(norm: nn.BatchNorm2d, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """평소처럼 계산한다. 역전파에 쓸 중간 값을 모두 저장한다."""
    return function(*inputs)


def recomputed(norm: nn.BatchNorm2d, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`inputs`만 저장하고 중간 값은 역전파 때 다시 계산한다. `function`에는 난수가 없어야 한다."""
    return checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), FrozenStatistics(norm)),
    )


class DenseLayer(nn.Module):
    """H_l. 앞선 특징 맵을 모두 받아 `growth_rate`개를 새로 만든다.

    Parameters
    ----------
    in_channels : 앞선 특징 맵의 채널 수의 합
    growth_rate : 성장률 k
    bn_size : 3×3 앞의 1×1 합성곱이 내는 채널 수를 k로 나눈 값. 0이면 1×1을 두지 않는다.
    drop_rate : 드롭아웃 확률
    memory_efficient : 이어 붙이고 정규화한 값을 저장하지 않고 역전파 때 다시 계산할지
    """

    def __init__(self, in_channels, growth_rate, *, bn_size, drop_rate, memory_efficient):
        super().__init__()
        self.bottleneck = bn_size > 0
        width, kernel_size = (bn_size * growth_rate, 1) if bn_size else (growth_rate, 3)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size, padding=kernel_size // 2, bias=False
        )
        if self.bottleneck:
            self.norm2 = nn.BatchNorm2d(width)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, padding=1, bias=False)
        self.dropout = nn.Dropout(drop_rate)
        self.run = recomputed if memory_efficient else stored

    def forward(self, features: list[Tensor]) -> Tensor:
        """[(N, k0, H, W), (N, k, H, W), …] -> (N, k, H, W)"""
        x = self.run(self.norm1, self.first_half, *features)
        if self.bottleneck:
            x = self.run(self.norm2, self.second_half, x)
        return self.dropout(x)

    def first_half(self, *features: Tensor) -> Tensor:
        """이어 붙인 특징 맵에 BN, ReLU, 합성곱"""
        return self.conv1(self.relu1(self.norm1(torch.cat(features, dim=1))))

    def second_half(self, x: Tensor) -> Tensor:
        """BN, ReLU, 3×3 합성곱"""
        return self.conv2(self.relu2(self.norm2(x)))


class DenseBlock(nn.Sequential):
    """x_l = H_l([x_0, …, x_{l−1}])(식 2). 출력은 입력과 모든 x_l을 이어 붙인 것이다."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, k0, H, W) -> (N, k0 + Lk, H, W)"""
        features = [x]
        for layer in self:
            features.append(layer(features))
        return torch.cat(features, dim=1)


def transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """전이 층. 1×1 합성곱으로 채널을, 2×2 평균 풀링으로 크기를 줄인다."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(kernel_size=2),
        )
    )


class DenseNet(nn.Module):
    """밀집 블록 사이에 전이 층을 둔 신경망. 기본값은 병목과 압축이 모두 있는 DenseNet-BC이다.

    Parameters
    ----------
    growth_rate : 성장률 k, 1 이상
    block_config : 블록마다의 층 수
    num_init_features : 첫 합성곱의 출력 채널 수, 1 이상
    bn_size : 병목의 폭을 k로 나눈 값. 0이면 병목이 없다.
    compression : 전이 층의 압축 계수 θ, 0 초과 1 이하
    drop_rate : 층마다의 드롭아웃 확률, 0 이상 1 미만
    num_classes, in_channels : 종류 수와 이미지의 채널 수, 1 이상
    stem : `"imagenet"`은 7×7 합성곱과 풀링, `"cifar"`는 3×3 합성곱 하나
    memory_efficient : 학습할 때 메모리를 아끼는 대신 일부를 두 번 계산할지. 결과는 같다.

    Raises
    ------
    ValueError
        인자가 범위를 벗어나거나, 이미지가 `minimum_size`보다 작을 때.
    """

    def __init__(
        self,
        growth_rate: int,
        block_config: tuple[int, ...],
        num_init_features: int,
        *,
        bn_size: int = 4,
        compression: float = 0.5,
        drop_rate: float = 0.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: str = "imagenet",
        memory_efficient: bool = False,
    ):
        super().__init__()
        growth_rate = _checks.integer("growth_rate", growth_rate, minimum=1)
        block_config = integers("block_config", block_config)
        channels = _checks.integer("num_init_features", num_init_features, minimum=1)
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        if not isinstance(compression, Real) or not 0 < compression <= 1:
            raise _checks.error("compression", "0 초과 1 이하의 수여야 합니다", compression)
        layer_options = {
            "bn_size": _checks.integer("bn_size", bn_size, minimum=0),
            "drop_rate": rate("drop_rate", drop_rate),
            "memory_efficient": memory_efficient,
        }

        if choice("stem", stem, ("imagenet", "cifar")) == "imagenet":
            features = OrderedDict(
                conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(channels),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
        else:
            conv = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, bias=False)
            features = OrderedDict(conv0=conv)
        for index, depth in enumerate(block_config, start=1):
            block = DenseBlock()
            for position in range(1, depth + 1):
                layer = DenseLayer(channels, growth_rate, **layer_options)
                block.add_module(f"denselayer{position}", layer)
                channels += growth_rate
            features[f"denseblock{index}"] = block
            if index < len(block_config):
                compressed = int(channels * compression)
                features[f"transition{index}"] = transition(channels, compressed)
                channels = compressed
        features[f"norm{len(block_config) + 1}"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(features)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        self.minimum_size = minimum_size(self.features)
        he_initialization(self, mode="fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> 로짓 (N, num_classes)"""
        _checks.image_batch(images, channels=self.in_channels, minimum=self.minimum_size)
        x = self.avgpool(self.relu(self.features(images)))
        return self.classifier(x.flatten(1))


def connections(layers: int) -> int:
    """층이 L개인 밀집 블록 안의 직접 연결 수 L(L+1)/2."""
    return layers * (layers + 1) // 2


def saved_bytes(block: nn.Module, x: Tensor) -> int:
    """`block(x)`가 역전파에 쓰려고 저장하는 특징 맵의 바이트. 같은 저장소는 한 번만 센다.

    매개변수와, 배치 정규화가 저장하는 채널마다의 평균과 분산은 세지 않는다.
    """
    storages = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.dim() == 4:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        block(x)
    weights = {parameter.untyped_storage().data_ptr() for parameter in block.parameters()}
    return sum(storage.nbytes() for key, storage in storages.items() if key not in weights)


def densenet121(**options) -> DenseNet:
    """성장률 32, 121층. 매개변수 7,978,856개."""
    return DenseNet(*CONFIGURATIONS["densenet121"], **options)


def densenet169(**options) -> DenseNet:
    """성장률 32, 169층. 매개변수 14,149,480개."""
    return DenseNet(*CONFIGURATIONS["densenet169"], **options)


def densenet201(**options) -> DenseNet:
    """성장률 32, 201층. 매개변수 20,013,928개."""
    return DenseNet(*CONFIGURATIONS["densenet201"], **options)


def densenet161(**options) -> DenseNet:
    """성장률 48, 161층. 매개변수 28,681,000개."""
    return DenseNet(*CONFIGURATIONS["densenet161"], **options)


def cifar_densenet(depth=100, growth_rate=12, *, bottleneck: bool = True, **options) -> DenseNet:
    """CIFAR 신경망(표 2). `bottleneck`이면 BC, 아니면 병목과 압축이 없는 처음 꼴이다.

    Parameters
    ----------
    depth : 세 블록에 같은 수의 층이 들어가는 깊이. BC는 6n+4, 처음 꼴은 3n+4
    growth_rate : 성장률 k, 1 이상
    bottleneck : 1×1 합성곱과 θ = 0.5의 압축을 둘지
    **options : `DenseNet`의 키워드 인자
    """
    step = 6 if bottleneck else 3
    depth = _checks.integer("depth", depth, minimum=step + 4)
    if depth % step != 4 % step:
        raise _checks.error("depth", f"{step}n+4여야 합니다", depth)
    layers = ((depth - 4) // step,) * 3
    cifar = {"stem": "cifar", "num_classes": 10}
    if bottleneck:
        return DenseNet(growth_rate, layers, 2 * growth_rate, **cifar | options)
    return DenseNet(growth_rate, layers, 16, bn_size=0, compression=1.0, **cifar | options)


def densenet_small(**options) -> DenseNet:
    """32×32 흑백 이미지에 맞게 줄인 22층 DenseNet-BC(k = 8)."""
    return cifar_densenet(22, 8, **{"in_channels": 1} | options)
