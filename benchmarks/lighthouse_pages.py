"""만든 책의 쪽마다 Lighthouse(휴대 전화 설정) 점수와 전송량을 잰다.

Node.js와 Chromium이 있어야 한다. 인자로 쪽의 이름을 주면 그 쪽만 잰다.

    npm install lighthouse@12
    python benchmarks/lighthouse_pages.py --lighthouse node_modules/.bin/lighthouse
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(os.environ.get("BOOK_SITE", Path(__file__).parents[1] / "_build" / "html"))
SCORES = ("performance", "accessibility", "best-practices", "seo")
TIMES = {"first-contentful-paint": "FCP", "largest-contentful-paint": "LCP"}
TIMES |= {"total-blocking-time": "TBT", "cumulative-layout-shift": "CLS"}


class Handler(SimpleHTTPRequestHandler):
    """GitHub Pages처럼 글을 gzip으로 줄여 보내는 서버."""

    def do_GET(self):
        """파일 하나를 보낸다."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        if path.suffix in (".html", ".css", ".js", ".svg"):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """요청을 찍지 않는다."""


def measure(lighthouse: str, url: str) -> dict:
    """쪽 하나의 Lighthouse 보고서."""
    flags = "--headless=new --no-sandbox --disable-background-networking"
    command = [lighthouse, url, "--output=json", "--quiet", f"--chrome-flags={flags}"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    result = subprocess.run(
        command, capture_output=True, check=True, env=os.environ | {"CHROME_PATH": chromium}
    )
    return json.loads(result.stdout)


def main():
    """표를 찍는다."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lighthouse", default="lighthouse")
    parser.add_argument("--save", type=Path, help="보고서를 남길 폴더")
    parser.add_argument("pages", nargs="*")
    options = parser.parse_args()
    pages = options.pages or [
        str(path.relative_to(SITE)) for path in sorted(SITE.rglob("*.html")) if path.stem != "index"
    ] + ["book/index.html"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"| 쪽 | {' | '.join((*SCORES, *TIMES.values()))} | KB |")
    print("|---" * (len(SCORES) + len(TIMES) + 2) + "|")
    for page in pages:
        report = measure(options.lighthouse, f"http://127.0.0.1:{server.server_port}/{page}")
        if options.save:
            options.save.mkdir(exist_ok=True)
            (options.save / f"{Path(page).stem}.json").write_text(json.dumps(report))
        scores = [f"{report['categories'][name]['score'] * 100:.0f}" for name in SCORES]
        times = [report["audits"][name]["displayValue"].replace("\xa0", " ") for name in TIMES]
        size = report["audits"]["total-byte-weight"]["numericValue"] / 1024
        print(f"| {page} | {' | '.join(scores + times)} | {size:.0f} |", flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()
