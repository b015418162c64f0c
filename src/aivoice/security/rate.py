"""How often somebody may: a token bucket for each key, in bounded memory. No clock: `now` is passed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from aivoice.security.errors import RateLimitedError

_SWEEP = 4
"""Full buckets that are forgotten at each question: more than the one that it may add."""


@dataclass(frozen=True, slots=True)
class Rate:
    """burst: how many at once. per_s: how many more each second, without end."""

    burst: int
    per_s: float

    def __post_init__(self) -> None:
        if self.burst < 1 or self.per_s <= 0:
            raise ValueError("a rate allows at least one at once, and more with time")


class RateLimiter:
    """A bucket is one number: when it will be full again (GCRA), so one that is full is no longer kept.

    keys: most buckets kept. Beyond that, new keys share one bucket of the same rate: whoever floods it with new names
    slows new names down, and frees nobody's bucket. Not thread-safe; for one event loop.
    """

    def __init__(self, rate: Rate, keys: int = 50_000) -> None:
        self._step = 1.0 / rate.per_s
        self._span = rate.burst * self._step
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._others = 0.0

    def take(self, key: str, now: float, cost: int = 1) -> float:
        """0.0: allowed, and taken. Otherwise nothing is taken, and it is allowed after that many seconds (`inf`: never,
        the cost is above the burst). now: monotonic seconds."""
        if cost * self._step > self._span * (1 + 1e-9):
            return float("inf")
        self._forget(now)
        known = key in self._full_at
        shared = not known and len(self._full_at) >= self._keys
        full_at = max(self._others if shared else self._full_at.get(key, 0.0), now) + cost * self._step
        wait = full_at - now - self._span
        if wait > 1e-9:
            return wait
        if shared:
            self._others = full_at
        else:
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
        return 0.0

    def require(self, key: str, now: float, cost: int = 1) -> None:
        """As `take`; raises RateLimitedError, which says when."""
        wait = self.take(key, now, cost)
        if wait:
            raise RateLimitedError("Too many requests; try again later.", wait)

    def forget(self, key: str) -> None:
        """Fill the bucket of `key` (a login that succeeded)."""
        self._full_at.pop(key, None)

    def __len__(self) -> int:
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        for _ in range(_SWEEP):
            if not self._full_at:
                return
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now:
                return
            del self._full_at[key]
