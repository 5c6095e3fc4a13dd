r"""연습 문제를 Moodle의 문제 은행에 넣을 Moodle XML로 내보낸다.

손 계산은 수가 하나이면 `numerical`, 여럿이면 `cloze`, 고르기는 `multichoice`, 코드와 설계는
사람이 채점하는 `essay`가 된다. 형식은 Moodle 문서의 "Moodle XML format", "Embedded Answers (Cloze)
question type"과 Moodle이 읽는 코드(`qformat_xml`, `qtype_multianswer`)를 따른다.

- `category`를 적은 문제 다음부터는 그 분류에 들어간다. `$course$/top`은 강좌의 맨 위 분류이다.
- 글은 모두 `<text>`에 넣고 `format="html"`을 적는다. 수식은 `\(…\)`로 적어 MathJax 필터에 맡긴다.
- 답은 적은 차례로 맞추어 보므로 정답이 맨 앞이다. 점수는 백분율이다.
- `numerical`의 허용 오차는 절대 오차이다. 0이면 같은 수만 맞으므로 실수에는 쓰지 않는다.
- `cloze`의 빈칸은 `{점수:NUMERICAL:=정답:오차#피드백~%0%오답:오차#피드백}`이다. 피드백은 `~`나
  `}`에서 끝나고 문자 참조를 한 번 푼 것이므로, 특별한 글자를 `&#126;`처럼 적으면 되살아난다.
- `cloze`의 배점은 `defaultgrade`가 아니라 빈칸의 점수를 더한 것이다.
- `essay`는 `<hint>`를 읽지 않는다.
"""

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from cnn_lectures.exercises import CHAPTERS, exercises
from cnn_lectures.exercises._kinds import LEVELS, Choice, Design, Exercise, Function, Number

COURSE = "$course$/top/합성곱 신경망"
TITLES = {
    "convolution": "합성곱",
    "lenet": "LeNet",
    "pooling": "풀링",
    "activation": "활성화 함수",
    "local_response_norm": "국소 응답 정규화",
    "alexnet": "AlexNet",
    "vgg": "VGG",
    "nin": "NiN",
    "googlenet": "GoogLeNet",
    "batch_norm": "배치 정규화",
    "resnet": "ResNet",
    "densenet": "DenseNet",
    "comparison": "비교",
    "numpy_network": "NumPy만으로 배우는 LeNet",
}
BY_HAND = "코드와 설계"

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").use(dollarmath_plugin)
for _name, _math in (("math_inline", r"\({}\)"), ("math_block", r"\[{}\]")):
    _markdown.add_render_rule(
        _name, lambda _, tokens, i, *rest, math=_math: math.format(html.escape(tokens[i].content))
    )


def blocks(text: str) -> str:
    """문단과 표가 든 Markdown을 HTML로 바꾼다."""
    return _markdown.render(text).strip()


def inline(text: str) -> str:
    """한 줄의 Markdown을 `<p>` 없는 HTML로 바꾼다."""
    return _markdown.renderInline(text)


def written(value: float, tolerance: float = 0.0) -> str:
    """Moodle이 읽을 수. 계산 끝의 부동소수점 찌꺼기는 버린다."""
    if abs(value) <= 1e-6 * tolerance:
        return "0"
    return str(int(value)) if float(value).is_integer() else f"{value:.12g}"


def margin(item: Number, value: float) -> str:
    """`value`에 줄 허용 오차. 실수이면 0이 되지 않게 한다."""
    if item.tolerance or float(value).is_integer():
        return f"{item.tolerance:g}"
    return f"{item.relative * abs(value):.2g}"


def hints_by_value(item: Number, place: int) -> list[tuple[float, list[str]]]:
    """`place`번째 수에 나올 수 있는 틀린 값과, 그 값이 나오는 오해의 힌트."""
    right = item.expected.ravel()[place]
    found: list[tuple[float, list[str]]] = []
    for mistake, wrong in zip(item.mistakes, item.wrong_answers, strict=True):
        value = wrong.ravel()[place]
        if item.equal(value, right):
            continue
        same = [hints for other, hints in found if item.equal(value, other)]
        if same:
            same[0].append(mistake.hint)
        else:
            found.append((value, [mistake.hint]))
    return found


def feedback(hints: Sequence[str]) -> str:
    """힌트 하나는 그대로, 여럿이면 목록으로."""
    if len(hints) == 1:
        return inline(hints[0])
    listed = "".join(f"<li>{inline(hint)}</li>" for hint in hints)
    return f"다음 가운데 하나일 수 있습니다.<ul>{listed}</ul>"


def blank(item: Number, place: int) -> str:
    """`cloze`의 빈칸 하나."""
    right = item.expected.ravel()[place]
    parts = [f"={written(right, item.tolerance)}:{margin(item, right)}"]
    for value, hints in hints_by_value(item, place):
        # Moodle은 문자 참조를 푼 뒤에 `\}`와 `\#`의 역슬래시를 지운다.
        said = re.sub(r"\\(?=[}#])", "&#92;", feedback(hints))
        said = html.escape(said, quote=False)
        said = re.sub(r"[~{}#\\]", lambda special: f"&#{ord(special[0])};", said)
        parts.append(f"%0%{written(value, item.tolerance)}:{margin(item, value)}#{said}")
    return "{1:NUMERICAL:" + "~".join(parts) + "}"


def _add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    """`<tag>글</tag>`를 더한다."""
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _text(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    """`<tag><text>글</text></tag>`를 더한다."""
    element = ET.SubElement(parent, tag, attributes)
    _add(element, "text", text)
    return element


def _html(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    """HTML인 `<tag><text>글</text></tag>`를 더한다."""
    return _text(parent, tag, text, format="html", **attributes)


def title(item: Exercise) -> str:
    """문제 은행의 목록에 보일, 이름과 문제의 앞머리."""
    plain = item.question.partition("\n")[0]
    plain = re.sub(r"\$[^$]*[\\^_][^$]*\$", "…", plain)  # 목록에는 수식이 그대로 보인다
    plain = re.sub(r"\*\*|[`$]", "", plain)
    words = plain.split()
    while len(" ".join(words)) > 40:
        words.pop()
    short = " ".join(words)
    return f"{item.name} {short}" + ("" if short == plain else " …")


def signature(item: Function) -> str:
    """문제가 쓰라고 한 함수. `convolve(x, w)`의 꼴이다."""
    return re.search(r"`(\w+\([^`]*\))`", item.question)[1]


def _number(question: ET.Element, item: Number) -> None:
    right = item.expected.item()
    for value, score, said in (
        (right, "100", ""),
        *((value, "0", feedback(hints)) for value, hints in hints_by_value(item, 0)),
    ):
        answer = _text(question, "answer", written(value, item.tolerance), fraction=score)
        answer.set("format", "moodle_auto_format")
        _html(answer, "feedback", said)
        _add(answer, "tolerance", margin(item, value))
    for tag, value in (
        ("unitgradingtype", "0"),
        ("unitpenalty", "0.1"),
        ("showunits", "3"),  # 단위를 묻지 않는다
        ("unitsleft", "0"),
    ):
        _add(question, tag, value)


def _choice(question: ET.Element, item: Choice) -> None:
    _add(question, "single", "true")
    _add(question, "shuffleanswers", "true")
    _add(question, "answernumbering", "123")
    _add(question, "showstandardinstruction", "0")
    _html(question, "correctfeedback", "맞았습니다.")
    _html(question, "partiallycorrectfeedback")
    _html(question, "incorrectfeedback", "아직 아닙니다.")
    for option, hint in zip(item.options(), item.hints(), strict=True):
        score = "0" if hint else "100"
        answer = _html(question, "answer", inline(option), fraction=score)
        _html(answer, "feedback", inline(hint))


def _essay(question: ET.Element, item: Function | Design) -> None:
    is_function = isinstance(item, Function)
    call = signature(item) if is_function else "model"
    for tag, value in (
        ("responseformat", "monospaced"),
        ("responserequired", "1"),
        ("responsefieldlines", "15"),
        ("minwordlimit", ""),
        ("maxwordlimit", ""),
        ("attachments", "0"),
        ("attachmentsrequired", "0"),
        ("maxbytes", "0"),
        ("filetypeslist", ""),
    ):
        _add(question, tag, value)
    grading = (
        f'낸 코드를 실행한 뒤 `grade("{item.name}", {call.partition("(")[0]})`로 채점합니다 '
        "(`from cnn_lectures.exercises import grade`)."
    )
    hints = dict.fromkeys(mistake.hint for mistake in item.mistakes)
    listed = "".join(f"<li>{inline(hint)}</li>" for hint in hints)
    told = f"<p>{inline(grading)}</p>\n<p>흔한 실수:</p>\n<ul>{listed}</ul>"
    _html(question, "graderinfo", told)
    template = f"def {call}:\n    ...\n" if is_function else f"{call} = ...\n"
    _html(question, "responsetemplate", template)


def _question(item: Exercise) -> ET.Element:
    """문제 하나."""
    body, points = blocks(item.question), 1
    if isinstance(item, Choice):
        kind = "multichoice"
    elif not isinstance(item, Number):
        kind = "essay"
        points = len(item.rubric) if isinstance(item, Design) else 3
        body = f"{blocks(item.body())}\n<p>힌트: {inline(item.hint)}</p>"
    elif item.expected.size == 1:
        kind = "numerical"
    else:
        kind, points = "cloze", item.expected.size
        blanks = (f"({i + 1}) {blank(item, i)}" for i in range(points))
        body = f"{body}\n<p>{' &#160; '.join(blanks)}</p>"
    question = ET.Element("question", type=kind)
    _text(question, "name", title(item))
    _html(question, "questiontext", body)
    _html(question, "generalfeedback", blocks(item.explanation))
    _add(question, "defaultgrade", str(points))
    _add(question, "penalty", "0" if kind == "essay" else "0.3333333")
    _add(question, "hidden", "0")
    _add(question, "idnumber", item.name)
    if kind == "numerical":
        _number(question, item)
    elif kind == "multichoice":
        _choice(question, item)
    elif kind == "essay":
        _essay(question, item)
    if kind != "essay":
        _html(question, "hint", inline(item.hint))
    tags = ET.SubElement(question, "tags")
    for tag in (item.kind, LEVELS[item.level], f"{item.minutes}분"):
        _text(tags, "tag", tag)
    return question


def _category(path: str, told: str) -> ET.Element:
    """다음 문제부터 넣을 분류."""
    question = ET.Element("question", type="category")
    _text(question, "category", path)
    _html(question, "info", told)
    return question


def document(chapters: Sequence[str] = CHAPTERS) -> ET.Element:
    """`chapters`의 문제를 모두 담은 `<quiz>`.

    Raises
    ------
    ValueError
        `CHAPTERS`에 없는 장일 때.
    """
    quiz = ET.Element("quiz")
    for chapter in chapters:
        items = exercises(chapter).values()
        path = f"{COURSE}/{CHAPTERS.index(chapter) + 1:02} {TITLES[chapter]}"
        quiz.append(_category(path, "자동으로 채점하는 손 계산과 고르기"))
        quiz.extend(_question(item) for item in items if isinstance(item, Number | Choice))
        quiz.append(_category(f"{path}/{BY_HAND}", "사람이 채점하는 코드와 설계"))
        quiz.extend(_question(item) for item in items if isinstance(item, Function | Design))
    return quiz


def write(path: Path, chapters: Sequence[str] = CHAPTERS, *, overwrite: bool = False) -> dict:
    """`chapters`의 문제를 `path`에 Moodle XML로 쓰고 {유형: 문제의 수}를 돌려준다.

    Raises
    ------
    FileExistsError
        `path`가 이미 있고 `overwrite`가 아닐 때.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: 이미 있어 쓰지 않았습니다")
    quiz = document(chapters)
    kinds = [question.get("type") for question in quiz]
    ET.indent(quiz)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ET.tostring(quiz, encoding="UTF-8", xml_declaration=True) + b"\n")
    return {kind: kinds.count(kind) for kind in kinds if kind != "category"}
