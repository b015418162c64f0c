"""LiveKit's recognisers behind our port: a streaming plugin of our own hand over Deepgram's stand-in, and OpenAI's
requests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import pytest

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.errors import InputError, MissingModelError, ProviderError
from aivoice.providers.livekit import PluginStt, plugins
from aivoice.providers.ports import Transcript
from aivoice.testing.conformance import name_of, similar, stt
from aivoice.testing.fakes import Truth, lay_out
from aivoice.testing.sound import stamped, voice_pcm
from aivoice.testing.standins.anthropic import Pace
from aivoice.testing.standins.deepgram import DeepgramStandIn
from aivoice.testing.standins.openai import OpenAiStandIn
from aivoice.testing.standins.server import Health, StandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TEXT = "I would like to book a cleaning on Tuesday please."
START = SAMPLE_RATE // 2
QUERY = f"model=nova-3&encoding=linear16&sample_rate={SAMPLE_RATE}&interim_results=true"


def plugin(http: aiohttp.ClientSession, url: str, key: str, *, times: bool = True, prompt: bool = True) -> Any:
    """A LiveKit plugin for ``/v1/listen``, as they are written. times: it tells where its words lie. prompt: a flush
    has an answer."""
    from livekit.agents import APIConnectionError, APIStatusError
    from livekit.agents import stt as lk

    class Stream(lk.RecognizeStream):
        async def _run(self) -> None:
            try:
                ws = await http.ws_connect(f"{url}/v1/listen?{QUERY}", headers={"Authorization": f"Token {key}"})
            except aiohttp.WSServerHandshakeError as error:
                raise APIStatusError("no", status_code=error.status) from error
            except aiohttp.ClientError as error:
                raise APIConnectionError() from error
            sending = asyncio.ensure_future(self._send(ws))
            try:
                async for message in ws:
                    self._tell(json.loads(message.data))
                raise APIStatusError("closed", status_code=ws.close_code or -1)
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                await ws.close()

        async def _send(self, ws: aiohttp.ClientWebSocketResponse) -> None:
            async for data in self._input_ch:
                if isinstance(data, self._FlushSentinel):
                    if prompt:
                        await ws.send_str('{"type":"Finalize"}')
                else:
                    await ws.send_bytes(bytes(data.data))

        def _tell(self, message: dict[str, Any]) -> None:
            best = message["channel"]["alternatives"][0]
            start = message["start"]
            words = lk.SpeechData(
                "en",  # type: ignore[arg-type]
                best["transcript"] if isinstance(best["transcript"], str) else best["transcript"]["x"],
                start if times else 0.0,
                start + message["duration"] if times else 0.0,
                best["confidence"],
            )
            kind = "FINAL_TRANSCRIPT" if message["is_final"] else "INTERIM_TRANSCRIPT"
            self._event_ch.send_nowait(lk.SpeechEvent(lk.SpeechEventType[kind], alternatives=[words]))

    class Plugin(lk.STT[Any]):
        def __init__(self) -> None:
            super().__init__(capabilities=lk.STTCapabilities(streaming=True, interim_results=True, keyterms=True))
            self.terms: list[str] = []

        def _update_session_keyterms(self, keyterms: list[str]) -> None:
            self.terms = keyterms

        def stream(self, *, language: Any = "en", conn_options: Any = None) -> Stream:
            return Stream(stt=self, conn_options=conn_options)

        async def _recognize_impl(self, *given: Any, **more: Any) -> Any:
            raise NotImplementedError

    return Plugin()


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


Work = Callable[[Any, PluginStt], Awaitable[Any]]


async def streaming(work: Work, health: Health = "fine", **given: Any) -> Any:
    told = truth()
    async with DeepgramStandIn(lambda tag: told, health=health) as server, aiohttp.ClientSession() as http:
        return await work(server, PluginStt(lambda: plugin(http, server.ws_url, "dg-standin", **given), name="ears"))


async def by_utterance(work: Work, health: Health = "fine") -> Any:
    async with (
        OpenAiStandIn(_mute, health=health, pace=Pace(0.05, 0.0), truth=truth()) as server,
        aiohttp.ClientSession() as http,
    ):
        ears = plugins.other_stt(
            http, "openai", name="ears", model="standin-small", key="sk-standin", url=server.base_url
        )
        try:
            return await work(server, ears)
        finally:
            await ears.aclose()


async def _mute(request: Any) -> Any:
    return
    yield


WAYS: dict[str, Callable[..., Awaitable[Any]]] = {"streaming": streaming, "by utterance": by_utterance}


async def nobody_listens(server: StandIn) -> None:
    for _ in range(100):
        if not server.open_streams:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a stream was left open")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
def test_the_ports_suite(way: str, check: Any) -> None:
    frames, end = speech()

    async def scenario(server: StandIn, ears: PluginStt) -> None:
        await check(stt.Subject(ears, frames, START, end, TEXT))
        await nobody_listens(server)

    asyncio.run(WAYS[way](scenario))


async def heard(
    ears: PluginStt, *, fail: Callable[[], Awaitable[None]] | None = None
) -> list[tuple[Transcript, float]]:
    """One utterance in real time, until its final, and when each transcript came. fail: done in the middle of it."""
    frames, end = speech()
    stream = await ears.open(key_terms=("Northside Dental",))
    got: list[tuple[Transcript, float]] = []
    ended_at = 0.0

    async def read() -> None:
        async for transcript in stream:
            got.append((transcript, time.monotonic() - ended_at))
            if transcript.kind == "final":
                return

    reading = asyncio.ensure_future(read())
    try:
        stream.speech_started(START)
        began = time.monotonic()
        for number, chunk in enumerate(frames):
            if reading.done():
                break
            stream.push(chunk)
            if chunk.end == end + 5 * FRAME_SAMPLES:
                ended_at = time.monotonic()
                stream.speech_ended(end)
            if fail is not None and number == len(frames) // 2:
                await fail()
            await asyncio.sleep(max(0.0, began + (number + 1) * 0.02 - time.monotonic()))
        await asyncio.wait_for(reading, 5)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await stream.aclose()
    return got


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("prompt", [True, False])
def test_interims_grow_and_the_final_comes_soon(times: bool, prompt: bool) -> None:
    async def scenario(server: StandIn, ears: PluginStt) -> None:
        got = await heard(ears)
        assert [t.kind for t, _ in got].count("final") == 1
        final, late_s = got[-1]
        assert similar(final.text, TEXT, share=0.95 if prompt else 0.8)
        assert late_s < (0.6 if prompt else 1.4), "the final came late"
        interims = [t.text for t, _ in got[:-1]]
        assert len(interims) >= 4
        assert [len(text) for text in interims] == sorted(len(text) for text in interims)

    asyncio.run(streaming(scenario, times=times, prompt=prompt))


@pytest.mark.parametrize("way", WAYS)
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
def test_each_way_to_fail(way: str, health: Health, code: str) -> None:
    async def scenario(server: StandIn, ears: PluginStt) -> None:
        with pytest.raises(ProviderError) as caught:
            await heard(ears)
        if (health, way) != ("malformed", "streaming"):  # what a plugin makes of that is its author's
            assert caught.value.code == code
        assert "Tuesday" not in str(caught.value)

    asyncio.run(WAYS[way](scenario, health))


@pytest.mark.parametrize("when", ["from the beginning", "in the middle"])
def test_one_that_falls_silent_gives_no_final_of_its_own_making(when: str) -> None:
    """Silent from the beginning: it fails. In the middle: the words that it gave are all there is."""

    async def scenario(server: StandIn, ears: PluginStt) -> None:
        if when == "in the middle":
            got = await heard(ears, fail=lambda: server.become("silent"))
            assert 0 < len(got[-1][0].text.split()) < len(TEXT.split())
        else:
            with pytest.raises(ProviderError) as caught:
                await heard(ears)
            assert caught.value.code == "timeout"

    asyncio.run(streaming(scenario, "fine" if when == "in the middle" else "silent"))


def test_coughs_are_forgiven_twice() -> None:
    async def scenario(server: StandIn, ears: PluginStt) -> list[str]:
        stream = await ears.open()
        got: list[str] = []

        async def read() -> None:
            async for transcript in stream:
                got.append(transcript.text)

        reading = asyncio.ensure_future(read())
        for number in range(3):
            at = number * SAMPLE_RATE
            stream.speech_started(at)
            for position in range(at, at + SAMPLE_RATE, FRAME_SAMPLES):
                stream.push(AudioChunk(position, FRAME_SAMPLES, SILENCE))
            stream.speech_ended(at + SAMPLE_RATE // 4)
            await asyncio.sleep(1.0)
        await asyncio.wait([reading])
        assert isinstance(reading.exception(), ProviderError)
        await stream.aclose()
        return got

    assert asyncio.run(streaming(scenario, "silent")) == ["", ""]


def test_a_final_told_late_is_not_heard_twice() -> None:
    """Its words were taken from the interim when the flush had no answer in time."""

    async def scenario(events: Sequence[tuple[float, str, str]], *, end: float = 0.0) -> list[tuple[str, str]]:
        from livekit.agents import stt as lk

        class Stream(lk.RecognizeStream):
            async def _run(self) -> None:
                for wait, kind, text in events:
                    await asyncio.sleep(wait)
                    words = lk.SpeechData("en", text, 0.0, end)  # type: ignore[arg-type]
                    self._event_ch.send_nowait(lk.SpeechEvent(lk.SpeechEventType[kind], alternatives=[words]))
                await asyncio.Event().wait()

        class Plugin(lk.STT[Any]):
            def __init__(self) -> None:
                super().__init__(capabilities=lk.STTCapabilities(streaming=True, interim_results=True))

            def stream(self, *, language: Any = "en", conn_options: Any = None) -> Stream:
                return Stream(stt=self, conn_options=conn_options)

            async def _recognize_impl(self, *given: Any, **more: Any) -> Any:
                raise NotImplementedError

        stream = await PluginStt(Plugin, name="ears", answer_ms=100).open()
        got: list[tuple[str, str]] = []

        async def read() -> None:
            async for transcript in stream:
                got.append((transcript.kind, transcript.text))

        reading = asyncio.ensure_future(read())
        for position in range(0, SAMPLE_RATE, FRAME_SAMPLES):
            stream.push(AudioChunk(position, FRAME_SAMPLES, SILENCE))
        await asyncio.sleep(0.05)
        stream.speech_ended(SAMPLE_RATE // 2)
        await asyncio.sleep(0.4)
        await stream.aclose()
        await reading
        return got

    late = [(0.02, "INTERIM_TRANSCRIPT", "hello"), (0.25, "FINAL_TRANSCRIPT", "Hello.")]
    assert asyncio.run(scenario(late)) == [("interim", "hello"), ("final", "hello")]
    assert asyncio.run(scenario(late, end=0.5)) == [("interim", "hello"), ("final", "hello")]
    eager = [
        (0.01, "PREFLIGHT_TRANSCRIPT", "hello"),
        (0.02, "INTERIM_TRANSCRIPT", "hello you"),
        (0.05, "FINAL_TRANSCRIPT", "Hello you."),
    ]
    assert asyncio.run(scenario(eager)) == [("eager", "hello"), ("resumed", "hello you"), ("final", "Hello you.")]


def test_a_recogniser_of_whole_utterances_is_warmed_and_checked() -> None:
    async def scenario(server: StandIn, ears: PluginStt) -> None:
        await ears.warm()
        await ears.check()
        other = plugins.openai_stt(name="ears", model="nonesuch", key="sk-standin", url=server.base_url)
        with pytest.raises(ProviderError) as caught:
            await other.check()
        assert caught.value.code == "rejected"
        await other.aclose()

    asyncio.run(by_utterance(scenario))


# ---------------------------------------------------------------- any plugin by name


SCRIPT = """
import asyncio, logging, signal, sys, threading
def state():
    return (
        list(logging.getLogger().handlers), logging.getLogger().level, logging.getLoggerClass(),
        asyncio.get_event_loop_policy().__class__, asyncio.run, asyncio.Task, sys.excepthook,
        signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), threading.active_count(),
    )
before = state()
from aivoice.providers.livekit import plugins
assert not [name for name in sys.modules if name.startswith("livekit.")], "imported too early"
async def build():
    await plugins.openai_llm(name="m", model="m", key="k").aclose()
asyncio.run(build())
assert "livekit.agents" in sys.modules
assert state() == before, (state(), before)
"""


def test_importing_changes_nothing_of_the_process_and_comes_late() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], check=True, timeout=100)


def _other(work: Callable[[aiohttp.ClientSession], Any]) -> Any:
    async def scenario() -> Any:
        async with aiohttp.ClientSession() as http:
            return work(http)

    return asyncio.run(scenario())


def test_a_plugin_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingModelError, match="pip install livekit-plugins-speech-matters"):
        _other(lambda http: plugins.other_stt(http, "speech_matters", name="ears"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda http: plugins.other_tts(http, "cartesia", name="v", key="k", options={"pitch": 1}), "no `pitch`"),
        (lambda http: plugins.other_tts(http, "resemble", name="v", key="k", url="http://x"), "takes no `url`"),
        (lambda http: plugins.other_llm(http, "resemble", name="v"), "has no language model"),
        (lambda http: plugins.other_stt(http, "../openai", name="v"), "lower case"),
        (lambda http: plugins.other_stt(http, "openai", name="v", key="k", options={"answer_ms": 0}), "answer_ms"),
    ],
)
def test_what_a_plugin_cannot_take_is_told(make: Callable[[aiohttp.ClientSession], Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        _other(make)
    assert str(caught.value).startswith("provider v: ")


def test_others_by_name_work_as_those_we_know() -> None:
    from aivoice.core.prompt import GenerationRequest, Message
    from aivoice.providers.ports import SpeechAudio, TextDelta
    from aivoice.testing.standins.voices import CartesiaStandIn

    async def answer(request: GenerationRequest) -> Any:
        yield TextDelta("Yes.")

    async def scenario() -> tuple[str, int]:
        async with OpenAiStandIn(answer) as brain, CartesiaStandIn() as mouth, aiohttp.ClientSession() as http:
            model = plugins.other_llm(
                http, "openai", name="m", model="standin-small", key="sk-standin", url=brain.base_url
            )
            voice = plugins.other_tts(http, "cartesia", name="v", voice="front-desk", key=mouth.key, url=mouth.url)
            await model.warm()
            request = GenerationRequest("", (), (Message("user", "Open?"),))
            text = "".join([d.text async for d in model.generate(request) if isinstance(d, TextDelta)])
            stream = await voice.open()
            stream.push(text)
            stream.finish()
            samples = sum([event.samples async for event in stream if isinstance(event, SpeechAudio)])
            await stream.aclose()
            await voice.aclose()
            await model.aclose()
            return text, samples

    text, samples = asyncio.run(scenario())
    assert text == "Yes."
    assert samples > 1_000
