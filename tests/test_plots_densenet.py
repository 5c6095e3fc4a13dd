"""12장의 그림: 그림에 든 수가 모형에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyBboxPatch, Rectangle

from cnn_lectures import plots
from cnn_lectures.models import densenet
from cnn_lectures.plots import densenet as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def block(layers=5, **options):
    model = densenet.DenseNet(12, (layers,), 16, stem="cifar", **options)
    return model.features.denseblock1


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


@pytest.mark.parametrize("bn_size", [0, 4])
def test_new_channels(bn_size):
    assert figures.new_channels(block(3, bn_size=bn_size)) == [16, 12, 12, 12]


@pytest.mark.parametrize("layers", [2, 5])
def test_connections_draw_every_pair_once(layers):
    (ax,) = figures.connections(block(layers)).axes
    ends = {(round(x[0]), round(x[-1])) for x in (line.get_xdata() for line in ax.lines)}
    assert ends == {(s, t) for s in range(layers) for t in range(s + 1, layers + 1)}
    assert len(ax.lines) == densenet.connections(layers)
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == layers + 1
    assert texts(ax)[0] == "$x_0$\n16"
    assert set(texts(ax)[1:]) == {f"$x_{index}$\n12" for index in range(1, layers + 1)}


def test_connections_reject_a_deep_block():
    with pytest.raises(ValueError, match=r"`block`: 층이 5개 이하여야 합니다 \(받은 값: 6\)"):
        figures.connections(block(6))


def test_addition_keeps_and_concatenation_grows():
    left, right = figures.addition_and_concatenation(block(3)).axes
    assert texts(left) == ["16"] * 4
    assert texts(right) == ["16", "28", "40", "52"]
    assert [bar.get_height() for bar in right.patches] == [16, 16, 12, 16, 12, 12, 16, 12, 12, 12]


def test_compositions_name_the_parts_in_order():
    layers = {"가": block(1, bn_size=0)[0], "나": block(1)[0], "다": densenet.transition(10, 5)}
    first, second, third = figures.compositions(layers).axes
    norm = ["배치 정규화", "ReLU"]
    assert texts(first) == ["16채널", *norm, "3×3 합성곱, 12", "출력"]
    assert texts(second) == ["16채널", *norm, "1×1 합성곱, 48", *norm, "3×3 합성곱, 12", "출력"]
    assert texts(third) == ["10채널", *norm, "1×1 합성곱, 5", "2×2 평균 풀링", "출력"]
    assert third.get_title() == "다"


def test_channel_growth_reads_every_layer():
    with torch.device("meta"):
        model = densenet.cifar_densenet(16, 4)
    (ax,) = figures.channel_growth(model).axes
    bars = [patch.get_height() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert bars == [8, 12, 16, 8, 12, 16, 8, 12, 16]
    assert texts(ax) == ["블록 1\n2층", "블록 2\n2층", "블록 3\n2층"]


def test_curves_draw_every_line():
    (ax,) = figures.memory_growth([1, 2], {"가": [3, 9], "나": [2, 4]}).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 9], [2, 4]]
    (ax,) = figures.gradient_profile({"가": [3.0, 9.0], "나": [2.0]}).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 9], [2]]
    assert ax.get_yscale() == "log"


def test_source_weights_split_the_weights_by_source():
    model = densenet.cifar_densenet(16, 4)
    with torch.no_grad():
        weight = model.features.denseblock1[1].conv1.weight
        weight[:, :8], weight[:, 8:] = 3, -1
        head = model.classifier.weight
        head[:, :8], head[:, 8:12], head[:, 12:] = 1, 2, 0
    first, _, last = figures.source_weights(model)
    assert first[:2, 1] == pytest.approx(np.array([3, 1]) / (28 / 12))
    assert last[:, 2] == pytest.approx([1, 2, 0])
    assert np.isnan(first).tolist() == np.tri(3, k=-1, dtype=bool).tolist()


def test_reuse_maps_write_the_values():
    matrix = np.array([[1.0, 0.5], [np.nan, 1.5]])
    left, right = figures.reuse_maps([matrix, 2 * matrix]).axes
    assert texts(left) == ["1.00", "0.50", "1.50"]
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["$H_1$", "전이"]
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["$H_1$", "분류기"]
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 3)


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    for figure in (figures.connections(block()), figures.addition_and_concatenation(block())):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
