# make run    run the experiment in CONFIG, from images to figures and the report
#             CONFIG=my.yaml  PROFILE=profiles/slurm  TARGET=a file or rule  ARGS=flags for snakemake
# make plan   print the time, memory and disk that each job would take; nothing is written
#             CONFIG=  PROFILE=  TARGET=  ARGS=  as for make run; LIKE=results of a similar run
# make sites  NETWORK=name  list where a network in CONFIG can be read, and what can be done there
# make archive   put a finished run into one tar, for a journal: <results>.tar; CONFIG=  ARGS=  as for make run
#             TO=  another file; WITH=images  adds prepared images; REPLACE=yes  replaces an older archive
# make test   run the tests that take minutes; make test-all: the slow ones
# make test-slurm   test the workflow on a throw-away SLURM cluster (Debian 12, as root)
# make test-gpu     compare the files of every rule from a GPU with those from the CPU
# make bench  time every step beside a plain one, for docs/performance.md; IMAGES=cifar10-jpeg.tar.gz
#             DEVICE=cpu  ignores the GPU of the machine
# make pairs  BEFORE=COMMIT  time every step at a commit and at HEAD, in nine pairs; IMAGES=  SAMPLES=  PAIRS=
#             STEP="whole tutorial"  only this step
# make mutants   count how many of 400 random small changes of the core the tests notice; takes hours
#             MODULES="alignment null"  all changes of these, or SAMPLE= of them; SEED=  WORKERS=
# make pages     write the parts of docs/ that come from the code: config.md and rooms.svg
# make readme    write results into README.md, docs/gallery.md and docs/results.md
# make workflow  draw the rules, docs/workflow.svg
# make golden    store the numbers of the tiny experiment again, after an intended change
# All targets first install pinned versions into .venv.

PYTHON ?= python3
CONFIG ?= config.yaml
PROFILE ?= profiles/default
TARGET ?=
NETWORK ?=
LIKE ?=
TO ?=
WITH ?=
REPLACE ?=
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

# Variables reach the programs unchanged, whatever characters they contain.
override CONFIG := $(value CONFIG)
override PROFILE := $(value PROFILE)
override TARGET := $(value TARGET)
override NETWORK := $(value NETWORK)
override ARGS := $(value ARGS)
override LIKE := $(value LIKE)
override TO := $(value TO)
export CONFIG PROFILE TARGET ARGS NETWORK LIKE TO WITH REPLACE
# The user's settings for Python and pip have no effect here.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONWARNINGS
export PIP_USER := 0
export PIP_TARGET :=
export PIP_PREFIX :=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt

.PHONY: run plan archive sites test test-all test-slurm test-gpu lint mutants golden bench pairs pages readme \
  workflow constraints clean
.NOTPARALLEL:

run: .venv/run
	@$(BIN)/python envs/check.py
	@$(BIN)/python -m latentdims.workflow.run

plan: .venv/run
	@$(BIN)/python -m latentdims.workflow.plan

archive: .venv/run
	@$(BIN)/python -m latentdims.workflow.archive

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
	.venv-mutants/bin/python -m benchmarks.mutants .mutants --seed $(SEED) --workers $(WORKERS) \
	  $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(MODULES),--modules $(MODULES))

golden: .venv/test
	$(BIN)/python -m pytest -n 0 tests/test_golden.py --renew

.venv-mutants/made: envs/requirements-mutants.txt
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet --requirement envs/requirements-mutants.txt
	touch $@

# Takes an hour and a half on an idle machine. Measured times stay in .bench and are not measured again.
# For a single step: python -m benchmarks.bench --only.
bench: .venv/run
	$(BIN)/python -m benchmarks.bench .bench $(if $(IMAGES),--images $(IMAGES)) \
	  $(if $(DEVICE),--device $(DEVICE))
	if test -e .bench/performance-cpu.json; then \
	  $(BIN)/python -m benchmarks.kernels .bench $(if $(IMAGES),--images $(IMAGES)) && \
	  $(BIN)/python -m benchmarks.growth .bench; fi
	$(BIN)/python -m benchmarks.performance .bench

# Takes half an hour on an idle machine. Interrupted runs resume with the same command.
pairs: .venv/run
	$(BIN)/python -m benchmarks.pairs .bench $(if $(BEFORE),--before $(BEFORE)) --pairs $(PAIRS) \
	  --samples $(SAMPLES) $(if $(IMAGES),--images $(IMAGES)) $(if $(STEP),--step "$(STEP)")

# Every key of the configuration, and the picture of imports between folders.
pages: .venv/run
	$(BIN)/python docs/config.py
	$(BIN)/python docs/rooms.py

# Tables and pictures in README.md, docs/gallery.md and docs/results.md, from the results of tutorial and
# study.
readme: pages
	$(BIN)/python docs/update.py

# The picture of the rules of the default experiment.
workflow: .venv/run
	$(BIN)/snakemake --filegraph | $(BIN)/python docs/workflow.py docs/workflow.svg

# Run after a change of a requirement: pins all packages that it needs.
constraints:
	$(PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet --requirement envs/requirements-dev.txt
	{ echo '# Everything that requirements-dev.txt brings in; written by: make constraints'; \
	  .venv-constraints/bin/python -m pip freeze | grep -v -e '^torch' -e '^nvidia' -e '^triton'; } > envs/constraints.txt
	rm -r .venv-constraints
	$(PYTHON) envs/conda.py > envs/latentdims.yaml

# Keeps results and Snakemake's records of them.
clean:
	rm -rf .venv
