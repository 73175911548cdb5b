# Everything runs in .venv, made here with the first Python >= 3.11 that can make one.
#   make demo                 the main job on real data
#   make test                 all tests, in two processes (JOBS=4 for four; PYTEST_ARGS="-k hvp" for some)
#   make PYTHON=python3.12 …  another interpreter    (make clean-venv first)
#   make CONSTRAINTS=file …   pip constraints
#   make test TORCH=1 CUDA=1  with torch, and with what compiles CUDA kernels, for the tests that need them
#   make bench BENCH_ARGS="v0.1.0..HEAD" BLAS_THREADS=2 …
#   make bench-compare BASE=v0.1.0

PYTHON ?=
CONSTRAINTS ?=
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
BLAS_THREADS ?= 1
PEERS_ARGS ?=
GPU_ARGS ?=
PAPER_ARGS ?=
BASE ?=
TORCH ?=
CUDA ?=
JOBS ?= 2

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet $(if $(CONSTRAINTS),--constraint "$(CONSTRAINTS)")
# An environment of its own: what peers pin is not what this library needs.
PEERS_VENV := .venv-peers
PEERS_PIP := $(subst $(VENV)/,$(PEERS_VENV)/,$(PIP))
CANDIDATES := python3 python python3.13 python3.12 python3.14 python3.11
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format types docs gpu bench bench-quick bench-compare budgets bench-peers paper paper-quick paper-full paper-page generate api clean clean-venv

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# --- environment -------------------------------------------------------------------------------
# The stamps form a chain, so that `make -j` never runs two installs in one environment at once.

$(VENV)/.made:
	@if [ -x $(PY) ]; then exit 0; fi; \
	found=; for python in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do \
	    if "$$python" -c "$(USABLE)" >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "make: no Python >= 3.11 with the venv module among: $(if $(PYTHON),$(PYTHON),$(CANDIDATES))" >&2; \
	    echo "make: install one (on Debian and Ubuntu also python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml $(CONSTRAINTS)
	@echo "Installing fastinfluence with what the demo needs"
	@$(PIP) --editable ".[cli]"
	@touch $@

$(VENV)/.torch: $(VENV)/.test
	@echo "Installing torch"
	@$(PIP) --editable ".[torch]"
	@touch $@

$(VENV)/.cuda: $(VENV)/.test
	@echo "Installing what compiles CUDA kernels, which needs no GPU"
	@$(PIP) --editable ".[cuda-compile]"
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "Installing what the tests need"
	@$(PIP) --editable ".[test]"
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	@echo "Installing the development tools"
	@$(PIP) --editable ".[dev]"
	@touch $@

# --- use ---------------------------------------------------------------------------------------

demo: $(VENV)/.demo  ## find mislabelled rows in real data, check the scores against retraining
	@$(PY) -m fastinfluence.cli demo $(DEMO_ARGS)

test: $(VENV)/.test $(if $(TORCH),$(VENV)/.torch) $(if $(CUDA),$(VENV)/.cuda)  ## all tests
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

# --- development -------------------------------------------------------------------------------

lint: $(VENV)/.dev  ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(VENV)/.dev  ## rewrite the sources the way ruff formats them
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

types: $(VENV)/.dev  ## mypy, strict
	@$(PY) -m mypy --package fastinfluence

docs: $(VENV)/.dev  ## HTML pages in docs/_build/html; a warning is an error
	@$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Docs: docs/_build/html/index.html"

# BLAS threads spin while they wait, so timings on a busy machine mean little unless pinned.
bench bench-quick: export OPENBLAS_NUM_THREADS := $(BLAS_THREADS)
bench bench-quick: export MKL_NUM_THREADS := $(BLAS_THREADS)

bench-quick: export FASTINFLUENCE_BENCH_QUICK := 1
bench-quick: $(VENV)/.dev  ## each benchmark once, on small tables, in .venv; fails if one fails
	@$(PY) -m asv machine --yes >/dev/null
	@$(PY) -m asv run --quick --python=same --show-stderr $(BENCH_ARGS)

bench: $(VENV)/.dev  ## time the last commit, or those of BENCH_ARGS="A..B", in environments of their own
	@$(PY) -m asv machine --yes >/dev/null
	@$(PY) -m asv run --show-stderr $(if $(BENCH_ARGS),$(BENCH_ARGS),HEAD^!)

bench-compare: $(VENV)/.dev  ## is the working tree slower than BASE=<commit>? fails if so
	@$(PY) -m benchmarks.gate $(BASE) $(BENCH_ARGS)

budgets: $(VENV)/.dev  ## measure the table of docs/performance.md, on all processors
	@$(PY) benchmarks/budgets.py

$(PEERS_VENV)/.made: $(VENV)/.made pyproject.toml $(CONSTRAINTS)
	@echo "Installing the peers in $(PEERS_VENV)"
	@$(PY) -m venv $(PEERS_VENV)
	@$(PEERS_PIP) --editable ".[peers]"
	@$(PEERS_PIP) --no-deps pyDVL
	@touch $@

bench-peers: $(PEERS_VENV)/.made  ## measure beside other libraries, write docs/peers.md (PEERS_ARGS=--quick)
	@$(PEERS_VENV)/bin/python -m benchmarks.peers $(PEERS_ARGS)

gpu: export OPENBLAS_NUM_THREADS := $(BLAS_THREADS)
gpu: $(VENV)/.test  ## on a machine with an NVIDIA GPU: its tests, errors and times, into docs/gpu.md
	@$(PY) benchmarks/gpu.py $(GPU_ARGS)

# The data are found through the variable FASTINFLUENCE_DATA; what is missing is named.
paper paper-quick paper-full: export OPENBLAS_NUM_THREADS := $(BLAS_THREADS)
paper paper-quick paper-full: export MKL_NUM_THREADS := $(BLAS_THREADS)

paper: $(VENV)/.dev $(VENV)/.torch  ## the paper's experiments at full size, figures, docs/paper.md (PAPER_ARGS=fig1_components)
	@$(PY) -m benchmarks.paper $(PAPER_ARGS)
	@$(PY) -m benchmarks.paper.page

paper-quick: $(VENV)/.dev $(VENV)/.torch  ## the same experiments at small sizes, in build/paper-quick
	@$(PY) -m benchmarks.paper --quick $(PAPER_ARGS)

paper-full: export FASTINFLUENCE_PAPER_KEEP ?= build/paper-full
paper-full: $(VENV)/.dev $(VENV)/.torch  ## the convolutional network's whole schedule: days; an interrupted run goes on
	@mkdir -p "$(FASTINFLUENCE_PAPER_KEEP)"
	@$(PY) -m benchmarks.paper.fig2_cnn_full

paper-page: $(VENV)/.dev  ## write docs/paper.md again from the results
	@$(PY) -m benchmarks.paper.page

generate: $(VENV)/.dev  ## derive the shipped programs again from the table of losses
	@$(PY) -m fastinfluence.spec.derive

api: $(VENV)/.test  ## write the list of public names again, after a change that is meant
	@PYTHONPATH=.:tests $(PY) tests/embedding/surface.py

clean:  ## remove what was built, keep .venv
	@rm -rf build dist docs/_build docs/api docs/gallery_built demo-output .asv .mypy_cache .pytest_cache .ruff_cache htmlcov .coverage
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-venv:  ## remove .venv and .venv-peers
	@rm -rf $(VENV) $(PEERS_VENV)
