# SLAE Lab. `make` alone lists the commands; each of them makes its environment first.
# Works with GNU make 3.81 and newer and any POSIX shell (on Windows: in Git Bash).

# Where the environment lives; a folder outside the checkout can serve several checkouts.
VENV ?= .venv
override VENV := $(subst ~/,$(HOME)/,$(VENV))

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := $(VENV)/Scripts
else
PYTHON ?= python3
BIN := $(VENV)/bin
endif

# The package itself accepts older versions. Here the newer pair is asked for, in the same pip
# call as everything else: left alone, pip may settle on an old torch that lies in a local wheel
# folder and has no torchvision to match. macOS 13 needs TORCH="torch torchvision".
TORCH ?= torch>=2.14 torchvision>=0.29
torch_requirements := $(foreach requirement,$(TORCH),"$(requirement)")

pip_install := "$(BIN)/python" -m pip install --disable-pip-version-check -qq

nbval := "$(BIN)/python" -m pytest --color=no --nbval --nbval-current-env \
  --nbval-sanitize-with=tests/notebook_sanitise.cfg --nbval-cell-timeout=600 notebooks

# Prints a key that changes when the environment has to be made anew.
define KEY
import sys
if sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed, and %s is %d.%d; name another one, for example: "
             "make demo PYTHON=python3.12" % ((sys.executable,) + sys.version_info[:2]))
import hashlib, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
wanted = project["dependencies"], project["optional-dependencies"], sys.argv[1:]
key = hashlib.sha256(repr((sys.version_info[:2], wanted)).encode()).hexdigest()
print("requirements", key[:16])
endef
export KEY

export NO_COLOR := 1
unexport FORCE_COLOR

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test long fuzz lab notebooks chinese page student book lint install clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: install ## train a small generator on the CPU (minutes); pictures in runs/demo
	"$(BIN)/slae" train --preset cpu-demo --out runs/demo --overwrite

# A process for each core, four at most, with one thread each. `worksteal` hands out neighbouring
# tests together, so that what a file of tests prepares is prepared once, or twice.
test: lint ## check the code and run all tests, the notebooks included
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest --color=no -n auto --maxprocesses=4 \
	  --dist=worksteal tests
	$(nbval)

# The second line computes as an old processor does, which rounds in other places: what a lesson
# prints may not depend on that.
long: install ## the tests that take minutes: lessons with each single exercise unsolved
	"$(BIN)/python" -m pytest --color=no -m long tests
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 $(nbval)

fuzz: install ## damage files, type nonsense and kill trainings, for half an hour (ARGS="--inputs 500")
	"$(BIN)/python" tests/robustness/fuzz.py $(ARGS)

lab: install ## open JupyterLab on the notebooks
	"$(BIN)/python" -m jupyterlab --notebook-dir=notebooks

notebooks: install ## run the notebooks anew and store what comes out (NB=NAME: only that one)
	"$(BIN)/python" notebooks/execute.py $(NB)

chinese: install ## the notebooks in Chinese, run, in build/zh (NB=NAME: run only that one)
	"$(BIN)/python" notebooks/translations.py --build build/zh $(NB)

page: install ## build the stage as a static page in build/page (needs npm)
	"$(BIN)/python" -m slae_lib.explorer.page build/page

student: install ## the students' edition in build/student (SOLUTIONS=no: none on demand, either)
	rm -rf build/student
	SOLUTIONS="$(SOLUTIONS)" "$(BIN)/slae" notebooks --student build/student/release/slae-lab

book: install page ## the course, the package and the results as a static site in build/book (needs npm)
	"$(BIN)/python" notebooks/book/build.py

lint: install ## check style, format and types
	"$(BIN)/python" -m ruff check .
	"$(BIN)/python" -m ruff format --check .
	"$(BIN)/python" -m mypy --no-color-output slae_lib

# $(VENV)/.slae-lab holds the key once the environment is finished, and anything else while it is
# not. An environment without that file was made by hand: what is missing is added to it.
# $(VENV)/.slae-lab-checkout says which checkout the environment points to.
install: ## make the environment, or bring it up to date
	@key=$$($(PYTHON) -c "$$KEY" $(torch_requirements)) || exit 1; \
	here="$$PWD $$(cksum < pyproject.toml)"; \
	mark="$(VENV)/.slae-lab"; \
	if [ "$$(cat "$$mark" 2>/dev/null)" != "$$key" ]; then \
	  if [ ! -e "$$mark" ] && [ -e "$(VENV)/pyvenv.cfg" ]; then \
	    echo "Adding what is missing to the environment $(VENV)."; \
	  elif [ ! -e "$$mark" ] && [ -n "$$(ls -A "$(VENV)" 2>/dev/null)" ]; then \
	    echo "VENV=$(VENV) is no Python environment; name an empty or a new folder." >&2; exit 1; \
	  else \
	    echo "Making the environment in $(VENV): some minutes, and about 6 GB on Linux; only once."; \
	    rm -rf "$(VENV)" && mkdir -p "$(VENV)" && echo unfinished > "$$mark" && \
	    $(PYTHON) -m venv "$(VENV)" || exit 1; \
	  fi; \
	  $(pip_install) $(torch_requirements) -e ".[dev]" || exit 1; \
	  echo "$$key" > "$$mark"; \
	  echo "$$here" > "$$mark-checkout"; \
	elif [ "$$(cat "$$mark-checkout" 2>/dev/null)" != "$$here" ]; then \
	  echo "Pointing the environment in $(VENV) to this checkout."; \
	  $(pip_install) --no-deps --no-build-isolation -e . || exit 1; \
	  echo "$$here" > "$$mark-checkout"; \
	fi

clean: ## remove caches and build leftovers; the environment is checked anew, runs/ stays
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache notebooks/.ipynb_checkpoints
	find slae_lib tests -type d -name __pycache__ -prune -exec rm -rf {} +
	rm -f "$(VENV)/.slae-lab" "$(VENV)/.slae-lab-checkout"
