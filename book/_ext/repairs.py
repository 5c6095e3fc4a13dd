"""테마의 흠을 고치는 곳.

테마의 판을 올릴 때 여기와 `_templates`, `_static/book.css`만 다시 보면 된다.

- 쓰지 않는 스크립트와 바깥을 부르는 스크립트를 뺀다(`SCRIPTS`).
- 열 개쯤 되는 스타일시트를 하나로 모으고, 책에 나오지 않는 선택자를 버린다.
- 아이콘 글꼴에서 책이 쓰는 글자만 남겨 스타일시트 안에 넣는다. 1 MB가 2 KB가 된다.
- 코드 강조에서 색이 없는 요소를 벗기고, 화면 밖의 절을 미리 재지 않게 한다.
- 이미지에 크기를 적어, 늦게 도착해도 글이 밀리지 않게 한다.
- 접근성 검사(axe)가 찾은 잘못을 고친다.
"""

import base64
import hashlib
import io
import logging
import posixpath
import re
import shutil
from functools import cache
from pathlib import Path

import tinycss2
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

STYLE = "style.css"

# 남길 스크립트. 나머지(MathJax, Thebe, 탭, 검색어 강조, 번역)는 이 책이 쓰지 않는다.
SCRIPTS = (
    "documentation_options.js",
    "doctools.js",
    "clipboard.min.js",
    "copybutton.js",
    "sphinx-book-theme.js",
    "togglebutton.js",
    "search/",
    "explorer/",
    "quiz/",
    "page.js",
)
INLINE_SCRIPTS = ("toggleHint", "toggleOpenOnPrint", "togglebuttonSelector")

# 만든 책에 남길 까닭이 없는 파일.
UNUSED = [
    "**/*.map",
    "**/*.LICENSE.txt",
    "*macros.html",
    "locales",
    "images",
    "file.png",
    "plus.png",
    "minus.png",
    "scripts/fontawesome.js",
    "scripts/bootstrap.js",
    "sphinx-thebe.*",
    "sphinx-design.min.css",
    "design-tabs.js",
    "searchtools.js",
    "language_data.js",
    "translations.js",
    "sphinx_highlight.js",
    "copybutton_funcs.js",
]

INDEX = """<!DOCTYPE html>
<html lang="ko">
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url=book/index.html">
<p><a href="book/index.html">{title}</a></p>
</html>
"""

OWN = ("book.css", "explorer/", "quiz/", "search/")
DROPPED_RULES = r"@charset|@import|@font-face.*Font Awesome"

# 책 전체의 줄 나눔을 한꺼번에 다시 재는 곳. 같은 일을 page.js가 보이는 것만 골라 한다.
SCROLL_CHECK = ',"complete"===document.readyState?I():window.addEventListener("load",I)'

COPY_MESSAGES = """'ko': {
    'copy': '복사하기',
    'copy_to_clipboard': '클립보드로 복사하기',
    'copy_success': '복사했습니다',
    'copy_failure': '복사하지 못했습니다',
  },
  'en': {"""


def path_of(asset) -> str:
    """`_static`에서 본 파일의 경로. 글을 그대로 넣은 스크립트이면 빈 문자열."""
    return str(getattr(asset, "filename", asset) or "").split("?")[0].removeprefix("_static/")


def keep_scripts(scripts: list) -> list:
    """쓰는 스크립트만 한 번씩 남긴다. 파일은 글을 다 읽은 뒤에 실행한다."""
    kept = {}
    for script in scripts:
        name, body = path_of(script), script.attributes.get("body", "")
        wanted, text = (SCRIPTS, name) if name else (INLINE_SCRIPTS, body)
        if any(part in text for part in wanted):
            if name:
                script.attributes["defer"] = "defer"
            kept.setdefault(text, script)
    return list(kept.values())


def sized_images(html: str, app: Sphinx) -> str:
    """이미지에 크기를 적고, 화면에 가까워질 때 읽게 한다."""
    sources = {name: uri for uri, name in app.builder.images.items()}

    def sized(match: re.Match) -> str:
        # 이미지는 쪽을 다 적은 뒤에 복사되므로 원본을 연다.
        with Image.open(Path(app.srcdir, sources[posixpath.basename(match["src"])])) as image:
            width, height = image.size
        return f'{match[0]} width="{width}" height="{height}" loading="lazy" decoding="async"'

    return re.sub(r'<img [^>]*?src="(?P<src>[^"]*_images/[^"]+\.png)"', sized, html)


def mended(html: str) -> str:
    """본문의 HTML을 가볍게 하고 접근성 검사의 지적을 고친다."""
    # 이름, 괄호, 빈칸은 바탕색 그대로이다. 벗기면 쪽의 요소가 절반으로 준다.
    html = re.sub(r'<span class="(?:n|nn|p|w)">([^<]*)</span>', r"\1", html)
    # 목록의 항목에만 쓸 수 있는, 더는 권하지 않는 역할.
    html = html.replace(' role="doc-biblioentry"', ' role="listitem"')
    html = html.replace(' aria-label="Toggle hidden content"', "")  # 보이는 글과 다른 이름
    return html.replace('<th class="head"><p></p></th>', '<td class="head"></td>')


@cache
def fonts_version() -> str:
    """글꼴이 바뀌면 함께 바뀌는 짧은 이름."""
    fonts = sorted((Path(__file__).parents[1] / "_static" / "fonts").glob("pretendard-*"))
    return hashlib.sha256(b"".join(font.read_bytes() for font in fonts)).hexdigest()[:8]


def mend_page(app: Sphinx, pagename, templatename, context, doctree):
    """템플릿에 넘길 값을 고친다. 다른 확장이 모두 끝난 뒤에 부른다."""
    context["fonts_version"] = fonts_version()
    if "script_files" in context:
        context["script_files"] = keep_scripts(context["script_files"])
        context["css_files"] = [f"_static/{STYLE}"]
    if context.get("body"):
        context["body"] = mended(sized_images(context["body"], app))


def parse(css) -> list:
    """CSS 규칙의 목록."""
    return tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True)


def selectors(prelude) -> list[str]:
    """쉼표로 나눈 선택자. 괄호 안의 쉼표는 나누지 않는다."""
    groups = [[]]
    for token in prelude:
        if token == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    return [tinycss2.serialize(group).strip() for group in groups]


def is_used(selector: str, words: set[str]) -> bool:
    """선택자의 클래스와 아이디가 모두 책에 나오는가. 괄호와 따옴표 안은 보지 않는다."""
    selector = re.sub(r'"[^"]*"|\[[^\]]*\]|:[\w-]+\([^()]*\)', "", selector)
    return all(name in words for name in re.findall(r"[.#]((?:[\w-]|\\.)+)", selector))


def purged(rules: list, words: set[str]) -> str:
    """책에 나오지 않는 선택자를 버린 CSS."""
    out = []
    for rule in rules:
        if rule.type == "qualified-rule":
            kept = [selector for selector in selectors(rule.prelude) if is_used(selector, words)]
            if kept:
                out.append(f"{','.join(kept)}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inner = purged(parse(rule.content), words)
            if inner:
                prelude = tinycss2.serialize(rule.prelude).strip()
                out.append(f"@{rule.lower_at_keyword} {prelude}{{{inner}}}")
        elif rule.type == "at-rule" and not re.match(DROPPED_RULES, rule.serialize()):
            out.append(rule.serialize())
    return "\n".join(out)


def icon_font(css: str, folder: Path) -> str:
    """책에 쓰는 아이콘만 든 글꼴을 담은 `@font-face`."""
    from fontTools import subset  # 불러오는 데 0.2초가 걸린다

    logging.getLogger("fontTools").setLevel(logging.WARNING)
    options = subset.Options(flavor="woff2", layout_features=[])
    font = subset.load_font(folder / "fa-solid-900.woff2", options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(re.findall("[\ue000-\uf8ff]", css)))
    subsetter.subset(font)
    data = io.BytesIO()
    subset.save_font(font, data, options)
    url = f"data:font/woff2;base64,{base64.b64encode(data.getvalue()).decode()}"
    return f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;src:url({url})}}\n'


def style(root: Path, sheets: list[str]) -> str:
    """스타일시트를 차례대로 모으고, 만든 책의 쪽과 스크립트에 나오는 것만 남긴다.

    2초쯤 걸리므로, 쪽을 고쳐도 쓰는 이름이 그대로이면 지난번의 것을 다시 쓴다.
    """
    words = set()
    for page in root.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        words.update(*map(str.split, set(re.findall(r'(?:class|id)="([^"]*)"', html))))
        for script in re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL):
            words.update(re.findall(r"[\w-]+", script))
    for script in root.glob("_static/**/*.js"):
        words.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    texts = {sheet: (root / "_static" / sheet).read_text(encoding="utf-8") for sheet in sheets}
    key = hashlib.sha256(repr((texts, sorted(words))).encode()).hexdigest()
    cache = root.parent / f".style-{key}.css"
    if not cache.exists():
        # 우리가 쓴 것은 버릴 것이 없고, 클래스의 이름을 스크립트가 이어 붙이기도 한다.
        css = "\n".join(
            text if sheet.startswith(OWN) else purged(parse(text), words)
            for sheet, text in texts.items()
        )
        css = icon_font(css, root / "_static/vendor/fontawesome/webfonts") + css
        remove(root.parent.glob(".style-*.css"))
        cache.write_text(css, encoding="utf-8")
    return cache.read_text(encoding="utf-8")


def remove(paths):
    """파일과 폴더를 지운다."""
    for path in list(paths):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def finish(app: Sphinx, error):
    """쓰지 않는 파일을 지우고, 스타일시트를 하나로 모은다."""
    if error or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    if not (static / "basic.css").exists():
        return  # 바뀐 쪽이 없어 Sphinx가 아무것도 복사하지 않았다
    for pattern in UNUSED:
        remove(static.glob(pattern))
    sheets = ["basic.css", "styles/pydata-sphinx-theme.css"]
    sheets += [name for name in map(path_of, app.builder._css_files) if (static / name).is_file()]
    for folder in ("explorer", "quiz"):  # 그것이 있는 쪽에서만 켜므로 위의 목록에 없을 수 있다
        sheets += sorted(str(path.relative_to(static)) for path in static.glob(f"{folder}/*.css"))
    sheets = list(dict.fromkeys(sheets))
    text = style(static.parent, sheets)
    remove([*static.rglob("*.css"), static / "vendor", static / "styles"])
    (static / STYLE).write_text(text, encoding="utf-8")

    # jupyter-book가 만드는 첫 쪽에는 제목도 언어도 없다.
    (static.parent / "index.html").write_text(INDEX.format(title=app.config.html_title), "utf-8")

    patch(static / "copybutton.js", "'en': {", COPY_MESSAGES)
    patch(static / "scripts" / "pydata-sphinx-theme.js", SCROLL_CHECK, "")


def patch(script: Path, old: str, new: str):
    """테마의 스크립트에서 한 곳을 고친다. 판이 바뀌어 그 자리가 없으면 알린다."""
    text = script.read_text(encoding="utf-8")
    if old not in text:
        raise ExtensionError(f"{script.name}에서 고칠 곳을 찾지 못했습니다: {old!r}")
    script.write_text(text.replace(old, new, 1), encoding="utf-8")


def allow_parallel(app: Sphinx):
    """나란히 읽고 써도 되는데 그렇다고 적지 않은 확장을 고친다.

    앞의 것은 모두 읽은 뒤에 번호를 매기고, 뒤의 것은 LaTeX을 만들 때만 일한다.
    """
    for name in ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex"):
        app.extensions[name].parallel_read_safe = True
        app.extensions[name].parallel_write_safe = True


def setup(app: Sphinx):
    """확장을 켠다."""
    app.connect("builder-inited", allow_parallel)
    app.connect("html-page-context", mend_page, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
