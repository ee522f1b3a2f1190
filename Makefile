# Every target sets up .venv/ itself when it is missing or older than the pins.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BENCH := .bench-venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check

# Tests of what computes: Keras fixes its backend at import, so each backend has a process of its own.
ON_BOTH := $(addprefix tests/,agents backend bench envs gym runs/test_cohorts.py test_common_step.py test_devices.py \
  test_honesty.py test_lanes.py test_learning.py test_resume.py test_rollout.py test_together.py test_training.py)

# One part at a time: two at once would measure each other. BENCH_FLAGS="--quick" tries them all, for minutes.
BENCH_PARTS := bench-speed bench-learning bench-roofline bench-hotspots bench-growth bench-memory bench-seeds bench-backtest \
  bench-startup

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-bench check style types layers bench $(BENCH_PARTS) bench-gpu bench-page format lock clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.stamp: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Setting up $(VENV)/ (a few minutes, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements.txt
	$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH)/.stamp: benchmarks/requirements.txt
	@echo "Setting up $(BENCH)/ (a few minutes, once)"
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install $(PIP_FLAGS) -r benchmarks/requirements.txt
	@touch $@

quickstart: $(VENV)/.stamp  ## train, evaluate and backtest a small agent on real NASDAQ bars
	$(BIN)/trader train --config configs/quickstart.yaml
	$(BIN)/trader evaluate quickstart
	$(BIN)/trader backtest quickstart

test: $(VENV)/.stamp  ## run the tests on both cores: all on TensorFlow, then what computes on JAX
	failed=0; $(BIN)/python -m pytest -n $(WORKERS) || failed=1; \
	  KERAS_BACKEND=jax $(BIN)/python -m pytest -n $(WORKERS) $(ON_BOTH) || failed=1; exit $$failed

test-bench: $(BENCH)/.stamp  ## agents of other libraries on trader/Market-v0, beside Stable-Baselines3
	KERAS_BACKEND=jax PYTHONPATH=. $(BENCH)/bin/python -m pytest benchmarks/tests

style: $(VENV)/.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.stamp
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.stamp
	$(BIN)/python -m pytest tests/test_layers.py

check: style types layers test  ## format, lint, types, layers, tests

bench:  ## speed, growth and memory beside other libraries, about 90 minutes; writes docs/benchmarks.md
	for part in $(BENCH_PARTS) bench-page; do $(MAKE) --no-print-directory $$part || exit; done

bench-speed: $(VENV)/.stamp $(BENCH)/.stamp  ## beside Stable-Baselines3, SBX, CleanRL-like agents (40 minutes)
	$(BIN)/python benchmarks/speed.py --peer-python $(BENCH)/bin/python $(BENCH_FLAGS)

bench-learning bench-roofline bench-hotspots bench-growth bench-memory bench-seeds: bench-%: $(VENV)/.stamp
	$(BIN)/python benchmarks/$*.py $(BENCH_FLAGS)

bench-backtest bench-startup: bench-%: $(VENV)/.stamp
	$(BIN)/python benchmarks/phases.py $* $(BENCH_FLAGS)

bench-gpu: $(VENV)/.stamp  ## on a GPU alone: keras, jax with CUDA and numpy
	$(BIN)/python benchmarks/gpu.py $(BENCH_FLAGS)

bench-page: $(VENV)/.stamp  ## docs/benchmarks.md from benchmarks/results/
	$(BIN)/python benchmarks/report.py

format: $(VENV)/.stamp  ## rewrite the sources in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## renew the pins (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-emit-index-url \
	  --quiet --upgrade --custom-compile-command "make lock" -o requirements.txt
	uv pip compile benchmarks/requirements.in --universal --python-version 3.11 --no-emit-index-url \
	  --quiet --upgrade --custom-compile-command "make lock" -o benchmarks/requirements.txt $(CUDA_FREE)

# The peers run on the CPU, so the CUDA libraries that torch names for Linux are not pinned.
CUDA_FREE := $(foreach name,triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver \
  nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx,\
  --no-emit-package $(name))

clean:  ## remove environments, builds and caches; finished runs stay
	rm -rf $(VENV) $(BENCH) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage
	find trader tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
