"""학습과 평가. 장치(CPU, GPU)에 따라 고칠 것이 없다.

모형은 로짓을 돌려주어야 한다. 손실은 교차 엔트로피이며 소프트맥스는 그 안에 들어 있다.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cnn_lectures import _checks
from cnn_lectures.data import Split, show_progress, torchvision_root


class EpochResult(NamedTuple):
    """한 에포크를 마친 뒤의 성적.

    학습 손실과 학습 정확도는 에포크 동안의 평균이라, 가중치가 바뀌는 중에 잰 값이다.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


def seed_everything(seed: int) -> None:
    """Python, NumPy, torch(모든 장치)의 난수를 `seed`에서 시작하게 한다."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 — 전역 난수를 쓰는 라이브러리가 있다
    torch.manual_seed(seed)


@contextmanager
def one_thread() -> Iterator[None]:
    """문맥 안에서는 torch가 CPU 스레드 하나로 계산한다.

    작은 계산은 나누면 도리어 느리고, 다른 일로 바쁜 컴퓨터에서는 수십 배까지 느려진다.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def choose_device() -> torch.device:
    """쓸 수 있는 가장 빠른 장치. CUDA GPU가 있으면 그것을, 없으면 CPU를 고른다."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batches(split: Split, batch_size: int, *, generator=None) -> Iterator[tuple[Tensor, Tensor]]:
    """`split`을 (이미지, 정답) 묶음으로 나눈다. `generator`를 주면 그 난수로 순서를 섞는다.

    이미 메모리에 있는 텐서를 자르기만 하므로 DataLoader보다 훨씬 빠르다. 순서는 늘 CPU에서 정하여
    장치가 달라도 같은 묶음이 나온다.
    """
    count = len(split.labels)
    if generator is None:
        for start in range(0, count, batch_size):
            stop = start + batch_size
            yield split.images[start:stop], split.labels[start:stop]
    else:
        order = torch.randperm(count, generator=generator).to(split.images.device)
        for chosen in order.split(batch_size):
            yield split.images[chosen], split.labels[chosen]


def to_device(split: Split, device: torch.device) -> Split:
    """한 벌을 통째로 장치에 올린다. Fashion-MNIST 전체가 250 MB를 넘지 않는다."""
    return Split(split.images.to(device), split.labels.to(device))


def predict_logits(model: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """추론 모드에서 로짓 (N, 종류 수)를 계산하여 CPU로 돌려준다."""
    batch_size = _checks.integer("batch_size", batch_size, minimum=1)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        logits = [model(part.to(device)).cpu() for part in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(logits)


def evaluate(model: nn.Module, split: Split, *, batch_size: int = 1000) -> tuple[float, float]:
    """(손실, 정확도)를 잰다. 학습 상태는 부르기 전으로 되돌린다."""
    logits, labels = predict_logits(model, split.images, batch_size=batch_size), split.labels.cpu()
    loss = F.cross_entropy(logits, labels).item()
    return loss, (logits.argmax(dim=1) == labels).float().mean().item()


def fit(
    model: nn.Module,
    train: Split,
    test: Split,
    *,
    epochs: int,
    optimizer: Callable[..., torch.optim.Optimizer],
    max_lr: float | None = None,
    batch_size: int = 128,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> list[EpochResult]:
    """모형을 학습하고 에포크마다의 성적을 돌려준다. 모형은 `device`에 남는다.

    Parameters
    ----------
    model : 로짓을 돌려주는 모형
    train, test : 학습과 시험에 쓸 한 벌
    epochs : 학습 자료를 훑는 횟수, 1 이상
    optimizer : 매개변수를 받아 최적화기를 만드는 함수. 예: `partial(torch.optim.SGD, lr=0.1)`
    max_lr : 주면 학습률을 0 가까이에서 `max_lr`까지 올렸다가 내린다(one-cycle).
    batch_size : 미니배치의 크기, 1 이상
    seed : 미니배치의 순서를 정하는 난수 씨앗
    device : 생략하면 `choose_device()`

    Raises
    ------
    ValueError
        `epochs`나 `batch_size`가 1보다 작거나, 이미지와 정답의 개수가 다를 때.
    """
    epochs = _checks.integer("epochs", epochs, minimum=1)
    batch_size = _checks.integer("batch_size", batch_size, minimum=1)
    for name, split in (("train", train), ("test", test)):
        if len(split.images) != len(split.labels):
            sizes = (len(split.images), len(split.labels))
            raise _checks.error(name, "이미지와 정답의 개수가 같아야 합니다", sizes)

    device = torch.device(device) if device else choose_device()
    model.to(device)
    train, test = to_device(train, device), to_device(test, device)
    steps = epochs * -(-len(train.labels) // batch_size)
    update = optimizer(model.parameters())
    schedule = None
    if max_lr:
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            update, max_lr, total_steps=steps, cycle_momentum=False
        )

    generator = torch.Generator().manual_seed(seed)
    history = []
    with tqdm(total=steps, unit="배치", leave=False, disable=not show_progress()) as bar:
        for epoch in range(1, epochs + 1):
            model.train()
            total = torch.zeros(
                2, device=device
            )  # (손실의 합, 맞힌 개수). 매번 CPU로 옮기지 않는다.
            for images, labels in batches(train, batch_size, generator=generator):
                logits = model(images)
                loss = F.cross_entropy(logits, labels)
                update.zero_grad()
                loss.backward()
                update.step()
                if schedule:
                    schedule.step()
                with torch.no_grad():
                    correct = (logits.argmax(dim=1) == labels).sum()
                    total += torch.stack([loss * len(labels), correct])
                bar.update()
            train_loss, train_accuracy = (total / len(train.labels)).tolist()
            history.append(EpochResult(epoch, train_loss, train_accuracy, *evaluate(model, test)))
            bar.set_postfix(시험_정확도=f"{history[-1].test_accuracy:.3f}")
    return history


def format_history(history: list[EpochResult]) -> str:
    """성적을 에포크마다 한 줄로 적는다."""
    rows = [
        f"{row.epoch:>5}  {row.train_loss:>10.3f} {row.train_accuracy:>9.3f}"
        f"  {row.test_loss:>9.3f} {row.test_accuracy:>8.3f}"
        for row in history
    ]
    return "\n".join(["epoch  train loss train acc  test loss test acc", *rows])


def d2l_torch():
    """오늘의 IPython에서 돌아가게 손본 `d2l.torch`를 돌려준다.

    d2l 0.17.0은 IPython 9에서 없어진 함수를 부르고, 자료를 상대 경로 `../data`에 내려받으며, 자료를
    읽는 프로세스를 넷 띄운다. 그림은 PNG로 그리고, 확인한 자료를 한 프로세스로 읽도록 바꾼다.

    Raises
    ------
    ModuleNotFoundError
        d2l이 설치되어 있지 않을 때.
    """
    from IPython import display
    from matplotlib_inline.backend_inline import set_matplotlib_formats
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import FashionMNIST

    display.set_matplotlib_formats = lambda *formats: set_matplotlib_formats("png")
    from d2l import torch as d2l

    def load_data_fashion_mnist(batch_size, resize=None):
        """d2l과 같은 꼴의 (학습, 시험) DataLoader."""
        resizing = [transforms.Resize(resize)] if resize else []
        transform = transforms.Compose([*resizing, transforms.ToTensor()])
        root = torchvision_root()
        sets = [FashionMNIST(root, train=train, transform=transform) for train in (True, False)]
        return tuple(
            DataLoader(images, batch_size, shuffle=train)
            for images, train in zip(sets, (True, False), strict=True)
        )

    d2l.load_data_fashion_mnist = load_data_fashion_mnist
    return d2l
