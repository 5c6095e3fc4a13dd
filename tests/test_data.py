"""Fashion-MNIST를 찾고 확인하는 일. 진짜 자료(데비안 패키지 또는 캐시)를 쓴다."""

import gzip
import shutil
from pathlib import Path

import pytest
import torch
from torchvision.datasets import FashionMNIST

from cnn_lectures import data

FIRST = "train-images-idx3-ubyte"


@pytest.fixture(scope="module")
def raw():
    """확인된 네 파일의 바이트."""
    return data.read_verified()


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """아무것도 없는 캐시. 데비안 패키지도 없는 셈 친다."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.delenv(data.ENVIRONMENT_VARIABLE, raising=False)
    return data.cache_folder()


def write(folder: Path, raw: dict, *, suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in raw.items():
        path = folder / (name + suffix)
        path.write_bytes(gzip.compress(content, 1, mtime=0) if suffix else content)
    return folder


def test_shapes_ranges_and_counts():
    train, test = data.load_fashion_mnist(padding=2)
    assert train.images.shape == (60_000, 1, 32, 32)
    assert test.images.shape == (10_000, 1, 32, 32)
    assert train.images.dtype == torch.float32
    assert train.images.min() == 0
    assert train.images.max() == 1
    assert train.images[:, :, :2].abs().sum() == 0
    assert torch.bincount(train.labels).tolist() == [6_000] * 10
    assert torch.bincount(test.labels).tolist() == [1_000] * 10
    assert len(data.CLASS_NAMES) == 10
    assert data.CLASS_NAMES[train.labels[0]] == "앵클부츠"


def test_same_as_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours, theirs = data.load_fashion_mnist()[1], FashionMNIST(data.torchvision_root(), train=False)
    assert torch.equal(ours.labels, theirs.targets)
    assert torch.equal(ours.images, theirs.data[:, None].float().div(255))


def test_take(raw):
    split = data.Split(torch.arange(5.0), torch.arange(5))
    assert split.take(2).labels.tolist() == [0, 1]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inside", ["", "FashionMNIST/raw"])
def test_chosen_folder(tmp_path, raw, suffix, inside):
    write(tmp_path / inside, raw, suffix=suffix)
    assert data.read_verified(tmp_path) == raw


def test_environment_variable_is_used_before_the_cache(tmp_path, raw, empty_cache, monkeypatch):
    monkeypatch.setenv(data.ENVIRONMENT_VARIABLE, str(write(tmp_path / "mine", raw)))
    assert data.read_verified() == raw
    assert not empty_cache.exists()


def test_chosen_folder_without_the_files(tmp_path):
    with pytest.raises(data.DataError, match=r"train-images.*파일이 없습니다.*이 폴더에 두거나"):
        data.load_fashion_mnist(tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-100], "크기가 47,040,016바이트여야 하는데 47,039,916바이트"),
        (lambda content: content[:-1] + b"\x01", "SHA-256이"),
        (lambda content: b"<html>404</html>", "60,000개가 들어 있어야"),
        (lambda content: b"", "0바이트입니다"),
    ],
)
def test_damaged_file(tmp_path, raw, damage, reason):
    write(tmp_path, raw)
    path = tmp_path / FIRST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(data.DataError, match=reason) as caught:
        data.load_fashion_mnist(tmp_path)
    assert str(path) in str(caught.value)
    assert "다시 받으십시오" in str(caught.value)


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b"cut short" * 99, mtime=0)[:-20]])
def test_broken_gzip(tmp_path, raw, content):
    write(tmp_path, {name: raw[name] for name in raw if name != FIRST})
    (tmp_path / f"{FIRST}.gz").write_bytes(content)
    with pytest.raises(data.DataError, match=rf"{FIRST}.gz: 읽을 수 없습니다.*다시 받으십시오"):
        data.load_fashion_mnist(tmp_path)


def test_corrupt_deflate_stream(tmp_path, raw):
    content = bytearray(gzip.compress(raw["t10k-labels-idx1-ubyte"], mtime=0))
    content[20:40] = b"\xff" * 20
    (tmp_path / f"{FIRST}.gz").write_bytes(content)
    with pytest.raises(data.DataError, match="읽을 수 없습니다"):
        data.load_fashion_mnist(tmp_path)


def test_unreadable_file(tmp_path, raw):
    write(tmp_path, raw)
    (tmp_path / FIRST).unlink()
    (tmp_path / FIRST).mkdir()
    with pytest.raises(data.DataError, match="읽을 수 없습니다"):
        data.load_fashion_mnist(tmp_path)


def test_negative_padding():
    with pytest.raises(ValueError, match="`padding`: 0 이상"):
        data.load_fashion_mnist(padding=-1)


@pytest.fixture
def mirror(tmp_path, raw, monkeypatch):
    """내려받기 주소를 이 컴퓨터의 폴더로 바꾼다."""
    folder = write(tmp_path / "mirror", raw, suffix=".gz")
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"{folder.as_uri()}/"])
    return folder


def test_download_fills_the_cache_once(empty_cache, mirror, raw, capsys):
    assert data.read_verified() == raw
    assert sorted(path.name for path in empty_cache.iterdir()) == sorted(f"{n}.gz" for n in raw)
    shutil.rmtree(mirror)
    assert data.read_verified() == raw
    assert capsys.readouterr() == ("", "")


def test_damaged_cache_is_replaced(empty_cache, mirror, raw):
    write(empty_cache, {FIRST: raw[FIRST][:1000]}, suffix=".gz")
    assert data.read_verified() == raw


def test_second_mirror_is_tried(empty_cache, mirror, raw, monkeypatch, tmp_path):
    nowhere = (tmp_path / "gone").as_uri()
    monkeypatch.setattr(FashionMNIST, "mirrors", [nowhere, *FashionMNIST.mirrors])
    assert data.read_anywhere(FIRST) == raw[FIRST]


@pytest.mark.parametrize("content", [b"", b"<html>", gzip.compress(b"half", mtime=0)[:-8]])
def test_bad_download_leaves_nothing(empty_cache, mirror, content):
    (mirror / f"{FIRST}.gz").write_bytes(content)
    with pytest.raises(
        data.DataError, match=r"내려받지 못했습니다.*apt install dataset-fashion-mnist"
    ):
        data.read_anywhere(FIRST)
    assert list(empty_cache.iterdir()) == []


def test_interrupted_write_leaves_nothing(tmp_path):
    def interrupted():
        with data.complete_file(tmp_path / "file") as partial:
            partial.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_torchvision_root_mends_a_cut_file(empty_cache, mirror, raw):
    write(empty_cache, {FIRST: raw[FIRST][:50]})
    root = data.torchvision_root()
    assert (root / "FashionMNIST" / "raw" / FIRST).read_bytes() == raw[FIRST]
    assert len(FashionMNIST(root, train=True)) == 60_000


@pytest.mark.parametrize(
    ("progress", "ci", "shown"),
    [(None, None, True), ("1", None, True), ("0", None, False), (None, "true", False)],
)
def test_progress_bar_stays_out_of_recorded_runs(monkeypatch, progress, ci, shown):
    for name, value in (("CNN_LECTURES_PROGRESS", progress), ("CI", ci)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    assert data.show_progress() is shown


@pytest.mark.parametrize("shuffle", [False, True])
def test_batch_loader_gives_every_image_once_in_batches(shuffle):
    split = data.Split(torch.arange(10.0).view(10, 1, 1, 1), torch.arange(10))
    loader = data.batch_loader(split, 4, shuffle=shuffle)
    torch.manual_seed(0)
    first, second = (list(loader) for _ in range(2))
    assert len(loader) == len(first) == 3
    assert [len(labels) for _, labels in first] == [4, 4, 2]
    assert all(torch.equal(images.flatten().long(), labels) for images, labels in first + second)
    orders = [torch.cat([labels for _, labels in epoch]).tolist() for epoch in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert (orders[0] == list(range(10))) is not shuffle
    assert (orders[0] == orders[1]) is not shuffle


def test_batch_loader_explains_wrong_batch_size():
    with pytest.raises(ValueError, match="`batch_size`: 1 이상"):
        data.batch_loader(data.Split(torch.zeros(1, 1, 1, 1), torch.zeros(1)), 0)
