"""5장의 그림: 칠한 칸과 적은 수가 층이 계산한 것과 같은지 본다."""

import pytest
import torch
from matplotlib.colors import to_hex

from cnn_lectures import plots
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.plots import local_response_norm as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


@pytest.mark.parametrize("size", [1, 2, 4, 5])
@pytest.mark.parametrize("center", [0, 3, 6])
def test_painted_channels_are_those_that_press(size, center):
    figure = figures.neighbourhood(7, size, (center,))
    colors = [[to_hex(p.get_facecolor()).upper() for p in ax.patches] for ax in figure.axes]
    x = torch.ones(1, 7, 1, 1, dtype=torch.float64).requires_grad_()
    output = LocalResponseNorm(size, alpha=1.0)(x)[0, center, 0, 0]
    (slopes,) = torch.autograd.grad(output, x)
    for channel, (painted, slope) in enumerate(zip(colors, slopes.flatten(), strict=True)):
        own = [plots.ORANGE] if channel == center else [plots.BLUE]
        assert painted == (own if slope else [])


def test_painted_cells_share_one_position():
    figure = figures.neighbourhood(6, 3, (0, 2))
    corners = {patch.get_xy() for ax in figure.axes for patch in ax.patches}
    assert len(corners) == 1
    assert len(figure.axes) == 12


def test_neighbourhood_rejects_an_empty_window():
    with pytest.raises(ValueError, match=r"`size`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        figures.neighbourhood(4, 0, (1,))


def test_suppression_writes_the_numbers_of_the_layer():
    figure = figures.suppression(LocalResponseNorm(), quiet=10, marks=(10.0, 50.0, 100.0, 200.0))
    top, bottom = figure.axes
    assert [text.get_text() for text in top.texts] == ["5.90", "5.43", "4.38", "2.61"]
    assert top.lines[0].get_ydata()[0] == pytest.approx(10 / 2.01**0.75)
    x, y = bottom.lines[0].get_data()
    assert x[-1] == 400
    assert y == pytest.approx(x / (2 + 1e-4 * (100 + x**2)) ** 0.75, rel=1e-5)


def test_channel_bars_are_as_high_as_the_outputs():
    (ax,) = figures.channel_bars([6.0, 3.0], [2.0, 1.0]).axes
    assert [bar.get_height() for bar in ax.patches] == [6, 3, 2, 1]
    assert [text.get_text() for text in ax.texts] == ["6.0", "3.0", "2.0", "1.0"]


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    for figure in (
        figures.neighbourhood(8, 5, (3,)),
        figures.suppression(LocalResponseNorm(), quiet=10, marks=(10.0, 200.0)),
        figures.channel_bars([1.0], [0.5]),
    ):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
