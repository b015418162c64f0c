"""Half an hour on the telephone: every prompt inside its budgets, nothing forgotten, nobody waiting for notes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS, CallConfig, Speculation
from aivoice.core.prompt import GenerationRequest
from aivoice.core.tokens import request_tokens, text_tokens
from aivoice.core.window import most_tokens
from aivoice.engine.notes import LlmNotes
from aivoice.engine.session import CallSession, Providers
from aivoice.errors import ProviderError
from aivoice.providers.ports import LlmDelta, TextDelta, UsageDelta
from aivoice.testing.fake_services import FakeClips, FakeRetriever
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeVad, LlmBehaviour, Reply, Truth, lay_out
from aivoice.testing.line import Line
from aivoice.testing.owned import beside
from aivoice.testing.virtual_time import run_virtual

TURNS, FACTS = 120, 20
_FACT = re.compile(r"my (\w+) code is (\w+)")
ANSWER = (
    "I have made a note of that for you, and I will keep it in mind for the rest of our call today. "
    "Was there anything else that you would like me to look into while we are talking about it?"
)


def utterance(turn: int) -> str:
    """Twenty facts at first, then talk that fills the history."""
    if turn < FACTS:
        return f"Please remember that my {fact(turn)} code is {secret(turn)}, thank you."
    return f"And question {turn}, is it usual that one has to wait for a spare part for so many weeks every year?"


def fact(number: int) -> str:
    return f"{'abcdefghijklmnopqrst'[number]}room"


def secret(number: int) -> str:
    return f"word{'abcdefghijklmnopqrst'[number]}x"


class Scribe:
    """A model that takes notes: facts as state, and a summary that keeps none of them. slow_s: how long it takes."""

    name = "scribe"

    def __init__(self, *, slow_s: float = 1.0, fails: bool = False) -> None:
        self._slow_s, self._fails = slow_s, fails
        self.asked = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmDelta]:
        self.asked += 1
        await asyncio.sleep(self._slow_s)
        if self._fails:
            raise ProviderError("down", code="unavailable", stage="llm")
        text = request.messages[0].text
        if "structured state" in request.system:
            found = {f"code.{name}": word for name, word in _FACT.findall(text.split("<conversation>")[1])}
            yield TextDelta(json.dumps({**found, "topic": "codes" if found else "spare parts"}))
        else:
            yield TextDelta("The caller gave codes to remember, then asked about spare parts; nothing is open.")
        yield UsageDelta(300, 40)


@dataclass
class Seen:
    requests: list[GenerationRequest]
    answers_ms: list[float]
    turns: int = 0
    summaries: int = 0
    minutes: float = 0.0


async def hold(scribe: Scribe, *, note_taking: bool = True) -> Seen:
    """The whole call in virtual time."""
    truth, line = Truth(), Line(media_delay_s=0.1)
    seen = Seen([], [])
    replied = asyncio.Event()

    def observe(at: int, item: e.Event | c.Command) -> None:
        match item:
            case c.Generate() if not item.speculative:
                seen.requests.append(item.request)
            case c.Waterfall():
                seen.answers_ms.append(item.answer / 1_000)
            case c.TurnEnded():
                seen.turns += 1
            case c.ReplyEnded(outcome="finished"):
                replied.set()
            case e.SummaryReady() if item.text:
                seen.summaries += 1
            case _:
                pass

    async def caller() -> None:
        await replied.wait()
        for turn in range(TURNS):
            replied.clear()
            words = lay_out(utterance(turn), line.position + SAMPLE_RATE)  # thinks a second
            truth.add(*words)
            line.sound(words[0].start, words[-1].end)
            await replied.wait()
        line.hang_up()

    config = CallConfig(
        system="You are the receptionist of a repair shop. " * 30,
        clips=DEFAULT_CLIPS,
        speculation=replace(Speculation(), enabled=False),
        retrieval=True,
        note_taking=note_taking,
        max_call=60 * 60_000,
    )
    session = CallSession(
        call_id="long",
        transport=line,
        providers=Providers(
            FakeStt(truth),
            FakeLlm(lambda _: Reply(ANSWER), LlmBehaviour()),
            FakeTts(),
            FakeVad(),
            LlmNotes(scribe),
        ),
        config=config,
        clips=FakeClips(DEFAULT_CLIPS),
        retriever=FakeRetriever(("Spare parts come on Mondays. " * 40, "The shop opens at nine. " * 60)),
        observers=(observe,),
    )
    async with beside(caller()):
        await session.run()
    seen.minutes = line.position / SAMPLE_RATE / 60
    return seen


def held(scribe: Scribe, **rest: bool) -> Seen:
    return run_virtual(hold(scribe, **rest), limit_s=2 * 3600)


def in_budgets(seen: Seen) -> None:
    """By the model's own count (`fake_llm.prompt_tokens`: four characters a token), which the call learns."""
    window = CallConfig().window
    for request in seen.requests:
        assert sum(len(message.text) for message in request.messages) / 4 <= window.history
        assert text_tokens(request.state) <= window.state + 1
        assert text_tokens(request.summary) <= window.summary + 1
        assert sum(text_tokens(passage.text) for passage in request.passages) <= window.knowledge
        assert request_tokens(request) + request.answer_tokens <= most_tokens(window)


def facts_in(request: GenerationRequest) -> int:
    prompt = request.state + request.summary + " ".join(message.text for message in request.messages)
    return sum(secret(number) in prompt for number in range(FACTS))


def test_half_an_hour_stays_inside_every_budget_and_forgets_nothing() -> None:
    seen = held(Scribe())
    assert seen.turns == TURNS
    assert seen.minutes >= 30
    in_budgets(seen)
    assert seen.summaries >= 1
    assert facts_in(seen.requests[-1]) == FACTS
    tokens = [request_tokens(request) for request in seen.requests]
    warm = tokens[TURNS // 2 :]
    assert max(warm) <= 2 * min(warm), "prompt tokens are flat once the window has moved"
    assert max(tokens) < 13_000


@pytest.mark.parametrize("scribe", [Scribe(slow_s=30.0), Scribe(fails=True)], ids=["slow", "fails"])
def test_no_reply_waits_for_notes(scribe: Scribe) -> None:
    usual, seen = held(Scribe(), note_taking=False), held(scribe)
    in_budgets(seen)
    assert scribe.asked > 0
    assert sorted(seen.answers_ms)[len(seen.answers_ms) // 2] <= sorted(usual.answers_ms)[TURNS // 2] + 1
    assert max(seen.answers_ms) <= max(usual.answers_ms) + 1
