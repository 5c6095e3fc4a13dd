"""9장의 그림: 그림에 든 수가 모형에서 얻은 것과 같은지 본다."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.complexity import LayerCost, count_parameters, multiply_adds
from cnn_lectures.models import googlenet
from cnn_lectures.plots import googlenet as figures


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


@pytest.fixture
def model():
    with torch.device("meta"):
        return googlenet.googlenet(aux_logits=True)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def boxes(ax) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize(("variant", "kernel"), [("paper", "5×5"), ("torchvision", "3×3")])
def test_inception_module_reads_the_branches(variant, kernel):
    row = googlenet.INCEPTIONS["3a"]
    module = googlenet.Inception(192, row, googlenet.VARIANTS[variant])
    (ax,) = figures.inception_module(module).axes
    c1, r3, c3, r5, c5, p = row
    assert texts(ax) == [
        f"1×1 합성곱\n{c1}채널", f"1×1 합성곱\n{r3}채널", f"3×3 합성곱\n{c3}채널",
        f"1×1 합성곱\n{r5}채널", f"{kernel} 합성곱\n{c5}채널", "3×3 최대 풀링",
        f"1×1 합성곱\n{p}채널", "입력 192채널", "이어 붙이기 256채널",
    ]  # fmt: skip
    assert len(boxes(ax)) == 9


def test_stages_add_up_to_the_model(model):
    rows = figures.stages(model, 224)
    body = count_parameters(model) - count_parameters(model.aux1) - count_parameters(model.aux2)
    assert sum(row.parameters for row in rows) == body == 6_998_552
    assert sum(row.multiply_adds for row in rows) == multiply_adds(model, (1, 3, 224, 224))
    sizes = {row.name: row.output_size for row in rows}
    assert sizes["conv1"] == (64, 112, 112)
    assert sizes["inception3a"] == (256, 28, 28)
    assert sizes["inception4e"] == (832, 14, 14)
    assert sizes["inception5b"] == (1024, 7, 7)
    assert list(sizes)[-2:] == ["avgpool", "fc"]
    parameters = {row.name: row.parameters for row in rows}
    assert parameters["inception3a"] == 163_696
    assert parameters["inception5b"] == 1_444_080


def test_stages_leave_out_what_the_variant_lacks():
    rows = figures.stages(googlenet.googlenet_small(), 28)
    names = [row.name for row in rows]
    assert names[:4] == ["conv1", "maxpool1", "conv2", "conv3"]
    assert not {"norm1", "dropout", "transform_input"} & set(names)


@pytest.mark.parametrize(
    ("name", "title"),
    [("inception4c", "인셉션 4c"), ("maxpool2", "최대 풀링"), ("fc", "완전 연결")],
)
def test_korean_names(name, title):
    assert figures.korean(name)[0] == title


def test_korean_rejects_an_unknown_name():
    with pytest.raises(ValueError, match=r"`name`: conv, maxpool, .*시작해야 .*받은 값: 'aux1'"):
        figures.korean("aux1")


def test_architecture_draws_every_stage_and_the_auxiliaries(model):
    (ax,) = figures.architecture(model, 224).axes
    labels = texts(ax)
    assert labels[:2] == ["합성곱", "64@112×112"]
    assert {"인셉션 4d", "528@14×14", "1024@1×1", "1000"} <= set(labels)
    assert labels.count("보조 분류기") == 2
    assert labels[labels.index("인셉션 4a") + 2] == "보조 분류기"
    drawn = boxes(ax)
    assert len(drawn) == len(figures.stages(model, 224))
    assert drawn[-2].get_width() / drawn[0].get_width() == pytest.approx(4)  # √(1024 / 64)


def test_architecture_without_auxiliaries():
    (ax,) = figures.architecture(googlenet.googlenet_small(), 28).axes
    assert "보조 분류기" not in texts(ax)
    assert "국소 응답 정규화" not in texts(ax)


def test_cost_bars_skip_layers_without_parameters():
    rows = [
        LayerCost("conv1", (64, 112, 112), 9_472, 118_013_952),
        LayerCost("maxpool1", (64, 56, 56), 0, 0),
        LayerCost("inception3a", (256, 28, 28), 163_696, 128_049_152),
    ]
    left, right = figures.cost_bars(rows).axes
    assert [bar.get_width() for bar in left.patches] == pytest.approx([0.009472, 0.163696])
    assert texts(left) == ["0.01", "0.16"]
    assert texts(right) == ["118", "128"]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["합성곱", "인셉션 3a"]


def test_branch_bars_stack_the_branches():
    figure = figures.branch_bars({"가": [1e6, 2e6, 3e6, 0], "나": [1e6, 1e6, 1e6, 1e6]})
    (ax,) = figure.axes
    assert texts(ax) == ["6.0", "4.0"]
    starts = [bar.get_x() for bar in ax.patches]
    assert starts == [0, 0, 1, 1, 3, 2, 6, 3]
    assert len(figure.legends[0].get_texts()) == 4


def test_gradient_norms_leave_gaps_for_zero():
    norms = {"가": {"본": [1.0, 0.1], "보조": [0.5, 0.0]}, "나": {"본": [1.0, 1.0], "보조": [2, 2]}}
    top, bottom = figures.gradient_norms(norms, ["1", "2"]).axes
    assert top.get_yscale() == "log"
    assert list(top.lines[0].get_ydata()) == [1.0, 0.1]
    assert np.isnan(top.lines[1].get_ydata()[1])
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["1", "2"]
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["본", "보조"]


def test_no_figure_warns_about_glyphs_or_fonts(model, recwarn, caplog):
    for figure in (
        figures.inception_module(model.inception5b),
        figures.architecture(model, 224),
        figures.cost_bars(figures.stages(model, 224)),
    ):
        figure.canvas.draw()
    assert not recwarn.list
    assert not caplog.records
