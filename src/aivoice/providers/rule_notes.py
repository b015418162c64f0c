"""Notes of a call without a language model: what callers say exactly is captured by the parsers of `aivoice.speech`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from aivoice.core.prompt import Message
from aivoice.core.state import Extraction
from aivoice.providers.stated import Stated, asked_for, stated
from aivoice.speech.parse_dates import find_dates
from aivoice.speech.parse_emails import find_emails
from aivoice.speech.parse_names import find_name
from aivoice.speech.parse_phones import find_phones
from aivoice.speech.parse_times import find_times

_WORDS = 24
"""Of what one message adds to a summary."""
_MOST_CHARACTERS = 2_400
_DIGITS = 3
"""A shorter run of digits is no number that somebody gives."""

NUMBER = "number"
_LABELLED = (NUMBER, "date", "time")
"""Goes by the name that the caller gives it; what reaches the caller goes by its own."""
_FILL = frozenset({"the", "a", "an", "on", "at", "number", "it", "is", "it's", "um", "uh"})

Entry = tuple[str, str]
Captured = tuple[str, str, int, int]


class RuleNotes:
    """`engine.ports.Notes`. today: the business's date, for "tomorrow". Deterministic; takes well under 5 ms."""

    def __init__(self, today: Callable[[], dt.date]) -> None:
        self._today = today

    async def summarise(self, before: str, messages: Sequence[Message]) -> str:
        """Each turn in its first words, and what tools answered; the oldest goes where it grows too long."""
        lines = before.splitlines()
        for message in messages:
            words = message.text.split()
            short = " ".join(words[:_WORDS]) + (" …" if len(words) > _WORDS else "")
            match message.role:
                case "user" if short:
                    lines.append(f"Caller: {short}")
                case "assistant" if short:
                    lines.append(f"Receptionist: {short}")
                case "tool":
                    lines.append(f"Done: {message.text[:160]}")
                case _:
                    pass
        text = "\n".join(lines)
        return text if len(text) <= _MOST_CHARACTERS else text[-_MOST_CHARACTERS:].partition("\n")[2]

    async def extract(self, state: str, messages: Sequence[Message]) -> Extraction:
        """From the caller's words in order, each read with the question before it: later values of a key replace
        earlier ones."""
        entries: list[Entry] = []
        exact: list[str] = []
        for index, message in enumerate(messages):
            if message.role == "user":
                question = next((m.text for m in reversed(messages[:index]) if m.role == "assistant"), "")
                for key, value, sure in self._said(message.text, question.lower()):
                    entries.append((key, value))
                    if sure:
                        exact.append(key)
        return Extraction(tuple(entries), tuple(dict.fromkeys(exact)))

    def _said(self, text: str, question: str) -> list[tuple[str, str, bool]]:
        """(key, value, exact). What is captured inside something stated ("my order number is …") goes by its name."""
        facts = stated(text)
        told: list[tuple[str, str, bool]] = []
        captured = self._captured(text, question)
        for key, value, start, end in captured:
            fact = next((each for each in facts if each.start <= start and end <= each.end), None)
            if fact is None or key not in _LABELLED:
                told.append((asked_for(question) or key if key == NUMBER else key, value, True))
            elif _whole(fact, text, start, end):
                told.append((fact.what, value, True))
            elif key != NUMBER:
                told.append((key, value, True))
        exact = [what for what, _, _ in told]
        for fact in facts:
            reach = any(k not in _LABELLED and fact.start <= start < fact.end for k, _, start, _ in captured)
            if fact.what not in exact and not reach:
                told.append((fact.what, fact.value, False))
        name = find_name(text, expected="name" in question)
        if name is not None and not name.negated and not any(f.start <= name.start < f.end for f in facts):
            told.append(("caller.name", name.value.name, name.value.spelled))
        return told

    def _captured(self, text: str, question: str) -> list[Captured]:
        """(key, value, start, end) of what was said letter by letter or day by day; digits go before times."""
        dates = [
            ("date", date.value.first.isoformat(), date.start, date.end)
            for date in find_dates(text, self._today())
            if not date.negated and date.value.single
        ]
        found: list[Captured] = [*_numbers(text, dates), *dates]
        asked = "time" in question or "o'clock" in question
        for time in find_times(text, expected=asked):
            inside = any(time.start < end and start < time.end for _, _, start, end in found)
            if not time.negated and time.value.time is not None and not inside:
                found.append(("time", time.value.time.strftime("%H:%M"), time.start, time.end))
        return sorted(found, key=lambda each: each[2])


def _whole(fact: Stated, text: str, start: int, end: int) -> bool:
    """What stands between `start` and `end` is all of the fact's value."""
    rest = f"{text[fact.start : start]} {text[end : fact.end]}"
    return not [word for word in rest.lower().split() if word.strip(".,") and word not in _FILL]


def _numbers(text: str, dates: Sequence[Captured]) -> list[Captured]:
    found: list[Captured] = [
        ("caller.email", email.value.address, email.start, email.end)
        for email in find_emails(text)
        if not email.negated
    ]
    for phone in find_phones(text, partial=True):
        digits = phone.value.digits
        of_a_date = any(phone.start < end and start < phone.end for _, _, start, end in dates)
        if phone.negated or len(digits) < _DIGITS or of_a_date:
            continue
        whole = f"+{digits}" if phone.value.international else digits
        found.append(("caller.phone" if phone.value.complete else NUMBER, whole, phone.start, phone.end))
    return found
