"""한국어 검색. 조사를 떼지 못하는 Sphinx의 검색을 대신한다.

절마다 글을 통째로 적어 두면 `_static/search/search.js`가 훑는다. 책이 작아 역색인은 두지 않는다.
색인은 `file://`에서도 읽도록 전역 변수 하나를 정하는 스크립트이다.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from pybtex.richtext import Text
from sphinx.application import Sphinx

GLOSSARY_HEAD = ["쓰는 말", "영어", "다른 말", "풀이"]
IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
# 다른 쪽의 제목과 그림의 번호는 모두 읽은 뒤에 안다. 그때까지 그 이름을 이 글자로 싸 둔다.
LINK = "\0"


def squeeze(text: str) -> str:
    """잇달은 빈칸을 하나로 줄인다."""
    return " ".join(text.split())


def plain_math(tex: str) -> str:
    """글 속의 짧은 식을 읽을 수 있는 글자로 바꾼다."""
    tex = re.sub(r"\s*\\times\s*", "×", tex)
    tex = re.sub(r"\\(?:mathrm|text|mathbf|operatorname)\b|[{}]", "", tex)
    return squeeze(re.sub(r"\\[A-Za-z]+|\\.", " ", tex))


def people(entry) -> str:
    """참고 문헌 하나의 지은이. 셋이 넘으면 첫 사람만 적는다."""
    names = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
    names = [str(Text.from_latex(name)) for name in names]
    return ", ".join(names) if len(names) < 3 else f"{names[0]} 등" if names else ""


def inline(node: nodes.Node, bibliography: dict) -> str:
    """문단 하나의 글."""
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, nodes.math):
        return plain_math(node.astext())
    if isinstance(node, nodes.raw | nodes.comment | nodes.image):
        return ""
    target = node.get("reftarget", "")
    if node.get("refdomain") == "cite":
        keys = [key.strip() for key in target.split(",")]
        cited = [bibliography[key] for key in keys if key in bibliography]
        return ", ".join(f"{people(entry)} ({entry.fields.get('year', '')})" for entry in cited)
    if node.get("reftype") == "numref" or (target and not node.astext()):
        return f"{LINK}{target}{LINK}"
    return "".join(inline(child, bibliography) for child in node.children)


def blocks(node: nodes.Node, bibliography: dict):
    """절 하나의 문단, 그림 설명, 표의 줄. 아래 절과 수식, 코드, 출력, 퀴즈는 뺀다."""
    if isinstance(node, nodes.section | nodes.FixedTextElement | nodes.raw | nodes.comment):
        return
    if node.tagname == "quiz":  # 답한 뒤에야 보이는 글
        return
    if node.tagname == "bibliography":
        for entry in bibliography.values():
            title = Text.from_latex(entry.fields.get("title", ""))
            year = entry.fields.get("year", "")
            authors = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
            yield squeeze(f"{Text.from_latex(', '.join(authors))}. {title}. {year}")
    elif isinstance(node, nodes.row):
        cells = (" ".join(blocks(entry, bibliography)) for entry in node.children)
        yield " · ".join(cell for cell in cells if cell)
    elif isinstance(node, nodes.TextElement):
        yield squeeze(inline(node, bibliography))
    else:
        for child in node.children:
            yield from blocks(child, bibliography)


def identifiers(section: nodes.section, text: str) -> str:
    """절의 코드에 나오고 글에는 없는 이름."""
    code = [
        node.astext()
        for child in section.children
        if not isinstance(child, nodes.section)
        for node in child.findall(nodes.literal_block)
        if "output" not in node["classes"]
    ]
    names = dict.fromkeys(IDENTIFIER.findall("\n".join(code)))
    return " ".join(name for name in names if name not in text)


def section_record(section: nodes.section, bibliography: dict) -> list:
    """절 하나: 앵커, 제목, 깊이, 글, 코드의 이름."""
    level = 1
    parent = section.parent
    while isinstance(parent, nodes.section):
        level, parent = level + 1, parent.parent
    title = squeeze(inline(section.next_node(nodes.title), bibliography))
    body = [child for child in section.children if not isinstance(child, nodes.title)]
    text = "\n".join(block for child in body for block in blocks(child, bibliography) if block)
    return [section["ids"][0], title, level, text, identifiers(section, text)]


def paired(names: list[str], others: list[str]) -> dict[str, list[str]]:
    """한 줄에 두 낱말을 적은 용어집에서, 다른 말을 제 낱말에 나누어 준다."""
    if len(names) == len(others):
        return {name: [other] for name, other in zip(names, others, strict=True)}
    shared = {name: [] for name in names}
    for other in others:
        shared[next((name for name in names if name in other), names[0])].append(other)
    return shared


def glossary_terms(doctree: nodes.document) -> list:
    """용어집의 낱말: 쓰는 말, 영어, 다른 말, 풀이, 줄의 앵커. 줄에는 앵커를 단다."""
    terms = []
    for table in doctree.findall(nodes.table):
        rows = list(table.findall(nodes.row))
        if [entry.astext() for entry in rows[0]] != GLOSSARY_HEAD:
            continue
        table["classes"].append("glossary")
        for row in rows[1:]:
            word, english, others, meaning = (squeeze(entry.astext()) for entry in row)
            anchor = f"term-{nodes.make_id(english)}"
            row["ids"].append(anchor)
            names = word.split(", ")
            english = [part for part in re.split(r", | \(|\)", english) if part]
            english = paired(names, english)
            others = paired(names, [part for part in others.split(", ") if part])
            terms += [[name, english[name], others[name], meaning, anchor] for name in names]
    return terms


def read_page(app: Sphinx, doctree: nodes.document):
    """쪽 하나를 읽을 때 적어 둔다. 고친 쪽만 다시 읽으므로 환경에 둔다."""
    env = app.env
    bibliography = env.get_domain("cite").bibdata.data.entries
    sections = [section_record(section, bibliography) for section in doctree.findall(nodes.section)]
    records(env)[env.docname] = {"sections": sections, "terms": glossary_terms(doctree)}


def records(env) -> dict:
    """쪽의 이름과 적어 둔 것."""
    if not hasattr(env, "search_records"):
        env.search_records = {}
    return env.search_records


def purge_page(app: Sphinx, env, docname: str):
    """지우거나 다시 읽을 쪽을 잊는다."""
    records(env).pop(docname, None)


def merge_pages(app: Sphinx, env, docnames, other):
    """나란히 읽은 쪽을 모은다."""
    records(env).update({name: records(other)[name] for name in docnames})


def search_index(app: Sphinx) -> dict:
    """색인: 쪽의 주소, 번호, 제목, 절과 용어집."""
    env = app.env
    names = {name: title.astext() for name, title in env.titles.items()}
    for numbers in env.toc_fignumbers.values():
        for name, number in numbers.get("figure", {}).items():
            names[name] = f"그림 {'.'.join(map(str, number))}"

    def linked(text: str) -> str:
        return re.sub(f"{LINK}(.*?){LINK}", lambda match: names.get(match[1], ""), text)

    pages, terms = [], []
    for name, record in sorted(records(env).items()):
        url = app.builder.get_target_uri(name)
        number = ".".join(map(str, env.toc_secnumbers.get(name, {}).get("", ())))
        sections = [[*head, linked(text), code] for *head, text, code in record["sections"]]
        if sections:
            pages.append({"url": url, "number": number, "sections": sections})
        terms += [[*term, f"{url}#{anchor}"] for *term, anchor in record["terms"]]
    return {"pages": pages, "terms": terms}


def write_search(app: Sphinx):
    """색인을 쓰고 검색 쪽을 낸다."""
    text = json.dumps(search_index(app), ensure_ascii=False, separators=(",", ":"))
    Path(app.outdir, "search-index.js").write_text(f"var SearchIndex={text};\n", encoding="utf-8")
    description = (
        "이 책에서 낱말을 찾습니다. 한국어와 영어, 다른 책에서 쓰는 말로도 찾을 수 있습니다."
    )
    yield "search", {"description": description}, "search.html"


def replace_search(app: Sphinx):
    """HTML을 만들 때 Sphinx의 검색을 끈다."""
    if app.builder.format == "html":
        app.builder.search = False


def setup(app: Sphinx):
    """확장을 켠다."""
    app.connect("builder-inited", replace_search)
    app.connect("doctree-read", read_page)
    app.connect("env-purge-doc", purge_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("html-collect-pages", write_search)
    app.add_js_file("search/search.js", loading_method="defer")
    app.add_css_file("search/search.css")
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
