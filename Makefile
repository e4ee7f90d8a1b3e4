PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := test
.PHONY: setup app test unit lint types contract pytest words clean

# One stamp says that .venv matches the two files it is made from, so a second call installs nothing.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Odzera needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

setup: .venv/.installed

app: setup
	@$(BIN)/odzera app $(ARGS)

test: lint types contract pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contract: setup
	$(BIN)/lint-imports

# Modules are compiled once then, and not by each of the hundred processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

PYTEST := $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

pytest: setup
	$(PYTEST) $(PYTEST_ARGS)

# What a room's own functions do, within a minute.
unit: setup
	$(PYTEST) tests/unit $(PYTEST_ARGS)

# After a change of what the page says: what is new goes into the catalogues, to be translated there.
words: setup
	$(BIN)/python -m gradio_app.languages

clean:
	rm -rf .venv build dist *.egg-info
