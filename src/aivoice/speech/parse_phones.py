"""Spoken telephone numbers: "oh seven seven double five …", "five five five, oh one four two", "(555) 010-4477".

`find_phones(text)`; with `partial=True` shorter runs are given too, for callers who say a number in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.speech.found import Found, Token, found, tokenise, word_at, words_at
from aivoice.speech.parse_numbers import TEENS, TENS, UNITS

_DIGIT_WORDS = {**{word: str(value) for word, value in UNITS.items()}, "o": "0", "nil": "0", "nine": "9", "niner": "9"}
_REPEATS = {"double": 2, "triple": 3, "treble": 3, "tripple": 3, "trouble": 3}
_FILLERS = frozenset({"um", "uh", "er", "erm", "dash", "hyphen", "and", "then", "space", "comma", "that's"})
_RESTARTS = (
    ("no", "sorry"),
    ("no", "wait"),
    ("sorry",),
    ("i", "mean"),
    ("scratch", "that"),
    ("wait", "no"),
    ("let", "me", "start", "over"),
)
MIN_DIGITS, MAX_DIGITS = 7, 15


@dataclass(frozen=True, slots=True)
class Phone:
    """digits: ASCII digits, no separators, country code included when said. international: "+" or "plus" came first.

    extension: digits after "extension". complete: as long as a number somebody could dial: 7, 10 or 11 digits (11
    starting 0 or 1), or 8–15 with "+"; anything else is more likely cut short or misheard: ask.
    """

    digits: str
    international: bool = False
    extension: str = ""

    @property
    def complete(self) -> bool:
        size = len(self.digits)
        if self.international:
            return 8 <= size <= MAX_DIGITS
        return size in (7, 10) or (size == 11 and self.digits[0] in "01")


def _piece(tokens: tuple[Token, ...], index: int) -> tuple[str, int] | None:
    """The digits said at `index`: "five", "double five", "fifteen", "twenty three", "eight hundred", "555"."""
    word = word_at(tokens, index)
    if word in _REPEATS:
        if index + 1 < len(tokens) and tokens[index + 1].is_digits and len(tokens[index + 1].word) == 1:
            return tokens[index + 1].word * _REPEATS[word], index + 2
        digit = _DIGIT_WORDS.get(word_at(tokens, index + 1))
        return (digit * _REPEATS[word], index + 2) if digit else None
    if index < len(tokens) and tokens[index].is_digits:
        return tokens[index].word, index + 1
    if word in _DIGIT_WORDS:
        if word_at(tokens, index + 1) == "hundred":
            return _DIGIT_WORDS[word] + "00", index + 2
        if word_at(tokens, index + 1) == "thousand":
            return _DIGIT_WORDS[word] + "000", index + 2
        return _DIGIT_WORDS[word], index + 1
    if word in TEENS:
        return str(TEENS[word]), index + 1
    if word in TENS:
        unit = _DIGIT_WORDS.get(word_at(tokens, index + 1), "0")
        joined = unit != "0"
        return str(TENS[word] + int(unit)), index + (2 if joined else 1)
    return None


def _skip(tokens: tuple[Token, ...], index: int) -> int:
    while word_at(tokens, index) in _FILLERS:
        index += 1
    return index


def _restart(tokens: tuple[Token, ...], index: int) -> int | None:
    for words in _RESTARTS:
        if words_at(tokens, index, *words):
            return index + len(words)
    return None


def _extension(tokens: tuple[Token, ...], index: int) -> tuple[str, int]:
    if word_at(tokens, index) not in ("extension", "ext", "x"):
        return "", index
    digits, at = "", index + 1
    while len(digits) < 8 and (piece := _piece(tokens, at)) is not None:
        digits, at = digits + piece[0], piece[1]
    return (digits, at) if digits else ("", index)


def _read(tokens: tuple[Token, ...], index: int) -> tuple[Phone, int, int] | None:
    """A run of digits from `index`: (number, first token, index after)."""
    if tokens[index : index + 1] and tokens[index].gap[-1:] in ("$", "£", "€"):
        stop = index + 1  # an amount of money: its groups of thousands are no number either
        while stop < len(tokens) and tokens[stop].gap in (",", ".") and tokens[stop].is_digits:
            stop += 1
        return Phone(""), index, stop
    first, at = index, index
    plus = word_at(tokens, at) == "plus" or (at < len(tokens) and tokens[at].gap.rstrip("( ").endswith("+"))
    if word_at(tokens, at) == "plus":
        at += 1
    if words_at(tokens, at, "area", "code"):
        at += 2
    digits, last = "", at
    while True:
        piece = _piece(tokens, at)
        if piece is None or not all(_joins(token.gap) for token in tokens[max(at, first + 1) : at + 1] if digits):
            if piece is None and digits and (again := _restart(tokens, at)) is not None and _piece(tokens, again):
                digits, at, plus = "", again, False
                continue
            break
        digits, at = digits + piece[0], piece[1]
        last = at
        at = _skip(tokens, at)
    if not digits or len(digits) > MAX_DIGITS:
        return (Phone(""), first, max(last, index + 1)) if digits else None
    extension, last = _extension(tokens, last)
    return Phone(digits, plus, extension), first, last


def _joins(gap: str) -> bool:
    """Money, times, dates and sums end a number; spaces, commas, full stops, hyphens and brackets do not."""
    return not any(mark in gap for mark in "$€£%:/+*=@#")


def find_phones(text: str, *, partial: bool = False) -> tuple[Found[Phone], ...]:
    """Every run of 7–15 digits said in `text` (`partial`: of 2–15), in order. Never raises.

    A correction inside the run ("five five six, no sorry, five five five …") starts it over.
    """
    tokens = tokenise(text)
    result: list[Found[Phone]] = []
    least = 2 if partial else MIN_DIGITS
    index = 0
    while index < len(tokens):
        hit = _read(tokens, index)
        if hit is None:
            index += 1
            continue
        phone, first, stop = hit
        if len(phone.digits) >= least:
            result.append(found(tokens, first, stop, phone))
        index = stop
    return tuple(result)
