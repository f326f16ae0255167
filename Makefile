# Every target does its own set-up; see `make help`.
.DEFAULT_GOAL := help
.PHONY: help setup demo up test faults chaos bench soak trunks lint lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## place real SIP calls and show them live (ARGS=--exit: end by itself)
	@setup/prepare.sh demo && exec .venv/bin/python -m sandbox.demo $(ARGS)

up: ## run the whole stack in the foreground (ARGS="--without carrier ...")
	@setup/prepare.sh demo && exec .venv/bin/python -m sandbox $(ARGS)

test: ## run every tier of tests (ARGS: more for pytest)
	@setup/prepare.sh test && exec setup/run_tests.sh $(ARGS)

faults: ## run every test of the fault matrix and all that is slow, and say how far it is
	@setup/prepare.sh test && exec .venv/bin/python -m pytest tests -m "fault or slow" --tell-rows $(ARGS)

chaos: ## place calls while random processes are killed (KILLS=N SEED=S; the same seed goes on)
	@setup/prepare.sh test && exec .venv/bin/python -m tests.faults.chaos \
		$(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

trunks: ## make trunks.yaml so, with the credentials of .env (ARGS="plan": another command)
	@setup/prepare.sh cli && exec bin/dialer trunks $(or $(ARGS),apply)

lint: ## check style, types, imports and the Go code
	@setup/prepare.sh lint && exec setup/lint.sh

bench: ## measure against the baseline, 35 minutes alone on a machine (ARGS=--quick: 8)
	@setup/prepare.sh bench && exec .venv/bin/python -m bench $(ARGS)

soak: ## calls for half an hour, first against last minutes (MINUTES=N, ARGS="--calls N")
	@setup/prepare.sh bench && exec .venv/bin/python -m bench.soak --minutes $(or $(MINUTES),30) $(ARGS)

setup: ## only set up, for everything above
	@setup/prepare.sh test

lock: ## pin the newest Python packages that requirements*.in allow
	@setup/lock.sh

clean: ## forget the sandbox's calls, recordings and logs, and measurements
	@rm -rf .sandbox .bench
