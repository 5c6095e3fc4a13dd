"""6장의 그림: 그림에 든 수와 크기가 모형에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.complexity import LayerCost, layer_costs
from cnn_lectures.models.alexnet import AlexNet, alexnet_small
from cnn_lectures.plots import alexnet as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


@pytest.fixture
def paper():
    with torch.device("meta"):
        return AlexNet(groups=2)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_challenge_errors_draw_every_row_in_order():
    (ax,) = figures.challenge_errors().axes
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [28.2, 25.8, 26.2, 15.3, 11.2, 6.7, 3.6]
    assert [bool(bar.get_hatch()) for bar in bars] == [True] * 3 + [False] * 4
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names[3] == "2012 AlexNet"


def test_stages_are_the_layers_of_the_paper(paper):
    rows = figures.stages(paper, 224)
    assert [row.kernel for row in rows if row.kernel] == [
        "11×11×3", "5×5×48", "3×3×256", "3×3×192", "3×3×192",
    ]  # fmt: skip
    assert [row.name for row in rows[4:]] == ["conv5", "fc6", "fc7", "fc8"]
    assert [row.channels for row in rows] == [96, 256, 384, 384, 256, 4096, 4096, 1000]
    assert [row.groups for row in rows] == [1, 2, 1, 2, 2, 1, 1, 1]
    assert [row.pooled for row in rows] == [27, 13, 0, 0, 6, 0, 0, 0]


def test_two_towers_cross_only_where_the_gpus_talk(paper):
    (ax,) = figures.two_towers(paper).axes
    spans = [tuple(line.get_xdata()) for line in ax.lines]
    crossing = [span for span in spans if span[0] * span[1] < 0]
    straight = [span for span in spans if span[0] == span[1]]
    assert len(crossing) == 2 * 3  # conv3, fc6, fc7의 앞
    assert len(straight) == 2 * 6  # conv2에서 fc7까지
    labels = texts(ax)
    assert labels.count("48@55×55") == labels.count("128@27×27") == 2
    assert labels.count("192@13×13") == labels.count("2048") == 4
    assert {"conv3\n3×3×256", "fc6", "1000", "입력 3@224×224"} <= set(labels)


def test_two_towers_need_two_groups():
    with pytest.raises(ValueError, match=r"`model`: .*그룹이 2개여야 합니다 \(받은 값: 1\)"):
        figures.two_towers(alexnet_small(), 32)


def test_cost_shares_are_percentages_of_the_model(paper):
    rows = layer_costs(paper, (1, 3, 224, 224))
    (ax,) = figures.cost_shares(rows).axes
    widths = np.array([patch.get_width() for patch in ax.patches]).reshape(2, 8)
    assert widths.sum(axis=1) == pytest.approx([100, 100])
    assert widths[0, 5] == pytest.approx(100 * 37_752_832 / 60_965_224)
    assert widths[1, 1] == pytest.approx(100 * 223_948_800 / 724_406_816)
    assert [tick.get_text() for tick in ax.get_yticklabels()][4:6] == ["conv5", "fc6"]


def test_cost_shares_skip_layers_without_parameters():
    rows = [LayerCost("a", (2, 3, 3), 10, 30), LayerCost("b", (2, 3, 3), 0, 0)]
    (ax,) = figures.cost_shares(rows).axes
    assert [patch.get_width() for patch in ax.patches] == [100, 100]


def test_dropout_sums_mark_the_mean_and_the_inference():
    values = torch.tensor([0.0, 1.0, 2.0, 5.0])
    figure = figures.dropout_sums({"가": (values, 1.5), "나": (2 * values, 3.0)})
    for ax, mean, inference in zip(figure.axes, (2, 4), (1.5, 3.0), strict=True):
        assert [line.get_xdata()[0] for line in ax.lines] == [inference, mean]
        assert sum(patch.get_height() for patch in ax.patches) == 4
    assert [ax.get_title() for ax in figure.axes] == ["가", "나"]


def test_crop_places_stay_inside_the_image():
    (ax,) = figures.crop_places(torch.rand(3, 40, 32), size=28).axes
    corners = {patch.get_label(): patch.get_xy() for patch in ax.patches}
    assert corners == {
        "왼쪽 위": (0, 0), "오른쪽 위": (4, 0), "왼쪽 아래": (0, 12),
        "오른쪽 아래": (4, 12), "한가운데": (2, 6),
    }  # fmt: skip
    assert {(patch.get_width(), patch.get_height()) for patch in ax.patches} == {(28, 28)}


def test_crop_places_need_a_larger_image():
    with pytest.raises(ValueError, match=r"`size`: 이미지의 32×40보다 작아야 .*\(받은 값: 32\)"):
        figures.crop_places(torch.rand(3, 32, 40), size=32)


def test_accuracy_gaps_join_train_and_test():
    results = {"가": (0.95, 0.75), "나": (0.8, 0.7)}
    (ax,) = figures.accuracy_gaps(results).axes
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert spans == [(0.75, 0.95), (0.7, 0.8)]
    assert texts(ax) == ["0.20", "0.10"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["가", "나"]


def test_no_figure_warns_about_glyphs_or_fonts(paper, recwarn, caplog):
    for figure in (figures.two_towers(paper), figures.challenge_errors()):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
