"""독자가 준 값을 읽고, 독자가 쓴 함수를 안전하게 부른다."""

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np


class UnreadableError(Exception):
    """답을 수로 읽을 수 없을 때. 글은 독자에게 그대로 보인다."""


class _TimeIsUp(BaseException):
    """시간이 다 되었음을 독자의 함수 안에서 알린다. `except Exception`에 잡히지 않는다."""


def as_numbers(value: Any, *, finite: bool = True) -> np.ndarray:
    """수, 목록, 튜플, 배열, 텐서를 float64 배열로 읽는다.

    Parameters
    ----------
    value : 독자가 준 값
    finite : NaN이나 무한대를 거절할지

    Raises
    ------
    UnreadableError
        글이나 참·거짓이거나, 비었거나, 줄의 길이가 서로 다를 때. `finite`이면 유한하지 않을 때도.
    """
    if value is None:
        raise UnreadableError(
            "`None`을 받았습니다. 함수가 `print`만 하고 `return`을 하지 않았을 수 있습니다."
        )
    if isinstance(value, str):
        raise UnreadableError(f"따옴표를 떼고 수로 답하십시오 (받은 값: {value!r}).")
    try:
        array = np.asarray(_without_tensors(value))
    except (TypeError, ValueError):
        raise UnreadableError("수의 목록은 줄마다 길이가 같아야 합니다.") from None
    if array.dtype == object:  # Fraction처럼 수로 바꿀 수 있는 것도 있다
        with suppress(TypeError, ValueError):
            array = array.astype(float)
    if array.dtype.kind not in "iuf":
        raise UnreadableError(f"수로 답하십시오 (받은 값의 형: {type(value).__name__}).")
    if array.size == 0:
        raise UnreadableError("답이 비어 있습니다.")
    array = array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        raise UnreadableError("NaN이나 무한대가 들어 있습니다.")
    return array


def _without_tensors(value: Any) -> Any:
    """텐서를 배열로 바꾼다. torch 없이도 손 계산 문제는 풀 수 있도록 이름으로 가린다."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if isinstance(value, list | tuple):
        return [_without_tensors(item) for item in value]
    return value


def describe_call(arguments: tuple) -> str:
    """`(7, 3, 2)`처럼 부른 인자를 짧게 적는다. 큰 배열은 모양만 적는다."""
    return "입력 `(" + ", ".join(map(_short, arguments)) + ")`"


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"모양 {tuple(value.shape)}의 {'텐서' if hasattr(value, 'detach') else '배열'}"
    if isinstance(value, list | tuple) and any(hasattr(item, "shape") for item in value):
        return f"[{', '.join(map(_short, value))}]"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def describe_error(error: BaseException) -> str:
    """`ValueError: …` 꼴의 한 줄."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 160 else f"{text[:157]}…"
    return f"`{type(error).__name__}`" + (f": {text}" if text else "")


def limited(function: Callable, arguments: tuple, *, seconds: float) -> Any:
    """`function`을 부르되 `seconds`초가 지나면 멈추게 하고 `TimeoutError`를 낸다.

    부른 스레드에 예외를 던져 멈추므로 운영 체제를 가리지 않고 노트북에서도 된다. 다만 파이썬으로
    돌아오지 않는 긴 계산 하나는 그 계산이 끝난 뒤에야 멈춘다.
    """
    caller = ctypes.c_ulong(threading.get_ident())
    lock, done = threading.Lock(), False

    def interrupt():
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(caller, ctypes.py_object(_TimeIsUp))

    watch = threading.Timer(seconds, interrupt)
    watch.daemon = True
    try:
        watch.start()  # 시간이 아주 짧으면 여기에서 이미 다 될 수 있다
        try:
            return function(*arguments)
        finally:
            with lock:
                done = True
            watch.cancel()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(caller, None)  # 늦게 던진 것을 거둔다
    except _TimeIsUp:
        raise TimeoutError from None
