# SPDX-License-Identifier: GPL-2.0-only
SHELL := /bin/bash
PYTHON ?= python3

PLACES := $(shell $(PYTHON) -I -S harness/bootstrap.py --where)
ifneq ($(words $(PLACES)),2)
$(error not two paths without blanks for store and venv, but '$(PLACES)': set XDG_CACHE_HOME to a folder without blanks)
endif
STORE := $(firstword $(PLACES))
VENV := $(lastword $(PLACES))
BIN := $(VENV)/bin

# Everything that tools remember goes into the store; nothing is left in the tree.
CACHE := $(STORE)/tools
export PYTHONPYCACHEPREFIX := $(CACHE)/pycache
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
PYTEST := $(BIN)/pytest -o cache_dir=$(CACHE)/pytest -n auto --dist worksteal

OTHER_KERNELS := $(BIN)/python -c 'from harness.build.spec import kernel_names; print(*kernel_names()[1:])'

.PHONY: help setup build build-all demo test test-all lint bench env clean

help:
	@echo 'make demo      set up what is missing, then show one live update, verified'
	@echo 'make test      set up what is missing, then every check: lint, types, unit tests, scenarios'
	@echo 'make test-all  the same, what takes longer, and all scenarios on every other kernel'
	@echo 'make lint      only lint and types'
	@echo 'make bench     measure everything, on a machine that does nothing else: docs/performance.md'
	@echo 'make env       print what puts `harness` into PATH: eval "$$(make -s env)"'
	@echo 'make clean     remove everything built: $(STORE); what is old only: harness clean'

# System packages (by apt, said before it is done), venv, Python packages.
setup:
	@$(PYTHON) -I -S harness/bootstrap.py

demo: setup
	@$(BIN)/harness run scenarios/quickstart.yaml

lint: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir $(CACHE)/import-linter

# Built before pytest, whose output would hide the progress.
build: setup
	@$(BIN)/harness build

build-all: setup
	@$(BIN)/harness build --all

# What is marked `slow` is left out: harness/plugin.py.
test: lint build
	$(PYTEST)

# Everything on the default kernel, then the scenarios on each of the others.
test-all: lint build-all
	@status=0; echo '== every test, and every scenario on the default kernel'; \
	$(PYTEST) -m 'slow or not slow' || status=1; \
	for kernel in $$($(OTHER_KERNELS)); do \
		echo "== every scenario on $$kernel"; \
		$(PYTEST) -m 'slow or not slow' scenarios --kernel "$$kernel" || status=1; \
	done; exit $$status

bench: setup
	@$(BIN)/harness bench --output docs/performance.md

env: setup
	@echo 'export PATH="$(BIN):$$PATH"'

clean:
	rm -rf -- '$(STORE)'
