"""How a test of the store is written: ``@store_test async def test_…(store: Store, …fixtures)``."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from aivoice.store import Store, Urls

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def derive(purpose: str) -> bytes:
    """Stands for the installation's keyring."""
    return hashlib.sha256(b"tests" + purpose.encode()).digest()


def store_test(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in a loop of its own. Its argument ``store`` is a Store over a fresh database; the others are
    fixtures (``urls``, ``owner``, ``postgres``, ``database`` among them)."""

    async def held(urls: Urls, given: dict[str, Any]) -> None:
        async with Store(urls) as store:
            await test(store=store, **given)

    @wraps(test)
    def sync(**given: Any) -> None:
        urls = given["urls"] if "urls" in wanted else given.pop("urls")
        asyncio.run(held(urls, given))

    wanted = inspect.signature(test).parameters
    names = ["urls", *(name for name in wanted if name not in ("store", "urls"))]
    kind = inspect.Parameter.KEYWORD_ONLY
    sync.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return sync


async def new_tenant(store: Store, tenant_id: str, *, now: datetime = NOW) -> str:
    """Make a tenant; its id."""
    async with store.platform() as scope:
        await scope.run(
            "INSERT INTO tenants (id, name, created_at) VALUES (%(id)s, %(id)s, %(now)s)", {"id": tenant_id, "now": now}
        )
    return tenant_id
