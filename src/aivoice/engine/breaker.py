"""A circuit breaker: after repeated failures a provider is left alone for a while, then probed by one call.

Pure: time is passed in (seconds of any monotonic clock; the cascade passes loop time).

    closed ──`failures` in a row──► open ──cooldown over──► half open ──probe succeeds──► closed
                                     ▲                          │
                                     └────── probe fails: cooldown doubles, up to `longest_s`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """failures: that many in a row open it. cooldown_s: the first pause; a failed probe doubles it, up to longest_s."""

    failures: int = 3
    cooldown_s: float = 5.0
    longest_s: float = 60.0


class Permit:
    """Leave for one attempt. The first verdict counts, and a failure after a success counts too (a stream that worked
    and then broke). An attempt that was cancelled gives none: `release`."""

    __slots__ = ("_breaker", "_open", "_succeeded", "probe")

    def __init__(self, breaker: Breaker, probe: bool) -> None:
        self._breaker = breaker
        self._open = True
        self._succeeded = False
        self.probe = probe

    def success(self) -> None:
        """The attempt gave useful output."""
        if self._open:
            self._open = False
            self._succeeded = True
            self._breaker.succeeded()

    def failure(self, now: float) -> None:
        """The attempt failed at `now`."""
        if self._open or self._succeeded:
            self._breaker.failed(now, self.probe and self._open)
            self._open = self._succeeded = False

    def release(self) -> None:
        """No verdict: a probe may be made by somebody else."""
        if self._open:
            self._open = False
            self._breaker.gave_up(self.probe)


class Breaker:
    """One provider's health, shared by every call of the process. Not thread-safe: one loop."""

    __slots__ = ("_cooldown", "_failures", "_probing", "_rules", "_until")

    def __init__(self, rules: BreakerRules = BreakerRules()) -> None:
        self._rules = rules
        self._failures = 0
        self._until: float | None = None
        self._cooldown = rules.cooldown_s
        self._probing = False

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half_open"

    @property
    def reopens_at(self) -> float:
        """When the pause ends; 0 where there is none."""
        return self._until or 0.0

    def admit(self, now: float, *, last_resort: bool = False) -> Permit | None:
        """Leave for one attempt, or None: the provider is paused, or another attempt probes it right now.

        last_resort: nothing else is left to try, so it is admitted whatever its state: beside a probe, as no probe. A
        probe of a stream lasts as long as that caller's speech, and meanwhile the others would have nobody.
        """
        match self.state(now):
            case "closed":
                return Permit(self, probe=False)
            case "open" if not last_resort:
                return None
            case _ if self._probing:
                return Permit(self, probe=False) if last_resort else None
            case _:
                self._probing = True
                return Permit(self, probe=True)

    def succeeded(self) -> None:
        self._failures = 0
        self._until = None
        self._cooldown = self._rules.cooldown_s
        self._probing = False

    def failed(self, now: float, probe: bool) -> None:
        if probe:
            self._probing = False
            self._cooldown = min(self._cooldown * 2, self._rules.longest_s)
            self._until = now + self._cooldown
            return
        self._failures += 1
        if self._until is None and self._failures >= self._rules.failures:
            self._until = now + self._cooldown

    def gave_up(self, probe: bool) -> None:
        if probe:
            self._probing = False
