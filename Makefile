# The two commands of the README. Each makes .venv and installs into it when that is not done yet.
PYTHON ?= python3
BIN := .venv/bin
# A folder of talking-face clips with a manifest.csv; empty: the drawn set.
MEDIA ?= $(CAD_JAX_MEDIA)

.PHONY: train test lint
train: $(BIN)/.installed
ifneq ($(wildcard $(MEDIA)/manifest.csv),)
	$(BIN)/python scripts/prepare.py --reader=folder --root=$(MEDIA) --output=runs/clips
	$(BIN)/python train.py --config=configs/cad.py:data=folder --config.data.path=runs/clips --workdir=runs/clips-tiny
else
	$(BIN)/python train.py --config=configs/cad.py --workdir=runs/tiny
endif

test: $(BIN)/.installed
	$(BIN)/python -m pytest

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
