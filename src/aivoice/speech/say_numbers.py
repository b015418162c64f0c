"""Numbers to words, as an American receptionist says them: no "and", no hyphens, "oh" for zero among digits."""

from __future__ import annotations

from functools import lru_cache

from num2words import num2words  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

DIGITS = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LONGEST = 15
"""Digits of the longest number that is said as a quantity; longer ones are read digit by digit."""


@lru_cache(maxsize=4096)
def _words(value: int, kind: str) -> str:
    text = str(num2words(value, to=kind))
    return " ".join(text.replace("-", " ").replace(",", " ").replace(" and ", " ").split())


def cardinal(digits: str) -> str:
    """ "1250" → "one thousand two hundred fifty". ASCII digits, commas allowed."""
    plain = digits.replace(",", "").lstrip("0") or "0"
    return each(plain) if len(plain) > LONGEST else _words(int(plain), "cardinal")


def ordinal(digits: str) -> str:
    """ "24" → "twenty fourth"."""
    plain = digits.replace(",", "").lstrip("0") or "0"
    return each(plain) if len(plain) > LONGEST else _words(int(plain), "ordinal")


def year(digits: str) -> str:
    """ "2026" → "twenty twenty six", "1905" → "nineteen oh five", "2000" → "two thousand"."""
    return _words(int(digits[:4]), "year")


def each(digits: str) -> str:
    """Digit by digit: "0142" → "oh one four two"."""
    return " ".join(DIGITS[int(digit)] for digit in digits if digit.isascii() and digit.isdigit())


def decimal(text: str) -> str:
    """ "3.50" → "three point five oh", "1,250.5" → "one thousand two hundred fifty point five", "7" → "seven"."""
    whole, dot, fraction = text.partition(".")
    said = cardinal(whole) if whole else "zero"
    return f"{said} point {each(fraction)}" if dot and fraction else said


def house(digits: str) -> str:
    """A house number: "1250" → "twelve fifty", "105" → "one oh five", "1200" → "twelve hundred"."""
    plain = digits.lstrip("0") or "0"
    head, tail = plain[:-2], plain[-2:]
    if len(plain) < 3 or len(plain) > 4:
        return cardinal(plain) if len(plain) < 3 else each(plain)
    if tail == "00":
        return cardinal(head) + " hundred" if head[-1] != "0" else cardinal(plain)
    return f"{cardinal(head)} {'oh ' + DIGITS[int(tail[1])] if tail[0] == '0' else cardinal(tail)}"


def plural_year(digits: str) -> str:
    """ "1990" → "nineteen nineties"."""
    said = year(digits)
    return said[:-1] + "ies" if said.endswith("y") else said + "s"


def grouped(digits: str) -> str:
    """A telephone-like run of digits in the groups a person says, commas between: "5550104477" → "five five five,
    …"."""
    sizes = {7: (3, 4), 10: (3, 3, 4)}.get(len(digits))
    if sizes is None and len(digits) == 11:
        sizes = (1, 3, 3, 4) if digits[0] == "1" else (5, 3, 3)
    if sizes is None:
        sizes = tuple(3 for _ in range(len(digits) // 3))
        rest = len(digits) % 3
        if rest == 1 and sizes:
            sizes = (*sizes[:-1], 4)
        elif rest:
            sizes = (*sizes, rest)
    groups: list[str] = []
    at = 0
    for size in sizes:
        groups.append(each(digits[at : at + size]))
        at += size
    return ", ".join(groups)
