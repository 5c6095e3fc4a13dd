"""NumPy만으로 된 신경망: 순전파와 역전파를 가진 층, 손실, 경사 하강법, LeNet-5.

자동 미분 없이, 연쇄 법칙을 층마다 한 토막씩 맡는다. 이름과 초기화는 torch를 따른다.

논문: LeCun 외 (1998), Proceedings of the IEEE 86(11), 그림 2.
논문과 다른 점: 구조는 `models.lenet.LeNet5`와 같고, 최적화기는 모멘텀이 있는 SGD이다.
"""

from collections.abc import Iterable
from math import prod

import numpy as np

from cnn_lectures import _checks
from cnn_lectures.layers import convolution, pooling


class Parameter:
    """학습하는 배열 `data`와, 마지막 역전파에서 얻은 기울기 `grad`."""

    def __init__(self, data: np.ndarray):
        self.data = data
        self.grad = np.zeros_like(data)


class Layer:
    """층의 바탕.

    `forward`는 입력에서 출력을 계산하고 역전파에 쓸 것을 적어 둔다. 이어서 부르는 `backward`는
    손실을 출력으로 미분한 값을 받아, 매개변수의 `grad`를 적고 손실을 입력으로 미분한 값을 돌려준다.
    """

    def parameters(self) -> list[Parameter]:
        """이 층이 학습하는 것."""
        return [value for value in vars(self).values() if isinstance(value, Parameter)]


class WeightedLayer(Layer):
    """가중치와 편향이 있는 층의 바탕. 둘 다 ±1/√(유닛의 입력 수)의 균등 분포로 채운다."""

    def __init__(self, shape: tuple[int, ...], rng: np.random.Generator):
        bound = prod(shape[1:]) ** -0.5
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(np.float32))
        self.bias = Parameter(rng.uniform(-bound, bound, shape[0]).astype(np.float32))


class Conv2d(WeightedLayer):
    """합성곱 층. `geometry`는 `conv2d`의 stride, padding 들이다."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, rng, **geometry):
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), rng)
        self.geometry = geometry

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(N, in_channels, H, W) -> (N, out_channels, OH, OW)"""
        self.x = x
        return convolution.conv2d(x, self.weight.data, self.bias.data, **self.geometry)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """(N, out_channels, OH, OW) -> (N, in_channels, H, W)"""
        grad_input, self.weight.grad, self.bias.grad = convolution.conv2d_backward(
            grad_output, self.x, self.weight.data, **self.geometry
        )
        return grad_input


class Linear(WeightedLayer):
    """완전 연결 층 y = xWᵀ + b."""

    def __init__(self, in_features: int, out_features: int, *, rng):
        super().__init__((out_features, in_features), rng)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(N, in_features) -> (N, out_features)"""
        self.x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """(N, out_features) -> (N, in_features)"""
        self.weight.grad = grad_output.T @ self.x
        self.bias.grad = grad_output.sum(axis=0)
        return grad_output @ self.weight.data


class Pool2d(Layer):
    """풀링 층의 바탕. `geometry`는 풀링 함수의 stride, padding 들이다."""

    def __init__(self, kernel_size: int | tuple[int, int], **geometry):
        self.kernel_size, self.geometry = kernel_size, geometry

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (N, C, OH, OW)"""
        self.x = x
        return self.pool(x, self.kernel_size, **self.geometry)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """(N, C, OH, OW) -> (N, C, H, W)"""
        return self.pool_backward(grad_output, self.x, self.kernel_size, **self.geometry)


class MaxPool2d(Pool2d):
    """최대 풀링 층."""

    pool = staticmethod(pooling.max_pool2d)
    pool_backward = staticmethod(pooling.max_pool2d_backward)


class AvgPool2d(Pool2d):
    """평균 풀링 층."""

    pool = staticmethod(pooling.avg_pool2d)
    pool_backward = staticmethod(pooling.avg_pool2d_backward)


class Activation(Layer):
    """활성화 층의 바탕. 아래 세 함수의 미분은 모두 출력 y만으로 계산된다."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """모양은 그대로다."""
        self.y = self.function(x)
        return self.y

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """모양은 그대로다."""
        return grad_output * self.derivative(self.y)


class Sigmoid(Activation):
    """1 / (1 + e^(−x))을 넘치지 않게 (1 + tanh(x/2)) / 2로 계산한다."""

    function = staticmethod(lambda x: (1 + np.tanh(x / 2)) / 2)
    derivative = staticmethod(lambda y: y * (1 - y))


class Tanh(Activation):
    """쌍곡탄젠트."""

    function = staticmethod(np.tanh)
    derivative = staticmethod(lambda y: 1 - y * y)


class ReLU(Activation):
    """max(0, x)."""

    function = staticmethod(lambda x: np.maximum(x, 0))
    derivative = staticmethod(lambda y: y > 0)


class Flatten(Layer):
    """이미지마다 한 줄로 편다."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (N, C·H·W)"""
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """(N, C·H·W) -> (N, C, H, W)"""
        return grad_output.reshape(self.shape)


class Sequential(Layer):
    """차례로 이은 층. 역전파는 끝에서부터 거꾸로 지난다."""

    def __init__(self, *layers: Layer):
        self.layers = layers

    def parameters(self) -> list[Parameter]:
        """모든 층이 학습하는 것, 층의 차례로."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """첫 층의 입력 -> 마지막 층의 출력"""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """마지막 층의 출력과 같은 모양 -> 첫 층의 입력과 같은 모양"""
        for layer in reversed(self.layers):
            grad_output = layer.backward(grad_output)
        return grad_output


class SoftmaxCrossEntropy:
    """소프트맥스를 거친 확률과 정답의 교차 엔트로피, 배치의 평균."""

    def forward(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """로짓 (N, 종류 수)와 정답의 번호 (N,) -> 손실"""
        count, classes = logits.shape
        if labels.shape != (count,) or not np.isin(labels, range(classes)).all():
            rule = f"0 이상 {classes} 미만인 번호 {count}개의 배열이어야 합니다"
            raise _checks.error("labels", rule, labels)
        self.labels = np.arange(count), labels
        shifted = logits - logits.max(axis=1, keepdims=True)  # 지수 함수가 넘치지 않는다
        log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.log_probabilities = shifted - log_total
        return -float(self.log_probabilities[self.labels].mean())

    def backward(self) -> np.ndarray:
        """손실을 로짓으로 미분한 값 (N, 종류 수). 확률에서 정답의 자리만 1을 빼어 N으로 나눈다."""
        grad = np.exp(self.log_probabilities)
        grad[self.labels] -= 1
        return grad / len(grad)


class SGD:
    """모멘텀이 있는 확률적 경사 하강법. v ← `momentum`·v + 기울기, w ← w − `lr`·v."""

    def __init__(self, parameters: Iterable[Parameter], *, lr: float, momentum: float = 0.0):
        self.parameters = list(parameters)
        self.velocities = [np.zeros_like(parameter.data) for parameter in self.parameters]
        self.lr, self.momentum = lr, momentum

    def step(self) -> None:
        """마지막 역전파의 기울기로 매개변수를 한 번 갱신한다."""
        for parameter, velocity in zip(self.parameters, self.velocities, strict=True):
            velocity *= self.momentum
            velocity += parameter.grad
            parameter.data -= self.lr * velocity


def lenet5(*, num_classes: int = 10, seed: int = 0) -> Sequential:
    """NumPy만으로 된 LeNet-5. 매개변수는 `models.lenet.LeNet5`와 차례까지 같은 61,706개이다."""
    num_classes = _checks.integer("num_classes", num_classes, minimum=1)
    rng = np.random.default_rng(seed)
    return Sequential(  # (N, 1, 32, 32)
        Conv2d(1, 6, 5, rng=rng),  # (N, 6, 28, 28)
        Tanh(),
        AvgPool2d(2),  # (N, 6, 14, 14)
        Conv2d(6, 16, 5, rng=rng),  # (N, 16, 10, 10)
        Tanh(),
        AvgPool2d(2),  # (N, 16, 5, 5)
        Conv2d(16, 120, 5, rng=rng),  # (N, 120, 1, 1)
        Tanh(),
        Flatten(),  # (N, 120)
        Linear(120, 84, rng=rng),
        Tanh(),
        Linear(84, num_classes, rng=rng),
    )
