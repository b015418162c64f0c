"""A control plane over a fresh database, with two tenants and whoever may ask it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from tests.integration.store.running import NOW

from aivoice.api.control.app import create_control
from aivoice.api.control.context import Control, control_over
from aivoice.billing import open_account
from aivoice.security.api_keys import ApiKeys
from aivoice.security.keyring import Keyring
from aivoice.security.rate import Rate
from aivoice.store import Store, Urls
from aivoice.tenants.lifecycle import create
from aivoice.testing.fakes import FakeEmbedder
from aivoice.tools.guard import Allowed, Guard

FILE = """\
name: {name}
timezone: America/Chicago
hours:
  weekdays: 8:00-17:00
prices:
  - item: Cleaning
    price: $110
"""
KEYRING = Keyring.new()


@dataclass
class Plane:
    """client: of the operator; `as_tenant` gives a tenant's."""

    app: FastAPI
    control: Control
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.control.store

    def client(self, who: str = "operator") -> httpx2.AsyncClient:
        """who: operator, a tenant's id (its admin key), ``alpha read`` (a key of that scope), or "" (nobody)."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://plane", headers=headers)


@asynccontextmanager
async def plane(urls: Urls, calls: Path, *, rate: Rate = Rate(100_000, 100_000.0)) -> AsyncGenerator[Plane]:
    guard = Guard(allowed=[Allowed.parse("127.0.0.1")])
    async with Store(urls) as store:
        with control_over(
            store, KEYRING, calls=calls, embedder=FakeEmbedder(384), guard=guard, now=lambda: NOW, rate=rate
        ) as control:
            made = Plane(create_control(control), control)
            await _people(made)
            yield made


async def _people(made: Plane) -> None:
    """Two tenants with their keys, and the operator's."""
    keys = ApiKeys(KEYRING)
    async with made.store.platform() as scope:
        for tenant in ("alpha", "bravo"):
            await create(scope, tenant, tenant.capitalize(), NOW)
            await open_account(scope, tenant, NOW)
        token = (await keys.create(scope, scopes=["operator"], label="op", by="test", now=NOW)).token
        made.tokens["operator"] = token
    for tenant in ("alpha", "bravo"):
        async with made.store.tenant(tenant) as scope:
            for scopes in ("admin", "read", "calls"):
                new = await keys.create(scope, scopes=[scopes], label=scopes, by="test", now=NOW)
                made.tokens[tenant if scopes == "admin" else f"{tenant} {scopes}"] = new.token


def plane_test(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """``@plane_test async def test_…(plane: Plane, …fixtures)``."""

    async def held(urls: Urls, calls: Path, given: dict[str, Any]) -> None:
        async with plane(urls, calls) as made:
            await test(plane=made, **given)

    @wraps(test)
    def sync(**given: Any) -> None:
        urls = given["urls"] if "urls" in wanted else given.pop("urls")
        calls = given["tmp_path"] if "tmp_path" in wanted else given.pop("tmp_path")
        asyncio.run(held(urls, calls, given))

    wanted = inspect.signature(test).parameters
    names = ["urls", "tmp_path", *(name for name in wanted if name not in ("plane", "urls", "tmp_path"))]
    kind = inspect.Parameter.KEYWORD_ONLY
    sync.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return sync


def problem(response: httpx2.Response, status: int, code: str = "") -> dict[str, Any]:
    """The problem that a response is; fails where it is another, or tells too much."""
    assert response.status_code == status, (response.status_code, response.text[:300])
    assert response.headers["content-type"].startswith("application/problem+json")
    body = response.json()
    assert body["status"] == status
    assert not code or body["code"] == code, body
    assert "Traceback" not in response.text
    assert response.headers["x-request-id"].startswith("req_")
    return body
