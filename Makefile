# Each target sets up all that it needs from a fresh clone (scripts/setup.py) and is quick when run again.
#   make call [AUDIO=file.wav] [BUSINESS=file.yaml] [SCRIPT=caller.yaml]     make serve [PORT=8000] [BUSINESS=file.yaml]
#   make test     make prove     make bench     make lock
PYTHON ?= python3
PORT ?= 8000
OUT ?= calls
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup call serve test prove bench lint format lock clean setup-run setup-dev setup-bench

help:
	@sed -n '1,3p' Makefile; echo '  aivoice --help (in .venv/bin) explains the rest'

# By name it looks at every package again: what doctor finds missing comes back.
setup:
	@rm -f .venv/.stamp-*
	@$(PYTHON) scripts/setup.py run

setup-run:
	@$(PYTHON) scripts/setup.py run

setup-dev:
	@$(PYTHON) scripts/setup.py dev

setup-bench:
	@$(PYTHON) scripts/setup.py bench

call: setup-run
	@$(BIN)/aivoice call $(or $(BUSINESS),examples/northside-dental/business.yaml) $(if $(AUDIO),--audio "$(AUDIO)") $(if $(SCRIPT),--script "$(SCRIPT)") --out "$(OUT)"

serve: setup-run
	@$(BIN)/aivoice serve $(BUSINESS) --port $(PORT) --out "$(OUT)"

test: setup-dev
	@sh scripts/test.sh

prove: setup-dev setup-bench
	@echo 'prove: every proof in full, about 110 minutes on two cores that do nothing else meanwhile.'
	@echo 'prove: writes docs/benchmarks.md, the figures as JSON in .cache/bench, broken calls in .cache/broken-contracts'
	@failed=; \
	$(BIN)/aivoice simulate --calls 1000 --out .cache/broken-contracts --docs docs/benchmarks.md || failed="$$failed simulate($$?)"; \
	case "$$failed" in *130*) exit 130;; esac; \
	AIVOICE_CONTRACTS=2000 $(BIN)/pytest -q --timeout 1200 tests/unit/core/test_contracts.py || failed="$$failed contracts($$?)"; \
	AIVOICE_KILLS=200 $(BIN)/pytest -q --timeout 3000 tests/integration/store/test_billing_killed.py || failed="$$failed kills($$?)"; \
	AIVOICE_SCHEMATHESIS=60 $(BIN)/pytest -q --timeout 1200 tests/integration/api/test_schema.py || failed="$$failed schema($$?)"; \
	$(BIN)/pytest -q tests/browser || failed="$$failed browser($$?)"; \
	$(BIN)/aivoice bench --prove || failed="$$failed bench($$?)"; \
	if [ -n "$$failed" ]; then echo "prove: not as asked:$$failed; NO in docs/benchmarks.md says where"; exit 1; fi; \
	echo 'prove: everything is as asked'

bench: setup-run setup-bench
	@$(BIN)/aivoice bench --quick

lint: setup-dev
	@sh scripts/test.sh lint

format: setup-dev
	@$(BIN)/ruff check -q --fix-only . ; $(BIN)/ruff format -q .

lock: setup-dev
	@sh scripts/lock.sh

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis .coverage
