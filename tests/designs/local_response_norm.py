"""5장 국소 응답 정규화의 설계 문제에 낼 옳은 설계와 틀린 설계."""

import torch.nn.functional as F
from torch import nn

from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from tests.designs._parts import Wrapped


class ChannelRMS(nn.Module):
    """채널 방향의 RMS 정규화."""

    def forward(self, x):
        """모양은 그대로다."""
        return F.rms_norm(x.movedim(1, -1), (x.shape[1],)).movedim(-1, 1)


def lrn(size=15, **options):
    """채널 8개의 RMS 정규화를 흉내 낸 LRN."""
    return nn.LocalResponseNorm(size, **{"alpha": size / 8, "beta": 0.5, "k": 1e-8} | options)


def right():
    """통과해야 할 RMS 정규화를 흉내 낸 LRN."""
    yield "torch", lrn()
    yield "torch, wider window", lrn(31)
    yield "torch, even window", lrn(16)
    yield "book", LocalResponseNorm(15, alpha=1 / 8, beta=0.5, k=1e-8)
    yield "book, averaging", LocalResponseNorm(17, alpha=17 / 8, beta=0.5, k=1e-8, average=True)
    yield "inside a module", Wrapped(nn.Identity(), lrn())
    yield "in double precision", lrn().double()


def wrong():
    """통과하지 못해야 할 RMS 정규화를 흉내 낸 LRN."""
    yield "default k of torch", lrn(k=1.0)
    yield "default k of the book", LocalResponseNorm(15, alpha=1 / 8, beta=0.5)
    yield "k too large", lrn(k=0.01)
    yield "window of eight", lrn(8)
    yield "beta of AlexNet", lrn(beta=0.75)
    yield "RMS norm without LRN", ChannelRMS()
