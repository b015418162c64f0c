"""Records of calls: opened, closed once, listed by every filter without a row too many, read by nobody else."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.integration.store.running import NOW, derive, new_tenant, store_test

from aivoice.store import ConflictError, NotFoundError, PlatformScope, Scope, Store
from aivoice.tenants.lookup import by_number
from aivoice.tenants.records import (
    LOST,
    CallRecord,
    DeadCalls,
    Filter,
    Segment,
    call,
    calls,
    close_of_dead,
    close_record,
    erase_call,
    open_record,
    processes,
    room_name,
    transcript,
)
from aivoice.tenants.sealing import DerivedSealer

SEALER = DerivedSealer(derive)
NUMBERS = ("+12125550101", "+12125550102")
CALLERS = ("+12125550147", "+12125550148", "1004", "")
SAID = (Segment("agent", 0, 900, "Hello."), Segment("caller", 1_000, None, "A filling, please."))


async def opened(scope: Scope, call_id: str, *, now: datetime = NOW, process: str = "p:1", **other: Any) -> None:
    given: dict[str, Any] = {
        "number": NUMBERS[0], "caller": CALLERS[0], "why": "usual", "action": "answer", "version": 1, **other
    }  # fmt: skip
    await open_record(scope, SEALER, call_id, process=process, now=now, **given)


async def closed(scope: Scope, call_id: str, reason: str = "agent_ended", *, now: datetime = NOW) -> bool:
    return await close_record(
        scope, SEALER, call_id, reason=reason, seconds=61, turns=2, transferred="desk", segments=SAID, now=now
    )


@store_test
async def test_a_call_is_opened_and_closed_once(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        await opened(scope, "c1")
        live = await call(scope, SEALER, "c1")
        assert (live.ended_at, live.room, live.caller) == (None, "alpha--c1", CALLERS[0])
        assert await closed(scope, "c1", now=NOW + timedelta(minutes=1))
        assert not await closed(scope, "c1", "again", now=NOW + timedelta(minutes=2))
        assert await call(scope, SEALER, "c1") == replace(
            live, ended_at=NOW + timedelta(minutes=1), reason="agent_ended", seconds=61, turns=2, transferred="desk"
        )
        assert await transcript(scope, SEALER, "c1") == list(SAID)
        assert not await closed(scope, "unknown")
    with pytest.raises(ConflictError):
        async with store.tenant("alpha") as scope:
            await opened(scope, "c1")


@store_test
async def test_a_clock_that_was_set_back_ends_no_call_before_it_began(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        await opened(scope, "c1")
        assert await closed(scope, "c1", now=NOW - timedelta(hours=1))
        assert (await call(scope, SEALER, "c1")).ended_at == NOW


@store_test
async def test_calls_of_a_dead_process_are_closed_and_one_that_lived_has_the_last_word(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            await opened(scope, "dead", process="s:dead")
            await opened(scope, "live", process="s:live")
            await opened(scope, "over", process="s:dead")
            await closed(scope, "over")
    async with store.platform() as scope:
        assert sorted(await processes(scope)) == ["s:dead", "s:live"]
        assert await close_of_dead(scope, dead=["s:dead"], now=NOW) == 2
        assert await close_of_dead(scope, dead=["s:dead"], now=NOW) == 0
        assert await processes(scope) == ["s:live"]
    async with store.tenant("alpha") as scope:
        await DeadCalls().close_dead(scope, "live", seconds=30, now=NOW)
        found = {record.call_id: (record.reason, record.seconds) for record in await calls(scope, SEALER)}
        assert found == {"dead": (LOST, 0), "live": (LOST, 30), "over": ("agent_ended", 61)}
        assert await closed(scope, "live")
        assert (await call(scope, SEALER, "live")).reason == "agent_ended"
        await DeadCalls().close_dead(scope, "live", seconds=1, now=NOW)
        assert (await call(scope, SEALER, "live")).seconds == 61


@store_test
async def test_no_call_of_another_tenant_is_seen_though_it_has_the_same_id_number_and_caller(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    async with store.tenant("alpha") as scope:
        await opened(scope, "c1")
        await closed(scope, "c1")
        await opened(scope, "mine")
    async with store.tenant("bravo") as scope:
        await opened(scope, "c1")
        for wanted in (Filter(), Filter(caller=CALLERS[0]), Filter(number=NUMBERS[0])):
            assert [record.room for record in await calls(scope, SEALER, wanted)] == ["bravo--c1"]
        assert await transcript(scope, SEALER, "c1") == []
        assert not await closed(scope, "mine")
        for read in (call, transcript):
            with pytest.raises(NotFoundError):
                await read(scope, SEALER, "mine")
        with pytest.raises(NotFoundError):
            await erase_call(scope, "mine")
        await erase_call(scope, "c1")
    async with store.tenant("alpha") as scope:
        assert (await call(scope, SEALER, "c1")).caller == CALLERS[0]


@store_test
async def test_numbers_and_words_are_not_to_be_read_in_the_database_nor_moved_to_another_call(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            for call_id in ("c1", "c2"):
                await opened(scope, call_id)
                await closed(scope, call_id)
    dump = str(
        owner.execute("SELECT * FROM calls").fetchall() + owner.execute("SELECT * FROM call_segments").fetchall()
    )
    assert "5550147" not in dump
    assert "filling" not in dump
    keys = owner.execute("SELECT count(DISTINCT caller_key) AS n FROM calls").fetchone()
    assert keys == {"n": 2}  # the same caller is another one at each tenant
    owner.execute(
        "UPDATE calls SET caller_sealed = (SELECT caller_sealed FROM calls WHERE room = 'bravo--c1') "
        "WHERE call_id = 'c1'"
    )
    owner.execute(
        "UPDATE call_segments SET text_sealed = (SELECT text_sealed FROM call_segments WHERE tenant_id = 'alpha' "
        "AND call_id = 'c1' AND position = 1) WHERE call_id = 'c2'"
    )
    async with store.tenant("alpha") as scope:
        assert (await call(scope, SEALER, "c1")).caller == ""
        assert [segment.text for segment in await transcript(scope, SEALER, "c2")] == ["", ""]


@store_test
async def test_an_erased_call_stays_for_the_bill_alone(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        await opened(scope, "c1")
        await closed(scope, "c1")
        await erase_call(scope, "c1")
        await erase_call(scope, "c1")
        kept = await call(scope, SEALER, "c1")
        assert (kept.caller, kept.seconds, await transcript(scope, SEALER, "c1")) == ("", 61, [])
        assert await calls(scope, SEALER, Filter(caller=CALLERS[0])) == []
    assert owner.execute("SELECT caller_key, caller_sealed, summary_sealed FROM calls").fetchone() == dict.fromkeys(
        ("caller_key", "caller_sealed", "summary_sealed")
    )


def test_a_room_is_read_back_to_one_tenant_alone() -> None:
    assert room_name("alpha", "call_x") == "alpha--call_x"
    assert room_name("a-b", "c") != room_name("a", "b--c")


def _fits(record: CallRecord, wanted: Filter) -> bool:
    fields = ("number", "caller", "action", "why")
    return (
        all(getattr(wanted, name) in ("", getattr(record, name)) for name in fields)
        and (wanted.since is None or record.started_at >= wanted.since)
        and (wanted.until is None or record.started_at < wanted.until)
    )


@store_test
async def test_pages_of_every_filter_are_the_whole_list_in_order(store: Store) -> None:
    """Against a list in memory; many calls begin in the same moment."""
    rng = random.Random(7)
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            for number in rng.sample(range(1_000), 120):
                await opened(
                    scope, f"c{number}", now=NOW + timedelta(seconds=rng.randrange(12)), number=rng.choice(NUMBERS),
                    caller=rng.choice(CALLERS), why=rng.choice(("usual", "closed")),
                    action=rng.choice(("answer", "reject")),
                )  # fmt: skip
    async with store.tenant("alpha") as scope:
        everything = await calls(scope, SEALER, limit=500)
        assert len(everything) == 120
        assert everything == sorted(everything, key=lambda record: (record.started_at, record.call_id), reverse=True)
        for _ in range(60):
            moments = sorted(NOW + timedelta(seconds=rng.randrange(-1, 14)) for _ in range(2))
            wanted = Filter(
                number=rng.choice(("", *NUMBERS)),
                caller=rng.choice(("", *CALLERS, "+19999999999")),
                action=rng.choice(("", "answer", "reject")),
                why=rng.choice(("", "", "usual", "closed")),
                since=rng.choice((None, moments[0])),
                until=rng.choice((None, moments[1])),
            )
            size, found, after = rng.randrange(1, 40), list[CallRecord](), None
            while page := await calls(scope, SEALER, wanted, after=after, limit=size):
                found += page
                assert len(found) <= len(everything), wanted
                after = (page[-1].started_at, page[-1].call_id)
            assert found == [record for record in everything if _fits(record, wanted)], wanted


FILL = (
    "INSERT INTO tenants (id, name, created_at) SELECT 't' || n, 'T', now() FROM generate_series(1, 3000) n",
    "INSERT INTO numbers SELECT 't' || n, '+1212' || lpad(n::text, 7, '0'), '', now() FROM generate_series(1, 3000) n",
    "INSERT INTO calls (tenant_id, call_id, number, caller_key, why, action, version, room, process, started_at, "
    "seen_at, ended_at) SELECT CASE WHEN n <= 2000 THEN 't1' ELSE 't' || (1 + n % 3000) END, 'c' || n, "
    "'+1212' || lpad((n % 40)::text, 7, '0'), sha256((n % 500)::text::bytea), 'w' || n % 40, 'a' || n % 40, 1, 'r', "
    "'p', now() - n * interval '1 minute', now(), now() FROM generate_series(1, 5000) n",
    "ANALYZE",
)


NOTHING: Mapping[str, Any] = {}


def _explain(sql: Any) -> Any:
    return f"EXPLAIN {sql}"


class _Explaining(Scope):
    """A scope that asks for the plan of a statement in place of its rows."""

    __slots__ = ("plan",)

    async def all(self, sql: Any, params: Mapping[str, Any] = NOTHING) -> list[dict[str, Any]]:
        self.plan = "\n".join(row["QUERY PLAN"] for row in await super().all(_explain(sql), params))
        return []


class _ExplainedLookup(PlatformScope):
    __slots__ = ("plan",)

    async def one(self, sql: Any, params: Mapping[str, Any] = NOTHING) -> dict[str, Any] | None:
        self.plan = "\n".join(row["QUERY PLAN"] for row in await self.all(_explain(sql), params))
        return None


@store_test
async def test_lists_and_lookups_read_an_index_and_sort_nothing(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for sql in FILL:
        owner.execute(sql.encode())
    key = owner.execute("SELECT sha256('7'::bytea) AS key").fetchone()
    assert key is not None

    class Same:
        """Finds the callers of `FILL`."""

        def key(self, tenant_id: str, text: str) -> bytes:
            found = key["key"]
            assert isinstance(found, bytes)
            return found

    expected = {
        "calls_by_time": Filter(),
        "calls_by_number": Filter(number="+12120000003"),
        "calls_by_caller": Filter(caller="+12125550147"),
        "calls_by_action": Filter(action="a3"),
        "calls_by_why": Filter(why="w3"),
    }
    async with store.tenant("t1") as scope:
        explaining = _Explaining(scope._connection, "t1")  # pyright: ignore[reportPrivateUsage]
        for index, wanted in expected.items():
            for after in (None, (NOW, "c5")):
                for span in ({}, {"since": NOW - timedelta(days=3_000)}, {"until": NOW}):
                    await calls(explaining, Same(), replace(wanted, **span), after=after)  # type: ignore[arg-type]
                    assert "Seq Scan" not in explaining.plan, explaining.plan
                    assert index in explaining.plan, explaining.plan
        # Of so few rows a bitmap is as good; of many the index has to give them in the order of the list.
        await scope.run("SET LOCAL enable_bitmapscan = off")
        for index, wanted in expected.items():
            await calls(explaining, Same(), wanted, after=(NOW, "c5"))  # type: ignore[arg-type]
            assert f"using {index}" in explaining.plan, explaining.plan
            assert "Sort" not in explaining.plan, explaining.plan
    async with store.platform() as platform:
        explained = _ExplainedLookup(platform._connection)  # pyright: ignore[reportPrivateUsage]
        await by_number(explained, "+12120000003")
    assert "numbers_e164_key" in explained.plan, explained.plan
    assert "Seq Scan" not in explained.plan, explained.plan
