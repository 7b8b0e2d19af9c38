# Thin: each target is one script in scripts/, which says in its head what it does.
# Variables: PART= (test, test-deep), LANE= (bench), TARGET= (fuzz).

.DEFAULT_GOAL := help
.PHONY: setup run hub run-fleet test test-deep lint bench fuzz firmware ui audit clean help

setup: ## Install what building and testing need (nothing to do: half a second)
	@scripts/setup.sh all

run: ## Build everything and start the demo site; prints the https address
	@scripts/run.sh

hub: ## Start PostgreSQL in a private folder and the hub; prints address, login, password and a claim code
	@scripts/hub.sh

run-fleet: ## Start the hub, two demo sites that report to it and an agent in QEMU; prints the addresses
	@scripts/run-fleet.sh

test: ## Lint, unit tests, stories with real peers, browser walk (PART=name for one part)
	@scripts/test.sh $(PART)

test-deep: ## The long parts, one at a time: PART=name
	@scripts/deep.sh $(PART)

lint: ## Formatting, clippy, house checks
	@scripts/lint.sh

bench: ## Figures against peers: LANE=name
	@scripts/bench.sh $(LANE)

fuzz: ## Drive one fuzz body by cargo-fuzz: TARGET=name
	@scripts/fuzz.sh $(TARGET)

firmware: ## Build the agent's firmware and start it in QEMU once
	@scripts/firmware.sh

ui: ## Build the web interface that the binary embeds
	@scripts/ui.sh build

audit: ## Advisories, licences, sources by cargo-deny (needs an advisory database)
	@scripts/audit.sh

clean: ## Remove what was built and installed inside this folder
	@scripts/clean.sh

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
