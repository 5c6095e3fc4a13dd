"""4장의 그림: 그린 선이 함수, 기울기, 성적과 같은지 본다."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnn_lectures import plots
from cnn_lectures.layers.activation import ACTIVATIONS
from cnn_lectures.plots import activation as figures
from cnn_lectures.train import EpochResult


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def legend_of(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_curves_are_torch_functions_and_their_gradients():
    figure = figures.curves(ACTIVATIONS)
    left, right = figure.axes
    for name, value, slope in zip(ACTIVATIONS, left.lines, right.lines, strict=False):
        x = torch.as_tensor(np.array(value.get_xdata())).requires_grad_()
        y = getattr(torch, name)(x)
        assert value.get_ydata() == pytest.approx(y.detach().numpy(), abs=1e-6)
        y.sum().backward()
        assert slope.get_ydata() == pytest.approx(x.grad.numpy(), abs=1e-6)
    assert 0 in left.lines[0].get_xdata()
    assert legend_of(figure) == ["시그모이드", "tanh", "ReLU"]


def test_curves_keep_an_unknown_name():
    figure = figures.curves({"ELU": F.elu})
    assert legend_of(figure) == ["ELU"]
    assert figure.axes[1].lines[0].get_ydata().max() == 1


def test_gradient_flow_draws_every_line_on_a_log_scale():
    norms = {
        "Xavier": {"sigmoid": [1e-6, 1e-3, 1], "relu": [0.1, 0.5, 1]},
        "He": {"tanh": [2, 1]},
    }
    figure = figures.gradient_flow(norms)
    left, right = figure.axes
    assert [left.get_title(), right.get_title()] == ["Xavier", "He"]
    assert left.get_yscale() == right.get_yscale() == "log"
    assert left.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert left.lines[1].get_ydata().tolist() == [0.1, 0.5, 1]
    assert right.lines[0].get_ydata().tolist() == [2, 1]
    assert legend_of(figure) == ["시그모이드", "ReLU"]


def test_training_error_is_one_minus_accuracy():
    history = [EpochResult(epoch, 1.0, epoch / 4, 1.0, 0.1) for epoch in (1, 2, 3)]
    (ax,) = figures.training_error({"relu": history, "tanh": history[::-1]}, target=0.25).axes
    assert ax.lines[0].get_ydata() == pytest.approx([0.75, 0.5, 0.25])
    assert ax.lines[1].get_xdata().tolist() == [3, 2, 1]
    assert list(ax.lines[2].get_ydata()) == [0.25, 0.25]
    assert ax.texts[0].get_text() == "25%"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ReLU", "tanh"]


def test_no_figure_warns_about_glyphs_or_fonts(recwarn, caplog):
    norms = {"Xavier": {"sigmoid": [1e-40, 1]}, "He": {"sigmoid": [1e-30, 1]}}
    for figure in (figures.curves(ACTIVATIONS), figures.gradient_flow(norms)):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
