# Everything happens in .venv, with the tested versions of constraints.txt. PYTHON=... makes it with another Python than
# the one that .ci/make_venv finds.
PYTHON ?=
BIN := .venv/bin
# `make test-long` skips, and counts, the tests that have not begun by then; empty: it runs them all.
LONG_MINUTES ?=
DEMO_DIR ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo demo-segmentation demo-detection test test-all test-fast test-long lint docs venv

demo: .venv/demo
	$(BIN)/rl_nas search --flagfile=flags/digits.cfg --run_dir=$(DEMO_DIR)

demo-segmentation: .venv/demo
	$(BIN)/rl_nas search --flagfile=flags/shapes_dpc.cfg --run_dir=$(DEMO_DIR)

demo-detection: .venv/demo-detection
	$(BIN)/rl_nas search --flagfile=flags/shapes_nas_fpn.cfg --run_dir=$(DEMO_DIR)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-all: lint .venv/wandb
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: .venv/wandb
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m long $(if $(LONG_MINUTES),--long_minutes=$(LONG_MINUTES))

test-fast: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not long"

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs
	$(BIN)/properdocs build --strict

venv:
	@.ci/make_venv "$(PYTHON)"

.venv/demo: setup.py constraints.txt | venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[digits,report]"
	touch $@

.venv/demo-detection: setup.py constraints.txt | venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[detection,report]"
	touch $@

.venv/docs: setup.py constraints.txt | venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

.venv/test: setup.py constraints.txt | venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

.venv/wandb: .venv/test setup.py constraints.txt | venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[wandb]"
	touch $@
