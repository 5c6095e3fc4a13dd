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
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
    chosen = folder or os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:  # 사용자가 고른 폴더가 잘못되었으면 다른 곳을 뒤지지 않고 알린다.
        return {name: verified(name, find(name, Path(chosen).expanduser())) for name in FILES}
    return {name: read_anywhere(name) for name in FILES}


def read_anywhere(name: str) -> bytes:
    """캐시, 데비안 패키지, 내려받기의 차례로 `name`을 읽는다."""
    for place in (cache_folder(), DEBIAN_FOLDER):
        try:
            return verified(name, find(name, place))
        except DataError:
            continue  # 캐시가 상했으면 새로 받아 덮어쓴다.
    return verified(name, download(name))


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
        if path.suffix == ".gz":
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


def download(name: str) -> Path:
    """torchvision이 쓰는 주소에서 `name`.gz를 캐시에 내려받는다."""
    from torchvision.datasets import FashionMNIST

    path = cache_folder() / f"{name}.gz"
    problems = []
    for mirror in FashionMNIST.mirrors:
        url = f"{mirror.rstrip('/')}/{path.name}"
        try:
            with complete_file(path) as partial:
                torch.hub.download_url_to_file(url, str(partial), progress=show_progress())
                verified(name, partial)
            return path
        except (OSError, DataError) as problem:
            problems.append(f"{url}: {problem}")
    raise DataError(
        f"{path}: 내려받지 못했습니다 ({'; '.join(problems)}). 네트워크를 확인하거나, "
        f"네 파일({', '.join(FILES)})이 든 폴더를 {ENVIRONMENT_VARIABLE}에 적으십시오. "
        "데비안과 우분투에서는 `apt install dataset-fashion-mnist`로도 됩니다."
    )


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
