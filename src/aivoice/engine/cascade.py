"""Fallback chains: ordered providers behind one port; here the part that all share (`cascade_llm`, `cascade_tts`,
`cascade_stt`, `cascade_vad`).

What every chain guarantees
- It is itself an implementation of its port and passes the same conformance suite.
- Providers are tried in order. One that fails, or gives no USEFUL output within its limit of wall-clock time (useful:
  as each port defines it), is left for the next, and nobody hears of it but the report.
- A provider that keeps failing is skipped for a while (`engine.breaker`), then probed by one call at a time. When
  every provider is paused, the one whose pause ends first is tried all the same: silence is no better.
- A provider that ignores cancellation never blocks the call: its attempt is abandoned, counted, and after
  `MOST_STUCK` of them the provider is skipped until some end.
- When all fail, ProviderError with code ``all_providers_failed``.
- Every step is reported as `core.events.ProviderAttempt` (see `engine.attempts.report_attempts`).

A chain object serves many calls; the health of its providers (`engine.health`) is shared by all chains of a process.
`aclose` ends what is left (≤ 1 s).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from aivoice.engine.attempts import Reaper, Reporter, Stage
from aivoice.engine.breaker import BreakerRules, Permit
from aivoice.engine.health import Board, Health
from aivoice.errors import ProviderError

MOST_STUCK = 8
"""Abandoned attempts that may still run before their provider is skipped."""
MOST_DETAIL = 200
"""Characters of an error's message that are journalled."""


class Named(Protocol):
    @property
    def name(self) -> str: ...


P = TypeVar("P", bound=Named)


@dataclass(slots=True)
class Attempt(Generic[P]):
    """One provider, picked for one try. `failed` or `over` ends it."""

    stage: Stage
    provider: P
    reporter: Reporter
    permit: Permit
    health: Health
    last: bool = False
    was_useful: bool = False
    asked_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def patience(self, seconds: float, factor: float) -> float:
        """The limit for this attempt: the last of a chain gets `factor` times as long; late is better than never."""
        return seconds * factor if self.last else seconds

    def useful(self) -> None:
        """It gave useful output."""
        if not self.was_useful:
            self.was_useful = True
            self.health.useful(asyncio.get_running_loop().time() - self.asked_at)
            self.reporter.report(self.stage, self.provider.name, "useful")

    def proved(self) -> None:
        """The provider is well (a stream that lives as long as the call says so with each result)."""
        self.permit.success()

    def failed(self, error: ProviderError) -> None:
        """It failed, perhaps after it had been useful."""
        self.permit.failure(asyncio.get_running_loop().time())
        self.health.broke(error.code)
        self.reporter.report(self.stage, self.provider.name, "failed", error.code, str(error)[:MOST_DETAIL])

    def lost(self) -> None:
        """Another one, asked beside it, was useful first. A hedge says nothing about the health of who lost it."""
        self.permit.release()
        self.reporter.report(self.stage, self.provider.name, "lost")

    def over(self) -> None:
        """It ended without failing, or was cancelled. Does nothing after `failed`."""
        if self.was_useful:
            self.permit.success()
        else:
            self.permit.release()


class Chain(Generic[P]):
    """The providers of one stage. `stage`: for reports and errors. board: where their health is kept (None: alone)."""

    def __init__(
        self,
        stage: Stage,
        providers: Sequence[P],
        rules: BreakerRules = BreakerRules(),
        board: Board | None = None,
    ) -> None:
        if not providers:
            raise ValueError(f"a {stage} chain needs at least one provider")
        self.stage: Stage = stage
        self.providers = tuple(providers)
        self.reaper = Reaper()
        kept = board or Board(rules)
        self._healths = tuple(kept.of(stage, provider.name) for provider in providers)

    @property
    def name(self) -> str:
        return ">".join(provider.name for provider in self.providers)

    def attempts(self, reporter: Reporter) -> Iterator[Attempt[P]]:
        """Providers to try, each at most once, in order; the consumer stops when one has served it."""
        tried = 0
        skipped: list[int] = []
        for index, provider in enumerate(self.providers):
            permit = self._permit(index)
            if permit is None:
                skipped.append(index)
                reporter.report(self.stage, provider.name, "skipped")
                continue
            tried += 1
            last = index == len(self.providers) - 1
            yield self._attempt(index, permit, reporter, switched=tried > 1, last=last)
        if tried == 0:
            for index in sorted(skipped, key=lambda index: self._healths[index].breaker.reopens_at):
                permit = self._permit(index, last_resort=True)
                if permit is not None:
                    yield self._attempt(index, permit, reporter, switched=False, last=True)
                    return

    def exhausted(self) -> ProviderError:
        """What the call is told when nothing is left to try."""
        return ProviderError(
            f"every {self.stage} provider failed ({self.name})", code="all_providers_failed", stage=self.stage
        )

    def health(self) -> dict[str, str]:
        """Breaker state by provider."""
        now = asyncio.get_running_loop().time()
        return {p.name: h.breaker.state(now) for p, h in zip(self.providers, self._healths, strict=True)}

    async def aclose(self) -> None:
        await self.reaper.aclose()

    def _permit(self, index: int, *, last_resort: bool = False) -> Permit | None:
        if self.reaper.stuck(self.providers[index].name) >= MOST_STUCK:
            return None
        return self._healths[index].breaker.admit(asyncio.get_running_loop().time(), last_resort=last_resort)

    def _attempt(self, index: int, permit: Permit, reporter: Reporter, *, switched: bool, last: bool) -> Attempt[P]:
        provider = self.providers[index]
        if switched:
            reporter.report(self.stage, provider.name, "switched")
        reporter.report(self.stage, provider.name, "started")
        return Attempt(self.stage, provider, reporter, permit, self._healths[index], last)
