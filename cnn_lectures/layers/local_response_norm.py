"""국소 응답 정규화(LRN): 같은 자리의 이웃한 채널끼리 서로 누르게 한다.

논문: Krizhevsky 외 (2012) 3.3절.
논문과 다른 점: n이 짝수이면 논문의 식은 채널 n + 1개를 더한다. 여기서는 torch처럼 앞의 n/2개, 자기
자신, 뒤의 n/2 − 1개를 더한다. 논문의 n은 5라서 차이가 없다.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from cnn_lectures import _checks


class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + α Σ_j a_j²)^β. j는 i를 가운데에 둔 `size`개의 채널이다(식 1).

    어떤 채널의 값이 크면 같은 자리의 이웃 채널이 작아진다. 신경의 측면 억제를 본뜬 것이다. 양 끝
    채널의 바깥은 0으로 본다. 기본값은 논문의 상수이다.

    `nn.LocalResponseNorm`은 합이 아니라 평균을 쓴다. 그래서 논문의 α = 1e-4를 torch에서는 5를 곱한
    5e-4로 적어야 한다. torch는 k의 기본값도 1이다.

    Parameters
    ----------
    size : 더하는 채널의 수 n, 1 이상
    alpha, beta, k : 식의 α, β, k
    average : 참이면 torch처럼 합을 `size`로 나눈다

    Raises
    ------
    ValueError
        `size`가 1보다 작거나 입력의 차원이 3보다 작을 때.
    """

    def __init__(
        self,
        size: int = 5,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        average: bool = False,
    ):
        super().__init__()
        self.size = _checks.integer("size", size, minimum=1)
        self.alpha, self.beta, self.k, self.average = alpha, beta, k, average

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) -> (N, C, …)"""
        if x.dim() < 3:
            raise _checks.error("x", "모양이 (N, C, …)인 3차원 이상이어야 합니다", tuple(x.shape))
        margins = self.size // 2, (self.size - 1) // 2
        squares = F.pad(x.square(), (0, 0) * (x.dim() - 2) + margins)
        channels = x.shape[1]
        total = sum(squares[:, start : start + channels] for start in range(self.size))
        alpha = self.alpha / self.size if self.average else self.alpha
        return x / (self.k + alpha * total) ** self.beta

    def extra_repr(self) -> str:
        """`print`로 볼 때 괄호 안에 적을 것."""
        names = ("size", "alpha", "beta", "k", "average")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
