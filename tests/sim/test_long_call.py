"""Half an hour on the telephone: every prompt inside its budgets, nothing forgotten, nobody waiting for notes."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS, CallConfig, Speculation
from aivoice.core.prompt import GenerationRequest, ToolSpec
from aivoice.core.tokens import request_tokens, text_tokens
from aivoice.core.window import most_tokens
from aivoice.engine.notes import LlmNotes, NotesWithRules
from aivoice.engine.ports import Notes, ToolOutcome
from aivoice.engine.session import CallSession, Providers
from aivoice.errors import ProviderError
from aivoice.providers.ports import LlmDelta, TextDelta, UsageDelta
from aivoice.providers.rule_notes import RuleNotes
from aivoice.testing.fake_services import FakeClips, FakeRetriever, FakeToolRunner
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeVad, LlmBehaviour, Reply, Truth, lay_out
from aivoice.testing.line import Line
from aivoice.testing.owned import beside
from aivoice.testing.virtual_time import run_virtual

TURNS, FACTS, ASKED_FROM = 120, 20, 100
_FACT = re.compile(r"my (\w+) code is (\w+)")
_ASKED = re.compile(r"what was my (\w+) code")
ANSWER = (
    "I have made a note of that for you, and I will keep it in mind for the rest of our call today. "
    "Was there anything else that you would like me to look into while we are talking about it?"
)
RULES = RuleNotes(lambda: dt.date(2026, 11, 27))
UNKNOWN = "I am sorry, I do not know that any more."
PART = ToolSpec("find_part", "Looks up a spare part.", {"type": "object", "properties": {}}, side_effects=False)


def utterance(turn: int) -> str:
    """Twenty facts at first, then talk that fills the history and asks for parts, and in the end for the facts."""
    if turn < FACTS:
        return f"Please remember that my {fact(turn)} code is {secret(turn)}, thank you."
    if turn >= ASKED_FROM:
        return f"And what was my {fact(turn - ASKED_FROM)} code?"
    if turn % 15 == 0:
        return f"Could you look up part number {turn} for me in your list of spare parts?"
    return f"And question {turn}, is it usual that one has to wait for a spare part for so many weeks every year?"


def fact(number: int) -> str:
    return f"{'abcdefghijklmnopqrst'[number]}room"


def secret(number: int) -> str:
    return f"word{'abcdefghijklmnopqrst'[number]}x"


def author(request: GenerationRequest) -> Reply:
    """Knows what its prompt holds, and nothing else."""
    newest = request.messages[-1]
    if newest.role == "tool":
        return Reply("That part is in stock, and it costs forty euros. " + ANSWER)
    if asked := _ASKED.search(newest.text):
        known = re.search(rf"(?:code\.{asked[1]}|{asked[1]} code)(?:: | is )(\w+)", prompt(request))
        return Reply(f"Your {asked[1]} code is {known[1]}." if known else UNKNOWN)
    return Reply("", (("find_part", "{}"),)) if "look up part" in newest.text else Reply(ANSWER)


def prompt(request: GenerationRequest) -> str:
    return "\n".join((request.state, request.summary, *(message.text for message in request.messages)))


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
    """requests: the prompts in order. first: of them, those that begin a turn. said: what of each reply was heard."""

    requests: list[GenerationRequest]
    answers_ms: list[float]
    said: list[str]
    turns: int = 0
    summaries: int = 0
    minutes: float = 0.0

    @property
    def first(self) -> list[GenerationRequest]:
        return [request for request in self.requests if request.messages[-1].role == "user"]


async def hold(notes: Notes, *, note_taking: bool = True) -> Seen:
    """The whole call in virtual time."""
    truth, line = Truth(), Line(media_delay_s=0.1)
    seen = Seen([], [], [])
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
                seen.said.append(item.heard)
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
        tools=(PART,),
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
            FakeLlm(author, LlmBehaviour()),
            FakeTts(),
            FakeVad(),
            notes,
        ),
        config=config,
        clips=FakeClips(DEFAULT_CLIPS),
        tools=FakeToolRunner(outcome=lambda name, given: ToolOutcome("ok", json.dumps({"parts": ["bolt"] * 3_000}))),
        retriever=FakeRetriever(("Spare parts come on Mondays. " * 40, "The shop opens at nine. " * 60)),
        observers=(observe,),
    )
    async with beside(caller()):
        await session.run()
    seen.minutes = line.position / SAMPLE_RATE / 60
    return seen


def held(notes: Notes, **rest: bool) -> Seen:
    return run_virtual(hold(notes, **rest), limit_s=2 * 3600)


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
    return sum(secret(number) in prompt(request) for number in range(FACTS))


def recalled(seen: Seen) -> int:
    """Facts that the caller asked for in the end and heard."""
    return sum(secret(number) in said for number, said in enumerate(seen.said[-FACTS:]))


def moves(seen: Seen) -> int:
    """Turns whose prompt does not begin with the last turn's messages: a prompt cache begins anew."""
    pairs = pairwise(request.messages for request in seen.first)
    return sum(later[: len(before)] != before for before, later in pairs)


def test_half_an_hour_stays_inside_every_budget_and_forgets_nothing() -> None:
    seen = held(LlmNotes(Scribe()))
    assert seen.turns == TURNS
    assert seen.minutes >= 30
    in_budgets(seen)
    assert seen.summaries >= 1
    assert facts_in(seen.first[ASKED_FROM - 1]) == FACTS, "before anybody asks"
    assert facts_in(seen.requests[-1]) == FACTS
    assert recalled(seen) == FACTS
    tokens = [request_tokens(request) for request in seen.first]
    warm = tokens[TURNS // 2 :]
    assert max(warm) <= 2 * min(warm), "prompt tokens are flat once the window has moved"
    assert max(tokens) < 13_000
    assert moves(seen) <= 6, "between its steps a prompt begins with the last one"


@pytest.mark.parametrize(
    "notes",
    [RULES, NotesWithRules(LlmNotes(Scribe(fails=True)), RULES), NotesWithRules(LlmNotes(Scribe(slow_s=30.0)), RULES)],
    ids=["rules", "fails", "slow"],
)
def test_rules_alone_forget_nothing_that_was_stated(notes: Notes) -> None:
    seen = held(notes)
    in_budgets(seen)
    assert facts_in(seen.first[ASKED_FROM - 1]) == FACTS
    assert recalled(seen) == FACTS
    assert UNKNOWN not in seen.said


@pytest.mark.parametrize("scribe", [Scribe(slow_s=30.0), Scribe(fails=True)], ids=["slow", "fails"])
def test_no_reply_waits_for_notes(scribe: Scribe) -> None:
    usual, seen = held(RULES, note_taking=False), held(LlmNotes(scribe))
    in_budgets(seen)
    assert scribe.asked > 0
    assert sorted(seen.answers_ms)[len(seen.answers_ms) // 2] <= sorted(usual.answers_ms)[TURNS // 2] + 1
    assert max(seen.answers_ms) <= max(usual.answers_ms) + 1
