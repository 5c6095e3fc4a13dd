"""책의 웹 글꼴을 만든다. 글꼴마다 책에 나오는 글자만 남긴다.

글을 고쳐 새 글자가 생기면 `tests/test_site.py`가 알린다. 글꼴의 원본은 npm에 있다.

    make book
    npm install pretendard@1.3.9 d2coding@1.3.2 @fontsource/stix-two-math@5.3.0
    python tools/webfonts.py node_modules
"""

import re
import sys
from pathlib import Path

from fontTools import subset

ROOT = Path(__file__).parents[1]
FONTS = ROOT / "book" / "_static" / "fonts"
SOURCES = {
    "pretendard-400": ROOT / "cnn_lectures/fonts/Pretendard-Regular.otf",
    "pretendard-600": "pretendard/dist/public/static/Pretendard-SemiBold.otf",
}
MONO = "d2coding/src/d2coding.ttf"
MATH = "@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff2"

SCRIPTS = ("ssty", "dtls", "flac", "ccmp", "mark")
TEXT = ("kern", "liga", "calt", "ccmp", "mark", "mkmk")

# 늘 넣는 글자: 라틴, 그리스, 문장 부호, 위·아래 첨자, 화살표, 수학, 상자 그리기, 도형.
COMMON = [(0x20, 0x7E), (0xA0, 0xFF), (0x391, 0x3C9), (0x2010, 0x203A), (0x2070, 0x209C)]
COMMON += [(0x2190, 0x2199), (0x2200, 0x2265), (0x2308, 0x230B), (0x2500, 0x25CF)]
COMMON += [(0x2713, 0x2717), (0x3000, 0x3011)]
# 수식의 글자. MathML의 글에는 없지만 브라우저가 그리는 기울임 글자와 근호도 있다.
LETTERS = [(0x20, 0x7E), (0x391, 0x3D6), (0x1D434, 0x1D467), (0x210E, 0x210E), (0x1D6FC, 0x1D71B)]
LETTERS += [(0x221A, 0x221A)]


def codes(ranges) -> set[int]:
    """범위에 든 부호."""
    return {code for first, last in ranges for code in range(first, last + 1)}


def book_hangul() -> set[int]:
    """책과 패키지의 소스에 나오는 한글."""
    files = [path for kind in ("*.ipynb", "*.md", "*.bib") for path in ROOT.glob(f"book/{kind}")]
    files += [*ROOT.glob("cnn_lectures/**/*.py"), *ROOT.glob("book/_*/**/*.[jhp][stoy]*")]
    text = "".join(path.read_text(encoding="utf-8") for path in [*files, ROOT / "_toc.yml"])
    return {ord(letter) for letter in re.findall("[가-힣]", text)}


def book_math() -> set[int]:
    """만들어 둔 책의 수식에 나오는 글자."""
    pages = (ROOT / "_build" / "html" / "book").glob("*.html")
    formulas = [re.findall("<math.*?</math>", page.read_text(encoding="utf-8")) for page in pages]
    return {ord(letter) for page in formulas for letter in "".join(page)} - book_hangul()


def write(source: Path, name: str, unicodes: set[int], features) -> None:
    """글자를 골라 woff2로 적는다. 고친 글꼴은 원래 이름을 쓸 수 없으므로(OFL 3조) 이름을 바꾼다."""
    options = subset.Options(flavor="woff2", hinting=False, layout_features=list(features))
    options.drop_tables += ["FFTM"]
    options.name_IDs = [0, 1, 2, 3, 4, 6, 13, 14]
    font = subset.load_font(source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=unicodes)
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID not in (0, 13, 14):
            record.string = f"cnn-lectures-{name}"
    subset.save_font(font, FONTS / f"{name}.woff2", options)
    print(f"{name}.woff2 {(FONTS / f'{name}.woff2').stat().st_size / 1024:.0f} KB")


def main(modules: Path) -> None:
    """글꼴을 모두 만든다."""
    for name, source in SOURCES.items():
        write(modules / source, name, codes(COMMON) | book_hangul(), TEXT)
    write(modules / MONO, "d2coding-400", codes(COMMON), TEXT)
    write(modules / MONO, "d2coding-400-hangul", book_hangul(), TEXT)
    write(modules / MATH, "stix-two-math", codes(LETTERS) | book_math(), SCRIPTS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
