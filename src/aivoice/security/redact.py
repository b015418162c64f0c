"""Card numbers and other secrets out of text, before it is stored or logged. Pure.

What is put in their place has the same length and the same classes of characters (a digit for a digit, a number word
for a number word), so that a redacted journal replays alike, and is never a secret itself. Cards are 13 to 19 digits
with a right check digit (Luhn, ISO/IEC 7812-1), however they are grouped, in figures, in English words or both, and
whatever digits stand around them: most numbers of 16 digits that are no card have such a stretch too, and go with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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

_TOKEN = re.compile(r"[0-9]|[A-Za-z]+|[^\sA-Za-z0-9]|\s+")
_BETWEEN = re.compile(r"[\s,.\-–—/_'()+:]+")
_FILLERS = frozenset(("and", "then", "dash", "um", "uh", "er"))
_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_SAID = r"[^0-9A-Za-z]{0,4}(?:(?:is|number|its|it's|code)\b[^0-9A-Za-z]{0,4}){0,3}"
"""What stands between the name of a secret and the secret."""
_CVV = re.compile(
    rf"\b(?:cvv2?|cvc2?|security code|card code|verification code)\b{_SAID}"
    rf"(?P<secret>[0-9](?:[ -]?[0-9]){{2,3}}(?![0-9])|(?:{_WORD}\b[ ,-]{{0,2}}){{3,4}})",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![0-9])[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}(?![0-9])")
_SSN_NAMED = re.compile(
    rf"\bsocial(?: security)?\b{_SAID}"
    rf"(?P<secret>[0-9](?:[ -]?[0-9]){{8}}(?![0-9])|(?:{_WORD}\b[ ,-]{{0,2}}){{9}})",
    re.IGNORECASE,
)
_PATTERN_BITS = 7
_IN_PLACE = {  # a number word of each length, and another one where the first would make a card again
    1: ("o",), 2: ("oh",), 3: ("one", "two"), 4: ("nine", "four"), 5: ("three", "seven"), 6: ("eleven", "twelve"),
    7: ("fifteen", "sixteen"), 8: ("thirteen", "fourteen"), 9: ("seventeen",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Piece:
    """Digits that stand at text[start:end]. word: as a word."""

    start: int
    end: int
    digits: str
    word: bool


def redact(text: str, kinds: Iterable[str] = KINDS) -> str:
    """`text` without the secrets of these kinds. Once is enough: again, it changes nothing."""
    wanted = frozenset(kinds)
    if not any(character.isdigit() for character in text) and not _has_number_words(text):
        return text
    if "cvv" in wanted:
        text = _CVV.sub(lambda match: _within(match, "secret"), text)
    if "ssn" in wanted:
        text = _SSN_NAMED.sub(lambda match: _within(match, "secret"), text)
        text = _SSN.sub(lambda match: masked(match[0]), text)
    return _without_cards(text) if "card" in wanted else text


def masked(text: str) -> str:
    """Every digit and number word of it in the form of a placeholder."""
    return _TOKEN.sub(lambda match: _placed(match[0]), text)


def holds_number(text: str) -> bool:
    """Whether a digit or a number word is in it."""
    return any(character.isdigit() for character in text) or _has_number_words(text)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _has_number_words(text: str) -> bool:
    return any(word in NUMBER_WORDS for word in re.findall(r"[a-z]+", text.lower()))


def _within(match: re.Match[str], group: str) -> str:
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    whole = match[0]
    return whole[:start] + masked(whole[start:end]) + whole[end:]


def _placed(token: str, choice: int = 0) -> str:
    if token.isdigit():
        return "12"[choice % 2]
    lower = token.lower()
    if lower not in NUMBER_WORDS:
        return token
    words = _IN_PLACE[len(token)]
    found = words[choice % len(words)]
    return found.upper() if token.isupper() and len(token) > 1 else found.capitalize() if token[0].isupper() else found


def _without_cards(text: str) -> str:
    for _ in range(len(text) // SHORTEST + 2):  # what replaces a card is none, and makes none with what is around it
        found = _first_card(text)
        if found is None:
            return text
        text = _replaced(text, found)
    return text


def _replaced(text: str, card: list[_Piece]) -> str:
    """The card's pieces by placeholders that make no card, by whatever pattern of them does not."""
    before, after = text[: card[0].start], text[card[-1].end :]
    for pattern in range(2**_PATTERN_BITS):
        made = before
        at = card[0].start
        for place, piece in enumerate(card):
            made += text[at : piece.start] + _in_place(text[piece.start : piece.end], pattern >> place % _PATTERN_BITS)
            at = piece.end
        if _first_card(made + after) is None:
            return made + after
    return before + re.sub("[A-Za-z]", "x", re.sub("[0-9]", "1", text[card[0].start : card[-1].end])) + after


def _in_place(piece: str, choice: int) -> str:
    return _TOKEN.sub(lambda match: _placed(match[0], choice), piece)


def _first_card(text: str) -> list[_Piece] | None:
    for run in _runs(text):
        counts = [len(piece.digits) for piece in run]
        if sum(counts) < SHORTEST:
            continue
        for first in range(len(run)):
            digits = ""
            longest: int | None = None
            for last in range(first, len(run)):
                digits += run[last].digits
                if len(digits) > LONGEST:
                    break
                if len(digits) >= SHORTEST and luhn(digits):
                    longest = last
            if longest is not None:
                return run[first : longest + 1]
    return None


def _runs(text: str) -> list[list[_Piece]]:
    """Stretches of digits with nothing but separators and hesitation between them."""
    runs: list[list[_Piece]] = []
    run: list[_Piece] = []
    times, times_at = 1, -1
    for match in _TOKEN.finditer(text):
        token = match[0]
        lower = token.lower()
        digits = token if token.isdigit() else _UNITS.get(lower) or _TEENS.get(lower) or ""
        if digits:
            open_tens = bool(run) and run[-1].digits.endswith("_")
            if open_tens and lower in _UNITS and digits != "0" and times == 1:
                tens = run[-1]
                run[-1] = _Piece(tens.start, match.end(), tens.digits[0] + digits, True)
                continue
            start = times_at if times > 1 else match.start()
            run.append(_Piece(start, match.end(), digits * times, not token.isdigit()))
        elif lower in _TENS:
            run.append(_Piece(match.start(), match.end(), _TENS[lower] + "_", True))
        elif lower in _TIMES:
            times, times_at = _TIMES[lower], match.start()
            continue
        elif _BETWEEN.fullmatch(token) or lower in _FILLERS:
            continue
        elif run:
            runs.append(_settled(run))
            run = []
        times = 1
    if run:
        runs.append(_settled(run))
    return runs


def _settled(run: list[_Piece]) -> list[_Piece]:
    """ "forty" with nothing behind it is 40."""
    return [
        _Piece(piece.start, piece.end, piece.digits.replace("_", "0"), piece.word) if "_" in piece.digits else piece
        for piece in run
    ]
