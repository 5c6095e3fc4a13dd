"""쪽 안의 퀴즈: 패키지의 `check`와 정답도 판정도 같고, 키보드와 화면 읽기로도 풀 수 있다."""

import json
import random
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from cnn_lectures.exercises import CHAPTERS, exercises, grade
from cnn_lectures.exercises._kinds import Choice, Number
from tests.test_book import NOTEBOOKS

PAGES = {path.stem[3:]: f"book/{path.stem}.html" for path in NOTEBOOKS}
FIRST = PAGES["convolution"]


def quizzes(chapter: str) -> dict:
    return {name: item for name, item in exercises(chapter).items() if item.key()}


def bare(key: dict) -> dict:
    """힌트의 글을 뺀 것. 쪽에서는 글이 따로 놓인다."""
    key = {name: value for name, value in key.items() if name != "hints"}
    return key | {"mistakes": [item["answer"] for item in key.get("mistakes", ())]}


def number_texts(item: Number, dice: random.Random):
    """(적는 글, 그 글이 뜻하는 수들)."""
    right = item.expected.ravel()
    width = item.tolerance + item.relative * abs(right)
    rounded = right + 0.9 * width
    for values in (right, rounded, *(wrong.ravel() for wrong in item.wrong_answers)):
        yield ", ".join(map(repr, values.tolist())), values
        yield f"[{'  '.join(f'{value:,}' for value in values.tolist())}]", values
    for _ in range(5):
        values, place = right.copy(), dice.randrange(len(right))
        values[place] += dice.choice((-1, 1)) * (2 * width[place] + dice.choice((0.5, 1, 100)))
        yield "; ".join(map(repr, values.tolist())), values
    yield " ".join(["1"] * (len(right) + 1)), np.ones(len(right) + 1)


def test_pages_are_those_of_the_chapters():
    assert list(PAGES) == list(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_key_in_the_page_is_that_of_the_package(open_page, chapter):
    page = open_page(PAGES[chapter])
    found = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("[data-quiz]")].map(
            (place) => [place.closest(".exercise").id.replace("exercise-", ""),
                        JSON.parse(place.dataset.quiz)]))"""
    )
    assert found == {
        name: json.loads(json.dumps(bare(item.key()))) for name, item in quizzes(chapter).items()
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_page_and_package_give_the_same_verdict(open_page, chapter):
    dice, cases = random.Random(0), []
    for name, item in quizzes(chapter).items():
        if isinstance(item, Choice):
            cases += [(name, str(i), i) for i in range(1, len(item.options()) + 1)]
        else:
            shape = item.expected.shape
            for text, values in number_texts(item, dice):
                same = len(values) == item.expected.size
                cases.append((name, text, values.reshape(shape) if same else values))
    verdicts = open_page(PAGES[chapter]).evaluate(
        """cases => cases.map(([name, text]) => {
            const box = document.getElementById(`exercise-${name}`);
            const place = box.querySelector(".quiz");
            const input = box.querySelector(`input[value="${text}"], input[type="text"]`);
            if (input.type === "radio") input.checked = true; else input.value = text;
            input.form.requestSubmit();
            const verdict = box.querySelector(".quiz-verdict");
            const words = (node) => node.textContent.replace(/\\s+/g, "");
            const shown = [...place.querySelectorAll(".quiz-feedback")].filter(
                (hint) => words(verdict).endsWith(words(hint)));
            return [verdict.dataset.correct, shown.map((hint) => Number(hint.dataset.when))];
        })""",
        [case[:2] for case in cases],
    )
    for (name, text, answer), (correct, shown) in zip(cases, verdicts, strict=True):
        item, verdict = exercises(chapter)[name], grade(name, answer)
        hints = [mistake.hint for mistake in item.mistakes]
        if isinstance(item, Choice):
            hints = item.hints()
        expected = [i for i, hint in enumerate(hints) if hint and hint in verdict.message]
        assert correct == str(verdict.correct).lower(), (name, text)
        assert shown == expected, (name, text)


@pytest.mark.parametrize(
    ("text", "count", "numbers"),
    [
        ("28", 1, [28]),
        (" −3.5 ", 1, [-3.5]),
        ("61,706", 1, [61706]),
        ("61,706, 416,520", 2, [61706, 416520]),
        ("61,706 416,520", 2, [61706, 416520]),
        ("10,24", 2, [10, 24]),
        ("10,240", 2, [10, 240]),
        ("10, 240", 1, [10, 240]),
        ("10,240", 1, [10240]),
        ("[[10, 24], [51, 90]]", 4, [10, 24, 51, 90]),
        ("(28, 28)", 2, [28, 28]),
        ("28×28", 2, [28, 28]),
        ("1/4", 1, [0.25]),
        ("½", 1, [0.5]),
        ("2^15", 1, [32768]),
        ("2¹⁵", 1, [32768]),
        ("9.77×10⁻⁴", 1, [9.77e-4]),
        ("9.77×10^-4", 1, [9.77e-4]),
        ("9.77e-4", 1, [9.77e-4]),
        ("58 %", 1, [58]),
        ("58%", 1, [58]),
        ("58 %, 42 %", 2, [58, 42]),
        ("３２", 1, [32]),
        ("1; 2; 3", 3, [1, 2, 3]),
        ("1, 2, 3,", 3, [1, 2, 3]),
        ("스물", 1, None),
        ("28px", 1, None),
        ("1/0", 1, None),
        ("1,,2", 2, [1, 2]),
    ],
)
def test_numbers_are_read_as_people_write_them(open_page, text, count, numbers):
    read = """([text, count]) => { try { return Quiz.readNumbers(text, count); }
        catch (problem) { return problem.message; } }"""
    result = open_page(FIRST).evaluate(read, [text, count])
    if numbers is None:
        assert "수가 아닌 것이 있습니다 (받은 값: " in str(result)
    else:
        assert result == pytest.approx(numbers, rel=1e-12)


def test_a_number_is_answered_by_keyboard_and_heard(open_page):
    page = open_page(FIRST)
    box = page.locator("#exercise-convolution-2")
    field = box.get_by_label("답 (수 2개를 쉼표나 빈칸으로 나누어)")
    field.focus()
    page.keyboard.type("33, 1")
    page.keyboard.press("Enter")
    status = box.get_by_role("status")
    assert status.inner_text().split("\n")[0].startswith("아직 아닙니다.")
    assert "올렸습니다" in status.inner_text()
    assert field.evaluate("node => node === document.activeElement")
    page.keyboard.press("Control+A")
    page.keyboard.type("32, 1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "확인"
    page.keyboard.press("Space")
    assert status.inner_text().startswith("맞았습니다.")
    assert "올렸습니다" not in status.inner_text()


def test_a_choice_is_answered_by_keyboard(open_page):
    page = open_page(FIRST)
    box = page.locator("#exercise-convolution-3")
    assert box.get_by_role("group", name="보기").count() == 1
    box.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert "크기는 늘 정수입니다" in box.get_by_role("status").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert box.get_by_role("status").inner_text().startswith("맞았습니다.")


def answer_and_reload(page, name, answer):
    box = page.locator(f"#exercise-{name}")
    box.get_by_role("textbox").fill(answer)
    box.get_by_role("button", name="확인").click()
    page.reload()
    return box.get_by_role("textbox").input_value(), box.get_by_role("status").text_content()


def test_solved_questions_are_remembered(open_page):
    page = open_page(FIRST)
    page.locator("#exercise-convolution-3").get_by_role("radio").nth(2).check()
    page.locator("#exercise-convolution-3").get_by_role("button", name="확인").click()
    assert answer_and_reload(page, "convolution-2", "32, 1") == ("32, 1", "전에 맞혔습니다.")
    box = page.locator("#exercise-convolution-3")
    assert box.get_by_role("radio").nth(2).is_checked()
    assert box.get_by_role("status").text_content() == "전에 맞혔습니다."
    assert page.locator("#exercise-convolution-1").get_by_role("status").text_content() == ""


def test_a_wrong_answer_is_not_remembered(open_page):
    page = open_page(FIRST)
    assert answer_and_reload(page, "convolution-2", "33, 1") == ("", "")
    assert answer_and_reload(page, "convolution-2", "32, 1")[0] == "32, 1"
    assert answer_and_reload(page, "convolution-2", "33, 1")[0] == "32, 1"


def test_an_answer_that_is_no_longer_right_is_not_restored(open_page):
    page = open_page(FIRST)
    page.evaluate("localStorage.setItem('quiz:exercise-convolution-2', '33, 1')")
    page.reload()
    box = page.locator("#exercise-convolution-2")
    assert box.get_by_role("textbox").input_value() == ""
    assert box.get_by_role("status").text_content() == ""


def test_a_browser_that_stores_nothing_still_grades(open_page):
    page = open_page(FIRST)
    page.add_init_script(
        """for (const name of ["getItem", "setItem"]) {
            const original = Storage.prototype[name];  // 테마는 막힌 저장소를 견디지 못한다
            Storage.prototype[name] = function (key, ...rest) {
                if (key.startsWith("quiz:")) throw new DOMException("막힘", "SecurityError");
                return original.call(this, key, ...rest);
            };
        }"""
    )
    page.reload()
    box = page.locator("#exercise-convolution-2")
    box.get_by_role("textbox").fill("32, 1")
    box.get_by_role("button", name="확인").click()
    assert box.get_by_role("status").inner_text().startswith("맞았습니다.")


def test_search_finds_questions_but_not_the_feedback(site):
    index = (site / "search-index.js").read_text(encoding="utf-8")
    texts = [m.hint for item in quizzes("lenet").values() for m in item.mistakes]
    plain = [text for text in texts if not re.search(r"[$*`\"]", text)]
    assert len(plain) > 20
    assert [text for text in plain if text in index] == []
    assert "맵 16개가 S2의 맵 6개를 모두 보지는 않습니다" in index


def test_nothing_is_said_before_an_answer(open_page):
    box = open_page(FIRST).locator("#exercise-convolution-1")
    assert box.get_by_role("status").inner_text() == ""
    box.get_by_role("button", name="확인").click()
    assert "아직 답이 없습니다" in box.get_by_role("status").inner_text()


def test_an_uncommon_wrong_answer_opens_the_hint(open_page):
    box = open_page(FIRST).locator("#exercise-convolution-1")
    hint = "진짜 화소를 네 개만"
    assert not box.get_by_text(hint).is_visible()
    box.get_by_role("textbox").fill("10 24 51 91")
    box.get_by_role("button", name="확인").click()
    assert "4번째 수가 다릅니다" in box.get_by_role("status").inner_text()
    assert box.get_by_text(hint).is_visible()


def test_a_wrong_count_says_what_was_received(open_page):
    box = open_page(FIRST).locator("#exercise-convolution-2")
    box.get_by_role("textbox").fill("32")
    box.get_by_role("button", name="확인").click()
    assert "수 2개를 차례로 적으십시오 (받은 값: 1개)." in box.get_by_role("status").inner_text()


def test_without_scripts_questions_and_hints_are_still_there(open_page):
    page = open_page(FIRST, java_script_enabled=False)
    box = page.locator("#exercise-convolution-3")
    assert box.locator("ol li").count() == 4
    box.get_by_text("힌트", exact=True).click()
    assert box.locator("details").get_by_text("푸십시오").is_visible()
    assert page.get_by_role("button", name="확인").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_verdicts_can_be_read_by_everyone(open_page, scheme):
    page = open_page(FIRST, color_scheme=scheme, viewport={"width": 320, "height": 800})
    for name, answer in (("convolution-1", "1"), ("convolution-2", "32 1")):
        page.locator(f"#exercise-{name}").get_by_role("textbox").fill(answer)
        page.locator(f"#exercise-{name}").get_by_role("button", name="확인").click()
    options = {"preload": False, "resultTypes": ["violations"]}
    result = Axe().run(page, context={"include": [[".exercise"]]}, options=options)
    assert result.response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for field in page.locator(".exercise :is(button, input[type=text], li label, summary)").all():
        assert field.bounding_box()["height"] >= 44
