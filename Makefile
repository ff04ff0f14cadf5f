# make run    the experiment of CONFIG, to its last figure and the report
# make test   every check
# make bench  every step timed beside a plain one, into the README; IMAGES=cifar10-jpeg.tar.gz
# make test-slurm   the same workflow on a throw-away SLURM cluster (Debian 12, as root)
# All make the environment in .venv first, from pinned versions.

PYTHON ?= python3
CONFIG ?= config.yaml
PROFILE ?= profiles/default
ARGS ?=
IMAGES ?=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt
GPUS := $(shell nvidia-smi --list-gpus 2>/dev/null | grep -c GPU)

SNAKEMAKE = $(BIN)/snakemake --configfile $(CONFIG) --workflow-profile $(PROFILE)
ifeq ($(PROFILE),profiles/default)
SNAKEMAKE += --resources gpu=$(GPUS)
endif

# A complete run leaves a summary; the report is made where anything in it is newer.
REPORT := results/report.html
STALE = [ -e results/summary.csv ] && { [ ! -e $(REPORT) ] || \
	find results/summary.csv results/figures -newer $(REPORT) | grep -q .; }

.PHONY: run test test-slurm lint bench readme constraints clean
.NOTPARALLEL:

run: .venv/run
	$(SNAKEMAKE) --quiet progress $(ARGS)
	@if $(STALE); then $(SNAKEMAKE) --report $(REPORT) $(ARGS) && echo "Report: $(REPORT)"; fi

test: .venv/test lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest

test-slurm: .venv/test
	tests/slurm/cluster.sh start
	$(BIN)/python -m pytest -n 0 -m slurm tests/slurm; status=$$?; tests/slurm/cluster.sh stop; exit $$status

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

.venv/run: envs/requirements.txt envs/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(INSTALL) --requirement envs/requirements.txt
	touch $@

.venv/test: .venv/run envs/requirements-dev.txt
	$(INSTALL) --requirement envs/requirements-dev.txt
	touch $@

# An hour, of a machine that does nothing else; what was measured stays in .bench, and is not measured
# again. A step by its name alone: benchmarks/bench.py --only.
bench: .venv/run
	PYTHONPATH=.:tests $(BIN)/python benchmarks/bench.py .bench $(if $(IMAGES),--images $(IMAGES))
	PYTHONPATH=.:tests $(BIN)/python benchmarks/kernels.py .bench $(if $(IMAGES),--images $(IMAGES))
	PYTHONPATH=.:tests $(BIN)/python benchmarks/growth.py .bench
	PYTHONPATH=.:tests $(BIN)/python benchmarks/readme.py .bench

# The table and the picture of the README, from the results of the tutorial.
readme: .venv/run
	$(BIN)/python docs/update.py

# After a change of a requirement: resolve anew, and pin what it brings in.
constraints:
	$(PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet --requirement envs/requirements-dev.txt
	{ echo '# Everything that requirements-dev.txt brings in; written by: make constraints'; \
	  .venv-constraints/bin/python -m pip freeze | grep -v -e '^torch' -e '^nvidia' -e '^triton'; } > envs/constraints.txt
	rm -r .venv-constraints

clean:
	rm -rf .venv
