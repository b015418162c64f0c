"""The wire format of /v1/stream, frame by frame, and many callers at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.unit.chatterbox.serving import RATE, Served, served

from aivoice.errors import ProviderError
from aivoice.providers.chatterbox import Chatterbox
from aivoice.providers.ports import SpeechAudio
from aivoice_chatterbox.cutting import TAGS
from aivoice_chatterbox.stand_in import StandInModel

TEXT = "We are open until six this evening."
LONG = "We are open on Saturdays until noon, and on other days by appointment only, if you ask nicely. " * 4
Socket = aiohttp.ClientWebSocketResponse


async def told(socket: Socket) -> tuple[list[dict[str, Any]], int]:
    """Messages up to the end of a text, and bytes of audio between."""
    messages: list[dict[str, Any]] = []
    audio = 0
    while not messages or messages[-1]["type"] in ("hello", "clause"):
        frame = await socket.receive(timeout=5)
        if frame.type is aiohttp.WSMsgType.BINARY:
            audio += len(frame.data)
        elif frame.type is aiohttp.WSMsgType.TEXT:
            messages.append(frame.json())
        else:
            messages.append({"type": "closed", "code": socket.close_code})
    return messages, audio


async def ask(socket: Socket, *texts: str, **start: Any) -> None:
    await socket.send_json({"type": "start", **start})
    for text in texts:
        await socket.send_json({"type": "text", "text": text})
    await socket.send_json({"type": "finish"})


def test_one_text_after_the_other_over_one_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it, it.http.ws_connect(f"{it.url}/v1/stream") as socket:
            await ask(socket, "We are open until ", "six this evening.")
            messages, audio = await told(socket)
            assert messages[0] == {
                "type": "hello", "protocol": 1, "sample_rate": RATE, "revision": it.server.revision(),
                "tags": list(TAGS),
            }  # fmt: skip
            assert messages[1] == {"type": "clause", "index": 0, "word": 0, "words": 7, "sample": 0}
            assert messages[2] == {"type": "done", "samples": audio // 2}
            assert audio == len(await it.speak(TEXT))
            await ask(socket, LONG)
            messages, audio = await told(socket)
            clauses = messages[:-1]
            assert len(clauses) >= 2
            assert [each["index"] for each in clauses] == list(range(len(clauses)))
            assert sum(each["words"] for each in clauses) == len(LONG.split())
            assert all(a["word"] + a["words"] == b["word"] for a, b in pairwise(clauses))
            assert [each["sample"] for each in clauses] == sorted({each["sample"] for each in clauses})
            for nothing in ("", "  ", "…"):
                await ask(socket, nothing)
                assert await told(socket) == ([{"type": "done", "samples": 0}], 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("frames", "status", "code"),
    [
        ([{"type": "start", "voice": "nobody"}, {"type": "finish"}], 404, "voice_not_found"),
        ([{"type": "start", "voice": 7}], 400, "voice_invalid"),
        ([{"type": "start"}, {"type": "text", "text": "a\x00"}, {"type": "finish"}], 400, "text_invalid"),
        ([{"type": "start"}, *[{"type": "text", "text": "x" * 2_000}] * 3, {"type": "finish"}], 400, "text_too_long"),
        ([{"type": "start", "call": "c" * 200}], 400, "call_invalid"),
    ],
)  # fmt: skip
def test_a_text_that_is_refused_ends_nothing_but_itself(
    frames: list[dict[str, Any]], status: int, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it, it.http.ws_connect(f"{it.url}/v1/stream") as socket:
            for frame in frames:
                await socket.send_json(frame)
            messages, audio = await told(socket)
            assert (messages[-1]["status"], messages[-1]["code"], audio) == (status, code, 0)
            await ask(socket, TEXT)
            messages, audio = await told(socket)
            assert messages[-1]["type"] == "done"
            assert audio > 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "frame", ["", "[]", "{}", '{"type": "sing"}', '{"type": 7}', "x" * 70_000, b"\0\0", "start twice"], ids=repr
)
def test_what_is_none_of_its_frames_ends_the_connection(frame: str | bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            async with it.http.ws_connect(f"{it.url}/v1/stream") as socket:
                if frame == "start twice":
                    await socket.send_json({"type": "start"})
                    await socket.send_json({"type": "start"})
                elif isinstance(frame, bytes):
                    await socket.send_bytes(frame)
                else:
                    await socket.send_str(frame)
                messages, _ = await told(socket)
                assert messages[-1]["type"] == "closed"
                assert messages[-1]["code"] in (1008, 1009)
            assert len(await it.speak(TEXT)) > 0

    asyncio.run(scenario())


def test_cancelling_is_answered_once_and_frees_the_gpu(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.3)) as it, it.http.ws_connect(f"{it.url}/v1/stream") as socket:
            for wait_s in (0.0, 0.1, 0.4):
                await ask(socket, LONG)
                await asyncio.sleep(wait_s)
                started = time.monotonic()
                await socket.send_json({"type": "cancel"})
                messages, _ = await told(socket)
                assert messages[-1] == {"type": "cancelled"}
                assert time.monotonic() - started < 0.2
                assert it.server.gpu.open == 0
            worked = it.model.worked_s
            await asyncio.sleep(0.3)
            assert it.model.worked_s - worked < 0.16, "no more than the step under way"
            await socket.send_json({"type": "cancel"})
            assert await told(socket) == ([{"type": "cancelled"}], 0), "also when there was nothing"
            await ask(socket, "Yes.")
            assert (await told(socket))[0][-1]["type"] == "done"

    asyncio.run(scenario())


def test_a_client_that_vanishes_frees_the_gpu(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.3)) as it:
            socket = await it.http.ws_connect(f"{it.url}/v1/stream")
            await ask(socket, LONG)
            await socket.receive()
            await asyncio.sleep(0.1)
            assert it.server.gpu.open == 1
            assert socket._response.connection is not None
            assert socket._response.connection.transport is not None
            socket._response.connection.transport.abort()
            started = time.monotonic()
            while it.server.gpu.open:
                assert time.monotonic() - started < 1
                await asyncio.sleep(0.005)
            with contextlib.suppress(Exception):
                await socket.close()

    asyncio.run(scenario())


def test_a_reader_that_is_behind_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.001), max_wait_s=99.0) as it:
            async with it.http.ws_connect(f"{it.url}/v1/stream", max_msg_size=0) as slow:
                await ask(slow, "And so on, and on, and on it goes. " * 110)  # 250 s of audio
                await asyncio.sleep(0.3)
                started = time.monotonic()
                await it.speak("Yes.")
                assert time.monotonic() - started < 0.5
                messages, audio = await told(slow)
                assert messages[-1] == {"type": "done", "samples": audio // 2}
                assert audio / 2 / RATE > 200

    asyncio.run(scenario())


async def first_and_gaps(it: Served, call: int, text: str) -> tuple[float, float]:
    """Seconds to the first audio, and the longest time by which a stretch came later than it was needed."""
    async with it.http.ws_connect(f"{it.url}/v1/stream") as socket:
        await socket.receive_json()
        asked = time.monotonic()
        await ask(socket, text, call=f"call-{call}")
        first, needed, late = 0.0, 0.0, 0.0
        while True:
            frame = await socket.receive(timeout=60)
            now = time.monotonic()
            if frame.type is aiohttp.WSMsgType.BINARY:
                first = first or now - asked
                late = max(late, now - needed) if needed else 0.0
                needed = max(needed, now) + len(frame.data) / 2 / RATE
            elif frame.json()["type"] == "done":
                return first, late
            else:
                assert frame.json()["type"] == "clause", frame.data


@pytest.mark.serial
def test_twenty_callers_at_once_are_served_alike(tmp_path: Path) -> None:
    """The stand-in works 0.3 s for a second of audio, a batch of eight 0.3 · 2.05 s for eight."""

    async def scenario() -> None:
        model = StandInModel(rtf=0.3, batch=8, stretch_s=0.4)
        async with served(tmp_path, model, max_wait_s=99.0) as it:
            (alone, _) = await first_and_gaps(it, 0, TEXT)
            both = await asyncio.gather(*(first_and_gaps(it, call, TEXT) for call in range(20)))
            firsts = sorted(first for first, _ in both)
            assert alone < 0.2
            assert firsts[18] < alone + 0.6, f"alone {alone:.3f}, all at once {firsts}"

    asyncio.run(scenario())


@pytest.mark.serial
def test_a_newcomer_waits_for_a_stretch_and_not_for_the_clauses_of_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.1)) as it:
            others = [asyncio.ensure_future(first_and_gaps(it, call, LONG)) for call in range(5)]
            await asyncio.sleep(0.6)
            first, _ = await first_and_gaps(it, 99, "Yes, of course.")
            assert first < 0.2, f"{first:.3f} s, while five clauses of 25 s are being made"
            for _, late in await asyncio.gather(*others):
                assert late < 0.1, "those who listen hear no gap"

    asyncio.run(scenario())


def test_the_second_clause_of_a_call_does_not_go_before_anothers_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.2, stretch_s=0.0), max_wait_s=99.0) as it:
            order: list[str] = []

            async def say(name: str, call: str) -> None:
                await it.speak(TEXT, call=call)
                order.append(name)

            first = asyncio.ensure_future(say("a1", "a"))
            await asyncio.sleep(0.05)
            await asyncio.gather(first, say("a2", "a"), say("a3", "a"), say("b1", "b"))
            assert order == ["a1", "b1", "a2", "a3"]

    asyncio.run(scenario())


def test_a_server_that_is_killed_midway_is_a_disconnection(tmp_path: Path) -> None:
    async def scenario() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "aivoice_chatterbox", "--model", "stand-in", "--host", "127.0.0.1", "--port", "0",
            "--voices", str(tmp_path), "--rtf", "0.2",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            async with aiohttp.ClientSession() as http:
                voice = Chatterbox(http, url=f"http://127.0.0.1:{int(line.split()[-1])}")
                for _ in range(100):
                    with contextlib.suppress(ProviderError):
                        await voice.check()
                        break
                    await asyncio.sleep(0.05)
                stream = await voice.open()
                stream.push(LONG)
                stream.finish()
                heard = 0
                with pytest.raises(ProviderError) as caught:
                    async for event in stream:
                        heard += isinstance(event, SpeechAudio)
                        if heard == 1:
                            process.kill()
                assert caught.value.code == "disconnected"
                assert heard >= 1
                await stream.aclose()
                with pytest.raises(ProviderError) as caught:
                    await voice.check()
                assert caught.value.code == "unreachable"
                await voice.aclose()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]

    asyncio.run(scenario())
