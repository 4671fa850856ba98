# make study [STUDY=demo] [JOBS=2]   run a study; ends with where its report is
#   [SCHEDULER=tcp://host:8786]      ... on a dask cluster
# make figures [STUDY=demo]          draw a report again without music: 09 from its predictions where
#                                    these are committed, the other figures and all pages from tables
# make predict AUDIO="a.mp3 music/"  what are these songs? [MODEL=file] [TO=folder]
# make test                          lint, unit, contract and notebook tests
# make browser                       what tests need to open pages in Chromium, if that is installed
# make torture                       odd files, kills, full disks and hostile packs (15 minutes)
# make mutation                      do the tests notice changed code? (an hour on two idle cores)
# make notebooks                     run them once more and store the outputs that tests check
# make bench                         speed, as ratios to named references; the demo twice among it
# make lab                           JupyterLab on the notebooks
# make lock                          renew requirements.lock for all systems and Pythons
# make clean                         remove the environment, caches and the smoke study

# TORCH=cuda takes PyTorch's build for GPUs (2.2 GB more), TORCH=cpu the one for the CPU; by itself
# make looks for an NVIDIA GPU. uv installs where it is found, else pip.

STUDY ?= demo
TORCH ?= auto
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUPPORTED := import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install \
	--quiet --disable-pip-version-check --no-compile) --constraint requirements.lock
# what PyTorch's own index does not answer within 5 s comes from the ordinary one
BRIEFLY := $(if $(UV),UV_HTTP_TIMEOUT=5 UV_HTTP_RETRIES=0,PIP_DEFAULT_TIMEOUT=5 PIP_RETRIES=0)
WANTS_CPU := $(if $(filter auto,$(TORCH)),$(shell [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 \
	&& echo yes),$(filter cpu,$(TORCH)))

.PHONY: study figures predict test browser torture mutation notebooks bench lab lock clean torch

study: $(READY)
	@$(BIN)/python -m genrelib run $(STUDY) $(if $(JOBS),--n-jobs $(JOBS)) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

figures: $(READY)
	@$(BIN)/python -m genrelib report $(STUDY) --analyse

predict: $(READY)
	$(if $(AUDIO),,$(error name songs or folders: make predict AUDIO="song.mp3 music/"))
	@$(BIN)/python -m genrelib predict $(if $(MODEL),--model $(MODEL)) $(if $(TO),--to $(TO)) $(AUDIO)

test: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

browser: $(VENV)/browser

torture: $(READY)
	@PYTHONPATH=tests $(BIN)/python tests/torture.py

mutation: $(READY) $(VENV)/mutation
	@PYTHONPATH=tests:$(VENV)/mutation $(BIN)/python tests/mutation.py

notebooks: $(READY)
	$(BIN)/python -m jupyter execute --inplace notebooks/*.ipynb
	$(BIN)/python -m nbstripout --keep-count \
		--extra-keys "metadata.language_info.version cell.metadata.execution" notebooks/*.ipynb
	$(BIN)/python -m ruff format --quiet notebooks

bench: $(READY)
	@$(BIN)/python benchmarks/bench.py

lab: $(READY)
	$(BIN)/python -m jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

lock: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@head -n 3 requirements.lock > $(VENV)/lock
	@$(BIN)/uv pip compile --quiet --universal --no-annotate --no-header --upgrade --extra dev pyproject.toml >> $(VENV)/lock
	@cp $(VENV)/lock requirements.lock

# beside the environment, which stays as it is locked
$(VENV)/mutation: | $(READY)
	@$(INSTALL) --target $@ cosmic-ray==8.7.0

# beside it, too; Playwright drives the Chromium of the system and brings none
$(VENV)/browser: | $(READY)
	@$(INSTALL) --target $@ playwright==1.61.0 axe-playwright-python==0.1.8

# PyTorch's build for the CPU, where no GPU is found
torch:
	$(if $(filter $(TORCH),auto cpu cuda),,$(error TORCH=$(TORCH); allowed are auto, cpu and cuda))
	@$(if $(WANTS_CPU),$(BRIEFLY) $(INSTALL) --no-deps --index-url $(TORCH_CPU_INDEX) torch \
		|| echo "$(TORCH_CPU_INDEX) does not answer; taking PyTorch's ordinary build (larger).",true)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis reports/smoke
	find . -name __pycache__ -prune -exec rm -rf {} +

# an environment whose Python is gone, or that an interruption left, is made anew
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
.PHONY: $(READY)
endif

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { echo "Python 3.11.5 to 3.13 is needed and was not found; \
	install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(MAKE) --no-print-directory torch
	@$(INSTALL) --editable '.[dev]'
	@# on all cores, where pip takes one; what can't be compiled is nothing that is used
	@$(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true
	@$(BIN)/python -c "import genrelib.features.compiled"
	@$(BIN)/python -m ipykernel install --sys-prefix --name genrelib --display-name "Python (genrelib)" >/dev/null
	@touch $(READY)
