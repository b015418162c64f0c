"""Written forms of one word to speech: addresses, phone numbers, money, dates, times, ranges. Each rule gives the
spoken
text or None; `RULES` lists them in the order in which they are tried."""

from __future__ import annotations

import re

from aivoice.speech import say_numbers as n
from aivoice.speech.context import Context
from aivoice.speech.say_words import (
    EXTENSIONS,
    FRACTIONS,
    FULL_WEEKDAYS,
    MONTH_NAMES,
)  # fmt: skip

_MARKS = {".": "dot", "_": "underscore", "-": "dash", "+": "plus", "/": "slash", "@": "at", ":": "colon", "~": "tilde",
          "?": "question mark", "=": "equals", "&": "and", "#": "hash", "%": "percent"}  # fmt: skip
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")
_URL = re.compile(r"(?:https?://)?(?:[a-z0-9-]+\.)+[a-z]{2,18}(?::[0-9]+)?(?:/\S*)?", re.IGNORECASE)
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)


def letters(text: str) -> str:
    """Letter by letter, as capitals: "ppo" → "P P O". A capital letter that stands alone is always a letter's name."""
    return " ".join(character.upper() for character in text if character.isalpha())


def _piece(text: str) -> str:
    """A run of letters in an address: said as a word where it can be, spelled otherwise."""
    if len(text) <= 2 or not _VOWEL.search(text):
        return letters(text)
    return text


def address(text: str) -> str:
    """The parts of an e-mail or web address with their marks named."""
    out: list[str] = []
    pieces = re.findall(r"[^\W\d_]+|[0-9]+|.", text)
    for index, piece in enumerate(pieces):
        if piece.isdigit():
            out.append(n.cardinal(piece) if len(piece) <= 2 and piece[0] != "0" else n.each(piece))
        elif piece.isalpha():
            after_dot = index > 0 and pieces[index - 1] == "."
            out.append(piece.lower() if after_dot and piece.lower() in EXTENSIONS else _piece(piece))
        elif piece in _MARKS:
            out.append(_MARKS[piece])
    return " ".join(out)


def email(core: str, _: Context) -> str | None:
    """ "anna.b@example.com" → "anna dot B at example dot com"."""
    return address(core) if _EMAIL.fullmatch(core) else None


def url(core: str, _: Context) -> str | None:
    """ "https://www.northside.example/book" → "northside dot example slash book"."""
    if "." not in core or not _URL.fullmatch(core) or core.lower() in ("a.m", "p.m", "e.g", "i.e"):
        return None
    bare = re.sub(r"^https?://", "", core, flags=re.IGNORECASE)
    known = bare.partition("/")[0].rpartition(".")[2].lower()
    dotted = bare.count(".") >= 2 or "/" in bare or "://" in core or known in EXTENSIONS or len(known) == 2
    if not dotted or re.fullmatch(r"(?:[a-z]\.)+[a-z]{1,2}", bare, re.IGNORECASE):
        return None
    return address(re.sub(r"^www\.", "", bare, flags=re.IGNORECASE).rstrip("/"))


_DIGIT_GROUPS = re.compile(r"\+?[0-9(][0-9().\-/]*[0-9]")


def _group(digits: str) -> str:
    """One group of a number: "800" is a word, the rest is read digit by digit."""
    return "eight hundred" if digits == "800" else n.each(digits)


def phone(core: str, _: Context) -> str | None:
    """ "555-010-4477", "(555)010-4477", "+15550104477", "5550104477": digits with a pause between groups."""
    digits = re.sub(r"[^0-9]", "", core)
    if (
        not 7 <= len(digits) <= 20
        or not _DIGIT_GROUPS.fullmatch(core)
        or _DATE.fullmatch(core)
        or _YEAR_LAST.fullmatch(core)
        or "/" in core
    ):
        return None
    groups = [part for part in re.split(r"[^0-9]+", core) if part]
    if len(groups) == 2 and "." in core and len(groups[1]) <= 3 and "(" not in core:
        return None  # a decimal
    plus = "plus " if core.startswith("+") else ""
    return plus + (n.grouped(digits) if len(groups) == 1 else ", ".join(_group(group) for group in groups))


_DATE = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-.])([0-9]{1,2})\2([0-9]{4})")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})(?:/([0-9]{4}|[0-9]{2}))?")


def _day(month: int, day: int, year: str = "") -> str:
    said = f"{MONTH_NAMES[month - 1]} {n.ordinal(str(day))}"
    return f"{said}, {n.year(year if len(year) == 4 else '20' + year)}" if year else said


def date(core: str, context: Context) -> str | None:
    """ "2026-11-24", "11/24", "11/24/2026" (month first, unless only day first makes a date)."""
    match = _DATE.fullmatch(core)
    if match and 1 <= int(match[3]) <= 12 and 1 <= int(match[4]) <= 31:
        return _day(int(match[3]), int(match[4]), match[1])
    match = _YEAR_LAST.fullmatch(core)
    if match:
        one, other = int(match[1]), int(match[3])
        month, day = (other, one) if match[2] == "." or one > 12 else (one, other)
        return _day(month, day, match[4]) if 1 <= month <= 12 and 1 <= day <= 31 else None
    match = _SLASHED.fullmatch(core)
    if not match or core == "24/7":
        return None
    first, second, year = int(match[1]), int(match[2]), match[3] or ""
    dated = context.before.low in ("on", "by", "until", "from", "before", "after", "for") or bool(year)
    if core in FRACTIONS and not dated and context.before.low not in FULL_WEEKDAYS:
        return None
    if 1 <= first <= 12 and 1 <= second <= 31:
        return _day(first, second, year)
    return _day(second, first, year) if 1 <= second <= 12 and 1 <= first <= 31 else None


TIME = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?::[0-9]{2})?(?:([ap])\.?m)?", re.IGNORECASE)
_HOUR = re.compile(r"([0-9]{1,2})([ap])\.?m", re.IGNORECASE)


def clock(hour: int, minute: int, half: str) -> str:
    """half: "A M", "P M" or "" for none. "nine thirty A M", "nine o'clock", "nine oh five"."""
    said = n.cardinal(str(hour))
    if minute:
        said += f" oh {n.cardinal(str(minute))}" if minute < 10 else f" {n.cardinal(str(minute))}"
    elif not half:
        said += " o'clock"
    return f"{said} {half}" if half else said


def _half_follows(context: Context) -> bool:
    return context.after.low in ("am", "pm", "a.m", "p.m", "a", "p") and (
        context.after.low not in ("a", "p") or context.at(2).low == "m"
    )


def time(core: str, context: Context, *, day_clock: bool = False) -> str | None:
    """ "9:30am", "9:30", "14:00" (said as two P M), "9am". day_clock: 24-hour, whatever the hour looks like."""
    match = _HOUR.fullmatch(core)
    if match and 1 <= int(match[1]) <= 12:
        return clock(int(match[1]), 0, match[2].upper() + " M")
    match = TIME.fullmatch(core)
    if not match or ("." in core[:3] and not match[3] and not _half_follows(context)):
        return None
    hour, minute, half = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return None
    if half and 1 <= hour <= 12:
        return clock(hour, minute, half.upper() + " M")
    followed = _half_follows(context)
    if day_clock or hour > 12 or hour == 0 or (match[1].startswith("0") and not followed):
        return clock(hour % 12 or 12, minute, "P M" if 12 <= hour < 24 else "A M")
    if followed:
        return clock(hour, minute, "A M").removesuffix(" A M")
    return clock(hour, minute, "")
