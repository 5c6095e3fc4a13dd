"""여러 장이 함께 쓰는 그림."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cnn_lectures import plots
from cnn_lectures.train import EpochResult


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def test_every_glyph_of_the_course_is_in_the_font():
    figure, ax = plt.subplots()
    ax.set_title("가각힣뷁 합성곱 3×3 −1.5 αβγεθμσ √∑ → ≤ … · ①")
    ax.set_xlabel(r"$\sqrt{2n/3}$에서 $-1$")
    ax.plot([-1, 1], [-1e-3, 1e-3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


def test_font_comes_from_the_package():
    assert plt.rcParams["font.family"][0] == "Pretendard"
    assert plots.FONT_FILE.is_file()


def test_learning_curve():
    history = [EpochResult(n, 1 / n, 0.6, 1.1 / n, 0.5) for n in (1, 2, 3)]
    loss, accuracy = plots.learning_curve(history).axes
    assert loss.lines[0].get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert accuracy.lines[1].get_ydata().tolist() == [0.5] * 3
    assert accuracy.get_ylim() == (0.5, 1)


def test_confusion_matrix_writes_every_nonzero_count():
    counts = np.array([[8, 2], [0, 10]])
    (ax,) = plots.confusion_matrix(counts, ["가", "나"]).axes
    assert [text.get_text() for text in ax.texts] == ["8", "2", "10"]
    assert ax.images[0].get_array().tolist() == [[0.8, 0.2], [0.0, 1.0]]


@pytest.mark.parametrize(("count", "columns", "rows"), [(3, 10, 1), (10, 5, 2), (11, 5, 3)])
def test_image_grid(count, columns, rows):
    images = np.random.default_rng(0).random((count, 4, 4))
    figure = plots.image_grid(images, columns=columns, titles=["제목"] * count)
    drawn = [ax for ax in figure.axes if ax.images]
    assert len(figure.axes) == rows * min(columns, count)
    assert len(drawn) == count
    assert np.array_equal(drawn[-1].images[0].get_array(), images[-1])
