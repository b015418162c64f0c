"""Spoken numbers to values: "twenty five" → 25, "one hundred and six", "two point five", "twenty-fourth", "1,250",
"3rd".

`find_numbers(text)` gives every number said; `cardinal` and `ordinal` read one at a token and are what the
date, time, phone and address parsers stand on.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.speech.found import Found, Token, found, tokenise, word_at

UNITS = {
    "zero": 0, "oh": 0, "nought": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9,
}  # fmt: skip
TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
ORDINAL_UNITS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
}  # fmt: skip
ORDINAL_TEENS = {
    "tenth": 10, "eleventh": 11, "twelfth": 12, "twelvth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15,
    "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
}  # fmt: skip
ORDINAL_TENS = {
    "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "sixtieth": 60, "seventieth": 70,
    "eightieth": 80, "ninetieth": 90,
}  # fmt: skip
_SUFFIXES = frozenset({"st", "nd", "rd", "th"})


@dataclass(frozen=True, slots=True)
class Number:
    """value: an int where whole, else a float. ordinal: "third", "24th" rather than "three", "24"."""

    value: float
    ordinal: bool = False


def small(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """A number below 100 said in words at `index`: (value, index after it). "twenty five" → 25; "oh" is no number
    here."""
    word = word_at(tokens, index)
    if word in TENS:
        unit = UNITS.get(word_at(tokens, index + 1), 0) if word_at(tokens, index + 1) != "oh" else 0
        return (TENS[word] + unit, index + 2) if unit else (TENS[word], index + 1)
    if word in TEENS:
        return TEENS[word], index + 1
    if word in UNITS and word != "oh":
        return UNITS[word], index + 1
    return None


def _grouped_digits(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """ "1,250" and "1250" at `index`; longer than 15 digits is not a quantity."""
    if index >= len(tokens) or not tokens[index].is_digits or len(tokens[index].word) > 15:
        return None
    digits, stop = tokens[index].word, index + 1
    if len(digits) <= 3:
        while stop < len(tokens) and tokens[stop].gap == "," and tokens[stop].is_digits and len(tokens[stop].word) == 3:
            digits += tokens[stop].word
            stop += 1
    return int(digits[:15]), stop


def _below_thousand(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """ "three hundred and five", "a hundred", "twelve hundred", "45"."""
    if word_at(tokens, index) == "a" and word_at(tokens, index + 1) in ("hundred", "thousand", "million"):
        head: tuple[int, int] | None = (1, index + 1)
    else:
        head = small(tokens, index) or _grouped_digits(tokens, index)
    if head is None or word_at(tokens, head[1]) != "hundred":
        return head
    value, stop = head[0] * 100, head[1] + 1
    after = stop + 1 if word_at(tokens, stop) == "and" else stop
    rest = small(tokens, after)
    return (value + rest[0], rest[1]) if rest else (value, stop)


def cardinal(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """A whole number at token `index` → (value, index after it), or None."""
    part = _below_thousand(tokens, index)
    if part is None:
        return None
    total, (value, stop) = 0, part
    ceiling = 10**12
    while word_at(tokens, stop) in SCALES and SCALES[word_at(tokens, stop)] < ceiling:
        ceiling = SCALES[word_at(tokens, stop)]
        total += value * ceiling
        value, stop = 0, stop + 1
        after = stop + 1 if word_at(tokens, stop) == "and" else stop
        more = _below_thousand(tokens, after)
        if more is None or more[0] >= ceiling:
            break
        value, stop = more
    return total + value, stop


def ordinal(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """ "third", "twenty fourth", "24th" at `index` → (value, index after it), or None."""
    word, following = word_at(tokens, index), word_at(tokens, index + 1)
    if word in TENS and following in ORDINAL_UNITS:
        return TENS[word] + ORDINAL_UNITS[following], index + 2
    for table in (ORDINAL_UNITS, ORDINAL_TEENS, ORDINAL_TENS):
        if word in table:
            return table[word], index + 1
    if word.isascii() and word.isdigit() and len(word) <= 9 and following in _SUFFIXES and tokens[index + 1].gap == "":
        return int(word), index + 2
    return None


def _decimal(tokens: tuple[Token, ...], whole: tuple[int, int]) -> tuple[float, int]:
    """ "two point five", "2.5", after the whole part was read."""
    value, stop = whole
    digits = ""
    if stop < len(tokens) and tokens[stop].gap == "." and tokens[stop].is_digits:
        digits, stop = tokens[stop].word[:9], stop + 1
    elif word_at(tokens, stop) == "point":
        at = stop + 1
        while (unit := UNITS.get(word_at(tokens, at))) is not None and len(digits) < 9:
            digits, at = digits + str(unit), at + 1
        if not digits and at < len(tokens) and tokens[at].is_digits:
            digits, at = tokens[at].word[:9], at + 1
        stop = at if digits else stop
    elif word_at(tokens, stop) == "and" and word_at(tokens, stop + 1) == "a" and word_at(tokens, stop + 2) == "half":
        return value + 0.5, stop + 3
    return (float(f"{value}.{digits}"), stop) if digits else (value, stop)


def find_numbers(text: str) -> tuple[Found[Number], ...]:
    """Every number said in `text`, in order: quantities, prices ("eighty five dollars" → 85), ordinals."""
    tokens = tokenise(text)
    result: list[Found[Number]] = []
    index = 0
    while index < len(tokens):
        place = ordinal(tokens, index)
        if place is not None:
            result.append(found(tokens, index, place[1], Number(place[0], ordinal=True)))
            index = place[1]
            continue
        whole = cardinal(tokens, index)
        if whole is None:
            index += 1
            continue
        value, stop = _decimal(tokens, whole)
        result.append(found(tokens, index, stop, Number(value)))
        index = stop
    return tuple(result)
