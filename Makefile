# Freehold's commands. Each does its own set-up, so any of them can be the first on a fresh machine that has Python 3.11
# or later, make and a connection to the internet.

FLEET  ?= fleets/demo.yaml
PORT   ?=
DETACH ?=
NAME   ?=
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
            $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

VENV      := .venv
BIN       := $(VENV)/bin
LOCK      := requirements/cpu.lock
READY     := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup serve down test lint bench lock clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Make the environment .venv from the lock

serve: $(READY) ## Run a fleet: FLEET=fleets/demo.yaml PORT=8080; DETACH=1 returns when it is ready
	$(BIN)/freehold up --fleet $(FLEET) $(if $(PORT),--port $(PORT)) $(if $(DETACH),--detach)

down: $(READY) ## Take the fleet down
	$(BIN)/freehold down

test: $(READY) lint ## Lint, types, layers and all tests, those with real engines included
	$(BIN)/pytest --numprocesses=2 --dist=loadscope --no-loadscope-reorder

lint: $(READY) ## Format check, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Run one benchmark: NAME=gateway
	$(BIN)/python benchmarks/$(NAME).py

# The stamp is newer than the lock as long as the environment holds what the lock says.
$(READY): $(LOCK) requirements/torch.txt requirements/setup.sh
	@test -n "$(PYTHON)" || { echo "Freehold needs Python 3.11 or later; name one with PYTHON=…" >&2; exit 2; }
	@requirements/setup.sh $(VENV) $(PYTHON)
	@touch $@

COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
             --custom-compile-command "make lock"

lock: $(READY) ## Compile the locks anew from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(COMPILE) --extra cpu --extra loadtest --group dev --group unseen --output-file $(LOCK)
	$(COMPILE) --output-file requirements/base.lock
	$(COMPILE) --extra loadtest --output-file requirements/loadtest.lock

clean: down ## Take the fleet down and remove the environment
	rm -rf $(VENV)
