"""Webhooks: real receivers that fail, are slow or go away; a steered clock."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook as Receiver
from tests.integration.store.running import NOW, new_tenant, store_test
from tests.integration.store.tools_world import (
    GUARD,
    Xor,
    hook,
    states,
    tell,
    world,
)

from aivoice.store import NotFoundError, Store
from aivoice.tools.backoff import Backoff
from aivoice.tools.fakes import MemoryMailer
from aivoice.tools.outgoing import deliveries, emit, forget_delivered, replay, replay_dead, send_mail
from aivoice.tools.webhooks import (
    active_secrets,
    change_webhook,
    delete_webhook,
    rotate_secret,
    webhook,
)
from aivoice.tools.worker import LEASE


@store_test
async def test_an_event_reaches_the_webhooks_that_want_it_signed(store: Store) -> None:
    await new_tenant(store, "alpha")
    await new_tenant(store, "beta")
    async with world(store) as w:
        w.clock.at = datetime.now(NOW.tzinfo)  # the receiver's library checks the time
        _, secret = await hook(store, "alpha", w.line.url, ("call.*",))
        await hook(store, "alpha", w.line.url + "?other", ("credit.low",))
        await hook(store, "beta", w.line.url)
        event_id = await tell(store)
        assert await w.worker.run_once() == 1
        assert await w.worker.run_once() == 0
        ((headers, body),) = w.line.got
        whole = Receiver(secret).verify(body, headers)
        assert headers["webhook-id"] == whole["id"] == event_id
        assert (whole["type"], whole["tenant_id"], whole["data"]) == ("call.started", "alpha", {"call_id": "call_1"})
        assert await states(store) == [("delivered", 1)]


@store_test
async def test_an_event_of_a_transaction_that_failed_was_never(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        await hook(store, "alpha", w.line.url)
        with pytest.raises(RuntimeError):
            async with store.tenant("alpha") as scope:
                await emit(scope, "call.ended", {}, now=NOW)
                raise RuntimeError
        assert await w.worker.run_once() == 0


@store_test
async def test_a_receiver_that_is_down_for_a_day_gets_everything_once(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        _, secret = await hook(store, "alpha", w.line.url)
        event_id = await tell(store)
        w.line.answers = [500] * 100
        while w.clock.at < NOW + timedelta(days=1):
            await w.worker.run_once()
            w.clock.go(minutes=10)
        tried = len(w.line.got)
        assert 12 <= tried <= 20
        w.line.answers = []
        w.clock.go(hours=4)
        await w.worker.run_once()
        assert await states(store) == [("delivered", tried + 1)]
        assert {headers["webhook-id"] for headers, _ in w.line.got} == {event_id}
        stamps = [headers["webhook-timestamp"] for headers, _ in w.line.got]
        assert len(set(stamps)) == len(stamps)  # each attempt is signed for its own time
        assert secret.startswith("whsec_")


@store_test
async def test_after_three_days_it_is_dead_and_can_be_sent_again(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        webhook_id, _ = await hook(store, "alpha", w.line.url)
        event_id = await tell(store)
        w.line.answers = [503] * 1_000
        while (await states(store))[0][0] == "waiting":
            await w.worker.run_once()
            w.clock.go(hours=1)
        assert w.clock.at - NOW < Backoff().give_up + timedelta(hours=3)
        async with store.tenant("alpha") as scope:
            (dead,) = await deliveries(scope, state="dead")
            assert dead.problem == "the receiver answered 503"
            w.line.answers = []
            assert await replay_dead(scope, now=w.clock.at, target=webhook_id) == 1
        await w.worker.run_once()
        assert (await states(store))[0] == ("delivered", 1)
        assert w.line.got[-1][0]["webhook-id"] == event_id
        async with store.tenant("alpha") as scope:
            await replay(scope, dead.delivery_id, now=w.clock.at)
        await w.worker.run_once()
        assert (await states(store))[0] == ("delivered", 1)
        async with store.tenant("alpha") as scope:
            assert await forget_delivered(scope, before=w.clock.at + timedelta(seconds=1)) == 1
            with pytest.raises(NotFoundError):
                await replay(scope, dead.delivery_id, now=w.clock.at)


@store_test
async def test_a_receiver_that_is_gone_is_switched_off_and_one_deleted_is_dead(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        webhook_id, _ = await hook(store, "alpha", w.line.url)
        await tell(store)
        w.line.answers = [410]
        await w.worker.run_once()
        assert await states(store) == [("dead", 1)]
        async with store.tenant("alpha") as scope:
            assert not (await webhook(scope, webhook_id)).active
            await change_webhook(scope, GUARD, webhook_id, active=True)
        await tell(store)
        async with store.tenant("alpha") as scope:
            await delete_webhook(scope, webhook_id)
        await w.worker.run_once()
        assert await states(store) == [("dead", 1), ("dead", 1)]
        assert len(w.line.got) == 1


@store_test
async def test_a_worker_that_was_killed_loses_nothing(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        await hook(store, "alpha", w.line.url)
        await tell(store)
        task = asyncio.get_running_loop().create_task(w.worker.run_once())
        await w.line.asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if await states(store) == [("delivered", 1)]:
            pytest.skip("it was quicker than the cancellation")
        assert await w.worker.run_once() == 0  # leased
        w.clock.go(seconds=LEASE.total_seconds() + 1)
        assert await w.worker.run_once() == 1
        assert await states(store) == [("delivered", 1)]
        assert len(w.line.got) == 2  # at least once: the receiver drops the second by its id
        assert len({headers["webhook-id"] for headers, _ in w.line.got}) == 1


@store_test
async def test_workers_side_by_side_never_take_the_same_row_and_no_tenant_holds_up_another(store: Store) -> None:
    for name in ("alpha", "beta"):
        await new_tenant(store, name)
    async with world(store) as w:
        for name, count in (("alpha", 60), ("beta", 3)):
            await hook(store, name, w.line.url)
            for _ in range(count):
                await tell(store, name)
        assert await w.worker.run_once() == 8  # five of alpha, three of beta
        assert await states(store, "beta") == [("delivered", 1)] * 3
        while sum(await asyncio.gather(*(w.worker.run_once() for _ in range(3)))):
            pass
        assert len(w.line.got) == 63
        assert len({headers["webhook-id"] for headers, _ in w.line.got}) == 63


@store_test
async def test_secrets_rotate_with_an_overlap(store: Store, owner: psycopg.Connection[dict[str, object]]) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        webhook_id, first = await hook(store, "alpha", w.line.url)
        async with store.tenant("alpha") as scope:
            second = await rotate_secret(scope, Xor(), webhook_id, now=NOW + timedelta(hours=1))
            at = NOW + timedelta(hours=2)
            assert await active_secrets(scope, Xor(), webhook_id, now=at) == [second, first]
            at = NOW + timedelta(hours=26)
            assert await active_secrets(scope, Xor(), webhook_id, now=at) == [second]
            third = await rotate_secret(scope, Xor(), webhook_id, now=at, overlap=timedelta(0))
            assert await active_secrets(scope, Xor(), webhook_id, now=at) == [third]
        stored = owner.execute("SELECT sealed FROM signing_secrets").fetchall()
        assert len(stored) == 1
        assert not any(secret.encode() in bytes(row["sealed"]) for row in stored for secret in (first, second, third))  # type: ignore[arg-type]


class Broken(MemoryMailer):
    async def send(self, mail: Any) -> None:
        raise KeyError("a library's bug")


@store_test
async def test_one_row_that_breaks_its_way_out_does_not_stop_the_others(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store, mailer=Broken()) as w:
        await hook(store, "alpha", w.line.url)
        async with store.tenant("alpha") as scope:
            await send_mail(scope, "message.taken", ["a@example.com"], subject="s", text="t", now=NOW)
        await tell(store)
        assert await w.worker.run_once() == 2
        assert sorted(await states(store)) == [("delivered", 1), ("waiting", 1)]
