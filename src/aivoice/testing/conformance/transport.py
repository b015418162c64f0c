"""Transport: what every media leg must do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.testing.conformance import cancelled, closes, patiently
from aivoice.testing.owned import beside
from aivoice.transports.ports import Transport

MOST_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A leg with its far side in the test's hand.

    connect: makes the far side ready to talk (for transports where somebody has to dial in), called after or while
    `start` runs. speak: the far side sends about so many ms of voice. hang_up: the far side leaves.
    """

    transport: Transport
    connect: Callable[[], Awaitable[None]]
    speak: Callable[[int], Awaitable[None]]
    hang_up: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Sink:
    """Notes everything that a transport delivers, in order."""

    ups: int = 0
    hangups: list[str] = field(default_factory=list[str])
    chunks: list[AudioChunk] = field(default_factory=list[AudioChunk])
    digits: list[str] = field(default_factory=list[str])
    up: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    early: bool = False

    def on_media_up(self) -> None:
        self.ups += 1
        self.up.set()

    def on_audio(self, chunk: AudioChunk) -> None:
        self.early |= self.ups == 0
        self.chunks.append(chunk)

    def on_dtmf(self, digit: str) -> None:
        self.digits.append(digit)

    def on_hangup(self, reason: str) -> None:
        self.hangups.append(reason)
        self.gone.set()


async def _begin(subject: Subject) -> Sink:
    sink = Sink()
    await patiently(asyncio.gather(subject.transport.start(sink), subject.connect()), "start")
    await patiently(sink.up.wait(), "media up")
    return sink


async def media_comes_up_once_and_audio_is_contiguous(subject: Subject) -> None:
    sink = await _begin(subject)
    await subject.speak(1_000)
    await asyncio.sleep(0.3)
    await subject.transport.close("test")
    assert sink.ups == 1
    assert not sink.early, "audio came before media was up"
    assert sum(chunk.samples for chunk in sink.chunks) >= SAMPLE_RATE // 2, "the far side was not heard"
    for one, two in zip(sink.chunks, sink.chunks[1:], strict=False):
        assert two.position == one.end, "audio has a hole or an overlap"
    for chunk in sink.chunks:
        if subject.transport.carries_spans:
            assert chunk.pcm is None and chunk.voiced is not None and chunk.samples > 0
        else:
            assert chunk.pcm is not None and len(chunk.pcm) == FRAME_BYTES and chunk.samples == FRAME_SAMPLES


async def the_agent_can_speak_at_any_time(subject: Subject) -> None:
    sink = await _begin(subject)
    for index in range(50):
        if subject.transport.carries_spans:
            subject.transport.write_span(AudioChunk(index * FRAME_SAMPLES, FRAME_SAMPLES, None, True))
        else:
            subject.transport.write(SILENCE)
        await asyncio.sleep(0.02)
    await subject.transport.close("test")
    if subject.transport.carries_spans:
        subject.transport.write_span(AudioChunk(0, FRAME_SAMPLES, None, True))
    else:
        subject.transport.write(SILENCE)
    assert sink.ups == 1


async def the_far_side_can_leave(subject: Subject) -> None:
    sink = await _begin(subject)
    await subject.speak(200)
    await subject.hang_up()
    await patiently(sink.gone.wait(), "the hang-up")
    assert sink.hangups[0] in ("caller_hung_up", "media_lost", "end_of_file")
    await closes(lambda: subject.transport.close("caller_hung_up"), within_s=MOST_CLOSE_S)
    assert len(sink.hangups) == 1, "one hang-up was told more than once"


async def closing_is_idempotent_and_the_last_word(subject: Subject) -> None:
    sink = await _begin(subject)
    async with beside(subject.speak(2_000)):
        await asyncio.sleep(0.2)
        await closes(lambda: subject.transport.close("test"), within_s=MOST_CLOSE_S)
        count = len(sink.chunks)
        await asyncio.sleep(0.2)
        assert len(sink.chunks) == count, "audio came after close"


async def closing_before_start_is_safe(subject: Subject) -> None:
    await closes(lambda: subject.transport.close("never started"), within_s=MOST_CLOSE_S)


async def a_cancelled_start_leaves_nothing(subject: Subject) -> None:
    sink = Sink()
    await cancelled(lambda: subject.transport.start(sink), after_s=0.0)
    await closes(lambda: subject.transport.close("cancelled"), within_s=MOST_CLOSE_S)
    count = len(sink.chunks)
    await asyncio.sleep(0.2)
    assert len(sink.chunks) == count, "audio came after close"


CHECKS = (
    media_comes_up_once_and_audio_is_contiguous,
    the_agent_can_speak_at_any_time,
    the_far_side_can_leave,
    closing_is_idempotent_and_the_last_word,
    closing_before_start_is_safe,
    a_cancelled_start_leaves_nothing,
)
