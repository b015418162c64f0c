"""Notes of a call without a language model: what callers say exactly is captured by the parsers of `aivoice.speech`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from aivoice.core.prompt import Message
from aivoice.core.state import Extraction
from aivoice.speech.parse_dates import find_dates
from aivoice.speech.parse_emails import find_emails
from aivoice.speech.parse_names import find_name
from aivoice.speech.parse_phones import find_phones
from aivoice.speech.parse_times import find_times

_WORDS = 24
"""Of what one message adds to a summary."""
_MOST_CHARACTERS = 3_000
_DIGITS = 4
"""A shorter run of digits is no number that somebody gives."""

Entry = tuple[str, str]


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
        """From the caller's newest words, read with the question before them. Later values of a key replace earlier
        ones."""
        said = [index for index, message in enumerate(messages) if message.role == "user"]
        if not said:
            return Extraction()
        question = next((m.text for m in reversed(messages[: said[-1]]) if m.role == "assistant"), "").lower()
        text = messages[said[-1]].text
        entries: list[Entry] = []
        exact: list[str] = []
        if (name := find_name(text, expected="name" in question)) is not None and not name.negated:
            entries.append(("caller.name", name.value.name))
            if name.value.spelled:
                exact.append("caller.name")
        for key, value in (*_numbers(text), *self._moments(text, question)):
            entries.append((key, value))
            exact.append(key)
        return Extraction(tuple(entries), tuple(dict.fromkeys(exact)))

    def _moments(self, text: str, question: str) -> list[Entry]:
        dates = [date.value.first for date in find_dates(text, self._today()) if not date.negated and date.value.single]
        asked = "time" in question or "o'clock" in question
        times = [time.value.time for time in find_times(text, expected=asked) if not time.negated]
        return [
            *(("date", date.isoformat()) for date in dates),
            *(("time", time.strftime("%H:%M")) for time in times if time is not None),
        ]


def _numbers(text: str) -> list[Entry]:
    found: list[Entry] = [("caller.email", email.value.address) for email in find_emails(text) if not email.negated]
    for phone in find_phones(text, partial=True):
        digits = phone.value.digits
        if phone.negated or len(digits) < _DIGITS:
            continue
        whole = f"+{digits}" if phone.value.international else digits
        found.append(("caller.phone" if phone.value.complete else "number", whole))
    return found
