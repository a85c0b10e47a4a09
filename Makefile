# Everything happens in .venv; the first target that needs it makes it.
PYTHON ?= python3
BIN := .venv/bin
RUNS := .venv/.runs
READY := .venv/.ready
# Commands start faster when their modules have been compiled before.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check bench docs soak

run: $(RUNS)
	@$(BIN)/fleetstream ingest $(ARGS)

test: $(READY)
	$(BIN)/pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/python -m docs.building

# RECORDS of the long run; a million by default.
soak: export RECORDS ?= 1000000
soak: $(READY)
	$(BIN)/pytest -m soak -n 0 --timeout 0 $(ARGS)

$(RUNS): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[influx,local,otlp,plot,postgresql,prometheus]'
	@touch $@

$(READY): $(RUNS)
	$(BIN)/python -m pip install --quiet --editable '.[influx,local,otlp,plot,postgresql,prometheus,ray]' --group dev
	@touch $@
