# What a person calls; scripts/ holds what is done, so that CI does exactly the same.
.DEFAULT_GOAL := help
.PHONY: help demo demo-web test test-all coverage check check-deps train lint-deploy package rehearse-arm64 rehearse-pi clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' Makefile

demo: ## a picture becomes events at an MQTT subscriber; needs no broker, no camera, no data
	@scripts/dev/demo

demo-web: ## the same, live on a web page until Ctrl-C
	@scripts/dev/demo --web

test: ## install everything and run the tests, minutes
	@scripts/dev/test -m "not long"

test-all: ## the tests that take long and guard something rare, then all others
	@scripts/dev/test -m long
	@$(MAKE) --no-print-directory test

coverage: ## line and branch coverage by all tests
	@scripts/dev/coverage

check: ## ruff, mypy and the direction of imports
	@scripts/dev/check

train: ## make the network: make train DATA=path/to/fer2013.csv (or DATA=toy)
	@scripts/training/train "$(DATA)"

lint-deploy: ## ansible-lint, yamllint and shellcheck
	@scripts/dev/lint-deploy

check-deps: ## known vulnerabilities of the locked dependencies of the device
	@scripts/dev/check-deps $(ARGUMENTS)

package: ## what a release consists of, in dist/, built twice and tried
	@scripts/release/package

rehearse-arm64: ## the wheel on aarch64, Bookworm and Trixie, under emulation; needs root
	@scripts/dev/rehearse-arm64

rehearse-pi: ## a whole emulated machine: playbook, camera, crash, hang, bad models, reboot; needs root
	@scripts/dev/rehearse-pi

clean: ## remove what make made (.venv, demo/, caches); runs/ and .rehearsal/ stay
	rm -rf .venv demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find device trainer tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
