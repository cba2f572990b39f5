# The front door. Nothing but Python (3.10 or newer) and make is needed; each target sets up what it uses.
#
#   make demo                        super-resolve a real scan and a phantom DICOM series
#   make demo INPUT=path [OUT=path]  the same for your own scan
#   make test                        everything that must hold

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= demo_output
JOBS   ?= 2
# of make train-release
DATA    ?= ../shared/data/train
RELEASE ?= runs/release

# torch is named in the same pip command as the package: if pip may choose, a later dependency can replace it by the
# newest build. On Linux the package index has the CUDA build (some GB). For the small CPU build:
#   make demo TORCH='torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu'
TORCH  ?= torch==2.13.0

PY   := $(VENV)/bin/python
PIP  := $(PY) -m pip --disable-pip-version-check install --quiet
RUN  := $(VENV)/.run-installed
DEV  := $(VENV)/.dev-installed

# slicer-core, 3D Slicer's reader without its windows, has wheels for Python 3.11 on Linux only, and pins its own VTK.
SLICER        ?= .venv-slicer
SLICER_PYTHON ?= $(firstword $(shell command -v python3.11 2>/dev/null) $(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help demo test test-slicer check format train-release docs wheel clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "make %-13s %s\n", $$1, $$2}'
	@echo
	@echo "Variables: PYTHON=$(PYTHON) VENV=$(VENV) OUT=$(OUT) TORCH='$(TORCH)'"

demo: $(RUN)  ## a real brain scan and a phantom DICOM series; INPUT=path takes your own scan
ifdef INPUT
	$(PY) -m monai_sr upscale "$(INPUT)" -o "$(OUT)"
	@echo "Results, preview.png and run.json of each case: $(OUT)/<case>/"
else
	$(PY) -m monai_sr.demo --out "$(OUT)"
endif

test: $(DEV) lint  ## lint, types, layers and all tests, in JOBS processes
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadfile

test-slicer: $(DEV) $(SLICER)/.installed  ## results as 3D Slicer's own reader finds them (1 GB more; Linux, Python 3.11)
	MONAI_SR_SLICER_PYTHON="$(abspath $(SLICER))/bin/python" $(PY) -m pytest -m slicer tests/outside

check: $(DEV) lint  ## lint, types, layers and the fast tests
	$(PY) -m pytest -q -x -m "not slow and not packaging" tests/unit monai_sr

.PHONY: lint
lint: $(DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(DEV)  ## put all files into the project's layout
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Every call continues what an earlier one left, and ends at once where it was finished.
train-release: $(RUN)  ## train the shipped weights again, into RELEASE, from the volumes in DATA; can be stopped and called again
	@set -e; train="$(PY) -m monai_sr train --data $(DATA) --run release"; \
	$$train --model fast -o $(RELEASE)/fast; \
	$$train --model fast --steps 20000 --init $(RELEASE)/fast/model.pt -o $(RELEASE)/fast_2; \
	$$train --model fast --steps 18000 --init $(RELEASE)/fast_2/model.pt -o $(RELEASE)/fast_3; \
	$$train --model fast --config configs/run/release_gan.yaml --init $(RELEASE)/fast_3/model.pt -o $(RELEASE)/fast_gan; \
	$$train --model best --steps 12000 -o $(RELEASE)/best; \
	$$train --model best --steps 6000 --init $(RELEASE)/best/model.pt -o $(RELEASE)/best_2; \
	$$train --model best --steps 10000 --init $(RELEASE)/best_2/model.pt -o $(RELEASE)/best_3; \
	mr="$$train --model best --config configs/run/release_mr.yaml"; \
	$$mr --steps 5000 --init $(RELEASE)/best/model.pt -o $(RELEASE)/best_mr; \
	$$mr --steps 11500 --init $(RELEASE)/best_mr/model.pt -o $(RELEASE)/best_mr_2; \
	$$mr --steps 14000 --init $(RELEASE)/best_mr_2/model.pt -o $(RELEASE)/best_mr_3; \
	$$mr --steps 14000 --init $(RELEASE)/best_mr_3/model.pt -o $(RELEASE)/best_mr_4

docs: $(DEV)  ## the pages of docs/ as a site in build/docs
	$(PIP) -e '.[docs]'
	$(VENV)/bin/mkdocs build --quiet

wheel: $(DEV)  ## the wheel, with weights, bundle and presets inside
	$(PY) -m build --wheel --no-isolation

clean:  ## remove the environment and everything that was made
	rm -rf "$(VENV)" "$(SLICER)" demo_output build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# The stamps depend on pyproject.toml, so an environment is built once and again when the requirements change.
# The installation is editable, so changed code needs no new one.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed, and $(PYTHON) is older; name another: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv "$(VENV)"

$(RUN): pyproject.toml | $(PY)
	@echo "Installing into $(VENV); the first time takes some minutes."
	$(PIP) '$(firstword $(TORCH))' $(wordlist 2,9,$(TORCH)) -e .
	@touch $@

$(DEV): pyproject.toml | $(PY)
	@echo "Installing into $(VENV) with the tools for tests; the first time takes some minutes."
	$(PIP) '$(firstword $(TORCH))' $(wordlist 2,9,$(TORCH)) -e '.[dev,archive,openvino]'
	@touch $@ $(RUN)

# Only one file of trame-slicer is used, and nothing that it requires.
$(SLICER)/.installed: tests/outside/slicer_requirements.txt
	@$(SLICER_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) or sys.platform != "linux")' || \
	  { echo "slicer-core has wheels for Python 3.11 on Linux only; name one: make test-slicer SLICER_PYTHON=python3.11"; exit 1; }
	@echo "Installing 3D Slicer's reader into $(SLICER); about 1 GB, the first time takes some minutes."
	$(SLICER_PYTHON) -m venv "$(SLICER)"
	$(SLICER)/bin/python -m pip --disable-pip-version-check install --quiet -r tests/outside/slicer_requirements.txt
	$(SLICER)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps trame-slicer==2.0.0
	@touch $@
