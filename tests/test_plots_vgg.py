"""7장의 그림: 그림에 든 수와 크기가 모형과 torch에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.complexity import count_parameters, multiply_adds
from cnn_lectures.models import vgg
from cnn_lectures.plots import vgg as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


@pytest.fixture
def model():
    with torch.device("meta"):
        return vgg.vgg16()


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]  # 화살표의 빈 글은 뺀다


def test_blocks_add_up_to_the_model(model):
    rows = figures.blocks(model, 224)
    assert [row.convolutions for row in rows] == [2, 2, 3, 3, 3, 3]
    assert [(row.channels, row.size) for row in rows[:-1]] == [
        (64, 224), (128, 112), (256, 56), (512, 28), (512, 14),
    ]  # fmt: skip
    assert sum(row.parameters for row in rows) == count_parameters(model)
    assert sum(row.multiply_adds for row in rows) == multiply_adds(model, (1, 3, 224, 224))
    assert sum(row.activations for row in rows[:-1]) == 13_547_520
    assert rows[-1].activations == 4096 + 4096 + 1000
    assert rows[-1].name == "완전 연결"


def test_configurations_write_every_row_of_the_table():
    names = ("A", "A-LRN", "C", "E")
    (ax,) = figures.configurations(names).axes
    labels = texts(ax)
    assert set(names) <= set(labels)
    items = [item for name in names for item in vgg.CONFIGURATIONS[name].replace("|", " ").split()]
    for channels in ("64", "128", "256", "512", "LRN"):
        assert labels.count(channels) == items.count(channels)
    assert labels.count("1×1, 512") == 2
    assert [label for label in labels if label.count("×") == 1 and "," not in label] == [
        "112×112", "56×56", "28×28", "14×14", "7×7",
    ]  # fmt: skip
    assert len(ax.patches) == len(items) + 3 * len(names)


def test_configurations_need_the_same_number_of_stages():
    with pytest.raises(ValueError, match=r"`names`: 단의 수가 같은 구성이어야 .*\['A', 'small'\]"):
        figures.configurations(["A", "small"])


@pytest.mark.parametrize(("depth", "titles"), [(2, ("18", "25")), (3, ("27", "49"))])
def test_stacks_count_the_weights_and_shrink_by_two(depth, titles):
    above, below = figures.stacks(depth).axes
    for ax, weights in zip((above, below), titles, strict=True):
        assert f"가중치 {weights}개" in ax.get_title(loc="left")
    sizes = [f"{size}×{size}" for size in range(2 * depth + 1, 0, -2)]
    assert [label for label in texts(above) if label != "3×3"] == [
        size for size in sizes if size != "3×3"
    ]
    windows = [patch for patch in above.patches if not patch.get_fill()]
    assert [window.get_width() for window in windows] == [3] * depth


def test_stacks_reject_zero():
    with pytest.raises(ValueError, match=r"`depth`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        figures.stacks(0)


def test_architecture_reads_the_model():
    small = vgg.vgg_small()
    (ax,) = figures.architecture(small, 32).axes
    labels = texts(ax)
    assert "입력\n1@32×32" in labels
    assert "3×3 합성곱 2번\n64@8×8" in labels
    assert "풀링 64@4×4 → 128 → 128 → 10\n(완전 연결 3층)" in labels
    assert small.training


def test_cost_shares_write_the_totals(model):
    parameters, operations = figures.cost_shares({"D": model}, 224).axes
    assert texts(parameters) == ["138.4"]
    assert texts(operations) == ["15.5"]
    widths = [patch.get_width() for patch in parameters.patches if isinstance(patch, Rectangle)]
    assert widths == pytest.approx([14.714688, 123.642856])
    assert parameters.patches[1].get_x() == pytest.approx(14.714688)  # 이어 붙인 막대


def test_block_bars_write_the_shares(model):
    axes = figures.block_bars(figures.blocks(model, 224)).axes
    for ax in axes:
        shares = [patch.get_width() for patch in ax.patches]
        assert sum(shares) == pytest.approx(1)
        assert texts(ax) == [f"{share:.1%}" for share in shares]
    assert texts(axes[0])[-1] == "89.4%"


def test_signals_draw_every_layer_on_a_log_scale():
    (ax,) = figures.signals({"가": [1.0, 0.1, 0.01], "나": [1.0, 2.0]}).axes
    assert ax.get_yscale() == "log"
    assert ax.lines[0].get_ydata() == pytest.approx([1, 0.1, 0.01])
    assert list(ax.lines[1].get_xdata()) == [1, 2]


def test_crops_are_centered_and_true_to_scale():
    figure = figures.crops((256, 512), 224, torch.rand(28, 28))
    for ax, side in zip(figure.axes, (256, 512), strict=True):
        frame, crop = ax.patches
        assert (frame.get_width(), crop.get_width()) == (side, 224)
        assert crop.get_x() == (side - 224) / 2
    assert figure.axes[1].get_title() == "S = 512\n44%"


def test_crops_reject_a_small_image():
    with pytest.raises(ValueError, match=r"`sides`: 224 이상이어야 합니다 \(받은 값: \[200\]\)"):
        figures.crops([200], 224, torch.rand(4, 4))


def test_score_maps_share_one_scale():
    maps = torch.tensor([[[0.1, 0.9]], [[0.2, 0.3]]])
    figure = figures.score_maps(torch.rand(2, 4, 4), maps, ["가", "나"])
    below = [ax for ax in figure.axes if ax.images[0].get_array().shape == (1, 2)]
    assert [ax.images[0].get_clim() for ax in below] == [(0, 1)] * 2
    assert np.array_equal(below[0].images[0].get_array(), maps[0])


def test_no_figure_warns_about_glyphs_or_fonts(model, recwarn, caplog):
    for figure in (
        figures.configurations(("A", "C")),
        figures.architecture(model, 224),
        figures.signals({"N(0, 0.1²)": [1.0, 10.0]}),
    ):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
