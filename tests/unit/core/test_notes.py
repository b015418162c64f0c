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
from aivoice.core.tokens import message_tokens

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
    notes.extract(2, SMALL)
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
    notes.on_summary(e.SummaryReady(1, 99, "x"), SMALL)
    assert (notes.state.facts, notes.history.summary) == ({}, "")
    assert [command.detail for command in asked(notes, c.Note) if isinstance(command, c.Note)] == ["state", "summary"]


def test_a_turn_that_was_reopened_is_read_again() -> None:
    notes = taker(3)
    notes.extract(3, SMALL)
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
    notes.on_summary(e.SummaryReady(12, first.attempt, "First."), SMALL)
    assert notes.history.start == first.upto
    assert notes.history.messages[first.upto].role == "user"
    for number in range(12):
        notes.history.messages += [Message("user", f"more {number} " * 9), Message("assistant", "a" * 40)]
    notes.summarise(24, SMALL)
    second = asked(notes, c.Summarise)[1]
    assert isinstance(second, c.Summarise)
    assert second.before == "First."
    assert second.messages[0] == notes.history.messages[first.upto]


def say_more(notes: NoteTaker, turns: int) -> None:
    for number in range(turns):
        notes.history.messages += [Message("user", f"more {number} " + "w" * 40), Message("assistant", "a" * 40)]


def test_one_that_fails_is_tried_again_turn_by_turn_and_then_rarely() -> None:
    notes = taker(12)
    for _ in range(SMALL.summary_tries + 1):
        assert notes.due(SMALL, silent=False)
        notes.summarise(12, SMALL)
        notes.on_summary(e.SummaryReady(12, notes.summarising, " "), SMALL)
        assert not notes.due(SMALL, silent=False), "not in the same turn"
        say_more(notes, 1)
    assert notes.history.summary == ""
    assert not notes.due(SMALL, silent=False)
    say_more(notes, 8)
    assert not notes.due(SMALL, silent=False)
    say_more(notes, 1)
    assert notes.due(SMALL, silent=False), "an outage is not for ever"
    notes.summarise(30, SMALL)
    notes.on_summary(e.SummaryReady(30, notes.summarising, "At last."), SMALL)
    assert (notes.history.summary, notes.tries, notes.retry) == ("At last.", 0, 0)


def test_not_every_event_counts_the_history_anew() -> None:
    notes = taker(4)
    assert not notes.due(SMALL, silent=False)
    assert notes.looked == (8, 0, "")
    notes.history.messages[0] = Message("user", "w" * 4_000)
    assert not notes.due(SMALL, silent=False), "the same history is not looked at twice"
    say_more(notes, 4)
    assert notes.due(SMALL, silent=False)


def test_nothing_said_is_skipped_by_a_slow_extraction() -> None:
    notes = taker(1)
    notes.extract(1, SMALL)
    (first,) = asked(notes, c.Extract)
    assert isinstance(first, c.Extract)
    for number in range(12):
        notes.history.messages += [Message("user", f"long {number} " + "w" * 1_600), Message("assistant", "Yes.")]
    assert not notes.unread()
    notes.on_state(e.StateReady(1, first.attempt, ()))
    read: list[str] = []
    while notes.unread():
        notes.extract(13, SMALL)
        command = asked(notes, c.Extract)[-1]
        assert isinstance(command, c.Extract)
        assert sum(map(message_tokens, command.messages)) <= 2_500
        read += [message.text[:7] for message in command.messages if message.text.startswith("long")]
        notes.on_state(e.StateReady(13, command.attempt, ()))
    assert set(read) == {f"long {number} "[:7] for number in range(12)}


def test_what_could_not_be_made_out_is_read_once_more() -> None:
    notes = taker(2)
    notes.extract(2, SMALL)
    notes.on_state(e.StateReady(2, notes.extracting, (("caller.name", "Ana"),), partial=True))
    assert notes.state.facts == {"caller.name": "Ana"}
    assert not notes.unread(), "not at once: with the next turn"
    say_more(notes, 1)
    notes.extract(3, SMALL)
    again = asked(notes, c.Extract)[-1]
    assert isinstance(again, c.Extract)
    assert again.messages == tuple(notes.history.messages)
    notes.on_state(e.StateReady(3, again.attempt, ()))
    say_more(notes, 1)
    notes.extract(4, SMALL)
    last = asked(notes, c.Extract)[-1]
    assert isinstance(last, c.Extract)
    assert len(last.messages) == 3


def test_a_huge_message_is_cut_for_whoever_takes_notes() -> None:
    notes = taker(12)
    notes.history.messages[0] = Message("user", "word " * 20_000)
    notes.extract(12, SMALL)
    notes.summarise(12, SMALL)
    read, summed = asked(notes, c.Extract)[0], asked(notes, c.Summarise)[0]
    assert isinstance(read, c.Extract)
    assert isinstance(summed, c.Summarise)
    assert message_tokens(read.messages[0]) <= 1_000
    assert message_tokens(summed.messages[0]) <= SMALL.history // 4


def test_the_end_of_the_call_cancels_them() -> None:
    notes = taker(12)
    notes.extract(12, SMALL)
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
