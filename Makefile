# make study [STUDY=demo] [JOBS=2]   run a study; ends with where its report is
#   [SCHEDULER=tcp://host:8786]      ... on a dask cluster
# make test                          lint, unit, contract and notebook tests
# make notebooks                     run them once more and store the outputs that tests check
# make bench                         speed, as ratios to named references; the demo twice among it
# make lab                           JupyterLab on the notebooks
# make lock                          write requirements.lock from the installed versions
# make clean                         remove the environment, caches and the smoke study

STUDY ?= demo
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

.PHONY: study test notebooks bench lab lock clean

study: $(READY)
	@$(BIN)/python -m genrelib run $(STUDY) $(if $(JOBS),--n-jobs $(JOBS)) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

test: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

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
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/freeze
	@{ head -n 2 requirements.lock; sed 's/+cpu$$//' $(VENV)/freeze; } > $(VENV)/lock
	@cp $(VENV)/lock requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis reports/smoke
	find . -name __pycache__ -prune -exec rm -rf {} +

# an environment whose Python is gone, or that an interruption left, is made anew
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
.PHONY: $(READY)
endif

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; \
	install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint requirements.lock --editable '.[dev]'
	@$(BIN)/python -c "import genrelib.features.compiled"
	@$(BIN)/python -m ipykernel install --sys-prefix --name genrelib --display-name "Python (genrelib)" >/dev/null
	@touch $(READY)
