# Commands for a new machine: `make demo`, `make test` and the rest. Each sets up .venv first, once.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first interpreter that fits, or the one that is given: make demo PYTHON=/path/to/python3.11
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for name in python3 python3.12 python3.11 python3.10 python; do \
	$$name -c '$(FITS)' 2>/dev/null && echo $$name && break; done)

.PHONY: demo test adversary audit lint format results docs clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo "make demo    set up .venv, render eight pairs of recordings, swap and score them in demo/"
	@echo "make test    set up .venv and run the tests"
	@echo "make adversary try every bad input, read 20 000 damaged files, kill every command twenty times"
	@echo "make audit   compare the versions of constraints.txt with known advisories (needs the network)"
	@echo "make results set up .venv, measure again and write tables and figures into README.md and docs/"
	@echo "make docs    set up .venv and write the documentation as a site to build/site, with swaps to listen to"
	@echo "make lint    ruff check and ruff format --check"
	@echo "make format  let ruff rewrite the files"
	@echo "make clean   remove .venv"

demo: $(STAMP)
	$(BIN)/msdae demo

# Tests start many processes. Where the environment says that nothing compiled is to be kept, each of them would
# compile the package anew.
test adversary: export PYTHONDONTWRITEBYTECODE =

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

adversary: $(STAMP)
	MSDAE_ADVERSARY=whole $(BIN)/python -m pytest --numprocesses 2 tests/adversary tests/app/test_load.py tests/app/test_serving.py

# pip-audit in an environment of its own: nothing of it is needed to use or test msdae.
audit: $(STAMP)
	"$(PYTHON)" -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(VENV)-audit/bin/pip-audit --no-deps --disable-pip --requirement constraints.txt

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

results: $(STAMP)
	$(BIN)/msdae results

docs: $(STAMP)
	$(BIN)/msdae make-docs

clean:
	rm -rf $(VENV) $(VENV)-audit

# uv takes a quarter of pip's time. It does not read pip's settings: where packages are only to be had by these, pip
# installs them.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) || $(BIN)/python -m pip install --quiet $(1)

# Debian's Python has no ensurepip without the package python3-venv; there its own pip fills the environment.
$(STAMP): setup.cfg pyproject.toml constraints.txt requirements-no-deps.txt
	@"$(PYTHON)" -c '$(FITS)' || { echo "error: msdae needs Python 3.10, 3.11 or 3.12; $(or $(PYTHON),no such python3)" \
		"is not one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	"$(PYTHON)" -m venv $(VENV) || { "$(PYTHON)" -m venv --clear --without-pip $(VENV) && \
		"$(PYTHON)" -m pip --python $(BIN)/python install pip; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(call install,--constraint constraints.txt --editable '.[all]')
	$(call install,--no-deps --requirement requirements-no-deps.txt)
	@touch $@
