"""노트북과 책에 내보일 것: 층별 표와 패키지의 소스."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_lectures import _checks

if TYPE_CHECKING:
    from torch import nn

PACKAGE_ROOT = Path(__file__).parents[1]


class Summary:
    """torchinfo가 만든 표. 노트북에서 마지막 식으로 두면 표가 나온다.

    Attributes
    ----------
    statistics : torchinfo의 `ModelStatistics`. `total_params` 같은 수를 담고 있다.
    """

    def __init__(self, statistics):
        self.statistics = statistics

    def __repr__(self) -> str:
        from torchinfo.enums import Units

        # torchinfo 1.8은 Python 3.11부터 단위를 'Units.MEGABYTES'로 찍는다. 'M'으로 되돌린다.
        text = re.sub(r"Units\.(\w+)", lambda unit: Units[unit[1]].value, str(self.statistics))
        return "\n".join(line.rstrip() for line in text.splitlines())


def summary(model: nn.Module, input_size: tuple[int, ...], *, depth: int = 3) -> Summary:
    """모형의 층별 출력 크기, 매개변수 수, 곱셈-누산 수를 표로 만든다.

    모형이 놓인 장치에서 추론 모드로 한 번 계산하며, 모형의 장치와 학습 상태는 바꾸지 않는다.

    Parameters
    ----------
    model : 살펴볼 모형
    input_size : 입력의 모양 (N, C, H, W)
    depth : 몇 겹까지 펼쳐 보일지

    Returns
    -------
    Summary
        torchinfo의 수는 `.statistics`로 꺼낸다.

    References
    ----------
    torchinfo의 mult-adds는 편향도 세므로 이 책의 곱셈-누산 수보다 조금 크다.
    """
    from torchinfo import summary as torchinfo_summary

    device = next(model.parameters()).device
    modes = {module: module.training for module in model.modules()}
    statistics = torchinfo_summary(
        model,
        input_size=input_size,
        depth=depth,
        device=device,
        mode="eval",
        verbose=0,
    )
    for module, training in modes.items():
        module.training = training  # torchinfo는 맨 바깥 모듈의 상태만 되돌린다
    return Summary(statistics)


class Source:
    """패키지의 소스 한 토막. 책에서는 강조된 목록으로, 터미널에서는 글로 나온다."""

    def __init__(self, code: str):
        self.code = code

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"````python\n{self.code}\n````"


def show_source(*objects) -> Source:
    """클래스나 함수의 소스를 파일 이름과 함께 보여 준다.

    Parameters
    ----------
    *objects : 클래스, 함수, 메서드. 여럿이면 차례로 이어 붙인다.

    Raises
    ------
    TypeError
        소스를 찾을 수 없는 값일 때.
    """
    listings, shown = [], None
    for item in objects:
        try:
            path = Path(inspect.getsourcefile(item)).resolve()
        except TypeError:
            rule = "소스가 있는 클래스나 함수여야 합니다"
            raise _checks.error("objects", rule, item, TypeError) from None
        header = "" if path == shown else f"# {path.relative_to(PACKAGE_ROOT).as_posix()}\n"
        listings.append(header + textwrap.dedent(inspect.getsource(item)).rstrip())
        shown = path
    return Source("\n\n\n".join(listings))
