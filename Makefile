# make study [STUDY=demo] [JOBS=2]   run a study; ends with where its report is
# make test                          lint, unit, contract and notebook tests
# make notebooks                     run them once more and store the outputs that tests check
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

.PHONY: study test notebooks lab lock clean

study: $(READY)
	@$(BIN)/python -m genrelib.study $(STUDY) $(if $(JOBS),--n-jobs $(JOBS))

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

notebooks: $(READY)
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb
	$(BIN)/nbstripout --keep-count \
		--extra-keys "metadata.language_info.version cell.metadata.execution" notebooks/*.ipynb
	$(BIN)/ruff format --quiet notebooks

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=. notebooks

lock: $(READY)
	@{ head -n 2 requirements.lock; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > .lock.tmp
	@mv .lock.tmp requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis reports/smoke
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; \
	install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint requirements.lock --editable '.[dev,cluster]'
	@$(BIN)/python -m ipykernel install --sys-prefix --name genrelib --display-name "Python (genrelib)" >/dev/null
	@touch $(READY)
