"""11장의 그림: 그림에 든 것이 모형과 기록에서 온 것인지 본다."""

from math import comb

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from cnn_lectures import plots
from cnn_lectures.models import resnet
from cnn_lectures.plots import resnet as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


@pytest.fixture
def record():
    """기록의 꼴을 한 작은 자료. 깊이마다 오류율이 다르다."""
    return {
        (depth, shortcut, seed): {
            "train_error": [depth / 100, depth / 200 + 0.1 * seed],
            "probes": {
                epoch: {"weight": [1.0, 2.0, 4.0], "gradient": [0.5, 0.25, depth]}
                for epoch in ("0", "1", "3", "6")
            },
        }
        for depth in (8, 20)
        for shortcut in ("none", "A")
        for seed in (0, 1)
    }


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def bends(ax) -> list[tuple]:
    """지름길이 지나는 모퉁이."""
    return [tuple(line.get_ydata()) for line in ax.lines if len(line.get_ydata()) == 3]


def test_residual_block_is_the_plain_block_and_a_shortcut():
    plain, residual = figures.blocks().axes
    layers = ["x", "3×3 합성곱", "배치 정규화", "ReLU", "3×3 합성곱", "배치 정규화"]
    assert texts(plain) == [*layers, "ReLU", "y"]
    assert texts(residual) == [*layers, "+", "ReLU", "y", "x"]
    assert bends(plain) == []
    assert bends(residual) == [(-0.5, -0.5, -6)]


def test_pre_activation_moves_the_parts_before_the_addition():
    left, right = figures.activation_orders().axes
    assert sorted(texts(left)) == sorted(texts(right))
    assert texts(right)[1:4] == ["배치 정규화", "ReLU", "3×3 합성곱"]
    assert texts(left)[-3:-1] == ["ReLU", "y"]
    assert texts(right)[-3:-1] == ["+", "y"]


def test_shortcuts_say_where_the_projections_are():
    for ax, (same, changed) in zip(
        figures.shortcuts().axes, (("x", "0 채우기"), ("x", "1×1"), ("1×1", "1×1")), strict=True
    ):
        option = ax.get_title()[-1]
        assert texts(ax)[-2:] == [same, changed]
        kept = resnet.shortcut_for(option, 64, 64, 1)
        moved = resnet.shortcut_for(option, 64, 128, 2)
        assert (same == "1×1") == any(True for _ in kept.parameters())
        assert (changed == "1×1") == any(True for _ in moved.parameters())


def test_bottleneck_widths_follow_the_channels():
    basic, bottleneck = figures.bottleneck().axes
    assert texts(basic) == ["64채널", "3×3, 64", "3×3, 64", "+", "y", "x"]
    assert texts(bottleneck)[1:4] == ["1×1, 64", "3×3, 64", "1×1, 256"]
    widths = [patch.get_width() for patch in bottleneck.patches if hasattr(patch, "get_width")]
    assert widths == pytest.approx([8 / 6, 8 / 6, 16 / 6])


@pytest.mark.parametrize("build", [resnet.resnet18, resnet.resnet34])
def test_architecture_draws_every_block(build):
    model = build()
    (ax,) = figures.architecture(model).axes
    labels = texts(ax)
    assert labels.count("3×3\n3×3") == sum(resnet.CONFIGURATIONS[build.__name__][1])
    sizes = [label for label in labels if "@" in label][1:]
    assert sizes == ["64@56×56", "128@28×28", "256@14×14", "512@7×7"]
    styles = [text.arrow_patch.get_linestyle() for text in ax.texts if hasattr(text, "arrow_patch")]
    dashed = sum(style in ("--", "dashed") for style in styles if style)
    assert dashed == 3


def test_convolutions_leave_the_shortcut_out():
    block = resnet.Bottleneck(64, 64)
    assert [layer.kernel_size[0] for layer in figures.convolutions(block)] == [1, 3, 1]


def test_error_curves_draw_a_line_per_run(record):
    (ax,) = figures.error_curves(record, ["none"]).axes
    drawn = [tuple(line.get_ydata()) for line in ax.lines]
    assert np.allclose(drawn, [(8, 4), (8, 14), (20, 10), (20, 20)])
    assert [line.get_linestyle() for line in ax.lines] == ["-", ":", "-", ":"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["8층", "20층"]
    left, right = figures.error_curves(record, ["none", "A"]).axes
    assert (left.get_title(), right.get_title()) == ("일반 신경망", "잔차 신경망")


@pytest.mark.parametrize(
    ("quantity", "values"),
    [("gradient", (0.5, 0.25, 20)), ("weight", (1, 2, 4)), ("product", (0.5, 0.5, 80))],
)
def test_profiles_draw_a_line_per_probed_epoch(record, quantity, values):
    figure = figures.profiles(record, 20, quantity, label="크기")
    for ax in figure.axes:
        assert len(ax.lines) == 4
        assert np.allclose(ax.lines[0].get_ydata(), values)
        assert ax.get_yscale() == "log"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["처음", "1에포크 뒤", "3에포크 뒤", "6에포크 뒤"]


def test_path_lengths_are_binomial():
    (ax,) = figures.path_lengths(16).axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [comb(16, length) for length in range(17)]
    assert (sum(heights), max(heights)) == (65_536, 12_870)


def test_path_lengths_reject_no_block():
    with pytest.raises(ValueError, match=r"`count`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        figures.path_lengths(0)


def test_lesion_bars_draw_the_intact_level():
    (ax,) = figures.lesion_bars({"1.1": 0.5, "1.2": 0.8}, intact=0.9).axes
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.8]
    assert texts(ax) == ["0.50", "0.80"]
    assert ax.lines[0].get_ydata()[0] == 0.9


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    for figure in (figures.blocks(), figures.shortcuts(), figures.path_lengths(4)):
        assert isinstance(figure, Figure)
        figure.canvas.draw()
        plt.close(figure)
    assert not recwarn.list
    assert not caplog.records
