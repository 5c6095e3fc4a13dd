"""강의 계획의 수와 문제 번호가 책과 맞는지."""

import re

import nbformat
import pytest
import pytest_socket

from cnn_lectures.__main__ import build_parser
from cnn_lectures.exercises import CHAPTERS, exercises
from cnn_lectures.exercises._kinds import Choice, Number
from tests.test_book import NOTEBOOKS, ROOT

TEXT = (ROOT / "book" / "lecturer.md").read_text(encoding="utf-8")
STEMS = {path.stem[3:]: path for path in NOTEBOOKS}
LETTERS_A_MINUTE = 300
LINK = r"(\d+)주 \[([^\]]+)\]\((\d\d_\w+)\.ipynb\)"


def section(title: str) -> str:
    """`title`이라는 절."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def table() -> list[list[str]]:
    """15주 표의 줄. 머리 두 줄은 뺀다."""
    lines = [line for line in section("15주").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def reading_minutes(chapter: str) -> int:
    """본문의 글자(빈칸, 코드, 수식, 연습 문제는 뺀다)로 어림한 시간. 5분 단위로 올린다."""
    cells = nbformat.read(STEMS[chapter], as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^## 연습 문제$.*?(?=^## )", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^## 참고 문헌$.*", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"```.*?```|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    letters = len(re.sub(r"\s", "", text))
    return -(-letters // (5 * LETTERS_A_MINUTE)) * 5


def ranges(numbers: list[int]) -> str:
    """[1, 2, 3, 5]를 `1–3, 5`로."""
    text = ",".join(map(str, numbers))
    for first in numbers:
        for last in reversed(numbers):
            run = ",".join(map(str, range(first, last + 1)))
            if last > first + 1 and re.search(rf"(?<!\d){run}(?!\d)", text):
                text = re.sub(rf"(?<!\d){run}(?!\d)", f"{first}–{last}", text)
    return text.replace(",", ", ")


def in_class(item) -> bool:
    return isinstance(item, Number | Choice) and item.level <= 2


def cells_for(chapter: str) -> list[str]:
    """표의 수업 문제와 과제 칸."""
    cells = []
    for here in (True, False):
        chosen = {n: item for n, item in exercises(chapter).items() if in_class(item) is here}
        numbers = [int(name.rpartition("-")[2]) for name in chosen]
        cells.append(f"{ranges(numbers)} ({sum(item.minutes for item in chosen.values())}분)")
    return cells


def parse(cell: str) -> tuple[list[int], int]:
    """`1–3, 5 (20분)`을 ([1, 2, 3, 5], 20)으로."""
    listed, minutes = re.fullmatch(r"([\d–, ]+) \((\d+)분\)", cell).groups()
    numbers = []
    for part in listed.split(", "):
        first, _, last = part.partition("–")
        numbers += range(int(first), int(last or first) + 1)
    return numbers, int(minutes)


FOUND = [(re.match(LINK, row[0]), row) for row in table()]
ROWS = {link[3][3:]: (link, row) for link, row in FOUND if link}


def test_fifteen_weeks_take_the_chapters_in_order():
    weeks = [int(row[0].partition("주")[0]) for row in table()]
    assert weeks == sorted(weeks)
    assert sorted(set(weeks)) == list(range(1, 16))
    assert list(ROWS) == list(CHAPTERS)
    assert re.findall(r"\d\d_(\w+)\.ipynb", TEXT) == list(CHAPTERS)  # 저마다 한 번
    assert ["8주 중간고사: 1–7주", "", ""] in table()
    assert ["15주 기말 과제 발표", "", ""] in table()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_row_agrees_with_the_chapter(chapter):
    link, row = ROWS[chapter]
    rest = row[0][link.end() :].partition("분")[2]
    first = f"{link[0]} {reading_minutes(chapter)}분{rest}"
    better = [first, *cells_for(chapter)]
    assert row == better, f"강의 계획의 이 줄을 고치십시오: | {' | '.join(better)} |"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_link_has_the_title_of_the_chapter(chapter):
    cells = nbformat.read(STEMS[chapter], as_version=4).cells
    title = next(
        re.search(r"^# (.+)$", cell.source, re.MULTILINE)[1]
        for cell in cells
        if re.search(r"^# ", cell.source, re.MULTILINE)
    )
    assert ROWS[chapter][0][2] == title.partition(":")[0]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_has_one_place(chapter):
    lesson, homework = (parse(cell) for cell in ROWS[chapter][1][1:])
    names = [f"{chapter}-{number}" for number in sorted(lesson[0] + homework[0])]
    assert sorted(names) == sorted(exercises(chapter))
    for numbers, minutes in (lesson, homework):
        assert minutes == sum(exercises(chapter)[f"{chapter}-{n}"].minutes for n in numbers)


def test_lessons_fit_into_the_week():
    first, second = section("한 주의 흐름").split("**둘째 시간**")
    lessons = [re.findall(r"^- (\d+)분: (.+)$", text, re.MULTILINE) for text in (first, second)]
    assert [sum(int(minutes) for minutes, _ in lesson) for lesson in lessons] == [75, 75]
    room = sum(int(minutes) for minutes, what in [*lessons[0], *lessons[1]] if "수업 문제" in what)
    weeks = {}
    for link, row in ROWS.values():
        weeks[link[1]] = weeks.get(link[1], 0) + parse(row[1])[1]
    assert max(weeks.values()) <= room


def test_points_add_up():
    def points(title):
        return {what: int(n) for what, n in re.findall(r"\*\*(.+) \((\d+)점\)", section(title))}

    marks = points("성적")
    assert sum(marks.values()) == 100
    assert sum(points("기말 과제").values()) == marks["기말 과제"]


def test_the_example_of_a_number_is_right():
    (week, number, name), *others = re.findall(r"(\d+)주의 (\d+)번은 `([\w-]+)`", TEXT)
    assert others == []
    assert ROWS[name.rpartition("-")[0]][0][1] == week
    assert name.endswith(f"-{number}")
    assert name in exercises(name.rpartition("-")[0])


def test_commands_can_be_parsed():
    lines = "".join(blocks("bash")).splitlines()
    assert len(lines) >= 5
    for line in lines:
        assert line.startswith("python -m cnn_lectures ")
        build_parser().parse_args(line.split()[3:])


def test_named_modules_exist():
    from cnn_lectures import complexity, receptive_field
    from cnn_lectures.layers import convolution

    assert callable(convolution.output_size)
    assert "`layers.convolution.output_size`" in TEXT
    for module in (receptive_field, complexity):
        assert f"`{module.__name__.rpartition('.')[2]}`" in TEXT


def notebook(*cells) -> nbformat.NotebookNode:
    """(딱지, 소스)의 목록으로 만든 노트북."""
    made = [
        nbformat.v4.new_code_cell(source, metadata={"tags": [tag] if tag else []})
        for tag, source in cells
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel})


def test_score_runs_the_answers_again(tmp_path, monkeypatch, capsys):
    pytest_socket.enable_socket()  # 커널과 이야기하는 길
    submitted = notebook(
        ("", "from cnn_lectures.exercises import check"),
        ("answer", 'check("convolution-2", (32, 1))'),
        ("solution", 'stolen = [20, 24, 36, 40]\ncheck("convolution-1", [10, 24, 51, 90])'),
        ("answer", 'check("convolution-1", [1, 2, 3, 4])'),
        ("answer", 'check("convolution-3", ...)'),
        ("answer", 'print("✅ `lenet-1`: 맞았습니다.")'),
        ("answer", 'check("convolution-7", stolen)'),  # 풀이에서 만든 이름은 쓸 수 없다
    )
    submitted.cells[3].outputs = [  # 결과를 지어내어도 소용없다
        nbformat.v4.new_output("display_data", {"text/plain": "✅ `convolution-1`: 맞았습니다."})
    ]
    (tmp_path / "제출").mkdir()
    nbformat.write(submitted, tmp_path / "제출" / "홍길동.ipynb")
    monkeypatch.chdir(tmp_path)
    code = blocks("python")[0]
    assert all(len(line) <= 100 for line in code.splitlines())
    names = {}
    exec(code, names)
    assert capsys.readouterr().out == "홍길동 convolution-2\n"
    expected = {"convolution-2": True, "convolution-1": False, "convolution-3": False}
    assert names["score"](tmp_path / "제출" / "홍길동.ipynb") == expected


def test_the_example_of_grade_runs(capsys):
    exec(blocks("python")[1], {})
    assert capsys.readouterr().out.startswith("False 아직 아닙니다. 나눈 몫에 ")
