"""Which words of a text that still grows can be said already: those that nothing which follows can change.

`normalise` looks at a word's neighbours: "5" is the hour of "5 pm", "Dr." a doctor before "Smith" and a drive before a
comma, "555" the beginning of a telephone number. A text that is spoken while it arrives holds such a word back until
what follows has come; most words wait for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from aivoice.speech.context import Lexicon, Word, split_word
from aivoice.speech.say_words import (
    ABBREVIATIONS,
    COMPASS,
    MONTHS,
    NAME_BEFORE,
    STREET_AFTER,
    UNITS,
    WEEKDAYS,
)  # fmt: skip

FARTHEST = 4
"""Words behind a number that may tell what it counts: "1250 North Main Street"."""

_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GROUP = re.compile(r"[+(]*[0-9]+(?:[-.)/(]*[0-9]+)*\)?")
_SHORT = frozenset({"am", "pm", "a.m", "p.m", "no", *ABBREVIATIONS, *COMPASS, *MONTHS, *NAME_BEFORE, *STREET_AFTER,
                    *UNITS, *WEEKDAYS})  # fmt: skip


_PLACED = frozenset({*COMPASS, *MONTHS, *NAME_BEFORE, *STREET_AFTER, *WEEKDAYS})


def unsettled(text: str, lexicon: Lexicon) -> int:
    """How many of the last words of `text` must wait for more of it. A last word without white space behind it may go
    on and waits too, but for one that begins the text and is a word already ("Sure", "Certainly")."""
    words = [split_word(raw) for raw in text.split()]
    if not words:
        return 0
    whole = len(words) if text[-1].isspace() else len(words) - 1
    if not whole and _begins(words[0], lexicon):
        return 0
    phrases = _phrases(tuple(lexicon)) if lexicon else ()
    lows = [word.low for word in words[:whole]]
    loud = all(word.core.isupper() for word in words[:whole] if len(word.core) > 1 and word.core.isalpha())
    for index in range(whole):
        if _waits(words[:whole], index, loud) or any(_unfinished(lows[index:], phrase) for phrase in phrases):
            return len(words) - index
    return len(words) - whole


def _begins(word: Word, lexicon: Lexicon) -> bool:
    """A first word that can sound before its end is known: "Sure", "Cert|ainly"; not "Fri|day", "Dr|.", "Ngu|yen"."""
    core = word.core
    if len(core) < 3 or not (core.isalpha() and core[1:].islower()):
        return False
    return not any(entry.lower().startswith(word.low) for entry in (*_SHORT, *lexicon))


def _waits(words: list[Word], index: int, loud: bool) -> bool:
    word, behind = words[index], words[index + 1 :]
    core, low = word.core, word.low
    if word.raw.lower() == "[clear":
        return not behind  # "[clear throat]" is one tag
    if not _LETTERS.fullmatch(core) and not ("-" in core and core.replace("-", "").isalpha()):
        return _number_waits(word, behind)
    if core.isupper() and len(core) > 1 and loud:
        return True  # an initialism, or is everything in capitals?
    if core.isupper() and core != "I" and len(core) == 1:
        return not behind  # the name of a letter, a compass point, an initial
    if behind:
        return False
    if "." in word.tail and (low in _SHORT or "." in core):
        return True  # does its full stop end the sentence?
    return (low in _PLACED and word.capital) or (low == "am" and not index)


def _number_waits(word: Word, behind: list[Word]) -> bool:
    """A number or a symbol: until the word that says what it counts, and for a street until the street."""
    at = 0
    while at < len(behind) and _GROUP.fullmatch(behind[at].core):
        at += 1
    if at == len(behind):
        return True
    follows = behind[at]
    if follows.core[:1].isupper() or follows.low in ("a", "p"):
        return len(behind) < FARTHEST + at
    return not follows.core and len(behind) == at + 1  # a dash: up to what?


@lru_cache(maxsize=64)
def _phrases(written: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    split = (tuple(split_word(raw).low for raw in entry.split()) for entry in written)
    return tuple(phrase for phrase in split if len(phrase) > 1)


def _unfinished(lows: list[str], phrase: tuple[str, ...]) -> bool:
    """The text ends within the lexicon's phrase."""
    return len(lows) < len(phrase) and tuple(lows) == phrase[: len(lows)]
