"""Written forms of one word to speech: addresses, phone numbers, money, dates, times, ranges. Each rule gives the
spoken
text or None; `RULES` lists them in the order in which they are tried."""

from __future__ import annotations

import re

from aivoice.speech import say_numbers as n
from aivoice.speech.context import Context
from aivoice.speech.say_words import (
    CURRENCIES,
    EXTENSIONS,
    FRACTIONS,
    FULL_MONTHS,
    FULL_WEEKDAYS,
    MAGNITUDES,
    MONTH_NAMES,
    MONTHS,
    PER,
    STREET_WORDS,
    UNITS,
    WEEKDAYS,
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


def phone(core: str, _: Context) -> str | None:
    """ "555-010-4477", "(555)010-4477", "+15550104477", "5550104477": digits with a pause between groups."""
    digits = re.sub(r"[^0-9]", "", core)
    if not 7 <= len(digits) <= 20 or not _DIGIT_GROUPS.fullmatch(core) or _DATE.fullmatch(core) or "/" in core:
        return None
    groups = [part for part in re.split(r"[^0-9]+", core) if part]
    if len(groups) == 2 and "." in core and len(groups[1]) <= 3 and "(" not in core:
        return None  # a decimal
    plus = "plus " if core.startswith("+") else ""
    return plus + (n.grouped(digits) if len(groups) == 1 else ", ".join(n.each(group) for group in groups))


_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})(?:/([0-9]{4}|[0-9]{2}))?")


def _day(month: int, day: int, year: str = "") -> str:
    said = f"{MONTH_NAMES[month - 1]} {n.ordinal(str(day))}"
    return f"{said}, {n.year(year if len(year) == 4 else '20' + year)}" if year else said


def date(core: str, context: Context) -> str | None:
    """ "2026-11-24", "11/24", "11/24/2026" (month first, unless only day first makes a date)."""
    match = _DATE.fullmatch(core)
    if match and 1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31:
        return _day(int(match[2]), int(match[3]), match[1])
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


_TIME = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?::[0-9]{2})?(?:([ap])\.?m)?", re.IGNORECASE)
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
    match = _TIME.fullmatch(core)
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


_MONEY = re.compile(
    r"([-+]?)([$£€¥₹])([0-9][0-9,]*|(?=\.[0-9]))(?:\.([0-9]{1,3}))?(k|m|bn|mm)?(\+|(?:/|-per-)[a-z]+)?", re.IGNORECASE
)
_SCALE = {"k": "thousand", "m": "million", "mm": "million", "bn": "billion"}


def money(core: str, context: Context) -> str | None:
    """ "$85", "$1,250.50", "$85/hr", "$1.5" before "million" (the dollars are then said behind it)."""
    match = _MONEY.fullmatch(core)
    if not match:
        return None
    sign, symbol, whole, fraction, scale, rest = match.groups()
    one, many, cent, cents = CURRENCIES[symbol]
    prefix = "minus " if sign == "-" else ""
    after = ""
    if rest:
        after = " plus" if rest == "+" else f" per {PER.get(rest[1:].lower().removeprefix('per-'), rest[1:])}"
    value = whole.replace(",", "") or "0"
    if scale or context.after.low in MAGNITUDES:
        said = n.decimal(value + (f".{fraction}" if fraction else ""))
        return prefix + said + (f" {_SCALE[scale.lower()]} {many}" if scale else "") + after
    if fraction and len(fraction) != 2:
        return f"{prefix}{n.decimal(f'{value}.{fraction}')} {many}{after}"
    amount = f"{n.cardinal(value)} {one if value == '1' else many}"
    small = f"{n.cardinal(fraction)} {cent if fraction == '01' else cents}" if fraction and int(fraction) else ""
    if small:
        amount = small if not int(value) else f"{amount} and {small}"
    return prefix + amount + after


def magnitude(core: str, context: Context) -> str | None:
    """ "million" behind "$1.5" takes the dollars."""
    if core.lower() not in MAGNITUDES:
        return None
    match = _MONEY.fullmatch(context.before.core)
    return f"{core} {CURRENCIES[match[2]][1]}" if match and not match[5] else None


_RANGE = re.compile(r"([^-]+)-([^-]+)")
_ENDS = re.compile(r"[$£€]?[0-9][0-9,.:]*(?:[ap]\.?m|%|k|st|nd|rd|th|°[fc]?|\+)?(?:/[a-z]+)?", re.IGNORECASE)


def span(core: str, context: Context) -> str | None:
    """ "9-5", "9am-5pm", "9:00-17:00", "$50-$75", "5-10%", "Mon-Fri", "1990-2000"."""
    match = _RANGE.fullmatch(core)
    if not match:
        return None
    left, right = match[1], match[2]
    if _is_day(left) and _is_day(right):
        return f"{_named_day(left)} to {_named_day(right)}"
    if not (_ENDS.fullmatch(left) and _ENDS.fullmatch(right)):
        return None
    if left[0] in CURRENCIES and right[0] not in CURRENCIES:
        right = left[0] + right
        left = left[1:]
    elif left[0] in CURRENCIES and right[0] == left[0]:
        left = left[1:]
    day_clock = any(
        (m := _TIME.fullmatch(end)) and not m[3] and (int(m[1]) > 12 or m[1][0] == "0") for end in (left, right)
    )
    said = [_end(left, context, bool(day_clock)), _end(right, context, bool(day_clock))]
    return f"{said[0]} to {said[1]}" if said[0] and said[1] else None


def _end(text: str, context: Context, day_clock: bool) -> str | None:
    for rule in (money, percent, ordinal):
        said = rule(text, context)
        if said is not None:
            return said
    said = time(text, context, day_clock=day_clock)
    if said is not None:
        return said.removesuffix(" o'clock")
    if len(text) == 4 and text.isdigit() and text[:2] in ("19", "20"):
        return n.year(text)
    return number(text, context)


def _is_day(text: str) -> bool:
    low = text.lower().rstrip(".")
    return low in WEEKDAYS or low in FULL_WEEKDAYS or low in MONTHS or low in FULL_MONTHS


def _named_day(text: str) -> str:
    low = text.lower().rstrip(".")
    return WEEKDAYS.get(low) or MONTHS.get(low) or text


def percent(core: str, _: Context) -> str | None:
    """ "20%", "12.5%"."""
    match = re.fullmatch(r"([-+]?)([0-9][0-9,]*(?:\.[0-9]+)?)%", core)
    if not match:
        return None
    return {"-": "minus ", "+": "plus "}.get(match[1], "") + n.decimal(match[2]) + " percent"


def ordinal(core: str, _: Context) -> str | None:
    """ "24th"."""
    match = re.fullmatch(r"([0-9][0-9,]*)(?:st|nd|rd|th)", core, re.IGNORECASE)
    return n.ordinal(match[1]) if match else None


_PLAIN = re.compile(r"([-+]?)([0-9]+(?:,[0-9]{3})*|(?=\.[0-9]))(\.[0-9]+)?")
_CODES = frozenset(
    {"zip", "code", "postcode", "pin", "account", "reference", "id", "invoice", "order", "extension", "ext"}
)
_YEARS = frozenset({"in", "since", "from", "until", "of", "year", "before", "after", "by", "spring", "summer", "fall",
                    "autumn", "winter", "early", "late", "mid"})  # fmt: skip


def number(core: str, context: Context) -> str | None:
    """Plain numbers, by where they stand: day of a month, year, house number, code, quantity."""
    match = _PLAIN.fullmatch(core)
    if not match or not (match[2] or match[3]):
        return None
    sign = {"-": "minus ", "+": "plus "}.get(match[1], "")
    whole, fraction = match[2], match[3]
    if fraction:
        return sign + n.decimal(whole + fraction)
    if sign or "," in whole:
        return sign + n.cardinal(whole)
    before = context.before
    month = before.low in FULL_MONTHS or before.low in MONTHS
    if month and before.capital and len(whole) <= 2 and 1 <= int(whole) <= 31:
        return n.ordinal(whole)
    if len(whole) <= 2 and context.after.capital and _month_after(context) and 1 <= int(whole) <= 31:
        return n.ordinal(whole)
    if len(whole) == 4 and 1900 <= int(whole) <= 2099 and _reads_as_year(context, month):
        return n.year(whole)
    if before.low in _CODES or (context.at(-2).low in _CODES and before.low in ("is", "number", "no")):
        return n.each(whole)
    if len(whole) == 5 and before.core.isupper() and len(before.core) == 2:
        return n.each(whole)
    if len(whole) in (3, 4) and _is_house(context):
        return n.house(whole)
    if (len(whole) > 1 and whole[0] == "0") or len(whole) >= 7:
        return n.grouped(whole) if len(whole) >= 7 else n.each(whole)
    return n.cardinal(whole)


def _month_after(context: Context) -> bool:
    return context.after.low in FULL_MONTHS or context.after.low in MONTHS


def _reads_as_year(context: Context, month: bool) -> bool:
    before = context.before
    if month or before.low in _YEARS:
        return not _is_house(context)
    two_back = context.at(-2)
    return (two_back.low in FULL_MONTHS or two_back.low in MONTHS) and bool(
        re.match(r"[0-9]{1,2}(st|nd|rd|th)?$", before.low)
    )


def _is_house(context: Context) -> bool:
    """Whether the next words look like a street: "1250 N. Main St."."""
    return context.after.capital and any(context.at(offset).low in STREET_WORDS for offset in (2, 3, 4))


_WITH_UNIT = re.compile(
    r"([-+]?[0-9][0-9,]*(?:\.[0-9]+)?|[0-9]+/[0-9]+)-?([^\W\d_]{1,5}|°[fc]?|['\"]|km/h)", re.IGNORECASE
)


def with_unit(core: str, context: Context) -> str | None:
    """ "5mi", "72°F", "30min", '1/2"', "20x"."""
    match = _WITH_UNIT.fullmatch(core)
    if not match or match[2].lower() not in UNITS:
        return None
    said = FRACTIONS.get(match[1]) or number(match[1], context)
    if said is None:
        return None
    return f"{said} {UNITS[match[2].lower()][0 if match[1] in ('1', '-1') or '/' in match[1] else 1]}"


def fraction(core: str, _: Context) -> str | None:
    """ "1/2", "24/7", "50/50", "4.5/5"."""
    if core == "24/7":
        return "twenty four seven"
    if core in FRACTIONS:
        return FRACTIONS[core]
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)/([0-9]+)", core)
    if not match:
        return None
    joint = " " if match[1] == match[2] else " out of "
    return n.decimal(match[1]) + joint + n.cardinal(match[2])


def decade(core: str, _: Context) -> str | None:
    """ "1990s", "90's"."""
    match = re.fullmatch(r"'?([0-9]{4}|[0-9]{2})'?s", core)
    if not match or match[1][-1] != "0":
        return None
    said = n.year(match[1]) if len(match[1]) == 4 else n.cardinal(match[1])
    return said[:-1] + "ies" if said.endswith("y") else said + "s"


def numbered(core: str, context: Context) -> str | None:
    """ "#5", "x12" behind a phone number."""
    match = re.fullmatch(r"#([0-9]{1,15})", core)
    if match:
        return "number " + (n.cardinal(match[1]) if len(match[1]) <= 3 and match[1][0] != "0" else n.each(match[1]))
    match = re.fullmatch(r"(?:x|ext\.?)([0-9]{1,6})", core, re.IGNORECASE)
    return f"extension {n.each(match[1])}" if match and context.before.numeric else None


RULES = (
    email, url, date, time, money, magnitude, percent, phone, span, ordinal, number, fraction, decade, with_unit,
    numbered,
)  # fmt: skip
