"""Chatterbox' client over real sockets, against two servers that know nothing of each other: our own with a model that
makes tones, and the stand-in written from its wire format. The port's suite, every way to fail, cancelling."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.errors import ProviderError
from aivoice.providers.chatterbox import Chatterbox, ChatterboxOptions, speaking_for
from aivoice.providers.ports import Checked, Revised, SpeechAudio, SpeechEvent, TextToSpeech, Warm
from aivoice.testing.conformance import name_of, tts
from aivoice.testing.standins.chatterbox import ChatterboxStandIn, Pace
from aivoice.testing.standins.server import Health
from aivoice_chatterbox.server import Server
from aivoice_chatterbox.settings import Settings
from aivoice_chatterbox.stand_in import StandInModel

KEY = "chatterbox-standin"
TEXT = "We are open until six this evening."
QUICK = Pace(first_s=0.03, rtf=0.02)


@contextlib.asynccontextmanager
async def client(url: str, **changes: Any) -> AsyncIterator[Chatterbox]:
    async with aiohttp.ClientSession() as http:
        voice = Chatterbox(http, **{"url": url, "key": KEY, **changes})
        try:
            yield voice
        finally:
            await voice.aclose()


@contextlib.asynccontextmanager
async def real(folder: Path, model: StandInModel | None = None, **changes: Any) -> AsyncIterator[Server]:
    settings = Settings(**{"host": "127.0.0.1", "port": 0, "voices": folder, "key": KEY, **changes})
    server = Server(model or StandInModel(rtf=0.02), settings)
    await server.start()
    try:
        await server.ready()
        yield server
    finally:
        await server.aclose()


async def said(voice: TextToSpeech, text: str = TEXT, name: str = "default") -> list[SpeechEvent]:
    stream = await voice.open(voice=name)
    try:
        stream.push(text)
        stream.finish()
        return [event async for event in stream]
    finally:
        await stream.aclose()


def seconds(events: list[SpeechEvent]) -> float:
    return sum(event.samples for event in events if isinstance(event, SpeechAudio)) / SAMPLE_RATE


async def until(condition: Callable[[], bool], limit_s: float = 2.0) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < limit_s, "it never came"
        await asyncio.sleep(0.005)
    return time.monotonic() - started


def with_standin(
    work: Callable[[ChatterboxStandIn, Chatterbox], Awaitable[Any]],
    health: Health = "fine",
    pace: Pace = QUICK,
    **changes: Any,
) -> Any:
    async def run() -> Any:
        async with ChatterboxStandIn(health, pace=pace) as server, client(server.url, **changes) as voice:
            return await work(server, voice)

    return asyncio.run(run())


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
def test_the_ports_suite_against_the_stand_in(check: Any) -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        await check(tts.Subject(voice, TEXT))

    with_standin(scenario)


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
def test_the_ports_suite_against_our_server(check: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with real(tmp_path) as server, client(f"http://127.0.0.1:{server.port}") as voice:
            await check(tts.Subject(voice, TEXT))

    asyncio.run(scenario())


def test_it_says_what_a_provider_over_a_network_may_say() -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        assert isinstance(voice, Warm)
        assert isinstance(voice, Checked)
        assert isinstance(voice, Revised)
        assert voice.revision == ""
        await voice.warm()
        assert voice.revision == "standin-1"
        await voice.check()

    with_standin(scenario)


@pytest.mark.parametrize(
    ("health", "code"),
    [
        ("refused", "unreachable"),
        ("unauthorized", "bad_key"),
        ("rate_limited", "rate_limited"),
        ("broken", "unavailable"),
        ("malformed", "malformed"),
        ("disconnects", "disconnected"),
        ("silent", "timeout"),
        ("dies_midway", "timeout"),
    ],
)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_each_way_to_fail_has_its_code(health: Health, code: str, warm: bool) -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        if warm:
            await voice.warm()
            await server.become(health)
        started = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            await said(voice)
        assert (caught.value.code, caught.value.stage) == (code, "tts")
        assert time.monotonic() - started < 2
        for secret in ("open until", KEY):
            assert secret not in str(caught.value)
        await server.become("fine")
        assert seconds(await said(voice)) > 1, "the next clause is spoken"

    with_standin(scenario, "fine" if warm else health, options=ChatterboxOptions(silence_s=0.4))


@pytest.mark.parametrize(
    ("health", "code"),
    [
        ("refused", "unreachable"),
        ("unauthorized", "bad_key"),
        ("rate_limited", "rate_limited"),
        ("broken", "unavailable"),
    ],
)
def test_a_check_says_what_is_wrong(health: Health, code: str) -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        with pytest.raises(ProviderError) as caught:
            await voice.check()
        assert caught.value.code == code
        await voice.warm()  # never raises

    with_standin(scenario, health)


def test_a_wrong_key_and_a_voice_that_is_not_there() -> None:
    async def scenario() -> None:
        async with ChatterboxStandIn(pace=QUICK) as server:
            for changes, code in (({"key": "wrong"}, "bad_key"), ({"voice": "nobody"}, "rejected")):
                async with client(server.url, **changes) as voice:
                    for attempt in (voice.check(), said(voice)):
                        with pytest.raises(ProviderError) as caught:
                            await attempt
                        assert caught.value.code == code
                        assert not caught.value.retryable

    asyncio.run(scenario())


def test_names_that_do_not_resolve_are_unreachable() -> None:
    async def scenario() -> None:
        async with client("http://nowhere.invalid") as voice:
            with pytest.raises(ProviderError) as caught:
                await said(voice)
            assert caught.value.code == "unreachable"

    asyncio.run(scenario())


def test_a_warm_voice_needs_no_handshake_and_keeps_its_connections() -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        await voice.warm()
        await voice.warm()
        assert server.connections == 2
        for _ in range(5):
            await said(voice, "Hello.")
        await until(lambda: server.connections >= 3)
        assert server.connections == 3, "one was in use while two were kept"

    with_standin(scenario)


def test_a_server_that_was_started_anew_is_found_again() -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        await voice.warm()
        await server.become("refused")
        await server.become("fine")
        assert seconds(await said(voice)) > 1

    with_standin(scenario)


@pytest.mark.parametrize("after_s", [0.005, 0.05, 0.15])
def test_cancelling_ends_the_work_and_keeps_the_connection(after_s: float) -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        await voice.warm()
        task = asyncio.ensure_future(said(voice, TEXT * 5))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: server.open_streams == 0)
        charged = server.charged
        await asyncio.sleep(0.1)
        assert server.charged == charged
        assert seconds(await said(voice)) == pytest.approx(0.2 + len(TEXT) / 15, abs=0.01)
        assert server.connections <= 4

    with_standin(scenario, pace=Pace(first_s=0.03, rtf=0.3))


def test_closing_a_stream_that_somebody_stopped_reading_tells_the_server() -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        stream = await voice.open()
        stream.push(TEXT * 5)
        stream.finish()
        events = aiter(stream)
        await anext(events)
        assert server.open_streams == 1
        await stream.aclose()
        assert await until(lambda: server.open_streams == 0) < 0.5
        await events.aclose()  # type: ignore[attr-defined]

    with_standin(scenario, pace=Pace(first_s=0.03, rtf=0.5))


def test_tags_control_characters_and_the_call_reach_the_server_as_they_should() -> None:
    async def scenario(server: ChatterboxStandIn, voice: Chatterbox) -> None:
        token = speaking_for.set("call-7")
        await said(voice, "Oh [laugh] well,\x00 sure.", name="front-desk")
        speaking_for.reset(token)
        await said(voice, "…")
        assert server.said == ["Oh [laugh] well,  sure."]
        assert server.calls == ["call-7"]

    with_standin(scenario)


def test_a_call_over_our_server_is_refused_at_once_when_it_is_full(tmp_path: Path) -> None:
    async def scenario() -> None:
        model = StandInModel(rtf=0.45)
        async with real(tmp_path, model) as server, client(f"http://127.0.0.1:{server.port}") as voice:
            await voice.warm()
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(2):
                    stream = await voice.open()
                    stream.push(TEXT * 4)
                    stream.finish()
                    events = aiter(stream)
                    stack.push_async_callback(events.aclose)  # type: ignore[attr-defined]
                    await anext(events)
                started = time.monotonic()
                with pytest.raises(ProviderError) as caught:
                    await said(voice, TEXT * 4)
                assert caught.value.code == "rate_limited"
                assert time.monotonic() - started < 0.3
            await until(lambda: server.gpu.open == 0)
            assert seconds(await said(voice)) > 1, "their places are free again"

    asyncio.run(scenario())
