"""What one reading of an utterance carries along, and how found values are given to fields.

Values are JSON values ready for the tool (dates as YYYY-MM-DD, times as HH:MM), fitted to the field's ``pattern`` where
one of the usual spellings matches it. Keys with ``|`` are half values and wishes that never reach a tool:
``when|date`` (a day without its time), ``time|part`` ("in the afternoon"), ``phone|digits`` (so far).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.acts import Act
from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.find import Found
from aivoice.providers.receptionist.schema import Field, Shape
from aivoice.providers.receptionist.text import stem, words

Values = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that was understood but cannot be right. key: a phrase of `say.PHRASES`; slots fill it."""

    field: str
    key: str
    slots: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Extraction:
    """values: field name → value. problems: refused values. said: the fields the caller spoke of."""

    values: Values = field(default_factory=dict[str, Any])
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Reader:
    """The context of one extraction; `text` loses every stretch that was read. expecting: names of asked fields.

    override: fields that have a value may get another one. offered: the times offered last, for "the second one".
    contact: what the caller said of themselves before, by kind.
    """

    text: str
    shape: Shape
    known: Values
    expecting: tuple[str, ...]
    acts: frozenset[Act]
    now: dt.datetime
    facts: Facts
    override: bool
    offered: tuple[tuple[str, str], ...] = ()
    whole: str = ""
    contact: Values = field(default_factory=dict[str, Any])
    values: Values = field(default_factory=dict[str, Any])
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def today(self) -> dt.date:
        return self.now.date()

    def asked(self, *kinds: str) -> bool:
        return any(item.kind in kinds and item.name in self.expecting for item in self.shape.fields)

    def read(self, start: int, end: int) -> None:
        self.text = find.mask(self.text, start, end)


def place(reader: Reader, found: Iterable[Found[T]], fields: list[Field], put: Callable[[Field, T], None]) -> None:
    """Give every value that was not ruled out to the field it was said for."""
    free = list(fields)
    for item in found:
        if item.negated or not free:
            continue
        # Each value belongs to the words right before it, as far back as the value before that.
        before = {stem(w) for w in words(reader.whole[max(0, item.start - 45) : item.start])[-6:]}
        target = _target(reader, free, before)
        if target is None:
            continue
        put(target, item.value)
        reader.read(item.start, item.end)
        if len(fields) > 1:
            free.remove(target)


def _target(reader: Reader, free: list[Field], before: set[str]) -> Field | None:
    named = [item for item in free if before & _own_hints(item, free)]
    if len(named) == 1 and (reader.override or named[0].name not in reader.known):
        return named[0]
    asked = [item for item in free if item.name in reader.expecting]
    if asked:
        return asked[0]
    empty = [item for item in free if item.name not in reader.known and item.name not in reader.values]
    # Where the form waits for something else, a filled field is only rewritten when there is no empty one to fill.
    if empty:
        if reader.override and len(empty) < len(free) and "correction" in reader.acts:
            return next(item for item in free if item.name in reader.known)
        return next((item for item in empty if item.required), empty[0])
    return free[-1] if reader.override else None


def _own_hints(item: Field, free: list[Field]) -> set[str]:
    others = {hint for other in free if other is not item for hint in other.hints}
    return {hint for hint in item.hints if len(hint) > 1} - others


def of_kind(reader: Reader, *kinds: str) -> list[Field]:
    return [item for item in reader.shape.fields if item.kind in kinds]


def fitted(item: Field, *spellings: str) -> str | None:
    """The first spelling that the field's pattern and length allow; None when none does."""
    for text in spellings:
        if not item.min_length <= len(text) <= item.max_length:
            continue
        try:
            if not item.pattern or re.search(item.pattern, text):
                return text
        except re.error:
            return text
    return None


def put_text(reader: Reader, item: Field, *spellings: str) -> None:
    value = fitted(item, *spellings)
    if value is None:
        reader.problems.append(Problem(item.name, "not_valid"))
    else:
        reader.values[item.name] = value
