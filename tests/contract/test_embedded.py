"""The embedded models pass the ports' suites. Their caller is the synthetic second voice; human speech: benchmarks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.core.events import ProviderAttempt
from aivoice.engine.attempts import report_attempts
from aivoice.engine.cascade_vad import VadCascade
from aivoice.errors import MissingModelError
from aivoice.providers.embedded import weights
from aivoice.providers.embedded.bundle import EmbeddedSet, settings
from aivoice.providers.embedded.earshot import EarshotVad
from aivoice.providers.embedded.silero import SileroVad
from aivoice.providers.inference import InferenceSettings, shared_inference
from aivoice.providers.ports import SpeechAudio, SpeechMark, Transcript, VadEvent
from aivoice.testing.conformance import name_of, senses, stt, tts
from aivoice.testing.virtual_time import run_virtual

pytestmark = pytest.mark.models

TEXT = "I would like to book an appointment on Wednesday please."
LEAD = 25


@pytest.fixture(scope="module")
def server() -> Iterator[InferenceSettings]:
    """One inference process for all tests of this file."""
    with shared_inference(settings()) as given:
        yield given


@asynccontextmanager
async def models(server: InferenceSettings) -> AsyncGenerator[EmbeddedSet, None]:
    async with EmbeddedSet.start(given=server) as embedded:
        yield embedded


async def spoken(embedded: EmbeddedSet, text: str, voice: str = "low") -> tuple[bytes, list[SpeechMark]]:
    stream = await embedded.tts.open(voice=voice)
    stream.push(text)
    stream.finish()
    events = [event async for event in stream]
    await stream.aclose()
    pcm = b"".join(event.pcm or b"" for event in events if isinstance(event, SpeechAudio))
    return pcm, [event for event in events if isinstance(event, SpeechMark)]


def framed(pcm: bytes, position: int = 0, *, lead: int = LEAD, tail: int = 10) -> list[AudioChunk]:
    padded = bytes(FRAME_BYTES * lead) + pcm + bytes(-len(pcm) % FRAME_BYTES) + bytes(FRAME_BYTES * tail)
    return [
        AudioChunk(position + at // 2, FRAME_SAMPLES, padded[at : at + FRAME_BYTES])
        for at in range(0, len(padded), FRAME_BYTES)
    ]


Check = Callable[..., Awaitable[None]]


@pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
def test_whisper(check: Check, server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            pcm, _ = await spoken(embedded, TEXT)
            start, end = LEAD * FRAME_SAMPLES, LEAD * FRAME_SAMPLES + len(pcm) // 2
            await check(stt.Subject(embedded.stt, framed(pcm), start, end, TEXT))

    run_virtual(main())


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
def test_hibari(check: Check, server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            await check(tts.Subject(embedded.tts))

    run_virtual(main())


@pytest.mark.parametrize("check", senses.EMBEDDER_CHECKS, ids=name_of)
def test_minilm(check: Check, server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            await check(senses.EmbedderSubject(embedded.embedder))

    run_virtual(main())


@pytest.mark.parametrize("check", senses.TURN_CHECKS, ids=name_of)
def test_smart_turn(check: Check, server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            if embedded.turn is None:
                pytest.skip("Smart Turn's package is not installed; a call does without it")
            pcm, _ = await spoken(embedded, TEXT)
            await check(senses.TurnSubject(embedded.turn, TEXT, pcm))

    run_virtual(main())


def test_a_turn_cut_off_scores_lower_than_a_finished_one(server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            if embedded.turn is None:
                pytest.skip("Smart Turn's package is not installed; a call does without it")
            scores: list[tuple[float, float]] = []
            for text, word in (("I would like to book a table for four people on Friday evening.", 10), (TEXT, 7)):
                whole, marks = await spoken(embedded, text, "heart")
                cut = whole[: 2 * next(mark.sample for mark in marks if mark.word == word)] + bytes(6_400)
                scores.append((await embedded.turn.score("", cut), await embedded.turn.score("", whole)))
            assert all(cut < whole for cut, whole in scores), scores

    run_virtual(main())


@pytest.mark.parametrize("check", senses.VAD_CHECKS, ids=name_of)
@pytest.mark.parametrize("provider", ["silero", "earshot"])
def test_voice_activity(check: Check, provider: str, server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            pcm, _ = await spoken(embedded, "I would like to book an appointment with the hygienist")
            start, end = LEAD * FRAME_SAMPLES, LEAD * FRAME_SAMPLES + len(pcm) // 2
            vad = embedded.vad if provider == "silero" else embedded.vad_fallback
            await check(senses.VadSubject(vad, framed(pcm), start, end))

    run_virtual(main())


def test_interims_come_while_speech_goes_on_and_the_final_soon_after(server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            pcm, _ = await spoken(
                embedded, "We moved here in the spring and I am looking for a new dentist for my family."
            )
            got, events = await hear(embedded, pcm)
            assert sum(t.kind == "interim" for t in got) >= 3
            assert got[-1].kind == "final"
            assert "dentist" in got[-1].text
            assert next(event.kind for event in events) == "start"

    run_virtual(main())


async def hear(embedded: EmbeddedSet, pcm: bytes) -> tuple[list[Transcript], list[VadEvent]]:
    """Voice activity and recognition joined as the session joins them."""
    stream = await embedded.stt.open()
    events: list[VadEvent] = []
    got: list[Transcript] = []

    def on_voice(event: VadEvent) -> None:
        events.append(event)
        (stream.speech_started if event.kind == "start" else stream.speech_ended)(event.position)

    async def read() -> None:
        async for transcript in stream:
            got.append(transcript)

    vad = embedded.vad.open(on_voice)
    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for frame in framed(pcm, tail=75):
            stream.push(frame)
            vad.push(frame)
            await asyncio.sleep(FRAME_SAMPLES / SAMPLE_RATE)
        await asyncio.sleep(1.0)
        await vad.aclose()
        await stream.aclose()
    return got, events


@pytest.mark.parametrize(
    ("said", "times"), [("Yes please, yes please.", 2), ("No, no, no.", 3), ("Yes please.", 1), ("Tomorrow.", 1)]
)
def test_who_repeats_himself_is_heard_so_and_who_does_not_is_not(
    said: str, times: int, server: InferenceSettings
) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            got, _ = await hear(embedded, (await spoken(embedded, said, "heart"))[0])
            text = " ".join(t.text for t in got if t.kind == "final").lower()
            word = said.replace(",", "").replace(".", "").split()[0].lower()
            assert text.count(word) == times, text

    run_virtual(main())


def test_word_marks_cover_the_words_in_order(server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            text = "Sure, that is forty five pounds. Would three thirty on Wednesday the ninth of March suit you?"
            pcm, marks = await spoken(embedded, text, "heart")
            assert [mark.word for mark in marks] == list(range(len(text.split())))
            gaps = [b.sample - a.sample for a, b in pairwise(marks)]
            assert min(gaps) > 0 and marks[-1].sample < len(pcm) // 2
            assert marks[0].sample < SAMPLE_RATE // 4

    run_virtual(main())


def test_the_same_text_gives_the_same_samples_and_voices_differ(server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            first, again = (await spoken(embedded, TEXT))[0], (await spoken(embedded, TEXT))[0]
            other = (await spoken(embedded, TEXT, "heart"))[0]
            unknown = (await spoken(embedded, TEXT, "nobody"))[0]
            assert first == again != other == unknown

    run_virtual(main())


def test_a_long_speech_without_a_pause_is_joined(server: InferenceSettings) -> None:
    async def main() -> None:
        async with models(server) as embedded:
            counted = ", ".join(f"item {n} is ready" for n in ("one", "two", "three", "four", "five", "six"))
            pcm = (await spoken(embedded, counted, "heart"))[0] * 6
            assert len(pcm) > 2 * 40 * SAMPLE_RATE
            stream = await embedded.stt.open()
            stream.speech_started(0)
            for frame in framed(pcm, lead=0):
                stream.push(frame)
            stream.speech_ended(len(pcm) // 2)
            async for transcript in stream:
                if transcript.kind == "final":
                    assert transcript.text.lower().count("ready") >= 28
                    assert stream.dropped_samples == 0
                    break
            await stream.aclose()

    run_virtual(main())


def test_a_missing_model_names_its_package_and_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = weights.Weights("speech synthesis", "hibari-tts==0.2.1", "no_such_package_here", ("model.onnx",))
    with pytest.raises(MissingModelError, match=r"hibari-tts==0\.2\.1 is not installed.*make setup"):
        gone.folder()
    (tmp_path / "half_a_package").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]
    half = weights.Weights("speech synthesis", "half", "half_a_package", ("model.onnx",))
    with pytest.raises(MissingModelError, match="lacks its model file"):
        half.folder()
    for model in weights.ALL:
        assert model.path().is_file()


def test_a_model_that_hangs_leaves_the_call_to_the_fallback(server: InferenceSettings) -> None:
    """Silero's thread takes a batch and never comes back; earshot hears what is said from a second later on."""
    blocked = threading.Event()

    def hang(_: object) -> list[float]:
        blocked.wait(60)
        return []

    async def main() -> None:
        async with models(server) as embedded:
            pcm, _ = await spoken(embedded, "I would like to book an appointment.")
            vad, reports, events = embedded.vad, list[ProviderAttempt](), list[VadEvent]()
            vad._run = hang  # pyright: ignore[reportPrivateUsage]
            vad._begin = vad._end = None  # pyright: ignore[reportPrivateUsage] - the clock shall not wait for it
            report_attempts(reports.append)
            chain = VadCascade([vad, embedded.vad_fallback])
            stream = chain.open(events.append)
            for frame in framed(pcm, lead=60, tail=50):
                stream.push(frame)
                await asyncio.sleep(0.02)
            blocked.set()
            assert [(told.provider, told.code) for told in reports if told.state == "failed"] == [("silero", "hung")]
            assert [event.kind for event in events][:1] == ["start"]
            assert abs(events[0].position - 60 * FRAME_SAMPLES) <= SAMPLE_RATE * 0.4
            assert events[-1].kind == "end"
            await stream.aclose()
            await chain.aclose()

    run_virtual(main())


def test_a_failing_model_switches_every_stream_over() -> None:
    async def main() -> None:
        async with SileroVad() as vad:
            events: list[VadEvent] = []
            stream = vad.open(events.append)
            vad._session = None  # pyright: ignore[reportPrivateUsage] - the model breaks
            for frame in framed(b"\x40\x20" * 8_000, lead=0):
                stream.push(frame)
                await asyncio.sleep(0.02)
            assert [event.kind for event in events] == ["failed"]
            stream.push(framed(b"", lead=1)[0])

    run_virtual(main())


def test_many_streams_share_batches() -> None:
    async def main() -> None:
        async with SileroVad() as vad:
            streams = [vad.open(lambda _: None) for _ in range(20)]
            for frame in framed(b"\x40\x20" * 16_000, lead=0):
                for stream in streams:
                    stream.push(frame)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            assert vad.windows >= 20 * 20
            assert vad.windows / vad.batches >= 8
            for stream in streams:
                await stream.aclose()

    run_virtual(main())


def test_earshot_needs_nothing_but_its_package() -> None:
    events: list[VadEvent] = []
    stream = EarshotVad().open(events.append)
    for frame in framed(b"", lead=100):
        stream.push(frame)
    assert events == []
