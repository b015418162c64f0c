"""One 20 ms heartbeat for every call of an event loop.

A timer a call would cost a heap entry and a wake-up each, and `sleep(0.02)` drifts by its own lateness. This
pacer keeps one `call_at` timer on absolute deadlines and spreads the calls over `SLOTS` slots of the 20 ms, so
fifty calls do not all want the processor in the same millisecond.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from aivoice.audio.frames import FRAME_MS

PERIOD_S = FRAME_MS / 1000
SLOTS = 10
"""Groups the calls of one loop are spread over: at most this many timer wake-ups per 20 ms."""
STEP_S = PERIOD_S / SLOTS
MAX_CATCH_UP = 10
"""Missed ticks of a slot made up for at once (200 ms, what a jitter buffer absorbs); older ones are skipped."""

_log = logging.getLogger(__name__)

_EDGES_US = (
    *range(250, 2_000, 250),
    *range(2_000, 20_000, 1_000),
    *range(20_000, 100_001, 10_000),
)


@dataclass(slots=True)
class LatenessStats:
    """How late ticks ran after their deadline, as a histogram (µs edges, ≤ 100 ms; the last bucket is open).

    count: ticks run. total_us, max_us: sum and maximum of lateness. skipped: ticks never run (stall over
    `MAX_CATCH_UP` frames). errors: ticks that raised.
    """

    count: int = 0
    total_us: int = 0
    max_us: int = 0
    skipped: int = 0
    errors: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_EDGES_US) + 1))

    def add(self, late_us: int) -> None:
        """Record one tick that ran `late_us` after its deadline."""
        self.count += 1
        self.total_us += late_us
        self.max_us = max(self.max_us, late_us)
        self.buckets[bisect_left(_EDGES_US, late_us)] += 1

    def percentile_us(self, q: float) -> int:
        """Upper edge (µs) of the bucket that holds quantile `q` (0…1); 0 when nothing ran."""
        if not self.count:
            return 0
        wanted = max(1, round(q * self.count))
        seen = 0
        for index, ticks in enumerate(self.buckets):
            seen += ticks
            if seen >= wanted:
                return min(_EDGES_US[index], self.max_us) if index < len(_EDGES_US) else self.max_us
        return self.max_us


@dataclass(slots=True, eq=False)
class _Entry:
    tick: Callable[[], None]
    slot: int
    due: int  # step of the next tick; the entries of one slot share it
    skips: int = 0  # coming ticks to leave out, after a shift to later
    live: bool = True


class PacerHandle:
    """One call's place in the pacer. Both methods may be called from inside the tick."""

    __slots__ = ("_remove", "_shift")

    def __init__(self, remove: Callable[[], None], shift: Callable[[float], float]) -> None:
        self._remove = remove
        self._shift = shift

    def remove(self) -> None:
        """No further tick runs after this returns. Idempotent."""
        self._remove()

    def shift(self, by_s: float) -> float:
        """Move all coming ticks by up to ±20 ms, rounded towards zero to `STEP_S`; returns the shift made, seconds.

        A jitter buffer's reader uses it to meet its packets just after they arrive.
        """
        return self._shift(by_s)


class Pacer:
    """Calls each added `tick` once per 20 ms on the loop, on absolute deadlines.

    - No drift: deadline n of a call is exactly its first one plus n · 20 ms of ``loop.time()``.
    - Late loop: missed ticks run back to back, at most `MAX_CATCH_UP`; older ones are skipped and counted.
    - An exception in one tick is logged (type only) and counted; it harms no other call and that call goes on.
    - Idle (no call) it holds no timer, so it keeps no loop alive.
    - Uses only ``loop.time`` and ``loop.call_at``: a virtual-time loop drives it deterministically. Calls of one
      slot tick in the order they were added.
    Not thread-safe: use from the loop's thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoch = loop.time()
        self._slots: list[list[_Entry]] = [[] for _ in range(SLOTS)]
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # step number of the pending timer; a step is one slot of one period
        self.lateness = LatenessStats()

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots)

    def add(self, tick: Callable[[], None], *, at: float | None = None) -> PacerHandle:
        """Call `tick` every 20 ms from at most 20 ms from now on (never from inside `add`).

        at: a ``loop.time()`` that ticks should fall on, give or take 20 ms periods and `STEP_S`; None: wherever the
        load is least.
        """
        sizes = [len(slot) for slot in self._slots]
        smallest = min(sizes)
        now_step = self._step_at(self._loop.time())
        # Of the least loaded slots, the one that comes up first: a lone call's first frame leaves soonest.
        slot = (
            min(
                (index for index in range(SLOTS) if sizes[index] == smallest),
                key=lambda index: (index - now_step - 1) % SLOTS,
            )
            if at is None
            else self._step_at(at) % SLOTS
        )
        first = now_step + 1 + (slot - now_step - 1) % SLOTS
        entry = _Entry(tick, slot, first)
        self._slots[slot].append(entry)
        if self._timer is None or first < self._next:
            self._arm(first)
        return PacerHandle(partial(self._forget, entry), partial(self._move, entry))

    def close(self) -> None:
        """Remove every call and the timer. Idempotent; the pacer can be used again."""
        for slot in self._slots:
            for entry in tuple(slot):
                self._forget(entry)

    # ------------------------------------------------------------------ inside

    def _step_at(self, time: float) -> int:
        # The nudge keeps a deadline that is reached exactly (virtual time) from counting as the step before.
        return int((time - self._epoch) / STEP_S + 1e-6)

    def _time_of(self, step: int) -> float:
        return self._epoch + step * STEP_S

    def _arm(self, step: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = step
        self._timer = self._loop.call_at(self._time_of(step), self._wake)

    def _move(self, entry: _Entry, by_s: float) -> float:
        now_step = self._step_at(self._loop.time())
        steps = max(-SLOTS + 1, min(SLOTS - 1, int(by_s / STEP_S)))
        # The past cannot be ticked in: between two ticks less room is left for earlier.
        steps = max(steps, min(0, now_step + 1 - entry.due))
        if not entry.live or steps == 0:
            return 0.0
        wanted = entry.due + steps
        self._slots[entry.slot].remove(entry)
        entry.slot = wanted % SLOTS
        entry.due = now_step + 1 + (wanted - now_step - 1) % SLOTS
        # Due sooner than wanted, as its new slot's neighbours are: those ticks are left out.
        entry.skips += max(0, (wanted - entry.due) // SLOTS)
        self._slots[entry.slot].append(entry)
        if self._timer is None or entry.due < self._next:
            self._arm(entry.due)
        return steps * STEP_S

    def _forget(self, entry: _Entry) -> None:
        if not entry.live:
            return
        entry.live = False
        self._slots[entry.slot].remove(entry)
        if self._timer is not None and not any(self._slots):
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        last = max(self._next, self._step_at(self._loop.time()))
        # After a stall several slots are due; each is run once, with all of its missed ticks.
        for step in range(self._next, min(last, self._next + SLOTS - 1) + 1):
            for entry in tuple(self._slots[step % SLOTS]):
                self._run(entry, last)
        following = self._following(last)
        if following is not None and (self._timer is None or following < self._next):
            self._arm(following)

    def _following(self, last: int) -> int | None:
        dues = [slot[0].due for slot in self._slots if slot]  # the calls of a slot share their steps
        return max(last + 1, min(dues)) if dues else None

    def _run(self, entry: _Entry, last: int) -> None:
        if entry.due > last:
            return
        ticks = (last - entry.due) // SLOTS + 1
        late = self._loop.time() - self._time_of(entry.due)
        entry.due += ticks * SLOTS
        left_out = min(entry.skips, ticks)
        entry.skips -= left_out
        ticks -= left_out
        late -= left_out * PERIOD_S
        if ticks > MAX_CATCH_UP:
            self.lateness.skipped += ticks - MAX_CATCH_UP
            ticks = MAX_CATCH_UP
        for _ in range(ticks):
            if not entry.live:
                return  # removed, by itself or by a neighbour
            self.lateness.add(max(0, round(late * 1_000_000)))
            late -= PERIOD_S
            try:
                entry.tick()
            except Exception as error:  # noqa: BLE001 - one call must not stop the others
                self.lateness.errors += 1
                _log.error("pacer tick failed: %s", type(error).__name__)
