"""학습과 평가."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnn_lectures import train
from cnn_lectures.data import Split, load_fashion_mnist

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


@pytest.fixture(scope="module")
def few():
    """진짜 옷 사진 32장."""
    return load_fashion_mnist()[0].take(32)


def small_model():
    train.seed_everything(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1152, 10),
    )


def test_overfits_32_images(few):
    history = train.fit(small_model(), few, few, epochs=30, optimizer=SGD, batch_size=8)
    assert history[-1].train_accuracy == 1
    assert history[-1].test_accuracy == 1
    assert history[-1].test_loss < 0.05
    assert [row.epoch for row in history] == list(range(1, 31))


def test_same_seed_same_history_and_other_seed_other_history(few):
    options = {"epochs": 2, "optimizer": SGD, "batch_size": 8}
    first, again, other = (
        train.fit(small_model(), few, few, seed=seed, **options) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_history_equals_a_loop_written_out(few):
    model, twin = small_model(), small_model()
    history = train.fit(model, few, few, epochs=1, optimizer=SGD, batch_size=10, device="cpu")

    optimizer = SGD(twin.parameters())
    losses, correct = 0.0, 0
    for chosen in torch.randperm(32, generator=torch.Generator().manual_seed(0)).split(10):
        logits = twin(few.images[chosen])
        loss = F.cross_entropy(logits, few.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.item() * len(chosen)
        correct += (logits.argmax(1) == few.labels[chosen]).sum().item()
    assert math.isclose(history[0].train_loss, losses / 32, rel_tol=1e-6)
    assert math.isclose(history[0].train_accuracy, correct / 32, rel_tol=1e-6)
    twin.eval()
    loss = F.cross_entropy(twin(few.images), few.labels).item()
    assert math.isclose(history[0].test_loss, loss, rel_tol=1e-6)


def test_one_cycle_reaches_max_lr_and_comes_back(few):
    rates = []

    class Recorder(torch.optim.SGD):
        def step(self, closure=None):
            rates.append((self.param_groups[0]["lr"], self.param_groups[0]["momentum"]))
            return super().step(closure)

    optimizer = partial(Recorder, lr=1.0, momentum=0.9)
    train.fit(small_model(), few, few, epochs=5, optimizer=optimizer, max_lr=0.2, batch_size=4)
    learning_rates = [rate for rate, _ in rates]
    assert len(rates) == 40
    assert math.isclose(max(learning_rates), 0.2, rel_tol=0.02)
    assert learning_rates[0] < 0.01
    assert learning_rates[-1] < 0.001
    assert {momentum for _, momentum in rates} == {0.9}


def test_evaluate_restores_the_mode_and_changes_no_statistics(few):
    model = small_model()
    before = model[1].running_mean.clone()
    loss, accuracy = train.evaluate(model, few, batch_size=7)
    assert model.training
    assert torch.equal(model[1].running_mean, before)
    logits = model.eval()(few.images)
    assert math.isclose(loss, F.cross_entropy(logits, few.labels).item(), rel_tol=1e-5)
    assert math.isclose(accuracy, (logits.argmax(1) == few.labels).float().mean(), rel_tol=1e-6)


def test_batches_cover_every_image_once(few):
    numbered = Split(torch.arange(32.0), torch.arange(32))
    for generator in (None, torch.Generator().manual_seed(3)):
        seen = [labels for _, labels in train.batches(numbered, 5, generator=generator)]
        assert [len(labels) for labels in seen] == [5] * 6 + [2]
        assert sorted(torch.cat(seen).tolist()) == list(range(32))


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_non_positive_numbers(few, name):
    options = {"epochs": 1, "batch_size": 8} | {name: 0}
    with pytest.raises(ValueError, match=rf"`{name}`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        train.fit(small_model(), few, few, optimizer=SGD, **options)


@pytest.mark.parametrize("name", ["train", "test"])
def test_unequal_counts(few, name):
    splits = {"train": few, "test": few} | {name: Split(few.images, few.labels[:-1])}
    with pytest.raises(ValueError, match=rf"`{name}`: 이미지와 정답의 개수.*\(32, 31\)"):
        train.fit(small_model(), **splits, epochs=1, optimizer=SGD)


def test_format_history():
    rows = [train.EpochResult(1, 0.5, 0.25, 1.0, 0.125)]
    header, line = train.format_history(rows).splitlines()
    assert line.split() == ["1", "0.500", "0.250", "1.000", "0.125"]
    assert len(header) == len(line)


def test_progress_bar_goes_to_stderr_only_when_asked(few, capsys, monkeypatch):
    options = {"epochs": 1, "optimizer": SGD, "batch_size": 8}
    monkeypatch.setenv("CNN_LECTURES_PROGRESS", "0")
    train.fit(small_model(), few, few, **options)
    assert capsys.readouterr() == ("", "")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("CNN_LECTURES_PROGRESS", "1")
    train.fit(small_model(), few, few, **options)
    out, err = capsys.readouterr()
    assert out == ""
    assert "배치" in err


def test_fit_uses_the_gpu_where_there_is_one(few):
    device = train.choose_device()
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    model = small_model()
    train.fit(model, few, few, epochs=1, optimizer=SGD)
    assert next(model.parameters()).device.type == device.type
    assert train.predict_logits(model, few.images).device.type == "cpu"


def test_real_d2l_loop_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    d2l = train.d2l_torch()
    loaders = d2l.load_data_fashion_mnist(256)
    assert [len(loader.dataset) for loader in loaders] == [60_000, 10_000]
    images, labels = next(iter(d2l.load_data_fashion_mnist(4, resize=32)[1]))
    assert images.shape == (4, 1, 32, 32)
    assert labels.tolist() == [9, 2, 1, 1]

    few = [torch.utils.data.Subset(loader.dataset, range(600)) for loader in loaders]
    short = [torch.utils.data.DataLoader(part, 64) for part in few]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    d2l.train_ch6(model, *short, 3, 0.1, torch.device("cpu"))
    printed = capsys.readouterr().out
    assert "training on cpu" in printed
    assert "test acc 0." in printed
