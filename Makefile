# 첫 목표를 부르면 .venv를 만들고 requirements.txt를 설치한다. 다른 환경을 쓰려면 make PYTHON=python3 …
.DEFAULT_GOAL := help
.PHONY: help setup lint format test notebooks book zip bench clean
SHELL := /bin/bash -o pipefail
PYTHON ?= .venv/bin/python

# 큰 텐서를 놓아줄 때마다 운영 체제에 돌려주지 않고 다시 쓰게 한다(glibc). CPU에서의 학습이 3할쯤 빨라진다.
export MALLOC_MMAP_THRESHOLD_ ?= 1073741824
export MALLOC_TRIM_THRESHOLD_ ?= 1073741824

help:  ## 이 목록을 보인다
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(if $(filter .venv/bin/python,$(PYTHON)),.venv/installed)  ## 가상 환경을 만들고 필요한 것을 설치한다

.venv/installed: requirements.txt pyproject.toml
	python3 -m venv .venv
	.venv/bin/python -m pip install --upgrade --quiet pip
	.venv/bin/python -m pip install --quiet -r requirements.txt
	touch $@

lint: setup  ## 코드와 노트북의 꼴을 확인한다
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: setup  ## 코드와 노트북의 꼴을 맞춘다
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

test: setup  ## 단위 테스트를 하고, 노트북을 실행하여 저장된 출력과 견준다
	$(PYTHON) -m pytest --nbval -n 2 --dist loadfile

notebooks: setup  ## 노트북을 깨끗한 커널에서 다시 실행하여 출력을 새로 적는다
	$(PYTHON) tools/notebooks.py

book: setup  ## 책을 _build/html에 만든다. 경고가 하나라도 있으면 실패한다
	rm -rf _build/html _build/.doctrees
	$(PYTHON) tools/book.py
	@echo "다 되었습니다. 여십시오: _build/html/index.html"

zip: book  ## 네트워크 없이 읽을 책을 _build/cnn-lectures-book.zip으로 묶는다
	$(PYTHON) -c "import shutil; shutil.make_archive('_build/cnn-lectures-book', 'zip', '_build/html')"

bench: setup  ## 속도를 견주어 표로 보인다
	set -e; for script in benchmarks/bench_*.py; do $(PYTHON) $$script; done

clean:  ## 만든 것을 지운다 (.venv는 남긴다)
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
