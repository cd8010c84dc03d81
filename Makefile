# The everyday verbs. `make demo` and `make test` need nothing but Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= auto

.PHONY: demo test lint format bench promises sample clean

demo: $(VENV)/.installed                 ## run the main job on sample_data/ and show where everything lies
	$(BIN)/t2disc demo sample_data -o demo_output

test: $(VENV)/.installed-test            ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.installed-lint            ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-lint          ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test           ## speed, memory and accuracy against peers (needs ../shared)
	$(BIN)/python scripts/bench.py --envs $(VENV)/peers

promises: $(VENV)/.installed-test        ## try to break every promise on this machine (half an hour)
	$(BIN)/python scripts/check_promises.py

sample: $(VENV)/.installed               ## make sample_data/ again
	$(BIN)/python scripts/make_sample_data.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e . -c constraints.txt
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e ".[test]" -c constraints.txt
	touch $@

$(VENV)/.installed-lint: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet -e ".[lint]" -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) demo_output build dist
