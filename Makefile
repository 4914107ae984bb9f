# Two commands matter: `make run` and `make test`. Each sets up what it needs in .venv and is quick the second time.
PYTHON ?= python3
VENV   ?= .venv
BENCH  ?= .venv-bench
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet
AREA   ?=
SCENARIO ?=
SECONDS ?= 1800
COUNT  ?= 200
SEED   ?= 7

.DEFAULT_GOAL := help
.PHONY: help run test test-real test-promptfoo test-lower-bounds mutants fuzz audit soak install lint type cover bench schemas clean
.PHONY: generate-test-data-azure generate-test-data-openai generate-test-data-mistral generate-test-data-vllm

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## translate the demo phrases with canned answers; needs no key and no internet
	@$(BIN)/throughster-run specs/translate.yaml

test: lint type ## lint, types and the whole test suite; needs no key and no internet
	@$(BIN)/python -m pytest -n auto

test-real: $(VENV)/.installed-dev ## the provider contract against other people's servers, set up in .cache/real (minutes, gigabytes)
	@$(BIN)/python -m pytest tests/real -m real -rsP

test-promptfoo: $(VENV)/.installed-dev ## what `convert` makes beside promptfoo itself, which npm installs into .cache (5 minutes)
	@$(BIN)/python -m tests.promptfoo

mutants: $(VENV)/.installed-dev ## small changes to the program that some test must notice (an hour; COUNT=200 SEED=7)
	@$(BIN)/python -m tests.mutants $(COUNT) $(SEED)

fuzz: $(VENV)/.installed-dev ## new inputs for the readers of other people's text (half an hour; SECONDS=n)
	@$(BIN)/python -m tests.hostile.fuzz $(SECONDS)

audit: $(VENV)/.installed-dev ## known vulnerabilities of the dependencies, and an SBOM in .cache/audit
	@$(BIN)/python -m tests.audit

test-lower-bounds: ## the fast part of the suite with the oldest versions that pyproject.toml allows
	@$(PYTHON) -m tests.audit.lower $(VENV)-lower

install: $(VENV)/.installed-dev ## a development environment in .venv

lint: $(VENV)/.installed-dev ## ruff, rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

type: $(VENV)/.installed-dev ## mypy, strict
	@$(BIN)/mypy

cover: $(VENV)/.installed-dev ## the test suite with branch coverage
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term

bench: $(BENCH)/.installed ## benchmarks beside other clients into benchmarks/results.md (half an hour; AREA=name runs one)
	@$(BENCH)/bin/python -m benchmarks $(AREA)

soak: $(VENV)/.installed-dev ## promises about failures, limits, kills and keys, measured (15 minutes; SCENARIO=name runs one)
	@$(BIN)/python -m tests.soak $(SCENARIO)

schemas: $(VENV)/.installed-dev ## write schemas/*.schema.json from the models
	@$(BIN)/throughster schema spec --output schemas/spec.schema.json
	@$(BIN)/throughster schema result --output schemas/result.schema.json

generate-test-data-azure: $(VENV)/.installed-dev ## record Azure's replies (AZURE_OPENAI_ENDPOINT, _API_KEY, AZURE_DEPLOYMENT, TARGET_VERSION)
	@$(BIN)/python -m tests.recording azure

generate-test-data-openai: $(VENV)/.installed-dev ## record OpenAI's replies (OPENAI_API_KEY, OPENAI_MODEL_NAME, TARGET_VERSION)
	@$(BIN)/python -m tests.recording openai

generate-test-data-mistral: $(VENV)/.installed-dev ## record Mistral's replies (MISTRAL_API_KEY, MISTRAL_MODEL_NAME, TARGET_VERSION)
	@$(BIN)/python -m tests.recording mistral

generate-test-data-vllm: $(VENV)/.installed-dev ## record a vLLM server's replies (VLLM_ENDPOINT, VLLM_MODEL_NAME, VLLM_API_KEY)
	@$(BIN)/python -m tests.recording vllm

clean: ## remove the environment, caches and runs
	rm -rf $(VENV) $(BENCH) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Throughster needs Python 3.11 or newer; found %s. Name one with: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml runner/throughster/_version.py | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..."
	@$(PIP) install -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml runner/throughster/_version.py | $(VENV)/bin/python
	@echo "Setting up $(VENV) for development ..."
	@$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(BENCH)/.installed: pyproject.toml runner/throughster/_version.py
	@echo "Setting up $(BENCH) ..."
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install -e '.[bench]' || { \
	  $(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install -e . && \
	  for peer in openai litellm matplotlib; do \
	    $(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install $$peer || echo "Goes on without $$peer."; \
	  done; }
	@touch $@
