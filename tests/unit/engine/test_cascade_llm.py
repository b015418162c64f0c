"""Hedging and continuation: who is asked when, who wins, what is metered, what the caller hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from aivoice.core.events import ProviderAttempt, Usage
from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.engine.attempts import report_attempts
from aivoice.engine.cascade_llm import Hedging, LlmCascade, LlmLimits
from aivoice.engine.health import ENOUGH, Board
from aivoice.errors import ProviderError
from aivoice.providers.ports import LlmDelta, TextDelta, ToolCallDelta, UsageDelta
from aivoice.testing.fakes import FakeLlm, LlmBehaviour
from aivoice.testing.fakes import Reply as Said
from aivoice.testing.randomness import Constant
from aivoice.testing.virtual_time import run_virtual

REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open?"),))
TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {}}, side_effects=True)
HEDGED = Hedging(untold_s=0.5)
TEXT = "Yes, we are open until five today."


class Model:
    """Each delta after `gap_s`, the first after `first_s`; then fails, hangs or ends. running: how many are open."""

    def __init__(self, name: str, *deltas: LlmDelta, first_s: float = 0.1, then: str = "end") -> None:
        self.name, self._deltas, self._first_s, self._then = name, deltas, first_s, then
        self.asked: list[GenerationRequest] = []
        self.running = 0

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        self.asked.append(request)
        self.running += 1
        try:
            await asyncio.sleep(self._first_s)
            for delta in self._deltas:
                yield delta
                await asyncio.sleep(0.01)
            if self._then == "hang":
                await asyncio.sleep(3_600)
            elif self._then == "fail":
                raise ProviderError("down", code="llm_down")
        finally:
            self.running -= 1


def speaking(name: str, first_s: float = 0.1, then: str = "end") -> Model:
    return Model(name, TextDelta(f"I am {name}."), UsageDelta(100, 4), first_s=first_s, then=then)


def text_of(deltas: list[LlmDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


async def ask(chain: LlmCascade, request: GenerationRequest = REQUEST) -> list[LlmDelta]:
    return [delta async for delta in chain.generate(request)]


def timed(work: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, float]:
    async def scenario() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        return await work(), loop.time() - started

    return run_virtual(scenario())


# ---------------------------------------------------------------- hedging


def test_a_first_that_is_quick_is_asked_alone() -> None:
    first, second = speaking("first"), speaking("second")
    deltas, _ = timed(lambda: ask(LlmCascade([first, second], hedging=HEDGED)))
    assert text_of(deltas) == "I am first."
    assert second.asked == []


def test_a_late_first_loses_to_the_second_and_is_cancelled_and_metered() -> None:
    seen: list[ProviderAttempt | Usage] = []
    first, second = speaking("first", first_s=1.4), speaking("second", first_s=0.2)

    async def scenario() -> list[LlmDelta]:
        report_attempts(seen.append, turn=2, attempt=9)
        deltas = await ask(LlmCascade([first, second], hedging=HEDGED))
        assert first.running == 0
        return deltas

    deltas, took = timed(scenario)
    assert text_of(deltas) == "I am second."
    assert took == pytest.approx(0.5 + 0.2 + 0.02, abs=0.02)
    assert [(each.provider, each.state) for each in seen if isinstance(each, ProviderAttempt)] == [
        ("first", "started"),
        ("second", "switched"),
        ("second", "started"),
        ("second", "useful"),
        ("first", "lost"),
    ]
    assert [each for each in seen if isinstance(each, Usage)] == [Usage(2, 9, 100, 0, 0, "first", wasted=True)]


def test_a_late_first_may_still_win() -> None:
    first, second = speaking("first", first_s=0.6), speaking("second", first_s=0.9)
    deltas, took = timed(lambda: ask(LlmCascade([first, second], hedging=HEDGED)))
    assert text_of(deltas) == "I am first."
    assert took < 0.7
    assert second.running == 0


def test_losing_says_nothing_about_health() -> None:
    async def scenario() -> str:
        chain = LlmCascade([speaking("first", first_s=1.4), speaking("second")], hedging=HEDGED)
        for _ in range(10):
            await ask(chain)
        return chain.chain.health()["first"]

    assert run_virtual(scenario()) == "closed"


@pytest.mark.parametrize("first_then", ["fail", "hang"])
def test_one_of_two_that_fails_leaves_the_other_to_answer(first_then: str) -> None:
    first, second = Model("first", first_s=0.6, then=first_then), speaking("second", first_s=0.8)
    deltas, took = timed(lambda: ask(LlmCascade([first, second], hedging=HEDGED)))
    assert text_of(deltas) == "I am second."
    assert took < 1.4


def test_two_that_fail_leave_the_third_to_answer() -> None:
    broken = [Model("first", first_s=0.6, then="fail"), Model("second", first_s=0.3, then="fail")]
    deltas, took = timed(lambda: ask(LlmCascade([*broken, speaking("third")], hedging=HEDGED)))
    assert text_of(deltas) == "I am third."
    assert took < 1.1


def test_the_wait_is_the_firsts_own_percentile_once_that_is_known() -> None:
    async def scenario() -> float:
        board = Board()
        for _ in range(ENOUGH):
            board.of("llm", "first").useful(0.35)
        chain = LlmCascade([speaking("first", first_s=1.4), speaking("second")], hedging=HEDGED, board=board)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await ask(chain)
        return loop.time() - started

    assert run_virtual(scenario()) == pytest.approx(0.35 + 0.1 + 0.02, abs=0.02)


def test_cancelling_a_hedged_request_ends_both() -> None:
    first, second = speaking("first", first_s=1.4), speaking("second", first_s=1.4)

    async def scenario() -> None:
        task = asyncio.ensure_future(ask(LlmCascade([first, second], hedging=HEDGED)))
        await asyncio.sleep(0.8)
        assert (first.running, second.running) == (1, 1)
        task.cancel()
        await asyncio.wait([task])
        assert (first.running, second.running) == (0, 0)

    run_virtual(scenario())


# ---------------------------------------------------------------- continuation


@pytest.mark.parametrize("then", ["fail", "hang"])
@pytest.mark.parametrize("words", [1, 3, 5])
def test_a_reply_that_breaks_off_is_finished_by_the_next(then: str, words: int) -> None:
    said = " ".join(TEXT.split()[:words])
    broken = Model("broken", TextDelta(said), then=then)
    other = FakeLlm(lambda _: Said(TEXT), LlmBehaviour(first=Constant(50)))
    deltas, _ = timed(lambda: ask(LlmCascade([broken, other], LlmLimits(gap_s=0.5))))
    assert " ".join(text_of(deltas).split()) == TEXT


def test_what_two_models_began_is_finished_by_a_third() -> None:
    first, second = Model("first", TextDelta("Yes, we"), then="fail"), Model("second", TextDelta(" are"), then="fail")
    third = FakeLlm(lambda _: Said(TEXT), LlmBehaviour(first=Constant(50)))
    deltas, _ = timed(lambda: ask(LlmCascade([first, second, third])))
    assert " ".join(text_of(deltas).split()) == TEXT
    assert second.asked[0].begun == "Yes, we"


def test_after_a_tool_call_nothing_is_missing() -> None:
    request = GenerationRequest("", (TOOL,), REQUEST.messages)
    broken = Model("broken", TextDelta("One moment."), ToolCallDelta("1", "book", "{}"), then="fail")
    other = speaking("other")
    deltas, _ = timed(lambda: ask(LlmCascade([broken, other]), request))
    assert [type(delta) for delta in deltas] == [TextDelta, ToolCallDelta]
    assert other.asked == []


def test_a_reply_that_was_whole_when_it_broke_off_gains_nothing() -> None:
    broken = Model("broken", TextDelta(TEXT), then="fail")
    other = FakeLlm(lambda _: Said(TEXT), LlmBehaviour(first=Constant(50)))
    deltas, _ = timed(lambda: ask(LlmCascade([broken, other])))
    assert text_of(deltas) == TEXT


# ---------------------------------------------------------------- shared health


def test_chains_of_two_tenants_know_of_a_provider_what_either_found_out() -> None:
    async def scenario() -> int:
        board = Board()
        bad = Model("shared", first_s=0.0, then="fail")
        chains = [LlmCascade([bad, speaking(f"own{n}")], board=board) for n in range(2)]
        for _ in range(3):
            await ask(chains[0])
        await ask(chains[1])
        told = {health.provider: health for health in board.told(asyncio.get_running_loop().time())}
        assert (told["shared"].state, told["shared"].failed, told["shared"].last) == ("open", 3, "llm_down")
        return len(bad.asked)

    assert run_virtual(scenario()) == 3


# ---------------------------------------------------------------- nonsense


@pytest.mark.parametrize(
    "nonsense",
    [TextDelta(7), TextDelta(None), ToolCallDelta("1", "book", None), UsageDelta("many", 1)],  # type: ignore[arg-type]
    ids=["number", "none", "no arguments", "no count"],
)
@pytest.mark.parametrize("after", [False, True])
def test_what_has_the_wrong_type_is_a_failed_attempt(nonsense: LlmDelta, after: bool) -> None:
    deltas = (TextDelta("Yes, we are"), nonsense) if after else (nonsense,)
    other = FakeLlm(lambda _: Said(TEXT), LlmBehaviour(first=Constant(50)))
    request = GenerationRequest("", (TOOL,), REQUEST.messages)
    heard, _ = timed(lambda: ask(LlmCascade([Model("broken", *deltas), other]), request))
    assert " ".join(text_of(heard).split()) == TEXT
