# Mandate. `make up` and `make test` work as the first command on a fresh machine with Python 3.11 or newer.
# Recipes of long-running commands are single commands without shell operators: make then runs them itself, and a
# signal to make's own pid reaches them.

SHELL := /bin/sh
export MANDATE_STARTED := $(shell date +%s)
PY := .venv/bin/python

.PHONY: up down reset test check quick mutants bench venv venv-dev

up: venv
	@$(PY) manage.py up

down: venv
	@$(PY) manage.py down

reset: venv
	@$(PY) manage.py reset

test: venv-dev
	@$(PY) deploy/run_tests.py

check: venv-dev
	@$(PY) deploy/run_check.py

quick: venv-dev
	@$(PY) -m pytest -m "not browser and not faults and not machines and not slow"

mutants: venv-dev
	@$(PY) -m tests.mutants

bench: venv-dev
	@$(PY) manage.py bench calls

venv:
	@sh deploy/venv.sh base

venv-dev:
	@sh deploy/venv.sh dev
