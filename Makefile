# Everyday targets; `make help` lists them. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/.lab  ## create .venv with what the lab and the service need

$(VENV)/.lab: requirements/lab.txt pyproject.toml
	@sh requirements/install.sh "$(PYTHON)" lab
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@sh requirements/install.sh "$(PYTHON)" dev
	@touch $@ $(VENV)/.lab

demo: $(VENV)/.lab  ## start the stack, load it for a minute, print the verdict, write the report
	@$(BIN)/lab demo

test: $(VENV)/.dev  ## run the whole test suite that needs no Docker
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m "not faults and not docker and not k8s and not course" $(ARGS)

test-faults: $(VENV)/.dev  ## run only the tests that stop, kill and overload real servers
	@$(BIN)/python -m pytest -m faults $(ARGS)

course-check: $(VENV)/.dev  ## the course tests itself: every lab starts red and ends green, its text as printed
	@$(BIN)/python -m pytest -m course tests/course $(ARGS)

lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/mypy labs/*/check_*.py && $(BIN)/lint-imports

test-docker: $(VENV)/.dev  ## the same checks on real containers: Compose and a Swarm (needs a Docker engine)
	@$(BIN)/python -m pytest -m docker $(ARGS)

test-k8s: $(VENV)/.dev  ## the same checks on a real Kubernetes (needs a cluster that kubectl reaches)
	@$(BIN)/python -m pytest -m k8s $(ARGS)

image:  ## build the services' image: make image RELEASE=2
	@docker build --build-arg RELEASE=$(or $(RELEASE),dev) -t observability-lab:$(or $(RELEASE),dev) .
	@docker image inspect -f '{{.Size}}' observability-lab:$(or $(RELEASE),dev) | awk '{printf "%.0f MB (at most 350)\n", $$1/1e6}'

bench: $(VENV)/.dev  ## measure the service against its yardsticks; the table goes to bench/results/
	@$(BIN)/python -m bench $(ARGS)

train: $(VENV)/.dev  ## train the models again and write artefacts, cards and manifest
	@$(BIN)/python -m app.training

dashboards: $(VENV)/.dev  ## write grafana/dashboards from their generator
	@$(BIN)/python -m grafana.generator $(ARGS)

readme: $(VENV)/.lab  ## write the README's table of labs from labs/labs.toml
	@$(BIN)/python -m labkit.course

pictures: $(VENV)/.dev  ## draw the pictures of the labs; ARGS="05" also walks through lab 05 and photographs it
	@$(BIN)/python -m docs.pictures $(ARGS)

lock:  ## resolve the dependencies again and write the lock files with their hashes
	@sh requirements/lock.sh

clean:  ## stop the stack and remove what the targets made
	@[ ! -x $(BIN)/lab ] || $(BIN)/lab down
	@rm -rf $(VENV) .lab bench/results tests/artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help setup demo test test-faults course-check test-docker test-k8s image lint bench train dashboards readme pictures lock clean
