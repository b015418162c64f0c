"""The simulated line delivers exactly what sounds, as spans and as frames alike."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.testing.conformance.transport import Sink
from aivoice.testing.fake_senses import FakeVad
from aivoice.testing.line import Line
from aivoice.testing.sound import peak
from aivoice.testing.virtual_time import run_virtual

Stretch = tuple[int, int]  # ms from the beginning, length in ms
stretches = st.lists(st.tuples(st.integers(0, 4_000), st.integers(20, 1_500)), max_size=6)


def _deliver(sounds: list[Stretch], *, frames: bool) -> list[AudioChunk]:
    async def main() -> list[AudioChunk]:
        line, sink = Line(frames=frames), Sink()
        await line.start(sink)
        await sink.up.wait()
        for start, length in sounds:
            line.sound(start * 16, (start + length) * 16)
        await asyncio.sleep(6.0)
        await line.close("test")
        return sink.chunks

    return run_virtual(main())


def _voiced_frames(chunks: list[AudioChunk]) -> set[int]:
    voiced: set[int] = set()
    for chunk in chunks:
        if chunk.voiced or (chunk.pcm is not None and peak(chunk.pcm) > 500):
            voiced.update(range(chunk.position // FRAME_SAMPLES, chunk.end // FRAME_SAMPLES))
    return voiced


@given(stretches, st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_sounds_arrives_and_nothing_else(sounds: list[Stretch], frames: bool) -> None:
    chunks = _deliver(sounds, frames=frames)
    assert all(one.end == two.position for one, two in pairwise(chunks))
    wanted = {
        frame
        for start, length in sounds
        for frame in range(start * 16 // FRAME_SAMPLES, -(-(start + length) * 16 // FRAME_SAMPLES))
    }
    assert _voiced_frames(chunks) == {frame for frame in wanted if (frame + 1) * FRAME_SAMPLES <= chunks[-1].end}


@given(stretches)
@settings(max_examples=40, deadline=None)
def test_a_vad_hears_the_same_in_spans_and_in_frames(sounds: list[Stretch]) -> None:
    def events(*, frames: bool) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        stream = FakeVad().open(lambda event: found.append((event.kind, event.position)))
        for chunk in _deliver(sounds, frames=frames):
            stream.push(chunk)
        return found

    spans, pcm = events(frames=False), events(frames=True)
    assert spans == pcm[: len(spans)], "spans are told later, never differently"
    assert len(pcm) - len(spans) <= 1


def test_voice_is_told_when_a_vad_would_know_it() -> None:
    async def main() -> list[tuple[str, float]]:
        line = Line()
        loop = asyncio.get_running_loop()
        told: list[tuple[str, float]] = []

        class Listening(Sink):
            def on_audio(self, chunk: AudioChunk) -> None:
                stream.push(chunk)

        stream = FakeVad().open(lambda event: told.append((event.kind, round(loop.time(), 3))))
        sink = Listening()
        await line.start(sink)
        await sink.up.wait()
        line.sound(SAMPLE_RATE, 2 * SAMPLE_RATE)
        await asyncio.sleep(4.0)
        await line.close("test")
        return told

    assert run_virtual(main()) == [("start", 1.06), ("end", 2.1)]


def test_a_stall_delivers_late_but_everything() -> None:
    async def main() -> tuple[int, list[AudioChunk]]:
        line, sink = Line(), Sink()
        await line.start(sink)
        await sink.up.wait()
        line.sound(0, 3 * SAMPLE_RATE)
        await asyncio.sleep(1.0)
        line.stall(SAMPLE_RATE // 2)
        before = len(sink.chunks)
        await asyncio.sleep(0.45)
        stalled = len(sink.chunks) - before
        await asyncio.sleep(2.0)
        await line.close("test")
        return stalled, sink.chunks

    stalled, chunks = run_virtual(main())
    assert stalled == 0
    assert chunks[-1].end >= 3 * SAMPLE_RATE
    assert sum(chunk.samples for chunk in chunks if chunk.voiced) == 3 * SAMPLE_RATE


def test_the_agent_is_noticed_in_frames_and_spans() -> None:
    async def main(frames: bool) -> list[bool]:
        line, sink = Line(frames=frames), Sink()
        changes: list[bool] = []
        line.agent_heard = lambda sounding, _: changes.append(sounding)
        await line.start(sink)
        await sink.up.wait()
        if frames:
            for frame in (SILENCE, b"\x01\x10" * 320, b"\x01\x10" * 320, SILENCE):
                line.write(frame)
        else:
            line.write_span(AudioChunk(0, SAMPLE_RATE, None, True))
            assert line.agent_sounding
            await asyncio.sleep(1.1)
            assert not line.agent_sounding
            line.write_span(AudioChunk(0, 0, None, False))
        await line.close("test")
        return changes

    assert run_virtual(main(True)) == [True, False]
    assert run_virtual(main(False)) == [True, False]
