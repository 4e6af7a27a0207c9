# make train, make test: from a bare clone, with Python 3.11 or later and a package index.
# ARGS reaches the program: make train ARGS="model=deep_cnn data=cifar10"

VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
UV := $(shell command -v uv 2>/dev/null)

.PHONY: help train test proofs test-lowest lint types docs wheel check clean

help:  ## What can be made
	@sed -n 's/^\([a-z-]*\):.*##/\1:/p' $(MAKEFILE_LIST)

# Bytecode is compiled once, here: every command of the tests is a process of its own, and where Python may not write it
# (PYTHONDONTWRITEBYTECODE) each would compile ten seconds long. pip does so by itself.
# The stamp is newer than pyproject.toml where everything is installed already.
$(VENV)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "cnnlab needs Python 3.11 or later; PYTHON=... says where it is." >&2; exit 2; }
ifeq ($(UV),)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
else
	test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV)
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[dev,docs]'
endif
	@touch $@

train: $(VENV)/installed  ## Train the main job, or what ARGS says
	$(BIN)/python -m cnnlab $(ARGS)

test: $(VENV)/installed  ## Run the whole test suite; ARGS reaches pytest
	$(PYTEST) $(ARGS)

proofs: $(VENV)/installed  ## Run it with the heavy proofs whole, of which test runs a tenth
	$(PYTEST) --proofs $(ARGS)

$(LOWEST)/installed: pyproject.toml
	@test -n "$(UV)" || { echo "make test-lowest needs uv, which finds the lowest versions; pip install uv gets it." >&2; exit 2; }
	rm -rf $(LOWEST)
	uv venv --quiet --python 3.11 $(LOWEST)
	uv pip install --quiet --compile-bytecode --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[dev,docs]'
	@touch $@

test-lowest: $(LOWEST)/installed  ## Run it with the lowest versions that pyproject.toml allows; needs uv
	$(PYTEST:$(BIN)/%=$(LOWEST)/bin/%) $(ARGS)

lint: $(VENV)/installed  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed  ## Check types
	$(BIN)/mypy

docs: $(VENV)/installed  ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build

wheel: $(VENV)/installed  ## Build the wheel into dist
	$(BIN)/python -m build --wheel --outdir dist .

check: test lint types docs wheel  ## All of these

clean:  ## Remove what was installed and built
	rm -rf $(VENV) $(LOWEST) dist docs/_build
