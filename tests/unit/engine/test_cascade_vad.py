"""The chain of voice activity: starts and ends across a switch, a detector that dies, one that hangs."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.core.events import ProviderAttempt
from aivoice.engine.attempts import report_attempts
from aivoice.engine.cascade_vad import VadCascade
from aivoice.providers.ports import VadEvent
from aivoice.testing.fakes import FakeVad
from aivoice.testing.faults import Fault, FaultKind, Injector
from aivoice.testing.faulty import FaultyVad
from aivoice.testing.virtual_time import run_virtual


def faulty(*faults: tuple[FaultKind, int]) -> Injector:
    return Injector("vad", tuple(Fault("vad", kind, after=after) for kind, after in faults), random.Random(0))


def watch(
    chain: VadCascade,
    voiced: list[tuple[int, int]],
    length: int,
    reports: Callable[[ProviderAttempt], None] = lambda _: None,
) -> list[VadEvent]:
    async def scenario() -> list[VadEvent]:
        report_attempts(reports)
        events: list[VadEvent] = []
        stream = chain.open(events.append)
        for at in range(0, length, FRAME_SAMPLES):
            speaking = any(begin <= at < end for begin, end in voiced)
            stream.push(AudioChunk(at, FRAME_SAMPLES, None, speaking))
            await asyncio.sleep(FRAME_SAMPLES / SAMPLE_RATE)
        await stream.aclose()
        return events

    return run_virtual(scenario())


SECOND = SAMPLE_RATE


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(["disconnect", "crash", "malformed", "refuses"]), after=st.integers(0, 8))
def test_starts_and_ends_take_turns_across_any_switch(kind: FaultKind, after: int) -> None:
    voiced = [(SECOND, 3 * SECOND), (4 * SECOND, 5 * SECOND), (7 * SECOND, 9 * SECOND)]
    chain = VadCascade([FaultyVad(FakeVad(name="a"), faulty((kind, after))), FakeVad(name="b")])
    kinds = [event.kind for event in watch(chain, voiced, 11 * SECOND)]
    assert kinds == ["start", "end"] * (len(kinds) // 2)
    assert len(kinds) >= 4


def test_speech_that_ended_while_a_detector_died_gets_its_end() -> None:
    """The successor hears only silence: without an end of its own making the turn would never end."""

    class Dying(FakeVad):
        def open(self, sink):  # type: ignore[no-untyped-def]
            def dies_before_the_end(event: VadEvent) -> None:
                sink(event if event.kind == "start" else VadEvent("failed", event.position))

            return super().open(dies_before_the_end)

    chain = VadCascade([Dying(name="dying"), FakeVad(name="b")])
    events = watch(chain, [(SECOND, 2 * SECOND)], 5 * SECOND)
    assert [event.kind for event in events][:2] == ["start", "end"]
    assert events[1].position <= 3.5 * SECOND


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_detector_that_hangs_without_a_word_is_replaced_within_a_second(after: int) -> None:
    reports: list[ProviderAttempt] = []
    voiced = [(2 * SECOND, 4 * SECOND), (6 * SECOND, 7 * SECOND)]
    hanging = FaultyVad(FakeVad(name="a"), faulty(("opens_and_says_nothing", after)))
    events = watch(VadCascade([hanging, FakeVad(name="b")]), voiced, 9 * SECOND, reports.append)
    assert [event.kind for event in events] == ["start", "end"] * 2
    assert [event.position for event in events if event.kind == "start"] == [2 * SECOND, 6 * SECOND]
    assert [(told.provider, told.code) for told in reports if told.state == "failed"] == [("a", "hung")]


BURSTS = ((3, 2.5), (150, 0), (53, 3.0), (2, 1.5), (200, 0.2), (1, 1.0), (48, 0.7), (3, 5.0), (9, 0))
"""Frames (an even number: all at once, otherwise in real time), and the pause behind them, s."""


def test_bursts_pauses_and_windows_make_no_detector_hung() -> None:
    """A second of audio at once, gaps of seconds, and a detector that answers late but steadily: none is left."""

    class Late(FakeVad):
        """Judges 0.6 s after the push, in windows of 100 ms."""

        def open(self, sink):  # type: ignore[no-untyped-def]
            stream = super().open(sink)
            inner, loop = stream.push, asyncio.get_running_loop()
            kept: deque[AudioChunk] = deque()

            def judge() -> None:
                for _ in range(5):
                    inner(kept.popleft())

            def push(chunk: AudioChunk) -> None:
                kept.append(chunk)
                if chunk.end % (5 * FRAME_SAMPLES) == 0:
                    loop.call_later(0.6, judge)

            stream.push = push  # type: ignore[method-assign]
            return stream

    async def scenario() -> list[str]:
        reports: list[ProviderAttempt] = []
        report_attempts(reports.append)
        stream = VadCascade([Late(name="late"), FakeVad(name="b")]).open(lambda _: None)
        at = 0
        for frames, pause in BURSTS:
            for _ in range(frames):
                stream.push(AudioChunk(at, FRAME_SAMPLES, None, False))
                at += FRAME_SAMPLES
                await asyncio.sleep(FRAME_SAMPLES / SAMPLE_RATE if frames % 2 else 0)
            await asyncio.sleep(pause)
        await stream.aclose()
        return [told.code for told in reports if told.state == "failed"]

    assert run_virtual(scenario()) == []


def test_when_every_detector_is_down_it_says_so_once() -> None:
    chain = VadCascade([FaultyVad(FakeVad(name=name), faulty(("refuses", 0))) for name in "ab"])
    assert [event.kind for event in watch(chain, [(0, SECOND)], 2 * SECOND)] == ["failed"]
