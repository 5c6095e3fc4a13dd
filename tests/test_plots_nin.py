"""8장의 그림: 그림에 든 수와 크기가 모형과 torch에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from cnn_lectures import plots
from cnn_lectures.models import nin
from cnn_lectures.plots import nin as figures
from cnn_lectures.train import EpochResult


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_micro_network_reads_the_layers():
    row = nin.MLPConv((32, 24, 16), kernel_size=5, stride=1, padding=2)
    top, bottom = figures.micro_network(nin.mlpconv(1, row)).axes
    for ax, columns in ((top, 1), (bottom, 3)):
        kinds = [type(patch) for patch in ax.patches]
        assert kinds.count(Rectangle) == 25
        assert kinds.count(Circle) == 4 * columns
        assert "5×5 조각" in texts(ax)
    assert {"출력 32"} <= set(texts(top))
    assert {"은닉 32", "은닉 24", "출력 16", "1×1\n+ ReLU"} <= set(texts(bottom))


def test_micro_network_needs_two_convolutions():
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))
    with pytest.raises(ValueError, match=r"`layers`: 합성곱이 둘 이상이어야 .*\(받은 값: 1\)"):
        figures.micro_network(layers)


def test_channel_mixing_writes_what_torch_computes():
    x = torch.arange(12.0).reshape(3, 2, 2)
    weight = torch.tensor([[1.0, -1.0, 2.0], [0.0, 2.0, -1.0]])
    (ax,) = figures.channel_mixing(x, weight, position=(1, 0)).axes
    labels = texts(ax)
    cells = [
        text.get_text() for text in ax.texts if text.get_color() == plots.INK
    ]  # 가중치는 선과 같은 색으로 적는다
    expected = [*x.flatten(), *torch.einsum("kc,chw->khw", weight, x).flatten()]
    written = [cell.replace("−", "-") for cell in cells if "채널" not in cell]
    assert [float(value) for value in written] == [float(value) for value in expected]
    assert [label for label in labels if "채널" in label] == ["입력 3채널", "출력 2채널"]
    weights = [
        float(text.get_text().replace("−", "-"))
        for text in ax.texts
        if text.get_color() != plots.INK
    ]
    assert weights == weight.flatten().tolist()
    marks = [patch for patch in ax.patches if not patch.get_fill()]
    assert len(marks) == 5
    for mark, line in zip(marks[:3], ax.lines[:3], strict=True):
        assert line.get_xydata()[0] == pytest.approx(np.add(mark.get_xy(), 0.5))


@pytest.mark.parametrize("position", [(2, 0), (0, -1)])
def test_channel_mixing_rejects_a_position_outside(position):
    with pytest.raises(ValueError, match=r"`position`: 2×2 안의 위치여야 합니다 \(받은 값"):
        figures.channel_mixing(torch.zeros(3, 2, 2), torch.ones(2, 3), position=position)


def test_transformation_matrices_show_the_blocks():
    pool = torch.nn.AdaptiveAvgPool2d(1)
    fixed = pool(torch.eye(12).reshape(12, 3, 2, 2)).flatten(1).T
    top, bottom = figures.transformation_matrices({"가": fixed, "나": -fixed}, block=4).axes
    assert top.get_title() == "가"
    assert np.array_equal(top.images[0].get_array(), fixed)
    assert top.images[0].get_clim() == (-0.25, 0.25)
    assert [line.get_xdata()[0] for line in top.lines] == [3.5, 7.5]
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["맵 0", "맵 1", "맵 2"]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_architecture_writes_the_sizes_of_the_maps(device):
    with torch.device(device):
        model = nin.nin_small()
    (ax,) = figures.architecture(model, 28).axes
    labels = [label for label in texts(ax) if label]
    assert labels == [
        "입력\n1@28×28", "mlpconv\n16@28×28", "최대 풀링\n16@14×14", "mlpconv\n48@14×14",
        "최대 풀링\n48@7×7", "mlpconv\n10@7×7", "전역 평균 풀링\n10@1×1",
    ]  # fmt: skip
    sides = [patch.get_width() for patch in ax.patches]
    assert sides[0] / sides[-1] == pytest.approx(28**0.5)
    assert model.training
    assert next(model.parameters()).device.type == device


def test_head_curves_draw_every_history():
    history = [EpochResult(epoch, 1.0, 0.5 + epoch / 10, 1.0, 0.4 + epoch / 10) for epoch in (1, 2)]
    figure = figures.head_curves({"가": history, "나": history[:1]})
    train, test = figure.axes
    assert train.lines[0].get_ydata() == pytest.approx([0.6, 0.7])
    assert test.lines[0].get_ydata() == pytest.approx([0.5, 0.6])
    assert len(test.lines[1].get_xdata()) == 1
    assert [text.get_text() for text in test.get_legend().get_texts()] == ["가", "나"]


def test_class_maps_cover_the_image_and_share_a_scale_in_a_row():
    images = torch.zeros(2, 8, 8)
    images[:, 2:5, 2:5] = 1
    maps = torch.tensor([[[[1.0, -3.0]]], [[[2.0, 0.5]]]]).expand(2, 2, 1, 2)
    figure = figures.class_maps(images, maps, [["정답", "가", "나"]] * 2)
    assert isinstance(figure, Figure)
    left, middle, right = figure.axes[:3]
    assert [ax.get_title() for ax in (left, middle, right)] == ["정답", "가", "나"]
    assert middle.images[0].get_clim() == (-3, 3)
    assert figure.axes[5].images[0].get_clim() == (-2, 2)
    assert right.images[0].get_extent() == [-0.5, 7.5, 7.5, -0.5]
    assert np.array_equal(right.images[0].get_array(), maps[0, 1])


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    with torch.device("meta"):
        model = nin.nin()
    for figure in (figures.architecture(model, 224), figures.micro_network(model.features[0])):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
