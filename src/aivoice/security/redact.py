"""Card numbers and other secrets out of text, before it is stored or logged. Pure, in time linear in the text.

In a secret's place stands something of the same length, with as many figures and number words in the same order: every
figure is ``1``, and number words share their letters evenly, so that how long each one was does not tell which it was.
A redacted journal replays alike, and a placeholder is never a secret itself.

Cards are 13 to 19 digits with a right check digit (Luhn, ISO/IEC 7812-1), however they are grouped, in figures, in
English words or both. The whole stretch of digits they stand in goes (expiry, security code); most stretches of 16
digits and more that hold no card have a right check digit somewhere too, and go with them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

KINDS: Final = ("card", "cvv", "ssn")
SHORTEST, LONGEST = 13, 19

_UNITS = {
    "zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TEENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
_TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fourty": "4", "fifty": "5", "sixty": "6", "seventy": "7",
    "eighty": "8", "ninety": "9",
}  # fmt: skip
_TIMES = {"double": 2, "triple": 3}
NUMBER_WORDS: Final = frozenset((*_UNITS, *_TEENS, *_TENS, *_TIMES))

_TOKEN = re.compile(r"\d|[A-Za-z]+|\s+|[^\s\dA-Za-z]")
_NUMBER_TOKEN = re.compile(r"\d|[A-Za-z]+")
_BETWEEN = frozenset(",.-–—/_'()+:…·*")
_FILLERS = frozenset(("and", "then", "dash", "um", "uh", "er"))
_SAID = r"[^0-9A-Za-z]{0,4}(?:(?:is|are|number|its|it's|code|um|uh)\b[^0-9A-Za-z]{0,4}){0,3}"
"""What stands between the name of a secret and the secret."""
_CVV = re.compile(
    rf"\b(?:cvv2?|cvc2?|security code|card code|verification code|digits on the back)\b{_SAID}", re.IGNORECASE
)
_SSN = re.compile(r"(?<![0-9])[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}(?![0-9])")
_SSN_NAMED = re.compile(rf"\bsocial(?: security)?\b{_SAID}", re.IGNORECASE)
_CODE, _LAST_FOUR = 3, 4
"""Digits of the shortest security code, and of what is asked of a social security number."""
_PHONE = 10
"""Digits of the shortest phone number that is written with 00 for its +."""
_PHONE_BEFORE = re.compile(r"(?:\+|\bplus)\s*$", re.IGNORECASE)
_IN_PLACE = (  # by length: a number word, and another one where the first would make a card again
    (), ("o",), ("oh",), ("one", "two"), ("nine", "four"), ("three", "seven"), ("eleven", "twelve"),
    ("fifteen", "sixteen"), ("thirteen", "fourteen"), ("seventeen",),
)  # fmt: skip
_CHOICES = 8


@dataclass(frozen=True, slots=True)
class Number:
    """A stretch of digits at text[start:end], with nothing but separators and hesitation between them.

    begins, ends: whether nothing else stands before, or behind it, in the text. phone: written like an international
    phone number.
    """

    start: int
    end: int
    digits: str
    begins: bool
    ends: bool
    phone: bool


def redact(text: str, kinds: Iterable[str] = KINDS) -> str:
    """`text` without the secrets of these kinds. Once is enough: again, it changes nothing."""
    if not holds_number(text):
        return text
    wanted = frozenset(kinds)
    codes = {match.end() for match in _CVV.finditer(text)} if "cvv" in wanted else set[int]()
    socials = {match.end() for match in _SSN_NAMED.finditer(text)} if "ssn" in wanted else set[int]()
    plain = [match.start() for match in _SSN.finditer(text)] if "ssn" in wanted else []

    def is_secret(number: Number) -> bool:
        digits = len(number.digits)
        at = bisect_left(plain, number.start)
        return (
            ("card" in wanted and _holds_card(number))
            or (digits >= _CODE and number.start in codes)
            or (digits >= _LAST_FOUR and number.start in socials)
            or (at < len(plain) and plain[at] < number.end)
        )

    return without(text, filter(is_secret, numbers(text)))


def masked(text: str, choice: int = 0) -> str:
    """Every digit and number word of it in the form of a placeholder. choice: another set of words, 0 to 7."""
    words = [len(word) for word in re.findall("[A-Za-z]+", text) if word.lower() in NUMBER_WORDS]
    lengths = iter(_shared(sum(words), len(words)))
    place = 0

    def placed(match: re.Match[str]) -> str:
        nonlocal place
        token = match[0]
        if len(token) == 1 and token.isdecimal():
            return "1"
        if token.lower() not in NUMBER_WORDS:
            return token
        offered = _IN_PLACE[next(lengths)]
        word = offered[(choice >> place % 3 & 1) % len(offered)]
        place += 1
        return word.upper() if token.isupper() and len(token) > 1 else word.capitalize() if token[0].isupper() else word

    return _NUMBER_TOKEN.sub(placed, text)


def without(text: str, found: Iterable[Number]) -> str:
    """`text` with placeholders for these numbers of it, in order."""
    made: list[str] = []
    at = 0
    for number in found:
        made += (text[at : number.start], _hidden(text[number.start : number.end]))
        at = number.end
    return "".join((*made, text[at:])) if made else text


def holds_number(text: str) -> bool:
    """Whether a digit or a number word is in it."""
    return any(token.isdecimal() or token.lower() in NUMBER_WORDS for token in _NUMBER_TOKEN.findall(text))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def numbers(text: str) -> list[Number]:
    """Every stretch of digits in it, in order. One digit is one too."""
    found: list[Number] = []
    run: list[tuple[int, int, str]] = []
    first, times, times_at = True, 1, 0

    def close(ends: bool) -> None:
        nonlocal run, first
        if run:
            # "forty" with nothing behind it is 40
            whole = "".join(digits for _, _, digits in run).replace("_", "0")
            start = run[0][0]
            phone = (whole.startswith("00") and len(whole) >= _PHONE) or _PHONE_BEFORE.search(
                text[max(0, start - 8) : start]
            )
            found.append(Number(start, run[-1][1], whole, first, ends, bool(phone)))
            run = []
        first = False

    for match in _TOKEN.finditer(text):
        token = match[0]
        lower = token.lower()
        digits = str(int(token)) if token.isdecimal() else _UNITS.get(lower) or _TEENS.get(lower) or ""
        if digits:
            open_tens = bool(run) and run[-1][2].endswith("_")
            if open_tens and lower in _UNITS and digits != "0" and times == 1:
                run[-1] = (run[-1][0], match.end(), run[-1][2][0] + digits)
            else:
                run.append((times_at if times > 1 else match.start(), match.end(), digits * times))
        elif lower in _TENS:
            run.append((times_at if times > 1 else match.start(), match.end(), _TENS[lower] + "_"))
        elif lower in _TIMES:
            times, times_at = _TIMES[lower], match.start() if times == 1 else times_at
            continue
        elif token in _BETWEEN or token.isspace() or lower in _FILLERS:
            continue
        else:
            close(ends=False)
        times = 1
    close(ends=True)
    return found


def _holds_card(number: Number) -> bool:
    """Whether digits of it that follow one another are a card's."""
    sums: tuple[list[int], list[int]] = ([0], [0])  # from the beginning: every second digit doubled, either way
    for end, digit in enumerate(map(int, number.digits), 1):
        doubled = digit * 2 - 9 if digit > 4 else digit * 2
        for way in (0, 1):
            sums[way].append(sums[way][-1] + (digit if end % 2 == way else doubled))
        of = sums[end % 2]  # this digit, the last one, is not doubled
        for start in range(max(0, end - LONGEST), end - SHORTEST + 1):
            if (of[end] - of[start]) % 10 == 0:
                return True
    return False


def _hidden(stretch: str) -> str:
    """In the form of placeholders that are no card, whatever words that takes."""
    for choice in range(_CHOICES):
        made = masked(stretch, choice)
        if not any(_holds_card(number) for number in numbers(made)):
            return made
    # No digit is left of the words, and figures that are all 1 have no right check digit at any length of a card.
    return _NUMBER_TOKEN.sub(lambda match: _crossed_out(match[0]), stretch)


def _crossed_out(token: str) -> str:
    if token.isdecimal():
        return "1"
    return "x" * len(token) if token.lower() in NUMBER_WORDS else token


def _shared(letters: int, words: int) -> Iterator[int]:
    """Lengths of so many words, as even as they can be."""
    if words:
        each, more = divmod(letters, words)
        yield from (each + (place < more) for place in range(words))
