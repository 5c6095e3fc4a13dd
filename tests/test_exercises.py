"""연습 문제와 채점기: 풀이는 맞고, 틀린 답은 저마다의 힌트를 받고, 채점기는 쓰러지지 않는다."""

import io
import re
import subprocess
import sys
import threading
import time
from collections import Counter

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnn_lectures.exercises import CHAPTERS, _criteria, check, exercise, exercises, grade
from cnn_lectures.exercises._kinds import MIME, Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.exercises._reader import UnreadableError, as_numbers, limited
from cnn_lectures.train import choose_device
from tests.test_book import NOTEBOOKS
from tools import notebooks

ALL = {name: item for chapter in CHAPTERS for name, item in exercises(chapter).items()}
NAMES = list(ALL)


def right_answer(item):
    """풀이가 낼 답."""
    if isinstance(item, Number):
        return item.answer()
    if isinstance(item, Choice):
        return item.place
    return item.oracle if isinstance(item, Function) else item.example()


def wrong_answers(item):
    """(흔한 틀린 답, 그 힌트)."""
    for mistake in item.mistakes:
        answer = mistake.answer
        if isinstance(item, Choice):
            answer = item.options().index(answer) + 1
        elif isinstance(item, Design) or (isinstance(item, Number) and callable(answer)):
            answer = answer()
        yield answer, mistake.hint


# --- 문제마다 ---


def test_chapters_are_those_of_the_book():
    assert [path.stem[3:] for path in NOTEBOOKS] == list(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_has_enough_exercises_of_each_kind(chapter):
    kinds = Counter(type(item) for item in exercises(chapter).values())
    assert kinds.total() >= 5
    assert kinds[Number] >= 2
    assert kinds[Function] >= 1
    assert kinds[Design] == 1
    assert 25 <= sum(item.minutes for item in exercises(chapter).values()) <= 90


@pytest.mark.parametrize("name", NAMES)
def test_solution_passes_and_shows_the_explanation(name):
    verdict = grade(name, right_answer(ALL[name]))
    assert verdict.correct is True, verdict
    assert ALL[name].explanation in verdict.message


@pytest.mark.parametrize("name", NAMES)
def test_typical_wrong_answers_fail_with_their_own_hints(name):
    item = ALL[name]
    hints = [mistake.hint for mistake in item.mistakes]
    assert len(hints) >= 3
    assert len(set(hints)) == len(hints)
    for answer, hint in wrong_answers(item):
        verdict = grade(name, answer)
        assert verdict.correct is False
        assert [other for other in hints if other in verdict.message] == [hint]
        if isinstance(item, Design):  # 항목 하나만 어긴 설계여야 그 항목을 시험한 것이 된다
            assert verdict.message.count("❌") == 1


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Design)])
def test_grading_leaves_the_module_as_it_was(name):
    model = ALL[name].example().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert grade(name, model).correct is True
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_hints_do_not_tell_the_answer(name):
    item = ALL[name]
    texts = [item.hint, *(mistake.hint for mistake in item.mistakes)]
    if isinstance(item, Choice):
        assert all(item.right not in text for text in texts)
    if not isinstance(item, Number):
        return
    for value in item.expected.ravel():
        digits = {f"{value:g}", f"{value:,.2f}".rstrip("0").rstrip("."), f"{value:.0f}"}
        for written in (text for text in digits if len(text) > 2):
            pattern = rf"(?<![\d.,]){re.escape(written)}(?!\d|[.,]\d)"
            assert not any(re.search(pattern, text) for text in texts), written


@pytest.mark.parametrize("name", NAMES)
def test_text_is_complete_and_stands_alone(name):
    item = ALL[name]
    assert item.level in (1, 2, 3)
    assert 1 <= item.minutes <= 30
    texts = [item.question, item.hint, item.explanation, *(m.hint for m in item.mistakes)]
    for text in texts:
        assert re.search("[가-힣]", text)
        assert text.count("$") % 2 == 0
        # Moodle에도 싣는 글이라, 책 안을 가리키거나 MyST에만 있는 표기를 쓰지 않는다.
        assert not re.search(r"\]\(|\{\w+\}`|:::|<\w|  +\n", text), text
    assert re.search(r"(십시오|니까)[.?]?", item.question), item.question


@pytest.mark.parametrize("name", NAMES)
def test_unanswered_is_neither_right_nor_wrong(name):
    assert grade(name, ...).correct is None


BAD_TYPES = ["28", None, True, 1j, object(), [], [[1], [2, 3]], float("nan"), {"a": 1}, b"1"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_the_wrong_type_get_a_message(name):
    for answer in BAD_TYPES:
        verdict = grade(name, answer)
        assert verdict.correct is False
        assert re.search("답하십시오|받았습니다|길이|비어|NaN", verdict.message), (answer, verdict)


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_the_wrong_shape_say_what_was_received(name):
    item = ALL[name]
    if isinstance(item, Number):
        verdict = grade(name, np.zeros((7, 3)))
        assert verdict.correct is False
        assert re.search(r"받은 값: (수 )?21개|받은 값: \(7, 3\)", verdict.message)
    if isinstance(item, Function):
        verdict = grade(name, lambda *arguments: np.zeros((1, 2, 3, 4, 5)))
        assert verdict.correct is False
        assert "(1, 2, 3, 4, 5)" in verdict.message


def broken(*arguments):
    raise ZeroDivisionError("나누었다")


def endless(*arguments):
    while True:
        pass


def recursive(*arguments):
    return recursive(*arguments)


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Function)])
def test_broken_functions_are_reported(name):
    assert "ZeroDivisionError`: 나누었다" in grade(name, broken).message
    assert "RecursionError" in grade(name, recursive).message
    assert "SystemExit" in grade(name, lambda *arguments: sys.exit(1)).message
    assert "TypeError" in grade(name, lambda: 1).message
    assert grade(name, lambda *arguments: None).correct is None


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Function)])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_random_functions_do_not_pass(name, data):
    item = ALL[name]
    amount = data.draw(st.floats(0.05, 10)) * data.draw(st.sampled_from((-1, 1)))
    which = data.draw(st.integers(0, len(item.inputs()) - 1))
    calls = iter(range(1000))

    def shifted(*arguments):
        """한 입력에서만 조금 다른 함수."""
        value = as_numbers(item.oracle(*arguments))
        return value + amount * (1 + abs(value).max()) * (next(calls) == which)

    assert grade(name, shifted).correct is False
    assert grade(name, lambda *arguments: amount).correct is False
    assert grade(name, lambda *arguments: arguments[0]).correct is not True


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Number)])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_random_numbers_do_not_pass(name, data):
    item = ALL[name]
    expected = item.expected
    place = data.draw(st.integers(0, expected.size - 1))
    least = 1.01 * (item.tolerance + item.relative * abs(expected.ravel()[place])) + 1e-12
    change = data.draw(st.floats(least, 1e6 + least)) * data.draw(st.sampled_from((-1, 1)))
    answer = expected.copy()
    answer.ravel()[place] += change
    assert grade(name, answer).correct is False
    assert grade(name, expected).correct is True


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Design)])
def test_random_modules_do_not_pass(name):
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        a, b, k, s = (int(torch.randint(1, 6, (), generator=random)) for _ in range(4))
        parts = [nn.Conv2d(a, b, k, stride=s), nn.ReLU(), nn.BatchNorm2d(b), nn.Flatten()]
        order = torch.randperm(len(parts), generator=random)[: 1 + k % 4]
        verdict = grade(name, nn.Sequential(*(parts[i] for i in order)))
        assert verdict.correct is False
    assert grade(name, nn.Identity()).correct is False
    assert "괄호" in grade(name, nn.Identity).message


# --- 채점기 ---


def number(**options):
    texts = {"question": "몇입니까?", "hint": "세어 보십시오.", "explanation": "셋입니다."}
    mistakes = (Mistake(4, "하나 더 셌습니다."), Mistake(lambda: 2, "하나를 빼먹었습니다."))
    defaults = {"answer": lambda: 3, "mistakes": mistakes, "level": 1, "minutes": 1}
    return Number(**(texts | defaults | options)).named("lenet-1")


@pytest.mark.parametrize(
    "answer",
    [3, 3.0, np.int8(3), np.float32(3), torch.tensor(3), torch.tensor([[3.0]]), [3], (3,)],
    ids=str,
)
def test_numbers_of_every_type_are_read(answer):
    assert number().grade(answer).correct is True


def test_tensors_with_gradients_are_read():
    assert number().grade(torch.tensor(3.0, requires_grad=True)).correct is True


def test_lists_of_tensors_with_gradients_are_read():
    answer = [torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)]
    assert number(answer=lambda: (1, 2), mistakes=()).grade(answer).correct is True


def test_an_array_may_be_written_in_one_line_and_back():
    table = number(answer=lambda: [[1, 2], [3, 4]], mistakes=())
    assert table.grade([1, 2, 3, 4]).correct is True
    assert "(2, 2)이어야 합니다 (받은 값: (4, 2))" in table.grade(np.zeros((4, 2))).message
    assert number(answer=lambda: [1, 2, 3, 4], mistakes=()).grade([[1, 2], [3, 4]]).correct is True


def test_places_that_differ_are_named_without_the_answer():
    verdict = number(answer=lambda: (28, 14, 10), mistakes=()).grade((28, 15, 11))
    assert "2, 3번째" in verdict.message
    assert "14" not in verdict.message


def test_tolerance_is_absolute():
    item = number(answer=lambda: 8.6941, tolerance=0.006, mistakes=())
    assert item.grade(8.69).correct is True
    assert item.grade(8.70).correct is True
    assert item.grade(8.705).correct is False


def test_stored_key_does_not_depend_on_the_processor():
    def key(error):
        wrong = Mistake((2e-9 * (1 + error), 0), "오해")
        return number(answer=lambda: (1 + error, 61706), mistakes=(wrong,)).key()

    assert key(3e-16 * 50) == key(0.0)
    assert key(0.0)["answer"] == [1.0, 61706.0]
    assert key(1e-8)["answer"] != [1.0, 61706.0]


def test_relative_tolerance_serves_significant_digits():
    mistake = Mistake((1.7070e-4, 2.0), "오해")
    item = number(answer=lambda: (5.486e-11, 3.0), relative=0.012, mistakes=(mistake,))
    assert item.grade((5.5e-11, 3.0)).correct is True
    assert item.grade((5.6e-11, 3.0)).correct is False
    assert "오해" in item.grade((1.7e-4, 2.0)).message
    assert "오해" not in item.grade((0, 2.0)).message


@pytest.mark.parametrize("answer", [0, 5, 2.5, -1, [1, 2]], ids=str)
def test_choices_are_numbers_of_the_options(answer):
    verdict = grade("convolution-3", answer)
    assert verdict.correct is False
    assert "1에서 4까지의 번호 하나로 답하십시오" in verdict.message


def function(**options):
    texts = {"question": "쓰십시오.", "hint": "나눗셈입니다.", "explanation": "`//`입니다."}
    defaults = {
        "oracle": lambda x, k: x // k,
        "inputs": lambda: [(7, 2), (8, 2), (9, 4)],
        "mistakes": (Mistake(lambda x, k: -(-x // k), "올렸습니다."),),
        "level": 1,
        "minutes": 1,
    }
    return Function(**(texts | defaults | options)).named("lenet-1")


def test_function_is_shown_the_first_input_that_differs():
    message = function().grade(lambda x, k: -(-x // k)).message
    assert "(7, 2)" in message
    assert "받은 값: 4.0" in message
    assert "올렸습니다." in message
    message = function().grade(lambda x, k: 2 if x == 8 else x // k).message
    assert "(8, 2)" in message
    assert "나눗셈입니다." in message


def test_mistakes_of_another_shape_or_without_a_number_get_their_hints():
    item = function(
        oracle=lambda x, k: [x, k],
        mistakes=(
            Mistake(lambda x, k: [x], "하나만 돌려주었습니다."),
            Mistake(lambda x, k: [x, float("nan")], "0으로 나누었습니다."),
        ),
    )
    message = item.grade(lambda x, k: [x]).message
    assert "모양이 (2,)이어야 합니다 (받은 값: (1,)). 하나만" in message
    message = item.grade(lambda x, k: [x, float("nan")]).message
    assert "NaN이나 무한대가 들어 있습니다. 0으로" in message


def test_function_may_change_its_arguments():
    def inputs():
        return [(np.arange(3.0),), (np.arange(4.0),)]

    def destructive(x):
        x *= 2
        return x

    item = function(oracle=lambda x: 2 * x, inputs=inputs, mistakes=())
    assert item.grade(destructive).correct is True


def test_endless_function_is_stopped():
    start = time.monotonic()
    verdict = function(seconds=0.2).grade(endless)
    assert verdict.correct is False
    assert "0.2초 안에 끝나지 않았습니다" in verdict.message
    assert time.monotonic() - start < 10


def test_endless_function_that_catches_exceptions_is_stopped():
    def stubborn(x, k):
        while True:
            try:
                [].pop()
            except Exception:
                continue

    assert "끝나지 않았습니다" in function(seconds=0.2).grade(stubborn).message


def test_endless_function_is_stopped_in_another_thread():
    verdicts = []
    item = function(seconds=0.2)
    worker = threading.Thread(target=lambda: verdicts.append(item.grade(endless)))
    worker.start()
    worker.join(30)
    assert "끝나지 않았습니다" in verdicts[0].message


def test_nothing_is_thrown_outside_the_call():
    """시간이 다 될 무렵에 끝나는 함수라도, 예외는 부른 곳에서만 난다."""
    outcomes = Counter()
    for turn in range(300):
        try:
            outcomes[limited(sum, (range(2000 * turn),), seconds=0.005)] += 1
        except TimeoutError:
            outcomes[None] += 1
    for _ in range(100_000):
        pass
    assert outcomes.total() == 300
    assert outcomes[None] < 300


def test_keyboard_interrupt_is_not_swallowed():
    def interrupted(x, k):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        function().grade(interrupted)


def design(**options):
    texts = {"question": "설계하십시오.", "hint": "한 층입니다.", "explanation": "끝."}
    rubric = (
        Criterion("출력이 둘", lambda m: m(torch.zeros(1, 3)).shape == (1, 2), "출력을 보십시오."),
        Criterion("편향 없음", lambda m: m.bias is None, "편향을 빼십시오."),
    )
    defaults = {"rubric": rubric, "example": lambda: nn.Linear(3, 2, bias=False)}
    return Design(**(texts | {"level": 1, "minutes": 1} | defaults | options)).named("lenet-1")


def test_design_reports_each_criterion():
    message = design().grade(nn.Linear(3, 2)).message
    assert "✅ 출력이 둘" in message
    assert "❌ 편향 없음: 편향을 빼십시오." in message
    assert design().grade(nn.Linear(3, 2, bias=False)).correct is True


def test_lazy_layers_must_have_seen_an_input():
    item = design(rubric=(Criterion("무엇이든", lambda model: True, ""),))
    for lazy in (nn.LazyLinear(3), nn.Sequential(nn.LazyBatchNorm2d(affine=False))):
        assert "입력을 한 번 넣어" in item.grade(lazy).message
    lazy = nn.LazyLinear(3)
    lazy(torch.zeros(1, 2))
    assert item.grade(lazy).correct is True


class Elsewhere(nn.Linear):
    """`cpu()`를 부르기 전에는 CPU의 입력을 받지 못하는 층. GPU가 없어도 확인할 수 있다."""

    here = False

    def cpu(self):
        """CPU로 옮긴다."""
        self.here = True
        return super().cpu()

    def forward(self, x):
        """(N, 3) -> (N, 2)"""
        if not self.here:
            raise RuntimeError("다른 장치에 있습니다")
        return super().forward(x)


def test_design_on_any_device_is_graded():
    pretended = Elsewhere(3, 2, bias=False)
    assert design().grade(pretended).correct is True
    assert not pretended.here  # 독자의 것은 제자리에 있다
    model = nn.Linear(3, 2, bias=False).to(choose_device())  # GPU가 있으면 진짜로
    assert design().grade(model).correct is True


def test_design_in_double_precision_is_graded():
    model = nn.Linear(3, 2, bias=False).double()
    assert design().grade(model).correct is True
    assert model.weight.dtype == torch.float64


def test_design_is_graded_in_one_thread():
    threads, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        design(rubric=(Criterion("", lambda m: seen.append(torch.get_num_threads()), ""),)).grade(
            nn.Identity()
        )
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(threads)


def test_a_layer_used_twice_is_counted_twice():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu)
    assert _criteria.contains(nn.ReLU, "", least=2, hint="").met(model)
    assert not _criteria.contains(nn.ReLU, "", least=3, hint="").met(model)


def test_calls_are_recorded_in_order_without_unused_layers():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first, self.unused = (nn.Linear(2, 2) for _ in range(3))
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.second(self.relu(self.first(x))))

    model, x = Model(), torch.tensor([[1.0, -1.0]])
    found = _criteria.calls(model, (nn.Linear, nn.ReLU), x)
    assert [call.layer for call in found] == [model.first, model.relu, model.second, model.relu]
    assert torch.equal(found[0].given, x)
    assert torch.equal(found[0].output, model.first(x))  # ReLU가 고쳐 쓰기 전의 값
    assert torch.equal(found[1].output, found[2].given)


def test_design_that_raises_is_reported():
    message = design().grade(nn.Linear(5, 2, bias=False)).message
    assert "❌ 출력이 둘: 오류가 났습니다(`RuntimeError`: " in message
    assert "). 출력을 보십시오." in message


def test_design_that_never_ends_is_reported():
    class Endless(nn.Module):
        bias = None

        def forward(self, x):
            return endless()

    assert "초 안에 계산이 끝나지 않습니다" in design(seconds=0.2).grade(Endless()).message


@pytest.mark.parametrize("name", ["lenet-0", "lenet-99", "lenet-x", "lenet", "레넷-1", "", 3, None])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="`name`"):
        grade(name, 1)


def test_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match=r"`chapter`.*convolution.*받은 값: 'letnet'"):
        exercises("letnet")


def test_ragged_lists_are_refused():
    with pytest.raises(UnreadableError, match="길이"):
        as_numbers([[1, 2], [3]])


# --- 보이기 ---


def test_check_prints_outside_jupyter(capsys):
    assert check("convolution-1", 5) is None
    assert capsys.readouterr().out.startswith("❌ `convolution-1`: 아직 아닙니다. ")


def test_check_survives_a_console_without_emoji(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp949"))
    check("convolution-1", ...)
    sys.stdout.flush()
    assert raw.getvalue().decode("cp949").startswith("[ ] `convolution-1`: 아직 답이 없습니다.")


def test_check_displays_markdown_in_jupyter():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with capture_output() as captured:
            check("convolution-2", (32, 1))  # 터미널의 IPython
            shell.kernel = "Jupyter의 커널"
            check("convolution-2", (32, 1))
    finally:
        InteractiveShell.clear_instance()
    assert captured.stdout.startswith("✅ `convolution-2`: 맞았습니다.\n\n")
    (output,) = captured.outputs
    assert output.data["text/markdown"].startswith("✅ `convolution-2`: 맞았습니다.\n\n")


def test_check_works_in_a_plain_script():
    code = "from cnn_lectures.exercises import check, exercise; check('convolution-2', 32)"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True
    )
    assert done.stdout.decode().startswith("❌ `convolution-2`: 아직 아닙니다. 수 2개를")
    assert done.stderr == b""


def test_exercise_reads_well_as_plain_text():
    text = str(exercise("convolution-3"))
    assert text.startswith("**3.** 고르기 · 보통 · 3분 · `convolution-3`\n\n")
    assert "\n4. " in text
    assert "힌트: " in text


# --- 노트북 ---


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_asks_every_exercise_once_and_solves_it(path):
    cells = nbformat.read(path, as_version=4).cells
    tagged = [(tag, cell) for cell in cells for tag in cell.metadata.get("tags", ())]
    asked, places, solved = (
        [cell for name, cell in tagged if name == tag] for tag in ("exercise", "answer", "solution")
    )
    names = list(exercises(path.stem[3:]))
    assert [cell.source for cell in asked] == [f'exercise("{name}")' for name in names]
    for name, question, place, solution in zip(names, asked, places, solved, strict=True):
        start = cells.index(question)
        assert cells[start : start + 3] == [question, place, solution]
        data = ALL[name]._repr_mimebundle_()
        assert question.outputs[0].data == {key: data[key] for key in question.outputs[0].data}
        assert set(question.outputs[0].data) == {"text/plain", "text/markdown", MIME}
        assert place.outputs[0].data["text/plain"].startswith(f"⬜ `{name}`")
        assert solution.outputs[-1].data["text/plain"].startswith(f"✅ `{name}`")
        assert "hide-cell" in solution.metadata.tags
        assert solution.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
        hidden = "remove-cell" if data[MIME]["key"] else "remove-output"
        assert hidden in place.metadata.tags


def test_texts_of_a_notebook_are_rewritten_without_running_it(tmp_path):
    original = NOTEBOOKS[0]
    notebook = nbformat.read(original, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if MIME in data:
                data["text/plain"], data["text/markdown"] = "옛 문제", "옛 문제"
                data[MIME]["key"] = None
            elif data.get("text/plain", "").startswith("✅"):
                name = data["text/plain"].split("`")[1]
                data["text/plain"] = data["text/markdown"] = f"✅ `{name}`: 옛 풀이"
    copy = tmp_path / original.name
    nbformat.write(notebook, copy)
    assert "옛 풀이" in copy.read_text(encoding="utf-8")
    notebooks.restate(copy)
    assert copy.read_bytes() == original.read_bytes()
