"""모형마다의 학습법과, 그대로 Fashion-MNIST를 학습하여 가중치, 곡선, 기록을 남기는 일.

작은 모형의 값은 책의 장에서, 큰 모형의 값은 논문의 구조에 흔히 쓰는 것에서 왔다. 큰 모형은 28×28
이미지를 96×96으로 키워 받는다.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.data import Split, complete_file, load_fashion_mnist
from cnn_lectures.models import build_model
from cnn_lectures.models._common import choice
from cnn_lectures.train import EpochResult, fit, seed_everything

PART = 100  # 시험할 때 한꺼번에 키울 이미지 수. 큰 모형의 특징 맵이 메모리를 다 쓰지 않게 한다


class Recipe(NamedTuple):
    """모형 하나를 흑백 옷 사진 10종류에 맞추어 학습하는 법.

    Attributes
    ----------
    side : 모형이 받는 이미지의 한 변. 28은 그대로, 32는 둘레에 0을 덧붙이고, 더 크면 키운다.
    max_lr : one-cycle의 가장 높은 학습률
    batch_size : 미니배치의 크기
    optimizer : `"adam"` 또는 `"sgd"`(모멘텀 0.9, 가중치 감쇠 1e-4)
    options : `build_model`에 줄 인자
    """

    side: int = 32
    max_lr: float = 4e-3
    batch_size: int = 128
    optimizer: str = "adam"
    options: Mapping[str, object] = MappingProxyType({})


OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "sgd": partial(torch.optim.SGD, momentum=0.9, weight_decay=1e-4),
}

GRAY = {"in_channels": 1, "num_classes": 10}
LARGE = Recipe(side=96, max_lr=1e-3, options=GRAY)
RECIPES: dict[str, Recipe] = {
    "lenet5": Recipe(),
    "lenet5_original": Recipe(),
    "bn_lenet": Recipe(side=28),
    "alexnet_small": Recipe(max_lr=2e-3, batch_size=64),
    "vgg_small": Recipe(max_lr=3e-3, batch_size=64),
    "nin_small": Recipe(batch_size=32),
    "googlenet_small": Recipe(batch_size=32),
    "resnet_small": Recipe(max_lr=0.1, optimizer="sgd"),
    "densenet_small": Recipe(max_lr=0.1, optimizer="sgd"),
    "nin_cifar": Recipe(max_lr=1e-3, options=GRAY),
    "cifar_resnet": Recipe(max_lr=0.1, optimizer="sgd", options=GRAY),
    "cifar_densenet": Recipe(max_lr=0.1, batch_size=64, optimizer="sgd", options=GRAY),
    # 배치 정규화가 없는 깊은 모형은 학습률이 높으면 처음부터 배우지 못한다.
    **dict.fromkeys(("alexnet", "alexnet_one_tower"), LARGE._replace(max_lr=5e-4)),
    **dict.fromkeys(
        ("vgg11", "vgg11_lrn", "vgg13", "vgg16", "vgg16_1x1", "vgg19"),
        LARGE._replace(max_lr=2e-4, batch_size=64),
    ),
    **dict.fromkeys(
        ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
        LARGE._replace(max_lr=5e-4, batch_size=64),
    ),
    **dict.fromkeys(("nin", "googlenet", "googlenet_bn"), LARGE),
    **dict.fromkeys(
        ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        LARGE._replace(max_lr=0.1, optimizer="sgd"),
    ),
    **dict.fromkeys(
        ("densenet121", "densenet161", "densenet169", "densenet201"),
        LARGE._replace(max_lr=0.1, batch_size=64, optimizer="sgd"),
    ),
}


class Enlarged(nn.Module):
    """28×28 이미지를 키워 `model`에 준다. 60,000장을 미리 키우면 메모리가 모자라기 때문이다.

    Parameters
    ----------
    model : 큰 이미지를 받는 모형
    side : 키운 이미지의 한 변
    """

    def __init__(self, model: nn.Module, side: int):
        super().__init__()
        self.enlarge = nn.Upsample(size=(side, side), mode="bilinear")
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> 로짓 (N, 10)"""
        if self.training:
            return self.model(self.enlarge(images))
        return torch.cat([self.model(self.enlarge(part)) for part in images.split(PART)])


def prepare(name: str) -> tuple[nn.Module, nn.Module]:
    """(가중치를 저장할 모형, `images_for`의 이미지를 받아 학습할 모형). 작은 모형이면 둘이 같다."""
    recipe = RECIPES[choice("model", name, RECIPES)]
    model = build_model(name, **recipe.options)
    return model, Enlarged(model, recipe.side) if recipe.side > 32 else model


def images_for(name: str, images: int | None = None) -> tuple[Split, Split]:
    """모형에 맞는 크기의 (학습, 시험). `images`를 주면 저마다 앞에서부터 그만큼만 남긴다."""
    padding = 2 if RECIPES[choice("model", name, RECIPES)].side == 32 else 0
    train, test = load_fashion_mnist(padding=padding)
    if images is None:
        return train, test
    count = _checks.integer("images", images, minimum=1)
    if count > len(train.labels):
        raise _checks.error("images", f"{len(train.labels):,} 이하여야 합니다", count)
    return train.take(count), test.take(count)


def check_last_batch(model: nn.Module, count: int, batch_size: int) -> None:
    """배치 정규화는 한 장짜리 미니배치로 학습하지 못한다. 그런 것이 남는지 미리 확인한다."""
    normalized = any("BatchNorm" in type(layer).__name__ for layer in model.modules())
    if normalized and (batch_size == 1 or count % batch_size == 1):
        rule = f"{count:,}장을 나눌 때 한 장짜리 미니배치가 남지 않아야 합니다"
        raise _checks.error("batch_size", rule, batch_size)


def check_device(device: str) -> None:
    """이 컴퓨터에 있는 장치의 이름인지 확인한다."""
    kind, colon, index = device.partition(":")
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    present = [name for name, count in counts.items() if count]
    if (colon and not index.isdecimal()) or int(index or 0) >= counts.get(kind, 0):
        rule = f"이 컴퓨터에 있는 장치({', '.join(present)})여야 합니다"
        raise _checks.error("device", rule, device)


class Outputs(NamedTuple):
    """학습이 남기는 세 파일."""

    weights: Path
    curve: Path
    history: Path


def outputs(name: str, folder: str | Path, *, overwrite: bool = False) -> Outputs:
    """쓸 파일의 자리. `overwrite`가 아니면 이미 있는 것을 `FileExistsError`로 알린다."""
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)  # 학습을 마친 뒤에야 쓸 수 없음을 알면 늦다
    paths = Outputs(*(folder / f"{name}{suffix}" for suffix in (".pt", ".png", ".json")))
    existing = [str(path) for path in paths if path.exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{', '.join(existing)}: 이미 있어 학습하지 않았습니다")
    return paths


def run(
    name: str,
    *,
    epochs: int = 5,
    batch_size: int | None = None,
    max_lr: float | None = None,
    images: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> tuple[nn.Module, list[EpochResult], dict]:
    """`RECIPES`대로 학습하여 (모형, 성적, 쓴 설정)을 돌려준다.

    Parameters
    ----------
    name : `RECIPES`의 열쇠
    epochs : 학습 자료를 훑는 횟수, 1 이상
    batch_size, max_lr : 생략하면 `RECIPES`의 값
    images : 학습과 시험에 쓸 이미지 수. 생략하면 모두
    seed : 초깃값과 미니배치의 순서를 정하는 난수 씨앗
    device : 생략하면 `choose_device()`

    Raises
    ------
    ValueError
        인자가 범위를 벗어날 때.
    FloatingPointError
        손실이 발산했을 때.
    """
    recipe = RECIPES[choice("model", name, RECIPES)]
    batch_size = recipe.batch_size if batch_size is None else batch_size
    batch_size = _checks.integer("batch_size", batch_size, minimum=1)
    max_lr = recipe.max_lr if max_lr is None else max_lr
    if not (math.isfinite(max_lr) and max_lr > 0):
        raise _checks.error("max_lr", "0보다 큰 수여야 합니다", max_lr)
    if device is not None:
        check_device(device)
    train, test = images_for(name, images)
    seed_everything(seed)
    model, trained = prepare(name)
    check_last_batch(model, len(train.labels), batch_size)
    history = fit(
        trained, train, test,
        epochs=epochs, optimizer=OPTIMIZERS[recipe.optimizer], max_lr=max_lr,
        batch_size=batch_size, seed=seed, device=device,
    )  # fmt: skip
    if not all(math.isfinite(value) for row in history for value in row):
        raise FloatingPointError("손실이 발산했습니다")
    settings = {
        "model": name,
        "options": dict(recipe.options),
        "side": recipe.side,
        "optimizer": recipe.optimizer,
        "max_lr": max_lr,
        "batch_size": batch_size,
        "epochs": epochs,
        "images": len(train.labels),
        "seed": seed,
        "device": str(next(model.parameters()).device),
    }
    return model, history, settings


def save(paths: Outputs, model: nn.Module, history: Sequence[EpochResult], settings: dict) -> None:
    """가중치(`checkpoint.read_state_dict`로 읽는다), 곡선, 기록을 `paths`에 적는다."""
    weights = {key: tensor.detach().cpu() for key, tensor in model.state_dict().items()}
    record = settings | {"history": [row._asdict() for row in history]}
    with complete_file(paths.weights) as partial:
        torch.save(weights, partial)
    with complete_file(paths.history) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    with complete_file(paths.curve) as partial:
        draw(partial, settings["model"], history)


def draw(path: Path, title: str, history: Sequence[EpochResult]) -> None:
    """학습 곡선을 책의 글꼴과 색으로 그려 PNG로 적는다."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from cnn_lectures import plots

    with plt.rc_context():
        plots.use_style()
        figure = plots.learning_curve(history)
        figure.suptitle(title)
        for ax in figure.axes:
            ax.set_ylabel(ax.get_title())
            ax.set_title("")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        lowest = min(min(row.train_accuracy, row.test_accuracy) for row in history)
        if lowest < 0.5:  # 책의 곡선은 0.5부터 그린다
            figure.axes[1].set_ylim(0, 1)
        figure.savefig(path)
        plt.close(figure)
