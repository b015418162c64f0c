"""The shared 20 ms heartbeat, on a scripted clock and on the real loop."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.audio.pacer import MAX_CATCH_UP, LatenessStats, Pacer


class ScriptedLoop:
    """`time` and `call_at` only: what the pacer promises to use. `stall` makes the next wake-up late."""

    def __init__(self) -> None:
        self.now = 100.0
        self._heap: list[tuple[float, int, Callable[[], None], list[bool]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        alive = [True]
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, callback, alive))

        class Handle:
            def cancel(self) -> None:
                alive[0] = False

        return Handle()

    def run_until(self, end: float) -> None:
        while self._heap and self._heap[0][0] <= end:
            when, _, callback, alive = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            if alive[0]:
                callback()
        self.now = max(self.now, end)

    @property
    def pending(self) -> int:
        return sum(1 for *_, alive in self._heap if alive[0])


@pytest.fixture
def loop() -> ScriptedLoop:
    return ScriptedLoop()


@pytest.fixture
def pacer(loop: ScriptedLoop) -> Pacer:
    return Pacer(loop)  # pyright: ignore[reportArgumentType]


def test_ticks_are_20_ms_apart_without_drift(loop: ScriptedLoop, pacer: Pacer) -> None:
    times: list[float] = []
    pacer.add(lambda: times.append(loop.now))
    loop.run_until(100.0 + 60.0)
    assert len(times) == 3000
    assert max(abs(t - times[0] - 0.02 * i) for i, t in enumerate(times)) < 1e-9
    assert times[0] - 100.0 <= 0.02


def test_calls_are_spread_over_the_period(loop: ScriptedLoop, pacer: Pacer) -> None:
    times: dict[int, list[float]] = {n: [] for n in range(20)}
    for n in range(20):
        pacer.add(lambda n=n: times[n].append(loop.now))
    loop.run_until(101.0)
    phases = sorted({round((t[0] - 100.0) * 1000) % 20 for t in times.values()})
    assert phases == list(range(0, 20, 2))
    assert all(len(t) in (49, 50) for t in times.values())


def test_an_exception_harms_only_its_own_tick(loop: ScriptedLoop, pacer: Pacer) -> None:
    good: list[float] = []

    def bad() -> None:
        raise ValueError("caller words")

    pacer.add(bad)
    pacer.add(lambda: good.append(loop.now))
    loop.run_until(101.0)
    assert len(good) in (49, 50)
    assert pacer.lateness.errors >= 49


def test_exception_text_is_not_logged(loop: ScriptedLoop, pacer: Pacer, caplog: pytest.LogCaptureFixture) -> None:
    def bad() -> None:
        raise ValueError("caller words")

    pacer.add(bad)
    loop.run_until(100.03)
    assert "ValueError" in caplog.text
    assert "caller words" not in caplog.text


def test_removed_handles_never_tick_again_and_an_empty_pacer_holds_no_timer(loop: ScriptedLoop, pacer: Pacer) -> None:
    ticks: list[int] = []
    handles = [pacer.add(lambda n=n: ticks.append(n)) for n in range(30)]

    def remove_all() -> None:
        for handle in handles:
            handle.remove()
            handle.remove()

    killer = pacer.add(remove_all)
    loop.run_until(100.1)
    before = len(ticks)
    killer.remove()
    loop.run_until(100.5)
    assert len(ticks) == before
    assert loop.pending == 0
    assert len(pacer) == 0


def test_a_tick_may_add_a_call(loop: ScriptedLoop, pacer: Pacer) -> None:
    born: list[float] = []
    added: list[object] = []

    def tick() -> None:
        if not added:
            added.append(pacer.add(lambda: born.append(loop.now)))

    pacer.add(tick)
    loop.run_until(101.0)
    assert len(born) in (48, 49, 50)


def test_a_stall_is_made_up_for_up_to_the_bound_and_then_skipped(loop: ScriptedLoop, pacer: Pacer) -> None:
    ticks: list[float] = []
    others: list[float] = []
    pacer.add(lambda: ticks.append(loop.now))
    pacer.add(lambda: others.append(loop.now))
    loop.run_until(100.1)
    ran = len(ticks)
    loop.now = 100.2  # the loop was blocked for 100 ms
    loop.run_until(100.2)
    assert 4 <= len(ticks) - ran <= 6
    loop.now = 102.2
    ran = len(ticks)
    loop.run_until(102.2)
    assert len(ticks) - ran == MAX_CATCH_UP
    assert pacer.lateness.skipped > 150
    loop.run_until(103.2)
    assert len(ticks) - ran - MAX_CATCH_UP == 50
    assert len(others) == len(ticks)


def test_close_ends_everything_and_the_pacer_can_be_used_again(loop: ScriptedLoop, pacer: Pacer) -> None:
    ticks: list[float] = []
    pacer.add(lambda: ticks.append(loop.now))
    pacer.close()
    loop.run_until(100.5)
    assert not ticks
    pacer.add(lambda: ticks.append(loop.now))
    loop.run_until(100.6)
    assert len(ticks) == 5


def test_percentiles() -> None:
    stats = LatenessStats()
    assert stats.percentile_us(0.99) == 0
    for _ in range(99):
        stats.add(100)
    stats.add(50_000)
    assert stats.percentile_us(0.5) == 250
    assert stats.percentile_us(0.99) == 250
    assert stats.percentile_us(1.0) == 50_000
    stats.add(400_000)
    assert stats.percentile_us(1.0) == 400_000


def test_real_loop_keeps_the_rate() -> None:
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop)
        ticks: list[float] = []
        pacer.add(lambda: ticks.append(loop.time()))
        await asyncio.sleep(0.5)
        pacer.close()
        return len(ticks), ticks[-1] - ticks[0]

    count, _ = asyncio.run(main())
    assert 23 <= count <= 26


def test_a_call_can_choose_its_phase_and_shift_it(loop: ScriptedLoop, pacer: Pacer) -> None:
    times: list[float] = []
    others: list[float] = []
    handle = pacer.add(lambda: times.append(loop.now), at=100.0071)
    for _ in range(20):
        pacer.add(lambda: others.append(loop.now))
    loop.run_until(101.0)
    assert round((times[0] - 100.0) * 1000) % 20 == 6
    assert handle.shift(0.0041) == pytest.approx(0.004)
    before = times[-1]
    loop.run_until(102.0)
    after = [t for t in times if t > before]
    assert after[0] - before == pytest.approx(0.024)
    assert all(round((t - 100.0) * 1000) % 20 == 10 for t in after)
    assert handle.shift(-0.0081) == pytest.approx(-0.008)
    assert handle.shift(0.001) == 0
    last = after[-1]
    loop.run_until(103.0)
    later = [t for t in times if t > last]
    assert later[0] - last == pytest.approx(0.012)
    assert len(others) == pytest.approx(20 * 150, abs=20)
    handle.remove()
    assert handle.shift(0.004) == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-0.02, 0.02), st.integers(21, 60)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_shifts_never_lose_or_double_a_tick(moves: list[tuple[int, float, int]]) -> None:
    loop = ScriptedLoop()
    pacer = Pacer(loop)  # pyright: ignore[reportArgumentType]
    times: list[list[float]] = [[] for _ in range(5)]
    handles = [pacer.add(lambda n=n: times[n].append(loop.now)) for n in range(5)]
    loop.run_until(100.05)
    shifted = [0.0] * 5
    for which, by, run in moves:
        shifted[which] += handles[which].shift(by)
        loop.run_until(loop.now + run / 1000)
    loop.run_until(loop.now + 0.1)
    for mine, moved in zip(times, shifted, strict=True):
        # Each tick lies whole periods after the first, plus what was shifted: none was lost or doubled.
        assert mine[-1] - mine[0] == pytest.approx(0.02 * (len(mine) - 1) + moved, abs=1e-6)
