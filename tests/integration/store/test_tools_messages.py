"""Messages, e-mail, definitions, secrets, and whose they are."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test
from tests.integration.store.tools_world import (
    CONTENT,
    FORM,
    GUARD,
    NOTICES,
    Clock,
    Xor,
    hook,
    states,
    world,
)

from aivoice.errors import InputError
from aivoice.store import NotFoundError, Store
from aivoice.tools.errors import AddressError, DeliveryError, ToolShapeError
from aivoice.tools.fakes import NoTexts
from aivoice.tools.limits import DEFAULT_RATE
from aivoice.tools.mcp_source import Listed
from aivoice.tools.messages import Notices, delete_message, escalate, mark_read, message, messages, take
from aivoice.tools.outgoing import deliveries, emit, replay, replay_dead, send_mail, send_test
from aivoice.tools.registry import ServerEntry, delete_tool, put_server, put_tool, servers, tool_form, tool_forms
from aivoice.tools.runner import TAKE_MESSAGE, MessageEntry, SigningKeys
from aivoice.tools.webhooks import (
    MAX_WEBHOOKS,
    TOOLS,
    active_secrets,
    add_webhook,
    change_webhook,
    delete_webhook,
    rotate_secret,
    webhook,
    webhooks,
)


@store_test
async def test_webhooks_are_checked_and_bounded(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        for url in ("https://169.254.169.254/", "http://example.com/", "https://x@example.com/"):
            with pytest.raises(AddressError):
                await add_webhook(scope, Xor(), GUARD, url=url, events=["*"], now=NOW)
        for events in ([], ["call"], ["call.exploded"], ["nothing.*"]):
            with pytest.raises(ToolShapeError, match="events"):
                await add_webhook(scope, Xor(), GUARD, url="https://example.com/", events=events, now=NOW)
        for _ in range(MAX_WEBHOOKS):
            await add_webhook(scope, Xor(), GUARD, url="https://example.com/", events=["call.*"], now=NOW)
        with pytest.raises(InputError, match="delete one"):
            await add_webhook(scope, Xor(), GUARD, url="https://example.com/", events=["*"], now=NOW)
        with pytest.raises(ToolShapeError):
            await emit(scope, "call.exploded", {}, now=NOW)


@store_test
async def test_another_tenants_ids_are_unknown(store: Store) -> None:
    await new_tenant(store, "alpha")
    await new_tenant(store, "beta")
    async with world(store) as w:
        webhook_id, _ = await hook(store, "alpha", w.line.url)
        async with store.tenant("alpha") as scope:
            delivery_id = await send_test(scope, webhook_id, now=NOW)
            message_id = await take(scope, "message", CONTENT, call_id="c", key="k", notices=NOTICES, now=NOW)
            await put_tool(scope, FORM, GUARD, now=NOW)
        async with store.tenant("beta") as scope:
            for attempt in (
                webhook(scope, webhook_id), delete_webhook(scope, webhook_id), send_test(scope, webhook_id, now=NOW),
                change_webhook(scope, GUARD, webhook_id, active=False), replay(scope, delivery_id, now=NOW),
                message(scope, message_id), mark_read(scope, message_id, now=NOW), delete_message(scope, message_id),
                tool_form(scope, "book"), delete_tool(scope, "book"),
            ):  # fmt: skip
                with pytest.raises(NotFoundError):
                    await attempt
            assert await webhooks(scope) == await deliveries(scope) == await messages(scope) == []
            assert await active_secrets(scope, Xor(), webhook_id, now=NOW) == []
            assert not await escalate(scope, message_id, now=NOW + timedelta(days=1))
            assert await replay_dead(scope, now=NOW) == 0


@store_test
async def test_the_operators_role_sees_no_content(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        await take(scope, "message", CONTENT, call_id="c", key="k", notices=NOTICES, now=NOW)
    for query in ("SELECT body FROM deliveries", "SELECT content FROM messages", "SELECT sealed FROM signing_secrets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with store.platform() as scope:
                await scope.all(query)  # type: ignore[arg-type]


@store_test
async def test_a_message_is_kept_once_told_and_escalated_when_nobody_reads_it(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        await hook(store, "alpha", w.line.url)
        entry = MessageEntry("alpha", store, "message", NOTICES, w.clock, TAKE_MESSAGE, rate=DEFAULT_RATE)
        for _ in range(2):  # the same key: a repeated run
            assert (await entry.run(CONTENT, call_id="call_1", key="k1")).outcome == "ok"
        await w.worker.run_once()
        assert [(mail.to, mail.subject) for mail in w.mailer.sent] == [
            ("desk@example.com", "New message for Northside Dental")
        ]
        assert "Message: Call me back ?" in w.mailer.sent[0].text
        assert [to for to, _, _ in w.texts.sent] == ["+15550100001"]
        assert json.loads(w.line.got[0][1])["type"] == "message.taken"
        async with store.tenant("alpha") as scope:
            (kept,) = await messages(scope, unread=True)
            assert [each.state for each in await deliveries(scope, message_id=kept.message_id)] == ["delivered"] * 3
        w.clock.go(minutes=29)
        assert await w.worker.escalate_once() == 0
        w.clock.go(minutes=2)
        assert await w.worker.escalate_once() == 1
        assert await w.worker.escalate_once() == 0
        await w.worker.run_once()
        assert w.mailer.sent[-1].to == "owner@example.com"
        assert w.mailer.sent[-1].subject == "Unread for 31 minutes: message for Northside Dental"
        assert w.texts.sent[-1][0] == "+15550100002"
        assert json.loads(w.line.got[-1][1])["data"]["unread_minutes"] == 31
        async with store.tenant("alpha") as scope:
            await mark_read(scope, kept.message_id, now=w.clock.at)
            assert await messages(scope, unread=True) == []
            await delete_message(scope, kept.message_id)
            assert await deliveries(scope) == []


@store_test
async def test_a_message_that_was_read_is_not_escalated(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store) as w:
        async with store.tenant("alpha") as scope:
            message_id = await take(scope, "callback", CONTENT, call_id="c", key="k", notices=NOTICES, now=NOW)
            await mark_read(scope, message_id, now=NOW)
        w.clock.go(days=1)
        assert await w.worker.escalate_once() == 0


@store_test
async def test_mail_waits_for_its_server_and_a_refused_address_is_dead(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with world(store, texts=NoTexts()) as w:
        async with store.tenant("alpha") as scope:
            await send_mail(scope, "message.taken", ["a@example.com"], subject="s", text="t", now=NOW)
            await take(scope, "message", CONTENT, call_id="c", key="k", notices=Notices("N", (), ("+1555",)), now=NOW)
        w.mailer.failing = DeliveryError("the mail server cannot be used", code="mail_server")
        await w.worker.run_once()
        assert sorted(await states(store)) == [("dead", 1), ("waiting", 1)]  # no provider of text messages
        w.mailer.failing = None
        w.clock.go(seconds=11)
        await w.worker.run_once()
        assert sorted(await states(store)) == [("dead", 1), ("delivered", 2)]


@store_test
async def test_tools_and_servers_are_kept(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        await put_tool(scope, FORM, GUARD, now=NOW)
        await put_tool(scope, {**FORM, "description": "Book it."}, GUARD, now=NOW)
        assert [form["description"] for form in await tool_forms(scope)] == ["Book it."]
        with pytest.raises(AddressError):
            await put_tool(scope, {**FORM, "url": "https://10.0.0.1/"}, GUARD, now=NOW)
        listed = (Listed("slots", "Free.", {"type": "object"}, True), Listed("wipe", "Wipe.", {"type": "object"}))
        entry = ServerEntry("diary", "https://mcp.example.com/mcp", listed, frozenset(("slots",)), "Bearer hush")
        await put_server(scope, Xor(), GUARD, entry, chosen=["slots"], now=NOW)
        (kept,) = await servers(scope, Xor())
        assert ([tool.name for tool in kept.tools], kept.read_only) == (["slots"], {"slots"})
        assert kept.authorization == "Bearer hush"
        assert "hush" not in repr(kept)
        with pytest.raises(InputError):
            await put_server(scope, Xor(), GUARD, entry, chosen=["other"], now=NOW)
        await delete_tool(scope, "book")
        assert await tool_forms(scope) == []


@store_test
async def test_signing_keys_follow_a_rotation_within_half_a_minute(store: Store) -> None:
    await new_tenant(store, "alpha")
    clock = Clock()
    keys = SigningKeys(store, Xor(), "alpha", now=clock)
    assert await keys() == []
    async with store.tenant("alpha") as scope:
        secret = await rotate_secret(scope, Xor(), TOOLS, now=NOW)
    assert await keys() == []
    clock.go(seconds=31)
    assert await keys() == [secret]
