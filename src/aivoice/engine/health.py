"""How the providers of a process are doing: one breaker and one record of first outputs each, shared by all chains.

Tenants have chains of their own over the same providers: what one tenant's call finds out about a provider, the next
call of any tenant knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from aivoice.engine.breaker import Breaker, BreakerRules, State

RECENT = 100
"""First outputs that a provider's percentiles are taken over."""
ENOUGH = 20
"""Fewer say nothing about a 95th percentile."""


@dataclass(frozen=True, slots=True)
class Told:
    """A provider's health, for `doctor`, pages and metrics. first_p50, first_p95: seconds to the first useful output of
    the last `RECENT`; None: too few. failed: attempts that failed since the start; last: code of the newest failure."""

    stage: str
    provider: str
    state: State
    served: int
    failed: int
    last: str
    first_p50: float | None
    first_p95: float | None


class Health:
    """One provider. Not thread-safe: one loop."""

    __slots__ = ("_firsts", "breaker", "failed", "last", "served")

    def __init__(self, rules: BreakerRules) -> None:
        self.breaker = Breaker(rules)
        self._firsts: deque[float] = deque(maxlen=RECENT)
        self.served = self.failed = 0
        self.last = ""

    def useful(self, after_s: float) -> None:
        """Its first useful output came `after_s` after it was asked."""
        self.served += 1
        self._firsts.append(after_s)

    def broke(self, code: str) -> None:
        self.failed += 1
        self.last = code

    def first(self, share: float) -> float | None:
        """Percentile (0…1) of the seconds to the first useful output; None where too few are known."""
        if len(self._firsts) < ENOUGH:
            return None
        return sorted(self._firsts)[min(len(self._firsts) - 1, int(share * len(self._firsts)))]


class Board:
    """The healths of a process by stage and name. special: rules of providers that are not paused like others."""

    def __init__(self, rules: BreakerRules = BreakerRules(), special: Mapping[str, BreakerRules] | None = None) -> None:
        self._rules, self._special = rules, dict(special or {})
        self._of: dict[tuple[str, str], Health] = {}

    def of(self, stage: str, name: str) -> Health:
        """The same object for the same name."""
        key = (stage, name)
        if key not in self._of:
            self._of[key] = Health(self._special.get(name, self._rules))
        return self._of[key]

    def told(self, now: float) -> list[Told]:
        """Of every provider that was ever in a chain, by stage and in the order of their first chain."""
        return [
            Told(
                stage,
                name,
                health.breaker.state(now),
                health.served,
                health.failed,
                health.last,
                health.first(0.5),
                health.first(0.95),
            )
            for (stage, name), health in self._of.items()
        ]
