"""Moodle로 내보낸 문제를 Moodle처럼 읽고 채점해 본다.

읽고 채점하는 것은 내보내는 코드와 따로, Moodle이 쓰는 정규식과 규칙대로 다시 썼다.
"""

import ast
import html
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple

import nbformat
import numpy as np
import pytest

from cnn_lectures.__main__ import main
from cnn_lectures.exercises import CHAPTERS, _moodle, exercises
from cnn_lectures.exercises._kinds import LEVELS, Choice, Design, Function, Mistake, Number
from cnn_lectures.exercises._reader import as_numbers
from tests.test_book import NOTEBOOKS, ROOT

ALL = {name: item for chapter in CHAPTERS for name, item in exercises(chapter).items()}
NUMBERS = [name for name, item in ALL.items() if isinstance(item, Number)]
CHOICES = [name for name, item in ALL.items() if isinstance(item, Choice)]
ESSAYS = [name for name, item in ALL.items() if isinstance(item, Function | Design)]

# Moodle이 알아보는 수와, cloze 빈칸의 문법(question/type/multianswer/questiontype.php)
NUMBER = r"-?(?:(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?)"
ALTERNATIVE = r"(=|%(-?[0-9]+(?:[.,][0-9]*)?)%)?(.+?(?<!\\|&)(?=[~#}]|$))(#(.*?(?<!\\)(?=[~}]|$)))?"
BLANK = re.compile(rf"\{{([0-9]*):(NUMERICAL|NM):({ALTERNATIVE}(~{ALTERNATIVE})*)\}}", re.DOTALL)
# 문제의 유형마다 Moodle이 읽는 것
COMMON = ("name", "questiontext", "generalfeedback", "defaultgrade", "penalty", "hidden")
FIELDS = {
    "numerical": ("answer", "unitgradingtype", "unitpenalty", "showunits", "unitsleft", "hint"),
    "cloze": ("hint",),
    "multichoice": (
        "answer",
        "single",
        "shuffleanswers",
        "answernumbering",
        "showstandardinstruction",
        "correctfeedback",
        "partiallycorrectfeedback",
        "incorrectfeedback",
        "hint",
    ),
    "essay": (
        "responseformat",
        "responserequired",
        "responsefieldlines",
        "minwordlimit",
        "maxwordlimit",
        "attachments",
        "attachmentsrequired",
        "maxbytes",
        "filetypeslist",
        "graderinfo",
        "responsetemplate",
    ),
}


class Answer(NamedTuple):
    """Moodle이 아는 답 하나."""

    value: float
    tolerance: float
    fraction: float
    feedback: str


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """모든 장을 내보낸 파일을 다시 읽은 것."""
    path = tmp_path_factory.mktemp("moodle") / "quiz.xml"
    assert main(["quiz", str(path)]) == 0
    return ET.fromstring(path.read_bytes())


@pytest.fixture(scope="module")
def by_name(exported):
    """{idnumber: 문제}. 분류는 뺀다."""
    asked = [question for question in exported if question.get("type") != "category"]
    return {question.findtext("idnumber"): question for question in asked}


def numerical_answers(question) -> list[Answer]:
    return [
        Answer(
            float(answer.findtext("text")),
            float(answer.findtext("tolerance")),
            float(answer.get("fraction")) / 100,
            answer.findtext("feedback/text"),
        )
        for answer in question.iter("answer")
    ]


def cloze(text: str) -> tuple[str, list[tuple[float, list[Answer]]]]:
    """빈칸을 뺀 글과, 빈칸마다의 (점수, 답)."""
    blanks = []
    while found := BLANK.search(text):
        answers, rest = [], found[3]
        while alternative := re.match(f"~?{ALTERNATIVE}", rest, re.DOTALL):
            value, _, tolerance = alternative[3].partition(":")
            assert re.fullmatch(NUMBER, value), value
            assert re.fullmatch(NUMBER, tolerance), tolerance
            percent = float(alternative[2] or 0) / 100
            said = html.unescape(alternative[5] or "").replace(r"\}", "}").replace(r"\#", "#")
            fraction = 1.0 if alternative[1] == "=" else percent
            answers.append(Answer(float(value), float(tolerance), fraction, said))
            rest = rest[alternative.end() :]
        assert rest == ""
        blanks.append((float(found[1] or 1), answers))
        text = text[: found.start()] + f"[[{len(blanks)}]]" + text[found.end() :]
    return text, blanks


def matching(answers: list[Answer], value: float) -> Answer | None:
    """적힌 차례로 보아 처음 맞는 답."""
    for answer in answers:
        width = answer.tolerance + 1e-14 * abs(answer.value)
        if answer.value - width <= value <= answer.value + width:
            return answer
    return None


def graded(question, values) -> tuple[float, list[str]]:
    """`values`를 적어 내면 받을 점수(0에서 1)와, 틀린 빈칸마다 보일 피드백."""
    if question.get("type") == "numerical":
        blanks = [(1.0, numerical_answers(question))]
    else:
        _, blanks = cloze(question.findtext("questiontext/text"))
    assert len(blanks) == len(values)
    points, said = 0.0, []
    for (weight, answers), value in zip(blanks, values, strict=True):
        found = matching(answers, float(value))
        points += weight * (found.fraction if found else 0)
        if found is None or found.fraction < 1:
            said.append(found.feedback if found else "")
    return points / sum(weight for weight, _ in blanks), said


class Reader(HTMLParser):
    """글자만 모으며, 태그의 짝이 맞는지 본다."""

    ALLOWED = frozenset(
        ["p", "strong", "em", "code", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"]
    )

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.text, self.opened, self.prose = "", [], ""
        self.feed(text)
        self.close()
        assert self.opened == [], text

    def handle_starttag(self, tag, attributes):
        """여는 태그를 적어 둔다."""
        assert tag in self.ALLOWED
        assert attributes == []
        self.opened.append(tag)

    def handle_endtag(self, tag):
        """닫는 태그가 마지막에 연 태그와 같은지 본다."""
        assert self.opened.pop() == tag

    def handle_data(self, data):
        """글자를 모은다. `prose`에는 코드 밖의 글자만 모은다."""
        self.text += data
        if "code" not in self.opened:
            self.prose += data


def plain(markdown: str) -> str:
    """한 문단의 Markdown을 독자가 볼 글로."""
    parts = re.split(r"(`[^`]*`|\$[^$]*\$)", markdown)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            parts[i] = part[1:-1]
        elif part.startswith("$"):
            parts[i] = rf"\({part[1:-1]}\)"
        else:
            parts[i] = part.replace("**", "")
    return "".join(parts)


def texts(question):
    """HTML인 글 모두. cloze는 빈칸을 빼고 그 피드백을 더한다."""
    for element in question.iter():
        if element.get("format") == "html" and element.tag != "responsetemplate":
            text = element.findtext("text")
            if question.get("type") == "cloze" and element.tag == "questiontext":
                text, blanks = cloze(text)
                yield from (answer.feedback for _, answers in blanks for answer in answers)
            yield text


# --- 형식 ---


def test_every_exercise_is_exported_once_in_the_category_of_its_chapter(exported):
    titles = {
        path.stem[3:]: next(
            re.search(r"^# (.+)$", cell.source, re.MULTILINE)[1]
            for cell in nbformat.read(path, as_version=4).cells
            if re.search(r"^# ", cell.source, re.MULTILINE)
        )
        for path in NOTEBOOKS
    }
    found, category = {}, None
    for question in exported:
        if question.get("type") == "category":
            category = question.findtext("category/text")
            assert question.find("info").get("format") == "html"
        else:
            assert question.findtext("idnumber") not in found
            found[question.findtext("idnumber")] = category
    expected = {}
    for number, chapter in enumerate(CHAPTERS, start=1):
        title = _moodle.TITLES[chapter]
        assert titles[chapter] == title or titles[chapter].startswith(f"{title}: ")
        for name in exercises(chapter):
            by_hand = "/코드와 설계" if name in ESSAYS else ""
            expected[name] = f"$course$/top/합성곱 신경망/{number:02} {title}{by_hand}"
    assert found == expected


@pytest.mark.parametrize("name", ALL)
def test_elements_are_those_that_moodle_reads(by_name, name):
    question, item = by_name[name], ALL[name]
    kind = question.get("type")
    if isinstance(item, Number):
        expected = "numerical" if len(right(name)) == 1 else "cloze"
    else:
        expected = "multichoice" if isinstance(item, Choice) else "essay"
    assert kind == expected
    assert {child.tag for child in question} == {*COMMON, *FIELDS[kind], "idnumber", "tags"}
    once = [child.tag for child in question if child.tag != "answer"]
    assert len(once) == len(set(once))
    for element in question.iter():
        formatted = element.find("text") is not None and element.tag not in ("name", "tag")
        assert (element.get("format") in ("html", "moodle_auto_format")) == formatted
        fraction = element.get("fraction")
        assert (fraction in ("100", "0")) == (element.tag == "answer")
    assert question.findtext("hidden") == "0"
    assert 0 <= float(question.findtext("penalty")) <= 1
    assert int(question.findtext("defaultgrade")) >= 1
    tags = [tag.findtext("text") for tag in question.iter("tag")]
    assert tags == [item.kind, LEVELS[item.level], f"{item.minutes}분"]
    shown = question.findtext("name/text")
    assert re.fullmatch(rf"{name} [^\\${{}}*`]{{5,45}}", shown)
    assert re.search("[가-힣]", shown)


@pytest.mark.parametrize("name", ALL)
def test_text_is_clean_html(by_name, name):
    for text in texts(by_name[name]):
        read = Reader(text)
        assert not re.search(r"\$|\*\*|`|\]\(|\| ?-|&\w+;|\{\d*:", read.prose), text
        assert read.text.count(r"\(") == read.text.count(r"\)")


@pytest.mark.parametrize("name", ALL)
def test_text_says_what_the_exercise_says(by_name, name):
    question, item = by_name[name], ALL[name]
    read = [Reader(text).text for text in texts(question)]
    assert plain(item.explanation) in read
    assert any(text.startswith(plain(item.question.partition("\n")[0])) for text in read)
    if name in ESSAYS:
        assert any(text.endswith(f"힌트: {plain(item.hint)}") for text in read)
        guide = Reader(question.findtext("graderinfo/text")).text
        assert all(plain(mistake.hint) in guide for mistake in item.mistakes)
    else:
        assert Reader(question.findtext("hint/text")).text == plain(item.hint)
    if isinstance(item, Design):
        assert all(plain(c.text) in read[0] for c in item.rubric)
    tables = re.findall(r"^\|(?: -|---)", item.question, re.MULTILINE)
    body = question.findtext("questiontext/text")
    assert body.count("<table>") == len(tables)


def test_output_does_not_change_from_run_to_run(tmp_path):
    _moodle.write(tmp_path / "a.xml", ["lenet"])
    code = (
        "import sys; from cnn_lectures.__main__ import main;"
        "sys.exit(main(['quiz', sys.argv[1], '--chapter', 'lenet']))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "b.xml"], check=True, cwd=ROOT)
    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()


# --- 채점 ---


def numbers(answer) -> list[float]:
    """독자가 차례로 적을 수."""
    return as_numbers(answer() if callable(answer) else answer).ravel().tolist()


@cache
def right(name: str) -> list[float]:
    """정답."""
    return numbers(ALL[name].answer)


@cache
def wrongs(name: str) -> list[list[float]]:
    """흔한 틀린 답들."""
    return [numbers(mistake.answer) for mistake in ALL[name].mistakes]


@pytest.mark.parametrize("name", NUMBERS)
def test_right_numbers_get_full_marks(by_name, name):
    assert graded(by_name[name], right(name)) == (1, [])


@pytest.mark.parametrize("name", NUMBERS)
def test_rounded_numbers_get_full_marks(by_name, name):
    """문제가 시킨 대로 반올림한 답. 허용 오차는 마지막 자리의 반보다 조금 넓다."""
    item = ALL[name]
    if item.tolerance > 1e-5:
        digits = int(np.ceil(-np.log10(item.tolerance))) - 1
        rounded = [round(value, digits) for value in right(name)]
        assert graded(by_name[name], rounded) == (1, [])


@pytest.mark.parametrize("name", NUMBERS)
def test_wrong_numbers_get_nothing_and_their_own_hint(by_name, name):
    item = ALL[name]
    for mistake, wrong in zip(item.mistakes, wrongs(name), strict=True):
        same = item.equal(np.array(wrong), np.array(right(name))).tolist()
        score, said = graded(by_name[name], wrong)
        assert score == sum(same) / len(same) < 1
        places = [i for i, equal in enumerate(same) if not equal]
        for place, text in zip(places, said, strict=True):
            sharing = [
                other.hint
                for other, values in zip(item.mistakes, wrongs(name), strict=True)
                if item.equal(np.float64(values[place]), np.float64(wrong[place]))
            ]
            shown = Reader(text).text
            hints = [other.hint for other in item.mistakes if plain(other.hint) in shown]
            assert hints == sharing  # 같은 수가 나오는 오해가 여럿이면 모두 보인다
            assert mistake.hint in hints
            if len(sharing) == 1:
                assert shown == plain(mistake.hint)


@pytest.mark.parametrize("name", NUMBERS)
def test_other_numbers_get_nothing_and_no_wrong_hint(by_name, name):
    values = [value + 0.123 * (1 + abs(value)) + 7e4 for value in right(name)]
    assert graded(by_name[name], values) == (0, [""] * len(values))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_written_so_that_moodle_reads_them(by_name, name):
    question = by_name[name]
    if question.get("type") == "numerical":
        for answer in question.iter("answer"):
            assert re.fullmatch(NUMBER, answer.findtext("text"))
            assert re.fullmatch(NUMBER, answer.findtext("tolerance"))
        groups = [numerical_answers(question)]
    else:
        text, blanks = cloze(question.findtext("questiontext/text"))
        groups = [answers for _, answers in blanks]
        labels = re.findall(r"\((\d+)\) \[\[(\d+)\]\]", text)
        assert labels == [(str(i), str(i)) for i in range(1, len(groups) + 1)]
        assert int(question.findtext("defaultgrade")) == len(groups)
    for answers in groups:
        assert [answer.fraction for answer in answers] == [1] + [0] * (len(answers) - 1)
        for answer in answers:
            assert "," not in str(answer.value)
            assert answer.tolerance > 0 or answer.value.is_integer()


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_graded_one_by_one(by_name, name):
    question, item = by_name[name], ALL[name]
    assert question.findtext("single") == "true"
    assert question.findtext("answernumbering") in {"none", "abc", "ABCD", "123", "iii", "IIII"}
    said = {
        Reader(answer.findtext("text")).text: (
            answer.get("fraction"),
            Reader(answer.findtext("feedback/text") or "").text,
        )
        for answer in question.iter("answer")
    }
    assert said == {
        plain(item.right): ("100", ""),
        **{plain(wrong.answer): ("0", plain(wrong.hint)) for wrong in item.mistakes},
    }
    assert question.findtext("shuffleanswers") == "true"
    spoken = [item.question, item.explanation, item.hint, *item.options(), *item.hints()]
    assert not any(re.search(r"보기 ?\d|\d번 보기|째 보기|[위앞]의 보기", text) for text in spoken)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_essays_start_from_the_function_that_the_notebook_asks_for(by_name, path):
    cells = nbformat.read(path, as_version=4).cells
    sources = [cell.source for cell in cells if "answer" in cell.metadata.get("tags", ())]
    for name in ESSAYS:
        if ALL[name].name.rpartition("-")[0] != path.stem[3:]:
            continue
        question = by_name[name]
        template = question.findtext("responsetemplate/text")
        (statement,) = ast.parse(template).body
        target = statement.name if isinstance(statement, ast.FunctionDef) else "model"
        assert question.findtext("responseformat") == "monospaced"
        assert f'grade("{name}", {target})' in Reader(question.findtext("graderinfo/text")).text
        if isinstance(ALL[name], Function):
            head = template.partition("\n")[0]
            assert any(head in source and f'"{name}"' in source for source in sources), head


# --- 까다로운 글 ---

NASTY = (
    "`a ~ <b>` } # \\ \" ' < & / **굵게** {1:NUMERICAL:=1} &amp; %50% =3 "
    r"$\frac{1}{2} < x \# y \sim \{z\}$ 물결 ~ 끝\\"
)


def number(answer, *mistakes, tolerance=0.0):
    texts = {"question": f"{NASTY} 입니까?", "hint": "힌트", "explanation": "풀이"}
    return Number(
        **texts,
        answer=lambda: answer,
        mistakes=tuple(Mistake(value, hint) for value, hint in mistakes),
        tolerance=tolerance,
        level=1,
        minutes=1,
    ).named("lenet-1")


def test_special_characters_survive_in_a_blank():
    item = number((1, 2), ((3, 2), NASTY), ((1, 4), "둘째"), ((5, 4), "셋째"))
    text, ((_, answers),) = cloze(f"<p>{_moodle.blank(item, 0)}</p>")
    assert text == "<p>[[1]]</p>"
    assert [answer.value for answer in answers] == [1, 3, 5]
    expected = Reader(_moodle.inline(NASTY)).text
    assert Reader(answers[1].feedback).text == expected
    assert expected == (
        "a ~ <b> } # \\ \" ' < & / 굵게 {1:NUMERICAL:=1} & %50% =3 "
        r"\(\frac{1}{2} < x \# y \sim \{z\}\) 물결 ~ 끝" + "\\"
    )


def test_hints_of_the_same_number_are_listed():
    item = number((1, 2), ((3, 4), "하나"), ((5, 4), "둘"))
    _, ((_, first), (_, second)) = cloze(f"{_moodle.blank(item, 0)}{_moodle.blank(item, 1)}")
    assert [answer.feedback for answer in first] == ["", "하나", "둘"]
    assert second[1].feedback == "다음 가운데 하나일 수 있습니다.<ul><li>하나</li><li>둘</li></ul>"


@pytest.mark.parametrize(
    ("value", "tolerance", "text", "margin"),
    [
        (115605504.0, 0, "115605504", "0"),
        (-3.0, 0, "-3", "0"),
        (3.4453125, 0.006, "3.4453125", "0.006"),
        (0.19999999999999998, 0, "0.2", "2e-10"),
        (5.486034946795927e-11, 6e-13, "5.4860349468e-11", "6e-13"),
        (3.2e-17, 6e-5, "0", "6e-05"),
        (1.000000000000016, 5e-4, "1", "0.0005"),
        (1e15, 0, "1000000000000000", "0"),
    ],
)
def test_numbers_as_written(value, tolerance, text, margin):
    item = number(value, tolerance=tolerance)
    assert _moodle.written(value, tolerance) == text
    assert _moodle.margin(item, value) == margin


def test_tables_and_displayed_formulas():
    table = _moodle.blocks("표\n\n| a | b |\n|---|---|\n| $x_1$ | 2 |\n\n$$\na < b\n$$")
    assert "<th>a</th>" in table
    assert r"<td>\(x_1\)</td>" in table
    assert re.search(r"\\\[\s*a &lt; b\s*\\\]", table)


def test_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match="`chapter`"):
        _moodle.document(["letnet"])


# --- 명령줄 ---


def test_command_says_what_it_wrote(tmp_path, capsys):
    path = tmp_path / "new" / "quiz.xml"
    assert main(["quiz", str(path), "--chapter", "pooling", "--chapter", "lenet"]) == 0
    out, err = capsys.readouterr()
    quiz = ET.fromstring(path.read_bytes())
    found = [question.findtext("idnumber") for question in quiz]
    expected = [*exercises("lenet"), *exercises("pooling")]  # 책의 차례대로
    assert sorted(filter(None, found)) == sorted(expected)
    assert [name.partition("-")[0] for name in filter(None, found)] == [
        name.partition("-")[0] for name in expected
    ]
    essays = sum(question.get("type") == "essay" for question in quiz)
    first, second = out.splitlines()
    assert first == f"{path}: 자동 채점 {len(expected) - essays}문제, 서술형 {essays}문제"
    assert "가져오기 → Moodle XML 형식" in second
    assert err == ""
    assert path.read_bytes().startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<quiz>")


def test_existing_file_is_not_overwritten_silently(tmp_path, capsys):
    path = tmp_path / "quiz.xml"
    path.write_text("내 것", encoding="utf-8")
    assert main(["quiz", str(path), "--chapter", "lenet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{path}: 이미 있어 쓰지 않았습니다. `--overwrite`를 주거나")
    assert path.read_text(encoding="utf-8") == "내 것"
    assert main(["quiz", str(path), "--chapter", "lenet", "--overwrite"]) == 0
    assert ET.fromstring(path.read_bytes()).tag == "quiz"


def test_folder_instead_of_a_file(tmp_path, capsys):
    assert main(["quiz", str(tmp_path), "--chapter", "lenet", "--overwrite"]) == 1
    assert capsys.readouterr().err.startswith("파일을 쓰거나 읽지 못했습니다 (")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "빠진 인자가 있습니다: path"),
        (["q.xml", "--chapter"], "`--chapter`: 값을 하나 적어야 합니다"),
        (
            ["q.xml", "--chapter", "lennet"],
            "`chapter`: lenet",
        ),
        (["q.xml", "--chapter", "?"], "`chapter`: convolution, lenet, pooling, "),
    ],
    ids=str,
)
def test_wrong_usage(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(["quiz", *arguments])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)


@pytest.mark.parametrize("package", ["markdown_it", "mdit_py_plugins.dollarmath"])
def test_missing_package_is_named(tmp_path, capsys, monkeypatch, package):
    monkeypatch.delitem(sys.modules, "cnn_lectures.exercises._moodle")
    monkeypatch.delattr("cnn_lectures.exercises._moodle")
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["quiz", str(tmp_path / "quiz.xml")]) == 1
    err = capsys.readouterr().err
    assert "`pip install markdown-it-py mdit-py-plugins`로 설치하십시오." in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
