"""노트북 검증(tests/notebook_verifier.py)을 pytest에 붙인다."""

pytest_plugins = ["tests.notebook_verifier"]
