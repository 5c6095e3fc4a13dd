"""2장의 그림: 그림에 든 수가 모형과 공식에서 얻은 것과 같은지 본다."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.models.lenet import C3_CONNECTIONS, LayerCount, LeNet5
from cnn_lectures.plots import lenet as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_timeline_is_in_order_and_to_scale():
    years = [year for year, *_ in figures.HISTORY]
    assert years == sorted(years)
    figure = figures.timeline()
    marks = [line.get_ydata()[0] for line in figure.axes[0].lines[1:]]
    assert marks == years
    assert {"LeNet-5", "1998", "이 장"} <= set(texts(figure))


def test_equivariance_draws_pairs_in_rows():
    image, response = torch.rand(6, 6), torch.tensor([[0.5, -2.0], [1.0, 0.0]])
    figure = figures.equivariance({"가": (image, response), "나": (image, response)})
    left, right = figure.axes[2:]
    assert left.get_title() == "나"
    assert np.array_equal(left.images[0].get_array(), image)
    assert np.array_equal(right.images[0].get_array(), response)
    assert right.images[0].get_clim() == (-2, 2)


def test_seven_keeps_the_relative_positions():
    figure = figures.seven()
    for ax in figure.axes:
        _, end, corner, foot = (line.get_xydata()[0] for line in ax.lines)
        assert end[0] < foot[0] < corner[0]
        assert foot[1] < min(end[1], corner[1])
    assert len(figure.legends[0].get_texts()) == 3


def test_parameter_bars_write_the_counts():
    figure = figures.parameter_bars([LayerCount("a", 4_821_600, 1), LayerCount("b", 156, 1)])
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert [bar.get_width() for bar in ax.patches] == [4_821_600, 156]
    assert texts(figure) == ["4,821,600", "156"]


def test_nested_fields_draw_the_spans():
    figure = figures.nested_fields(torch.zeros(32, 32), {"C1": range(12, 17), "C5": range(32)})
    inner, outer = figure.axes[0].patches
    assert inner.get_x() == pytest.approx(12, abs=0.2)
    assert inner.get_width() == pytest.approx(5, abs=0.4)
    assert outer.get_width() == pytest.approx(32, abs=0.4)
    assert texts(figure) == ["C1 5×5", "C5 32×32"]


def test_nested_fields_reject_an_unknown_layer():
    with pytest.raises(ValueError, match=r"`spans`: C1, S2, C3, S4, C5 가운데 .*받은 값: 'F6'"):
        figures.nested_fields(np.zeros((32, 32)), {"F6": range(32)})


@pytest.mark.parametrize(
    ("rates", "side", "seen"), [((1, 1, 1), 7, 7), ((1, 2, 4), 15, 15), ((2, 2, 2), 13, 7)]
)
def test_dilation_tree_counts_what_the_output_sees(rates, side, seen):
    x = torch.zeros(1, 1, 41, requires_grad=True)
    y = x
    for rate in rates:
        y = torch.nn.functional.conv1d(y, torch.ones(1, 1, 3), dilation=rate)
    (gradient,) = torch.autograd.grad(y[0, 0, 0], x)
    touched = gradient.nonzero()[:, 2]
    assert (touched[-1] - touched[0] + 1, len(touched)) == (side, seen)
    (ax,) = figures.dilation_trees([rates]).axes
    assert ax.get_title().endswith(f"수용 영역 {side}칸 가운데 {seen}칸을 본다")


@pytest.mark.parametrize(("depth", "std"), [(5, 1.826), (10, 2.582), (20, 3.651), (40, 5.164)])
def test_uniform_profile(depth, std):
    profile = figures.uniform_profile(depth)
    position = np.arange(-depth, depth + 1)
    assert profile.sum() == pytest.approx(1)
    assert np.sqrt((profile * position**2).sum()) == pytest.approx(std, abs=5e-4)
    assert std == pytest.approx(np.sqrt(2 * depth / 3), abs=5e-4)


def test_uniform_profile_rejects_no_layer():
    with pytest.raises(ValueError, match=r"`depth`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        figures.uniform_profile(0)


def test_effective_field_shows_the_second_depth():
    left, right = figures.effective_field((2, 4)).axes
    field = left.images[0].get_array()
    assert field.shape == (9, 9)
    assert field.sum() == pytest.approx(1)
    assert left.get_title() == "4층, 9×9"
    assert [len(line.get_xdata()) for line in right.lines] == [5, 5, 9, 9, 0]


def test_architecture_draws_one_box_per_map():
    figure = figures.architecture(LeNet5())
    labels = [text.split("\n") for text in texts(figure) if "\n" in text]
    named = {name: size for name, size in labels if name not in ("합성곱", "평균 풀링", "완전")}
    assert named == {
        "입력": "1@32×32", "C1": "6@28×28", "S2": "6@14×14", "C3": "16@10×10", "S4": "16@5×5",
        "C5": "120@1×1", "F6": "84", "출력": "10",
    }  # fmt: skip
    widths = [
        patch.get_width()
        for ax in figure.axes
        for patch in ax.patches
        if isinstance(patch, Rectangle)
    ]
    assert widths == [32] + [28] * 6 + [14] * 6 + [10] * 16 + [5] * 16 + [3] * 3


def test_connection_table_is_table_one():
    figure = figures.connection_table()
    table = figure.axes[0].collections[0].get_array()
    assert [tuple(np.flatnonzero(column)) for column in table.T] == list(C3_CONNECTIONS)
    assert texts(figure) == ["3"] * 6 + ["4"] * 9 + ["6"] + ["10"] * 6 + ["60"]


def test_scaled_tanh_passes_through_one():
    lines = figures.scaled_tanh().axes[0].lines
    a, value = lines[2].get_data()
    assert np.interp([-1, 1], a, value) == pytest.approx([-1, 1], abs=1e-4)
    assert np.abs(value).max() < 1.7159


def test_feature_maps_show_every_map_once():
    maps = {"C1": torch.rand(6, 28, 28), "C3": torch.rand(16, 10, 10)}
    figure = figures.feature_maps(maps)
    drawn = [ax.images[0].get_array().data for ax in figure.axes if ax.images]
    assert len(figure.axes) == 3 * 8
    expected = [*maps["C1"], *maps["C3"]]
    assert all(np.array_equal(a, b) for a, b in zip(drawn, expected, strict=True))
    assert [ax.get_ylabel() for ax in figure.axes[::8]] == ["C1", "C3", ""]


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    for figure in (figures.timeline(), figures.seven(), figures.scaled_tanh()):
        figure.canvas.draw()
        plt.close(figure)
    assert not recwarn.list
    assert not caplog.records
