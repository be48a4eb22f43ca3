# The two commands of the README. Each makes .venv and installs into it when that is not done yet.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test lint
train: $(BIN)/.installed
	$(BIN)/python train.py --config=configs/cad.py --workdir=runs/tiny

test: $(BIN)/.installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
