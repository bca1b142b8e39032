# Two commands for everyone (`make serve`, `make test`); `make help` lists the rest. Everything made lies in .venv and var.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: serve test check format lock notebooks clean help

PORT ?= 8000
# The first interpreter found for which the locked packages are built; `make PYTHON=/path/to/python3.12 serve` takes another.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	"$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && break; done)
PY := .venv/bin/python

define TRY
Serving on http://127.0.0.1:$(PORT) until Ctrl-C. The market is simulated: no enterprise in it is real.
In another terminal, ask for an enterprise's three best products:

  curl -s http://127.0.0.1:$(PORT)/v1/recommendations -H 'Content-Type: application/json' -d '{"enterprise_id": "E00001", "need": {"amount": 2000000, "term_months": 12, "purpose": "working_capital"}, "top_k": 3}'

The desk, with the accounts that were printed when it was filled: http://127.0.0.1:$(PORT)/
Every request, with examples: http://127.0.0.1:$(PORT)/docs

endef
export TRY

serve: var/tried  ## install, build the simulated market, its model and a filled desk where there are none, serve on PORT (8000)
	@echo "$$TRY"
	@exec $(PY) -m api --port $(PORT)

test: .venv/tested  ## install and run the test suite on up to four cores
	$(PY) -m pytest -q -n logical --maxprocesses 4

check: .venv/tested  ## lint, format and types, as the continuous integration sees them
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: .venv/tested  ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock:  ## write requirements.lock and requirements-test.lock anew from pyproject.toml, in a virtual environment of its own
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" \
	&& "$$folder/bin/pip" install . \
	&& "$$folder/bin/pip" freeze | grep -v '^bank-enterprise-matching' > "$$folder/lock" \
	&& "$$folder/bin/pip" install -c "$$folder/lock" '.[dev]' \
	&& "$$folder/bin/pip" freeze | grep -v '^bank-enterprise-matching' | grep -vxFf "$$folder/lock" > "$$folder/test" \
	&& mv "$$folder/lock" requirements.lock && mv "$$folder/test" requirements-test.lock && wc -l requirements*.lock

notebooks: .venv/tested  ## run the notebooks on a small simulated market and write into them what they show
	$(PY) -m tests.books

clean:  ## forget the simulated market, its models, the store and all caches; keep .venv
	rm -rf var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# pip's script is the last thing that `venv` writes: without it an interrupted installation starts over.
.venv/installed: pyproject.toml requirements.lock
	@"$(or $(PYTHON),none)" -c '$(FITS)' 2>/dev/null \
	|| { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed; name it with PYTHON=/path/to/python3.11"; exit 1; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --disable-pip-version-check -q --no-deps -e .
	@$(PY) -c 'import lightgbm' || { echo "LightGBM needs its runtime: libgomp1 on Debian and Ubuntu, libgomp elsewhere"; exit 1; }
	@touch $@

# What only tests, checks and notebooks need: serving does without.
.venv/tested: .venv/installed requirements-test.lock
	$(PY) -m pip install --disable-pip-version-check -r requirements-test.lock
	@touch $@

# The embedded default, made step by step where it is not there yet: an interrupted run goes on where it stopped.
var/data/tables.json: | .venv/installed
	$(PY) -m training simulate --out var/data

TRAIN := $(PY) -m training train var/data --models var/models | tee var/training.log \
	&& $(PY) -m training promote --models var/models "$$(tail -n 1 var/training.log)"
var/models/champion: | var/data/tables.json
	$(TRAIN)

# After an update: a champion that this version cannot read gives way to one that is trained anew, whoever trained it.
var/readable: $(wildcard matching/*.py) | var/models/champion
	@$(PY) -m training check --models var/models || { $(TRAIN); }
	@touch $@

var/loaded: | var/readable
	$(PY) -m api load var/data
	@touch $@

# Prints passwords and a key, once: none of it goes into a file.
var/tried: | var/loaded
	$(PY) -m api try
	@touch $@
