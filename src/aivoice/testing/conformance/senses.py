"""VoiceActivity, TurnDetector and Embedder: what each of them must do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.providers.ports import Embedder, TurnDetector, VadEvent, VadStream, VoiceActivity
from aivoice.testing.conformance import cancelled, closes, patiently, quickly

MOST_ONSET_S = 0.4
MOST_END_S = 1.0
MOST_HELD_BACK_S = 0.1


@dataclass(frozen=True, slots=True)
class VadSubject:
    """speech: contiguous chunks, voiced from `speech_start` to `speech_end` without long pauses.

    decided_s: seconds of loop time within which a batched detector surely reports what it was pushed.
    """

    provider: VoiceActivity
    speech: Sequence[AudioChunk]
    speech_start: int
    speech_end: int
    decided_s: float = 0.2

    def silence(self, position: int, ms: int) -> list[AudioChunk]:
        """Silence of the same kind (spans or frames)."""
        spans = self.speech[0].pcm is None
        count = ms * SAMPLE_RATE // 1000 // FRAME_SAMPLES
        pcm, voiced = (None, False) if spans else (SILENCE, None)
        return [AudioChunk(position + n * FRAME_SAMPLES, FRAME_SAMPLES, pcm, voiced) for n in range(count)]


async def _feed(stream: VadStream, chunks: Sequence[AudioChunk]) -> None:
    for chunk in chunks:
        stream.push(chunk)
        await asyncio.sleep(chunk.samples / SAMPLE_RATE)


async def _listen(subject: VadSubject, chunks: Sequence[AudioChunk]) -> list[VadEvent]:
    events: list[VadEvent] = []
    stream = subject.provider.open(events.append)
    await _feed(stream, chunks)
    await asyncio.sleep(subject.decided_s)
    await stream.aclose()
    return events


async def speech_starts_and_ends_once_where_it_does(subject: VadSubject) -> None:
    chunks = [*subject.speech, *subject.silence(subject.speech[-1].end, 1_500)]
    events = await _listen(subject, chunks)
    assert [e.kind for e in events[:1]] == ["start"], "speech was not found"
    assert events[-1].kind == "end", "its end was not found"
    assert abs(events[0].position - subject.speech_start) <= MOST_ONSET_S * SAMPLE_RATE, "its start is far off"
    assert abs(events[-1].position - subject.speech_end) <= MOST_END_S * SAMPLE_RATE, "its end is far off"


async def starts_and_ends_take_turns_and_time_goes_forward(subject: VadSubject) -> None:
    gap = subject.silence(subject.speech[-1].end, 1_500)
    shift = gap[-1].end - subject.speech[0].position
    again = [AudioChunk(c.position + shift, c.samples, c.pcm, c.voiced) for c in subject.speech]
    events = await _listen(subject, [*subject.speech, *gap, *again, *subject.silence(again[-1].end, 1_500)])
    kinds = [e.kind for e in events]
    assert kinds == ["start", "end"] * (len(kinds) // 2) and len(kinds) >= 4, f"events came as {kinds}"
    assert all(a.position <= b.position for a, b in pairwise(events)), "positions go back"


async def silence_is_silent(subject: VadSubject) -> None:
    assert await _listen(subject, subject.silence(0, 3_000)) == []


async def closing_stops_events_and_is_idempotent(subject: VadSubject) -> None:
    events: list[VadEvent] = []
    stream = subject.provider.open(events.append)
    await closes(stream.aclose)
    await _feed(stream, subject.speech)
    await asyncio.sleep(subject.decided_s)
    assert events == [], "a closed stream spoke"


async def it_tells_how_far_it_has_judged(subject: VadSubject) -> None:
    stream = subject.provider.open(lambda _: None)
    told = stream.judged
    assert told <= subject.speech[0].position, "audio was judged before any was pushed"
    for chunk in subject.speech:
        await _feed(stream, [chunk])
        assert told <= stream.judged <= chunk.end, "what is judged goes back, or past what was pushed"
        told = stream.judged
    await asyncio.sleep(subject.decided_s)
    behind = subject.speech[-1].end - stream.judged
    await stream.aclose()
    assert behind <= MOST_HELD_BACK_S * SAMPLE_RATE, f"{behind / SAMPLE_RATE:.2f} s of audio stay unjudged"


async def streams_are_independent(subject: VadSubject) -> None:
    loud: list[VadEvent] = []
    quiet: list[VadEvent] = []
    one, two = subject.provider.open(loud.append), subject.provider.open(quiet.append)
    for chunk in subject.speech:
        one.push(chunk)
        for silent in subject.silence(chunk.position, chunk.samples * 1000 // SAMPLE_RATE):
            two.push(silent)
        await asyncio.sleep(chunk.samples / SAMPLE_RATE)
    await asyncio.sleep(subject.decided_s)
    await one.aclose()
    await two.aclose()
    assert loud and loud[0].kind == "start"
    assert quiet == [], "one stream heard the other's speech"


async def pushing_never_blocks(subject: VadSubject) -> None:
    stream = subject.provider.open(lambda _: None)
    for chunk in subject.speech[:50]:
        quickly(lambda chunk=chunk: stream.push(chunk), "push")
        await asyncio.sleep(0)
    await stream.aclose()


VAD_CHECKS = (
    speech_starts_and_ends_once_where_it_does,
    starts_and_ends_take_turns_and_time_goes_forward,
    silence_is_silent,
    closing_stops_events_and_is_idempotent,
    it_tells_how_far_it_has_judged,
    streams_are_independent,
    pushing_never_blocks,
)


@dataclass(frozen=True, slots=True)
class TurnSubject:
    """audio: up to 8 s of PCM of someone saying `text`."""

    provider: TurnDetector
    text: str
    audio: bytes


async def scores_are_probabilities(subject: TurnSubject) -> None:
    for text, audio in ((subject.text, subject.audio), ("", b""), (subject.text, b""), ("", subject.audio)):
        score = await patiently(subject.provider.score(text, audio), "a score")
        assert 0.0 <= score <= 1.0


async def a_cancelled_score_leaves_the_detector_usable(subject: TurnSubject) -> None:
    await cancelled(lambda: subject.provider.score(subject.text, subject.audio), after_s=0.001)
    await scores_are_probabilities(subject)


async def scores_at_the_same_time_agree(subject: TurnSubject) -> None:
    scores = await asyncio.gather(*(subject.provider.score(subject.text, subject.audio) for _ in range(4)))
    assert max(scores) - min(scores) < 1e-3


TURN_CHECKS = (
    scores_are_probabilities,
    a_cancelled_score_leaves_the_detector_usable,
    scores_at_the_same_time_agree,
)


@dataclass(frozen=True, slots=True)
class EmbedderSubject:
    """near: two texts that mean about the same. far: one that does not."""

    provider: Embedder
    near: tuple[str, str] = ("What are your opening hours?", "Tell me your opening hours please")
    far: str = "The cat climbed a tall tree"


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def vectors_are_unit_length_and_in_order(subject: EmbedderSubject) -> None:
    texts = [*subject.near, subject.far, ""]
    together = await patiently(subject.provider.embed(texts), "embedding")
    assert len(together) == len(texts)
    for text, vector in zip(texts, together, strict=True):
        assert len(vector) == subject.provider.dimensions
        assert math.isclose(_dot(vector, vector), 1.0, abs_tol=1e-2)
        (alone,) = await subject.provider.embed([text])
        assert _dot(alone, vector) > 0.99, "a text's vector depends on its neighbours"


async def no_texts_no_vectors(subject: EmbedderSubject) -> None:
    assert await patiently(subject.provider.embed([]), "embedding nothing") == []


async def meaning_is_near(subject: EmbedderSubject) -> None:
    one, two, far = await subject.provider.embed([*subject.near, subject.far])
    assert _dot(one, two) > _dot(one, far)
    assert _dot(one, two) > _dot(two, far)


async def a_cancelled_embedding_leaves_the_embedder_usable(subject: EmbedderSubject) -> None:
    await cancelled(lambda: subject.provider.embed(subject.near), after_s=0.001)
    await meaning_is_near(subject)


EMBEDDER_CHECKS = (
    vectors_are_unit_length_and_in_order,
    no_texts_no_vectors,
    meaning_is_near,
    a_cancelled_embedding_leaves_the_embedder_usable,
)
