"""3장의 그림: 칸에 적힌 수와 구간이 torch와 손 계산에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.plots import pooling as figures

EXAMPLE = np.array([[1, 3, 2, 1], [4, 2, 0, 5], [6, 1, 8, 7], [0, 2, 3, 4]])


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def texts(ax, color=plots.INK) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_color() == color]


def values(labels) -> list[float]:
    return [float(label.replace("−", "-")) for label in labels]


def test_windows_write_the_maxima_and_the_means():
    (ax,) = figures.windows(EXAMPLE, 2).axes
    labels = [label for label in texts(ax) if label]
    assert values(labels[:20]) == [*EXAMPLE.flat, 4, 5, 6, 8]
    assert labels[20] == "최대"
    assert values(labels[21:25]) == [2.5, 2, 2.25, 5.5]
    assert labels[25] == "평균"
    cells = [patch.get_facecolor() for patch in ax.patches if patch.get_fill()]
    assert cells[0] == cells[1] == cells[4] == cells[16] == cells[20]  # 같은 창은 색이 같다
    assert len(set(cells)) == 4


def test_windows_refuse_more_windows_than_colors():
    with pytest.raises(ValueError, match=r"`image`: 창이 9개를 넘지 않아야 합니다 \(받은 값: \(4"):
        figures.windows(EXAMPLE, 1)


def test_padding_values_show_both_results():
    image = -np.arange(1, 10).reshape(3, 3)
    right, wrong = figures.padding_values(image, 3, stride=2, padding=1).axes
    expected = F.max_pool2d(torch.tensor(image)[None].float(), 3, 2, 1).flatten().tolist()
    assert values(texts(right)[-4:]) == expected
    assert values(texts(wrong)[-4:]) == [0, 0, 0, 0]
    infinities = [text for text in right.texts if text.get_text() == "−∞"]
    assert len(infinities) == 25 - 9
    assert [ax.get_title(loc="left") for ax in (right, wrong)] == ["패딩 −∞", "패딩 0"]


def test_gradients_write_only_what_is_not_zero():
    gradient = np.zeros((4, 4))
    gradient[2, 2] = 4
    figure = figures.gradients(EXAMPLE, {"가": gradient, "나": gradient * 0, "다": gradient + 0.25})
    first, second, third, rest = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["가", "나", "다", ""]
    assert texts(first, plots.ORANGE) == ["4"]
    (mark,) = [text for text in first.texts if text.get_color() == plots.ORANGE]
    assert [int(part) for part in mark.get_position()] == [2, 2]
    assert texts(second, plots.ORANGE) == []
    assert len(texts(third, plots.ORANGE)) == 16
    assert not rest.axison


@pytest.mark.parametrize(("size", "count"), [(13, 6), (10, 3), (5, 3), (4, 7), (6, 6)])
def test_bins_average_to_what_torch_gives(size, count):
    (ax,) = figures.bins([(size, count)]).axes
    bars = ax.patches[size:]
    spans = [
        (round(bar.get_x() - 0.08), round(bar.get_x() + bar.get_width() + 0.08)) for bar in bars
    ]
    row = torch.arange(float(size))
    means = [row[start:stop].mean().item() for start, stop in spans]
    assert means == F.adaptive_avg_pool1d(row[None], count)[0].tolist()
    assert texts(ax, plots.PAPER) == [str(index) for index in range(count)]
    levels = {}
    for bar in bars:
        levels.setdefault(bar.get_y(), []).append(bar)
    for line in levels.values():  # 한 줄에서는 막대가 겹치지 않는다
        ends = [bar.get_x() + bar.get_width() for bar in line]
        assert all(bar.get_x() > end for bar, end in zip(line[1:], ends, strict=False))


def test_bins_shade_shared_cells():
    (ax,) = figures.bins([(5, 3)]).axes
    plain = Rectangle((0, 0), 1, 1, fc=plots.PAPER).get_facecolor()
    assert [patch.get_facecolor() != plain for patch in ax.patches[:5]] == [0, 1, 0, 1, 0]


def test_shifts_show_the_difference_on_one_scale():
    before, after = torch.zeros(3, 3), torch.eye(3) * 2
    figure = figures.shifts({"가": (before, after), "나": (after, after)})
    first = figure.axes[:3]
    assert [ax.get_title() for ax in first] == ["원래", "옮긴 것", "차이"]
    assert np.array_equal(first[2].images[0].get_array(), after)
    assert {ax.images[0].get_clim() for ax in first} == {(0, 2)}
    assert not figure.axes[5].images[0].get_array().any()
    assert figure.axes[3].get_ylabel() == "나"


def test_change_curves_start_at_no_shift():
    figure = figures.change_curves({"가": [0, 0.5, 0.7], "나": [0, 0.1, 0.2]})
    (ax,), (legend,) = figure.axes, figure.legends
    first, second = ax.lines
    assert first.get_xydata().tolist() == [[0, 0], [1, 0.5], [2, 0.7]]
    assert (first.get_marker(), first.get_color()) != (second.get_marker(), second.get_color())
    assert [text.get_text() for text in legend.get_texts()] == ["가", "나"]


def test_scores_mark_every_seed_and_the_mean():
    (ax,) = figures.scores({"가": [0.7, 0.8, 0.9], "나": [0.5, 0.6]}, "정확도").axes
    dots, mean = ax.lines[:2]
    assert dots.get_xdata().tolist() == [0.7, 0.8, 0.9]
    assert mean.get_xdata() == pytest.approx([0.8])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["가", "나"]
    assert ax.get_xlabel() == "정확도"
    assert ax.get_xlim() == pytest.approx((0.5, 0.9))


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    figures.padding_values(-EXAMPLE, 3, stride=2, padding=1).canvas.draw()
    figures.windows(EXAMPLE, 2).canvas.draw()
    assert not recwarn.list
    assert not caplog.records
