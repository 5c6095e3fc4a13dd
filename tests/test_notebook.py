"""층별 표와 소스 보이기."""

import pytest
import torch
from torch import nn

from cnn_lectures import data, notebook
from cnn_lectures.models.lenet import LeNet5


def test_summary_of_lenet5_reads_as_printed_in_the_book():
    text = repr(notebook.summary(LeNet5(), (1, 1, 32, 32)))
    for line in (
        "Total params: 61,706",
        "Trainable params: 61,706",
        "Non-trainable params: 0",
        "Total mult-adds (M): 0.42",
        "Input size (MB): 0.00",
        "Forward/backward pass size (MB): 0.05",
        "Params size (MB): 0.25",
        "Estimated Total Size (MB): 0.30",
    ):
        assert line in text.splitlines()


def test_summary_keeps_the_exact_counts():
    statistics = notebook.summary(LeNet5(), (1, 1, 32, 32)).statistics
    assert statistics.total_params == 61_706
    assert statistics.total_mult_adds == 423_038
    assert statistics.total_output_bytes == 52_144
    assert statistics.total_param_bytes == 246_824


@pytest.mark.parametrize(("width", "unit"), [(8, "(M)"), (600, "(G)")])
def test_summary_prints_units_as_letters(width, unit):
    model = nn.Sequential(nn.Conv2d(1, width, 3), nn.Conv2d(width, width, 3))
    text = repr(notebook.summary(model, (1, 1, 64, 64)))
    assert "Units." not in text
    assert f"Total mult-adds {unit}" in text


def test_summary_prints_nothing_and_leaves_the_model_alone(capsys):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    notebook.summary(model, (1, 1, 8, 8))
    assert capsys.readouterr() == ("", "")
    assert [module.training for module in model] == [True, False, True]
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_show_source_is_a_listing_in_the_book_and_text_elsewhere():
    shown = notebook.show_source(data.Split.take)
    assert repr(shown).startswith("# cnn_lectures/data.py\ndef take(self, count: int)")
    assert shown._repr_markdown_() == f"````python\n{shown!r}\n````"


def test_show_source_names_each_file_once():
    shown = repr(notebook.show_source(data.find, data.verified, notebook.Source))
    assert shown.count("# cnn_lectures/data.py") == 1
    assert shown.count("# cnn_lectures/notebook.py") == 1


def test_show_source_refuses_a_value():
    with pytest.raises(TypeError, match=r"`objects`: 소스가 있는 클래스나 함수.*받은 값: 3"):
        notebook.show_source(3)
