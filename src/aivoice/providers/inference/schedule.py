"""Which job runs next. A plain data structure: the server guards it with its lock and passes the time in.

Policy
- Lower `Priority` first; within one, first come first served.
- A group of jobs (the part of the name before a colon) may be limited to so many workers at once, so that interims
  never take the last free worker from a final.
- A job waits at most until its `expires` (late interims are worth nothing): then it is dropped and reported.
- The queue is bounded. When it is full, the youngest waiting job of the lowest rank below the newcomer's is dropped for
  it; if there is none, the newcomer itself is. Dropped jobs are always reported, so every job ends exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """Who goes first: what a caller is waiting for in silence before what may turn out useless."""

    FINAL = 0
    SPEECH = 1
    RETRIEVAL = 2
    EAGER = 3
    INTERIM = 4
    BULK = 5


@dataclass(frozen=True, slots=True)
class Job:
    """key: (connection, request id). expires: seconds on the server's clock, None for never."""

    key: tuple[int, int]
    name: str
    priority: Priority
    expires: float | None = None

    @property
    def group(self) -> str:
        """What `at_most` counts by."""
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Admission:
    """What `Schedule.add` did: whether the newcomer waits now, and which waiting job had to leave for it."""

    accepted: bool
    evicted: Job | None = None


class Schedule:
    """limit: most waiting jobs. at_most: group → most workers running its jobs at once."""

    def __init__(self, *, limit: int, at_most: Mapping[str, int] | None = None) -> None:
        self._limit = limit
        self._at_most = dict(at_most or {})
        self._waiting: dict[tuple[int, int], Job] = {}
        self._running: dict[tuple[int, int], Job] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Jobs now held by workers."""
        return len(self._running)

    def add(self, job: Job) -> Admission:
        """Let `job` wait its turn."""
        if len(self._waiting) < self._limit:
            self._waiting[job.key] = job
            return Admission(True)
        last = max(reversed(self._waiting.values()), key=lambda waiting: waiting.priority)
        if last.priority <= job.priority:
            return Admission(False)
        del self._waiting[last.key]
        self._waiting[job.key] = job
        return Admission(True, last)

    def take(self, now: float) -> tuple[Job | None, list[Job]]:
        """The job to run now (None: nothing may run), and the jobs that expired waiting."""
        late = [job for job in self._waiting.values() if job.expires is not None and job.expires <= now]
        for job in late:
            del self._waiting[job.key]
        busy: dict[str, int] = {}
        for job in self._running.values():
            busy[job.group] = busy.get(job.group, 0) + 1
        free = [job for job in self._waiting.values() if busy.get(job.group, 0) < self._at_most.get(job.group, 1 << 30)]
        if not free:
            return None, late
        best = min(free, key=lambda job: job.priority)  # min is stable: the first come of equals
        del self._waiting[best.key]
        self._running[best.key] = best
        return best, late

    def done(self, key: tuple[int, int]) -> None:
        """The worker has finished it. Unknown keys are ignored."""
        self._running.pop(key, None)

    def cancel(self, key: tuple[int, int]) -> bool:
        """Forget a waiting job; False when it is running or unknown (its result is then dropped by the asker)."""
        return self._waiting.pop(key, None) is not None

    def promote(self, key: tuple[int, int], priority: Priority) -> None:
        """A waiting job is now wanted more; it keeps its place among equals and no longer expires."""
        job = self._waiting.get(key)
        if job is not None and priority < job.priority:
            self._waiting[key] = Job(job.key, job.name, priority)

    def forget(self, connection: int) -> None:
        """The connection is gone: nobody waits for its jobs."""
        for key in [key for key in self._waiting if key[0] == connection]:
            del self._waiting[key]
