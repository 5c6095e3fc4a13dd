"""연습 문제의 네 종류와 채점.

`Number`는 손으로 구하는 수, `Choice`는 고르는 문제, `Function`은 숨은 입력으로 시험하는 코드,
`Design`은 항목마다 채점하는 설계이다. 힌트는 오해의 이름을 말하되 답을 말하지 않는다.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from cnn_lectures.exercises._reader import (
    UnreadableError,
    as_numbers,
    describe_call,
    describe_error,
    limited,
)

LEVELS = {1: "쉬움", 2: "보통", 3: "어려움"}
MIME = "application/vnd.cnn-lectures.exercise+json"


@dataclass(frozen=True)
class Verdict:
    """채점한 결과.

    Attributes
    ----------
    name : 문제의 이름
    correct : 맞았으면 True, 틀렸으면 False, 아직 답하지 않았으면 None
    message : 힌트나 설명(Markdown). 틀렸을 때에는 답이 들어 있지 않다.
    """

    name: str
    correct: bool | None
    message: str

    def __str__(self) -> str:
        mark = {True: "✅", False: "❌", None: "⬜"}[self.correct]
        return f"{mark} `{self.name}`: {self.message}"

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return str(self)

    def show(self) -> None:
        """Jupyter에서는 꾸민 글로, 그 밖에서는 보통 글로 보인다."""
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if hasattr(shell, "kernel"):  # 터미널의 IPython은 꾸민 글을 보이지 못한다
            from IPython.display import display

            return display(self)
        text = str(self)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:  # 한국어 Windows의 콘솔에는 ✅가 없다
            text = text.replace("✅", "[O]").replace("❌", "[X]").replace("⬜", "[ ]")
            text = text.encode(encoding, "replace").decode(encoding)
        return print(text)


@dataclass(frozen=True)
class Mistake:
    """흔한 틀린 답 하나.

    Attributes
    ----------
    answer : 그 오해로 얻는 답. 코드 문제이면 그 오해대로 쓴 함수, 설계이면 그런 모듈을 만드는 함수
    hint : 오해가 무엇인지 말하는 글. 답은 말하지 않는다.
    """

    answer: Any
    hint: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """연습 문제 하나.

    Attributes
    ----------
    question : 문제(Markdown). 수식은 $…$로 적고 책의 다른 곳을 가리키지 않는다.
    hint : 답하기 전에 펴 볼 수 있는 힌트
    explanation : 맞힌 뒤에 보일 풀이
    level : 1 쉬움, 2 보통, 3 어려움
    minutes : 걸릴 시간(분)
    """

    question: str
    hint: str
    explanation: str
    level: int
    minutes: int
    name: str = ""
    kind: ClassVar[str]

    def named(self, name: str) -> Exercise:
        """이름이 붙은 같은 문제."""
        return replace(self, name=name)

    @property
    def heading(self) -> str:
        """번호와 종류, 난이도, 시간."""
        number = self.name.rpartition("-")[2]
        return (
            f"**{number}.** {self.kind} · {LEVELS[self.level]} · {self.minutes}분 · `{self.name}`"
        )

    def body(self) -> str:
        """문제의 글. 고르는 문제는 보기까지, 설계 문제는 채점 항목까지."""
        return self.question

    def key(self) -> dict | None:
        """쪽 안의 퀴즈가 채점하는 데 쓸 것. 커널이 있어야 하는 문제이면 None."""
        return None

    def grade(self, answer: object) -> Verdict:
        """`answer`를 채점한다."""
        if answer is ...:
            return Verdict(
                self.name,
                None,
                "아직 답이 없습니다. `...`을 답으로 바꾸고 이 칸을 다시 실행하십시오.",
            )
        try:
            problem = self.problem(answer)
        except UnreadableError as message:
            problem = str(message)
        if problem is None:
            return Verdict(
                self.name, None, "아직 답이 없습니다. 함수를 마저 쓰고 다시 실행하십시오."
            )
        if problem:
            return Verdict(self.name, False, f"아직 아닙니다. {problem}")
        return self.solved()

    def solved(self) -> Verdict:
        """맞은 답에 할 말."""
        return Verdict(self.name, True, f"맞았습니다.\n\n{self.explanation}")

    def problem(self, answer: object) -> str | None:
        """틀린 까닭. 맞았으면 빈 글, 아직 쓰지 않은 답이면 None."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.heading}\n\n{self.body()}\n\n힌트: {self.hint}"

    __repr__ = __str__

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        details = f"<details><summary>힌트</summary>\n\n{self.hint}\n\n</details>"
        return {
            "text/plain": str(self),
            "text/markdown": f"{self.heading}\n\n{self.body()}\n\n{details}",
            MIME: {"name": self.name, "key": self.key()},
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Number(Exercise):
    """수 하나 또는 수의 목록(배열)을 묻는 문제.

    Attributes
    ----------
    answer : 정답을 계산하는 함수. 정답을 적지 않고 패키지나 식으로 구한다.
    mistakes : 흔한 틀린 답. `answer`는 수이거나 수를 계산하는 함수
    tolerance : 반올림한 답을 받아 줄 폭. 정수이면 0
    relative : 유효 숫자로 묻는 문제에서 더 받아 줄 폭을 답의 크기로 나눈 것
    """

    answer: Callable[[], Any]
    mistakes: tuple[Mistake, ...]
    tolerance: float = 0.0
    relative: float = 1e-9
    kind: ClassVar[str] = "손 계산"

    @cached_property
    def expected(self) -> np.ndarray:
        """정답."""
        return as_numbers(self.answer())

    @cached_property
    def wrong_answers(self) -> list[np.ndarray]:
        """흔한 틀린 답들. 모양은 정답과 같다."""
        values = (m.answer() if callable(m.answer) else m.answer for m in self.mistakes)
        return [as_numbers(value).reshape(self.expected.shape) for value in values]

    def equal(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """같은 수로 볼 것인지를 칸마다."""
        return abs(left - right) <= self.tolerance + self.relative * abs(right)

    def problem(self, answer: object) -> str:
        """흔한 틀린 답과 같으면 그 힌트를, 아니면 몇째 수가 다른지를 말한다."""
        given, expected = as_numbers(answer).squeeze(), self.expected.squeeze()
        if given.size == expected.size and 1 in (given.ndim, expected.ndim):
            given = given.reshape(expected.shape)  # 한 줄로 펴 적은 것도 받는다
        if given.shape != expected.shape:
            return shape_problem(given, expected)
        right = self.equal(given, expected)
        if right.all():
            return ""
        for mistake, wrong in zip(self.mistakes, self.wrong_answers, strict=True):
            if self.equal(given, wrong.squeeze()).all():
                return mistake.hint
        if expected.size > 1:
            places = ", ".join(str(i + 1) for i in np.flatnonzero(~right.ravel()))
            return f"차례로 세어 {places}번째 수가 다릅니다. {self.hint}"
        return self.hint

    def key(self) -> dict:
        """정답과 흔한 틀린 답을 한 줄로 편 것. 노트북에 저장되므로 CPU마다 다른 끝자리는 버린다."""

        def flat(values: np.ndarray) -> list[float]:
            return [float(f"{value:.12g}") for value in values.ravel()]

        wrong = zip(self.mistakes, self.wrong_answers, strict=True)
        return {
            "kind": "numbers",
            "answer": flat(self.expected),
            "tolerance": self.tolerance,
            "relative": self.relative,
            "mistakes": [{"answer": flat(a), "hint": m.hint} for m, a in wrong],
        }


def shape_problem(given: np.ndarray, expected: np.ndarray) -> str:
    """수의 개수나 배열의 모양이 다를 때 할 말."""
    if expected.ndim == 0:
        return f"수 하나로 답하십시오 (받은 값: 수 {given.size}개)."
    if expected.ndim == 1 and given.ndim <= 1:
        return f"수 {expected.size}개를 차례로 적으십시오 (받은 값: {given.size}개)."
    return f"모양이 {expected.shape}이어야 합니다 (받은 값: {given.shape})."


@dataclass(frozen=True, kw_only=True, repr=False)
class Choice(Exercise):
    """보기에서 하나를 고르는 문제. 1부터 센 번호로 답한다.

    Attributes
    ----------
    right : 맞는 보기
    mistakes : 틀린 보기(`answer`)와 그것을 고른 이에게 할 말(`hint`)
    place : 맞는 보기를 몇째에 둘지, 1부터 센다.
    """

    right: str
    mistakes: tuple[Mistake, ...]
    place: int
    kind: ClassVar[str] = "고르기"

    def options(self) -> list[str]:
        """보이는 차례대로의 보기."""
        options = [mistake.answer for mistake in self.mistakes]
        options.insert(self.place - 1, self.right)
        return options

    def hints(self) -> list[str]:
        """보기마다 할 말. 맞는 보기는 빈 글."""
        hints = [mistake.hint for mistake in self.mistakes]
        hints.insert(self.place - 1, "")
        return hints

    def body(self) -> str:
        """문제와 번호를 붙인 보기."""
        listed = "\n".join(f"{i}. {text}" for i, text in enumerate(self.options(), start=1))
        return f"{self.question}\n\n{listed}"

    def problem(self, answer: object) -> str:
        """고른 보기에 할 말."""
        given, count = as_numbers(answer).squeeze(), len(self.options())
        if given.ndim or given not in range(1, count + 1):
            return f"1에서 {count}까지의 번호 하나로 답하십시오 (받은 값: {answer!r})."
        return self.hints()[int(given) - 1]

    def key(self) -> dict:
        """맞는 번호와 보기마다 할 말."""
        return {
            "kind": "choice",
            "answer": self.place,
            "hints": self.hints(),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Function(Exercise):
    """함수를 쓰는 문제. 숨은 입력마다 `oracle`과 같은 값을 돌려주어야 한다.

    Attributes
    ----------
    oracle : 정답 함수
    inputs : 위치 인자의 튜플을 차례로 만드는 함수. 부를 때마다 같은 값을 새로 만든다.
    mistakes : 흔한 오해대로 쓴 함수와 그 힌트
    rtol, atol : 같은 수로 볼 상대 오차와 절대 오차
    seconds : 입력 하나에 기다려 줄 시간(초)
    """

    oracle: Callable
    inputs: Callable[[], Sequence[tuple]]
    mistakes: tuple[Mistake, ...]
    rtol: float = 1e-5
    atol: float = 1e-6
    seconds: float = 3.0
    kind: ClassVar[str] = "코드"

    def problem(self, answer: object) -> str | None:
        """입력을 차례로 넣어 보고, 틀리면 흔한 오해 가운데 같은 값을 내는 것을 찾는다."""
        if not callable(answer):
            return f"함수로 답하십시오 (받은 값: {type(answer).__name__})."
        values, first = [], ""
        for number, arguments in enumerate(self.inputs()):
            call = describe_call(self.inputs()[number])  # 답이 인자를 고쳐 쓸 수 있다
            value, problem = self.value(answer, arguments, call)
            if value is None:
                return problem
            right = as_numbers(self.oracle(*self.inputs()[number]))
            first = first or self.difference(value, right, call)
            values.append(value)
        if not first:
            return ""
        hints = (m.hint for m in self.mistakes if self.agrees(m.answer, values))
        return f"{first} {next(hints, self.hint)}"

    def difference(self, value: np.ndarray, right: np.ndarray, call: str) -> str:
        """값이 어떻게 다른지. 같으면 빈 글."""
        if value.shape != right.shape:
            return f"{call}의 값은 모양이 {right.shape}이어야 합니다 (받은 값: {value.shape})."
        if not np.isfinite(value).all():
            return f"{call}의 값에 NaN이나 무한대가 들어 있습니다."
        if not self.equal(value, right):
            return f"{call}에서 다른 값을 돌려줍니다 (받은 값: {shown(value)})."
        return ""

    def value(self, answer: Callable, arguments: tuple, call: str):
        """(돌려준 값, 문제). 아직 쓰지 않은 함수(None을 돌려준다)이면 문제가 None이다."""
        try:
            result = limited(answer, arguments, seconds=self.seconds)
        except TimeoutError:
            return None, (
                f"{call}에서 {self.seconds:g}초 안에 끝나지 않았습니다. "
                "끝나지 않는 반복이 있는지 보십시오."
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return None, f"{call}에서 오류가 났습니다: {describe_error(error)}"
        if result is None:
            return None, None
        try:
            return as_numbers(result, finite=False), ""
        except UnreadableError as message:
            return None, f"{call}의 값을 읽을 수 없습니다. {message}"

    def equal(self, left: np.ndarray, right: np.ndarray) -> bool:
        """모양과 값이 같은지."""
        return left.shape == right.shape and np.allclose(
            left, right, self.rtol, self.atol, equal_nan=True
        )

    def agrees(self, wrong: Callable, values: list[np.ndarray]) -> bool:
        """`wrong`이 모든 입력에서 `values`와 같은 값을 내는지."""
        try:
            return all(
                self.equal(as_numbers(wrong(*arguments), finite=False), value)
                for arguments, value in zip(self.inputs(), values, strict=True)
            )
        except Exception:  # 어떤 입력에서는 오류가 나는 오해도 있다
            return False


def shown(value: np.ndarray) -> str:
    """오류 글에 넣을 짧은 값."""
    if value.size > 9:
        return f"모양 {value.shape}의 배열"
    return str(np.round(value, 6).tolist())


@dataclass(frozen=True)
class Criterion:
    """설계의 채점 항목 하나.

    Attributes
    ----------
    text : 항목
    met : 모듈을 받아 항목을 채웠는지 돌려주는 함수. 오류가 나면 채우지 못한 것으로 본다.
    hint : 채우지 못했을 때 할 말
    """

    text: str
    met: Callable[[Any], bool]
    hint: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Design(Exercise):
    """모듈을 설계하는 문제. 항목을 모두 채우면 맞는다.

    Attributes
    ----------
    rubric : 채점 항목
    example : 모든 항목을 채우는 모듈을 만드는 함수
    mistakes : 흔한 잘못된 설계를 만드는 함수. `hint`는 걸리는 항목의 `hint`와 같다.
    seconds : 항목 하나에 기다려 줄 시간(초)
    """

    rubric: tuple[Criterion, ...]
    example: Callable[[], Any]
    mistakes: tuple[Mistake, ...] = field(default=())
    seconds: float = 10.0
    kind: ClassVar[str] = "설계"

    def body(self) -> str:
        """문제와 채점 항목."""
        listed = "\n".join(f"- {criterion.text}" for criterion in self.rubric)
        return f"{self.question}\n\n채점 항목:\n\n{listed}"

    def problem(self, answer: object) -> str:
        """채운 항목과 채우지 못한 항목을 말한다."""
        from torch import nn

        from cnn_lectures.train import one_thread

        if isinstance(answer, type):
            return f"클래스가 아니라 객체로 답하십시오. `{answer.__name__}()`처럼 괄호를 붙입니다."
        if not isinstance(answer, nn.Module):
            return f"`nn.Module`로 답하십시오 (받은 값: {type(answer).__name__})."
        if any(map(nn.parameter.is_lazy, (*answer.parameters(), *answer.buffers()))):
            return (
                "크기가 아직 정해지지 않은 `nn.Lazy…` 층이 있습니다. "
                "입력을 한 번 넣어 계산한 다음에 답하십시오."
            )
        lines, complete = [], True
        with one_thread():
            for criterion in self.rubric:
                problem = self.unmet(criterion, answer)
                complete = complete and not problem
                line = f"❌ {criterion.text}: {problem}" if problem else f"✅ {criterion.text}"
                lines.append(f"- {line}")
        return "" if complete else "\n\n" + "\n".join(lines)

    def unmet(self, criterion: Criterion, answer: Any) -> str:
        """항목 하나를 채우지 못한 까닭. 채웠으면 빈 글."""
        try:
            # 채점하다가 독자의 가중치, 이동 평균, 모드를 바꾸지 않도록 베낀 것을 CPU에서 쓴다
            model = deepcopy(answer).cpu().float()
            met = limited(criterion.met, (model,), seconds=self.seconds)
        except TimeoutError:
            return f"{self.seconds:g}초 안에 계산이 끝나지 않습니다."
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return f"오류가 났습니다({describe_error(error)}). {criterion.hint}"
        return "" if met else criterion.hint
