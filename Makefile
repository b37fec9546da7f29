PYTHON ?= python3.11
UV ?= uv
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help venv demo test fast format lock
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## set up .venv from the lock file

$(INSTALLED): requirements.lock setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: venv ## the whole way on a synthetic corpus: data, training, evaluation, export, service
	$(BIN)/nmt demo

test: venv ## format, lint, types and all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

fast: venv ## the tests that take seconds
	$(BIN)/pytest -m "not slow"

format: venv ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew requirements.lock from setup.py; needs uv
	$(UV) pip compile setup.py --extra dev --extra grpc --python-version 3.11 --upgrade \
		--custom-compile-command "make lock" --output-file requirements.lock
