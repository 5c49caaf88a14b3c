# Every target is one line that can be run by hand; `make help` lists them.
PY = .venv/bin/python
T ?= tests
ARGS ?=
JOBS ?= 2

.PHONY: help setup dev run demo test lint types imports fix unit ext core-coverage rest conformance bench mutants vectors pictures clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

setup: ## install what running needs: system packages, .venv, locked Python packages
	@.ci/setup run

dev: ## install what the tests need as well
	@.ci/setup test

demo: setup ## play the main job on a sandbox company, then serve it until Ctrl-C (ARGS=--once exits)
	@$(PY) -m gateway demo $(ARGS)

run: setup ## serve the deployment in ./demo-data or the one named by ARGS="--config FILE"
	@$(PY) -m gateway serve $(or $(ARGS),--data demo-data)

test: dev lint types imports ext core-coverage rest ## everything CI runs

lint: ## ruff, warnings are errors
	@.venv/bin/ruff check --quiet . && echo "lint: ok"

types: ## mypy --strict
	@.venv/bin/mypy --no-error-summary && echo "types: ok"

imports: ## the import contracts
	@.venv/bin/lint-imports --no-cache

fix: ## let ruff mend what it can
	@.venv/bin/ruff check --fix .

ext: ## the extension: type check and unit tests
	@cd extension && npm run --silent check

unit: ## all tests (T=path for some, ARGS for pytest)
	@$(PY) -m pytest -q -n $(JOBS) --dist loadgroup $(ARGS) $(T)

core-coverage: ## machine, gate, log, vault: their own tests, which take every branch of them
	@.ci/core-coverage $(JOBS)

rest: ## all tests that core-coverage did not run
	@$(PY) -m pytest -q -n $(JOBS) --dist loadgroup $(addprefix --ignore=,$(shell cat .ci/core-tests)) $(ARGS) tests

conformance: ## hold the sandbox against recorded platform traffic in ../shared/fixtures
	@QIANFA_REQUIRE_FIXTURES=1 $(PY) -m pytest -q tests/conformance

bench: ## measure, as ratios against a peer in the same run; writes build/bench.json
	@$(PY) -m tests.bench $(ARGS)

mutants: ## does a test see each planted bug? tokens, canonical JSON, machine and gate; writes docs/mutants.md
	@$(PY) -m tests.mutants $(ARGS)

vectors: ## write the test vectors anew; git diff must stay empty
	@for script in tests/vectors/generate_*.py tests/docs/generate_denials.py; do $(PY) $$script || exit 1; done

pictures: ## make the README's pictures anew from the running demo
	@QIANFA_PICTURES=1 $(PY) -m pytest -q tests/acceptance/test_pictures.py tests/extension/test_pictures.py

clean: ## remove what can be made again
	@rm -rf build demo-data .mypy_cache .ruff_cache .pytest_cache
