# Two commands do everything on a fresh machine with Python 3.11 or later: make demo, make test.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
CELL   ?= 250
SOURCES = $(shell find src -type f -not -name '*.pyc' -not -name '*.nb?')

.PHONY: demo test check browser clean

demo: $(VENV)/.run
	$(BIN)/groundplan demo henan --cell $(CELL)

test: $(VENV)/.test browser check
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The report is tested in the distribution's headless Chromium.
browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk; }

$(VENV)/.run: requirements/run.txt pyproject.toml $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	touch $@

$(VENV)/.test: requirements/test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/test.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) henan henan-* build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
