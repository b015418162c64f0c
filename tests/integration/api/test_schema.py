"""schemathesis over the whole OpenAPI document: whatever is sent, the answer is one that the API may give."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.integration.api.plane import Plane, plane
from tests.integration.api.test_isolation import fill

from aivoice.store import Urls

EXAMPLES = int(os.environ.get("AIVOICE_SCHEMATHESIS", "4"))
"""Requests of each operation; `make prove` sets more."""


@contextmanager
def served(urls: Urls, calls: Path) -> Generator[tuple[str, Plane, dict[str, str]]]:
    """A real server in a thread of its own; its address, the plane, ids of one tenant's things."""
    ready, over = threading.Event(), threading.Event()
    found: dict[str, Any] = {}

    async def hold() -> None:
        async with plane(urls, calls) as made:
            found["ids"] = await fill(made, "alpha")
            server = uvicorn.Server(uvicorn.Config(made.app, port=0, log_config=None, lifespan="off"))
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            found.update(plane=made, url=f"http://127.0.0.1:{port}")
            ready.set()
            await asyncio.to_thread(over.wait)
            server.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    try:
        assert ready.wait(30)
        yield found["url"], found["plane"], found["ids"]
    finally:
        over.set()
        thread.join(10)


def test_nothing_that_is_sent_breaks_it(urls: Urls, tmp_path: Path) -> None:
    checks = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
    broken: list[str] = []
    with served(urls, tmp_path) as (url, made, ids):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        headers = {"Authorization": f"Bearer {made.tokens['operator']}"}
        for found in schema.get_all_operations():
            operation = found.ok()
            label = f"{operation.method.upper()} {operation.path}"
            if label.startswith("PUT") and "mcp-servers" in label:
                continue  # asks a server in the outside world
            try:
                _tried(operation, label, ids, base_url=url, headers=headers, checks=list(checks))
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all of them are told, not the first
                broken.append(f"{label}: {str(error)[:900]}")
    assert not broken, "\n\n".join(broken)


def _tried(operation: Any, label: str, ids: dict[str, str], **how: Any) -> None:
    """`EXAMPLES` requests of one operation, half of them about things that are there."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), there=st.booleans())
    def one(case: schemathesis.Case, there: bool) -> None:
        for name in case.path_parameters or {}:
            if there and name in ids:
                case.path_parameters[name] = ids[name]
        if "tenant" in (case.path_parameters or {}):
            # Closing or erasing the tenant of all the others would leave them nothing to find.
            ends = label in ("DELETE /v1/tenants/{tenant}", "PUT /v1/tenants/{tenant}/status")
            case.path_parameters["tenant"] = "bravo" if ends else "alpha"
        case.call_and_validate(**how)

    one()


@pytest.mark.parametrize("path", ["/openapi.json"])
def test_the_document_is_openapi_3_1(path: str, urls: Urls, tmp_path: Path) -> None:
    async def held() -> None:
        async with plane(urls, tmp_path) as made, made.client("") as nobody:
            document = (await nobody.get(path)).json()
            assert document["openapi"].startswith("3.1")
            assert all(
                "401" in operation["responses"] or path in ("/health", "/ready", "/v1/sessions")
                for path, methods in document["paths"].items()
                for operation in methods.values()
            )

    asyncio.run(held())
