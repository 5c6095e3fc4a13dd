"""검증을 검증한다: 좋은 노트북을 하나씩 망가뜨리면 그때마다 실패해야 한다."""

import base64
import copy
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from cnn_lectures import plots
from tests import notebook_verifier
from tools import notebooks

ROOT = Path(__file__).parents[1]

IMPORTS, NUMBER, PLOT, LISTING, TRAINING, QUIET, CLEARED, TRAINED_PLOT = range(8)
SOURCES = [
    "import matplotlib.pyplot as plt\n"
    "from IPython.display import clear_output\n"
    "from cnn_lectures import plots\n"
    "from cnn_lectures.notebook import show_source\n"
    "plots.use_style()",
    'print("매개변수 61,706개")',
    "figure, ax = plt.subplots()\n"
    "lines = ax.plot([0, 1, 2], [0, 1, 4])\n"
    'title = ax.set_title("합성곱 층")',
    "show_source(plots.use_style)",
    'print("시험 정확도", 0.885)',
    "1 + 1;",
    'print("지워질 글")\nclear_output(wait=True)\nprint("남을 글")',
    "figure, ax = plt.subplots()\nlines = ax.plot([0, 1, 2], [0, 1, 4])",
]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Make notebooks로 실행한 작은 노트북."""
    path = tmp_path_factory.mktemp("good") / "good.ipynb"
    notebook = new_notebook(cells=[new_code_cell(source) for source in SOURCES])
    notebook.cells[TRAINING].metadata["verify"] = {"atol": 0.02, "why": "학습 결과"}
    notebook.cells[TRAINED_PLOT].metadata["verify"] = {"pixels": 0.02, "why": "학습 결과"}
    nbformat.write(notebook, path)
    notebooks.rewrite(path)
    first = path.read_bytes()
    notebooks.rewrite(path)
    assert path.read_bytes() == first  # make notebooks를 두 번 해도 한 바이트도 달라지지 않는다
    return nbformat.read(path, as_version=4)


def source(index, old, new):
    """칸의 코드를 바꾼다. 저장된 출력은 옛것이 남는다."""

    def change(cells):
        assert old in cells[index].source
        cells[index].source = cells[index].source.replace(old, new)

    return change


def stored(index, old, new):
    """저장된 출력의 글을 바꾼다."""

    def change(cells):
        (output,) = cells[index].outputs
        holder = output if output.output_type == "stream" else output.data
        keys = [key for key in ("text", "text/plain", "text/markdown") if key in holder]
        assert any(old in holder[key] for key in keys)
        for key in keys:
            holder[key] = holder[key].replace(old, new)

    return change


def attribute(index, **values):
    """칸의 속성을 바꾼다."""
    return lambda cells: cells[index].update(values)


def all_of(*changes):
    return lambda cells: [change(cells) for change in changes]


BREAKS = {  # 이름: (망가뜨리기, 실패하는 칸, 까닭에 들어 있을 말)
    "changed_number": (stored(NUMBER, "61,706", "61,705"), NUMBER, "61,705"),
    "changed_title": (source(PLOT, "합성곱 층", "합성곡 층"), PLOT, "다른 화소"),
    "changed_curve": (source(PLOT, "[0, 1, 4]", "[0, 1.1, 4]"), PLOT, "다른 화소"),
    "changed_size": (
        source(PLOT, "plt.subplots()", "plt.subplots(figsize=(6, 3))"), PLOT, "크기가"
    ),
    "missing_plot": (attribute(PLOT, outputs=[]), PLOT, "출력의 종류가 다릅니다"),
    "plot_no_longer_drawn": (source(PLOT, "lines =", "plt.close()\nlines ="), PLOT, "출력의 종류"),
    "no_execution_count": (attribute(NUMBER, execution_count=None), NUMBER, "실행하지 않은 칸"),
    "never_run": (
        attribute(NUMBER, execution_count=None, outputs=[]), NUMBER, "실행하지 않은 칸"
    ),
    "stale_listing": (stored(LISTING, "rcParams", "rcparams"), LISTING, "rcparams"),
    "accuracy_outside_tolerance": (stored(TRAINING, "0.885", "0.906"), TRAINING, "0.906 ↔ 0.885"),
    "words_changed_beside_a_tolerance": (stored(TRAINING, "시험", "학습"), TRAINING, "학습 정확도"),
    "curve_outside_tolerance": (
        source(TRAINED_PLOT, "plt.subplots()", "plt.subplots(facecolor='0.5')"),
        TRAINED_PLOT,
        "다른 화소",
    ),
    "tolerance_without_reason": (
        attribute(TRAINING, metadata={"verify": {"atol": 9.0}}), TRAINING, "why"
    ),
    "ignored_output": (
        attribute(NUMBER, metadata={"tags": ["nbval-ignore-output"]}), NUMBER, "둘 수 없습니다"
    ),
    "skipped_cell": (
        attribute(NUMBER, metadata={"tags": ["nbval-skip"]}), NUMBER, "둘 수 없습니다"
    ),
    "stderr": (
        source(NUMBER, "print(", "import sys; print('!', file=sys.stderr); print("),
        NUMBER,
        "stderr",
    ),
    "stored_stderr": (
        attribute(QUIET, outputs=[new_output("stream", name="stderr", text="!")]), QUIET, "stderr가"
    ),
    "missing_glyph": (source(PLOT, "합성곱 층", "합성곱 \\U0001F9FF"), PLOT, "Glyph"),
    "exception": (source(NUMBER, "print(", "print(1 / 0, "), NUMBER, "ZeroDivisionError"),
}  # fmt: skip

ALLOWED = {
    "good": lambda cells: None,
    "accuracy_within_tolerance": stored(TRAINING, "0.885", "0.9"),
    "curve_within_tolerance": source(TRAINED_PLOT, "[0, 1, 4]", "[0, 1.1, 4]"),
}


@pytest.fixture(scope="module")
def results(good, tmp_path_factory):
    """모든 변형을 한 번에 pytest --nbval로 돌리고 {노트북: {칸: 실패한 까닭}}을 모은다."""
    folder = tmp_path_factory.mktemp("variants")
    changes = ALLOWED | {name: change for name, (change, _, _) in BREAKS.items()}
    for name, change in changes.items():
        variant = copy.deepcopy(good)
        change(variant.cells)
        nbformat.write(variant, folder / f"{name}.ipynb")

    report = folder / "report.xml"
    subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q",
            "-c", os.devnull, "-p", "tests.notebook_verifier", "-p", "no:cacheprovider",
            "--color=no", f"--rootdir={folder}", f"--junitxml={report}", str(folder),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failures = {name: {} for name in changes}
    ran = dict.fromkeys(changes, 0)
    for case in ET.parse(report).iter("testcase"):
        name = case.get("classname").split(".")[
            -2 if case.get("classname").endswith("ipynb") else -1
        ]
        ran[name] += 1
        for child in case:
            failures[name][int(case.get("name").removeprefix("Cell "))] = child.text or ""
    assert set(ran.values()) == {len(SOURCES)}
    return failures, folder


@pytest.mark.parametrize("name", ALLOWED)
def test_good_notebook_passes(results, name):
    assert results[0][name] == {}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_notebook_fails(results, name):
    _, cell, reason = BREAKS[name]
    failures = results[0][name]
    assert list(failures) == [cell]
    assert reason in failures[cell]


def test_images_of_a_failed_plot_are_kept(results):
    folder = results[1] / "_build" / "nbval" / "changed_title" / f"cell-{PLOT:02d}"
    assert sorted(path.name for path in folder.iterdir()) == [
        "actual.png",
        "diff.png",
        "expected.png",
    ]
    assert Image.open(folder / "diff.png").getextrema() == (0, 255)


def test_stored_notebook_has_no_trace_of_the_run(good):
    assert good.metadata == notebooks.METADATA
    assert [cell.execution_count for cell in good.cells] == list(range(1, len(SOURCES) + 1))
    assert good.cells[QUIET].outputs == []
    assert good.cells[CLEARED].outputs[0].text == "남을 글\n"
    assert "execution" not in good.cells[0].metadata


@pytest.mark.parametrize(
    ("expected", "actual", "bounds", "same"),
    [
        ("a 1.0", "a 1.0", {}, True),
        ("a 1.0", "a 1.00001", {}, False),
        ("loss 1,234.5", "loss 1,230.0", {"rtol": 0.01}, True),
        ("loss 1,234.5", "loss 1,200.0", {"rtol": 0.01}, False),
        ("x −0.5", "x -0.51", {"atol": 0.02}, True),
        ("x -0.5", "x -0.51", {"atol": 0.02}, True),
        ("x -0.5", "x 0.5", {"atol": 0.02}, False),
        ("층 9", "층 10", {"rtol": 0.2}, True),
        ("  9 개", " 10 개", {"rtol": 0.2}, True),
        ("conv2 1.0", "conv3 1.0", {"atol": 5}, False),  # 이름에 붙은 수는 글이다
        ("1 2", "1", {"atol": 5}, False),
        ("1e-7", "3e-7", {"atol": 1e-6}, True),
        ("nan", "nan 1", {"atol": 1}, False),
    ],
)
def test_compare_text(expected, actual, bounds, same):
    assert (notebook_verifier.compare_text(expected, actual, **bounds) == "") is same


def png(title="합성곱 신경망", slope=1.0):
    plots.use_style()
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, slope])
    ax.set_title(title)
    ax.set_ylim(0, 2)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def test_one_changed_jamo_is_seen_and_invisible_noise_is_not():
    compare = notebook_verifier.compare_images
    assert compare(png(), png()) == ""
    assert compare(png(), png(slope=1.0001)) == ""
    assert "다른 화소" in compare(png(), png(title="합성공 신경망"))
    assert "다른 화소" in compare(png(), png(slope=1.05))
    assert "읽을 수 없습니다" in compare(png(), base64.b64encode(b"not a picture").decode())
