"""Figures of the embedded calls, from doctored turns; and how a turn is joined with what the engine recorded."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from benchmarks import embedded_figures
from benchmarks.embedded_figures import Condition, Measured
from benchmarks.embedded_talk import MemoryPhone, Turn, Watch, explain

from aivoice.audio.frames import FRAME_BYTES, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.hosting.caller import Ears
from aivoice.testing.virtual_time import run_virtual

TURN = Turn("are you open", paused=False, began=9.0, ended=10.0, first=10.5, answer=10.9, kind="closed")
EIGHT = Condition("eight", "memory", 8, 1.0, (0.95, 1_200.0))


def measured(*turns: Turn) -> Measured:
    return Measured(EIGHT, list(turns), 1, 5.0, 1.0, {"calls": 0.1, "inference": 0.2, "others": 0.0})


def test_the_goal_is_of_the_first_sound_and_early_turns_are_no_latency() -> None:
    row = embedded_figures.figures(measured(TURN, replace(TURN, first=13.0, early=True)))
    assert row["first_ms"] == {"p50": 500.0, "p90": 500.0, "p95": 500.0, "max": 500.0}
    assert row["answer_ms"]["p50"] == 900.0
    assert (row["early_percent"], row["unanswered"]) == (50.0, 0)
    (goal,) = embedded_figures.goals([row], [EIGHT])
    assert (goal.measured, goal.asked, goal.met) == ("500 ms (2 turns)", "≤ 1,200 ms", True)


def test_a_slow_tail_and_no_turns_at_all_miss_the_goal() -> None:
    slow, none = (embedded_figures.figures(measured(*turns)) for turns in ((TURN, replace(TURN, first=11.3)), ()))
    assert [goal.met for goal in embedded_figures.goals([slow, none], [EIGHT, EIGHT])] == [False, False]
    assert embedded_figures.goals([slow], [replace(EIGHT, goal=None)]) == []


def test_an_unanswered_turn_is_counted_and_is_the_slowest() -> None:
    row = embedded_figures.figures(measured(TURN, replace(TURN, first=None, answer=None)))
    assert row["unanswered"] == 1
    assert row["first_ms"]["max"] == float("inf")


def test_the_chosen_wait_is_told_apart_from_the_rest() -> None:
    loose = replace(TURN, kind="loose", wait_ms=400, stages={"tts": 40.0})
    (kind,) = embedded_figures.figures(measured(loose))["kinds"]
    assert (kind["kind"], kind["beyond_ms"]["p50"], kind["stages"]) == ("loose", 100.0, {"tts": 40})


def test_the_document_says_what_missed() -> None:
    rows = [embedded_figures.figures(measured(TURN, replace(TURN, first=11.3)))]
    text = embedded_figures.markdown(rows, embedded_figures.goals(rows, [EIGHT]), "python -m benchmarks embedded")
    assert "p95 | 1,300 ms (2 turns) | ≤ 1,200 ms | NO |" in text
    assert "by `python -m benchmarks embedded`" in text


def test_a_turn_is_explained_by_the_first_answer_after_its_end() -> None:
    watch = Watch({})
    for turn, at_us, why in ((1, 5_000_000, "none"), (2, 10_900_000, "loose text, 400 ms after the end of speech")):
        watch.publish(at_us, c.TurnEnded(turn, "are you open", why))
        watch.publish(at_us, c.Waterfall(turn, (("vad", 130_000),), 400_000, 800_000, True))
    said = [replace(TURN, answer=None, kind="none"), replace(TURN, began=20.0, ended=21.0, answer=None, kind="none")]
    explain(said, watch)
    assert (said[0].answer, said[0].kind, said[0].wait_ms, said[0].stages) == (10.9, "loose", 400, {"vad": 130.0})
    assert (said[1].answer, said[1].kind) == (None, "none")


class _Sink:
    def __init__(self) -> None:
        self.frames: list[AudioChunk] = []
        self.ended = ""

    def on_media_up(self) -> None: ...

    def on_audio(self, chunk: AudioChunk) -> None:
        self.frames.append(chunk)

    def on_dtmf(self, digit: str) -> None: ...

    def on_hangup(self, reason: str) -> None:
        self.ended = reason


async def _phone() -> None:
    loop = asyncio.get_running_loop()
    pacer, ears, sink = Pacer(loop), Ears(), _Sink()
    phone = MemoryPhone(pacer, ears, seed=1)
    await phone.start(sink)
    loud = b"\x00\x20" * (FRAME_BYTES // 2)
    phone.say(loud * 3)
    await phone.said()
    assert phone.last_voiced_at == loop.time()
    phone.write(loud)
    assert phone.arrivals[-1].time == ears.sounding_at == loop.time()
    await asyncio.sleep(0.1)
    assert [chunk.pcm == loud for chunk in sink.frames[:5]] == [True, True, True, False, False]
    assert sink.frames[-1].pcm != bytes(FRAME_BYTES), "a line is never digitally silent"
    phone.say(loud)
    await phone.close("over")
    await phone.said()
    assert phone.ended.is_set()
    phone.hang_up()
    pacer.close()


def test_a_phone_in_memory_talks_in_real_time_and_notices_the_end() -> None:
    run_virtual(_phone())
