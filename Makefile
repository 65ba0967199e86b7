PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Bytecode is kept, whatever the shell says: tests start dozens of processes, and each would compile all modules anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# Real shots and pretrained files for the tests that need them; elsewhere those tests skip and say so.
ifneq ($(wildcard ../shared/data),)
export CLEANPLATE_DATA ?= $(abspath ../shared/data)
endif
ifneq ($(wildcard ../shared/weights),)
export CLEANPLATE_WEIGHTS ?= $(abspath ../shared/weights)
endif

.PHONY: demo test test-all lint layers types tests docs pictures format benchmark clean

demo: $(READY)  ## make a clip, clean it, print the figures, write the pictures
	$(BIN)/cleanplate demo -o demo --overwrite

test: lint layers  ## and the types while the tests run: they keep one core busy for two minutes, the tests not always both
	$(MAKE) --no-print-directory -j 2 types tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers: $(READY)  ## each wing imports only from those below it
	$(BIN)/lint-imports --no-logo --no-cache

types: $(READY)
	nice $(BIN)/pyright

tests: $(READY)  ## one process a core, and one thread in each
	OMP_NUM_THREADS=1 $(PYTEST)

test-all: lint layers types $(READY)  ## with the tests that take minutes
	$(PYTEST) -m "slow or not slow"

docs: $(READY)  ## the pages, in site/; a warning is an error, and the tests build them too
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(READY)  ## those of docs/studio.md, of the page as it is
	$(BIN)/python -m tests.studio.pictures docs/images/studio

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(READY)
	$(BIN)/python -m benchmarks carry --data $(CLEANPLATE_DATA) --json benchmarks/carry.json

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo site .pytest_cache .ruff_cache
