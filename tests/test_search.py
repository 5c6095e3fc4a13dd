"""검색: 색인을 만드는 함수, 검색어마다 맨 앞에 나오는 쪽, 빠뜨린 절, 검색 쪽과 검색 상자."""

import json
import re
import shlex
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))

import korean_search  # noqa: E402 (확장은 꾸러미 밖에 있다)

CHAPTERS = {path.stem[:2]: path.stem for path in (ROOT / "book").glob("*.ipynb")}

# 검색어와 맨 앞에 나와야 하는 쪽. 두 장이 함께 가르치는 말에는 둘을 적었다.
# 순위는 홀수 번째 검색어를 보고 다듬고 짝수 번째로 한 번 재었다. 그 뒤에 두 곳을 더 고쳤다.
QUERIES = [
    line.rsplit(None, 1)
    for line in """
        풀링 03
        패딩 01
        커널 01
        잔차 11
        배치 정규화 10
        지름길 연결 11
        수용 영역 02
        1×1 합성곱 08
        padding 01
        ReLU 04
        ResNet 11
        skip connection 11
        컨볼루션 01
        보폭 01
        특성 맵 01|02
        스킵 연결 11
        풀링은 03
        커널의 01
        합성곱이란 01
        잔차를 11
        배치정규화 10
        지름길연결 11
        수용영역 02
        1x1 합성곱 08
        1×1 conv 08
        전이 층 12
        전이층 12
        밀집 블록 12
        dense block 12
        성장률 12
        growth rate 12
        LRN 05
        국소 응답 정규화 05
        BN 10
        NiN 08
        GAP 08
        전역 평균 풀링 08
        드롭아웃 06
        dropout 06
        데이터 증강 06
        그룹 합성곱 06
        겹침 풀링 03|06
        인셉션 09
        Inception module 09
        보조 분류기 09
        auxiliary 09
        내부 공변량 변화 10
        internal covariate shift 10
        미니배치 10
        이동 평균 10
        성능 저하 문제 11
        degradation 11
        병목 블록 11
        bottleneck 11
        기울기 소실 04|11
        시그모이드 04
        sigmoid 04
        죽은 ReLU 04
        포화 04
        활성화 함수 04
        최대 풀링 03
        max pooling 03
        맥스 풀링 03
        적응형 평균 풀링 03
        서브샘플링 02
        가중치 공유 02
        방사 기저 함수 02
        RBF 02
        국소 수용 영역 02
        등변성 01
        팽창률 01
        팽창 합성곱 01
        교차상관 01
        img2col 01
        전치 합성곱 01
        mlpconv 08
        VGG 07
        VGG16 07
        AlexNet 06
        LeNet 02
        DenseNet 12
        GoogLeNet 09
        특징 재사용 12
        압축 계수 12
        사전 활성화 11
        stride 01
        숏컷 11
        수용장 02
        receptive field 02
        수치 미분 14
        NumPy 14
        커널 크기 01
        풀링 기울기 03
        배치 정규화 역전파 10
        ResNet 수용 영역 11
        AlexNet 매개변수 06
        DenseNet 메모리 12
        LeNet 서브샘플링 02|03
        열 조각 시험 06
        Krizhevsky 06
        ImageNet 06
        측면 억제 05
        곱셈-누산 01
        MAC 01
        초기화 04|07
        용어집 glossary
        참고 문헌 references
        연표 13
    """.strip().splitlines()
]

# 낱말 하나로 된 검색어. 이 말이 글에 든 절을 모두 찾아야 하고, 없는 쪽을 찾으면 안 된다.
WORDS = shlex.split("""
    풀링 패딩 커널 잔차 배치정규화 지름길연결 수용영역 1×1합성곱 합성곱 스트라이드 드롭아웃
    시그모이드 미니배치 기울기 특징맵 전이층 밀집블록 모멘텀 역전파 순전파 정확도 해상도 과적합
    소프트맥스 채널 편향 화소 가중치 매개변수 학습률 교차상관 등변성 인셉션 앙상블 백본 병목 필터
    ReLU ResNet AlexNet LeNet VGG NiN GoogLeNet DenseNet ImageNet torchvision
""")

# 책에 없는 말. 처음의 둘은 책에 있는 말로 시작하지만 다른 낱말이다.
ABSENT = shlex.split("""
    커널링 풀링거 일관성없음 쀍뛝 양자역학 강화학습 토크나이저 베이지안 마르코프 은하수 떡볶이
    자율주행 음성인식 kubernetes blockchain xgboost perplexity snorkel padding7
    배치비정규화 1×99합성곱
""")

# 조사가 붙어도 맨 앞의 쪽이 같아야 하는 말.
REQUIRED = shlex.split("""
    풀링 패딩 커널 잔차 배치정규화 지름길연결 수용영역 1×1합성곱 padding ReLU ResNet skip-connection
""")
TAILS = shlex.split("은 는 이 가 을 를 의 에서 으로 이란")


def chapter(name: str) -> str:
    """`03` 따위로 적은 쪽의 이름."""
    return CHAPTERS.get(name, name)


def plain(text: str) -> str:
    """소문자로 바꾸고 ×를 x로 적은 글."""
    return unicodedata.normalize("NFC", text).lower().replace("×", "x")


# 원고에서 뺄 것: 코드 토막, 탐험기, 수식, 인용, 링크의 주소, 지시자의 옵션.
BLOCKS = r"```(?:\w|\{explorer|\{math).*?```|\$\$.*?\$\$"
INLINES = r"\$[^$\n]+\$|\{(?:cite|numref)[^}]*\}`[^`]*`|\]\([^)\n]*\)|^:\w+:.*$"


def prose_sections(path: Path) -> dict[str, str]:
    """노트북의 절과 글. 색인을 만드는 코드를 쓰지 않고 원고에서 바로 뽑는다."""
    sections, title = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        text = cell.source
        if cell.cell_type == "code":
            text = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
        text = re.sub(BLOCKS, "", text, flags=re.DOTALL)
        text = re.sub(INLINES, "", text, flags=re.MULTILINE)
        for line in text.replace("`", "").replace("*", "").splitlines():
            heading = re.match(r"#+ (.+)", line)
            title = heading[1] if heading else title
            sections[title] = sections.get(title, "") + line + "\n"
    return sections


def word_regex(word: str) -> str:
    """띄어쓰기와 상관없이 낱말의 첫머리에서만 맞는 정규식."""
    start = "(?<![가-힣])" if re.match("[가-힣]", word) else "(?<![a-z0-9])"
    return start + "[ -]?".join(map(re.escape, plain(word)))


def letters(text: str) -> str:
    """글자와 숫자만 남긴 글. 원고와 색인의 제목을 견준다."""
    return re.sub(r"\W", "", plain(text))


@pytest.fixture
def search_page(open_page):
    """검색 쪽. 색인을 실을 때까지 기다린다."""
    page = open_page("search.html?q=풀링")
    page.wait_for_selector(".search-pages")
    return page


def answers(page, queries: list[str]) -> dict[str, list]:
    """검색어마다 찾은 쪽과 절."""
    return page.evaluate(
        """queries => {
            const index = BookSearch.prepare(SearchIndex);
            return Object.fromEntries(queries.map((query) => [query,
                BookSearch.search(index, query).pages.map(({ page, sections }) => [
                    page.url.replace(/^book.|[.]html$/g, ""),
                    sections.map(({ section }) => section.title)])]));
        }""",
        queries,
    )


def first_hits(found: dict[str, list]) -> list[tuple[str, str, bool]]:
    """검색어, 맨 앞의 쪽, 그것이 맞는지."""
    rows = []
    for query, expected in QUERIES:
        first = found[query][0][0] if found[query] else "없음"
        rows.append((query, first, first in map(chapter, expected.split("|"))))
    return rows


def test_right_page_comes_first(search_page):
    found = answers(search_page, [query for query, _ in QUERIES])
    rows = first_hits(found)
    for query, first, right in rows:
        print(f"{'   ' if right else '틀림'} {query} → {first}")
    tuned, held_out = ([right for *_, right in rows[start::2]] for start in (0, 1))
    print(f"다듬은 검색어 {sum(tuned)}/{len(tuned)}, 남긴 검색어 {sum(held_out)}/{len(held_out)}")
    assert len(rows) >= 60
    assert sum(tuned) / len(tuned) >= 0.95
    assert sum(held_out) / len(held_out) >= 0.95
    for query, expected in QUERIES:
        assert set(map(chapter, expected.split("|"))) <= {page for page, _ in found[query]}, query


@pytest.mark.parametrize("word", REQUIRED)
def test_particles_do_not_change_the_first_page(search_page, word):
    queries = [word, *(word + tail for tail in TAILS)]
    firsts = {pages[0][0] for pages in answers(search_page, queries).values()}
    assert len(firsts) == 1


def test_every_section_with_the_word_is_found(search_page):
    found = answers(search_page, WORDS)
    wanted = missed = 0
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        sections = prose_sections(path)
        whole = plain(path.read_text(encoding="utf-8"))
        for word in WORDS:
            regex = word_regex(word)
            titles = next((titles for page, titles in found[word] if page == path.stem), [])
            if titles:
                assert re.search(regex, whole), f"{path.stem}에 {word}가 없다"
            listed = set(map(letters, titles))
            has_word = {t for t, text in sections.items() if re.search(regex, plain(text))}
            here = set(map(letters, has_word))
            wanted += len(here)
            missed += len(here - listed)
            assert here <= listed, (path.stem, word, here - listed)
    print(f"낱말 {len(WORDS)}개가 든 절 {wanted}곳 가운데 {wanted - missed}곳을 찾음")
    assert wanted > 1000


def test_absent_words_find_nothing(search_page):
    sources = [path for path in (ROOT / "book").glob("*.*") if path.suffix in (".ipynb", ".md")]
    text = plain("\n".join(path.read_text(encoding="utf-8") for path in sources))
    for word, pages in answers(search_page, ABSENT).items():
        assert not re.search(word_regex(word), text)
        assert pages == [], word


SYNONYMS = {
    "컨볼루션": "합성곱",
    "보폭": "스트라이드",
    "특성 맵": "특징 맵",
    "스킵 연결": "지름길 연결",
    "padding": "패딩",
    "BN": "배치 정규화",
    "오차역전파": "역전파",
    "톱-5 오류율": "상위 5 오류율",
}


@pytest.mark.parametrize("query", SYNONYMS)
def test_other_words_lead_to_the_word_of_this_book(open_page, query):
    standard = SYNONYMS[query]
    page = open_page(f"search.html?q={query}")
    page.wait_for_selector(".search-pages")
    link = page.locator(".search-term a")
    assert link.inner_text() == standard
    link.click()
    page.wait_for_url("**/glossary.html#term-*")
    assert standard.split()[0] in page.locator("tr:target").inner_text()


def mini(page, texts: list[str], query: str, typing: bool = False) -> list[int]:
    """글 몇 토막으로 만든 작은 책에서 찾은 쪽의 번호."""
    return page.evaluate(
        """([texts, query, typing]) => {
            const pages = texts.map((text, i) => ({
                url: `${i}.html`, number: `${i}`, sections: [["top", "제목", 1, text, ""]] }));
            const terms = [
                ["모멘텀", ["momentum"], ["관성"], "", "glossary.html#term-momentum"],
                ["배치 정규화", ["batch normalization"], [], "", "glossary.html#term-bn"],
            ];
            const index = BookSearch.prepare({ pages, terms });
            return BookSearch.search(index, query, { typing }).pages.map(({ page }) => page.order);
        }""",
        [texts, query, typing],
    )


@pytest.mark.parametrize(
    ("query", "texts", "expected"),
    [
        ("배치정규화", ["배치 정규화를", "배치정규화는", "배치와 정규화"], [0, 1]),
        ("배치 정규화", ["배치 정규화를", "배치정규화는", "정규화와 배치"], [0, 1]),
        ("batch norm", ["batch normalization", "batchnorm", "batch"], [0, 1]),
        ("batch normalization", ["배치정규화", "Batch Normalization", "batch"], [0, 1]),
        ("수용영역", ["수용 영역의", "수용영역은", "수용하는 영역"], [0, 1]),
        ("영역 수용", ["수용 영역의", "수용하는 일"], [0]),
        ("이미지", ["하기 전 이미지", "이 미지의 수"], [0]),
        ("전이", ["하기 전 이미지", "전이는", "이전이"], [1]),
        ("관성", ["일관성", "모멘텀", "관성은"], [1, 2]),
        ("층", ["계층", "층은 층별로", "층간 소음", "고층"], [1]),
        ("stem", ["system", "stem은", "stems"], [1, 2]),
        ("pad", ["padding", "ipad"], [0]),
        ("he", ["He 초기화", "the", "hello"], [0]),
        ("1x1", ["1×1 합성곱", "11×11", "1×10", "1 × 1"], [0]),
        ("mini batch", ["mini-batch", "minibatch", "mini"], [0, 1]),
        ("전파", ["역전파", "전 파리"], [0]),
        ("잔차를", ["잔차를", "잔차의", "잔차가", "나머지"], [0, 1, 2]),
        ("나머지를", ["나머지는", "나무"], [0]),
        ("정확도", ["정확도", "정확히", "정확하게"], [0]),
        ("풀링 ㄱ", ["풀링"], [0]),
        ("커너", ["커널"], []),
        ("ㅋ", ["커널"], []),
        ("... ?!", ["..."], []),
        ("(.*", ["풀링"], []),
    ],
)
def test_rules_of_matching(search_page, query, texts, expected):
    assert sorted(mini(search_page, texts, query)) == expected


@pytest.mark.parametrize("typed", ["커", "커ㄴ", "커너", "컨", "커널", "커널ㅇ"])
def test_unfinished_syllables_do_not_flash_nothing(search_page, typed):
    assert mini(search_page, ["커널은 작다"], typed, typing=True) == [0]


def test_search_page_lists_sections_and_marks_the_word(open_page):
    page = open_page("search.html?q=수용영역", viewport={"width": 390, "height": 800})
    first = page.locator(".search-pages > li").first
    assert first.locator("h2 a").get_attribute("href") == "./book/02_lenet.html"
    assert "수용 영역" in first.locator("mark").all_inner_texts()
    assert re.search(r"\d+개 쪽", page.locator(".book-search [role=status]").inner_text())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    first.locator("ul a").first.click()
    page.wait_for_url("**/02_lenet.html#*")
    assert page.locator("section:target h2, section:target h3").first.is_visible()
    page.go_back()
    assert page.locator(".search-pages > li").first.is_visible()
    assert page.locator(".book-search input").input_value() == "수용영역"


def test_search_page_follows_the_typing(open_page):
    page = open_page("search.html")
    field = page.locator(".book-search input")
    assert field.evaluate("input => input === document.activeElement")
    field.fill("드롭아웃")
    page.wait_for_selector(".search-pages")
    assert page.locator(".search-pages h2").first.inner_text() == "6. AlexNet"
    field.fill("떡볶이")
    page.wait_for_selector(".search-hint")
    status = page.locator(".book-search [role=status]").inner_text()
    assert status == "‘떡볶이’는 이 책에 나오지 않습니다."
    assert not page.locator(".search-pages").count()
    field.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_selector(".search-hint")


def test_search_box_by_keyboard(open_page):
    page = open_page("book/03_pooling.html")
    assert not page.evaluate("'SearchIndex' in window")
    page.keyboard.press("Control+k")
    page.keyboard.type("지름길연결의")
    page.wait_for_selector(".search-links")
    links = page.locator(".search-links a")
    assert "11. ResNet" in links.first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert links.first.evaluate("link => link === document.activeElement")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert not page.locator("#pst-search-dialog").evaluate("dialog => dialog.open")
    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/11_resnet.html*")


def test_search_box_on_a_phone_and_enter(open_page):
    page = open_page("book/03_pooling.html", viewport={"width": 390, "height": 800})
    page.keyboard.press("Control+k")
    page.keyboard.type("ReLU")
    page.wait_for_selector(".search-links")
    assert page.locator(".search-links li").count() <= 8
    for box in page.locator(".search-links a").all():
        assert box.bounding_box()["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=ReLU")
    page.wait_for_selector(".search-pages")
    assert page.locator(".search-pages h2").first.inner_text() == "4. 활성화 함수"


def test_arrow_keys_belong_to_the_input_method_while_composing(open_page):
    page = open_page("book/03_pooling.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("풀링")
    page.wait_for_selector(".search-links")
    page.locator("#pst-search-dialog input").dispatch_event(
        "keydown", {"key": "ArrowDown", "isComposing": True}
    )
    assert page.evaluate("document.activeElement.name") == "q"


def test_search_page_without_script_points_elsewhere(open_page):
    page = open_page("search.html", java_script_enabled=False)
    assert page.locator(".book-search noscript a").first.is_visible()


def test_site_carries_one_small_index(site):
    index = site / "search-index.js"
    assert index.stat().st_size < 600_000
    assert not (site / "searchindex.js").exists()
    content = json.loads(index.read_text(encoding="utf-8").removeprefix("var SearchIndex=")[:-2])
    assert len(content["pages"]) == len(CHAPTERS) + 4
    text = json.dumps(content, ensure_ascii=False)
    assert not re.search(r"\\u0000|\{cite|\(2, 3, 8, 8\) ->", text)


PROJECT = {
    "conf.py": """
import sys
sys.path.append({extensions!r})
extensions = ["myst_parser", "sphinxcontrib.bibtex", "korean_search"]
myst_enable_extensions = ["dollarmath"]
bibtex_bibfiles = ["a.bib"]
templates_path = ["templates"]
html_theme = "basic"
exclude_patterns = ["build"]
root_doc = "one"
numfig = True
""",
    "a.bib": """
@article{lecun1989, author={LeCun, Yann and Boser, B and Denker, J}, title={Digits}, year={1989}}
@article{he2016, author={He, Kaiming}, title={R{\\'e}sidual}, year={2016}}
""",
    "templates/search.html": "{% extends 'layout.html' %}{% block body %}<p>찾기</p>{% endblock %}",
    "one.md": """
# 하나
크기가 $3 \\times 3$인 **창**. {cite:t}`lecun1989`에서 왔다. 뒤는 [](two.md)에 있다.
{cite:p}`he2016`

```python
max_pool2d(창=1)
```

```{toctree}
two
```
## 아래 절
아래의 글

$$
x^2
$$
### 더 아래
끝
""",
    "two.md": """
# 둘
| 쓰는 말 | 영어 | 다른 말 | 풀이 |
|---|---|---|---|
| 순전파, 역전파 | forward, backpropagation | 오차역전파 | 계산 |
| 곱셈-누산 | multiply-add (MAC) | | 한 번 |

```{bibliography}
```
""",
}


def built(folder: Path, changes: dict[str, str]) -> tuple[dict, set[str]]:
    """바뀐 파일만 쓰고 책을 만든다. 색인과 이번에 읽은 쪽을 돌려준다."""
    for name, text in changes.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    read = set()
    with docutils_namespace():
        folders = (folder, folder, folder / "out", folder / "tree")
        app = Sphinx(*folders, "html", status=None, warning=None)
        app.connect("source-read", lambda app, name, source: read.add(name))
        app.build()
    script = (folder / "out" / "search-index.js").read_text(encoding="utf-8")
    return json.loads(script.removeprefix("var SearchIndex=")[:-2]), read


@pytest.fixture
def project(tmp_path):
    """쪽이 둘인 책의 폴더와 첫 색인."""
    conf = PROJECT["conf.py"].format(extensions=str(ROOT / "book" / "_ext"))
    index, _ = built(tmp_path, PROJECT | {"conf.py": conf})
    return tmp_path, index


def test_index_holds_titles_prose_and_identifiers(project):
    folder, index = project
    one, two = index["pages"]
    assert [one["url"], two["url"]] == ["one.html", "two.html"]
    top, below, deepest = one["sections"]
    assert top[1:3] == ["하나", 1]
    assert top[3] == "크기가 3×3인 창. LeCun 등 (1989)에서 왔다. 뒤는 둘에 있다. He (2016)"
    assert top[4] == "max_pool2d"
    assert below[1:] == ["아래 절", 2, "아래의 글", ""]
    assert deepest[1:] == ["더 아래", 3, "끝", ""]
    assert two["sections"][0][3].splitlines()[-2:] == [
        "LeCun, Boser, Denker. Digits. 1989",
        "He. Résidual. 2016",
    ]
    html = (folder / "out" / "one.html").read_text(encoding="utf-8")
    for anchor in (top[0], below[0], deepest[0]):
        assert f'id="{anchor}"' in html
    assert "찾기" in (folder / "out" / "search.html").read_text(encoding="utf-8")
    assert not (folder / "out" / "searchindex.js").exists()


def test_glossary_rows_become_terms_with_anchors(project):
    folder, index = project
    url = "two.html#term-forward-backpropagation"
    assert index["terms"] == [
        ["순전파", ["forward"], [], "계산", url],
        ["역전파", ["backpropagation"], ["오차역전파"], "계산", url],
        ["곱셈-누산", ["multiply-add", "MAC"], [], "한 번", "two.html#term-multiply-add-mac"],
    ]
    html = (folder / "out" / "two.html").read_text(encoding="utf-8")
    assert re.search('<tr [^>]*id="term-forward-backpropagation"', html)


def test_only_the_touched_page_is_read_again(project):
    folder, first = project
    index, read = built(folder, {"one.md": PROJECT["one.md"].replace("끝", "새 끝")})
    assert read == {"one"}
    assert index["pages"][0]["sections"][2][3] == "새 끝"
    assert index["pages"][1:] == first["pages"][1:]
    assert index["terms"] == first["terms"]
    (folder / "two.md").unlink()
    index, _ = built(folder, {"one.md": "# 하나\n혼자"})
    assert [page["url"] for page in index["pages"]] == ["one.html"]
    assert index["terms"] == []


def test_outputs_are_left_out():
    section = nodes.section("", nodes.title("", "제목"), ids=["a"])
    section += nodes.literal_block("", "출력 output_name", classes=["output", "stream"])
    section += nodes.literal_block("", "source_name = 1", language="python")
    section += nodes.caption("", "그림 설명")
    nodes.document(None, None).append(section)
    record = korean_search.section_record(section, {})
    assert record == ["a", "제목", 1, "그림 설명", "source_name"]


def test_pages_read_by_another_process_are_merged():
    here = SimpleNamespace(search_records={"one": 1})
    there = SimpleNamespace(search_records={"two": 2, "old": 3})
    korean_search.merge_pages(None, here, {"two"}, there)
    assert here.search_records == {"one": 1, "two": 2}
