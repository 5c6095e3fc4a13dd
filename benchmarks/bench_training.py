"""Fashion-MNIST 전체를 LeNet-5로 학습하는 시간을 우리의 `fit`과 d2l의 `train_ch6`에서 번갈아 잰다.

신경망, 초기화, 최적화기, 학습률, 미니배치의 크기, 에포크 수가 같고, 두 쪽 모두 에포크마다 시험
자료로 평가한다.
"""

import contextlib
import io
import os
import re
import statistics
import time
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn

from cnn_lectures.data import load_fashion_mnist
from cnn_lectures.models.lenet import LeNet5
from cnn_lectures.train import choose_device, d2l_torch, fit, seed_everything

EPOCHS, BATCH_SIZE, LR, RUNS = 2, 256, 0.1, 3
GOAL = 2.0


def initialized() -> nn.Module:
    """28×28을 받는 LeNet-5. d2l과 같은 Xavier 초기화를 한다."""
    seed_everything(0)
    model = nn.Sequential(nn.ZeroPad2d(2), LeNet5())
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    return model


def ours() -> tuple[float, float]:
    """(초, 시험 정확도). 자료를 읽는 시간도 넣는다."""
    model = initialized()
    start = time.perf_counter()
    train, test = load_fashion_mnist()
    optimizer = partial(torch.optim.SGD, lr=LR)
    history = fit(model, train, test, epochs=EPOCHS, optimizer=optimizer, batch_size=BATCH_SIZE)
    return time.perf_counter() - start, history[-1].test_accuracy


def d2l_loop() -> tuple[float, float]:
    """(초, 시험 정확도). 자료를 읽는 시간도 넣는다."""
    d2l, model, printed = d2l_torch(), initialized(), io.StringIO()
    start = time.perf_counter()
    with contextlib.redirect_stdout(printed):
        loaders = d2l.load_data_fashion_mnist(BATCH_SIZE)
        d2l.train_ch6(model, *loaders, EPOCHS, LR, choose_device())
    seconds = time.perf_counter() - start
    plt.close("all")
    return seconds, float(re.search(r"test acc (\d\.\d+)", printed.getvalue())[1])


def main() -> None:
    """번갈아 재어 비율의 중앙값을 찍는다."""
    plt.switch_backend("agg")
    os.environ["CNN_LECTURES_PROGRESS"] = "0"
    pairs = [(d2l_loop(), ours()) for _ in range(RUNS)]
    ratio = statistics.median(theirs[0] / mine[0] for theirs, mine in pairs)
    accuracies = [
        statistics.median(side[1] for side in sides) for sides in zip(*pairs, strict=True)
    ]
    print(
        f"LeNet-5, {EPOCHS} epochs on {choose_device().type}, batch {BATCH_SIZE}, median of {RUNS}"
    )
    print(f"  d2l.train_ch6 / fit   {ratio:5.2f}x   goal >= {GOAL:.1f}x")
    print(f"  test accuracy         d2l {accuracies[0]:.3f}   ours {accuracies[1]:.3f}")


if __name__ == "__main__":
    main()
