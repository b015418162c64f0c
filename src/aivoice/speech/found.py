"""What every parser of this package hands back, and the tokens that they read.

Pure: a parser is a function of its arguments (the clock comes in as `reference`), never raises for any text, and
runs in time linear in the text (callers' turns are short; texts past `MAX_CHARS` are cut there).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

MAX_CHARS = 4_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value and where it was said.

    start, end: character offsets into the text that was parsed: ``text[start:end]`` is what the caller said.
    negated: the caller ruled the value out ("not Tuesday", "instead of three").
    """

    value: T
    start: int
    end: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a run of ASCII digits. word: lower case, curly apostrophes straightened. raw: as written.

    gap: the characters between the token before and this one (so ``3:30`` is "3" and "30" with gap ":").
    """

    word: str
    raw: str
    start: int
    end: int
    gap: str

    @property
    def is_digits(self) -> bool:
        return self.word.isascii() and self.word.isdigit()


_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+(?:['’][^\W\d_]+)*")


# Recognisers write "a quarter to four" with a sign.
_AS_WORDS = {"¼": "quarter", "½": "half"}


def tokenise(text: str) -> tuple[Token, ...]:
    """The words and digit runs of `text`, in order, with their gaps."""
    tokens: list[Token] = []
    last = 0
    for match in _TOKEN.finditer(text[:MAX_CHARS]):
        raw = match.group()
        word = _AS_WORDS.get(raw) or raw.lower().replace("’", "'")
        tokens.append(Token(word, raw, match.start(), match.end(), text[last : match.start()]))
        last = match.end()
    return tuple(tokens)


_NEGATIONS = (
    ("not",),
    ("isn't",),
    ("wasn't",),
    ("except",),
    ("instead", "of"),
    ("rather", "than"),
    ("can't", "do"),
    ("can't", "make"),
    ("don't", "want"),
    ("anything", "but"),
)
_NEGATION_FILL = frozenset(
    {"on", "at", "the", "a", "for", "this", "next", "in", "around", "about", "really", "free", "available", "it"}
)


def is_negated(tokens: tuple[Token, ...], first: int) -> bool:
    """Whether the words right before token `first` rule it out: "not on the", "instead of", "can't do"."""
    index = first
    while index > 0 and tokens[index - 1].word in _NEGATION_FILL and not _breaks(tokens[index].gap):
        index -= 1
    if index > 0 and _breaks(tokens[index].gap):
        return False
    return any(
        index >= len(words) and tuple(token.word for token in tokens[index - len(words) : index]) == words
        for words in _NEGATIONS
    )


def _breaks(gap: str) -> bool:
    return any(mark in gap for mark in ",.;:!?")


def found(tokens: tuple[Token, ...], first: int, stop: int, value: T) -> Found[T]:
    """`value` said by ``tokens[first:stop]``."""
    return Found(value, tokens[first].start, tokens[stop - 1].end, is_negated(tokens, first))


def word_set(text: str) -> frozenset[str]:
    """The words of a space-separated list (word tables stay readable)."""
    return frozenset(text.split())


def words_at(tokens: tuple[Token, ...], index: int, *words: str) -> bool:
    """Whether exactly `words` stand at `index`."""
    if index < 0 or index + len(words) > len(tokens) or (words and tokens[index].word != words[0]):
        return False  # the first word alone rules nearly everything out: this is the parsers' innermost loop
    return all(tokens[index + offset].word == word for offset, word in enumerate(words))


def word_at(tokens: tuple[Token, ...], index: int) -> str:
    """The word at `index`, or "" outside the text."""
    return tokens[index].word if 0 <= index < len(tokens) else ""


def drop_overlaps(items: Iterable[Found[T]]) -> tuple[Found[T], ...]:
    """In order of appearance, the longer of overlapping finds kept."""
    kept: list[Found[T]] = []
    for item in sorted(items, key=lambda it: (it.start, -it.end)):
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
        elif item.end - item.start > kept[-1].end - kept[-1].start:
            kept[-1] = item
    return tuple(kept)
