"""성능 저하 실험: 매개변수와 초깃값은 같게 두고 깊이와 지름길만 바꾸어 학습 오류를 견준다.

논문: He, Zhang, Ren & Sun (2016), arXiv:1512.03385, 그림 1과 6, 4.1절과 4.2절.
논문과 다른 점: CPU에서 끝나도록 14×14로 줄인 Fashion-MNIST 10,000장, 채널 8/16/32로 여섯
에포크만 학습한다. 학습률은 계단이 아니라 one-cycle로 바꾼다.

    python -m cnn_lectures.degradation [기록을 적을 파일]
"""

import copy
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_lectures.complexity import count_parameters
from cnn_lectures.data import Split, load_fashion_mnist
from cnn_lectures.models.resnet import ResidualBlock, ResNet, cifar_resnet
from cnn_lectures.train import batches, evaluate, seed_everything

RECORD = Path(__file__).with_suffix(".json")

DEPTHS, SHORTCUTS, SEEDS = (8, 20, 56), ("none", "A"), (0, 1)
IMAGES, EPOCHS, BATCH_SIZE = 10_000, 6, 128
MAX_LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 1e-4
PROBED_EPOCHS, PROBED_IMAGES = (0, 1, 3, 6), 512
FIRST_STEPS = 10  # 기록을 짧게 확인할 수 있도록 손실을 남기는 처음 몇 스텝


@cache
def small_images() -> tuple[Split, Split]:
    """2×2씩 평균하여 14×14로 줄인 Fashion-MNIST. 학습은 처음 10,000장, 시험은 모두이다."""
    train, test = (Split(F.avg_pool2d(x, 2), y) for x, y in load_fashion_mnist())
    return train.take(IMAGES), test


def network(depth: int, shortcut: str, seed: int) -> ResNet:
    """채널이 8, 16, 32인 CIFAR-10 꼴의 신경망. 씨앗이 같으면 지름길이 있든 없든 초깃값이 같다."""
    seed_everything(seed)
    return cifar_resnet(depth, channels=(8, 16, 32), in_channels=1, shortcut=shortcut)


def training(model: nn.Module, train: Split, seed: int) -> Iterator[float]:
    """미니배치마다 가중치를 고치고 그 미니배치의 손실을 내놓는다."""
    update = torch.optim.SGD(
        model.parameters(), lr=MAX_LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    steps = EPOCHS * -(-len(train.labels) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        update, MAX_LR, total_steps=steps, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for images, labels in batches(train, BATCH_SIZE, generator=generator):
            loss = F.cross_entropy(model(images), labels)
            update.zero_grad()
            loss.backward()
            update.step()
            schedule.step()
            yield loss.item()


def probe(model: nn.Module, split: Split) -> dict[str, list[float]]:
    """모형을 바꾸지 않고 신호의 크기를 잰다. 배치 정규화는 학습할 때처럼 미니배치의 통계를 쓴다.

    Returns
    -------
    dict
        합성곱 층마다 가중치의 노름 `weight`와 그 기울기의 노름 `gradient`, 블록마다 출력의
        표준편차를 채널에서 평균한 `spread`. 입력에 가까운 것부터 적는다.
    """
    model = copy.deepcopy(model).train()
    spread = []

    def record(block: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        spread.append(output.detach().std(dim=(0, 2, 3)).mean().item())

    for layer in model.modules():
        if isinstance(layer, ResidualBlock):
            layer.register_forward_hook(record)
    F.cross_entropy(model(split.images), split.labels).backward()
    weights = [layer.weight for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    return {
        "weight": [weight.norm().item() for weight in weights],
        "gradient": [weight.grad.norm().item() for weight in weights],
        "spread": spread,
    }


def batch_error(model: nn.Module, split: Split) -> float:
    """이동 평균 대신 미니배치의 통계로 배치 정규화를 할 때의 오류율. 모형은 바뀌지 않는다."""
    model = copy.deepcopy(model).train()
    with torch.inference_mode():
        wrong = [(model(x).argmax(dim=1) != y).sum() for x, y in batches(split, BATCH_SIZE)]
    return torch.stack(wrong).sum().item() / len(split.labels)


def run(depth: int, shortcut: str, seed: int) -> dict:
    """신경망 하나를 학습하고 기록 한 줄을 만든다. 오류율은 가중치를 멈춰 놓고 잰다."""
    train, test = small_images()
    model = network(depth, shortcut, seed)
    row = {"depth": depth, "shortcut": shortcut, "seed": seed}
    row |= {"parameters": count_parameters(model), "first_losses": []}
    row |= {"train_loss": [], "train_error": [], "batch_error": {}, "test_error": {}}
    row["probes"] = {"0": probe(model, train.take(PROBED_IMAGES))}
    per_epoch = -(-len(train.labels) // BATCH_SIZE)
    for step, loss in enumerate(training(model, train, seed), start=1):
        if step <= FIRST_STEPS:
            row["first_losses"].append(loss)
        epoch, rest = divmod(step, per_epoch)
        if rest:
            continue
        fixed_loss, accuracy = evaluate(model, train)
        row["train_loss"].append(fixed_loss)
        row["train_error"].append(1 - accuracy)
        if epoch in PROBED_EPOCHS:
            row["batch_error"][str(epoch)] = batch_error(model, train)
            row["test_error"][str(epoch)] = 1 - evaluate(model, test)[1]
            row["probes"][str(epoch)] = probe(model, train.take(PROBED_IMAGES))
    return row


def rounded(value):
    """겹쳐 있는 목록과 사전 안의 실수를 모두 유효 숫자 네 자리로 줄인다."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def load_record(path: Path = RECORD) -> dict[tuple[int, str, int], dict]:
    """기록을 읽어 (깊이, 지름길, 씨앗)마다의 줄로 돌려준다."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {(row["depth"], row["shortcut"], row["seed"]): row for row in rows}


def main(path: Path = RECORD) -> None:
    """모든 신경망을 학습하여 `path`에 한 줄씩 적는다. 두 코어에서 10분쯤 걸린다."""
    print("seed, depth, shortcut, training error after each epoch", flush=True)
    rows = []
    for seed in SEEDS:
        for depth in DEPTHS:
            for shortcut in SHORTCUTS:
                rows.append(rounded(run(depth, shortcut, seed)))
                errors = "  ".join(f"{error:.3f}" for error in rows[-1]["train_error"])
                print(f"{seed}  {depth:>2}  {shortcut:<4}  {errors}", flush=True)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
