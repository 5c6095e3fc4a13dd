"""인자 검사."""

import numpy as np
import pytest
import torch

from cnn_lectures import _checks


@pytest.mark.parametrize("value", [0, -3])
def test_integer_below_minimum(value):
    with pytest.raises(
        ValueError, match=rf"`stride`: 1 이상의 정수여야 합니다 \(받은 값: {value}\)"
    ):
        _checks.integer("stride", value, minimum=1)


@pytest.mark.parametrize("value", [1.0, "2", None, True])
def test_integer_of_other_type(value):
    with pytest.raises(TypeError, match="`stride`: 1 이상의 정수여야 합니다"):
        _checks.integer("stride", value, minimum=1)


@pytest.mark.parametrize("value", [3, np.int64(3), torch.tensor(3)])
def test_integer_accepts_every_kind_of_integer(value):
    assert _checks.integer("stride", value, minimum=1) == 3


def test_pair():
    assert _checks.pair("padding", 2, minimum=0) == (2, 2)
    assert _checks.pair("padding", (0, 1), minimum=0) == (0, 1)
    with pytest.raises(ValueError, match=r"`padding`: 정수 하나 또는 .*받은 값: \(1, 2, 3\)"):
        _checks.pair("padding", (1, 2, 3), minimum=0)
    with pytest.raises(ValueError, match="`padding`: 0 이상"):
        _checks.pair("padding", (0, -1), minimum=0)


@pytest.mark.parametrize("make", [torch.zeros, lambda *s: np.zeros(s, np.float32)])
def test_image_batch(make):
    _checks.image_batch(make(2, 3, 8, 9), channels=3)
    _checks.image_batch(make(2, 3, 8, 8), channels=3, size=8)
    for shape in [(3, 8, 8), (2, 1, 8, 8)]:
        with pytest.raises(ValueError, match=r"`images`: 모양이 \(N, 3, H, W\)인 배치"):
            _checks.image_batch(make(*shape), channels=3)
    with pytest.raises(ValueError, match=r"32×32여야 합니다 \(받은 값: \(2, 3, 28, 28\)\)"):
        _checks.image_batch(make(2, 3, 28, 28), channels=3, size=32)
    with pytest.raises(ValueError, match="29 이상"):
        _checks.image_batch(make(2, 3, 28, 30), channels=3, minimum=29)


@pytest.mark.parametrize("images", [torch.zeros(1, 1, 4, 4).byte(), np.zeros((1, 1, 4, 4), int)])
def test_image_batch_refuses_integers(images):
    with pytest.raises(TypeError, match="`images`: 실수형이어야 합니다"):
        _checks.image_batch(images, channels=1)
