"""A hang is noticed in time; load, loading and a suspended machine are none."""

from __future__ import annotations

import pytest

from aivoice.providers.inference.watch import EVERY_S, MISSES, STALL_S, Progress, Turn, Watch


def test_silence_is_a_hang_within_eight_seconds() -> None:
    watch = Watch(0.0, loading=False, load_s=60.0)
    turns = [watch.turn(EVERY_S * (number + 1)) for number in range(MISSES + 1)]
    assert turns == [Turn.ASK] * MISSES + [Turn.HUNG]


@pytest.mark.parametrize("answer_every", [1, 2, MISSES])
def test_slow_answers_are_no_hang(answer_every: int) -> None:
    watch = Watch(0.0, loading=False, load_s=60.0)
    for number in range(1, 200):
        assert watch.turn(EVERY_S * number) is Turn.ASK
        if number % answer_every == 0:
            watch.answered(1.0, 5.0)


def test_a_suspended_machine_is_no_hang() -> None:
    watch, now = Watch(0.0, loading=False, load_s=60.0), 0.0
    for number in range(1, 30):
        now += EVERY_S if number % 2 else 3_600.0
        assert watch.turn(now) is Turn.ASK
    watch.answered(3_600.0, 3_600.0)  # the job stood still with all else
    assert watch.turn(now + EVERY_S) is Turn.ASK
    watch.answered(0.1, 1.0)
    assert watch.turn(now + 2 * EVERY_S) is Turn.ASK


def test_loading_is_silent_for_as_long_as_it_may() -> None:
    watch, now = Watch(0.0, loading=True, load_s=60.0), 0.0
    for number in range(1, 100):
        now += EVERY_S
        assert watch.turn(now) is Turn.WAIT
        if number % 20 == 0:
            watch.frame()
    assert [watch.turn(now + EVERY_S * number) for number in range(1, 40)].count(Turn.HUNG) > 0


def test_a_job_without_progress_is_a_hang_when_told_twice() -> None:
    watch, progress, used = Watch(0.0, loading=False, load_s=60.0), Progress(), 3.0
    turns, now = list[Turn](), 0.0
    while Turn.HUNG not in turns:
        now += EVERY_S
        turns.append(watch.turn(now))
        sign = progress.sign(now, used, 1.0)
        watch.answered(sign["stalled_s"], sign["oldest_s"])
    assert STALL_S < now <= STALL_S + 3 * EVERY_S


def test_a_job_that_works_or_none_is_no_stall() -> None:
    progress = Progress()
    for second in range(0, 60, 2):
        assert progress.sign(float(second), second * 0.01, 0.0)["stalled_s"] <= EVERY_S
    assert progress.sign(500.0, 0.6, None) == {"stalled_s": 0.0, "oldest_s": 0.0}
    assert progress.sign(502.0, 0.6, 501.0)["stalled_s"] == 1.0
