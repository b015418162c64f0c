"""Calls over HTTP and real WebRTC on loopback, with fakes for models: to the files, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.test_hosting import hosted_calls

from aivoice.api.desk import CallDesk
from aivoice.api.serving import serve_http
from aivoice.audio.pacer import Pacer
from aivoice.hosting.calls import Calls
from aivoice.testing.leaks import assert_no_leaked_tasks
from aivoice.transports.secure_link import LinkSettings
from aivoice.transports.webrtc import WebRtcSettings, offer
from aivoice.transports.webrtc_caller import WebRtcCaller

SDP = {"Content-Type": "application/sdp"}


@dataclass
class House:
    """A served house and a client of it."""

    desk: CallDesk
    web: aiohttp.ClientSession
    pacer: Pacer

    async def exchange(self, text: str) -> str:
        """WHIP, as any client does it."""
        async with self.web.post("/calls", data=text, headers=SDP) as response:
            assert response.status == 201, await response.text()
            self.location = response.headers["Location"]
            return await response.text()

    @asynccontextmanager
    async def caller(self) -> AsyncGenerator[WebRtcCaller]:
        caller = WebRtcCaller(pacer=self.pacer)
        try:
            await caller.dial(self.exchange)
            yield caller
        finally:
            await caller.close()

    async def get(self, path: str) -> Any:
        async with self.web.get(path) as response:
            return await response.json()

    async def over(self, *, limit_s: float) -> str:
        """The reason for the end of the call, once it has ended."""
        _, call = self.desk.find_live(self.location.removeprefix("/calls/"))
        async with asyncio.timeout(limit_s):
            await call.wait_closed()
        info = await self.get(self.location)
        assert info["state"] == "ended"
        return info["reason"]


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncGenerator[House]:
    async with hosted_calls(tmp_path) as (calls, hosted):
        limited = Calls({"bakery": hosted}, pacer=calls.pacer, webrtc=WebRtcSettings(link=LinkSettings(connect_s=2.0)))
        async with (
            limited,
            CallDesk(
                limited, [hosted.info()], capacity=1, directory=tmp_path / "calls", now=lambda: datetime.now(UTC)
            ) as desk,
            serve_http(desk, "127.0.0.1", 0) as url,
            aiohttp.ClientSession(url) as web,
        ):
            yield House(desk, web, calls.pacer)
            assert desk.taken == 0, "every line was given back"
    await assert_no_leaked_tasks()


def test_a_call_from_the_offer_to_its_files(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as house:
            async with house.caller() as caller:
                async with house.web.get(f"{house.location}/events") as events:
                    async with house.web.post(f"{house.location}/dtmf", json={"digit": "5"}) as pressed:
                        assert pressed.status == 204
                    assert caller.press("7")
                    seen: list[str] = []
                    wanted = {"The caller pressed 5.", "The caller pressed 7.", "speaking"}
                    async with asyncio.timeout(10):
                        while not wanted <= set(seen):
                            line = await events.content.readline()
                            if line.startswith(b"data: "):
                                for change in json.loads(line[6:]):
                                    entry = change.get("entry", {})
                                    seen.append(change.get("state") or entry.get("text", ""))
                async with house.web.delete(house.location) as ended:
                    assert (ended.status, (await ended.json())["reason"]) == (200, "caller_hung_up")
                async with house.web.delete(house.location) as again:
                    assert (again.status, (await again.json(content_type=None))["code"]) == (404, "call_ended")
            folder = house.desk.directory / house.location.removeprefix("/calls/")
            names = ["journal.jsonl", "recording.wav", "trace.json", "transcript.md", "waterfall.svg"]
            assert sorted(path.name for path in folder.iterdir()) == names
            assert "Thank you for calling Corner Bakery" in (folder / "transcript.md").read_text()

    asyncio.run(run())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("opus/48000/2", "speex/8000"),
        lambda text: "".join(line for line in text.splitlines(True) if "fingerprint" not in line),
        lambda text: "".join(line for line in text.splitlines(True) if "ice-pwd" not in line),
        lambda text: text[: len(text) // 2],
        lambda text: "v=0\r\nm=audio \x00\x00\r\n",
    ],
    ids=["no Opus", "no fingerprint", "no password", "cut off", "garbage"],
)
def test_a_spoiled_offer_is_refused_in_one_sentence_and_takes_no_line(tmp_path: Path, spoil: Any) -> None:
    async def run() -> None:
        async with served(tmp_path) as house:
            text, transport = await offer(pacer=house.pacer)
            try:
                async with house.web.post("/calls", data=spoil(text), headers=SDP) as response:
                    problem = await response.json(content_type="application/problem+json")
                assert response.status == 400
                assert problem["code"].startswith("sdp"), problem
                assert len(problem["detail"]) < 300
                assert "\n" not in problem["detail"]
                assert (await house.get("/calls"))["calls"] == []
                assert not list((house.desk.directory).iterdir())
                async with house.caller():
                    pass  # the line is free
                assert await house.over(limit_s=8) == "caller_hung_up"
            finally:
                await transport.close("done")

    asyncio.run(run())


def test_a_caller_who_never_connects_gives_the_line_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as house:
            text, transport = await offer(pacer=house.pacer)
            await house.exchange(text)
            await transport.close("vanished")
            async with house.web.post("/calls", data=text, headers=SDP) as busy:
                assert (busy.status, busy.headers["Retry-After"]) == (503, "5")
            assert await house.over(limit_s=8) == "media_lost"

    asyncio.run(run())


def test_a_caller_who_vanishes_in_the_middle_gives_the_line_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as house:
            async with house.caller() as caller:
                transport = caller.transport
                assert transport is not None
                # Pull the plug: no goodbye, no answer to anything, sockets gone.
                link = transport._link  # pyright: ignore[reportPrivateUsage]
                link.send_rtp = link.send_rtcp = lambda *_args, **_more: None  # pyright: ignore[reportAttributeAccessIssue]
                await link._ice.close()  # pyright: ignore[reportPrivateUsage]
                assert await house.over(limit_s=12) == "media_lost"
            folder = house.desk.directory / house.location.removeprefix("/calls/")
            assert (folder / "journal.jsonl").read_text().rstrip().endswith('"end":true}')

    asyncio.run(run())
