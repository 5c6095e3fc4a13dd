"""단위 테스트가 함께 쓰는 것.

네트워크를 막고, 그림 창을 띄우지 않으며, 책과 브라우저를 한 번만 준비한다.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import pytest_socket

ROOT = Path(__file__).parents[1]

plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def no_network():
    """테스트마다 소켓을 막는다."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def closed_figures():
    """테스트가 그린 그림을 닫는다."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """`make book`과 똑같이 만든 책의 폴더. 일꾼이 여럿이어도 한 번만 만든다.

    이미 만든 책으로 확인하려면 환경 변수 `BOOK_SITE`에 그 폴더를 적는다.
    """
    if "BOOK_SITE" in os.environ:
        return Path(os.environ["BOOK_SITE"]).resolve()
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        html = shared / "book" / "_build" / "html"
        if not html.exists():
            subprocess.run([sys.executable, ROOT / "tools/book.py", shared / "book"], check=True)
    return html


@pytest.fixture(scope="session")
def browser():
    """Chromium. 없으면 건너뛰지만, `BOOK_BROWSER=required`이면(CI) 실패한다."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        message = "브라우저가 없습니다. Debian에서는 `apt install chromium`으로 설치합니다."
        required = os.environ.get("BOOK_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(message)
    from playwright.sync_api import sync_playwright

    unneeded = ("background-networking", "component-update", "gpu")
    options = ["--no-sandbox", *(f"--disable-{part}" for part in unneeded)]
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=options)


@pytest.fixture
def open_page(browser, site):
    """쪽을 `file://`로 여는 함수. 다른 곳으로 나가는 요청과 콘솔의 오류는 테스트를 실패시킨다.

    크기, 색(`color_scheme`), 스크립트(`java_script_enabled`) 따위는 이름 있는 인자로 준다.
    """
    contexts, problems = [], []

    def watch(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            problems.append(f"요청 {request.url}")

    def open_(name, **options):
        context = browser.new_context(locale="ko-KR", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", watch)
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{site.as_uri()}/{name}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
