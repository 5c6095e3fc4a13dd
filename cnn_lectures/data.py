"""Fashion-MNIST: 찾고, 확인하고, 없으면 내려받는다.

자료: Xiao, Rasul & Vollgraf (2017), arXiv:1708.07747. 28×28 흑백 옷 사진 70,000장(학습 60,000장,
시험 10,000장), 10종류. 어디에서 찾았든 압축을 푼 바이트의 SHA-256을 확인한 뒤에만 쓴다.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from tqdm import tqdm

from cnn_lectures import _checks

CLASS_NAMES = (
    "티셔츠", "바지", "풀오버", "드레스", "코트", "샌들", "셔츠", "운동화", "가방", "앵클부츠",
)  # fmt: skip

ENVIRONMENT_VARIABLE = "CNN_LECTURES_DATA"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # 패키지 dataset-fashion-mnist

# 이름: (압축을 푼 바이트의 SHA-256, 담긴 개수, 머리 바이트 수)
FILES = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 60_000, 16
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_000, 8
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 10_000, 16
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_000, 8
    ),
}  # fmt: skip


class DataError(RuntimeError):
    """자료를 쓸 수 없을 때. 어느 파일이, 왜, 다음에 무엇을 할지를 알린다."""


class Split(NamedTuple):
    """학습용 또는 시험용 한 벌.

    Attributes
    ----------
    images : (N, 1, H, W) float32, 0 이상 1 이하
    labels : (N,) int64, 0 이상 9 이하. 이름은 `CLASS_NAMES`에 있다.
    """

    images: Tensor
    labels: Tensor

    def take(self, count: int) -> "Split":
        """앞에서부터 `count`장만 남긴다."""
        return Split(self.images[:count], self.labels[:count])


def load_fashion_mnist(
    folder: str | Path | None = None, *, padding: int = 0
) -> tuple[Split, Split]:
    """Fashion-MNIST를 메모리에 올려 (학습, 시험)으로 돌려준다.

    `folder`, 환경 변수 `CNN_LECTURES_DATA`, 사용자 캐시, 데비안 패키지의 차례로 찾고, 아무 데도
    없으면 캐시에 내려받는다.

    Parameters
    ----------
    folder : 네 파일(.gz도 된다)이 든 폴더
    padding : 사방에 덧붙일 0의 폭. 2를 주면 LeNet-5가 받는 32×32가 된다.

    Raises
    ------
    DataError
        파일이 없거나, 읽을 수 없거나, 내용이 다를 때.
    """
    padding = _checks.integer("padding", padding, minimum=0)
    arrays = []
    for name, content in read_verified(folder).items():
        _, count, header = FILES[name]
        array = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header)
        if "images" in name:
            images = array.reshape(count, 1, 28, 28)
            arrays.append(F.pad(images, [padding] * 4).float().div_(255))
        else:
            arrays.append(array.long())
    return Split(*arrays[:2]), Split(*arrays[2:])


def batch_loader(split: Split, batch_size: int, *, shuffle: bool = False) -> DataLoader:
    """`split`을 묶음째 꺼내는 `DataLoader`. 이미지를 한 장씩 모으는 보통의 것보다 훨씬 빠르다.

    d2l의 `train_ch6`처럼 `DataLoader`를 받는 함수에 준다.

    Parameters
    ----------
    split : 메모리에 있는 한 벌
    batch_size : 미니배치의 크기, 1 이상. 마지막 미니배치는 더 작을 수 있다.
    shuffle : 에포크마다 순서를 torch의 난수로 섞을지
    """
    batch_size = _checks.integer("batch_size", batch_size, minimum=1)
    order = (RandomSampler if shuffle else SequentialSampler)(split.labels)
    sampler = BatchSampler(order, batch_size, drop_last=False)
    return DataLoader(TensorDataset(*split), sampler=sampler, batch_size=None)


def read_verified(folder: str | Path | None = None) -> dict[str, bytes]:
    """네 파일의 확인된 바이트를 `FILES`의 차례대로 돌려준다."""
    if chosen_folder(folder):  # 고른 폴더가 잘못되었으면 다른 곳을 뒤지지 않고 알린다.
        return {name: search(name, folder)[1] for name in FILES}
    return {name: read_anywhere(name) for name in FILES}


def chosen_folder(folder: str | Path | None = None) -> Path | None:
    """사용자가 인자나 환경 변수로 고른 폴더. 고르지 않았으면 None."""
    chosen = folder or os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen).expanduser() if chosen else None


def search(name: str, folder: str | Path | None = None) -> tuple[Path, bytes]:
    """고른 폴더, 없으면 캐시와 데비안 패키지에서 찾은 `name`의 (경로, 확인된 바이트)."""
    chosen = chosen_folder(folder)
    *others, last = (chosen,) if chosen else (cache_folder(), DEBIAN_FOLDER)
    for place in others:
        with suppress(DataError):
            path = find(name, place)
            return path, verified(name, path)
    path = find(name, last)
    return path, verified(name, path)


def read_anywhere(name: str) -> bytes:
    """캐시, 데비안 패키지, 내려받기의 차례로 `name`을 읽는다."""
    try:
        return search(name)[1]
    except DataError:
        return verified(name, download(name))  # 캐시가 상했으면 새로 받아 덮어쓴다.


def obtain(name: str, folder: str | Path | None = None) -> tuple[Path, bool]:
    """`name`을 찾고, 없으면 고른 폴더나 캐시에 내려받는다. (경로, 새로 받았는지)를 돌려준다.

    고른 폴더에 있는 파일이 상했으면 사용자의 것이므로 덮어쓰지 않고 `DataError`로 알린다.
    """
    chosen = chosen_folder(folder)
    try:
        path = find(name, chosen) if chosen else search(name)[0]
    except DataError:
        return download(name, chosen), True
    verified(name, path)
    return path, False


def find(name: str, folder: Path) -> Path:
    """`folder`와 그 아래 FashionMNIST/raw에서 `name` 또는 `name`.gz를 찾는다."""
    candidates = [
        place / (name + suffix)
        for place in (folder, folder / "FashionMNIST" / "raw")
        for suffix in ("", ".gz")
    ]
    for path in candidates:
        if path.exists():
            return path
    raise DataError(
        f"{folder / name}: 파일이 없습니다. 네 파일({', '.join(FILES)})을 이 폴더에 두거나, "
        f"{ENVIRONMENT_VARIABLE} 없이 실행하여 내려받으십시오."
    )


def verified(name: str, path: Path) -> bytes:
    """`path`를 읽어 압축을 풀고 SHA-256을 확인한다."""
    remedy = "이 파일을 지우고 다시 받으십시오."
    try:
        content = path.read_bytes()
        if ".gz" in path.suffixes:  # 받는 중인 것은 .gz.part이다.
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path}: 읽을 수 없습니다 ({problem}). {remedy}") from None
    digest, count, header = FILES[name]
    size = header + count * (28 * 28 if "images" in name else 1)
    if len(content) != size:
        raise DataError(
            f"{path}: 크기가 {size:,}바이트여야 하는데 {len(content):,}바이트입니다"
            f"({count:,}개가 들어 있어야 합니다). {remedy}"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise DataError(f"{path}: SHA-256이 {found[:12]}…로, {digest[:12]}…와 다릅니다. {remedy}")
    return content


def cache_folder() -> Path:
    """사용자 캐시 폴더. torchvision과 d2l이 아는 꼴(FashionMNIST/raw)로 쓴다."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "cnn_lectures" / "FashionMNIST" / "raw"


def torchvision_root(folder: str | Path | None = None) -> Path:
    """torchvision의 `FashionMNIST(root=…)`에 줄 폴더. 확인된 파일을 캐시에 풀어 둔다."""
    raw = cache_folder()
    for name, content in read_verified(folder).items():
        path = raw / name
        if not path.exists() or path.stat().st_size != len(content):
            with complete_file(path) as partial:
                partial.write_bytes(content)
    return raw.parents[1]


def download(name: str, folder: Path | None = None) -> Path:
    """torchvision이 쓰는 주소에서 `name`.gz를 `folder`(생략하면 캐시)에 내려받는다.

    도중에 끊기면 받은 만큼을 .part 파일로 남기고, 다음에 그 뒤부터 이어받는다.
    """
    from torchvision.datasets import FashionMNIST

    path = (folder or cache_folder()) / f"{name}.gz"
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    with one_at_a_time(path.parent):
        with suppress(DataError):  # 기다리는 동안 다른 프로세스가 받았을 수 있다.
            verified(name, path)
            return path
        for mirror in FashionMNIST.mirrors:
            url = f"{mirror.rstrip('/')}/{path.name}"
            try:
                receive_verified(url, name, part)
            except (OSError, HTTPException, DataError) as problem:
                problems.append(f"{url}: {problem}")
                continue
            os.replace(part, path)
            path.with_suffix("").unlink(missing_ok=True)  # 상한 것이 있으면 받은 것을 가린다.
            return path
    kept = "받은 만큼은 남겨 두었으니 다시 실행하면 이어받습니다. " if part.exists() else ""
    raise DataError(
        f"{path}: 내려받지 못했습니다 ({'; '.join(problems)}). {kept}네트워크를 확인하거나, "
        f"네 파일({', '.join(FILES)})이 든 폴더를 {ENVIRONMENT_VARIABLE}에 적으십시오. "
        "데비안과 우분투에서는 `apt install dataset-fashion-mnist`로도 됩니다."
    )


def receive_verified(url: str, name: str, part: Path) -> None:
    """`url`을 `part`에 받아 확인한다. 이어받은 것이 상했으면 지우고 처음부터 한 번 더 받는다."""
    resumed = receive(url, part)
    try:
        verified(name, part)
    except DataError:
        part.unlink()
        if not resumed:
            raise
        receive_verified(url, name, part)


def receive(url: str, part: Path) -> bool:
    """`url`을 `part`에 이어받고, 앞서 받은 것을 살렸는지를 돌려준다."""
    start = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urlopen(request, timeout=30)
    except HTTPError as problem:
        problem.close()
        if start and problem.code == 416:  # 이미 다 받았거나, 남은 것이 서버의 파일과 다르다.
            return True
        raise
    with response:
        if response.status != 206:  # 서버가 이어 주지 않으면 처음부터 받는다.
            start = 0
        length = response.headers["Content-Length"]
        total = start + int(length) if length else None
        bar = tqdm(
            desc=part.stem, initial=start, total=total, unit="B", unit_scale=True,
            leave=False, disable=not show_progress(),
        )  # fmt: skip
        with bar, part.open("ab" if start else "wb") as file:
            while chunk := response.read(2**16):
                file.write(chunk)
                bar.update(len(chunk))
            size = file.tell()
    if total is not None and size < total:
        raise ConnectionError(f"{total:,}바이트 가운데 {size:,}바이트만 받고 연결이 끊겼습니다")
    return start > 0


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """여러 프로세스가 `folder`에 함께 내려받지 않도록 기다린다. Windows에서는 기다리지 않는다."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # 잠글 수 없는 파일 시스템도 있다.
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """임시 파일에 다 쓴 뒤에야 `path`로 이름을 바꾼다. 도중에 끊기면 아무것도 남기지 않는다."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder:
        partial = Path(folder, path.name)
        yield partial
        os.replace(partial, path)


def show_progress() -> bool:
    """진행 막대를 보일지. 저장되는 출력에 섞이지 않도록 자동 실행에서는 끈다."""
    return os.environ.get("CNN_LECTURES_PROGRESS", "1") != "0" and not os.environ.get("CI")
