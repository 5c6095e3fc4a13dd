"""책을 만든다. `python tools/book.py [만들 폴더]`.

`jupyter-book build . -W --keep-going --quiet`와 같지만, 코어를 모두 쓰고 헛일을 덜어 빨리 끝난다.
"""

import functools
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(*options: str) -> None:
    """jupyter-book을 부른다. 경고가 하나라도 있으면 실패하며 프로그램을 끝낸다."""
    # jsonschema는 쓰지도 않을 주소 문법 서른여덟 개를 불러올 때마다 엮는다.
    sys.modules["rfc3987_syntax"] = None
    import jupyter_book.sphinx
    import pybtex.plugin
    from jupyter_book.cli.main import main

    # 인용 하나마다 설치된 패키지를 모두 뒤진다.
    pybtex.plugin._load_entry_point = functools.cache(pybtex.plugin._load_entry_point)
    jupyter_book.sphinx.build_sphinx = functools.partial(
        jupyter_book.sphinx.build_sphinx, jobs=os.cpu_count()
    )
    main(["build", str(ROOT), "-W", "--keep-going", "--quiet", *options])


if __name__ == "__main__":
    build(*(["--path-output", sys.argv[1]] if sys.argv[1:] else []))
