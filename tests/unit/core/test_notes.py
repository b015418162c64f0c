"""Notes beside the call: when they are asked for, what becomes of them, and that nothing waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.core.playing import PLAIN, answered, call

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import Window
from aivoice.core.context import History
from aivoice.core.notes import NoteTaker
from aivoice.core.outbox import Outbox
from aivoice.core.prompt import Message
from aivoice.core.state import ConversationState

SMALL = Window(history=400, history_low=200, recent=1)


def taker(turns: int, length: int = 40) -> NoteTaker:
    """A history of so many turns."""
    history = History()
    for number in range(turns):
        history.messages += [Message("user", f"{number} " + "w" * length), Message("assistant", "a" * length)]
    return NoteTaker(Outbox(), history, ConversationState())


def asked(taker: NoteTaker, kind: type[c.Command]) -> list[c.Command]:
    return [command for command in taker.out.commands if isinstance(command, kind)]


def test_an_extraction_is_asked_for_once_for_each_exchange() -> None:
    notes = taker(2)
    assert notes.unread()
    notes.extract(2)
    assert not notes.unread()
    (command,) = asked(notes, c.Extract)
    assert isinstance(command, c.Extract)
    assert command.messages[-1].role == "assistant"
    notes.on_state(e.StateReady(2, command.attempt, (("topic", "teeth"),)))
    assert notes.state.topic == "teeth"
    assert not notes.unread()
    notes.history.messages += [Message("user", "and?"), Message("assistant", "yes")]
    assert notes.unread()


def test_stale_notes_change_nothing() -> None:
    notes = taker(2)
    notes.on_state(e.StateReady(1, 99, (("topic", "x"),)))
    notes.on_summary(e.SummaryReady(1, 99, "x"))
    assert (notes.state.facts, notes.history.summary) == ({}, "")
    assert [command.detail for command in asked(notes, c.Note) if isinstance(command, c.Note)] == ["state", "summary"]


def test_a_turn_that_was_reopened_is_read_again() -> None:
    notes = taker(3)
    notes.extract(3)
    del notes.history.messages[2:]
    notes.extracting = 0
    assert not notes.unread()
    notes.history.messages.append(Message("user", "more words"))
    assert notes.unread()


@pytest.mark.parametrize(
    ("window", "turns", "topic", "silent", "due"),
    [
        (SMALL, 4, "", False, False),
        (SMALL, 12, "", False, True),
        (replace(SMALL, summary_turns=3), 4, "", False, True),
        (replace(SMALL, summary_turns=3), 3, "", False, False),
        (replace(SMALL, topic_turns=2), 4, "before", False, True),
        (replace(SMALL, topic_turns=2), 4, "", False, False),
        (SMALL, 4, "", True, True),
        (SMALL, 1, "", True, False),
    ],
)
def test_what_makes_a_summary_due(window: Window, turns: int, topic: str, silent: bool, due: bool) -> None:
    notes = taker(turns)
    notes.topic = topic
    notes.state.merge((("topic", "now"),), 1)
    assert notes.due(window, silent=silent) == due


def test_summaries_roll_and_keep_the_recent_turns() -> None:
    notes = taker(12)
    notes.summarise(12, SMALL)
    assert not notes.due(SMALL, silent=True), "one at a time"
    (first,) = asked(notes, c.Summarise)
    assert isinstance(first, c.Summarise)
    assert first.before == ""
    assert first.messages == tuple(notes.history.messages[: first.upto])
    notes.on_summary(e.SummaryReady(12, first.attempt, "First."))
    assert notes.history.start == first.upto
    assert notes.history.messages[first.upto].role == "user"
    for number in range(12):
        notes.history.messages += [Message("user", f"more {number} " * 9), Message("assistant", "a" * 40)]
    notes.summarise(24, SMALL)
    second = asked(notes, c.Summarise)[1]
    assert isinstance(second, c.Summarise)
    assert second.before == "First."
    assert second.messages[0] == notes.history.messages[first.upto]


def test_one_that_fails_is_tried_again_and_then_left() -> None:
    notes = taker(12)
    for _ in range(SMALL.summary_tries + 1):
        assert notes.due(SMALL, silent=False)
        notes.summarise(12, SMALL)
        notes.on_summary(e.SummaryReady(12, notes.summarising, " "))
    assert not notes.due(SMALL, silent=False)
    assert notes.history.summary == ""


def test_the_end_of_the_call_cancels_them() -> None:
    notes = taker(12)
    notes.extract(12)
    notes.summarise(12, SMALL)
    notes.close()
    notes.close()
    assert len(asked(notes, c.Cancel)) == 2


def test_a_call_takes_them_while_nothing_is_being_written() -> None:
    window = replace(SMALL, summary_silence=2_000, history_low=20)
    toy = call(replace(PLAIN, note_taking=True, window=window))
    for number in range(3):
        answered(toy, "what are your opening hours?", "We open at nine. ")
        toy.pass_time(3_000)
        command = toy.said(c.Extract)[-1]
        assert len(toy.said(c.Extract)) == number + 1
        toy.feed(e.StateReady(command.turn, command.attempt, (("topic", "hours"),)))
        toy.pass_time(2_500)
        assert len(toy.said(c.Summarise)) == (number > 0), "the greeting alone is nothing to sum up"
        if number == 1:
            (wanted,) = toy.said(c.Summarise)
    toy.feed(e.SummaryReady(wanted.turn, wanted.attempt, "They asked for the hours."))
    toy.voice("and on saturday?")
    request = toy.of(c.Generate)[-1].request
    assert request.summary == "They asked for the hours."
    assert request.state == "topic: hours"


def test_a_reply_that_is_written_comes_first() -> None:
    toy = call(replace(PLAIN, note_taking=True))
    toy.voice("what are your opening hours?")
    toy.pass_time(1_000)
    assert not toy.said(c.Extract)


def test_a_call_that_fills_its_history_asks_for_a_summary() -> None:
    toy = call(replace(PLAIN, note_taking=True, window=replace(SMALL, history=120, history_low=30)))
    for _ in range(4):
        answered(toy, "what are your opening hours, please, on an ordinary day?", "We open at nine every day. ")
        toy.pass_time(3_000)
        command = toy.said(c.Extract)[-1]
        toy.feed(e.StateReady(command.turn, command.attempt, ()))
    assert toy.said(c.Summarise)


def test_usage_corrects_the_estimates() -> None:
    toy = call(replace(PLAIN, system="word " * 200))
    toy.voice("what are your opening hours?")
    command = toy.of(c.Generate)[-1]
    toy.feed(e.Usage(command.turn, command.attempt, 400, 10))
    assert toy.call.snapshot()


def test_instructions_that_are_too_long_are_told_and_kept() -> None:
    toy = call(replace(PLAIN, system="Be kind. " * 1_000))
    (note,) = [each for each in toy.said(c.Note) if each.kind == "instructions_over_budget"]
    assert note.detail == "2250 tokens"
    toy.voice("what are your opening hours?")
    assert toy.of(c.Generate)[-1].request.system == "Be kind. " * 1_000
