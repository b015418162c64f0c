#!/bin/sh
# Resolves every lock again, newest allowed versions, with hashes and no address of a registry inside.
set -eu
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -p 3.11 -q "$@"; }
compile pyproject.toml -o requirements.lock
compile pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
compile --no-deps requirements-models.in -o requirements-models.lock
compile requirements-bootstrap.in -o requirements-bootstrap.lock
# The engines we are compared with must not enter the product's environment: they have one of their own.
compile requirements-bench.in -o requirements-bench.lock
