"""가중치 파일을 읽고, 확인하고, 모형에 옮긴다. 가중치를 디스크나 네트워크에서 읽는 곳은 여기뿐이다.

파일 속의 코드는 실행하지 않으며(`weights_only=True`), 옮기지 못한 텐서를 조용히 넘기는 일이 없다.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnn_lectures import _checks
from cnn_lectures.models import build_model
from cnn_lectures.models._common import choice

# torchvision이 사전 학습된 가중치를 내놓은 모형: (torchvision의 이름, 그 가중치에 맞는 인자)
PUBLISHED = {
    "alexnet_one_tower": ("alexnet", {}),
    "googlenet_bn": ("googlenet", {"aux_logits": True, "transform_input": True}),
} | {
    name: (name, {})
    for family, variants in {
        "vgg": ("11", "13", "16", "19", "11_bn", "13_bn", "16_bn", "19_bn"),
        "resnet": ("18", "34", "50", "101", "152"),
        "densenet": ("121", "161", "169", "201"),
    }.items()
    for name in (family + variant for variant in variants)
}


class CheckpointError(RuntimeError):
    """가중치를 쓸 수 없을 때. 어느 파일이, 왜, 다음에 무엇을 할지를 알린다."""


class Report(NamedTuple):
    """`restore`가 한 일.

    Attributes
    ----------
    loaded : 옮긴 텐서의 이름
    missing : `replace_head`에 들어 옮기지 않고 모형의 값을 그대로 둔 텐서의 이름
    unexpected : `replace_head`에 들어 버린, 파일에만 있는 텐서의 이름
    parameters : 옮긴 매개변수의 수(버퍼는 빼고 센다)
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    parameters: int

    def __str__(self) -> str:
        kept = f", 그대로 둔 텐서 {', '.join(self.missing)}" if self.missing else ""
        return f"옮긴 텐서 {len(self.loaded)}개(매개변수 {self.parameters:,}개){kept}"


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """`torch.save(model.state_dict(), path)`로 저장한 파일을 CPU로 읽는다.

    Raises
    ------
    CheckpointError
        파일이 없거나, 비었거나, 웹 페이지이거나, 깨졌거나, 텐서가 아닌 것이 들어 있을 때.
    """
    path = Path(path)
    again = "파일을 지우고 다시 받으십시오."
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip()
    except OSError as problem:
        cause = f"파일을 열 수 없습니다 ({problem.strerror})"
        raise CheckpointError(f"{path}: {cause}. 경로를 확인하십시오.") from None
    if not start:
        raise CheckpointError(f"{path}: 빈 파일입니다. {again}")
    if start.startswith(b"<"):
        cause = "가중치가 아니라 웹 페이지(HTML)입니다"
        raise CheckpointError(f"{path}: {cause}. 내려받은 주소를 확인하고 {again}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # 깨진 자리에 따라 온갖 예외가 난다. torch의 조언은 옮기지 않는다.
        blocked = re.search(r"GLOBAL ([\w.]+)", str(problem))
        if blocked:
            cause = f"텐서가 아닌 것({blocked[1]})이 들어 있어 읽지 않았습니다"
            step = "믿을 수 있는 곳에서 state_dict만 저장한 파일을 받으십시오."
            raise CheckpointError(f"{path}: {cause}. {step}") from None
        raise CheckpointError(f"{path}: 도중에 잘렸거나 가중치 파일이 아닙니다. {again}") from None
    if not isinstance(content, Mapping):
        found = type(content).__name__
    elif not all(isinstance(name, str) for name in content):
        found = "이름이 문자열이 아닌 사전"
    elif not all(isinstance(tensor, Tensor) for tensor in content.values()):
        others = [name for name, value in content.items() if not isinstance(value, Tensor)]
        found = f"텐서가 아닌 값({', '.join(others[:3])})을 담은 사전"
    else:
        return dict(content)
    step = "`torch.save(model.state_dict(), path)`로 저장한 파일을 쓰십시오."
    raise CheckpointError(f"{path}: 이름과 텐서의 사전이어야 하는데 {found}입니다. {step}")


def restore(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    *,
    replace_head: str | tuple[str, ...] | None = None,
) -> Report:
    """가중치를 모형에 옮긴다. 하나라도 맞지 않으면 아무것도 옮기지 않는다.

    torchvision의 옛 DenseNet 파일이 쓰는 이름(`norm.1`)도 알아본다.

    Parameters
    ----------
    model : 가중치를 받을 모형
    state_dict : 이름과 텐서의 사전
    replace_head : 새로 배울 층의 이름. 그 층은 파일의 값을 버리고 모형의 값을 그대로 둔다.

    Raises
    ------
    CheckpointError
        이름이나 모양이 모형과 다를 때.
    ValueError
        `replace_head`가 모형에 없는 층일 때.
    """
    heads = (replace_head,) if isinstance(replace_head, str) else tuple(replace_head or ())
    modules = [name for name, _ in model.named_modules() if name]
    prefixes = tuple(choice("replace_head", head, modules) + "." for head in heads)

    own = model.state_dict()
    given = {current_name(name): tensor for name, tensor in state_dict.items()}
    # 옛 파일에는 배치 수가 없다. 이동 평균의 비중이 정해져 있으면 쓰지 않는 수라 없어도 된다.
    expected = [name for name in own if name in given or not name.endswith("num_batches_tracked")]
    loaded = tuple(name for name in expected if not name.startswith(prefixes))
    unexpected = tuple(name for name in given if name not in own)

    missing = [name for name in loaded if name not in given]
    strangers = [name for name in unexpected if not name.startswith(prefixes)]
    different = [n for n in loaded if n in given and given[n].shape != own[n].shape]
    if missing or strangers or different:
        shapes = [f"{n} {tuple(given[n].shape)} -> {tuple(own[n].shape)}" for n in different]
        causes = [
            f"{title} {len(names)}개({', '.join(names[:3])}{', …' if names[3:] else ''})"
            for title, names in (
                ("파일에 없는 텐서", missing),
                ("모형에 없는 텐서", strangers),
                ("모양이 다른 텐서", shapes),
            )
            if names
        ]
        step = "어느 모형의 가중치인지 확인하십시오."
        layers = tuple(dict.fromkeys(name.rpartition(".")[0] for name in different))
        if not missing and not strangers and len(layers) <= 3:
            step = f"종류 수를 바꾸었으면 `replace_head={layers}`를 주십시오."
        kind = type(model).__name__
        raise CheckpointError(f"{kind}: 가중치가 맞지 않습니다. {', '.join(causes)}. {step}")

    model.load_state_dict(own | {name: given[name] for name in loaded})
    parameters = sum(p.numel() for name, p in model.named_parameters() if name in loaded)
    kept = tuple(name for name in own if name.startswith(prefixes))
    return Report(loaded, kept, unexpected, parameters)


def current_name(name: str) -> str:
    """torchvision이 내놓은 DenseNet 파일의 옛 이름 `norm.1`을 오늘의 이름 `norm1`로 바꾼다."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name)


def from_pretrained(
    name: str,
    path: str | Path,
    *,
    replace_head: str | tuple[str, ...] | None = None,
    **options,
) -> nn.Module:
    """`path`의 가중치를 읽은 모형을 추론 모드로 돌려준다.

    Parameters
    ----------
    name : `MODELS`의 열쇠
    path : 가중치 파일
    replace_head : 새로 배울 층의 이름
    **options : 모형의 키워드 인자. 종류를 바꿀 때는 `num_classes=10, replace_head="fc"`처럼 준다.

    Raises
    ------
    CheckpointError
        파일을 읽을 수 없거나 가중치가 모형과 다를 때.
    """
    state_dict = read_state_dict(path)
    model = build_model(name, **options)
    try:
        restore(model, state_dict, replace_head=replace_head)
    except CheckpointError as problem:
        raise CheckpointError(f"{path}: {problem}") from None
    return model.eval()


def pretrained(
    name: str, *, replace_head: str | tuple[str, ...] | None = None, **options
) -> nn.Module:
    """torchvision이 ImageNet으로 학습한 가중치를 읽은 모형을 추론 모드로 돌려준다.

    파일이 torch의 캐시에 없으면 내려받으며, 어느 쪽이든 파일 이름에 적힌 SHA-256을 확인한다.

    Parameters
    ----------
    name : `PUBLISHED`의 열쇠
    replace_head : 새로 배울 층의 이름
    **options : 모형의 키워드 인자

    Raises
    ------
    CheckpointError
        내려받지 못했거나, 파일이 상했거나, 가중치가 모형과 다를 때.
    """
    weights = published_weights(name)
    path = download(weights.url)
    return from_pretrained(name, path, replace_head=replace_head, **PUBLISHED[name][1] | options)


def published_weights(name: str):
    """torchvision의 가중치 정보. 논문의 학습법에 가까운 첫 판(IMAGENET1K_V1)을 쓴다."""
    from torchvision.models import get_model_weights

    return get_model_weights(PUBLISHED[choice("name", name, PUBLISHED)][0]).IMAGENET1K_V1


def download(url: str) -> Path:
    """`url`의 파일을 torch의 캐시에 두고 그 자리를 돌려준다. 이미 있으면 확인만 한다."""
    from cnn_lectures.data import show_progress

    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    digest = path.stem.rpartition("-")[2]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), digest, progress=show_progress())
        except (OSError, RuntimeError) as problem:
            raise CheckpointError(
                f"{path}: 내려받지 못했습니다 ({problem}). 네트워크를 확인하거나, 다른 곳에서 "
                f"{url} 파일을 받아 이 자리에 두십시오."
            ) from None
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digest):
        raise CheckpointError(
            f"{path}: SHA-256이 {found[:8]}…로, 이름의 {digest}와 다릅니다. 파일을 지우고 다시 "
            "실행하십시오."
        )
    return path


class Prediction(NamedTuple):
    """종류의 이름과 확률."""

    category: str
    probability: float


def predict(model: nn.Module, image, *, name: str, top: int = 5) -> list[Prediction]:
    """사진 한 장을 분류하여 확률이 높은 것부터 돌려준다. 전처리와 종류의 이름은 가중치를 따른다.

    Parameters
    ----------
    model : `pretrained(name)`이 돌려준 모형
    image : PIL 이미지, 또는 0 이상 255 이하의 정수이거나 0 이상 1 이하의 실수인 (3, H, W)
    name : `PUBLISHED`의 열쇠
    top : 돌려줄 종류의 수, 1 이상
    """
    weights = published_weights(name)
    categories = weights.meta["categories"]
    if isinstance(image, Tensor):
        if image.ndim != 3 or len(image) != 3:
            raise _checks.error("image", "모양이 (3, H, W)여야 합니다", tuple(image.shape))
    elif hasattr(image, "convert"):
        image = image.convert("RGB")  # 흑백이나 투명도가 있는 사진도 받는다
    else:
        raise _checks.error("image", "PIL 이미지나 텐서여야 합니다", type(image), TypeError)
    top = _checks.integer("top", top, minimum=1)

    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        logits = model(weights.transforms()(image)[None].to(device))[0]
    model.train(was_training)
    if len(logits) != len(categories):
        raise _checks.error("model", f"종류가 {len(categories)}개여야 합니다", len(logits))
    probabilities, indices = logits.softmax(dim=0).topk(min(top, len(categories)))
    return [
        Prediction(categories[index], probability)
        for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
    ]
