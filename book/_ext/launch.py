"""장을 실행하고 고치는 링크: Colab, 노트북 내려받기, 고치기, 잘못 알리기, 쪽의 설명과 주소.

저장소의 이름은 환경 변수 `BOOK_REPOSITORY`(GitHub Actions에서는 `GITHUB_REPOSITORY`), 책의 주소는
`BOOK_URL`로 받는다. 갈라져 나간 저장소에서 만든 책은 그 저장소를 가리킨다. 모르면 그 링크를 그리지 않는다.
"""

import os
from urllib.parse import quote

from sphinx.application import Sphinx

BRANCH = "main"


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
    """템플릿에 `launch`를 넘긴다."""
    context["launch"] = {}
    if doctree is None:
        return
    path = app.env.doc2path(pagename, base=False)
    context["launch"] = links(path, app.env.titles[pagename].astext(), repository())
    if path.endswith(".ipynb"):
        source = context["pathto"](f"_sources/{context['sourcename']}", 1)
        context["launch"]["notebook"] = source


def setup(app: Sphinx):
    """확장을 켠다."""
    if "BOOK_URL" in os.environ:
        app.config.html_baseurl = os.environ["BOOK_URL"].rstrip("/") + "/"
        app.setup_extension("sphinx_sitemap")
    app.connect("html-page-context", add_links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
