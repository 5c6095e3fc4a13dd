"""노트북 검증(tests/notebook_verifier.py)을 pytest에 붙인다."""

import os

# 여럿이 나누어 할 때(`-n 2`) 코어도 나누어 쓴다. torch를 불러오기 전에 정해야 한다.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

pytest_plugins = ["tests.notebook_verifier"]
