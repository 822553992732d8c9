# make run · make test · make check · make clean-venv   (each sets up .venv itself when it must)

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISTRIBUTIONS := $(wildcard pyproject.toml plugins/*/pyproject.toml)

.PHONY: run test test-all check clean-venv

run: $(READY)
	$(BIN)/lasca run --extractor blendshape --extractor mfcc --encoder minilm

test: $(READY)
	$(BIN)/lasca -q weights pull face-landmarker minilm
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-all: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow or not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): requirements.txt $(DISTRIBUTIONS)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v < (3, 14))' || \
		{ echo "LaScA needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $(READY)

clean-venv:
	rm -rf $(VENV)
