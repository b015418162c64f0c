"""Contexts that follow the database; hours of a file in its zone, through changes of the clocks and holidays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.integration.store.exchange import exchange, written
from tests.integration.store.running import NOW, derive, new_tenant, store_test

from aivoice.api.directory import Ringing
from aivoice.store import Store
from aivoice.tenants import context as tenants_context
from aivoice.tenants.bundle import Bundle, check_bundle
from aivoice.tenants.context import Contexts
from aivoice.tenants.records import call
from aivoice.tenants.sealing import DerivedSealer
from aivoice.tenants.settings import change_settings, parse_settings
from aivoice.tenants.versions import apply, business_of, current_number

A = "+12125550101"
Made = tuple[str, int, str]


async def put(store: Store, tenant: str, price: str) -> None:
    draft = check_bundle(Bundle(f"name: {tenant}\nprices:\n  - item: Cut\n    price: {price}\n"))
    async with store.tenant(tenant) as scope:
        await apply(scope, draft, NOW, author="test")


@asynccontextmanager
async def following(store: Store) -> AsyncGenerator[tuple[Contexts[Made], asyncio.Queue[str]]]:
    async def build(tenant_id: str, version: int) -> Made:
        async with store.tenant(tenant_id) as scope:
            business = await business_of(scope, version)
        await asyncio.sleep(0)
        return business.name, version, business.prices[0].price

    contexts, changed = Contexts(build, most=3), asyncio.Queue[str]()
    task = asyncio.create_task(contexts.follow(store, changed=changed.put_nowait))
    try:
        yield contexts, changed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def listening(owner: psycopg.Connection[dict[str, object]], *, besides: int = 0) -> int:
    """The server process of whoever listens."""
    async with asyncio.timeout(10):
        while True:
            rows = await asyncio.to_thread(
                lambda: owner.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%%' "
                    "AND pid <> %s",
                    [besides],
                ).fetchall()
            )
            if rows:
                return int(str(rows[0]["pid"]))
            await asyncio.sleep(0.02)


@store_test
async def test_a_context_is_forgotten_when_its_tenant_changes_and_nobody_elses(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        await put(store, tenant, "$1")
    async with following(store) as (contexts, changed):
        await listening(owner)
        first = [await contexts.get(tenant, 1) for tenant in ("alpha", "bravo")]
        assert first == [("alpha", 1, "$1"), ("bravo", 1, "$1")]
        async with store.tenant("alpha") as scope:
            await change_settings(scope, parse_settings({"region": "DE"}))
        assert await asyncio.wait_for(changed.get(), 5) == "alpha"
        assert await contexts.get("alpha", 1) is not first[0]
        assert await contexts.get("bravo", 1) is first[1]


@store_test
async def test_what_changed_while_nobody_listened_counts_too(
    store: Store, owner: psycopg.Connection[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants_context, "AGAIN_S", 0.3)
    await new_tenant(store, "alpha")
    await put(store, "alpha", "$1")
    async with following(store) as (contexts, _):
        pid = await listening(owner)
        before = await contexts.get("alpha", 1)
        owner.execute("SELECT pg_terminate_backend(%s)", [pid])
        async with store.tenant("alpha") as scope:
            await change_settings(scope, parse_settings({"region": "DE"}))
        await listening(owner, besides=pid)
        async with asyncio.timeout(5):
            while await contexts.get("alpha", 1) is before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@store_test
async def test_under_a_storm_of_changes_each_caller_gets_the_version_it_was_told(store: Store) -> None:
    """Three tenants, three places, files that change all the time: the wrong business is never given."""
    names = ("alpha", "bravo", "alpha-2", "delta")
    for tenant in names:
        await new_tenant(store, tenant)
        await put(store, tenant, "$1")
    prices: dict[tuple[str, int], str] = {(tenant, 1): "$1" for tenant in names}

    async def change(tenant: str) -> None:
        for number in range(2, 8):
            prices[tenant, number] = f"${number}{len(tenant)}"
            await put(store, tenant, prices[tenant, number])

    async def ask(tenant: str) -> None:
        for _ in range(30):
            async with store.tenant(tenant) as scope:
                version = await current_number(scope)
            assert await contexts.get(tenant, version) == (tenant, version, prices[tenant, version])

    async with following(store) as (contexts, _):
        await asyncio.gather(*(work(tenant) for tenant in names for work in (change, ask, ask)))
        assert len(contexts) <= 3


FILE = """\
name: {name}
timezone: America/Chicago
hours:
  weekdays: 8:00-17:00
  saturday: 22:00-3:00
  holidays:
    - date: 2026-11-26
      name: Thanksgiving
    - date: 2026-12-24
      to: 2026-12-26
      hours: 9:00-12:00
"""


@store_test
async def test_hours_are_those_of_the_files_zone_through_the_year(store: Store, tmp_path: Path) -> None:
    sealer = DerivedSealer(derive)
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A, file=FILE)
        for index, (moment, why) in enumerate(
            (
                ("2026-10-30T13:30", "usual"),  # summer time: half past eight
                ("2026-11-02T13:30", "closed"),  # the clocks went back on the day before: half past seven
                ("2026-11-02T14:00", "usual"),
                ("2026-11-02T22:59", "usual"),
                ("2026-11-02T23:00", "closed"),
                ("2026-11-26T15:00", "closed"),  # a Thursday, and a holiday
                ("2026-11-27T15:00", "usual"),
                ("2026-12-24T15:30", "usual"),  # half past nine
                ("2026-12-24T18:30", "closed"),
                ("2026-12-26T15:30", "usual"),  # a Saturday with the holiday's hours …
                ("2026-12-27T04:30", "closed"),  # … in place of its night
                ("2027-03-14T07:59", "usual"),  # past midnight, a minute before two, when it becomes three
                ("2027-03-14T08:00", "closed"),
                ("2026-11-01T07:30", "usual"),  # half past one for the second time that night
                ("2026-11-01T09:00", "closed"),
            )
        ):
            held.clock[0] = datetime.fromisoformat(moment).replace(tzinfo=UTC)
            ringing = Ringing(f"c{index}", number=A)
            await held.switchboard.admit(ringing)
            await held.switchboard.dismiss(ringing)
            async with store.tenant("alpha") as scope:
                assert (await call(scope, sealer, f"c{index}")).why == why, moment
        await written(held)
