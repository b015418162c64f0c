"""What the tests of tools share: a receiver, a clock, a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from tests.integration.store.running import NOW

from aivoice.store import Store
from aivoice.tools.fakes import MemoryMailer, MemoryTexts
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.guarded_http import guarded_session
from aivoice.tools.messages import Notices
from aivoice.tools.outgoing import deliveries, emit
from aivoice.tools.webhooks import (
    add_webhook,
)
from aivoice.tools.worker import DeliveryWorker, Senders

GUARD = Guard(allowed=[Allowed.parse("127.0.0.1")])
NOTICES = Notices(
    "Northside Dental", ("desk@example.com",), ("+15550100001",), timedelta(minutes=30), ("owner@example.com",),
    ("+15550100002",),
)  # fmt: skip
CONTENT = {"name": "Anna Bell", "phone": "+15550100142", "message": "Call me\x00 back \ud800"}


class Xor:
    """Stands for the security engineer's Sealer: bound to tenant and purpose."""

    def seal(self, tenant_id: str, purpose: str, data: bytes) -> bytes:
        return f"{tenant_id}|{purpose}|".encode() + bytes(byte ^ 0x5A for byte in data)

    def open(self, tenant_id: str, purpose: str, data: bytes) -> bytes:
        head = f"{tenant_id}|{purpose}|".encode()
        assert data.startswith(head)
        return bytes(byte ^ 0x5A for byte in data[len(head) :])


@dataclass
class Clock:
    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def go(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Line:
    """A receiver. answers: the status of the next requests; then 204."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        self.asked.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 204)


@dataclass
class World:
    worker: DeliveryWorker
    clock: Clock
    line: Line
    mailer: MemoryMailer
    texts: MemoryTexts


@asynccontextmanager
async def world(store: Store, **senders: Any) -> AsyncGenerator[World]:
    line, clock, mailer, texts = Line(), Clock(), MemoryMailer(), MemoryTexts()
    app = web.Application()
    app.router.add_post("/in", line.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    line.port = runner.addresses[0][1]
    async with guarded_session(GUARD) as session:
        ways = Senders(session, GUARD, senders.get("mailer", mailer), senders.get("texts", texts))
        worker = DeliveryWorker(store, Xor(), ways, now=clock, chance=lambda: 0.0)
        yield World(worker, clock, line, mailer, texts)
    await runner.cleanup()


async def hook(store: Store, tenant: str, url: str, events: tuple[str, ...] = ("*",)) -> tuple[str, str]:
    async with store.tenant(tenant) as scope:
        made, secret = await add_webhook(scope, Xor(), GUARD, url=url, events=events, now=NOW)
    return made.webhook_id, secret


async def tell(store: Store, tenant: str = "alpha", event: str = "call.started", now: datetime = NOW) -> str:
    async with store.tenant(tenant) as scope:
        return await emit(scope, event, {"call_id": "call_1"}, now=now)


async def states(store: Store, tenant: str = "alpha") -> list[tuple[str, int]]:
    async with store.tenant(tenant) as scope:
        return [(each.state, each.attempts) for each in await deliveries(scope)]


FORM = {"name": "book", "description": "Book.", "url": "https://example.com/t", "side_effects": True}
