"""10장의 그림: 칠한 칸과 적힌 수가 층에서 잰 것과 같은지 본다."""

import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from cnn_lectures import plots
from cnn_lectures.layers.batch_norm import BatchNorm2d
from cnn_lectures.layers.local_response_norm import LocalResponseNorm
from cnn_lectures.plots import batch_norm as figures
from cnn_lectures.train import EpochResult

# 층과, 한 값을 정규화할 때 보는 (이미지, 채널, 행, 열)
SEEN = [
    (BatchNorm2d(6), (range(3), [2], range(3), range(3))),
    (nn.BatchNorm2d(6), (range(3), [2], range(3), range(3))),
    (nn.LayerNorm([6, 3, 3]), ([1], range(6), range(3), range(3))),
    (nn.GroupNorm(2, 6), ([1], range(3), range(3), range(3))),
    (nn.InstanceNorm2d(6), ([1], [2], range(3), range(3))),
    (LocalResponseNorm(3), ([1], [1, 2, 3], [1], [1])),
    (nn.Identity(), ([1], [2], [1], [1])),
]


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def history(*losses) -> list[EpochResult]:
    return [EpochResult(epoch, loss, 0.5, 1.0, 0.5) for epoch, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(("layer", "axes"), SEEN)
def test_seen_values_are_found_by_differentiating(layer, axes):
    expected = torch.zeros(figures.SHAPE, dtype=torch.bool)
    expected[torch.meshgrid(*map(torch.tensor, axes), indexing="ij")] = True
    assert torch.equal(figures.seen_by(layer), expected)


def test_normalized_together_paints_what_is_seen():
    figure = figures.normalized_together({"가": nn.GroupNorm(2, 6), "나": LocalResponseNorm(3)})
    first, second, legend, _ = figure.axes
    assert [first.get_title(), second.get_title()] == ["가", "나"]
    for ax, seen in ((first, 27), (second, 3)):
        colors = [to_hex(patch.get_facecolor()) for patch in ax.patches]
        assert len(colors) == 3 * 6 * 9
        assert colors.count(plots.ORANGE.lower()) == 1
        assert colors.count(plots.BLUE.lower()) == seen - 1
    assert len(legend.get_legend().get_texts()) == 3
    spot = next(p for p in second.patches if to_hex(p.get_facecolor()) == plots.ORANGE.lower())
    sides = [p for p in second.patches if to_hex(p.get_facecolor()) == plots.BLUE.lower()]
    assert {side.get_y() for side in sides} == {spot.get_y()}  # 같은 자리의 이웃 채널


def test_distributions_write_mean_and_deviation():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    left, right = figures.distributions({"전": x, "후": (x - 2.5) / 1.25**0.5 - 1e-4}).axes
    assert left.get_xlabel() == "평균 2.50, 표준편차 1.12"
    assert right.get_xlabel() == "평균 0.00, 표준편차 1.00"
    mean, bar = left.lines
    assert mean.get_xdata()[0] == 2.5
    assert list(bar.get_xdata()) == pytest.approx([2.5 - 1.25**0.5, 2.5 + 1.25**0.5])


def test_running_statistics_start_at_the_initial_value():
    traces = {"가": [0.0, 0.1, 0.2], "나": [0.0, 1.0, 1.0]}
    (ax,) = figures.running_statistics(traces, batch=[1.0, 1.2], target=1.1).axes
    target, batch, first, second = ax.lines
    assert list(target.get_ydata()) == [1.1, 1.1]
    assert list(batch.get_xdata()) == [1, 2]
    assert list(first.get_xdata()) == [0, 1, 2]
    assert list(second.get_ydata()) == [0, 1, 1]


def test_spread_uses_one_scale():
    stds = {"없이": {"가": [1.0, 1e-3], "나": [1.0, 1e3]}, "있으면": {"가": [1.0, 1.0]}}
    left, right = figures.spread(stds).axes
    assert left.get_yscale() == "log"
    assert left.get_ylim() == right.get_ylim()
    assert list(left.lines[1].get_ydata()) == [1, 1000]
    assert list(left.lines[0].get_xdata()) == [1, 2]


def test_layer_histograms_measure_the_spread_within_a_channel():
    x = torch.tensor([[-1.0, 9.0], [1.0, 11.0]])  # 채널의 평균은 0과 10, 폭은 1과 1
    figure = figures.layer_histograms({"가": [x, 2 * x], "나": [x, 0 * x]}, limit=4)
    labels = [ax.texts[0].get_text() for ax in figure.axes]
    assert labels == ["폭 1.000", "폭 1.000", "폭 2.000", "폭 0.000"]
    assert [ax.get_title() for ax in figure.axes] == ["가", "나", "", ""]
    last = figure.axes[0].patches[-1]
    assert last.get_height() > 0  # 벗어난 값은 끝에 모인다
    images = torch.stack([torch.zeros(2, 3, 3), torch.ones(2, 3, 3)])
    (ax,) = figures.layer_histograms({"가": [images]}, limit=1).axes
    assert ax.texts[0].get_text() == "폭 0.500"


def test_layer_histograms_need_a_range():
    with pytest.raises(ValueError, match=r"`limit`: 0보다 커야 합니다 \(받은 값: 0\)"):
        figures.layer_histograms({"가": [torch.zeros(2, 2)]}, limit=0)


def test_comparison_draws_every_run():
    runs = {0.01: {"없이": history(2.3, 2.2), "있으면": history(1.5, 1.0)}, 1.0: {}}
    runs[1.0] = {"없이": history(2.3, 2.3), "있으면": history(0.9, 0.6)}
    left, right = figures.comparison(runs).axes
    assert [ax.get_title() for ax in (left, right)] == ["학습률 0.01", "학습률 1"]
    assert list(left.lines[1].get_ydata()) == [1.5, 1.0]
    assert list(right.lines[1].get_ydata()) == [0.9, 0.6]
    assert left.lines[0].get_linestyle() != left.lines[1].get_linestyle()


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    x = torch.randn(8, 3, 2, 2)
    for figure in (
        figures.normalized_together({"배치 정규화": BatchNorm2d(6)}),
        figures.distributions({"전": x - 3}),
        figures.layer_histograms({"가": [x]}, limit=4),
        figures.spread({"가": {"가중치 ×0.5": [1.0, 0.1]}}),
        figures.comparison({0.1: {"가": history(2.0)}}),
        figures.running_statistics({"가": [0.0, 1.0]}, batch=[1.0], target=1.0),
    ):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
