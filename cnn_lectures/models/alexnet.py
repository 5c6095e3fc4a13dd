"""AlexNet: 2012년 ILSVRC에서 우승한 신경망.

논문: Krizhevsky, Sutskever & Hinton (2012), NIPS 25, 그림 2와 3절.
논문과 다른 점: 합성곱을 두 GPU에 나누지 않는다(`groups=2`가 논문의 꼴). 224×224 이미지에 패딩 2를
두어 논문의 55×55를 얻는다. 완전 연결 층 앞에 적응형 평균 풀링을 두어 다른 크기의 이미지도 받는다.
초기화는 torch의 기본값이며, 논문의 것은 `paper_initialization`이다.
`groups=2`여도 국소 응답 정규화는 두 그룹의 채널을 이어 놓고 계산하므로 경계에서 그룹이 섞인다.
`alexnet_one_tower`는 논문이 아니라 torchvision의 AlexNet이다. Krizhevsky (2014, arXiv:1404.5997)를
따르되 넷째 합성곱이 384가 아니라 256채널이다.
"""

import torch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.models._common import integers, minimum_size, rate


class AlexNet(nn.Module):
    """합성곱 다섯 층과 완전 연결 세 층. 매개변수는 62,378,344개이다(`groups=2`면 60,965,224개).

    Parameters
    ----------
    num_classes : 종류 수, 1 이상
    in_channels : 이미지의 채널 수, 1 이상
    groups : 둘째, 넷째, 다섯째 합성곱의 그룹 수. 논문은 GPU 둘에 나누어 2
    channels : 합성곱 다섯 층의 채널 수
    stem : 첫 합성곱의 (커널, 스트라이드, 패딩)
    local_response_norm : 첫째와 둘째 합성곱 뒤에 국소 응답 정규화를 둘지
    grid_size : 완전 연결 층이 받는 특징 맵의 한 변
    hidden_features : 완전 연결 은닉층의 유닛 수
    dropout : 완전 연결 층 앞의 드롭아웃 확률, 0 이상 1 미만

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
        groups: int = 1,
        channels: tuple[int, ...] = (96, 256, 384, 384, 256),
        stem: tuple[int, int, int] = (11, 4, 2),
        local_response_norm: bool = True,
        grid_size: int = 6,
        hidden_features: int = 4096,
        dropout: float = 0.5,
    ):
        super().__init__()
        num_classes = _checks.integer("num_classes", num_classes, minimum=1)
        self.in_channels = _checks.integer("in_channels", in_channels, minimum=1)
        groups = _checks.integer("groups", groups, minimum=1)
        channels = integers("channels", channels, count=5)
        if any(channel % groups for channel in channels):
            raise _checks.error("groups", f"채널 수 {channels}를 모두 나누어야 합니다", groups)
        kernel_size, stride, padding = integers("stem", stem, count=3)
        grid_size = _checks.integer("grid_size", grid_size, minimum=1)
        hidden_features = _checks.integer("hidden_features", hidden_features, minimum=1)
        dropout = rate("dropout", dropout)

        def normalization() -> list[nn.Module]:
            return [LocalResponseNorm()] if local_response_norm else []

        c1, c2, c3, c4, c5 = channels
        self.features = nn.Sequential(  # 224×224 이미지에서
            nn.Conv2d(in_channels, c1, kernel_size, stride=stride, padding=padding),
            nn.ReLU(inplace=True),  # (N, 96, 55, 55)
            *normalization(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 27, 27). 창이 겹친다
            nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=groups),
            nn.ReLU(inplace=True),  # (N, 256, 27, 27)
            *normalization(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 13, 13)
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),  # (N, 384, 13, 13)
            nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=groups),
            nn.ReLU(inplace=True),  # (N, 384, 13, 13)
            nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=groups),
            nn.ReLU(inplace=True),  # (N, 256, 13, 13)
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(grid_size)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(c5 * grid_size**2, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_features, num_classes),
        )
        self.minimum_size = minimum_size(self.features)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> 로짓 (N, num_classes)"""
        _checks.image_batch(images, channels=self.in_channels, minimum=self.minimum_size)
        x = self.avgpool(self.features(images))
        return self.classifier(x.flatten(1))  # 배치 차원은 건드리지 않는다


def alexnet_one_tower(**options) -> AlexNet:
    """torchvision의 AlexNet. LRN이 없고 채널이 적다. 매개변수 61,100,840개."""
    one_tower = {"channels": (64, 192, 384, 256, 256), "local_response_norm": False}
    return AlexNet(**one_tower | options)


def alexnet_small(**options) -> AlexNet:
    """32×32 흑백 이미지에 맞게 줄인 AlexNet. 매개변수 425,514개."""
    small = {
        "num_classes": 10,
        "in_channels": 1,
        "channels": (24, 48, 96, 96, 64),
        "stem": (5, 1, 2),
        "grid_size": 3,
        "hidden_features": 256,
    }
    return AlexNet(**small | options)


class RandomCropFlip(nn.Module):
    """학습할 때는 이미지마다 아무 데나 잘라 절반을 좌우로 뒤집고, 추론할 때는 가운데를 자른다.

    논문 4.1절의 데이터 증강이다. 모형의 앞에 `nn.Sequential(RandomCropFlip(28), model)`처럼 둔다.
    자리와 뒤집기는 CPU의 난수로 정하므로 장치가 달라도 같은 조각이 나온다.

    Parameters
    ----------
    size : 조각의 한 변, 1 이상. 논문은 256×256 이미지에서 224

    Raises
    ------
    ValueError
        `size`가 1보다 작거나, 이미지가 `size`보다 작을 때.
    """

    def __init__(self, size: int):
        super().__init__()
        self.size = _checks.integer("size", size, minimum=1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, size, size)"""
        count, _, height, width = images.shape
        if min(height, width) < self.size:
            raise _checks.error("size", f"이미지의 {height}×{width} 이하여야 합니다", self.size)
        top, left = (height - self.size) // 2, (width - self.size) // 2
        if not self.training:
            return images[:, :, top : top + self.size, left : left + self.size]
        steps = torch.arange(self.size)
        rows = torch.randint(height - self.size + 1, (count, 1)) + steps
        columns = torch.randint(width - self.size + 1, (count, 1)) + steps
        flipped = torch.rand(count, 1) < 0.5
        columns = torch.where(flipped, columns.flip(1), columns)
        picks = torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
        crops = images.movedim(1, 3)[tuple(index.to(images.device) for index in picks)]
        return crops.movedim(3, 1)


def paper_initialization(model: AlexNet) -> None:
    """논문 5절의 초기화. 가중치는 N(0, 0.01²), 편향은 0이며 아래 층에서만 1이다.

    둘째, 넷째, 다섯째 합성곱과 완전 연결 은닉층의 편향을 1로 두면 ReLU가 처음부터 양수를 받는다.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for index, layer in enumerate(layers, start=1):
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(layer.bias, 1.0 if index in (2, 4, 5, 6, 7) else 0.0)
