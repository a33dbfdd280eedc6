# warmbridge: `make demo` and `make test` do all the set-up they need.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench fuzz interop-sip crash sip-edges sip-load soak install peers bench-peers clean

help:  ## show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: install  ## a phone call becomes a three-party video conference, checked by what the peers hear and see
	@$(BIN)/warmbridge demo --seconds 20

test: install peers lint  ## everything: the static gates, then unit, sim and interop tests with real phones and browsers
	@$(BIN)/python -m tests.module_coverage
	@$(BIN)/pytest -n 3 --dist loadgroup tests/interop tests/sim --ignore=tests/interop/sip --ignore=tests/interop/transport --ignore=tests/interop/web

lint: install  ## the static gates: format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config .importlinter

bench: install bench-peers  ## figures of this machine, side by side with stock aiortc and Janus
	@$(BIN)/python -m tests.bench

fuzz: install  ## every parser and engine against inputs that search for new code, 60 s each
	@$(BIN)/python -m tests.fuzz --seconds 60

interop-sip: install peers  ## what works with which real phone, a line each
	@$(BIN)/python -m tests.interop.peer_table

soak: install  ## ten million transitions of the desk in virtual time, checked as they go
	@$(BIN)/python -m tests.sim.desk.soak --transitions 10000000

crash: install  ## kill -9 ten times, under load: what callers and clients were told must still be true
	@$(BIN)/python -m tests.load.crash

sip-edges: install peers  ## ten thousand calls each refused, canceled, never acknowledged, never hung up, cut off: nothing stays
	@$(BIN)/python -m tests.load.sip_edges

sip-load: install peers  ## sipp at 100 to 1000 calls a second, at SIP alone and at a whole daemon, a row each
	@$(BIN)/python -m tests.load.sip_load

install: .venv/.installed

.venv/.installed: .ci/install .ci/requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) .ci/install .venv

peers:
	@.ci/install-peers

bench-peers:
	@.ci/install-peers bench

clean:  ## remove the virtual environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
