# Two commands do everything: `make run` and `make test`. Each sets up what it needs first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= .almoner
WORKERS ?= 2

PYTHON_STAMP := $(VENV)/.runtime
TEST_STAMP := $(VENV)/.test
NODE_STAMP := frontend/node_modules/.installed
WEB := src/almoner/web/dist/index.html
WEB_SOURCES := $(shell find frontend -type f -not -path '*/node_modules/*' -not -name '*.test.*')

.PHONY: run setup web test test-setup test-python test-web test-browser lint bench chaos simulate lock clean help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make run        set up, then run Almoner on http://127.0.0.1:8000 until Ctrl-C
run: setup
	exec $(BIN)/almoner serve --host $(HOST) --port $(PORT) --data-dir $(DATA_DIR)

## make setup      the set-up alone: virtual environment, locked dependencies, pages
setup: $(PYTHON_STAMP) $(WEB)

$(BIN)/python:
	deploy/make-venv $(PYTHON) $(VENV)

$(PYTHON_STAMP): requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/build.txt -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	touch $@

$(NODE_STAMP): frontend/package.json frontend/package-lock.json
	cd frontend && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

## make web        build the pages
web: $(WEB)

$(WEB): $(NODE_STAMP) $(WEB_SOURCES)
	cd frontend && npm run --silent build

## make test       install what the tests need and run them all
test: test-setup lint test-web test-python

test-setup: setup $(TEST_STAMP)
	deploy/install-chromium

$(TEST_STAMP): requirements/test.txt $(PYTHON_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/test.txt
	touch $@

## make lint       formatting, linters, types, import contracts
lint: test-setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd frontend && npm run --silent lint && npm run --silent typecheck

test-web: $(NODE_STAMP)
	cd frontend && npm test

test-python: test-setup
	$(BIN)/python -m pytest -n $(WORKERS)

## make bench      measure, beside a reference in the same run, and verify nothing was lost
bench: setup
	$(BIN)/almoner bench give --json
	$(BIN)/almoner bench list --json --install

## make chaos      ten thousand gifts while everything around them fails; then the audit
CHAOS ?= --donations 10000
chaos: test-setup
	PYTHONPATH=tests $(BIN)/python -m chaos $(CHAOS)

## make simulate   SEEDS=n simulated runs of whole installations, with faults; then what they came to
SEEDS ?= 2000
simulate: $(TEST_STAMP)
	cd tests && ../$(BIN)/python -m simulation.campaign --seeds $(SEEDS) --processes $(WORKERS)

## make lock       choose dependency versions again (needs uv)
lock:
	deploy/lock-requirements

## make clean      remove what the set-up made; donations in .almoner/ stay
clean:
	rm -rf $(VENV) frontend/node_modules src/almoner/web/dist
