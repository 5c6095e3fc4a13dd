"""인자 검사. 모든 오류 글이 같은 꼴(매개변수, 규칙, 받은 값)을 갖게 한다."""

import operator


def error(parameter: str, rule: str, value: object, kind: type[Exception] = ValueError):
    """`` `stride`: 1 이상의 정수여야 합니다 (받은 값: 0) `` 꼴의 예외를 만든다."""
    return kind(f"`{parameter}`: {rule} (받은 값: {value!r})")


def integer(parameter: str, value: object, *, minimum: int) -> int:
    """정수이고 `minimum` 이상인지 확인하여 돌려준다. bool은 정수로 보지 않는다."""
    rule = f"{minimum} 이상의 정수여야 합니다"
    if isinstance(value, bool):
        raise error(parameter, rule, value, TypeError)
    try:
        number = operator.index(value)
    except TypeError:
        raise error(parameter, rule, value, TypeError) from None
    if number < minimum:
        raise error(parameter, rule, value)
    return number


def pair(parameter: str, value: object, *, minimum: int) -> tuple[int, int]:
    """정수 하나 또는 (세로, 가로) 두 정수를 (세로, 가로)로 돌려준다."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise error(parameter, "정수 하나 또는 (세로, 가로) 두 정수여야 합니다", value)
        height, width = value
        return (
            integer(parameter, height, minimum=minimum),
            integer(parameter, width, minimum=minimum),
        )
    number = integer(parameter, value, minimum=minimum)
    return number, number


def image_batch(images, *, channels: int, size: int | None = None, minimum: int = 1) -> None:
    """`images`가 실수 배치 (N, `channels`, H, W)인지 확인한다.

    `size`를 주면 H = W = `size`여야 하고, 아니면 H와 W가 `minimum` 이상이어야 한다.
    텐서와 배열 모두 받는다.
    """
    shape = tuple(images.shape)
    side = f"{size}, {size}" if size else "H, W"
    if len(shape) != 4 or shape[1] != channels:
        raise error("images", f"모양이 (N, {channels}, {side})인 배치여야 합니다", shape)
    if size and shape[2:] != (size, size):
        raise error("images", f"크기가 {size}×{size}여야 합니다", shape)
    if min(shape[2:]) < minimum:
        raise error("images", f"세로와 가로가 {minimum} 이상이어야 합니다", shape)
    if "float" not in str(images.dtype):
        raise error("images", "실수형이어야 합니다", images.dtype, TypeError)
