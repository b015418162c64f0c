"""Nova and Flux against their stand-in, over real sockets: the port's suite, every way to fail, cancelling, chains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.engine.cascade_stt import SttCascade
from aivoice.errors import ProviderError
from aivoice.providers.deepgram import DeepgramFlux, DeepgramNova, NovaOptions
from aivoice.providers.ports import Transcript
from aivoice.testing.conformance import name_of, similar, stt
from aivoice.testing.fakes import FakeStt, Truth, lay_out
from aivoice.testing.sound import stamped, voice_pcm
from aivoice.testing.standins.deepgram import DeepgramStandIn
from aivoice.testing.standins.server import Health

TEXT = "I would like to book a cleaning on Tuesday please."
START = SAMPLE_RATE // 2
KEY = "dg-standin"
KINDS = (DeepgramNova, DeepgramFlux)
Kind = type[DeepgramNova] | type[DeepgramFlux]


def speech() -> tuple[list[AudioChunk], int]:
    end = lay_out(TEXT, START)[-1].end
    end -= end % FRAME_SAMPLES
    frames = [
        AudioChunk(at, FRAME_SAMPLES, stamped(voice_pcm(at, FRAME_SAMPLES, voiced=START <= at < end), at))
        for at in range(0, end + SAMPLE_RATE // 2, FRAME_SAMPLES)
    ]
    return frames, end


def truth() -> Truth:
    """The utterance, said again where the suite repeats it."""
    frames, _ = speech()
    told = Truth()
    told.add(*lay_out(TEXT, START), *lay_out(TEXT, START + frames[-1].end + SAMPLE_RATE // 2))
    return told


async def with_deepgram(kind: Kind, work: Callable[[DeepgramStandIn, Any], Awaitable[Any]], **given: Any) -> Any:
    told = truth()
    async with DeepgramStandIn(lambda tag: told, **given) as server, aiohttp.ClientSession() as session:
        return await work(server, kind(session, key=KEY, url=server.ws_url))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
def test_the_ports_suite(kind: Kind, check: Any) -> None:
    frames, end = speech()

    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        await check(stt.Subject(provider, frames, START, end, TEXT))
        for _ in range(100):
            if not server.open_streams:
                break
            await asyncio.sleep(0.01)
        assert server.open_streams == 0

    asyncio.run(with_deepgram(kind, scenario))


async def heard(provider: Any, *, fail: Callable[[], Awaitable[None]] | None = None) -> list[Transcript]:
    """One utterance in real time, until its final. fail: done in the middle of it."""
    frames, end = speech()
    stream = await provider.open(key_terms=("Northside Dental",))
    got: list[Transcript] = []

    async def read() -> None:
        async for transcript in stream:
            got.append(transcript)
            if transcript.kind == "final":
                return

    reading = asyncio.ensure_future(read())
    try:
        stream.speech_started(START)
        for number, chunk in enumerate(frames):
            if reading.done():
                break
            stream.push(chunk)
            if chunk.end == end + 5 * FRAME_SAMPLES:
                stream.speech_ended(end)
            if fail is not None and number == len(frames) // 2:
                await fail()
            await asyncio.sleep(0.018)
        await asyncio.wait_for(reading, 5)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await stream.aclose()
    return got


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize(
    ("health", "code"),
    [
        ("refused", "unreachable"),
        ("unauthorized", "bad_key"),
        ("rate_limited", "rate_limited"),
        ("broken", "unavailable"),
        ("malformed", "malformed"),
        ("disconnects", "disconnected"),
    ],
)
def test_each_way_to_fail_has_its_code(kind: Kind, health: Health, code: str) -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        started = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            await heard(provider)
        assert caught.value.code == code
        assert caught.value.stage == "stt"
        assert time.monotonic() - started < 5
        assert "cleaning" not in str(caught.value)
        assert KEY not in str(caught.value)

    asyncio.run(with_deepgram(kind, scenario, health=health))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("health", ["refused", "silent", "dies_midway", "disconnects", "malformed"])
def test_no_word_is_lost_when_it_fails_in_the_middle_of_one(kind: Kind, health: Health) -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        chain = SttCascade([provider, FakeStt(truth(), name="other")])
        finals = [t for t in await heard(chain, fail=lambda: server.become(health)) if t.kind == "final"]
        assert len(finals) == 1
        assert similar(finals[0].text, TEXT)
        await chain.aclose()

    asyncio.run(with_deepgram(kind, scenario))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_closed_stream_sends_and_costs_nothing_more(kind: Kind) -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        frames, _ = speech()
        stream = await provider.open()
        for chunk in frames[:20]:
            stream.push(chunk)
        await asyncio.sleep(0.1)
        await stream.aclose()
        charged = server.charged
        for chunk in frames[20:40]:
            stream.push(chunk)
        await asyncio.sleep(0.1)
        assert server.charged == charged
        assert server.open_streams == 0

    asyncio.run(with_deepgram(kind, scenario))


def test_what_nova_is_asked_for() -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        await heard(provider)
        asked = server.query
        assert asked["numerals"] == ["true"]
        assert asked["keyterm"] == ["Northside Dental"]
        assert (asked["model"], asked["encoding"], asked["sample_rate"]) == (["nova-3"], ["linear16"], ["16000"])

    asyncio.run(with_deepgram(DeepgramNova, scenario))


def test_flux_tells_of_an_end_of_turn_before_it_is_sure() -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        kinds = [transcript.kind for transcript in await heard(provider)]
        assert kinds.count("final") == 1
        assert "eager" in kinds
        assert server.query["eager_eot_threshold"] == ["0.4"]

    asyncio.run(with_deepgram(DeepgramFlux, scenario))


def test_flux_takes_an_eager_end_back_when_the_caller_goes_on() -> None:
    """A pause inside the turn: eager, then resumed with all the words."""
    first, second = lay_out("I would like to book", START), lay_out("a cleaning please", START + 3 * SAMPLE_RATE)
    told = Truth()
    told.add(*first, *second)

    async def scenario() -> None:
        async with DeepgramStandIn(lambda tag: told, flux_end_s=2.5) as server, aiohttp.ClientSession() as session:
            stream = await DeepgramFlux(session, key=KEY, url=server.ws_url).open()
            got: list[Transcript] = []

            async def read() -> None:
                async for transcript in stream:
                    got.append(transcript)

            reading = asyncio.ensure_future(read())
            for at in range(0, second[-1].end + SAMPLE_RATE, FRAME_SAMPLES):
                stream.push(AudioChunk(at, FRAME_SAMPLES, stamped(bytes(2 * FRAME_SAMPLES), at)))
                await asyncio.sleep(0.018)
            await stream.aclose()
            await reading
            kinds = [transcript.kind for transcript in got]
            assert kinds.index("eager") < kinds.index("resumed")
            assert got[kinds.index("eager")].text == "I would like to book"
            assert got[-1].text == "I would like to book a cleaning please"

    asyncio.run(scenario())


@pytest.mark.parametrize("takes_force", [True, False], ids=["ended-by-us", "cannot-be-ended"])
def test_each_word_once_where_flux_holds_a_turn_open_over_a_pause(takes_force: bool) -> None:
    first, second = lay_out("I would like to book", START), lay_out("a cleaning please", START + 4 * SAMPLE_RATE)
    told = Truth()
    told.add(*first, *second)
    ends = [words[-1].end - words[-1].end % FRAME_SAMPLES for words in (first, second)]

    async def scenario() -> None:
        async with (
            DeepgramStandIn(lambda tag: told, flux_end_s=30, takes_force=takes_force) as server,
            aiohttp.ClientSession() as session,
        ):
            stream = await DeepgramFlux(session, key=KEY, url=server.ws_url).open()
            finals: list[tuple[float, Transcript]] = []
            told_at: list[float] = []

            async def read() -> None:
                async for transcript in stream:
                    if transcript.kind == "final":
                        finals.append((time.monotonic(), transcript))

            reading = asyncio.ensure_future(read())
            for at in range(0, ends[1] + SAMPLE_RATE, FRAME_SAMPLES):
                stream.push(AudioChunk(at, FRAME_SAMPLES, stamped(bytes(2 * FRAME_SAMPLES), at)))
                if at - 5 * FRAME_SAMPLES in ends:
                    stream.speech_ended(at - 5 * FRAME_SAMPLES)
                    told_at.append(time.monotonic())
                await asyncio.sleep(0.019)
            await stream.aclose()
            await reading
            assert [transcript.text for _, transcript in finals] == ["I would like to book", "a cleaning please"]
            for (at, _), told_then in zip(finals, told_at, strict=True):
                assert at - told_then < (0.6 if takes_force else 0.9)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_cancelled_open_leaves_nothing_at_the_service(kind: Kind) -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        server.slow_s = 0.3
        opening = asyncio.ensure_future(provider.open())
        await asyncio.sleep(0.1)
        opening.cancel()
        await asyncio.wait([opening])
        await asyncio.sleep(0.5)
        assert server.requests == 1
        assert (server.open_streams, server.charged) == (0, 0)

    asyncio.run(with_deepgram(kind, scenario, health="slow"))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_stream_uses_the_connection_that_was_warmed(kind: Kind) -> None:
    seen: list[str] = []

    async def made(*_: Any) -> None:
        seen.append("made")

    async def reused(*_: Any) -> None:
        seen.append("reused")

    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(made)
        trace.on_connection_reuseconn.append(reused)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            warmed = kind(session, key=KEY, url=server.ws_url)
            await warmed.warm()
            stream = await warmed.open()
            await stream.aclose()
            assert seen == ["made", "reused"]
            await server.become("refused")
            await warmed.warm()  # never raises

    asyncio.run(with_deepgram(kind, scenario))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_check_finds_wrong_keys_and_models_and_costs_nothing(kind: Kind) -> None:
    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        await provider.check()
        for _ in range(50):
            if not server.open_streams:
                break
            await asyncio.sleep(0.01)
        assert (server.open_streams, server.charged) == (0, 0)
        async with aiohttp.ClientSession() as session:
            for changes, code in (({"key": "wrong"}, "bad_key"), ({"model": "nova-99"}, "rejected")):
                with pytest.raises(ProviderError) as caught:
                    await kind(session, **{"key": KEY, "url": server.ws_url, **changes}).check()
                assert caught.value.code == code
            with pytest.raises(ProviderError) as caught:
                await kind(session, key=KEY, url="ws://127.0.0.1:1").check()
            assert caught.value.code == "unreachable"

    asyncio.run(with_deepgram(kind, scenario))


def test_a_finalize_that_nothing_answers_is_answered_by_what_was_heard() -> None:
    """The service stays silent where it has nothing left to tell."""

    async def scenario(server: DeepgramStandIn, provider: Any) -> None:
        async with aiohttp.ClientSession() as session:
            quick = DeepgramNova(session, key=KEY, url=server.ws_url, options=NovaOptions(answer_ms=400))
            got = await heard(quick)
            assert got[-1].kind == "final"
            assert similar(got[-1].text, TEXT)

    asyncio.run(with_deepgram(DeepgramNova, scenario, answers_finalize=False))
