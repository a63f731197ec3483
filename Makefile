# Two commands for everybody: `make demo` and `make test`. Each may be run again and is then quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint docs clean

demo: $(VENV)/.demo
	$(BIN)/instseg demo --out demo_output

test: $(VENV)/.dev
	sh scripts/system_libraries.sh
	OMP_NUM_THREADS=1 sh scripts/with_display.sh $(BIN)/python -m pytest -n 2 --dist loadfile -m "not alone" tests
	sh scripts/with_display.sh $(BIN)/python -m pytest -m alone tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -c docs/site docs site

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version + ". Say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	test -e $(VENV)/.dev || $(BIN)/python -m pip install --disable-pip-version-check -q -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo_output
