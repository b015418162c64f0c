"""docs/api.md: its examples run, one after the other, against a real server; it names every route and every code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.plane import Plane, plane_test
from tests.integration.api.test_isolation import operations
from tests.integration.api.test_schema import served

import aivoice.api.control
from aivoice.api.control.context import ANONYMOUS, RATE, SHARE
from aivoice.store import Urls

SOURCE = Path(aivoice.api.control.__file__).parent
TEXT = (SOURCE.parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|json)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TENANT = "/v1/tenants/{tenant}"
STRICT = 'set -eu\ncurl() { command curl -sS --fail-with-body "$@"; }\n'


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_run_and_answer_as_shown(urls: Urls, tmp_path: Path) -> None:
    """Each block of JSON is what the last command of the block before answered: all that it shows is there."""
    scripts = [re.sub(r"(?m)^export .*\n", "", text) for kind, text in BLOCKS if kind == "sh"]
    marked = "".join(f"echo '=== {number}'\n{text}\necho\n" for number, text in enumerate(scripts))
    with served(urls, tmp_path / "calls") as (url, made, _):
        environment = {"AIVOICE_SERVER": url, "AIVOICE_KEY": made.tokens["alpha"], "TENANT": "alpha"}
        done = subprocess.run(
            ["sh", "-c", STRICT + marked],
            env={**environment, "PATH": "/usr/local/bin:/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-600:] + done.stderr
    answers = re.split(r"(?m)^=== \d+$", done.stdout)[1:]
    assert len(answers) == len(scripts) >= 10
    number, shown = -1, 0
    for kind, text in BLOCKS:
        if kind == "sh":
            number += 1
            continue
        answer = last_json(answers[number])
        missing = keys_of(json.loads(text)) - keys_of(answer)
        assert not missing, (missing, answers[number][-400:])
        shown += 1
    assert shown >= 9
    assert (tmp_path / "recording.wav").read_bytes()[:4] == b"RIFF"


def last_json(text: str) -> Any:
    """The last of the JSON values that were printed one after the other."""
    decoder, value, at = json.JSONDecoder(), None, 0
    while at < len(text):
        if text[at] in " \n\t":
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
    return value


def keys_of(value: Any, path: str = "") -> set[str]:
    """Of every object in it, with the names above each."""
    if isinstance(value, dict):
        inner = (keys_of(each, f"{path}.{name}") for name, each in value.items())
        return {f"{path}.{name}" for name in value}.union(*inner)
    if isinstance(value, list):
        return set[str]().union(*(keys_of(each, f"{path}[]") for each in value))
    return set()


@plane_test
async def test_every_route_is_in_the_guide_and_nothing_else(plane: Plane) -> None:
    named = {
        (method, path if path.startswith("/v1") or path in ("/health", "/ready") else (TENANT + path).rstrip("/"))
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)", TEXT.partition("## All routes")[2])
    }
    assert named == {(method.upper(), path) for method, path, _ in operations(plane)}


def test_every_code_of_the_routes_is_in_the_guide() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
    codes = set(re.findall(r'code="(\w+)"', code)) | set(re.findall(r'"(\w+)"\),$', code, re.MULTILINE))
    assert {"bad_json", "internal", "version_conflict"} <= codes
    assert sorted(each for each in codes if f"`{each}`" not in TEXT) == []
    rates = f"A key may ask {RATE.per_s:g} times a second, a tenant's keys together {SHARE.per_s:g} times; "
    assert f"{rates}whoever shows no valid key, {ANONYMOUS.per_s:g} times." in TEXT


@plane_test
async def test_the_writes_that_take_a_key_are_those_the_guide_means(plane: Plane) -> None:
    """POST and PATCH without one: named here, each with why it needs none."""
    without = {
        f"{method} {path.removeprefix(TENANT)}"
        for method, path, operation in operations(plane)
        if method in ("post", "patch")
        and "Idempotency-Key" not in [each["name"] for each in operation.get("parameters", ())]
    }
    secrets = {
        "post /keys", "post /v1/keys", "post /keys/{key_id}/rotate", "post /webhooks",
        "post /webhooks/{webhook_id}/rotate", "post /tools-secret/rotate", "post /v1/sessions",
    }  # fmt: skip
    named_by_the_client = {
        "post /v1/tenants", "post /v1/users", "post /billing/top-up", "post /billing/adjustment",
        "post /knowledge/documents",
    }  # fmt: skip
    same_again = {
        "post /callers/erase", "post /blocked-callers", "post /blocked-callers/remove",
        "post /messages/{message_id}/read", "patch /users/{user_id}",
    }  # fmt: skip
    read = {"post /callers/lookup", "post /callers/calls"}
    assert without == secrets | named_by_the_client | same_again | read
