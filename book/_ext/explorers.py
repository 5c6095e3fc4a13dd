"""책의 쪽 안에서 움직이는 탐험기.

지시자 하나가 자리를 잡고, `_static/explorer`의 스크립트가 그 자리를 채운다.

```{explorer} convolution
:figure: fig-window
Jupyter에서 읽는 이에게 보일 한 문장.
```

`:select:`의 값은 `data-select`로 넘어가며, 스크립트가 처음에 고를 것을 정하는 데 쓴다.
스크립트를 쓸 수 없으면 `:figure:`가 가리키는 그림(칸 메타데이터의 이름)이 대신 보인다.
"""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).parents[1] / "_static" / "explorer"


class explorer(nodes.General, nodes.Element):  # noqa: N801 (docutils의 마디는 소문자로 적는다)
    """탐험기의 자리."""


class ExplorerDirective(SphinxDirective):
    """`{explorer} 이름`. 이름은 `_static/explorer/<이름>.js`이다."""

    required_arguments = 1
    option_spec = dict.fromkeys(("figure", "select"), directives.unchanged_required)
    has_content = True

    def run(self):
        """자리를 나타내는 마디 하나를 돌려준다."""
        name = self.arguments[0]
        script = FOLDER / f"{name}.js"
        if not script.is_file():
            raise self.error(f"`explorer`: `_static/explorer`에 {name}.js 파일이 없습니다.")
        node = explorer(name=name, **{key: self.options.get(key) for key in self.option_spec})
        self.set_source_info(node)
        return [node]


class StaticFigure(SphinxPostTransform):
    """탐험기 안에, 스크립트가 없을 때 보일 그림을 넣는다."""

    default_priority = 900

    def run(self, **kwargs):
        """이름으로 그림을 찾아 이미지를 베껴 넣는다."""
        figures = {name: f for f in self.document.findall(nodes.figure) for name in f["names"]}
        for node in self.document.findall(explorer):
            figure = figures.get(node["figure"])
            if figure is None:
                name = node["figure"]
                raise ValueError(f"`figure`: 같은 쪽에 없는 그림입니다 (받은 값: {name!r})")
            node += next(figure.findall(nodes.image)).deepcopy()


def visit(translator, node):
    """자리를 연다. 그림은 스크립트가 없을 때만 내려받도록 noscript 안에 둔다."""
    data = {"data-explorer": node["name"]}
    if node["select"]:
        data["data-select"] = node["select"]
    translator.body.append(translator.starttag(node, "div", "", CLASS="explorer", **data))
    translator.body.append("<noscript>")


def depart(translator, node):
    """자리를 닫는다."""
    translator.body.append("</noscript></div>\n")


def add_scripts(app: Sphinx, pagename, templatename, context, doctree):
    """탐험기가 있는 쪽에만 스크립트와 꼴을 싣는다."""
    names = {node["name"] for node in doctree.findall(explorer)} if doctree else set()
    if not names:
        return
    for name in ("explorer", *sorted(names)):
        for file in (f"{name}_data.js", f"{name}.js"):
            if (FOLDER / file).is_file():
                app.add_js_file(f"explorer/{file}", loading_method="defer")
        if (FOLDER / f"{name}.css").is_file():
            app.add_css_file(f"explorer/{name}.css")


def setup(app: Sphinx):
    """확장을 켠다."""
    app.add_node(explorer, html=(visit, depart))
    app.add_directive("explorer", ExplorerDirective)
    app.add_post_transform(StaticFigure)
    app.connect("html-page-context", add_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
