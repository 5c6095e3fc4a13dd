"""모형마다의 학습법. 진짜 옷 사진 몇 장으로 명령줄에서 학습해 본다."""

import inspect
import json
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from cnn_lectures import recipes
from cnn_lectures.__main__ import main
from cnn_lectures.checkpoint import read_state_dict, restore
from cnn_lectures.data import load_fashion_mnist
from cnn_lectures.layers import batch_norm
from cnn_lectures.models import MODELS, build_model
from cnn_lectures.train import EpochResult, fit, predict_logits
from tests.test_book import NOTEBOOKS, cells

COUNT, TEST_COUNT = 8, 6  # 크기가 달라야 학습과 시험이 바뀐 것을 안다
# VGG와 AlexNet은 Adam의 상태까지 2 GB 안팎, 더 깊은 ResNet과 DenseNet은 짜임새가 같아 뺀다.
CHEAP = [
    "lenet5", "lenet5_original", "bn_lenet", "nin", "nin_cifar", "googlenet", "googlenet_bn",
    "resnet18", "cifar_resnet", "densenet121", *(name for name in MODELS if "_small" in name),
]  # fmt: skip


@pytest.fixture(scope="module")
def few():
    """덧붙인 폭마다의 진짜 옷 사진 몇 장."""
    splits = {padding: load_fashion_mnist(padding=padding) for padding in (0, 2)}
    return {
        padding: [train.take(COUNT), test.take(TEST_COUNT)]
        for padding, (train, test) in splits.items()
    }


@pytest.fixture(autouse=True)
def small_data(few, monkeypatch):
    """몇 장뿐인 자료."""
    monkeypatch.setattr(recipes, "load_fashion_mnist", lambda *, padding: few[padding])


def train(tmp_path, name, *options):
    return main(["train", name, "--epochs", "1", "--output", str(tmp_path), *options])


def test_every_model_has_a_recipe():
    assert set(recipes.RECIPES) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_recipe_fits_the_model(name, few):
    recipe = recipes.RECIPES[name]
    side = recipes.images_for(name)[0].images.shape[-1]
    assert side == min(recipe.side, 28 if recipe.side > 32 else recipe.side)
    with torch.device("meta"):
        model, trained = recipes.prepare(name)
        images = torch.empty(3, 1, side, side)
        assert trained.train()(images).shape == trained.eval()(images).shape == (3, 10)
    assert recipe.side >= getattr(model, "minimum_size", 1)
    assert recipe.optimizer in recipes.OPTIMIZERS


@pytest.mark.parametrize(
    ("name", "chapter"),
    [
        ("lenet5", "lenet"),
        ("alexnet_small", "alexnet"),
        ("vgg_small", "vgg"),
        ("nin_small", "nin"),
        ("googlenet_small", "googlenet"),
        ("resnet_small", "resnet"),
        ("densenet_small", "densenet"),
    ],
)
def test_small_models_are_trained_as_in_their_chapters(name, chapter):
    (path,) = (path for path in NOTEBOOKS if path.stem[3:] == chapter)
    code = "\n".join(cell.source for cell in cells(path, "code"))
    default = inspect.signature(fit).parameters["batch_size"].default
    rates = {float(rate) for rate in re.findall(r'max_lr"?[=:] ?([\d.e-]+)', code)}
    sizes = {int(size) for size in re.findall(r'batch_size"?[=:] ?(\d+)', code)}
    recipe = recipes.RECIPES[name]
    assert recipe.max_lr in rates
    assert recipe.batch_size in (sizes or {default})
    assert {"adam": "optim.Adam", "sgd": "optim.SGD"}[recipe.optimizer] in code


def test_optimizers_are_those_of_the_docstring():
    weight = [nn.Parameter(torch.ones(1))]
    adam, sgd = (make(weight) for make in recipes.OPTIMIZERS.values())
    assert type(adam) is torch.optim.Adam
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.9, 1e-4)


def test_large_models_without_normalization_take_a_lower_rate():
    """배치 정규화 없이 나온 깊은 신경망은 학습률이 낮고, 정규화를 넣으면 조금 높다."""
    large = {name: recipe for name, recipe in recipes.RECIPES.items() if recipe.side > 32}
    assert {recipe.side for recipe in large.values()} == {96}
    for name, recipe in large.items():
        assert (recipe.max_lr <= 5e-4) == name.startswith(("vgg", "alexnet"))
        if f"{name}_bn" in large and name.startswith("vgg"):
            assert recipe.max_lr < large[f"{name}_bn"].max_lr


def test_sgd_takes_a_higher_rate_than_adam():
    """Adam에 SGD의 학습률을 주면 배우지 못하고, 거꾸로면 너무 느리다."""
    for name, recipe in recipes.RECIPES.items():
        shortcut = "resnet" in name or "densenet" in name
        assert recipe.optimizer == ("sgd" if shortcut else "adam")
        assert recipe.max_lr == 0.1 if shortcut else recipe.max_lr <= 4e-3


@pytest.mark.parametrize("images", [None, 1, 7, 8])
def test_images_are_taken_from_the_front(few, images):
    for part, whole in zip(recipes.images_for("lenet5", images), few[2], strict=True):
        assert torch.equal(part.images, whole.images[:images])
        assert torch.equal(part.labels, whole.labels[:images])


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(4), nn.BatchNorm2d(4), batch_norm.BatchNorm2d(4)])
def test_only_a_single_last_image_is_refused(layer):
    model = nn.Sequential(nn.Sequential(layer))
    for batch_size in (2, 3, 8, 9):
        recipes.check_last_batch(model, 8, batch_size)
    for batch_size in (1, 7):
        with pytest.raises(ValueError, match="`batch_size`: 8장을 나눌 때"):
            recipes.check_last_batch(model, 8, batch_size)


@pytest.mark.parametrize("name", CHEAP)
def test_one_step_and_the_files_it_leaves(name, tmp_path, capsys, few):
    assert train(tmp_path, name, "--device", "cpu") == 0
    shown = capsys.readouterr().out
    assert "epoch  train loss train acc  test loss test acc" in shown
    paths = [tmp_path / f"{name}{suffix}" for suffix in (".pt", ".png", ".json")]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    labels = [line.split()[:2] for line in shown.splitlines()[-3:]]
    assert labels == [[k, str(p)] for k, p in zip(("가중치", "곡선", "기록"), paths, strict=True)]

    recipe = recipes.RECIPES[name]
    settings = f"{name}: images {COUNT}, side {recipe.side}, optimizer {recipe.optimizer}, max_lr"
    assert shown.startswith(settings)
    record = json.loads(paths[2].read_text(encoding="utf-8"))
    assert record["model"] == name
    assert record["images"] == COUNT
    assert record["max_lr"] == recipe.max_lr
    assert record["options"] == recipe.options
    (row,) = record["history"]
    assert set(row) == set(EpochResult._fields)
    model = build_model(name, **record["options"])
    restore(model, read_state_dict(paths[0]))
    if recipe.side > 32:
        model = recipes.Enlarged(model, recipe.side)
    test = recipes.images_for(name)[1]
    logits = predict_logits(model, test.images)
    assert math.isclose(
        nn.functional.cross_entropy(logits, test.labels), row["test_loss"], rel_tol=1e-4
    )
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_training_changes_the_weights_and_follows_the_seed(tmp_path):
    states = []
    for folder, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert train(tmp_path / folder, "lenet5", "--seed", seed, "--batch-size", "4") == 0
        states.append(read_state_dict(tmp_path / folder / "lenet5.pt"))
    first, same, other = (state["classifier.0.weight"] for state in states)
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


def test_options_reach_the_training(tmp_path):
    options = ["--images", "6", "--batch-size", "4", "--max-lr", "0.01", "--seed", "3"]
    assert main(["train", "lenet5", "--epochs", "2", "--output", str(tmp_path), *options]) == 0
    record = json.loads((tmp_path / "lenet5.json").read_text(encoding="utf-8"))
    chosen = {key: record[key] for key in ("images", "batch_size", "max_lr", "seed", "epochs")}
    assert chosen == {"images": 6, "batch_size": 4, "max_lr": 0.01, "seed": 3, "epochs": 2}
    assert len(record["history"]) == 2


@pytest.mark.parametrize("name", ["vgg_small", "resnet_small", "resnet18"])
def test_fit_gets_what_was_chosen(name, monkeypatch, few):
    calls = []

    def fit(model, train, test, **options):
        calls.append((model, train, test, options))
        return [EpochResult(1, 2.3, 0.1, 2.3, 0.1)]

    monkeypatch.setattr(recipes, "fit", fit)
    chosen = {"epochs": 3, "batch_size": 4, "max_lr": 0.02, "seed": 5, "device": "cpu"}
    model, _, settings = recipes.run(name, images=6, **chosen)
    ((trained, train, test, options),) = calls
    recipe = recipes.RECIPES[name]
    images = few[2 if recipe.side == 32 else 0]
    assert torch.equal(train.images, images[0].images[:6])
    assert torch.equal(test.labels, images[1].labels[:6])
    assert options == chosen | {"optimizer": recipes.OPTIMIZERS[recipe.optimizer]}
    assert model is (trained.model if recipe.side > 32 else trained)
    assert settings == chosen | {
        "model": name,
        "options": dict(recipe.options),
        "side": recipe.side,
        "optimizer": recipe.optimizer,
        "images": 6,
    }


def test_defaults_of_python_callers(monkeypatch):
    seen = {}
    rows = [EpochResult(1, 2.3, 0.1, 2.3, 0.1)]
    monkeypatch.setattr(recipes, "fit", lambda *_, **options: seen.update(options) or rows)
    settings = recipes.run("lenet5")[2]
    assert (seen["epochs"], seen["seed"], seen["device"]) == (5, 0, None)
    assert (seen["batch_size"], seen["max_lr"]) == (128, 4e-3)
    assert settings["device"] == "cpu"  # 학습이 끝난 모형이 있는 곳. 여기서는 옮기지 않았다
    assert settings["images"] == COUNT


def test_absent_devices_are_refused(monkeypatch):
    for backend in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(backend, "is_available", lambda: False)
    for name in ("cuda", "cuda:0", "mps", "cpu:", "cpu:1", "cpu:²"):
        with pytest.raises(ValueError, match=r"`device`: 이 컴퓨터에 있는 장치\(cpu\)여야"):
            recipes.check_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("cpu", "cpu:0", "cuda", "cuda:1"):
        recipes.check_device(name)
    with pytest.raises(ValueError, match=r"장치\(cpu, cuda\)여야"):
        recipes.check_device("cuda:2")


def test_results_are_not_overwritten_silently(tmp_path, capsys):
    old = tmp_path / "lenet5.png"
    old.write_bytes(b"old")
    assert train(tmp_path, "lenet5") == 1
    message = capsys.readouterr().err
    assert f"{old}: 이미 있어 학습하지 않았습니다. `--overwrite`를" in message
    assert message.count("\n") == 1
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    assert train(tmp_path, "lenet5", "--overwrite") == 0
    assert old.read_bytes() != b"old"


@pytest.mark.parametrize("suffix", [".pt", ".png", ".json"])
def test_any_of_the_three_files_stops_the_training(tmp_path, suffix):
    (tmp_path / f"lenet5{suffix}").touch()
    with pytest.raises(FileExistsError, match=rf"lenet5\{suffix}: 이미 있어"):
        recipes.outputs("lenet5", tmp_path)


def test_output_folder_is_made_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = recipes.outputs("lenet5", "~/new/runs")
    assert paths.weights == tmp_path / "new" / "runs" / "lenet5.pt"
    assert paths.weights.parent.is_dir()


@pytest.mark.parametrize(
    ("place", "writer"), [(torch, "save"), (Path, "write_text"), (recipes, "draw")]
)
def test_half_written_files_are_not_left(tmp_path, monkeypatch, place, writer):
    def full_disk(*arguments, **_):
        next(item for item in arguments if isinstance(item, Path)).write_bytes(b"half")
        raise OSError(28, "자리가 없습니다")

    monkeypatch.setattr(place, writer, full_disk)
    history = [EpochResult(1, 2.3, 0.1, 2.3, 0.1)]
    with pytest.raises(OSError, match="자리가 없습니다"):
        recipes.save(recipes.outputs("x", tmp_path), nn.Linear(1, 1), history, {"model": "x"})
    assert all(path.read_bytes() != b"half" for path in tmp_path.iterdir())


def test_output_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    assert train(tmp_path / "file", "lenet5") == 1
    assert "파일을 쓰거나 읽지 못했습니다" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "9"], r"`images`: 8 이하여야 합니다 (받은 값: 9)"),
        (["--device", "gpu"], "`device`: 이 컴퓨터에 있는 장치(cpu"),
        (["--device", "cuda:99"], "`device`: 이 컴퓨터에 있는 장치(cpu"),
        (["--device", "cpu:x"], "`device`: 이 컴퓨터에 있는 장치(cpu"),
        (["--batch-size", "7"], "`batch_size`: 8장을 나눌 때 한 장짜리 미니배치가 남지 않아야"),
        (["--batch-size", "1"], "`batch_size`: 8장을 나눌 때 한 장짜리 미니배치가 남지 않아야"),
    ],
)
def test_wrong_values_are_explained_in_one_line(tmp_path, capsys, options, message):
    assert train(tmp_path, "bn_lenet", *options) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_single_images_are_fine_without_batch_normalization(tmp_path):
    assert train(tmp_path, "lenet5", "--batch-size", "7") == 0


def test_python_callers_get_the_same_checks():
    with pytest.raises(ValueError, match=r"`model`: lenet5, .* 가운데 하나여야"):
        recipes.run("lenet")
    for wrong in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`max_lr`: 0보다 큰 수여야"):
            recipes.run("lenet5", max_lr=wrong)
    with pytest.raises(ValueError, match="`batch_size`: 1 이상"):
        recipes.run("bn_lenet", batch_size=0)
    with pytest.raises(ValueError, match="`images`: 1 이상"):
        recipes.run("lenet5", images=0)


@pytest.mark.parametrize("place", [1, 3])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_leaves_nothing(tmp_path, capsys, monkeypatch, place, value):
    rows = [[1, 2.3, 0.1, 2.3, 0.1], [2, 2.3, 0.1, 2.3, 0.1]]
    rows[place // 2][place] = value
    rows = [EpochResult(*row) for row in rows]
    monkeypatch.setattr(recipes, "fit", lambda *_, **__: rows)
    assert train(tmp_path, "lenet5") == 1
    assert capsys.readouterr().err == "손실이 발산했습니다. `--max-lr`를 줄이십시오.\n"
    assert list(tmp_path.iterdir()) == []


def test_stopping_by_hand(tmp_path, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "fit", stopped)
    assert train(tmp_path, "lenet5") == 130
    assert capsys.readouterr().err == "\n멈추었습니다.\n"
    assert list(tmp_path.iterdir()) == []


def test_enlarged_images_are_evaluated_in_parts(monkeypatch):
    monkeypatch.setattr(recipes, "PART", 3)
    sizes = []

    class Probe(nn.Module):
        def forward(self, images):
            sizes.append(tuple(images.shape))
            return images.mean(dim=(1, 2, 3))

    module, images = recipes.Enlarged(Probe(), 96), torch.rand(8, 1, 28, 28)
    trained, evaluated = module.train()(images), module.eval()(images)
    assert sizes == [(8, 1, 96, 96), *[(3, 1, 96, 96)] * 2, (2, 1, 96, 96)]
    assert torch.allclose(trained, evaluated)


def test_enlarging_is_smooth():
    ramp = torch.arange(28.0).expand(1, 1, 28, 28)
    assert recipes.Enlarged(nn.Identity(), 96)(ramp).diff(dim=-1).max() < 0.5


@pytest.mark.parametrize("epochs", [2, 30])
@pytest.mark.parametrize(("first", "bottom"), [((0.3, 0.9), 0), ((0.9, 0.3), 0), ((0.8, 0.9), 0.5)])
def test_curve_has_labels_and_hides_nothing(tmp_path, monkeypatch, first, bottom, epochs):
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    monkeypatch.setitem(plt.rcParams, "font.family", ["monospace"])
    history = [EpochResult(1, 1.0, first[0], 1.2, first[1])]
    history += [EpochResult(e, 1 / e, 0.9, 1.2 / e, 0.9) for e in range(2, epochs + 1)]
    recipes.draw(tmp_path / "curve.png", "lenet5", history)
    left, right = figures[0].axes
    assert [ax.get_xlabel() for ax in (left, right)] == ["에포크", "에포크"]
    assert [ax.get_ylabel() for ax in (left, right)] == ["손실", "정확도"]
    assert right.get_ylim() == (bottom, 1)
    assert [ax.get_title() for ax in (left, right)] == ["", ""]
    assert len(left.get_xticks()) < 15
    assert all(float(tick).is_integer() for tick in left.get_xticks())
    assert figures[0].get_suptitle() == "lenet5"
    assert plt.rcParams["font.family"] == ["monospace"]
