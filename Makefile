# Placewright: every target runs `setup` when it is needed; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=

.PHONY: help setup demo test test-fast test-apiserver test-faults check fix crds golden docs bench lock cluster cluster-down clean

help: ## list all targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the lock (hashes checked) and install the project into it

$(STAMP): requirements/dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: python3 is missing; Placewright needs Python 3.11 or newer with venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: $$($(PYTHON) --version) is too old; Placewright needs Python 3.11 or newer (make PYTHON=... setup)" >&2; exit 1; }
	@echo "setup: making $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'from placewright.core.warm import warm; warm()'
	@touch $@

demo: $(STAMP) ## the whole product in under two minutes, without a cluster
	@$(BIN)/python -m demo

test: $(STAMP) ## every test, also those on the real API server (needs Go the first time)
	@$(BIN)/python -m tests.controlplane build >/dev/null || echo 'test: without these programs the API server tier cannot run (see the line above)' >&2
	@$(BIN)/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

test-fast: $(STAMP) ## unit, property and contract tests only: no servers
	@$(BIN)/pytest tests/unit tests/property tests/contract tests/scenarios $(PYTEST_ARGS)

test-apiserver: $(STAMP) ## only the tests on the real API server
	@$(BIN)/python -m tests.controlplane build
	@$(BIN)/pytest tests/apiserver $(PYTEST_ARGS)

check: $(STAMP) ## lint, types, layers, generated files; never writes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.generated --check

fix: $(STAMP) ## format, and mend what the linter can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

crds: $(STAMP) ## write the generated files again: CRDs, their copy in the chart, reference pages
	@$(BIN)/python -m tests.generated --write

docs: crds ## same as crds: all generated pages come from it

golden: $(STAMP) ## write the golden outputs again; read the diff before you commit it
	@$(BIN)/pytest tests/scenarios tests/unit/cli --update-golden $(PYTEST_ARGS)

bench: $(STAMP) ## speed and memory, as ratios from one run
	@$(BIN)/python -m bench

lock: $(STAMP) ## write the locks again from pyproject.toml (needs uv)
	@for kind in dev runtime; do \
	  extra="--extra s3 --extra forecast"; [ $$kind = dev ] && extra="--extra dev"; \
	  uv pip compile pyproject.toml $$extra --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --quiet -o requirements/$$kind.lock || exit 1; \
	done

cluster: $(STAMP) ## a real control plane with fake GPU nodes and the operator; prints a KUBECONFIG
	@$(BIN)/python -m tests.controlplane up

cluster-down: $(STAMP) ## end it
	@$(BIN)/python -m tests.controlplane down

clean: ## remove what was built here
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
