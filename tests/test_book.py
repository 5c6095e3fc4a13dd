"""책의 짜임새: 커널 없이 몇 초 만에 확인할 수 있는 것."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager

import cnn_lectures
from cnn_lectures.exercises._kinds import MIME
from tests.notebook_verifier import VERIFY_KEYS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md")) + NOTEBOOKS
IDS = [path.stem for path in NOTEBOOKS]

# 본문에 나오지만 계산으로 얻을 수 없는 수와 그 출처.
CITED = {
    "11_resnet": {"1,001": "he2016identity"},
    "12_densenet": {"1,001": "he2016identity", "1,020": "huang2017densenet"},  # 1,020만 개
    "13_comparison": {"1,202": "he2016resnet", "1,000": "russakovsky2015imagenet"},
}

# 용어집 밖에서는 쓰지 않는 말(정규식)과, 그 대신 쓸 말.
BANNED = {
    "컨볼루션": "합성곱",
    "콘볼루션": "합성곱",
    "보폭": "스트라이드",
    "특성 맵": "특징 맵",
    "특징 지도": "특징 맵",
    "수용야": "수용 영역",
    "(?<!하이퍼)파라미터": "매개변수",
    "레이어": "층",
    "계층": "층",
    "전결합": "완전 연결",
    "그래디언트": "기울기",
    "그레이디언트": "기울기",
    "숏컷": "지름길 연결",
    "맥스 풀링": "최대 풀링",
    "오버피팅": "과적합",
    "에폭": "에포크",
    "잔여 블록": "잔차 블록",
}


def read(path: Path):
    return nbformat.read(path, as_version=4)


def cells(path: Path, kind: str) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == kind]


def prose(path: Path) -> str:
    """쪽의 설명과 글. 코드 토막과 수식은 뺀다."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        parts = [read(path).metadata["description"], *(c.source for c in cells(path, "markdown"))]
        text = "\n\n".join(parts)
    return re.sub(r"```.*?```|`[^`\n]*`|\{cite[^}]*\}", " ", text, flags=re.DOTALL)


def parsed(cell) -> ast.Module:
    """칸의 구문 나무. `%pip` 같은 명령도 읽는다."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def outputs(path: Path) -> list:
    return [output for cell in cells(path, "code") for output in cell.outputs]


def is_exercise(output) -> bool:
    """연습 문제의 글이나 풀이인지. 계산한 것이 아니라 사람이 쓴 글이다."""
    data = output.get("data", {})
    return MIME in data or data.get("text/plain", "").startswith(("⬜", "✅"))


def output_text(path: Path) -> str:
    texts = []
    for output in outputs(path):
        if not is_exercise(output):
            data = output.get("data", {})
            texts += [value for kind, value in data.items() if kind.startswith("text/")]
            texts.append(output.get("text", ""))
    return "\n".join(texts)


def explanations(path: Path) -> str:
    """연습 문제의 풀이."""
    return "\n".join(
        output.data["text/markdown"]
        for output in outputs(path)
        if is_exercise(output) and output.data["text/plain"].startswith("✅")
    )


def answers(path: Path) -> set[str]:
    """연습 문제의 정답. 패키지가 계산한 것이다."""
    keys = [
        output["data"][MIME]["key"] for output in outputs(path) if MIME in output.get("data", {})
    ]
    values = [value for key in keys if key and key["kind"] == "numbers" for value in key["answer"]]
    return {f"{value:,.0f}" for value in values}


def toc_files() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


def test_toc_lists_every_page_once():
    listed = toc_files()
    existing = [f"book/{path.stem}" for path in PAGES if path.stem != "index"]
    assert sorted(listed) == sorted(existing)


def test_chapters_are_numbered_in_reading_order():
    chapters = [Path(name).name for name in toc_files() if re.match(r"book/\d", name)]
    assert [int(name[:2]) for name in chapters] == list(range(1, len(chapters) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_one_idea_one_name_in_three_places(path):
    stem = path.stem[3:]
    modules = [ROOT / "cnn_lectures" / kind / f"{stem}.py" for kind in ("layers", "models", "")]
    assert [module.exists() for module in modules].count(True) == 1
    assert (ROOT / "tests" / f"test_{stem}.py").exists()


def test_every_module_has_a_chapter():
    chapters = {path.stem[3:] for path in NOTEBOOKS}
    modules = {
        path.stem
        for kind in ("layers", "models")
        for path in (ROOT / "cnn_lectures" / kind).glob("[!_]*.py")
    }
    assert modules <= chapters


def test_readme_table_names_every_chapter_module_and_test():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert f"book/{path.name}" in readme
        assert f"tests/test_{path.stem[3:]}.py" in readme


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_cell_was_run_once_in_order(path):
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_no_error_no_stderr_no_trace_of_the_machine(path):
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
    assert not re.search(r"(/home/|/root/|/Users/|/usr/|site-packages)", output_text(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_cells_are_short(path):
    for cell in cells(path, "code")[2:]:  # 첫 두 칸은 설치와 불러오기만 한다
        assert len(cell.source.splitlines()) <= 15, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_notebook_defines_nothing_that_belongs_in_the_package(path):
    for cell in cells(path, "code"):
        if {"answer", "solution"} & set(cell.metadata.get("tags", ())):
            continue  # 연습 문제의 답은 독자가 노트북에 적는다
        for node in ast.walk(parsed(cell)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_imports_only_in_the_first_two_code_cells(path):
    for cell in cells(path, "code")[2:]:
        for node in ast.walk(parsed(cell)):
            assert not isinstance(node, ast.Import | ast.ImportFrom), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_first_cell_installs_this_version_where_the_package_is_missing(path):
    cell = cells(path, "code")[0]
    source = path.read_text(encoding="utf-8")
    package = "cnn-lectures[d2l]" if "d2l_torch" in source else "cnn-lectures"
    assert f"%pip install --quiet {package}=={cnn_lectures.__version__}\n" in cell.source
    assert f'check_version("{cnn_lectures.__version__}")' in cell.source
    assert cell.metadata["tags"] == ["remove-cell"]  # 책을 읽는 이에게는 보일 것이 없다


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_page_has_a_description(path):
    assert 40 <= len(read(path).metadata["description"]) <= 110


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_stored_listings_equal_the_source(path):
    listings = [
        output.data["text/markdown"]
        for output in outputs(path)
        if output.get("data", {}).get("text/markdown", "").startswith("````python")
    ]
    assert listings
    for listing in listings:
        code = listing.removeprefix("````python\n").removesuffix("\n````")
        parts = re.split(r"^# (cnn_lectures/\S+\.py)\n", code, flags=re.MULTILINE)[1:]
        assert parts
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            source = stripped((ROOT / name).read_text(encoding="utf-8"))
            for piece in body.split("\n\n\n"):
                assert stripped(piece) in source


def stripped(code: str) -> str:
    """들여쓰기와 빈 줄을 없앤 코드."""
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_figure_has_alt_text_caption_and_name(path):
    names = []
    for cell in cells(path, "code"):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        if not pictures:
            continue
        assert len(pictures) == 1, cell.source
        style = cell.metadata["mystnb"]
        assert len(style["image"]["alt"]) >= 15
        assert re.search("[가-힣]", style["image"]["alt"])
        assert style["figure"]["caption"]
        names.append(style["figure"]["name"])
    assert len(names) == len(set(names))
    assert all(name.startswith("fig-") for name in names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_tolerances_are_declared_and_tight(path):
    for cell in cells(path, "code"):
        tolerance = cell.metadata.get("verify", {})
        assert set(tolerance) <= VERIFY_KEYS
        assert tolerance.get("atol", 0) <= 0.05 or tolerance.get("rtol", 0) == 0
        assert tolerance.get("rtol", 0) <= 0.3
        assert tolerance.get("pixels", 0) <= 0.15


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_numbers_in_prose_are_computed_or_cited(path):
    """본문과 풀이의 천 단위 쉼표가 든 수는 같은 쪽의 출력에 나오거나 출처가 있어야 한다."""
    proved = set(re.findall(r"\d[\d,]*\d", output_text(path))) | answers(path)
    proved |= {f"{int(n):,}" for n in proved if n.isdigit()}
    text = (prose(path) + explanations(path)).replace("{,}", ",")
    claimed = set(re.findall(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!\d)", text))
    assert claimed - proved - set(CITED.get(path.stem, ())) == set()


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_terms_are_those_of_the_glossary(path):
    if path.stem == "glossary":
        return
    text = prose(path)
    for word, instead in BANNED.items():
        assert not re.search(word, text), f"{word} → {instead}"


def test_docstrings_use_the_terms_of_the_glossary():
    for path in (ROOT / "cnn_lectures").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word, instead in BANNED.items():
            assert not re.search(word, text), f"{path.name}: {word} → {instead}"


def test_glossary_lists_the_standard_terms():
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    for standard in set(BANNED.values()) - {"잔차 블록", "지름길 연결", "과적합", "최대 풀링"}:
        assert standard in glossary


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_page_shape(path):
    text = "\n\n".join(cell.source for cell in cells(path, "markdown"))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^# .+$", text, flags=re.MULTILINE)
    sections = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert len(titles) == 1
    assert sections[-3:] == ["요약", "연습 문제", "참고 문헌"]
    assert "학습 목표" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_citations_are_in_the_bibliography(path):
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,]+),", bibliography, flags=re.MULTILINE))
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    cited = {
        key for group in re.findall(r"\{cite[^}]*\}`([^`]+)`", text) for key in group.split(",")
    }
    assert cited
    assert {key.strip() for key in cited} <= keys
