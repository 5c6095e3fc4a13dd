"""장마다의 연습 문제와, 독자의 답을 채점하는 `check`.

문제의 글, 정답, 흔한 틀린 답과 그 힌트가 장마다 한 파일에 있다. 노트북의 문제, 쪽 안의 퀴즈,
Moodle로 내보낸 것이 모두 이 파일들에서 나온다. 문제의 이름은 `lenet-3`처럼 파일 이름과 차례이다.

>>> from cnn_lectures.exercises import check
>>> check("convolution-2", (31, 1))
❌ `convolution-2`: 아직 아닙니다. 나눈 몫에 **1을 더하는 것**을 잊었습니다.
"""

from functools import cache
from importlib import import_module

from cnn_lectures import _checks
from cnn_lectures.exercises._kinds import Exercise, Verdict

__all__ = ["CHAPTERS", "check", "exercise", "exercises", "grade"]

CHAPTERS = (
    "convolution",
    "lenet",
    "pooling",
    "activation",
    "local_response_norm",
    "alexnet",
    "vgg",
    "nin",
    "googlenet",
    "batch_norm",
    "resnet",
    "densenet",
    "comparison",
    "numpy_network",
)


@cache
def exercises(chapter: str) -> dict[str, Exercise]:
    """한 장의 연습 문제를 {이름: 문제}로 돌려준다.

    Raises
    ------
    ValueError
        `CHAPTERS`에 없는 장일 때.
    """
    if chapter not in CHAPTERS:
        raise _checks.error("chapter", f"{', '.join(CHAPTERS)} 가운데 하나여야 합니다", chapter)
    module = import_module(f"{__name__}.{chapter}")
    names = (f"{chapter}-{i}" for i, _ in enumerate(module.EXERCISES, start=1))
    return {name: item.named(name) for name, item in zip(names, module.EXERCISES, strict=True)}


def exercise(name: str) -> Exercise:
    """이름이 `name`인 연습 문제. 노트북에서 마지막 식으로 두면 문제가 보인다.

    Parameters
    ----------
    name : `lenet-3`처럼 장과 번호

    Raises
    ------
    ValueError
        그런 문제가 없을 때. 있는 번호를 알려 준다.
    """
    chapter = str(name).rpartition("-")[0]
    if chapter not in CHAPTERS:
        rule = f"'장-번호'여야 하고 장은 {', '.join(CHAPTERS)} 가운데 하나여야 합니다"
        raise _checks.error("name", rule, name)
    found = exercises(chapter)
    if name not in found:
        rule = f"{chapter}의 번호는 1 이상 {len(found)} 이하여야 합니다"
        raise _checks.error("name", rule, name)
    return found[name]


def grade(name: str, answer: object) -> Verdict:
    """`answer`를 채점한 결과를 돌려준다. 틀린 답과 오류는 예외가 아니라 결과에 담긴다.

    Parameters
    ----------
    name : `lenet-3`처럼 장과 번호
    answer : 문제가 묻는 수, 수의 목록, 배열, 함수 또는 모듈

    Raises
    ------
    ValueError
        그런 문제가 없을 때.
    """
    return exercise(name).grade(answer)


def check(name: str, answer: object) -> None:
    """`answer`를 채점하여 ✅ 또는 ❌와 힌트를 보인다. 인자는 `grade`와 같다."""
    grade(name, answer).show()
