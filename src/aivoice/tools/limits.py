"""How often tools may run: token buckets and a cap on runs at a time. Pure; `now` in seconds of any steady clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

MAX_BUCKETS = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """per_minute: tokens that come back, evenly. burst: most at once."""

    per_minute: int = 60
    burst: int = 20


DEFAULT_RATE = Rate()


@dataclass(slots=True)
class Buckets:
    """One bucket a key, made when first asked; the least recently used are forgotten past `most`.

    Forgetting one gives it back its full burst: harmless, since a busy key is never the least recently used.
    """

    most: int = MAX_BUCKETS
    _full: OrderedDict[tuple[str, ...], tuple[float, float]] = field(
        default_factory=OrderedDict[tuple[str, ...], tuple[float, float]]
    )

    def take(self, key: tuple[str, ...], rate: Rate, now: float) -> float:
        """0 where a token was taken; else the seconds until there is one, and nothing is taken."""
        tokens, at = self._full.pop(key, (float(rate.burst), now))
        tokens = min(float(rate.burst), tokens + max(0.0, now - at) * rate.per_minute / 60)
        wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / rate.per_minute
        self._full[key] = (tokens if wait else tokens - 1, max(now, at))
        while len(self._full) > self.most:
            self._full.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._full)


@dataclass(slots=True)
class InFlight:
    """Runs at a time of each key."""

    most: int = 20
    _running: dict[str, int] = field(default_factory=dict[str, int])

    def enter(self, key: str) -> bool:
        """False where `most` run already; else `leave` must follow."""
        if self._running.get(key, 0) >= self.most:
            return False
        self._running[key] = self._running.get(key, 0) + 1
        return True

    def leave(self, key: str) -> None:
        left = self._running[key] - 1
        if left:
            self._running[key] = left
        else:
            del self._running[key]
