"""연습 문제를 쪽에 싣는다. 손 계산과 고르기 문제는 그 자리에서 채점하는 퀴즈가 된다.

노트북의 `exercise("lenet-3")` 칸에는 문제의 글과 채점할 것이 출력으로 저장되어 있고, 그 출력이
패키지와 같은지는 nbval이 확인한다. 책은 그 출력을 읽으므로 torch를 불러오지 않는다.
"""

import json

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MIME = "application/vnd.cnn-lectures.exercise+json"
FENCE = "`" * 12


class quiz(nodes.General, nodes.Element):  # noqa: N801 (docutils의 마디는 소문자로 적는다)
    """스크립트가 채울 답 칸. 아이는 답에 따라 보일 글이다."""


class feedback(nodes.General, nodes.Element):  # noqa: N801
    """답이 `when`번째 틀린 답과 같을 때 보일 글."""


def joined(lines: str | list[str]) -> str:
    """노트북은 글을 한 덩어리로도 줄마다로도 적는다."""
    return lines if isinstance(lines, str) else "".join(lines)


def replace_cells(app: Sphinx, docname: str, source: list[str]):
    """`exercise` 꼬리표가 달린 칸을 지시자로 바꾼다."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if "exercise" not in cell["metadata"].get("tags", ()):
            continue
        data = next((output["data"] for output in cell["outputs"] if "data" in output), {})
        if MIME not in data:
            code = joined(cell["source"])
            raise ValueError(f"{docname}: 실행하지 않은 연습 문제가 있습니다 (받은 값: {code})")
        content = {"text": joined(data["text/markdown"]), **data[MIME]}
        cell["source"] = f"{FENCE}{{exercise}}\n{json.dumps(content)}\n{FENCE}"
        cell["cell_type"], cell["metadata"] = "markdown", {}
        del cell["outputs"], cell["execution_count"]
    source[0] = json.dumps(notebook)


class ExerciseDirective(SphinxDirective):
    """문제 하나. 내용은 `replace_cells`가 적은 JSON이다."""

    has_content = True

    def run(self):
        """문제의 글, 힌트, 퀴즈를 담은 상자를 돌려준다."""
        data = json.loads("\n".join(self.content))
        text, details, hint = data["text"].partition("<details>")
        children = self.parse_text_to_nodes(text)
        if data["key"]:
            children.append(self.quiz(data["key"]))
        children += self.parse_text_to_nodes(details + hint)
        box = nodes.container("", *children, classes=["exercise"], ids=[f"exercise-{data['name']}"])
        children[0]["classes"].append("exercise-heading")
        return [box]

    def quiz(self, key: dict) -> quiz:
        """글을 뺀 나머지를 속성에, 글을 아이에 담은 마디."""
        texts = key.pop("hints", None) or [item.pop("hint") for item in key["mistakes"]]
        key["mistakes"] = [item["answer"] for item in key.get("mistakes", ())]
        node = quiz(key=json.dumps(key))
        for when, text in enumerate(texts):
            if text:
                node += feedback("", *self.parse_text_to_nodes(text), when=when)
        return node


def visit_quiz(translator, node):
    """답 칸의 자리를 연다."""
    attributes = {"data-quiz": node["key"], "hidden": ""}
    translator.body.append(translator.starttag(node, "div", "", CLASS="quiz", **attributes))


def visit_feedback(translator, node):
    """답한 뒤에 스크립트가 보일 글을 연다."""
    when = {"data-when": str(node["when"]), "hidden": ""}
    translator.body.append(translator.starttag(node, "div", "", CLASS="quiz-feedback", **when))


def depart(translator, node):
    """닫는다."""
    translator.body.append("</div>\n")


def add_script(app: Sphinx, pagename, templatename, context, doctree):
    """문제가 있는 쪽에만 스크립트와 꼴을 싣는다."""
    boxes = doctree.findall(nodes.container) if doctree else ()
    if any("exercise" in box["classes"] for box in boxes):
        app.add_js_file("quiz/quiz.js", loading_method="defer")
        app.add_css_file("quiz/quiz.css")


def setup(app: Sphinx):
    """확장을 켠다."""
    app.add_node(quiz, html=(visit_quiz, depart))
    app.add_node(feedback, html=(visit_feedback, depart))
    app.add_directive("exercise", ExerciseDirective)
    app.connect("source-read", replace_cells)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
