"""A server over quick, fake calls, for tests of the HTTP interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from aivoice.api.app import create_app
from aivoice.api.desk import CallDesk
from aivoice.api.directory import BusinessInfo
from aivoice.api.hub import CallHub
from aivoice.testing.leaks import assert_no_leaked_tasks

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
SDP = {"Content-Type": "application/sdp"}


class QuickCall:
    """Ends when told; notes its keys."""

    def __init__(self, hub: CallHub, directory: Path) -> None:
        self.answer_sdp = "v=0 answer"
        self.hub, self.directory = hub, directory
        self.keys: list[str] = []
        self.hang_ups = 0
        self.crash = False
        self._reason = ""
        self._ended = asyncio.Event()

    async def hang_up(self, reason: str) -> None:
        self.hang_ups += 1
        self.end(reason)

    def end(self, reason: str) -> None:
        self._reason = reason
        (self.directory / "transcript.md").write_text("# Call\n")
        (self.directory / "recording.wav").write_bytes(bytes(range(100)))
        self._ended.set()

    def press(self, digit: str) -> None:
        self.keys.append(digit)

    async def wait_closed(self) -> str:
        await self._ended.wait()
        if self.crash:
            raise RuntimeError("a bug")
        return self._reason


@dataclass
class QuickFactory:
    """calls: made so far. gate: calls wait for it while they are being set up. error: raised instead of a call."""

    calls: list[QuickCall] = field(default_factory=list)
    gate: asyncio.Event | None = None
    error: Exception | None = None

    async def start(
        self, offer_sdp: str, *, call_id: str, business: BusinessInfo, directory: Path, hub: CallHub
    ) -> QuickCall:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.calls.append(QuickCall(hub, directory))
        return self.calls[-1]


@dataclass
class Setup:
    client: TestClient[Any, Any]
    desk: CallDesk
    factory: QuickFactory

    async def dial(self, **headers: str) -> ClientResponse:
        return await self.client.post("/calls", data=OFFER, headers={**SDP, **headers})


@asynccontextmanager
async def running(directory: Path, *, capacity: int = 2, hosts: frozenset[str] = frozenset()) -> AsyncGenerator[Setup]:
    factory = QuickFactory()
    businesses = [BusinessInfo("dental", "Dental", "Hello"), BusinessInfo("plumber", "Plumber", lines=1)]
    async with CallDesk(
        factory, businesses, capacity=capacity, directory=directory, now=lambda: datetime(2026, 11, 22, tzinfo=UTC)
    ) as desk:
        async with TestClient(TestServer(create_app(desk, hosts=hosts))) as client:
            yield Setup(client, desk, factory)
    await assert_no_leaked_tasks()


def api_test(body: Callable[[Setup], Awaitable[None]]) -> Callable[[Path], None]:
    """Run `body` against a server of its own."""

    def test(tmp_path: Path) -> None:
        async def run() -> None:
            async with running(tmp_path) as setup:
                await body(setup)

        asyncio.run(run())

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


async def problem(response: ClientResponse, status: int, code: str) -> dict[str, Any]:
    body = await response.json(content_type="application/problem+json")
    assert (response.status, body["status"], body["code"]) == (status, status, code)
    assert body["detail"].endswith((".", "}"))
    assert "Traceback" not in json.dumps(body)
    return body


async def until(true: Callable[[], object]) -> None:
    """Wait for something that has no event of its own; fails after 5 s."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def ended(setup: Setup, call_id: str) -> None:
    await until(lambda: not setup.desk.find(call_id).live)
