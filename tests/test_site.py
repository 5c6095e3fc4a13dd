"""만든 책이 브라우저에서 제대로 읽히는지: 접근성, 오프라인, 글꼴, 조판, 전송량, 수식, 링크."""

import gzip
import html
import re
import subprocess
import sys
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import launch  # noqa: E402
import mathml  # noqa: E402
import repairs  # noqa: E402

STEMS = sorted(path.stem for path in (ROOT / "book").glob("*.[mi][dp]*"))
PAGES = [f"book/{stem}.html" for stem in STEMS] + ["search.html"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def soup(site):
    """쪽을 한 번만 읽는다."""
    pages = {}

    def read(name):
        if name not in pages:
            text = (site / name).read_text(encoding="utf-8")
            pages[name] = BeautifulSoup(text, "html.parser")
        return pages[name]

    return read


@pytest.fixture
def serve(browser, site):
    """소켓 없이 http로 여는 함수. (쪽, 받은 파일의 크기)를 돌려준다."""
    contexts = []

    def open_(name, **options):
        context = browser.new_context(locale="ko-KR", **options)
        contexts.append(context)
        sizes = {}

        def answer(route):
            path = site / urllib.parse.urlparse(route.request.url).path[1:]
            body = path.read_bytes()
            text = path.suffix in (".html", ".css", ".js", ".svg")
            sizes[path.name] = len(gzip.compress(body) if text else body)
            route.fulfill(path=path)

        context.route("http://book.test/**", answer)
        page = context.new_page()
        page.goto(f"http://book.test/{name}")
        return page, sizes

    yield open_
    for context in contexts:
        context.close()


def scroll_through(page):
    """읽는 이처럼 끝까지 내려간다. 화면 밖의 절과 이미지는 그때 그려진다."""
    # 창이 없는 브라우저는 드물게 화면 그리기를 멈춘다. 그러면 다음 화면을 기다리지 않는다.
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 300) {
                window.scrollTo(0, y);
                await Promise.race([
                    new Promise(requestAnimationFrame),
                    new Promise((resolve) => setTimeout(resolve, 500)),
                ]);
            }
        }"""
    )


FIRST_OF_EACH_COLOR = """() => {
    const seen = new Set();
    for (const span of document.querySelectorAll("pre span")) {
        if (seen.has(span.className)) span.replaceWith(...span.childNodes);
        else seen.add(span.className);
    }
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
    for (const math of [...document.querySelectorAll("math")].slice(10)) {
        math.replaceWith(math.textContent);
    }
    // 색이 바뀌는 동안의 중간색을 재지 않고, 화면 밖의 절도 모두 그려 놓고 본다.
    const style = "* { transition: none !important; content-visibility: visible !important; }";
    document.head.insertAdjacentHTML("beforeend", `<style>${style}</style>`);
}"""


@pytest.mark.parametrize("name", PAGES)
def test_everyone_can_read_it(open_page, name):
    """접어 둔 풀이까지 펼쳐 axe의 규칙을 모두 지키고, 전화기에서 옆으로 밀리지 않는다."""
    page = open_page(name, viewport=DESKTOP)
    # 같은 색의 코드 조각과 수식이 수천 개라 axe가 몇십 초를 쓴다. 몇 개만 남긴다.
    page.evaluate(FIRST_OF_EACH_COLOR)
    scroll_through(page)
    for theme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        options = {"preload": False, "resultTypes": ["violations"]} | rules
        found = Axe().run(page, options=options).response["violations"]
        assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found] == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


def test_a_dark_room_is_dark_from_the_first_moment(open_page):
    page = open_page("book/03_pooling.html", color_scheme="dark")
    # 글을 다 읽었지만 테마의 스크립트는 아직 실행하지 않은 때.
    page.add_init_script(
        "document.addEventListener('readystatechange', () => {"
        " window.first ??= document.documentElement.dataset.theme; });"
    )
    page.reload()
    assert page.evaluate("window.first") == "dark"
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_and_nothing_shifts(serve, name):
    page, sizes = serve(name, viewport=PHONE)
    page.evaluate(
        """() => {
            window.shift = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
                window.shift += entry.hadRecentInput ? 0 : entry.value;
            })).observe({ type: "layout-shift", buffered: true });
        }"""
    )
    scroll_through(page)
    page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) <= 1_500_000
    assert page.evaluate("window.shift") < 0.01


@pytest.mark.parametrize("name", PAGES)
def test_links_and_files_exist_in_the_offline_copy(site, soup, name):
    page, folder = soup(name), (site / name).parent
    for tag in page.find_all(["a", "link", "script", "img"]):
        url = urllib.parse.urlparse(tag.get("href") or tag.get("src") or "")
        if url.scheme or tag.get("rel") == ["canonical"]:
            assert tag.name == "a", tag  # 바깥은 읽는 이가 누를 때만 간다
            continue
        target = name
        if url.path:
            file = (folder / urllib.parse.unquote(url.path)).resolve()
            assert file.is_file(), tag
            target = str(file.relative_to(site))
        if url.fragment and target.endswith(".html"):
            assert soup(target).find(id=urllib.parse.unquote(url.fragment)), tag


@pytest.mark.parametrize("name", PAGES)
def test_pictures_have_size_and_korean_words(soup, name):
    for image in soup(name).article.find_all("img") if soup(name).article else []:
        assert re.search("[가-힣]", image["alt"])
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        if not image.find_parent("noscript"):
            assert image["loading"] == "lazy"


@pytest.mark.parametrize("name", PAGES)
def test_the_head_speaks_korean(soup, name):
    page = soup(name)
    assert page.html["lang"] == "ko"
    assert re.search("[가-힣]|Net", page.title.text)
    assert len(page.find("meta", {"name": "description"})["content"]) >= 40


@pytest.mark.parametrize("name", PAGES)
def test_interface_words_are_korean(soup, name):
    """테마가 그리는 단추와 도움말에 영어나 어색한 번역이 남지 않았다."""
    page = soup(name)
    for tag in page.body.find_all(True):
        for attribute in ("title", "aria-label", "placeholder"):
            words = tag.get(attribute, "")
            if "reference" in tag.get("class", []) or tag.name == "th":
                continue  # 참고 문헌의 도움말은 논문의 제목이고, 표의 머리는 수식이다
            assert not words or re.search("[가-힣]", words), tag
    text = " ".join(page.get_text(" ").split())
    for bad in ("시작하다", "으로 cnn", "Back to top", "Contents", "Click to show", "previous"):
        assert bad not in text


def test_a_link_into_the_page_lands_on_its_heading(open_page):
    """화면 밖의 절은 미리 그리지 않지만, 차례에서 누른 곳에는 바로 닿는다."""
    page = open_page("book/02_lenet.html", viewport=DESKTOP)
    for words in ("논문과 다른 점", "연습 문제", "역사와 문제"):
        page.locator("#pst-page-toc-nav a", has_text=words).first.click()
        page.wait_for_timeout(400)
        heading = page.locator("article h2", has_text=words).first
        assert 0 <= heading.bounding_box()["y"] <= 250, words


@pytest.mark.parametrize("name", PAGES)
def test_no_two_places_share_an_anchor(soup, name):
    places = Counter(node["id"] for node in soup(name).select("[id]"))
    assert [place for place, count in places.items() if count > 1] == []


def test_the_first_page_says_what_every_chapter_is_about(soup):
    items = soup("book/index.html").article.select(".toctree-l1")
    assert len(items) == len(STEMS) - 1  # 첫 쪽은 빼고
    for item in items:
        page = soup(f"book/{item.a['href']}")
        assert item.p.text == page.find("meta", {"name": "description"})["content"]


# 숫자를 읽었을 때의 받침: 영 일 이 삼 사 오 육 칠 팔 구
FINALS = dict(zip("0123456789", ("ㅇ", "ㄹ", "", "ㅁ", "", "", "ㄱ", "ㄹ", "ㄹ", ""), strict=True))


def particle_fits(number: str, particle: str) -> bool:
    """`그림 1.2` 뒤의 조사가 번호를 읽은 소리에 맞는지."""
    final = FINALS[number[-1]]
    if particle in ("로", "으로"):
        return (particle == "로") == (final in ("", "ㄹ"))
    return (particle in "은을이과") == bool(final)


def test_particles_are_judged_by_sound():
    for good in ("그림 1.2는", "그림 1.3은", "그림 2.1로", "그림 2.10과", "표 6으로", "그림 9.8이"):
        assert particle_fits(*re.fullmatch(r"(.*\d)(\D+)", good).groups()), good
    for bad in ("그림 1.2은", "그림 1.3는", "그림 2.1으로", "그림 2.10와", "표 6로", "그림 9.8가"):
        assert not particle_fits(*re.fullmatch(r"(.*\d)(\D+)", bad).groups()), bad


@pytest.mark.parametrize("name", PAGES)
def test_particles_after_figure_numbers_fit(soup, name):
    """그림의 번호는 책을 만들 때 매겨지므로 글만 보아서는 조사가 맞는지 알 수 없다."""
    for number in soup(name).select(".std-numref"):
        after = (number.parent.next_sibling or "").strip()
        found = re.match(r"(으로|로|은|는|을|를|이|가|과|와)(?=[\s,.]|$)", after)
        assert not found or particle_fits(number.text, found[1]), number.text + after[:20]


def test_previous_and_next_name_the_chapters(soup):
    links = soup("book/02_lenet.html").find(class_="prev-next-area")
    assert [title.text for title in links.find_all(class_="prev-next-title")] == [
        "1. 합성곱",
        "3. 풀링",
    ]


def test_web_fonts_hold_every_letter_of_the_book(site):
    hangul = set()
    for page in site.rglob("*.html"):
        hangul |= set(re.findall("[가-힣]", page.read_text(encoding="utf-8")))
    for name in ("pretendard-400", "pretendard-600", "d2coding-400-hangul"):
        with TTFont(site / "_static" / "fonts" / f"{name}.woff2") as font:
            missing = {letter for letter in hangul if ord(letter) not in font.getBestCmap()}
        assert not missing, f"`python tools/webfonts.py`로 글꼴을 다시 만드십시오: {missing}"


def test_the_math_font_holds_every_sign_of_the_formulas(site):
    """글에 적힌 글자에 더해, 브라우저가 스스로 그리는 기울임 글자와 근호도 있어야 한다."""
    with TTFont(site / "_static" / "fonts" / "stix-two-math.woff2") as font:
        known = font.getBestCmap()
        assert "MATH" in font
    text = ""
    for page in site.glob("book/*.html"):
        for formula in re.findall("<math.*?</math>", page.read_text(encoding="utf-8")):
            text += "√" if "<msqrt" in formula else ""
            text += re.sub("<[^>]*>", "", formula)
            for letter in re.findall(r"<mi>(\w)</mi>", formula):
                if "a" <= letter <= "z" and letter != "h":
                    text += chr(0x1D44E + ord(letter) - ord("a"))
    letters = set(html.unescape(text)) - set(re.findall("[가-힣\\s\u2061]", text))
    assert {letter for letter in letters if ord(letter) not in known} == set()


def test_web_fonts_are_used_and_icons_drawn(open_page):
    page = open_page("book/10_batch_norm.html")
    scroll_through(page)
    page.evaluate("document.fonts.ready")
    loaded = "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)"
    assert {"File", "File mono", "File math", "Font Awesome 6 Free"} <= set(page.evaluate(loaded))
    css = (Path(page.url.removeprefix("file://")).parents[1] / "_static/style.css").read_text()
    icons = set(re.findall("[\ue000-\uf8ff]", css))
    assert len(icons) >= 10


def test_a_phone_gets_the_heavy_fonts_after_the_first_page(serve):
    page, sizes = serve("book/03_pooling.html", viewport=PHONE)
    assert not page.evaluate("document.documentElement.classList.contains('web-font')")
    assert "d2coding-400.woff2" in sizes
    page.wait_for_timeout(3500)  # 글꼴은 쪽을 다 보이고 3초 뒤에 받는다
    page.goto("http://book.test/book/04_activation.html")
    assert page.evaluate("document.documentElement.classList.contains('web-font')")
    page.wait_for_load_state("networkidle")
    assert {"pretendard-400.woff2", "pretendard-600.woff2"} <= set(sizes)


def test_a_wide_screen_uses_the_fonts_at_once(serve):
    page, sizes = serve("book/03_pooling.html", viewport=DESKTOP)
    page.wait_for_load_state("networkidle")
    assert {"pretendard-400.woff2", "pretendard-600.woff2"} <= set(sizes)
    assert page.evaluate("document.documentElement.classList.contains('web-font')")


def test_tables_of_boxes_stay_aligned(open_page):
    """상자 그리기 글자의 폭은 영문자와, 한글의 폭은 영문자 둘과 같다."""
    page = open_page("book/02_lenet.html")
    widths = page.evaluate(
        """async () => {
            await document.fonts.ready;
            const pre = [...document.querySelectorAll("pre")]
                .find((output) => output.textContent.includes("├─"));
            return [..."a├─└│×가"].map((letter) => {
                const span = document.createElement("span");
                span.textContent = letter.repeat(20);
                pre.append(span);
                const { width } = span.getBoundingClientRect();
                span.remove();
                return width / 20;
            });
        }"""
    )
    assert widths[1:6] == pytest.approx([widths[0]] * 5, abs=0.02)
    assert widths[6] == pytest.approx(2 * widths[0], abs=0.02)


def test_wide_output_scrolls_inside_itself_and_takes_the_keyboard(open_page):
    page = open_page("book/02_lenet.html", viewport=PHONE)
    scroll_through(page)
    state = page.evaluate(
        """() => {
            const pre = [...document.querySelectorAll("pre")]
                .find((output) => output.textContent.includes("├─"));
            const { whiteSpace } = getComputedStyle(pre);
            return [pre.scrollWidth > pre.clientWidth, whiteSpace, pre.tabIndex];
        }"""
    )
    assert state == [True, "pre", 0]


@pytest.mark.parametrize("stem", ["09_googlenet", "12_densenet", "13_comparison"])
def test_words_in_tables_are_not_broken_on_a_phone(open_page, stem):
    """열이 많은 표는 낱말을 글자마다 끊지 않고 옆으로 밀린다."""
    page = open_page(f"book/{stem}.html", viewport=PHONE)
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    broken = page.evaluate(
        """() => [...document.querySelectorAll("article :is(td, th)")].flatMap((cell) => {
            const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
            while (texts.nextNode()) {
                for (const word of texts.currentNode.data.matchAll(/[0-9A-Za-z가-힣]+/g)) {
                    const range = document.createRange();
                    range.setStart(texts.currentNode, word.index);
                    range.setEnd(texts.currentNode, word.index + word[0].length);
                    const lines = new Set([...range.getClientRects()].map(({ top }) => top));
                    if (lines.size > 1) found.push(word[0]);
                }
            }
            return found;
        })"""
    )
    assert broken == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


def test_korean_words_are_not_broken(open_page):
    page = open_page("book/01_convolution.html")
    style = "getComputedStyle(document.querySelector('article p'))"
    assert page.evaluate(f"{style}.wordBreak") == "keep-all"
    assert float(page.evaluate(f"{style}.lineHeight")[:-2]) >= 1.7 * 16
    width = page.evaluate("document.querySelector('article p').getBoundingClientRect().width")
    assert width / float(page.evaluate(f"{style}.fontSize")[:-2]) <= 45  # 한 줄의 글자 수


def test_the_screen_changes_color_by_keyboard_and_remembers(open_page):
    page = open_page("book/03_pooling.html", color_scheme="light")
    page.locator(".theme-switch-button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_without_scripts_everything_can_still_be_read(open_page):
    page = open_page("book/10_batch_norm.html", java_script_enabled=False)
    assert page.locator("article math").count() > 50
    assert page.locator("math").first.bounding_box()["width"] > 0
    assert not page.locator(".theme-switch-button").is_visible()
    assert page.locator(".bd-sidebar-primary a", has_text="11. ResNet").is_visible()


def test_print_wraps_code_and_hides_the_frame(open_page):
    page = open_page("book/02_lenet.html")
    page.emulate_media(media="print")
    style = "getComputedStyle(document.querySelector('article pre')).whiteSpace"
    assert page.evaluate(style) == "pre-wrap"
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert not page.locator(".article-header-buttons").is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_no_raw_latex_is_left(site, name):
    page = BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
    for tag in page.find_all(["code", "pre", "script"]):
        tag.decompose()
    assert not re.search(r"\\\(|\\frac|\\cdot|\$", page.get_text())


PARTS = dict.fromkeys(("msub", "msup", "mfrac", "munder", "mover", "mroot"), 2)
PARTS |= {"msubsup": 3, "munderover": 3}


@pytest.mark.parametrize("name", PAGES)
def test_formulas_have_as_many_parts_as_mathml_asks(soup, name):
    r"""`y_{\max}`처럼 KaTeX가 잘못 적는 꼴은 브라우저가 첨자로 그리지 않는다."""
    for tag in soup(name).find_all(list(PARTS)):
        assert len(tag.find_all(True, recursive=False)) == PARTS[tag.name], tag


@pytest.mark.parametrize(
    ("latex", "piece"),
    [
        (r"\mathbb{R}", "ℝ"),
        (r"\mathbb{E}", "𝔼"),
        (r"\mathbf{x}", "𝐱"),
        (r"\mathcal{L}", "ℒ"),
        (r"\left\lfloor\frac{n}{s}\right\rfloor", "<mfrac>"),
        (r"\text{평균}", "<mtext>평균</mtext>"),
    ],
)
def test_math_uses_letters_that_browsers_draw(latex, piece):
    assert piece in mathml.mathml(latex, False)


def test_unreadable_math_stops_the_build():
    with pytest.raises(ExtensionError, match=r"수식을 읽을 수 없습니다.*frac"):
        mathml.mathml(r"\frac{1", False)


@pytest.mark.parametrize(
    ("selector", "used"),
    [
        (".bd-article p", True),
        (".nowhere p", False),
        ("#main .nowhere", False),
        ("a:not(.nowhere)", True),
        ('a[href$=".zip"]', True),
        ("h1", True),
    ],
)
def test_unused_selectors_are_dropped(selector, used):
    assert repairs.is_used(selector, {"bd-article", "main"}) is used
    css = f"{selector},.nowhere{{color:red}}@media print{{{selector}{{color:red}}}}"
    assert repairs.purged(repairs.parse(css), {"bd-article", "main"}) == (
        f"{selector}{{color:red}}\n@media print{{{selector}{{color:red}}}}" if used else ""
    )


def test_links_follow_the_repository():
    links = launch.links("book/02_lenet.ipynb", "2. LeNet", "누구/강의")
    assert links["colab"].endswith("/github/누구/강의/blob/main/book/02_lenet.ipynb")
    assert links["edit"] == "https://github.com/누구/강의/edit/main/book/02_lenet.ipynb"
    assert "title=2.%20LeNet" in links["issue"]
    assert "colab" not in launch.links("book/glossary.md", "용어집", "누구/강의")
    assert launch.links("book/02_lenet.ipynb", "2. LeNet", None) == {}


def test_the_published_book_has_addresses_cards_and_a_page_for_lost_readers(tmp_path, monkeypatch):
    """`BOOK_URL`과 `BOOK_REPOSITORY`가 있을 때만 생기는 것. 작은 책으로 확인한다."""
    source = tmp_path / "source"
    source.mkdir()
    extensions = "['myst_parser', 'launch']"
    (source / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        f"extensions = {extensions}\nhtml_title = '작은 책'\nlanguage = 'ko'\n"
        "html_theme = 'sphinx_book_theme'\n"
        "html_theme_options = {'article_footer_items': ['page-links.html']}\n"
        f"templates_path = [{str(ROOT / 'book' / '_templates')!r}]\n",
        encoding="utf-8",
    )
    (source / "book" / "_static").mkdir(parents=True)
    (source / "book" / "_static" / "icon.png").write_bytes(
        (ROOT / "book/_static/icon.png").read_bytes()
    )
    description = "책의 설명이 여기에 적혀 있고 이 글은 공유할 때 보입니다."
    # Sphinx는 다섯 쪽이 넘을 때만 나란히 쓰고, 그래야 나란히 쓸 수 없는 확장을 경고한다.
    others = [f"page{number}" for number in range(8)]
    toctree = "\n".join(("```{toctree}", *others, "```"))
    (source / "index.md").write_text(
        f"---\ndescription: {description}\n---\n# 첫 쪽\n\n{toctree}\n"
    )
    for other in others:
        (source / f"{other}.md").write_text(f"# {other}\n\n글\n")
    monkeypatch.setenv("BOOK_URL", "https://example.org/cnn")
    monkeypatch.setenv("BOOK_REPOSITORY", "someone/cnn")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-j", "2", source, tmp_path / "html"]
    subprocess.run(command, check=True, capture_output=True)
    page = BeautifulSoup((tmp_path / "html/index.html").read_text(encoding="utf-8"), "html.parser")
    assert page.find("link", rel="canonical")["href"] == "https://example.org/cnn/index.html"
    card = page.find("meta", property="og:image")["content"]
    assert (tmp_path / "html" / card.removeprefix("https://example.org/cnn/")).is_file()
    assert page.find("meta", property="og:description")["content"] == description
    assert page.find("meta", {"name": "description"})["content"] == description
    assert page.find("a", string="이 쪽 고치기")["href"].startswith(
        "https://github.com/someone/cnn"
    )
    assert "https://example.org/cnn/index.html" in (tmp_path / "html/sitemap.xml").read_text()
    lost = (tmp_path / "html/404.html").read_text(encoding="utf-8")
    assert "쪽을 찾을 수 없습니다" in lost
    assert 'href="/cnn/index.html"' in lost
