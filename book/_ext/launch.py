"""장을 실행하고 고치는 링크(Colab, 노트북 내려받기, 고치기, 잘못 알리기)와 쪽의 설명과 주소.

저장소의 이름은 환경 변수 `BOOK_REPOSITORY`(GitHub Actions에서는 `GITHUB_REPOSITORY`), 책의 주소는
`BOOK_URL`로 받는다. 갈라져 나간 저장소에서 만든 책은 그 저장소를 가리킨다.
모르면 그 링크를 그리지 않는다.
"""

import html
import os
import re
from pathlib import Path
from urllib.parse import quote, urlparse

from sphinx.application import Sphinx

BRANCH = "main"
FONT = Path(__file__).parents[2] / "cnn_lectures" / "fonts" / "Pretendard-Regular.otf"
NOT_FOUND = """<h1>쪽을 찾을 수 없습니다</h1>
<p>주소가 바뀌었거나 잘못 적혔습니다. 왼쪽의 차례에서 고르거나 위의 검색 단추로 찾아보십시오.</p>"""


def repository() -> str | None:
    """`소유자/이름` 꼴의 GitHub 저장소."""
    return os.environ.get("BOOK_REPOSITORY") or os.environ.get("GITHUB_REPOSITORY")


def links(path: str, title: str, repo: str | None) -> dict[str, str]:
    """쪽 하나의 링크. `path`는 저장소 안의 경로이다."""
    if repo is None:
        return {}
    home = f"https://github.com/{repo}"
    text = quote(f"{title} ({path})")
    found = {
        "edit": f"{home}/edit/{BRANCH}/{path}",
        "issue": f"{home}/issues/new?title={text}",
    }
    if path.endswith(".ipynb"):
        found["colab"] = f"https://colab.research.google.com/github/{repo}/blob/{BRANCH}/{path}"
    return found


def add_links(app: Sphinx, pagename, templatename, context, doctree):
    """템플릿에 `launch`와 `description`을 넘기고, 첫 쪽의 차례에 설명을 단다."""
    context["launch"] = {}
    if doctree is None:
        return
    metadata = app.env.metadata[pagename]
    if "description" in metadata:
        context["description"] = metadata["description"]
        metadata["og:description"] = metadata["og:image:alt"] = metadata["description"]
    if pagename == app.config.root_doc:
        context["body"] = described(context["body"], app, pagename)
    path = app.env.doc2path(pagename, base=False)
    context["launch"] = links(path, app.env.titles[pagename].astext(), repository())
    if path.endswith(".ipynb"):
        source = context["pathto"](f"_sources/{context['sourcename']}", 1)
        context["launch"]["notebook"] = source


def described(contents: str, app: Sphinx, pagename: str) -> str:
    """첫 쪽의 차례에서 장의 제목 아래에 그 장의 설명을 보인다."""
    texts = {
        app.builder.get_relative_uri(pagename, name): html.escape(metadata["description"])
        for name, metadata in app.env.metadata.items()
        if "description" in metadata
    }

    def add(item: re.Match) -> str:
        return item[0] + (f"<p>{texts[item[1]]}</p>" if item[1] in texts else "")

    return re.sub(r'<li class="toctree-l1"><a [^>]*href="([^"]*)">.*?</a>', add, contents)


def publish(app: Sphinx, url: str):
    """웹에 올릴 책에 쪽의 주소, 사이트맵, 공유 그림, 404 쪽을 더한다."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(FONT)
    url = url.rstrip("/") + "/"
    config = app.config
    config.html_baseurl = config.ogp_site_url = url
    config.ogp_site_name = config.html_title
    config.sitemap_url_scheme = "{link}"
    config.ogp_enable_meta_description = False
    config.ogp_social_cards = {
        "font": "Pretendard",
        "image_mini": "book/_static/icon.png",
        "line_color": "#0072b2",
    }
    config.ogp_custom_meta_tags = ['<meta property="og:locale" content="ko_KR" />']
    config.notfound_urls_prefix = urlparse(url).path
    config.notfound_context = {"title": "쪽을 찾을 수 없습니다", "body": NOT_FOUND}
    for extension in ("sphinx_sitemap", "sphinxext.opengraph", "notfound.extension"):
        app.setup_extension(extension)


def setup(app: Sphinx):
    """확장을 켠다."""
    if "BOOK_URL" in os.environ:
        publish(app, os.environ["BOOK_URL"])
    app.connect("html-page-context", add_links, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
