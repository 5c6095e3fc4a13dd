"""논문마다 한 파일씩의 모형과, 이름으로 모형을 만드는 표."""

from collections.abc import Callable
from difflib import get_close_matches

from torch import nn

from cnn_lectures import _checks
from cnn_lectures.models.lenet import LeNet5, LeNet5Original

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,
    "lenet5_original": LeNet5Original,
}


def build_model(name: str, **options) -> nn.Module:
    """이름으로 모형을 만든다.

    Parameters
    ----------
    name : `MODELS`의 열쇠
    **options : 그 모형의 키워드 인자

    Raises
    ------
    ValueError
        `MODELS`에 없는 이름일 때. 비슷한 이름을 알려 준다.
    """
    if name not in MODELS:
        near = get_close_matches(str(name).lower(), MODELS, n=3) or list(MODELS)
        raise _checks.error("name", f"{', '.join(near)} 가운데 하나여야 합니다", name)
    return MODELS[name](**options)
