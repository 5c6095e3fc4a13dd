"""Fashion-MNIST를 찾고 확인하는 일. 진짜 자료(데비안 패키지 또는 캐시)를 쓴다."""

import gzip
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_socket
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


LABELS = "t10k-labels-idx1-ubyte"
CUT = 2000


@pytest.fixture
def server(no_network, empty_cache, raw, monkeypatch):
    """네 파일을 내주는, 이 컴퓨터 안의 진짜 HTTP 서버.

    `ranges`는 이어 주는지, `cut`은 몇 바이트를 보내고 연결을 끊을지이다. `asked`에 요청이 남는다.
    """
    pytest_socket.enable_socket()
    monkeypatch.setenv("no_proxy", "*")
    files = {LABELS: gzip.compress(raw[LABELS], mtime=0)}
    state = SimpleNamespace(ranges=True, cut=None, asked=[], files=files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers["Range"]
            state.asked.append(wanted)
            content = state.files.get(self.path.strip("/").removesuffix(".gz"))
            if content is None:
                self.send_error(404)
                return
            start = int(wanted[6:-1]) if wanted and state.ranges else 0
            if wanted and state.ranges and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : state.cut])

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{running.server_port}/"])
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


def part_of(folder: Path) -> Path:
    return folder / f"{LABELS}.gz.part"


def test_download_over_http(server, empty_cache, raw):
    path = data.download(LABELS)
    assert data.verified(LABELS, path) == raw[LABELS]
    assert server.asked == [None]
    assert list(empty_cache.iterdir()) == [path]


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_download_is_resumed(server, empty_cache, raw, ranges):
    server.cut = CUT
    size = len(server.files[LABELS])
    message = rf"{size:,}바이트 가운데 2,000바이트만 받고 .*다시 실행하면 이어받습니다"
    with pytest.raises(data.DataError, match=message):
        data.read_anywhere(LABELS)
    assert list(empty_cache.iterdir()) == [part_of(empty_cache)]
    assert part_of(empty_cache).read_bytes() == server.files[LABELS][:CUT]

    server.cut, server.ranges = None, ranges
    assert data.read_anywhere(LABELS) == raw[LABELS]
    assert server.asked == [None, f"bytes={CUT}-"]
    assert [path.name for path in empty_cache.iterdir()] == [f"{LABELS}.gz"]


def test_resumed_twice(server, empty_cache, raw):
    for cut in (CUT, 2 * CUT):
        server.cut = cut
        with pytest.raises(data.DataError, match="이어받습니다"):
            data.download(LABELS)
        assert part_of(empty_cache).stat().st_size == cut
    server.cut = None
    assert data.read_anywhere(LABELS) == raw[LABELS]
    assert server.asked[-1] == f"bytes={2 * CUT}-"


@pytest.mark.parametrize("length", [CUT, 100_000])
def test_strange_partial_file_is_received_anew_once(server, empty_cache, raw, length):
    empty_cache.mkdir(parents=True)
    part_of(empty_cache).write_bytes(b"x" * length)
    assert data.read_anywhere(LABELS) == raw[LABELS]
    assert server.asked == [f"bytes={length}-", None]


def test_strange_partial_file_and_strange_server(server, empty_cache):
    empty_cache.mkdir(parents=True)
    part_of(empty_cache).write_bytes(b"x" * CUT)
    server.files[LABELS] = b"y" * 2 * CUT
    with pytest.raises(data.DataError, match="내려받지 못했습니다") as caught:
        data.download(LABELS)
    assert "이어받습니다" not in str(caught.value)
    assert server.asked == [f"bytes={CUT}-", None]
    assert list(empty_cache.iterdir()) == []


def test_complete_partial_file_needs_nothing_more(server, empty_cache, raw):
    empty_cache.mkdir(parents=True)
    part_of(empty_cache).write_bytes(server.files[LABELS])
    assert data.read_anywhere(LABELS) == raw[LABELS]
    assert server.asked == [f"bytes={len(server.files[LABELS])}-"]


def test_stopped_by_the_user_and_resumed(server, empty_cache, raw, monkeypatch):
    class Stopped(data.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data, "tqdm", Stopped)
        with pytest.raises(KeyboardInterrupt):
            data.download(LABELS)
    assert list(empty_cache.iterdir()) == [part_of(empty_cache)]
    assert data.read_anywhere(LABELS) == raw[LABELS]


def test_missing_on_the_server(server, empty_cache):
    with pytest.raises(data.DataError, match="404"):
        data.download("train-labels-idx1-ubyte")
    assert list(empty_cache.iterdir()) == []


def test_two_downloads_at_once_ask_the_server_once(server, empty_cache):
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(data.download, [LABELS] * 2))
    assert paths == [empty_cache / f"{LABELS}.gz"] * 2
    assert server.asked == [None]


def test_damaged_plain_file_in_the_cache_does_not_hide_the_new_one(server, empty_cache, raw):
    write(empty_cache, {LABELS: raw[LABELS][:50]})
    assert data.read_anywhere(LABELS) == raw[LABELS]
    assert data.search(LABELS) == (empty_cache / f"{LABELS}.gz", raw[LABELS])
    assert server.asked == [None]


def test_download_shows_progress_when_asked(server, monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("CNN_LECTURES_PROGRESS", "1")
    data.download(LABELS)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{LABELS}.gz: " in err
    assert "5.12k" in err


def test_obtain_fills_the_chosen_folder(server, empty_cache, tmp_path, raw):
    path, new = data.obtain(LABELS, tmp_path / "usb")
    assert path == tmp_path / "usb" / f"{LABELS}.gz"
    assert new
    assert data.obtain(LABELS, tmp_path / "usb") == (path, False)
    assert data.verified(LABELS, path) == raw[LABELS]
    assert server.asked == [None]
    assert not empty_cache.exists()


def test_obtain_does_not_replace_a_damaged_file_of_the_user(server, tmp_path, raw):
    path = write(tmp_path / "mine", {LABELS: raw[LABELS][:50]}) / LABELS
    with pytest.raises(data.DataError, match="다시 받으십시오"):
        data.obtain(LABELS, path.parent)
    assert path.read_bytes() == raw[LABELS][:50]
    assert server.asked == []


def test_obtain_uses_what_is_already_there(server, empty_cache, raw):
    write(empty_cache, raw)
    assert data.obtain(LABELS) == (empty_cache / LABELS, False)
    assert server.asked == []
