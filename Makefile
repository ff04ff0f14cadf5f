# make run    the experiment of CONFIG, to its last figure and the report
#             CONFIG=my.yaml  PROFILE=profiles/slurm  TARGET=a file or rule  ARGS=flags for snakemake
# make plan   what that would take, job by job: time, memory and disk; nothing is written
#             CONFIG=  PROFILE=  TARGET=  ARGS=  as of make run; LIKE=results of a run like it
# make sites  NETWORK=name  where a network of CONFIG can be read, and what can be done there
# make test   the checks that take minutes; make test-all: those that take longer
# make test-slurm   the same workflow on a throw-away SLURM cluster (Debian 12, as root)
# make test-gpu     the files of every rule from a GPU, beside those of the CPU
# make bench  every step timed beside a plain one, into docs/performance.md; IMAGES=cifar10-jpeg.tar.gz
#             DEVICE=cpu  on a machine that has a GPU
# make pairs  BEFORE=COMMIT  every step at a commit and at HEAD, in nine pairs; IMAGES=  SAMPLES=  PAIRS=
#             STEP="whole tutorial"  this one alone
# make mutants   how many small changes of the core the tests notice, of 400 at random; hours
#             MODULES="alignment null"  all of these, or SAMPLE= of them; SEED=  WORKERS=
# make pages     the pages and pictures of docs/ that are made from the code: config.md and rooms.svg
# make golden    store the numbers of the tiny experiment anew, where they should have changed
# All make the environment in .venv first, from pinned versions.

PYTHON ?= python3
CONFIG ?= config.yaml
PROFILE ?= profiles/default
TARGET ?=
NETWORK ?=
LIKE ?=
ARGS ?=
IMAGES ?=
DEVICE ?=
BEFORE ?=
PAIRS ?= 9
STEP ?=
SAMPLES ?= 4000
MODULES ?=
SAMPLE ?=
SEED ?= 0
WORKERS ?= 2

# What was given reaches the programs as it was given, whatever signs it holds.
override CONFIG := $(value CONFIG)
override PROFILE := $(value PROFILE)
override TARGET := $(value TARGET)
override NETWORK := $(value NETWORK)
override ARGS := $(value ARGS)
override LIKE := $(value LIKE)
export CONFIG PROFILE TARGET ARGS NETWORK LIKE
# What others have set for their Python does not count here, nor where their pip installs.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONWARNINGS
export PIP_USER := 0
export PIP_TARGET :=
export PIP_PREFIX :=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt

.PHONY: run plan sites test test-all test-slurm test-gpu lint mutants golden bench pairs pages readme constraints clean
.NOTPARALLEL:

run: .venv/run
	@$(BIN)/python envs/check.py
	@$(BIN)/python -m latentdims.workflow.run

plan: .venv/run
	@$(BIN)/python -m latentdims.workflow.plan

sites: .venv/run
	@$(BIN)/python -m latentdims.workflow.sites

test: .venv/test lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest

test-all: .venv/test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

test-slurm: .venv/test
	@trap 'tests/slurm/cluster.sh stop' EXIT; trap 'exit 130' INT TERM; \
	tests/slurm/cluster.sh start && $(BIN)/python -m pytest -n 0 -m slurm tests/slurm

test-gpu: .venv/test
	$(BIN)/python -m pytest -n 0 -m gpu

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

.venv/run: envs/requirements.txt envs/constraints.txt
	@$(PYTHON) envs/check.py
	$(PYTHON) -m venv .venv
	$(INSTALL) --requirement envs/requirements.txt
	touch $@

.venv/test: .venv/run envs/requirements-dev.txt
	$(INSTALL) --requirement envs/requirements-dev.txt
	touch $@

mutants: .venv/test .venv-mutants/made
	.venv-mutants/bin/python benchmarks/mutants.py .mutants --seed $(SEED) --workers $(WORKERS) \
	  $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(MODULES),--modules $(MODULES))

golden: .venv/test
	$(BIN)/python -m pytest -n 0 tests/test_golden.py --renew

.venv-mutants/made: envs/requirements-mutants.txt
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet --requirement envs/requirements-mutants.txt
	touch $@

# An hour, of a machine that does nothing else; what was measured stays in .bench, and is not measured
# again. A step by its name alone: benchmarks/bench.py --only.
bench: .venv/run
	PYTHONPATH=.:tests $(BIN)/python benchmarks/bench.py .bench $(if $(IMAGES),--images $(IMAGES)) \
	  $(if $(DEVICE),--device $(DEVICE))
	if test -e .bench/performance-cpu.json; then \
	  PYTHONPATH=.:tests $(BIN)/python benchmarks/kernels.py .bench $(if $(IMAGES),--images $(IMAGES)) && \
	  PYTHONPATH=.:tests $(BIN)/python benchmarks/growth.py .bench; fi
	PYTHONPATH=.:tests $(BIN)/python benchmarks/performance.py .bench

# Half an hour, of a machine that does nothing else. The same command resumes an interrupted run.
pairs: .venv/run
	$(BIN)/python benchmarks/pairs.py .bench $(if $(BEFORE),--before $(BEFORE)) --pairs $(PAIRS) \
	  --samples $(SAMPLES) $(if $(IMAGES),--images $(IMAGES)) $(if $(STEP),--step "$(STEP)")

# What docs/ has from the code: every key of the configuration, and which folder imports which.
pages: .venv/run
	$(BIN)/python docs/config.py
	$(BIN)/python docs/rooms.py

# Tables and pictures of README.md and docs/results.md, from the results of tutorial and study.
readme: pages
	$(BIN)/python docs/update.py

# After a change of a requirement: resolve anew, and pin what it brings in.
constraints:
	$(PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet --requirement envs/requirements-dev.txt
	{ echo '# Everything that requirements-dev.txt brings in; written by: make constraints'; \
	  .venv-constraints/bin/python -m pip freeze | grep -v -e '^torch' -e '^nvidia' -e '^triton'; } > envs/constraints.txt
	rm -r .venv-constraints

# Results stay, and what Snakemake knows of them.
clean:
	rm -rf .venv
