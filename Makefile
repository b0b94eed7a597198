# The tasks of this project; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test check check-all format lock

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: $(STAMP) ## build .venv with everything needed to run, test and check

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Roster needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

run: install ## start the service on http://127.0.0.1:5000 over roster.db
	$(BIN)/roster serve

test: install ## run the test suite, but for what takes minutes
	$(BIN)/python -m pytest

check: install ## lint, types, import contracts, migration drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/migrations -k drift

check-all: check ## everything that CI runs, and the tests that take minutes
	$(BIN)/python -m pytest -m ""

format: install ## put the source into the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install ## pin and hash the requirements anew
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --all-extras --group dev pyproject.toml --output-file requirements.txt
