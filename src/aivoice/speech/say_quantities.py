"""Written quantities of one word to speech: money, ranges, percents, numbers where they stand, units, fractions.

`RULES` lists every rule for written forms in the order in which they are tried."""

from __future__ import annotations

import re

from aivoice.speech import say_numbers as n
from aivoice.speech.context import Context
from aivoice.speech.found import word_set
from aivoice.speech.say_words import (
    CURRENCIES,
    FRACTIONS,
    FULL_MONTHS,
    FULL_WEEKDAYS,
    MAGNITUDES,
    MONTHS,
    PER,
    STREET_WORDS,
    UNITS,
    WEEKDAYS,
)  # fmt: skip
from aivoice.speech.say_written import TIME, date, email, phone, time, url

_MONEY = re.compile(
    r"([-+]?)(?:US|CA|AU|C|A)?([$£€¥₹])([0-9][0-9,]*|(?=\.[0-9]))(?:\.([0-9]{1,3}))?(k|m|bn|mm)?(\+|(?:/|-per-)[a-z]+)?",
    re.IGNORECASE,
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
_ENDS = re.compile(
    r"[$£€]?[0-9][0-9,.:]*(?:[ap]\.?m|%|k|st|nd|rd|th|°[fc]?|\+)?(?:/[a-z]+)?|noon|midnight", re.IGNORECASE
)


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
        (m := TIME.fullmatch(end)) and not m[3] and (int(m[1]) > 12 or m[1][0] == "0") for end in (left, right)
    )
    said = [_end(left, context, bool(day_clock)), _end(right, context, bool(day_clock))]
    if left == right:
        return f"{said[0]} {said[1]}"  # fifty fifty
    return f"{said[0]} to {said[1]}" if said[0] and said[1] else None


def _end(text: str, context: Context, day_clock: bool) -> str | None:
    if text.isalpha():
        return text.lower()
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
_CODES = word_set("zip code postcode pin account reference id invoice order extension ext text dial")
_YEARS = word_set("in since from until of year before after by spring summer fall autumn winter early late mid")


def number(core: str, context: Context) -> str | None:
    """Plain numbers, by where they stand: day of a month, year, house number, code, quantity."""
    match = _PLAIN.fullmatch(core)
    if not match or not (match[2] or match[3]):
        return None
    sign = {"-": "minus ", "+": "plus "}.get(match[1], "")
    whole, fraction = match[2], match[3]
    if fraction:
        return sign + n.decimal(whole + fraction)
    if re.fullmatch(r"[2-9]11", whole):
        return n.each(whole)  # 911, 411
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
    if len(whole) in (3, 4) and (before.low in _NUMBERED or _is_house(context)):
        return n.house(whole)
    if (len(whole) > 1 and whole[0] == "0") or len(whole) >= 7:
        return n.grouped(whole) if len(whole) >= 7 else n.each(whole)
    return n.cardinal(whole)


_NUMBERED = word_set("room suite unit apartment apt flight gate bus route highway hwy flat")


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


def fraction(core: str, context: Context) -> str | None:
    """ "1/2", "2 1/2", "2½", "24/7", "50/50", "4.5/5"."""
    whole, dot, part = core.partition("·")
    if dot and whole.isdigit() and part in FRACTIONS:
        return f"{n.cardinal(whole)} and {_part(part)}"
    if core in FRACTIONS and context.before.core.isdigit() and not context.before.stop:
        return f"and {_part(core)}"
    if core == "24/7":
        return "twenty four seven"
    if core in FRACTIONS:
        return FRACTIONS[core]
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)/([0-9]+)", core)
    if not match:
        return None
    joint = " " if match[1] == match[2] else " out of "
    return n.decimal(match[1]) + joint + n.cardinal(match[2])


def _part(text: str) -> str:
    said = FRACTIONS[text]
    return "a " + said.removeprefix("one ") if said.startswith("one ") else said


def inches(core: str, _: Context) -> str | None:
    """5'10" is five foot ten."""
    match = re.fullmatch(r"([0-9]{1,2})'([0-9]{1,2})\"?", core)
    return f"{n.cardinal(match[1])} foot {n.cardinal(match[2])}" if match else None


def marked(core: str, _: Context) -> str | None:
    """ "1,000+", "~20": numbers with a mark before or behind."""
    match = re.fullmatch(r"(~?)([0-9][0-9,]*(?:\.[0-9]+)?)(\+?)", core)
    if not match or not (match[1] or match[3]):
        return None
    return ("about " if match[1] else "") + n.decimal(match[2]) + (" plus" if match[3] else "")


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
    inches, marked,
    email, url, date, time, money, magnitude, percent, phone, span, ordinal, number, fraction, decade, with_unit,
    numbered,
)  # fmt: skip
