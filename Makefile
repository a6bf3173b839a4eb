# Every target for readers only calls `python -m dffkit ...` in the project's own environment, so that every system has the same
# commands; README.md gives them for systems without make. Needs Python >= 3.11 and, the first time, a package registry.

# The Python that makes the environment:  make setup PYTHON=python3.13
PYTHON ?= python3
# More arguments for a command:  make test ARGS="-k warp"
ARGS ?=
# Where torch and torchvision come from, both without GPU packages; the next set-up remembers it:
#     make setup INDEX=https://download.pytorch.org/whl/cpu
-include .venv/.dffkit-index
INDEX ?=
# A folder that `make wheels` has filled, to install from without a network:  make setup WHEELS=folder
WHEELS ?=

DFFKIT := .venv/bin/python -m dffkit
INSTALLED := .venv/.dffkit-installed
LOCK := $(if $(INDEX),requirements-cpu.lock,requirements.lock)
FROM_FOLDER := $(if $(WHEELS),--no-index --find-links "$(WHEELS)")
# Only these two: the index also has other packages, in versions that the lock may not name.
FROM_INDEX := $(if $(INDEX),--no-deps --index-url "$(INDEX)" $(shell grep -E '^torch(vision)?==' $(LOCK)))

.DEFAULT_GOAL := help
.PHONY: help setup test reproduce book lab handout benchmark figures notebooks experiments faults wheels lowest newest clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1: /p' Makefile

setup: $(INSTALLED) ## make the environment in .venv (the other targets do it when needed)

test: $(INSTALLED) ## lint, all tests, all notebooks against their stored outputs
	$(DFFKIT) test $(ARGS)

reproduce: $(INSTALLED) ## run every notebook, redraw every figure, print the paper's numbers beside ours
	$(DFFKIT) reproduce $(ARGS)

book: $(INSTALLED) ## build the notebooks and documents as a site, to be read without network and kernel
	$(DFFKIT) book $(ARGS)

lab: $(INSTALLED) ## work through a copy of the notebooks in JupyterLab
	$(DFFKIT) lab $(ARGS)

handout: $(INSTALLED) ## for teachers: write the notebooks without solutions and outputs into build/handout
	$(DFFKIT) handout $(ARGS)

benchmark: $(INSTALLED) ## measure how fast this machine is, beside what Eq. 7 says
	$(DFFKIT) benchmark $(ARGS)

figures: $(INSTALLED) ## redraw every figure and write the tables and model cards of data/
	$(DFFKIT) figures $(ARGS)

notebooks: $(INSTALLED) ## for authors: run the notebooks again and store their outputs
	$(DFFKIT) notebooks $(ARGS)

experiments: $(INSTALLED) ## train and score every row of every table that is not trained yet: a day on two cores
	$(DFFKIT) experiments $(ARGS)

faults: $(INSTALLED) ## for authors: plant small faults in the code, and see that a test catches each: 15 minutes
	.venv/bin/python tests/border/planted_faults.py $(ARGS)

wheels: ## fill a folder with all packages for this system and Python:  make wheels WHEELS=folder
	@test -n "$(WHEELS)" || { echo "Name the folder: make wheels WHEELS=folder" >&2; exit 1; }
	"$(PYTHON)" -m venv build/pip
	$(if $(INDEX),build/pip/bin/python -m pip wheel --wheel-dir "$(WHEELS)" $(FROM_INDEX))
	build/pip/bin/python -m pip wheel --wheel-dir "$(WHEELS)" --find-links "$(WHEELS)" --no-deps -r $(LOCK)

# The ends of the ranges in pyproject.toml, each in an environment of 6 GB:  make lowest newest PYTHON=python3.13
lowest: ## make test with the lowest versions that pyproject.toml admits (needs uv)
newest: ## make test with the newest versions that pyproject.toml admits (needs uv)
lowest: RESOLUTION := lowest-direct
newest: RESOLUTION := highest
lowest newest:
	@command -v uv >/dev/null || { echo "make $@ needs uv, which resolves versions. Try: pip install uv" >&2; exit 1; }
	@mkdir -p build/ends
	uv pip compile pyproject.toml --all-extras --python "$(PYTHON)" --resolution $(RESOLUTION) --upgrade --quiet \
	    --no-header --no-annotate --output-file build/ends/$@.txt
	uv venv --quiet --clear --python "$(PYTHON)" build/ends/$@
	uv pip sync --quiet --python build/ends/$@ build/ends/$@.txt
	uv pip install --quiet --python build/ends/$@ --no-deps --no-build-isolation -e .
	build/ends/$@/bin/python -m dffkit test $(ARGS)

# build/runs and build/results hold days of training, and trainings may be reading build/toytown: all three stay.
clean: ## remove what is quickly made again; trainings, their frames and .venv stay
	rm -rf build/book build/handout build/notebooks build/rehearsal build/checkpoints build/virtual_documents build/benchmark.csv
	rm -rf build/lib build/bdist.* build/ends build/pip
	rm -rf .pytest_cache .ruff_cache .hypothesis dffkit.egg-info
	find dffkit tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The stamp is made last, so a set-up that was killed is done again. Each step is harmless when repeated and needs no
# network once its packages are there.
$(INSTALLED): $(LOCK) pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || \
	    { echo "dffkit needs Python 3.11 or newer; '$(PYTHON)' was not found. Try: make setup PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dffkit needs Python 3.11 or newer, this is " \
	    + sys.version.split()[0] + ". Try: make setup PYTHON=python3.11")'
	"$(PYTHON)" -m venv .venv
	$(if $(INDEX),$(if $(WHEELS),,.venv/bin/python -m pip install --disable-pip-version-check $(FROM_INDEX)))
	.venv/bin/python -m pip install --disable-pip-version-check $(FROM_FOLDER) -r $(LOCK)
	.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "INDEX ?= $(INDEX)" > .venv/.dffkit-index
	@touch $(INSTALLED)
