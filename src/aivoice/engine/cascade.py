"""Fallback chains: ordered providers behind one port; here the common part and the chain for language models
(speech in `cascade_tts`, `cascade_stt`, `cascade_vad`).

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

A chain object serves all calls of a process; its breakers are shared by them. `aclose` ends what is left (≤ 1 s).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from aivoice.core.prompt import GenerationRequest
from aivoice.core.toolbox import END_CALL, TRANSFER
from aivoice.engine.attempts import End, Pump, Reaper, Reporter, Stage, current_reporter
from aivoice.engine.breaker import Breaker, BreakerRules, Permit
from aivoice.errors import ProviderError
from aivoice.providers.ports import LanguageModel, LlmDelta, TextDelta, ToolCallDelta, UsageDelta

MOST_STUCK = 8
"""Abandoned attempts that may still run before their provider is skipped."""
MOST_DETAIL = 200
"""Characters of an error's message that are journalled."""
MOST_USELESS = 256
"""Outputs without use (white space, usage) that are kept for the caller before the attempt counts as failed."""


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
    last: bool = False
    was_useful: bool = False

    def patience(self, seconds: float, factor: float) -> float:
        """The limit for this attempt: the last of a chain gets `factor` times as long; late is better than never."""
        return seconds * factor if self.last else seconds

    def useful(self) -> None:
        """It gave useful output."""
        if not self.was_useful:
            self.was_useful = True
            self.reporter.report(self.stage, self.provider.name, "useful")

    def proved(self) -> None:
        """The provider is well (a stream that lives as long as the call says so with each result)."""
        self.permit.success()

    def failed(self, error: ProviderError) -> None:
        """It failed, perhaps after it had been useful."""
        self.permit.failure(asyncio.get_running_loop().time())
        self.reporter.report(self.stage, self.provider.name, "failed", error.code, str(error)[:MOST_DETAIL])

    def over(self) -> None:
        """It ended without failing, or was cancelled. Does nothing after `failed`."""
        if self.was_useful:
            self.permit.success()
        else:
            self.permit.release()


class Chain(Generic[P]):
    """The providers of one stage with their breakers. `stage`: for reports and errors."""

    def __init__(self, stage: Stage, providers: Sequence[P], rules: BreakerRules = BreakerRules()) -> None:
        if not providers:
            raise ValueError(f"a {stage} chain needs at least one provider")
        self.stage: Stage = stage
        self.providers = tuple(providers)
        self.reaper = Reaper()
        self._breakers = tuple(Breaker(rules) for _ in providers)

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
            for index in sorted(skipped, key=lambda index: self._breakers[index].reopens_at):
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
        """Breaker state by provider, for `doctor` and metrics."""
        now = asyncio.get_running_loop().time()
        return {p.name: b.state(now) for p, b in zip(self.providers, self._breakers, strict=True)}

    async def aclose(self) -> None:
        await self.reaper.aclose()

    def _permit(self, index: int, *, last_resort: bool = False) -> Permit | None:
        if self.reaper.stuck(self.providers[index].name) >= MOST_STUCK:
            return None
        return self._breakers[index].admit(asyncio.get_running_loop().time(), last_resort=last_resort)

    def _attempt(self, index: int, permit: Permit, reporter: Reporter, *, switched: bool, last: bool) -> Attempt[P]:
        provider = self.providers[index]
        if switched:
            reporter.report(self.stage, provider.name, "switched")
        reporter.report(self.stage, provider.name, "started")
        return Attempt(self.stage, provider, reporter, permit, last)


@dataclass(frozen=True, slots=True)
class LlmLimits:
    """first_s: from the request to the first useful output. gap_s: between outputs afterwards. Wall-clock seconds.
    last: the chain's last provider gets so many times as long to its first."""

    first_s: float = 1.5
    gap_s: float = 3.0
    last: float = 2.0


def llm_useful(delta: LlmDelta) -> bool:
    """Something the caller can be given: words or a tool call."""
    match delta:
        case TextDelta(text):
            return not text.isspace() and text != ""
        case ToolCallDelta():
            return True
        case UsageDelta():
            return False


class LlmCascade:
    """LanguageModel over several. A model that fails before its first useful output is replaced unnoticed; one that
    fails later ends the reply with ``failed_midway``: what was said cannot be unsaid, so the core decides what next."""

    def __init__(
        self,
        providers: Sequence[LanguageModel],
        limits: LlmLimits = LlmLimits(),
        rules: BreakerRules = BreakerRules(),
    ) -> None:
        self.chain: Chain[LanguageModel] = Chain("llm", providers, rules)
        self.name = self.chain.name
        self._limits = limits

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """As the port says. Errors: ProviderError ``all_providers_failed`` or ``failed_midway``."""
        loop = asyncio.get_running_loop()
        for attempt in self.chain.attempts(current_reporter()):
            generate = partial(attempt.provider.generate, request)
            pump: Pump[LlmDelta] = Pump(generate, self.chain.reaper, "llm", attempt.provider.name)
            pump.limit(loop.time() + attempt.patience(self._limits.first_s, self._limits.last))
            try:
                for delta in await _until_useful(attempt, pump, request):
                    yield delta
                pump.limit(loop.time() + self._limits.gap_s)
                metered = False
                while not isinstance(delta := await pump.next(), End):
                    if isinstance(delta, UsageDelta):
                        if metered:
                            continue  # charged once, whatever a provider repeats
                        metered = True
                    yield checked(delta, request)
                    pump.limit(loop.time() + self._limits.gap_s)
                return
            except ProviderError as error:
                attempt.failed(error)
                pump.abandon()
                if attempt.was_useful:
                    raise ProviderError(
                        f"{attempt.provider.name} broke off its reply", code="failed_midway", stage="llm"
                    ) from error
            finally:
                attempt.over()
                if not pump.abandoned:
                    await pump.aclose()
        raise self.chain.exhausted()

    async def aclose(self) -> None:
        """End abandoned attempts, within 1 s."""
        await self.chain.aclose()


def checked(delta: LlmDelta, request: GenerationRequest) -> LlmDelta:
    """The delta, or ProviderError ``malformed``: control characters, a tool nobody offered, arguments that are no
    JSON object, negative usage. What is nonsense here would be spoken, or booked."""
    match delta:
        case TextDelta(text):
            fine = not _UNSPEAKABLE.search(text)
        case ToolCallDelta(call_id, name, arguments):
            fine = (
                call_id != ""
                and (name in _BUILT_IN or any(tool.name == name for tool in request.tools))
                and _is_object(arguments)
            )
        case UsageDelta(prompt, completion, cached):
            fine = min(prompt, completion, cached) >= 0
    if not fine:
        raise ProviderError("a language model gave nonsense", code="malformed", stage="llm")
    return delta


_BUILT_IN = frozenset({TRANSFER, END_CALL})
_UNSPEAKABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffd]")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


async def _until_useful(
    attempt: Attempt[LanguageModel], pump: Pump[LlmDelta], request: GenerationRequest
) -> list[LlmDelta]:
    """Everything up to and including the first useful delta."""
    kept: list[LlmDelta] = []
    while not isinstance(delta := await pump.next(), End):
        kept.append(checked(delta, request))
        if llm_useful(delta):
            attempt.useful()
            return kept
        if len(kept) > MOST_USELESS:
            raise ProviderError(f"{attempt.provider.name} says nothing", code="useless", stage="llm")
    raise ProviderError(f"{attempt.provider.name} gave an empty reply", code="empty_reply", stage="llm")
