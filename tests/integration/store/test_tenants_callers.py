"""Returning callers: remembered by their tenant alone, for a time, until they ask to be forgotten; erased tenants."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from tests.integration.store.running import NOW, derive, new_tenant, store_test

from aivoice.security.keyring import Keyring
from aivoice.security.keyring import Sealer as SecretSealer
from aivoice.store import NotFoundError, Store
from aivoice.tenants.callers import MOST_SUMMARY, block, blocked, forget, is_blocked, recall, remember, unblock
from aivoice.tenants.erasure import KEPT, erase_tenant, sweep
from aivoice.tenants.lifecycle import create, get, set_status
from aivoice.tenants.records import Segment, call, close_record, open_record, transcript
from aivoice.tenants.sealing import DerivedSealer
from aivoice.tools.guard import Guard
from aivoice.tools.messages import Notices, messages, take
from aivoice.tools.outgoing import deliveries
from aivoice.tools.webhooks import add_webhook

SEALER = DerivedSealer(derive)
ANN, BOB = "+12125550147", "+12125550148"


async def a_call(store: Store, tenant: str, call_id: str, caller: str, *, age_days: int = 0) -> None:
    """With a transcript, a message with its notices, and a memory."""
    now = NOW - timedelta(days=age_days)
    async with store.tenant(tenant) as scope:
        await open_record(
            scope, SEALER, call_id, number="+12125550101", caller=caller, why="usual", action="answer", version=1,
            process="p", now=now,
        )  # fmt: skip
        content = {"name": "Somebody", "phone": caller}
        notices = Notices("Alpha", emails=("desk@example.com",))
        await take(scope, "message", content, call_id=call_id, key="k", notices=notices, now=now)
        said = [Segment("caller", 0, 9, f"This is {caller}.")]
        await close_record(
            scope, SEALER, call_id, reason="x", seconds=1, turns=1, transferred="", segments=said, now=now
        )
        await remember(scope, SEALER, caller, f"Asked {call_id}.", call_id=call_id, now=now)


@store_test
async def test_the_last_call_is_remembered_and_each_counted_once(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    async with store.tenant("alpha") as scope:
        assert await recall(scope, SEALER, ANN) is None
        for call_id, minutes in (("c1", 0), ("c2", 5), ("c2", 5)):
            now = NOW + timedelta(minutes=minutes)
            await remember(scope, SEALER, ANN, f"Asked {call_id}.", call_id=call_id, now=now)
        known = await recall(scope, SEALER, ANN)
        assert known is not None
        assert (known.summary, known.calls, known.last_call_id) == ("Asked c2.", 2, "c2")
        assert known.last_at - known.first_at == timedelta(minutes=5)
        await remember(scope, SEALER, ANN, "x" * 5_000, call_id="c3", now=NOW)
        known = await recall(scope, SEALER, ANN)
        assert known is not None
        assert len(known.summary) == MOST_SUMMARY
    async with store.tenant("bravo") as scope:
        assert await recall(scope, SEALER, ANN) is None
        assert await forget(scope, SEALER, ANN) == []
    async with store.tenant("alpha") as scope:
        assert await recall(scope, SEALER, ANN) is not None


@store_test
async def test_who_is_forgotten_is_in_no_row_any_more_and_nobody_else_is_touched(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        for call_id, caller in (("c1", ANN), ("c2", BOB), ("c3", ANN)):
            await a_call(store, tenant, call_id, caller)
    async with store.tenant("alpha") as scope:
        assert await forget(scope, SEALER, ANN) == ["c1", "c3"]
        assert await forget(scope, SEALER, ANN) == []
        assert await recall(scope, SEALER, ANN) is None
        assert [(await call(scope, SEALER, each)).caller for each in ("c1", "c2", "c3")] == ["", BOB, ""]
        assert await transcript(scope, SEALER, "c1") == []
        assert [message.content["phone"] for message in await messages(scope)] == [BOB]
        assert len(await deliveries(scope)) == 1
        key = SEALER.key("alpha", ANN)
    tables = owner.execute("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for table in tables:
        left = str(owner.execute(f"SELECT * FROM {table['t']} r WHERE r::text LIKE '%alpha%'".encode()).fetchall())
        assert ANN[2:] not in left, table["t"]
        assert str(key) not in left, table["t"]
    async with store.tenant("bravo") as scope:
        assert await recall(scope, SEALER, ANN) is not None
        assert len(await messages(scope)) == 3


@store_test
async def test_a_summary_moved_to_another_tenant_is_not_read(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            await remember(scope, SEALER, ANN, f"Secret of {tenant}.", call_id="c1", now=NOW)
    owner.execute("UPDATE callers SET summary_sealed = (SELECT summary_sealed FROM callers WHERE tenant_id = 'alpha')")
    async with store.tenant("bravo") as scope:
        known = await recall(scope, SEALER, ANN)
        assert known is not None
        assert known.summary == ""


@store_test
async def test_callers_are_blocked_for_a_time_or_for_good(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    later = NOW + timedelta(hours=1)
    async with store.tenant("alpha") as scope:
        await block(scope, SEALER, ANN, NOW, author="ann", reason="rude", until=later)
        await block(scope, SEALER, BOB, NOW + timedelta(seconds=1), author="ann")
        assert await is_blocked(scope, SEALER, ANN, NOW)
        assert not await is_blocked(scope, SEALER, ANN, later)
        assert await is_blocked(scope, SEALER, BOB, NOW + timedelta(days=9_999))
        assert [(each.number, each.reason, each.until) for each in await blocked(scope, SEALER)] == [
            (BOB, "", None), (ANN, "rude", later),
        ]  # fmt: skip
        await block(scope, SEALER, ANN, NOW, author="ann")
        assert await is_blocked(scope, SEALER, ANN, later)
    async with store.tenant("bravo") as scope:
        assert not await is_blocked(scope, SEALER, ANN, NOW)
        with pytest.raises(NotFoundError):
            await unblock(scope, SEALER, ANN)
        assert await blocked(scope, SEALER) == []
    async with store.tenant("alpha") as scope:
        await unblock(scope, SEALER, ANN)
        assert not await is_blocked(scope, SEALER, ANN, NOW)
        with pytest.raises(NotFoundError):
            await unblock(scope, SEALER, ANN)


@store_test
async def test_what_is_older_than_it_is_kept_goes_and_the_rest_stays(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        for call_id, caller, age in (("old", ANN, 100), ("new", BOB, 50)):
            await a_call(store, tenant, call_id, caller, age_days=age)
    owner.execute("UPDATE deliveries SET state = 'delivered', done_at = created_at WHERE created_at < now()")
    async with store.tenant("alpha") as scope:
        done = await sweep(scope, recordings=30, transcripts=90, callers=60, now=NOW)
        assert done == {
            "recording": 0, "journal": 0, "call_segments": 1, "callers": 1, "deliveries": 1, "erased": 0,
        }  # fmt: skip
        assert await transcript(scope, SEALER, "old") == []
        assert len(await transcript(scope, SEALER, "new")) == 1
        assert await recall(scope, SEALER, ANN) is None
        assert await recall(scope, SEALER, BOB) is not None
    owner.execute("UPDATE deliveries SET state = 'dead'")
    async with store.tenant("alpha") as scope:
        assert sum((await sweep(scope, recordings=0, transcripts=0, callers=0, now=NOW)).values()) == 2
        assert len(await deliveries(scope)) == 1  # it can still be sent again
    async with store.tenant("bravo") as scope:
        assert len(await deliveries(scope)) == 2
        assert await recall(scope, SEALER, ANN) is not None


@store_test
async def test_an_erased_tenant_is_gone_also_what_a_call_wrote_that_was_running(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            await add_webhook(
                scope, SecretSealer(Keyring.new()), Guard(), url="https://example.com/h", events=["*"], now=NOW
            )
            await block(scope, SEALER, ANN, NOW, author="ann")
        await a_call(store, tenant, "c1", ANN)
    before = _counted(owner, "bravo")
    await erase_tenant(store, "alpha", NOW)
    assert {table: rows for table, rows in _counted(owner, "alpha").items() if rows and table not in KEPT} == {}
    await a_call(store, "alpha", "c2", BOB)
    assert _counted(owner, "alpha")["messages"] == 1
    async with store.tenant("alpha") as scope:
        assert (await sweep(scope, recordings=30, transcripts=90, callers=180, now=NOW))["erased"] >= 4
    assert {table: rows for table, rows in _counted(owner, "alpha").items() if rows and table not in KEPT} == {}
    assert _counted(owner, "bravo") == before
    async with store.platform() as scope:
        assert (await get(scope, "alpha")).name == "erased"
    with pytest.raises(NotFoundError):
        await erase_tenant(store, "nobody", NOW)


@store_test
async def test_a_tenant_that_is_closed_or_has_such_a_name_is_not_taken_for_erased(store: Store) -> None:
    async with store.platform() as scope:
        await create(scope, "alpha", "erased", NOW)
        await create(scope, "bravo", "Bravo", NOW)
        await set_status(scope, "bravo", "closed", NOW, reason="erased")
    for tenant in ("alpha", "bravo"):
        await a_call(store, tenant, "c1", ANN)
        async with store.tenant(tenant) as scope:
            assert not any((await sweep(scope, recordings=30, transcripts=90, callers=180, now=NOW)).values())
            assert len(await messages(scope)) == 1


def _counted(owner: psycopg.Connection[dict[str, object]], tenant: str) -> dict[str, int]:
    rows = owner.execute(
        "SELECT table_name AS t FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name = 'tenant_id'"
    ).fetchall()
    counted: dict[str, int] = {}
    for row in rows:
        found = owner.execute(
            f"SELECT count(*) AS n FROM {row['t']} WHERE tenant_id = %s".encode(), [tenant]
        ).fetchone()
        assert found is not None
        counted[str(row["t"])] = int(str(found["n"]))
    return counted
