# make run · make test · make bench · make docs · make check · make clean-venv   (each sets up .venv itself when it must)

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISTRIBUTIONS := $(wildcard pyproject.toml plugins/*/pyproject.toml)
# A recording of a real face and voice to measure on, where there is one beside the checkout; otherwise one is made.
MEDIA ?= $(firstword $(wildcard shared/data/crema-d/*.mp4 ../shared/data/crema-d/*.mp4))

.PHONY: run test test-all bench docs check clean-venv

run: $(READY)
	$(BIN)/lasca run --extractor blendshape --extractor mfcc --encoder minilm

test: $(READY)
	$(BIN)/lasca -q weights pull face-landmarker minilm
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-all: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow or not slow"

bench: $(READY)
	$(BIN)/lasca -q weights pull face-landmarker minilm
	$(BIN)/lasca bench $(if $(MEDIA),--media $(MEDIA))

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): requirements.txt $(DISTRIBUTIONS)
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' || \
		{ echo "LaScA needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $(READY)

clean-venv:
	rm -rf $(VENV)
