"""`python -m benchmarks platform`: reads of the API and renewals of leases beside a running call, on the same
machine."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from aivoice.billing import Leases, open_account
from aivoice.hosting.control import control_plane
from aivoice.security.api_keys import ApiKeys
from aivoice.security.keyring import Keyring
from aivoice.store import Store, Urls, urls_for
from aivoice.store.migrate import migrate
from aivoice.tenants.lifecycle import create
from benchmarks.figures import quantile
from benchmarks.media import legs

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
READS_S, RENEWALS_S = 500, 50
CONNECTIONS, KEYS = 8, 7
"""Of the clients: each key may ask 200 times a second."""
PATHS = ("webhooks", "calls?limit=20", "billing", "messages?limit=20", "numbers")


async def reads(url: str, tokens: list[str], seconds: float, rate: float) -> dict[str, float]:
    """Open loop: each read is due at its time, whether those before it are answered or not."""
    took: list[float] = []
    failed = 0
    headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)

    async def one(session: aiohttp.ClientSession, number: int, due: float) -> None:
        nonlocal failed
        path, who = PATHS[number % len(PATHS)], headers[number % len(headers)]
        async with session.get(f"{url}/v1/tenants/alpha/{path}", headers=who) as response:
            await response.read()
            failed += response.status != 200
        took.append((time.perf_counter() - due) * 1_000)

    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(round(seconds * rate)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(session, number, due))
        whole = time.perf_counter() - began
    return {
        "offered a second": rate,
        "answered a second": round(len(took) / whole, 1),
        "p50 ms": round(quantile(took, 0.5) or 0.0, 1),
        "p95 ms": round(quantile(took, 0.95) or 0.0, 1),
        "failed": failed,
    }


async def renewals(store: Store, seconds: float, rate: float) -> dict[str, float]:
    """Of 40 calls of eight tenants, by turns: each is a transaction under its tenant's lock."""
    leases, took = Leases(), list[float]()
    slices: dict[str, int] = {}
    calls = [f"call{number}" for number in range(40)]
    for number, call_id in enumerate(calls):
        async with store.tenant(f"r{number % 8}") as scope:
            assert (await leases.admit(scope, call_id, NOW, holder="bench")).granted
        slices[call_id] = 1

    async def one(number: int, due: float) -> None:
        call_id = calls[number % len(calls)]
        async with store.tenant(f"r{number % len(calls) % 8}") as scope:
            used = slices[call_id] * 60 - 20
            found = await leases.renew(scope, call_id, slices[call_id], used, NOW + timedelta(seconds=used))
        assert found.granted
        slices[call_id] += 1
        took.append((time.perf_counter() - due) * 1_000)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds * rate)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(number, due))
    whole = time.perf_counter() - began
    return {
        "offered a second": rate,
        "answered a second": round(len(took) / whole, 1),
        "p50 ms": round(quantile(took, 0.5) or 0.0, 1),
        "p95 ms": round(quantile(took, 0.95) or 0.0, 1),
    }


@asynccontextmanager
async def _plane(server: str, folder: Path) -> AsyncGenerator[tuple[str, list[str], tuple[str, str]]]:
    keyring = Keyring.new()
    await migrate(server, keyring.derive)
    urls = urls_for(server, keyring.derive)
    async with Store(urls) as store:
        async with store.platform() as scope:
            for tenant in ("alpha", *(f"r{number}" for number in range(8))):
                await create(scope, tenant, tenant, NOW)
                await open_account(scope, tenant, NOW, credit=10**15)
        async with store.tenant("alpha") as scope:
            keys = ApiKeys(keyring)
            made = [
                await keys.create(scope, scopes=["admin"], label="bench", by="bench", now=datetime.now(UTC))
                for _ in range(KEYS)
            ]
        settings: dict[str, Any] = {
            "host": "127.0.0.1", "port": 0, "keys": keyring.to_text(), "database": server, "calls": str(folder),
            "inference": "", "allowed": [], "smtp": "",
        }  # fmt: skip
        async with control_plane(settings) as url:
            yield url, [each.token for each in made], (urls.app, urls.platform)


async def measured(server: str, folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    """The load comes from a process of its own; the call (both ends of a WebRTC leg) is in this one, alone and then
    beside it."""
    async with _plane(server, folder) as (url, tokens, passwords):
        alone = await legs(1, seconds / 2)
        command = (sys.executable, "-m", "benchmarks.platform_load")
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        asked = {"url": url, "tokens": tokens, "urls": passwords, "seconds": seconds}
        assert child.stdin is not None
        child.stdin.write(json.dumps(asked).encode())
        child.stdin.close()
        beside = await legs(1, seconds)
        assert child.stdout is not None
        out = await child.stdout.read()
        await child.wait()
        found: dict[str, dict[str, float]] = json.loads(out)
        return {"the call, alone": _late(alone), "the call, beside the load": _late(beside), **found}


def _late(figures: dict[str, float]) -> dict[str, float]:
    return {"frame lateness p99 ms": figures["lateness_p99_ms"]}


async def _load(asked: dict[str, Any]) -> dict[str, Any]:
    app, platform = asked["urls"]
    async with Store(Urls("", app, platform)) as store:
        offered, renewed = await asyncio.gather(
            reads(asked["url"], asked["tokens"], asked["seconds"], READS_S),
            renewals(store, asked["seconds"], RENEWALS_S),
        )
    return {"API reads": offered, "renewals": renewed}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_load(json.loads(sys.stdin.read())))))
