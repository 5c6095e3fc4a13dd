"""성능 저하 실험: 짧게 다시 돌려 기록이 코드에서 나온 것인지, 장의 결론이 기록에 있는지 본다."""

import copy
from itertools import islice, product

import pytest
import torch
import torch.nn.functional as F

from cnn_lectures import degradation
from cnn_lectures.data import Split
from cnn_lectures.degradation import DEPTHS, EPOCHS, FIRST_STEPS, PROBED_EPOCHS, SEEDS, SHORTCUTS

RUNS = list(product(DEPTHS, SHORTCUTS, SEEDS))


@pytest.fixture(scope="module")
def record():
    return degradation.load_record()


@pytest.fixture(scope="module")
def train():
    return degradation.small_images()[0]


def few(count: int) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 1, 14, 14, generator=generator)
    return Split(images, torch.arange(count) % 10)


def test_record_is_small_and_complete(record):
    assert degradation.RECORD.stat().st_size <= 50_000
    assert sorted(record) == sorted(RUNS)
    for (depth, _, _), row in record.items():
        assert len(row["first_losses"]) == FIRST_STEPS
        assert len(row["train_loss"]) == len(row["train_error"]) == EPOCHS
        assert all(0 <= error <= 1 for error in row["train_error"])
        assert [int(epoch) for epoch in row["probes"]] == list(PROBED_EPOCHS)
        for kind in ("batch_error", "test_error"):
            assert [int(epoch) for epoch in row[kind]] == list(PROBED_EPOCHS[1:])
        for probe in row["probes"].values():
            assert len(probe["weight"]) == len(probe["gradient"]) == depth - 1
            assert len(probe["spread"]) == (depth - 2) // 2
            assert min(map(min, probe.values())) > 0


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_first_losses_can_be_repeated(record, train, shortcut):
    model = degradation.network(8, shortcut, seed=0)
    losses = list(islice(degradation.training(model, train, seed=0), 5))
    assert losses == pytest.approx(record[8, shortcut, 0]["first_losses"][:5], rel=2e-3)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_first_probe_can_be_repeated(record, train, shortcut):
    model = degradation.network(56, shortcut, seed=1)
    probe = degradation.probe(model, train.take(degradation.PROBED_IMAGES))
    for name, values in record[56, shortcut, 1]["probes"]["0"].items():
        assert probe[name] == pytest.approx(values, rel=0.05)


@pytest.mark.parametrize("depth", DEPTHS)
def test_shortcut_adds_no_parameter_and_leaves_the_initial_weights(record, depth):
    plain, residual = (degradation.network(depth, shortcut, seed=3) for shortcut in SHORTCUTS)
    states = plain.state_dict(), residual.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(a, b) for a, b in zip(*map(dict.values, states), strict=True))
    counts = {row["parameters"] for (runs, _, _), row in record.items() if runs == depth}
    assert counts == {sum(p.numel() for p in plain.parameters())}


def test_images_are_averages_of_two_by_two(train):
    assert train.images.shape == (10_000, 1, 14, 14)
    assert len(degradation.small_images()[1].labels) == 10_000
    full = degradation.load_fashion_mnist()[0]
    block = full.images[17, 0, 8:10, 12:14]
    assert train.images[17, 0, 4, 6] == pytest.approx(block.mean().item())
    assert torch.equal(train.labels, full.labels[:10_000])


def test_probe_measures_without_touching_the_model():
    model = degradation.network(8, "A", seed=0).eval()
    before = copy.deepcopy(model.state_dict())
    split = few(32)
    probe = degradation.probe(model, split)
    assert not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())

    F.cross_entropy(model.train()(split.images), split.labels).backward()
    conv = model.layer2[0].conv1
    assert probe["gradient"][3] == pytest.approx(conv.weight.grad.norm().item(), rel=1e-5)
    assert probe["weight"][3] == pytest.approx(conv.weight.norm().item())
    x = model.layer1(model.relu(model.bn1(model.conv1(split.images))))
    assert probe["spread"][0] == pytest.approx(x.std(dim=(0, 2, 3)).mean().item(), rel=1e-5)


def test_batch_error_uses_the_statistics_of_the_batch():
    model = degradation.network(8, "none", seed=0).eval()
    with torch.no_grad():
        model.bn1.running_mean += 100.0  # 이동 평균을 쓰면 모두 같은 답이 나온다
    split = few(100)
    before = copy.deepcopy(model.state_dict())
    error = degradation.batch_error(model, split)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    guess = model.train()(split.images).argmax(dim=1)
    assert error == pytest.approx((guess != split.labels).float().mean().item())


def test_training_takes_every_batch_of_every_epoch():
    split = Split(few(130).images, torch.zeros(130, dtype=torch.long))  # 모두 같은 종류
    model = degradation.network(8, "A", seed=0)
    losses = list(degradation.training(model, split, seed=0))
    assert len(losses) == 2 * EPOCHS
    assert max(losses[-2:]) < 0.5 * losses[0]


def test_rounding_keeps_four_digits():
    value = {"a": [0.123456, 7], "b": 98765.4}
    assert degradation.rounded(value) == {"a": [0.1235, 7], "b": 98770.0}


def test_main_writes_what_load_record_reads(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(degradation, "small_images", lambda: (few(40), few(20)))
    monkeypatch.setattr(degradation, "DEPTHS", (8,))
    monkeypatch.setattr(degradation, "SEEDS", (0,))
    path = tmp_path / "record.json"
    degradation.main(path)
    assert set(degradation.load_record(path)) == {(8, "none", 0), (8, "A", 0)}
    assert len(capsys.readouterr().out.splitlines()) == 3
    row = degradation.load_record(path)[8, "A", 0]
    assert row == degradation.rounded(degradation.run(8, "A", 0))
