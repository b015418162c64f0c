#!/bin/sh
# Everything that CI checks; `make test` and .ci/run both come here. With "lint": no tests.
# Parallel tests first, on three processes (many wait for sockets in real time); those that measure time run alone afterwards.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
step() { printf '== %s\n' "$1"; }

step "lint (ruff)"
$bin/ruff check -q .
$bin/ruff format -q --check .
step "types (pyright strict)"; $bin/pyright --warnings
mkdir -p .cache
step "imports (import-linter)"; $bin/lint-imports --no-cache >.cache/imports.txt 2>&1 || { cat .cache/imports.txt; exit 1; }
[ "${1:-}" != lint ] || exit 0

step "tests of the core, every branch covered"
$bin/coverage erase
$bin/pytest tests/unit/core -n 2 --cov=aivoice.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100
step "tests"
$bin/pytest -n 3 --dist loadscope -m "not serial" --ignore=tests/unit/core
step "tests that measure, alone"
$bin/pytest -m serial
