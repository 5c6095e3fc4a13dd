"""수식을 책을 만들 때 KaTeX로 풀어 MathML로 적는다.

읽는 쪽에는 수식 스크립트가 필요 없다. 한 쪽에 수식이 백 개가 넘기도 하므로, 브라우저가 조판하는
MathML이 MathJax보다 빨리 보이고 KaTeX의 HTML보다 다섯 배 작다.
글꼴은 `_static/fonts`의 STIX Two Math이다.
"""

import json
import os
import re
import unicodedata
from functools import cache
from importlib.resources import files

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


@cache
def katex(process: int) -> MiniRacer:
    """sphinxcontrib-katex에 든 KaTeX를 불러온 자바스크립트 엔진. 갈라진 프로세스마다 따로 둔다."""
    engine = MiniRacer()
    engine.eval(files("sphinxcontrib").joinpath("katex.min.js").read_text(encoding="utf-8"))
    return engine


@cache
def mathml(latex: str, display: bool) -> str:
    """LaTeX 수식을 MathML로 바꾼다.

    Raises
    ------
    ExtensionError
        KaTeX가 읽지 못하는 수식일 때.
    """
    options = {"displayMode": display, "output": "mathml", "strict": "ignore"}
    call = f"katex.renderToString({json.dumps(latex)}, {json.dumps(options)})"
    try:
        html = katex(os.getpid()).eval(call)
    except JSEvalException as error:
        raise ExtensionError(f"수식을 읽을 수 없습니다: {latex!r} ({error})") from None
    # 보이지 않는 LaTeX 원문과 뜻 없는 껍데기를 벗긴다.
    html = re.sub(r"(?s)<annotation.*?</annotation>|</?semantics>|</?span[^>]*>", "", html)
    return re.sub(r'<m(\w+) mathvariant="([\w-]+)">([^<]*)</m\1>', styled, html)


def styled(match: re.Match) -> str:
    """글자의 꼴을 유니코드의 수학 글자로 나타낸다. 브라우저는 `mathvariant`를 거의 읽지 않는다."""
    tag, variant, text = match.groups()
    if variant not in ("bold", "double-struck", "script"):
        return match[0]
    style = variant.upper()
    return f"<m{tag}>{''.join(letter(character, style) for character in text)}</m{tag}>"


def letter(character: str, style: str) -> str:
    """글자 하나를 수학 글자로 바꾼다. 없는 글자는 그대로 둔다."""
    case = "CAPITAL" if character.isupper() else "SMALL"
    full = f"MATHEMATICAL {style} {case} {character.upper()}"
    for name in (full, f"{style} CAPITAL {character}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return character


def visit_inline(translator, node):
    """문장 속의 수식."""
    translator.body.append(mathml(node.astext(), False))
    raise nodes.SkipNode


def visit_block(translator, node):
    """따로 둔 수식. 여러 줄이면 `&`에서 맞춘다."""
    latex = node.astext()
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    label = translator.starttag(node, "div", CLASS="math")
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    translator.body.append(f"{label}{number}{mathml(latex, True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx):
    """확장을 켠다. 설정의 `html_math_renderer: mathml`로 고른다."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
