"""배치 정규화: 미니배치의 평균과 분산으로 채널마다 값의 중심과 폭을 맞춘다.

논문: Ioffe & Szegedy (2015), arXiv:1502.03167, 알고리즘 1과 2.
논문과 다른 점: 추론에 쓸 평균과 분산을 학습이 끝난 뒤에 따로 구하지 않고, torch처럼 학습하는 동안
이동 평균으로 모은다.
"""

import copy

import torch
from torch import Tensor, nn

from cnn_lectures import _checks


class BatchNormNd(nn.Module):
    """y = γ(x − μ) / √(σ² + ε) + β. γ와 β는 채널마다 하나씩이고 학습한다.

    학습 모드에서는 미니배치의 평균과 편향 분산으로 정규화하고, 그 평균과 불편 분산을 이동 평균에
    섞는다. 편향 분산은 채널마다의 값의 수 m으로, 불편 분산은 m − 1로 나눈 것이다. 추론 모드에서는
    이동 평균으로 정규화하고 아무것도 바꾸지 않는다. 이동 평균은 버퍼라서 `state_dict`에 담긴다.

    Parameters
    ----------
    num_features : 채널 수 C, 1 이상
    eps : 0으로 나누지 않도록 분산에 더하는 ε, 0 이상
    momentum : 이동 평균에서 새 통계의 비중, 0 이상 1 이하. None이면 모든 통계를 고르게 평균한다.
    affine : γ(`weight`)와 β(`bias`)를 둘지
    track_running_stats : 이동 평균을 둘지. 두지 않으면 추론 때도 미니배치의 통계를 쓴다.

    Raises
    ------
    ValueError
        입력의 모양이 다르거나, 미니배치의 통계를 낼 값이 채널마다 하나뿐일 때.
    """

    shape: str  # 받는 입력의 모양
    dimensions: tuple[int, ...]  # 그 차원 수

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        self.num_features = _checks.integer("num_features", num_features, minimum=1)
        if eps < 0:
            raise _checks.error("eps", "0 이상이어야 합니다", eps)
        if momentum is not None and not 0 <= momentum <= 1:
            raise _checks.error("momentum", "0 이상 1 이하이거나 None이어야 합니다", momentum)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats

        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if tracked else None)
        self.register_buffer("running_var", torch.ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracked else None)

    def forward(self, x: Tensor) -> Tensor:
        """모양은 그대로다."""
        if x.dim() not in self.dimensions or x.shape[1] != self.num_features:
            shape = self.shape.replace("C", str(self.num_features))
            raise _checks.error("x", f"모양이 {shape}인 텐서여야 합니다", tuple(x.shape))
        if self.training or not self.track_running_stats:
            mean, variance = batch_statistics(x)
        else:
            mean, variance = self.running_mean, self.running_var
        if self.training and self.track_running_stats:
            self.update(mean, variance, x.numel() // self.num_features)

        x = (x - per_channel(mean, x)) / per_channel(variance + self.eps, x).sqrt()
        if self.affine:
            x = per_channel(self.weight, x) * x + per_channel(self.bias, x)
        return x

    @torch.no_grad()
    def update(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """채널마다 `count`개인 값의 평균과 편향 분산을 이동 평균에 섞는다."""
        self.num_batches_tracked += 1
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / self.num_batches_tracked.item()
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)

    def extra_repr(self) -> str:
        """`print`로 볼 때 괄호 안에 적을 것."""
        names = ("eps", "momentum", "affine", "track_running_stats")
        return f"{self.num_features}, " + ", ".join(f"{n}={getattr(self, n)}" for n in names)


class BatchNorm1d(BatchNormNd):
    """완전 연결 층의 출력 (N, C)나 1차원 특징 맵 (N, C, L)의 배치 정규화. m = N 또는 N·L이다."""

    shape = "(N, C) 또는 (N, C, L)"
    dimensions = (2, 3)


class BatchNorm2d(BatchNormNd):
    """특징 맵 (N, C, H, W)의 배치 정규화. 채널의 모든 위치를 함께 세므로 m = N·H·W이다."""

    shape = "(N, C, H, W)"
    dimensions = (4,)


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """미니배치 (N, C, …)에서 채널마다의 평균과 편향 분산을 구한다. 둘 다 (C,)이다."""
    if x.numel() < 2 * x.shape[1]:
        raise _checks.error("x", "채널마다 값이 둘 이상이어야 합니다", tuple(x.shape))
    axes = [0, *range(2, x.dim())]
    return x.mean(axes), x.var(axes, correction=0)


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """채널마다의 값 (C,)를 `x`와 셈할 수 있는 모양 (C, 1, …)으로 바꾼다."""
    return values.view(-1, *[1] * (x.dim() - 2))


def batch_norm_backward(
    grad_output: Tensor, x: Tensor, weight: Tensor, *, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """학습 모드의 배치 정규화를 손으로 역전파한다.

    x̂ = (x − μ)/√(σ² + ε)일 때 dβ = Σ dy, dγ = Σ dy·x̂이다. 평균 μ와 분산 σ²도 x에서 나오므로 x의
    기울기에서는 dy의 평균과 x̂ 방향의 성분이 빠진다. 합과 평균은 채널마다 m개의 값에 대한 것이다.

        dx = γ/√(σ² + ε) · (dy − dβ/m − x̂·dγ/m)

    Parameters
    ----------
    grad_output : 손실을 출력으로 미분한 값, `x`와 같은 모양
    x : 순전파의 입력, (N, C, …)
    weight : γ, (C,)

    Returns
    -------
    손실을 `x`, `weight`, `bias`로 미분한 값
    """
    if grad_output.shape != x.shape:
        rule = f"모양이 {tuple(x.shape)}여야 합니다"
        raise _checks.error("grad_output", rule, tuple(grad_output.shape))
    mean, variance = batch_statistics(x)
    std = (variance + eps).sqrt()
    x_hat = (x - per_channel(mean, x)) / per_channel(std, x)
    axes = [0, *range(2, x.dim())]
    grad_bias = grad_output.sum(axes)
    grad_weight = (grad_output * x_hat).sum(axes)
    count = x.numel() // x.shape[1]
    centered = grad_output - per_channel(grad_bias / count, x)
    centered = centered - x_hat * per_channel(grad_weight / count, x)
    return per_channel(weight / std, x) * centered, grad_weight, grad_bias


def fold_batch_norm(
    layer: nn.Conv2d | nn.Linear, bn: BatchNormNd | nn.Module
) -> nn.Conv2d | nn.Linear:
    """추론 모드의 `bn(layer(x))`와 같은 값을 내는 층 하나를 새로 만든다.

    이동 평균이 고정되면 배치 정규화는 채널마다의 일차식이므로 앞 층의 가중치와 편향에 녹아든다.
    w′ = γw/√(σ² + ε), b′ = β + γ(b − μ)/√(σ² + ε).

    Parameters
    ----------
    layer : 합성곱 층이나 선형 층. 바뀌지 않는다.
    bn : 출력 채널 수가 같은 배치 정규화 층. torch의 것도 받는다.

    Raises
    ------
    ValueError, TypeError
        `layer`가 다른 층이거나, 채널 수가 다르거나, `bn`에 이동 평균이 없을 때.
    """
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        rule = "`nn.Conv2d`나 `nn.Linear`여야 합니다"
        raise _checks.error("layer", rule, type(layer).__name__, TypeError)
    if bn.running_mean is None:
        raise _checks.error("bn", "이동 평균이 있어야 합니다", bn)
    if bn.num_features != len(layer.weight):
        raise _checks.error("bn", f"채널 수가 {len(layer.weight)}이어야 합니다", bn.num_features)
    folded = copy.deepcopy(layer)
    with torch.no_grad():
        weight, bias = (bn.weight, bn.bias) if bn.affine else (1, 0)
        scale = weight / (bn.running_var + bn.eps).sqrt()
        before = 0 if layer.bias is None else layer.bias
        folded.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
        folded.bias = nn.Parameter(bias + scale * (before - bn.running_mean))
    return folded
