"""활성화 함수: 시그모이드, 쌍곡탄젠트, ReLU와 그 기울기.

식을 그대로 옮기면 |x|가 클 때 지수 함수가 넘쳐 값이나 기울기가 NaN이 된다. 여기서는 음수의 지수만
계산하므로 어떤 x에서도 넘치지 않는다.

논문: ReLU는 Nair & Hinton (2010), 합성곱 신경망에 쓴 것은 Krizhevsky 외 (2012) 3.1절.
논문과 다른 점: 없다. LeNet-5의 1.7159 tanh(2x/3)은 `models.lenet.ScaledTanh`에 있다.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cnn_lectures import _checks


def sigmoid(x: Tensor) -> Tensor:
    """시그모이드 1 / (1 + e^(−x)). 값은 0과 1 사이, 기울기는 0보다 크고 1/4 이하이다.

    x가 음수이면 분자와 분모에 e^x를 곱한 e^x / (1 + e^x)로 계산한다.
    """
    exp = torch.exp(_negative_abs(x))  # 0 이상 1 이하
    return torch.where(x < 0, exp, 1) / (1 + exp)


def tanh(x: Tensor) -> Tensor:
    """쌍곡탄젠트 (1 − e^(−2x)) / (1 + e^(−2x)). 값은 −1과 1 사이, 기울기는 0보다 크고 1 이하이다.

    x가 0에 가까우면 1 − e^(−2x)에서 자릿수를 잃으므로 expm1(x) = e^x − 1로 계산한다.
    """
    expm1 = torch.expm1(2 * _negative_abs(x))  # −1 이상 0 이하
    magnitude = -expm1 / (2 + expm1)
    return torch.where(x < 0, -magnitude, magnitude)


def relu(x: Tensor) -> Tensor:
    """max(0, x). 기울기는 x가 양수이면 1, 아니면 0이다(0에서도 0으로 정한다)."""
    return torch.where(x <= 0, 0, x)


def _negative_abs(x: Tensor) -> Tensor:
    """−|x|. `-x.abs()`와 달리 x = 0에서 기울기가 0이 아니라 −1이다."""
    return torch.where(x < 0, x, -x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
}


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """원소마다 따로 계산하는 함수를 `x`의 자리마다 미분한다. 모양은 `x`와 같다.

    출력 하나는 입력 하나에만 달려 있으므로, 출력을 모두 더해 한 번만 역전파하면 된다.

    Parameters
    ----------
    function : 활성화 함수나 활성화 층
    x : 실수, 모양은 무엇이든 좋다. 바뀌지 않는다.

    Raises
    ------
    TypeError
        `x`가 실수형이 아닐 때.
    """
    if not x.is_floating_point():
        raise _checks.error("x", "실수형이어야 합니다", x.dtype, TypeError)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (grad,) = torch.autograd.grad(function(x).sum(), x)
    return grad
