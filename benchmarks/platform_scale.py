"""`python -m benchmarks platform`: the database with 10,000 tenants and a million calls, asked as calls and pages
ask it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from aivoice.api.directory import Ringing
from aivoice.billing import Leases
from aivoice.hosting.chains import embedded_chains
from aivoice.hosting.switchboard import Facts, Switchboard
from aivoice.hosting.tenant_house import TenantContext, Voices, open_tenant_house
from aivoice.hosting.tenant_tools import open_workshop
from aivoice.knowledge.retriever import Shelf
from aivoice.security.keyring import Keyring, Sealer
from aivoice.store import Store, Urls, urls_for
from aivoice.store.migrate import migrate
from aivoice.tenants.bundle import Bundle, check_bundle, pack
from aivoice.tenants.context import Contexts
from aivoice.tenants.lookup import by_number
from aivoice.tenants.records import Filter, calls
from aivoice.tenants.sealing import DerivedSealer
from aivoice.testing.fakes import FakeEmbedder, FakeStt, FakeTts, FakeVad, Truth, TtsBehaviour
from aivoice.tools.guard import Guard
from benchmarks.figures import quantile

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
FILE = """\
name: Tenant
timezone: America/Chicago
hours:
  weekdays: 8:00-17:00
prices:
  - item: Cleaning
    price: $110
  - item: Filling
    price: from $180
"""
BUSY = 0.2
"""Share of all calls that the busiest tenant has."""


@dataclass(frozen=True, slots=True)
class Sizes:
    tenants: int = 10_000
    calls: int = 1_000_000
    asked: int = 1_000
    ready: int = 300


def fill(owner: str, sizes: Sizes) -> None:
    """Rows made by the server itself. Each tenant has a number, a version of its file and an account; calls are
    spread over a year."""
    draft = check_bundle(Bundle(FILE))
    given = {
        "source": draft.source, "compiled": pack(draft.business), "digest": draft.digest, "tenants": sizes.tenants,
        "calls": sizes.calls, "busy": round(sizes.calls * BUSY), "now": NOW,
    }  # fmt: skip
    with psycopg.connect(owner, autocommit=True) as db:
        for sql in _FILL:
            db.execute(sql.encode(), given)
        db.execute("VACUUM ANALYZE")


_FILL = (
    "INSERT INTO tenants (id, name, zone, version, created_at) "
    "SELECT 't' || n, 'Tenant ' || n, 'America/Chicago', 1, %(now)s FROM generate_series(1, %(tenants)s) n",
    "INSERT INTO numbers (tenant_id, e164, created_at) "
    "SELECT 't' || n, '+1212' || lpad(n::text, 7, '0'), %(now)s FROM generate_series(1, %(tenants)s) n",
    "INSERT INTO business_versions (tenant_id, number, digest, file_name, source, compiled, format, author, note, "
    "created_at) SELECT 't' || n, 1, %(digest)s, 'business.yaml', %(source)s, %(compiled)s, 1, 'bench', '', %(now)s "
    "FROM generate_series(1, %(tenants)s) n",
    "INSERT INTO calls (tenant_id, call_id, number, caller_key, why, action, version, room, process, started_at, "
    "seen_at, ended_at, reason, seconds, turns) SELECT t, 'c' || n, '+1212' || lpad((n %% 9)::text, 7, '0'), "
    "sha256(((n %% 500) || t)::bytea), (ARRAY['usual', 'closed', 'over_limit'])[1 + n %% 3], "
    "(ARRAY['answer', 'answer', 'reject'])[1 + n %% 3], 1, t || '--c' || n, 'p', at, at, at + interval '2 minutes', "
    "'agent_ended', 120, 6 FROM (SELECT n, CASE WHEN n <= %(busy)s THEN 't1' ELSE 't' || (1 + n %% %(tenants)s) END "
    "AS t, "
    "%(now)s - (n * 31.5) * interval '1 second' AS at FROM generate_series(1, %(calls)s) n) made",
)


async def timed(times: int, work: Callable[[int], Awaitable[Any]]) -> dict[str, float]:
    """p50 and p95, ms, one after the other; ten before that are not counted."""
    took: list[float] = []
    for at in range(-10, times):
        began = time.perf_counter()
        await work(at)
        if at >= 0:
            took.append((time.perf_counter() - began) * 1_000)
    return {f"p{round(q * 100)}": round(quantile(took, q) or 0.0, 2) for q in (0.5, 0.95)}


async def lookups(store: Store, sizes: Sizes) -> dict[str, dict[str, float]]:
    """By number, as a ringing call does."""
    rng = random.Random(1)

    async def one(_: int) -> None:
        async with store.platform() as scope:
            assert await by_number(scope, f"+1212{rng.randint(1, sizes.tenants):07}") is not None

    return {"number → tenant": await timed(sizes.asked, one)}


async def lists(store: Store, sealer: DerivedSealer, sizes: Sizes) -> dict[str, dict[str, float]]:
    """Pages of 50, of the busiest tenant and of any; every filter; deep pages too."""
    rng = random.Random(2)
    wanted = {
        "newest": Filter(),
        "by number": Filter(number="+12120000003"),
        "by outcome": Filter(action="reject"),
        "by reason": Filter(why="closed"),
        "of a day": Filter(since=NOW - timedelta(days=40), until=NOW - timedelta(days=39)),
        "nobody's number": Filter(number="+19999999999"),
    }
    found: dict[str, dict[str, float]] = {}
    for label, chosen in wanted.items():

        async def one(at: int, chosen: Filter = chosen) -> None:
            tenant = "t1" if at % 2 else f"t{rng.randint(1, sizes.tenants)}"
            place = (NOW - timedelta(seconds=rng.randint(0, 30_000_000)), "c")
            async with store.tenant(tenant) as scope:
                await calls(scope, sealer, chosen, after=place if at % 3 == 0 else None, limit=50)

        found[f"list of calls, {label}"] = await timed(max(sizes.asked // 5, 50), one)
    return found


async def readiness(store: Store, folder: Path, sizes: Sizes) -> dict[str, dict[str, float]]:
    """From the first ring to an agent with its greeting's audio: credit, record and key in the database included.

    cold: the context is not in memory; its clips are on disk and its knowledge is published, as after a restart.
    warm: it is.
    """
    keyring = Keyring.new()
    sealer, facts = Sealer(keyring), Facts()
    voices = Voices(embedded_chains(FakeStt(Truth()), FakeTts(TtsBehaviour(pcm=True))), FakeVad(), FakeEmbedder(384))
    rng = random.Random(3)
    chosen = [f"+1212{rng.randint(1, sizes.tenants):07}" for _ in range(sizes.ready)]

    def now() -> datetime:
        return NOW

    async with open_workshop(store, sealer, Guard(), facts=facts, now=now) as shop:
        shelf = Shelf(store, voices.embedder)
        async with open_tenant_house(store, shelf, shop, voices, cache=folder / "clips", now=now) as house:
            contexts: Contexts[TenantContext] = Contexts(house.build)
            board = Switchboard(
                store, sealer, DerivedSealer(keyring.derive), Leases(), contexts, facts,
                process="bench:1", directory=folder / "calls", now=now,
            )  # fmt: skip
            async with board:
                counter = iter(range(10**9))

                async def one(at: int) -> None:
                    ringing = Ringing(f"ready{next(counter)}", number=chosen[at % len(chosen)])
                    info = await board.admit(ringing)
                    context = await contexts.get(info.id, 1)
                    assert context.hosted.clips is not None
                    assert context.hosted.clips.get("greeting") is not None

                for at in range(len(chosen)):
                    await one(at)  # clips spoken, knowledge published
                contexts.forget_all()
                shelf.forget_all()

                async def cold(at: int) -> None:
                    await one(at)

                found = {"number → agent ready, cold": await timed(len(chosen) - 10, cold)}
                found["number → agent ready, warm"] = await timed(len(chosen) - 10, one)
                return found


async def measured(server: str, folder: Path, sizes: Sizes) -> dict[str, dict[str, float]]:
    """server: the owner's address of a PostgreSQL that may be filled."""
    keyring = Keyring.new()
    with psycopg.connect(server, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS bench_scale")
        db.execute("CREATE DATABASE bench_scale")
    owner = make_conninfo(server, dbname="bench_scale")
    await migrate(owner, keyring.derive)
    await asyncio.to_thread(fill, owner, sizes)
    urls: Urls = urls_for(owner, keyring.derive)
    async with Store(urls) as store:
        return {
            **await lookups(store, sizes),
            **await lists(store, DerivedSealer(keyring.derive), sizes),
            **await readiness(store, folder, sizes),
        }
