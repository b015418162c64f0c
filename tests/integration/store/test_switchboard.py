"""Calls of tenants from the first ring to the bill: whose they are, what becomes of them, what is left of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from tests.integration.store.conftest import Postgres
from tests.integration.store.exchange import FILE, KEYRING, Exchange, exchange, later, written
from tests.integration.store.running import NOW, store_test

from aivoice.api.directory import Ringing
from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from aivoice.billing import Limits, Plan, check_all, set_limits, set_plan, standing, top_up
from aivoice.billing.plans import UNIT
from aivoice.engine.replay import Same, read, replay
from aivoice.hosting.switchboard import NotAnsweredError
from aivoice.security.call_crypto import call_keys, erase_call_keys
from aivoice.security.keyring import Sealer
from aivoice.store import NotFoundError, Store, StoreError
from aivoice.tenants.callers import block, recall, remember
from aivoice.tenants.lifecycle import set_status
from aivoice.tenants.numbers import NumberError, assign, release
from aivoice.tenants.records import call, calls, transcript
from aivoice.tenants.settings import change_settings, parse_settings
from aivoice.testing.fakes import Truth, lay_out
from aivoice.testing.sound import voice_pcm
from aivoice.tools.guard import Guard
from aivoice.tools.outgoing import deliveries
from aivoice.tools.webhooks import add_webhook
from aivoice.traces.sealed import CallArchive

A, B = "+12125550101", "+12125550102"
CALLER = "+12125550147"


@store_test
async def test_each_number_reaches_its_own_business_at_the_same_time(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        await held.tenant("bravo", B)
        (_, one), (_, other) = await asyncio.gather(
            held.call(A, call_id="c1", seconds=2.5), held.call(B, call_id="c2", seconds=2.5)
        )
        await written(held)
        assert "this is Alpha" in _heard(one)
        assert "this is Bravo" in _heard(other)
        for tenant, mine, others in (("alpha", "c1", "c2"), ("bravo", "c2", "c1")):
            async with store.tenant(tenant) as scope:
                record = await call(scope, held.texts, mine)
                assert (record.reason, record.action, record.room) == ("caller_hung_up", "answer", f"{tenant}--{mine}")
                with pytest.raises(NotFoundError):
                    await call(scope, held.texts, others)
                assert (await standing(scope, tenant, NOW)).open_calls == 0
        assert await check_all(store) == {}


def _heard(hub: object) -> str:
    return " ".join(getattr(entry, "text", "") for entry in hub.view.reducer.entries)  # type: ignore[attr-defined]


@store_test
async def test_a_call_leaves_a_bill_a_record_a_memory_sealed_files_and_webhooks(store: Store, tmp_path: Path) -> None:
    said, at = "How much is a cleaning? My card number is 4111 1111 1111 1111.", 6 * SAMPLE_RATE
    truth, position = Truth(), [0]
    truth.add(*lay_out(said, at))
    end = lay_out(said, at)[-1].end

    def caller() -> bytes | None:
        here, position[0] = position[0], position[0] + FRAME_SAMPLES
        return voice_pcm(here, FRAME_SAMPLES, voiced=at <= here < end) if here < end + 4 * SAMPLE_RATE else None

    async with exchange(store, tmp_path, truth) as held:
        await held.tenant("alpha", A)
        async with store.tenant("alpha") as scope:
            await add_webhook(scope, Sealer(KEYRING), Guard(), url="https://example.com/h", events=["call.*"], now=NOW)
        await held.call(A, caller=CALLER, caller_says=caller)
        await written(held)
        async with store.tenant("alpha") as scope:
            record = await call(scope, held.texts, "c1")
            words = " ".join(segment.text for segment in await transcript(scope, held.texts, "c1"))
            known = await recall(scope, held.texts, CALLER)
            told = [(each.event, each.state) for each in await deliveries(scope)]
            key = await call_keys(scope, Sealer(KEYRING), "c1")
        assert record.caller == CALLER
        assert record.turns == 1
        assert record.seconds > 8
        assert "cleaning" in words
        assert "4111" not in words
        assert known is not None
        assert "cleaning" in known.summary
        assert "4111" not in known.summary
        assert sorted(told) == [("call.ended", "waiting"), ("call.started", "waiting")]
        folder = held.directory / "alpha" / "c1"
        assert b"cleaning" not in b"".join(path.read_bytes() for path in folder.iterdir())
        archive = CallArchive(folder, key, call_id="c1")
        journal = archive.journal()
        assert "4111 1111" not in journal
        assert "cleaning" in journal
        reading = read(journal.splitlines(keepends=True))
        assert reading.redacted
        assert isinstance(replay(reading), Same)
        assert "cleaning" in archive.file("transcript.md").decode()
        assert archive.recording()[:4] == b"RIFF"
        async with store.tenant("alpha") as scope:
            await erase_call_keys(scope, "c1")
        async with store.tenant("alpha") as scope:
            with pytest.raises(NotFoundError):
                await call_keys(scope, Sealer(KEYRING), "c1")


@store_test
async def test_every_other_outcome(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        await _refused(held, "+12125550199", "number_unknown", 404)
        with pytest.raises(NumberError):
            await held.switchboard.admit(Ringing("cx", number="12"))
        async with store.tenant("alpha") as scope:
            await block(scope, held.texts, CALLER, NOW, author="test")
        await _refused(held, A, "caller_blocked", 403, caller=CALLER)
        async with store.platform() as scope:
            await set_limits(scope, "alpha", Limits(calls=0), NOW)
        await _refused(held, A, "over_limit", 503)
        async with store.platform() as scope:
            await set_limits(scope, "alpha", Limits(), NOW)
            await set_plan(scope, "alpha", Plan("dear", "month", 0, 200 * UNIT), effective_from=NOW, now=NOW)
        await _refused(held, A, "no_credit", 402)
        async with store.platform() as scope:
            await set_status(scope, "alpha", "suspended", NOW)
        held.contexts.forget("alpha")
        reason, hub = await held.call(A, call_id="c9", seconds=20)
        assert reason == "announced"
        assert "not in service" in _heard(hub)
        async with store.platform() as scope:
            await set_status(scope, "alpha", "closed", NOW)
        await _refused(held, A, "number_unknown", 404)
        await written(held)
        async with store.tenant("alpha") as scope:
            whys = [(record.why, record.action) for record in await calls(scope, held.texts)]
        assert sorted(whys) == [
            ("blocked", "reject"), ("no_credit", "reject"), ("over_limit", "reject"), ("suspended", "announce"),
        ]  # fmt: skip
        assert await check_all(store) == {}


async def _refused(held: Exchange, number: str, code: str, status: int, *, caller: str = "") -> None:
    call_id = f"refused-{code}-{number}"
    with pytest.raises(NotAnsweredError) as error:
        await held.switchboard.admit(Ringing(call_id, number=number, caller=caller))
    assert (error.value.code, error.value.status) == (code, status)


@store_test
async def test_outside_the_hours_the_tenants_own_words_are_said(store: Store, tmp_path: Path) -> None:
    closed = {"outcomes": {"closed": {"action": "announce", "sentence": "We are closed. Call tomorrow."}}}
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        async with store.tenant("alpha") as scope:
            await change_settings(scope, parse_settings(closed))
        later(held, hours=10)
        reason, hub = await held.call(A, seconds=20)
        assert reason == "announced"
        assert "We are closed. Call tomorrow." in _heard(hub)
        greeted = {"outcomes": {"closed": {"action": "answer", "sentence": "We are closed, but I can help."}}}
        async with store.tenant("alpha") as scope:
            await change_settings(scope, parse_settings(greeted))
        _, hub = await held.call(A, call_id="c2", seconds=4)
        assert "We are closed, but I can help." in _heard(hub)


@store_test
async def test_the_files_own_limit_of_calls_at_a_time_holds(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A, file=FILE + "limits:\n  concurrent_calls: 2\n")
        for call_id in ("c1", "c2"):
            await held.switchboard.admit(Ringing(call_id, number=A))
        await _refused(held, A, "over_limit", 503)
        await held.switchboard.dismiss(Ringing("c1", number=A))
        await held.switchboard.admit(Ringing("c3", number=A))
        for call_id in ("c2", "c3"):
            await held.switchboard.dismiss(Ringing(call_id, number=A))
        await written(held)
        assert await check_all(store) == {}


@store_test
async def test_a_tenant_may_answer_the_numbers_that_nobody_has(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path, unknown="alpha") as held:
        await held.tenant("alpha", A)
        await held.tenant("bravo", B)
        for number, tenant in ((B, "bravo"), ("+12125550199", "alpha")):
            ringing = Ringing(f"c-{tenant}", number=number)
            assert (await held.switchboard.admit(ringing)).id == tenant
            await held.switchboard.dismiss(ringing)
        await written(held)


@store_test
async def test_a_number_that_moves_reaches_the_other_business_at_once(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        await held.tenant("bravo", B)
        assert (await held.switchboard.admit(Ringing("c1", number=A))).id == "alpha"
        await held.switchboard.dismiss(Ringing("c1", number=A))
        async with store.platform() as scope:
            await release(scope, "alpha", A)
            await assign(scope, "bravo", A, NOW)
        assert (await held.switchboard.admit(Ringing("c2", number=A))).id == "bravo"
        await held.switchboard.dismiss(Ringing("c2", number=A))
        await written(held)
        assert await check_all(store) == {}
        async with store.tenant("alpha") as scope:
            assert (await call(scope, held.texts, "c1")).reason == "not_begun"


@store_test
async def test_a_database_that_goes_away_in_mid_call_costs_the_caller_and_the_bill_nothing(
    store: Store, tmp_path: Path, postgres: Postgres, database: str
) -> None:
    def away(*, is_away: bool) -> None:
        allowed = "false" if is_away else "true"
        with psycopg.connect(postgres.server, autocommit=True) as beside:
            beside.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {allowed}'.encode())
            if is_away:
                beside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])

    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        await held.call(A, call_id="c0", seconds=0.1)
        await written(held)
        calling = asyncio.create_task(held.call(A, seconds=3.0))
        await asyncio.sleep(1.0)
        await asyncio.to_thread(away, is_away=True)
        reason, hub = await calling  # the caller notices nothing
        assert reason == "caller_hung_up"
        assert "this is Alpha" in _heard(hub)
        with pytest.raises(StoreError):
            await held.switchboard.admit(Ringing("c2", number=A))
        assert held.switchboard.writing == 1
        await asyncio.to_thread(away, is_away=False)
        await written(held, within_s=20)
        async with store.tenant("alpha") as scope:
            record = await call(scope, held.texts, "c1")
            assert record.reason == "caller_hung_up"
            assert 3 <= record.seconds <= 4
            assert (await standing(scope, "alpha", NOW)).open_calls == 0
        assert await check_all(store) == {}


@store_test
async def test_who_calls_again_is_known_to_the_agent_as_data(store: Store, tmp_path: Path) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A)
        await held.tenant("bravo", B)
        async with store.tenant("alpha") as scope:
            await remember(scope, held.texts, CALLER, "Asked about a filling.", call_id="c0", now=NOW)
        for number, tenant, known in ((A, "alpha", True), (B, "bravo", False)):
            ringing = Ringing(f"c-{tenant}", number=number, caller="(212) 555-0147")
            await held.switchboard.admit(ringing)
            prompt = held.switchboard.prompt_of(ringing.call_id)
            assert ("Asked about a filling." in prompt) is known
            assert ("not instructions" in prompt) is known
            await held.switchboard.dismiss(ringing)
        await written(held)


@store_test
async def test_a_hundred_calls_at_once_with_credit_for_ten_minutes(
    store: Store, tmp_path: Path, owner: psycopg.Connection[dict[str, object]]
) -> None:
    async with exchange(store, tmp_path) as held:
        await held.tenant("alpha", A, file=FILE + "limits:\n  concurrent_calls: 100\n")
        async with store.platform() as scope:
            await set_plan(scope, "alpha", Plan("prepaid", "month", 0, 10 * UNIT), effective_from=NOW, now=NOW)
        answered: list[Ringing] = []
        refused: list[str] = []

        async def ring(number: int) -> None:
            ringing = Ringing(f"c{number}", number=A)
            try:
                await held.switchboard.admit(ringing)
            except NotAnsweredError as error:
                refused.append(error.code)
            else:
                answered.append(ringing)

        await asyncio.gather(*(ring(number) for number in range(100)))
        assert len(answered) == 10  # 100 units of opening credit, at 10 a minute, a minute held for each
        assert refused == ["no_credit"] * 90
        async with store.tenant("alpha") as scope:
            now = await standing(scope, "alpha", NOW)
        assert (now.credit, now.held, now.open_calls) == (0, 100 * UNIT, 10)
        for ringing in answered[:5]:
            await held.switchboard.dismiss(ringing)
        await written(held)
        # The process dies with the other five: what they hold comes back, too.
        closed = await held.leases.recover(store, NOW, dead=["p:1"])
        assert len(closed) == 5
        async with store.tenant("alpha") as scope:
            now = await standing(scope, "alpha", NOW)
        assert (now.credit, now.held, now.open_calls) == (100 * UNIT, 0, 0)
        assert await check_all(store) == {}
        left = owner.execute("SELECT count(*) AS n FROM calls WHERE ended_at IS NULL").fetchone()
        assert left is not None
        assert left["n"] == 0
        async with store.platform() as scope:
            await top_up(scope, "alpha", UNIT, NOW, key="x")
        assert await check_all(store) == {}
