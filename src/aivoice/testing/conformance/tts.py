"""TextToSpeech: what every voice must do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark, TextToSpeech
from aivoice.testing.conformance import cancelled, closes, collect, patiently
from aivoice.testing.owned import beside


@dataclass(frozen=True, slots=True)
class Subject:
    """text: a clause of at least five words, already normalised for speech."""

    provider: TextToSpeech
    text: str = "We are open until six this evening."


async def _speak(subject: Subject, pieces: Sequence[str]) -> list[SpeechEvent]:
    stream = await patiently(subject.provider.open(), "open")
    try:
        for piece in pieces:
            stream.push(piece)
        stream.finish()
        return await collect(aiter(stream), "speech")
    finally:
        await stream.aclose()


def _samples(events: Sequence[SpeechEvent]) -> int:
    return sum(event.samples for event in events if isinstance(event, SpeechAudio))


async def speech_takes_as_long_as_a_voice_would(subject: Subject) -> None:
    seconds = _samples(await _speak(subject, [subject.text])) / SAMPLE_RATE
    count = len(subject.text.split())
    assert 0.1 * count <= seconds <= 1.0 * count + 1.5, f"{count} words took {seconds:.2f} s"


async def audio_is_well_formed(subject: Subject) -> None:
    audio = [e for e in await _speak(subject, [subject.text]) if isinstance(e, SpeechAudio)]
    assert audio
    for event in audio:
        assert event.samples > 0, "an empty stretch of audio"
        assert event.pcm is None or len(event.pcm) == 2 * event.samples, "samples and bytes disagree"
    assert len({event.pcm is None for event in audio}) == 1, "spans and PCM are mixed"


async def marks_count_words_and_never_go_back(subject: Subject) -> None:
    events = await _speak(subject, [subject.text])
    marks = [e for e in events if isinstance(e, SpeechMark)]
    total, last_word, last_sample = _samples(events), -1, 0
    for mark in marks:
        assert mark.word > last_word, "marks repeat or go back"
        assert last_sample <= mark.sample <= total, "a mark lies outside the audio or goes back"
        last_word, last_sample = mark.word, mark.sample
    assert last_word < len(subject.text.split()), "a mark names a word that was not pushed"


async def text_in_pieces_is_the_same_text(subject: Subject) -> None:
    whole = _samples(await _speak(subject, [subject.text]))
    first, *rest = subject.text.split()
    pieces = _samples(await _speak(subject, [first, *(" " + word for word in rest)]))
    assert abs(pieces - whole) <= 0.5 * whole, "pushing word by word changed the speech"


async def a_streaming_voice_starts_before_finish(subject: Subject) -> None:
    if not subject.provider.streams_text:
        return
    stream = await patiently(subject.provider.open(), "open")
    stream.push(subject.text + " ")

    async def first_audio() -> None:
        async for event in stream:
            if isinstance(event, SpeechAudio):
                return

    await patiently(first_audio(), "audio before finish")
    await stream.aclose()


async def nothing_to_say_ends_quietly(subject: Subject) -> None:
    for pieces in ([], [""], ["  "]):
        assert _samples(await _speak(subject, pieces)) == 0, "nothing was pushed, yet something sounded"


async def odd_text_neither_hangs_nor_breaks(subject: Subject) -> None:
    for text in ("...", "?!", "— ", "Hm", "a" * 60):
        await _speak(subject, [text])


async def closing_midway_ends_the_iterator_quietly_and_twice(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    stream.push(subject.text)
    stream.finish()
    async with beside(collect(aiter(stream), "speech of a closed stream")) as reader:
        await asyncio.sleep(0.01)
        await closes(stream.aclose)
        await patiently(reader, "the iterator of a closed stream")
    stream.push("more")
    stream.finish()


async def a_cancelled_reader_leaves_the_provider_usable(subject: Subject) -> None:
    stream = await patiently(subject.provider.open(), "open")
    stream.push(subject.text)
    stream.finish()
    await cancelled(lambda: collect(aiter(stream), "speech"), after_s=0.005)
    await stream.aclose()
    await speech_takes_as_long_as_a_voice_would(subject)


async def streams_do_not_mix(subject: Subject) -> None:
    alone = _samples(await _speak(subject, [subject.text]))
    both = await asyncio.gather(*(_speak(subject, [subject.text]) for _ in range(3)))
    for events in both:
        assert abs(_samples(events) - alone) <= 0.5 * alone, "streams at the same time changed the speech"


CHECKS = (
    speech_takes_as_long_as_a_voice_would,
    audio_is_well_formed,
    marks_count_words_and_never_go_back,
    text_in_pieces_is_the_same_text,
    a_streaming_voice_starts_before_finish,
    nothing_to_say_ends_quietly,
    odd_text_neither_hangs_nor_breaks,
    closing_midway_ends_the_iterator_quietly_and_twice,
    a_cancelled_reader_leaves_the_provider_usable,
    streams_do_not_mix,
)
