"""The fallback chain for language models: hedged where asked, and continued where a reply breaks off.

- First useful output decides. With `Hedging`, the next model is asked as well once the first has been silent for as
  long as it takes in 95 of 100 requests; whichever is useful first wins, the other is cancelled and metered as waste.
- What was streamed is being spoken and cannot be unsaid: a model that breaks off after that is followed by the next
  one with `GenerationRequest.begun`. After a tool call nothing is missing: the tool's result asks for another reply.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from aivoice.core.prompt import GenerationRequest
from aivoice.core.toolbox import END_CALL, TRANSFER
from aivoice.engine.attempts import End, Pump, Reporter, current_reporter
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade import Attempt, Chain
from aivoice.engine.health import Board
from aivoice.errors import ProviderError
from aivoice.providers.ports import LanguageModel, LlmDelta, TextDelta, ToolCallDelta, UsageDelta

MOST_USELESS = 256
"""Outputs without use (white space, usage) that are kept for the caller before the attempt counts as failed."""


@dataclass(frozen=True, slots=True)
class LlmLimits:
    """first_s: from the request to the first useful output. gap_s: between outputs afterwards. Wall-clock seconds.
    last: the chain's last provider gets so many times as long to its first."""

    first_s: float = 1.5
    gap_s: float = 3.0
    last: float = 2.0


@dataclass(frozen=True, slots=True)
class Hedging:
    """When a second model is asked beside the first. share: percentile of the first's own time to useful output, as
    measured; until that is known, `untold_s`. least_s: never sooner. Seconds."""

    share: float = 0.95
    untold_s: float = 0.9
    least_s: float = 0.3


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
    """LanguageModel over several. hedging: None: the next is asked only when one has failed. board: see `Chain`."""

    def __init__(
        self,
        providers: Sequence[LanguageModel],
        limits: LlmLimits = LlmLimits(),
        rules: BreakerRules = BreakerRules(),
        *,
        hedging: Hedging | None = None,
        board: Board | None = None,
    ) -> None:
        self.chain: Chain[LanguageModel] = Chain("llm", providers, rules, board)
        self.name = self.chain.name
        self._limits, self._hedging = limits, hedging

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """As the port says. Errors: ProviderError ``all_providers_failed``, or ``failed_midway`` where a reply broke
        off and no other model is left to go on with it."""
        reporter = current_reporter()
        attempts = self.chain.attempts(reporter)
        midway: ProviderError | None = None
        while True:
            asked = _Race(self, attempts, request, reporter)
            async with aclosing(asked):
                won = await asked.winner()
                if won is None:
                    raise midway or self.chain.exhausted()
                said, called = "", False
                try:
                    async for delta in asked.rest(won):
                        said += delta.text if isinstance(delta, TextDelta) else ""
                        called = called or isinstance(delta, ToolCallDelta)
                        yield delta
                    return
                except ProviderError as error:
                    won.attempt.failed(error)
                    if called:
                        return
                    name = won.attempt.provider.name
                    midway = ProviderError(f"{name} broke off its reply", code="failed_midway", stage="llm")
            request = replace(request, begun=request.begun + said)

    async def aclose(self) -> None:
        """End abandoned attempts, within 1 s."""
        await self.chain.aclose()

    def ask(self, attempt: Attempt[LanguageModel], request: GenerationRequest) -> Pump[LlmDelta]:
        """The model's output, begun now, limited to its first useful one."""
        pump: Pump[LlmDelta] = Pump(
            partial(attempt.provider.generate, request), self.chain.reaper, "llm", attempt.provider.name
        )
        pump.limit(asyncio.get_running_loop().time() + attempt.patience(self._limits.first_s, self._limits.last))
        return pump

    def gap(self, pump: Pump[LlmDelta]) -> None:
        """Its next output is due."""
        pump.limit(asyncio.get_running_loop().time() + self._limits.gap_s)

    def hedge_after(self, attempt: Attempt[LanguageModel]) -> float | None:
        """Seconds after which a second model is asked; None: not."""
        if self._hedging is None or attempt.last:
            return None
        measured = attempt.health.first(self._hedging.share)
        return max(self._hedging.least_s, self._hedging.untold_s if measured is None else measured)


@dataclass(slots=True)
class _Asked:
    """A model that was asked. first: its output up to the first useful one, once that is there."""

    attempt: Attempt[LanguageModel]
    pump: Pump[LlmDelta]
    work: asyncio.Task[list[LlmDelta]]


class _Race:
    """The models asked for one reply (or for the rest of one): one at a time, two where the first is late."""

    def __init__(
        self,
        cascade: LlmCascade,
        attempts: Iterator[Attempt[LanguageModel]],
        request: GenerationRequest,
        reporter: Reporter,
    ) -> None:
        self._cascade, self._attempts, self._request, self._reporter = cascade, attempts, request, reporter
        self._running: list[_Asked] = []
        self._lost: list[str] = []

    async def winner(self) -> _Asked | None:
        """The first that is useful; None: none is left. Cancelling leaves everything to `aclose`."""
        if self._start() is None:
            return None
        while self._running:
            done, _ = await asyncio.wait(
                [asked.work for asked in self._running], timeout=self._patience(), return_when=asyncio.FIRST_COMPLETED
            )
            if not done and self._start() is None:
                await asyncio.wait([asked.work for asked in self._running], return_when=asyncio.FIRST_COMPLETED)
            for asked in [asked for asked in self._running if asked.work.done()]:
                error = asked.work.exception()
                if error is None:
                    await self._drop_others(asked)
                    return asked
                self._running.remove(asked)
                if not isinstance(error, ProviderError):
                    raise error
                asked.attempt.failed(error)
                asked.pump.abandon()
            if not self._running:
                self._start()
        return None

    async def rest(self, won: _Asked) -> AsyncIterator[LlmDelta]:
        """The winner's output from its beginning. Raises ProviderError where it breaks off."""
        for delta in won.work.result():
            yield delta
            if isinstance(delta, UsageDelta):
                self._meter_lost(delta)
        self._cascade.gap(won.pump)
        while not isinstance(delta := await won.pump.next(), End):
            yield checked(delta, self._request)
            if isinstance(delta, UsageDelta):
                self._meter_lost(delta)
            self._cascade.gap(won.pump)

    def _meter_lost(self, usage: UsageDelta) -> None:
        """Who lost was asked the same: the same prompt was paid for twice."""
        lost, self._lost = self._lost, []
        for provider in lost:
            self._reporter.usage(provider, usage.prompt_tokens, wasted=True)

    async def aclose(self) -> None:
        """Everything that still runs ends."""
        running, self._running = self._running, []
        for asked in running:
            await self._end(asked)

    def _start(self) -> _Asked | None:
        attempt = next(self._attempts, None)
        if attempt is None:
            return None
        pump = self._cascade.ask(attempt, self._request)
        work = asyncio.get_running_loop().create_task(
            _until_useful(attempt, pump, self._request), name=f"first:{attempt.provider.name}"
        )
        work.add_done_callback(_looked_at)
        asked = _Asked(attempt, pump, work)
        self._running.append(asked)
        return asked

    def _patience(self) -> float | None:
        """How long the one that was asked is waited for alone; None: until it is useful or fails."""
        if len(self._running) != 1:
            return None
        asked = self._running[0]
        after = self._cascade.hedge_after(asked.attempt)
        if after is None:
            return None
        return max(0.0, asked.attempt.asked_at + after - asyncio.get_running_loop().time())

    async def _drop_others(self, won: _Asked) -> None:
        """The losers end now; nobody waits for them but their own clean-up."""
        for asked in self._running:
            if asked is not won:
                self._lost.append(asked.attempt.provider.name)
                asked.attempt.lost()
                asked.pump.abandon()
                asked.work.cancel()
                await asyncio.wait([asked.work])
        self._running = [won]

    async def _end(self, asked: _Asked) -> None:
        asked.work.cancel()
        asked.attempt.over()
        if not asked.pump.abandoned:
            await asked.pump.aclose()
        await asyncio.wait([asked.work])


def _looked_at(work: asyncio.Task[list[LlmDelta]]) -> None:
    """A failure of one that nobody asks about any more is not the loop's to report."""
    if not work.cancelled():
        work.exception()


def checked(delta: LlmDelta, request: GenerationRequest) -> LlmDelta:
    """The delta, or ProviderError ``malformed``: control characters, a tool nobody offered, arguments that are no
    JSON object, negative usage. What is nonsense here would be spoken, or booked."""
    try:
        fine = _is_fine(delta, request)
    except (TypeError, AttributeError):  # a number where a text belongs
        fine = False
    if not fine:
        what = {TextDelta: "unspeakable text", ToolCallDelta: "a tool call", UsageDelta: "usage"}.get(type(delta), "")
        raise ProviderError(f"a language model gave nonsense: {what}", code="malformed", stage="llm")
    return delta


def _is_fine(delta: LlmDelta, request: GenerationRequest) -> bool:
    match delta:
        case TextDelta(text):
            return not _UNSPEAKABLE.search(text)
        case ToolCallDelta(call_id, name, arguments):
            offered = name in _BUILT_IN or any(tool.name == name for tool in request.tools)
            return call_id != "" and offered and _is_object(arguments)
        case UsageDelta(prompt, completion, cached):
            return min(prompt, completion, cached) >= 0


_BUILT_IN = frozenset({TRANSFER, END_CALL})
_UNSPEAKABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffd]")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


async def _until_useful(
    attempt: Attempt[LanguageModel], pump: Pump[LlmDelta], request: GenerationRequest
) -> list[LlmDelta]:
    """Everything up to and including the first useful delta. Of a reply that was begun nothing may be missing."""
    kept: list[LlmDelta] = []
    while not isinstance(delta := await pump.next(), End):
        kept.append(checked(delta, request))
        if llm_useful(delta):
            attempt.useful()
            return kept
        if len(kept) > MOST_USELESS:
            raise ProviderError(f"{attempt.provider.name} says nothing", code="useless", stage="llm")
    if request.begun:
        attempt.useful()
        return kept
    raise ProviderError(f"{attempt.provider.name} gave an empty reply", code="empty_reply", stage="llm")
