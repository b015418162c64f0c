"""When a delivery is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses double from `first` up to `longest`; `give_up` after its first attempt was due, a delivery is dead.

    jitter: each pause is shortened by up to this part of it, so that what failed together does not come back together.
    """

    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=4)
    give_up: timedelta = timedelta(days=3)
    jitter: float = 0.25

    def next(self, *, attempts: int, first_at: datetime, now: datetime, chance: float) -> datetime | None:
        """When to try again after `attempts` (≥ 1) failed ones, or None: dead. chance: 0 ≤ random < 1.

        The last attempt is at the end of `give_up`, not one pause before it.
        """
        end = first_at + self.give_up
        if now >= end:
            return None
        pause = min(self.first * 2 ** min(attempts - 1, 30), self.longest)
        return min(now + pause * (1 - self.jitter * chance), end)
