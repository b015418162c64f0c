"""Whether the inference process still works, judged from what it answers. Sans-IO: the time comes in.

A dead process closes its socket; one that hangs (stopped, deadlocked in native code) does not, and would keep every
ticket for ever. So it is asked every `EVERY_S` for a sign: its reader answers with how long a job has made no progress.
A turn of the watch that comes late says that this process itself stood still (a suspended machine): it counts for
nothing. While models load only `load_s` without any frame is a hang.
"""

from __future__ import annotations

from enum import Enum

EVERY_S = 2.0
MISSES = 3
"""Unanswered in a row: a hang is noticed within `EVERY_S` × (`MISSES` + 1)."""
STALL_S = 8.0
"""A job runs, and no thread of the process has used `PROGRESS_S` of a processor for so long."""
PROGRESS_S = 0.005
LONGEST_JOB_S = 60.0
"""The longest job takes some seconds, on a busy machine several times that."""
STALLS = 2
"""Answers in a row that tell of a stall: after a suspension the first may."""


class Turn(Enum):
    """What to do now."""

    WAIT = "wait"
    ASK = "ask"
    HUNG = "hung"


class Watch:
    """One connection's. now: seconds of any clock that never goes back. loading: answers begin with `ready`."""

    def __init__(self, now: float, *, loading: bool, load_s: float) -> None:
        self._next = now + EVERY_S
        self._loading = loading
        self._load_s = load_s
        self._quiet_s = 0.0
        self._asked = False
        self._misses = self._stalls = 0

    def wait_s(self, now: float) -> float:
        """Until the next `turn`."""
        return max(0.0, self._next - now)

    def frame(self) -> None:
        """Anything came."""
        self._quiet_s = 0.0

    def ready(self) -> None:
        """The models are loaded."""
        self._loading = False

    def answered(self, stalled_s: float, oldest_s: float) -> None:
        """The sign came. stalled_s: without progress; oldest_s: age of the oldest running job."""
        self._asked, self._misses = False, 0
        self._stalls = self._stalls + 1 if stalled_s >= STALL_S or oldest_s >= LONGEST_JOB_S else 0

    def turn(self, now: float) -> Turn:
        """Call it when `wait_s` is over, after reading what had come by then."""
        if now < self._next:
            return Turn.WAIT
        late = now - self._next > EVERY_S / 2
        self._next = now + EVERY_S
        if self._loading:
            self._quiet_s += 0.0 if late else EVERY_S
            return Turn.HUNG if self._quiet_s >= self._load_s else Turn.WAIT
        if late:
            self._misses = 0
        elif self._asked:
            self._misses += 1
        if self._misses >= MISSES or self._stalls >= STALLS:
            return Turn.HUNG
        self._asked = True
        return Turn.ASK


class Progress:
    """In the process itself: how long running jobs have got nothing done. Guarded by the server's lock."""

    def __init__(self) -> None:
        self._since = 0.0
        self._used = 0.0

    def sign(self, now: float, used: float, began: float | None) -> dict[str, float]:
        """used: the process's processor time. began: when the oldest running job did; None: nothing runs."""
        if began is None or used - self._used >= PROGRESS_S:
            self._since, self._used = now, used
        since = now if began is None else max(self._since, began)
        return {"stalled_s": round(now - since, 3), "oldest_s": 0.0 if began is None else round(now - began, 3)}
