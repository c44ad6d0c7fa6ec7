# The verbs of the project. Everything is installed into .venv; nothing else on the machine is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUIX := .venv-quix
RIVALS := .venv-rivals
# What the services and the local stack begin with.
STARTED := alerts.delivery alerts.reports.service alerts.worker api.server processors.service processors.worker \
  producers.runner sinks.runner spendstream.local.clickhouse_http spendstream.local.demo

# Where nobody may keep compiled modules, every process compiles thousands of them anew: seconds at each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test proofs check bench format kafka pins clean

help: ## show the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

install: $(STAMP) ## install all that is needed into .venv

$(STAMP): requirements/all.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 15) else "Python 3.11 to 3.14 is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 install")'
	@echo "installing into $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install python3-venv (Debian)"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/all.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@$(BIN)/python -c 'import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]' $(STARTED)
	@touch $@

demo: $(STAMP) ## real bills through Kafka, Faust and ClickHouse, in this terminal
	@$(BIN)/spendstream demo

test: $(STAMP) ## the tests, also on the real Apache Kafka (needs Java 17+ and Maven)
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

proofs: $(STAMP) ## the slow tests: kills at random moments, workers that change runs, benchmarks in small
	@$(BIN)/python -m pytest -m slow

check: $(STAMP) ## style, types, pins, schemas, SQL, compose
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m schemas.generate --check
	@$(BIN)/python deploy/check.py

bench: $(STAMP) $(QUIX)/.installed ## measure against plain loops and peers, on the real Apache Kafka
	@$(BIN)/python -m bench

# Quix Streams needs an older confluent-kafka than spendstream: it is measured from an environment of its own.
$(QUIX)/.installed: requirements/bench.txt $(STAMP)
	@echo "installing Quix Streams, to measure against, into $(QUIX) …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(QUIX)
	@VIRTUAL_ENV=$(QUIX) $(BIN)/uv pip install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

# Rivals bring packages that nothing else needs: `python -m bench.detection` asks AutoETS and a Random Cut Forest from here.
$(RIVALS)/.installed: requirements/rivals.txt $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(RIVALS)
	@VIRTUAL_ENV=$(RIVALS) $(BIN)/uv pip install --quiet --require-hashes -r requirements/rivals.txt
	@touch $@

format: $(STAMP) ## put the code in shape
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

kafka: $(STAMP) ## the real Apache Kafka on 127.0.0.1:9092, without Docker
	@$(BIN)/python -m spendstream.local.kafka

pins: ## write requirements/*.txt anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra local --extra dev -o requirements/all.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 requirements/bench.in -o requirements/bench.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 requirements/rivals.in -o requirements/rivals.txt

clean: ## remove .venv and what the local stack has left
	@rm -rf $(VENV) $(QUIX) $(RIVALS) .local
