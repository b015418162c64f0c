"""SpeechToText: what every recogniser must do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.providers.ports import SpeechToText, SttStream, Transcript
from aivoice.testing.conformance import cancelled, closes, patiently, quickly, similar
from aivoice.testing.owned import beside

KEPT_S, BACKLOG_S = 30, 45


@dataclass(frozen=True, slots=True)
class Subject:
    """speech: contiguous chunks of one utterance, `text`, that ends at sample `speech_end`, some silence behind it."""

    provider: SpeechToText
    speech: Sequence[AudioChunk]
    speech_start: int
    speech_end: int
    text: str

    def silence(self, position: int, ms: int) -> list[AudioChunk]:
        """Silence of the same kind (spans or frames)."""
        spans = self.speech[0].pcm is None
        frames = ms * SAMPLE_RATE // 1000 // FRAME_SAMPLES
        return [
            AudioChunk(
                position + n * FRAME_SAMPLES, FRAME_SAMPLES, None if spans else SILENCE, False if spans else None
            )
            for n in range(frames)
        ]

    def again(self, position: int) -> list[AudioChunk]:
        """The speech once more from `position` on."""
        shift = position - self.speech[0].position
        return [AudioChunk(c.position + shift, c.samples, c.pcm, c.voiced) for c in self.speech]


async def _feed(stream: SttStream, chunks: Sequence[AudioChunk]) -> None:
    for chunk in chunks:
        stream.push(chunk)
        await asyncio.sleep(chunk.samples / SAMPLE_RATE)


async def _until_finals(stream: SttStream, count: int) -> list[Transcript]:
    got: list[Transcript] = []

    async def read() -> None:
        async for transcript in stream:
            got.append(transcript)
            if sum(t.kind == "final" for t in got) >= count:
                return

    await patiently(read(), f"waiting for {count} final(s)")
    return got


async def _one_utterance(subject: Subject) -> list[Transcript]:
    stream = await patiently(subject.provider.open(), "open")
    async with beside(_until_finals(stream, 1)) as reader:
        try:
            stream.speech_started(subject.speech_start)
            await _feed(stream, subject.speech)
            stream.speech_ended(subject.speech_end)
            await _feed(stream, subject.silence(subject.speech[-1].end, 500))
            return await reader
        finally:
            await stream.aclose()


async def one_final_with_the_words_follows_the_end_of_speech(subject: Subject) -> None:
    got = await _one_utterance(subject)
    finals = [t for t in got if t.kind == "final"]
    assert len(finals) == 1
    assert similar(finals[0].text, subject.text), "the final does not hold the words that were said"


async def transcripts_are_well_formed(subject: Subject) -> None:
    for transcript in await _one_utterance(subject):
        assert transcript.kind in ("interim", "final", "eager", "resumed")
        assert 0 <= transcript.start <= transcript.end <= subject.speech[-1].end + SAMPLE_RATE
        assert 0.0 <= transcript.confidence <= 1.0
        assert transcript.kind == "final" or transcript.text.strip(), "an interim without words is no news"


async def silence_gives_one_empty_final(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    position = subject.speech[-1].end + 60 * SAMPLE_RATE
    chunks = subject.silence(position, 1_000)
    async with beside(_until_finals(stream, 1)) as reader:
        stream.speech_started(position)
        await _feed(stream, chunks)
        stream.speech_ended(position + SAMPLE_RATE // 2)
        got = await reader
        await stream.aclose()
    assert [t.text.strip() for t in got if t.kind == "final"] == [""], "words were heard in silence"


async def every_end_of_speech_gets_its_final_in_order(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    async with beside(_until_finals(stream, 2)) as reader:
        stream.speech_started(subject.speech_start)
        await _feed(stream, subject.speech)
        stream.speech_ended(subject.speech_end)
        await _feed(stream, subject.silence(subject.speech[-1].end, 500))
        second = subject.speech[-1].end + SAMPLE_RATE // 2
        shift = second - subject.speech[0].position
        stream.speech_started(subject.speech_start + shift)
        await _feed(stream, subject.again(second))
        stream.speech_ended(subject.speech_end + shift)
        await _feed(stream, subject.silence(subject.speech[-1].end + shift, 500))
        finals = [t for t in await reader if t.kind == "final"]
        await stream.aclose()
    assert similar(finals[0].text, subject.text)
    assert finals[0].end <= finals[1].start + SAMPLE_RATE // 4, "segments overlap"


async def closing_ends_the_iterator_quietly_and_twice(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")

    async def read_all() -> list[Transcript]:
        return [t async for t in stream]

    async with beside(read_all()) as reader:
        await _feed(stream, subject.speech[: len(subject.speech) // 2])
        await closes(stream.aclose)
        await patiently(reader, "the iterator of a closed stream")
    stream.push(subject.speech[0])
    stream.speech_started(0)
    stream.speech_ended(1)


async def a_cancelled_reader_leaves_the_provider_usable(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    await _feed(stream, subject.speech[: len(subject.speech) // 2])
    await cancelled(lambda: _until_finals(stream, 1), after_s=0.05)
    await stream.aclose()
    await one_final_with_the_words_follows_the_end_of_speech(subject)


async def a_cancelled_open_leaves_the_provider_usable(subject: Subject) -> None:
    async def open_and_close() -> None:
        stream = await subject.provider.open()
        await stream.aclose()

    await cancelled(open_and_close, after_s=0.0)
    await one_final_with_the_words_follows_the_end_of_speech(subject)


async def streams_do_not_mix(subject: Subject) -> None:
    quiet = await patiently(subject.provider.open(), "open")
    elsewhere = subject.speech[-1].end + 90 * SAMPLE_RATE
    async with beside(_until_finals(quiet, 1)) as reader, beside(_one_utterance(subject)) as speaking:
        await _feed(quiet, subject.silence(elsewhere, 600))
        quiet.speech_ended(elsewhere + SAMPLE_RATE // 2)
        await speaking
        heard = await reader
        await quiet.aclose()
    assert not "".join(t.text for t in heard).strip(), "a stream heard another stream's words"


async def a_long_backlog_is_heard_or_counted(subject: Subject) -> None:
    """45 s at one moment, the utterance first: at least the last 30 s are heard, the rest is heard or counted."""
    stream = await patiently(subject.provider.open(), "open")
    start = subject.speech[0].position
    chunks = [*subject.speech, *subject.silence(subject.speech[-1].end, BACKLOG_S * 1000)]
    chunks = chunks[: BACKLOG_S * SAMPLE_RATE // FRAME_SAMPLES]
    async with beside(_until_finals(stream, 1)) as reader:
        await asyncio.sleep(0.1)  # what is opened behind it shall be open
        assert stream.dropped_samples == 0
        stream.speech_started(start)
        for chunk in chunks:
            stream.push(chunk)
        stream.speech_ended(chunks[-1].end)
        final = next(t for t in await reader if t.kind == "final")
        dropped = stream.dropped_samples
        await stream.aclose()
    pushed = chunks[-1].end - start
    assert dropped <= pushed - (KEPT_S - 1) * SAMPLE_RATE, "less than 30 s were kept"
    unaccounted = pushed - dropped - (final.end - final.start)
    assert unaccounted <= SAMPLE_RATE, f"{unaccounted / SAMPLE_RATE:.1f} s were neither heard nor counted"
    assert dropped or similar(final.text, subject.text), "nothing was dropped, and yet the words are missing"


async def pushing_never_blocks(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    chunk = subject.speech[0]
    for index in range(500):
        position = chunk.position + index * chunk.samples
        piece = AudioChunk(position, chunk.samples, chunk.pcm, chunk.voiced)
        if index % 100:
            stream.push(piece)
        else:
            quickly(lambda piece=piece: stream.push(piece), "push", tries=1 if index == 0 else 3)
    await closes(stream.aclose)


CHECKS = (
    one_final_with_the_words_follows_the_end_of_speech,
    transcripts_are_well_formed,
    silence_gives_one_empty_final,
    every_end_of_speech_gets_its_final_in_order,
    closing_ends_the_iterator_quietly_and_twice,
    a_cancelled_reader_leaves_the_provider_usable,
    a_cancelled_open_leaves_the_provider_usable,
    streams_do_not_mix,
    a_long_backlog_is_heard_or_counted,
    pushing_never_blocks,
)
