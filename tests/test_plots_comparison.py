"""13장의 그림: 점, 막대, 화살표가 준 자료와 같은지 본다."""

import numpy as np
import pytest

from cnn_lectures import plots
from cnn_lectures.comparison import IDEAS, LINEAGE, NETWORKS, Row
from cnn_lectures.plots import comparison as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def row(name: str, **values) -> Row:
    return Row(**dict.fromkeys(Row._fields, 1) | {"name": name} | values)


ROWS = [
    row("VGG-16", parameters=138_000_000, multiply_adds=15_000_000_000, top1=28.4),
    row("VGG-11", parameters=133_000_000, multiply_adds=7_600_000_000, top1=31.0),
    row("ResNet-18", parameters=12_000_000, multiply_adds=1_800_000_000, top1=30.2),
]


@pytest.mark.parametrize(("cost", "x"), [("multiply_adds", [7.6, 15]), ("parameters", [133, 138])])
def test_error_scatter_puts_each_family_in_order_of_cost(cost, x):
    (ax,) = figures.error_scatter(ROWS, cost).axes
    vgg, resnet = ax.lines
    assert vgg.get_xdata() == pytest.approx(x)
    assert vgg.get_ydata() == pytest.approx([31.0, 28.4])
    assert len(resnet.get_xdata()) == 1
    assert {text.get_text() for text in ax.texts} == {"VGG-11", "VGG-16", "ResNet-18"}
    assert ax.get_xscale() == "log"


def test_bubble_areas_are_proportional_to_parameters():
    (ax,) = figures.error_scatter(ROWS, "multiply_adds", bubbles=True).axes
    sizes = ax.collections[0].get_sizes()
    assert sizes[1] / sizes[0] == pytest.approx(138 / 133)
    with pytest.raises(ValueError, match=r"`cost`: .*parameters"):
        figures.error_scatter(ROWS, "parameter")


def test_protocols_draw_every_top5_error_of_networks_with_several():
    (ax,) = figures.protocols(NETWORKS).axes
    bars = [bar for container in ax.containers for bar in container]
    names = {text.get_text() for text in ax.texts}
    assert {"GoogLeNet", "ResNet-152", "DenseNet-201"} <= names
    assert not {"LeNet-5", "VGG-11", "ResNet-18"} & names
    ensembles = [bar.get_width() for bar in bars if bar.get_hatch()]
    assert ensembles == [16.4, 6.67, 3.57]
    assert len(bars) == len(ax.get_yticks())


def test_idea_years_mark_the_first_network_apart():
    used = {"가": (1998, {"tanh"}), "나": (2012, {"ReLU"}), "다": (2014, {"ReLU"})}
    (ax,) = figures.idea_years(used, ["tanh", "ReLU", "밀집 연결"]).axes
    first, rest = ax.collections[2].get_offsets(), ax.collections[3].get_offsets()
    assert np.array_equal(first, [[1, 1]])
    assert np.array_equal(rest, [[2, 1]])
    assert [text.get_text() for text in ax.get_xticklabels()] == [
        "가\n1998",
        "나\n2012",
        "다\n2014",
    ]


def test_family_tree_has_an_arrow_for_every_inheritance():
    (ax,) = figures.family_tree(LINEAGE).axes
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [(arrow.xy[1] > arrow.xyann[1]) for arrow in arrows] == [True] * len(LINEAGE)
    labels = [text.get_text() for text in ax.texts]
    assert {idea for *_, idea in LINEAGE} <= set(labels)
    for network in NETWORKS:  # 연도와 장은 표의 것과 같다
        for name, (_, _, note) in figures.TREE.items():
            if network.name.startswith(name):
                assert note.startswith(f"{network.year} · {network.chapter}장\n")
    with pytest.raises(ValueError, match=r"`lineage`: ResNet"):
        figures.family_tree([("ResNets", "VGG", "x")])


def test_memory_bars_are_mebibytes():
    table = [row("가", parameters=2**18, stored_bytes=3 * 2**20)]
    left, right = figures.memory_bars(table).axes
    assert [bar.get_width() for bar in left.patches] == [1.0]
    assert [bar.get_width() for bar in right.patches] == [3.0]


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    used = {"가": (1998, set(IDEAS))}
    for figure in (
        figures.error_scatter(ROWS, "parameters"),
        figures.protocols(NETWORKS),
        figures.family_tree(LINEAGE),
        figures.idea_years(used, list(IDEAS)),
        figures.memory_bars(ROWS),
    ):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
