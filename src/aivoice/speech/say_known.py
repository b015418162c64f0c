"""Words whose reading depends on their neighbours: am and pm, St. and Dr., units behind numbers, months, letters."""

from __future__ import annotations

from aivoice.speech.context import Context, Word
from aivoice.speech.found import word_set
from aivoice.speech.say_words import (
    ABBREVIATIONS,
    COMPASS,
    FRACTIONS,
    FULL_WEEKDAYS,
    GLUED_ONLY,
    MONTHS,
    NAME_BEFORE,
    NEED_STOP,
    SHOUTED,
    STATES,
    STREET_AFTER,
    SYMBOLS,
    UNITS,
    WEEKDAYS,
)  # fmt: skip
from aivoice.speech.say_written import letters


def joins_numbers(word: Word, context: Context) -> bool:
    """The dash of "9 - 5" and "Mon – Fri"."""
    if word.raw not in ("-", "–", "—", "−"):
        return False
    before, after = context.before, context.after
    days = all(item.low in WEEKDAYS or item.low in FULL_WEEKDAYS for item in (before, after))
    halves = before.low in ("am", "pm", "a.m", "p.m")
    return days or ((before.numeric or halves) and after.numeric)


def known(word: Word, context: Context) -> str | None:
    """Words whose reading depends on their neighbours."""
    core, low = word.core, word.low
    if core in SYMBOLS:
        return SYMBOLS[core]
    if core in ("-", "—"):
        return "to" if joins_numbers(word, context) else ""
    if low in ("am", "pm", "a.m", "p.m") and (low != "am" or _is_half_day(word, context)):
        return letters(low)
    if core == "A":
        return "A" if _is_letter(word, context) else "a"
    if low == "no" and "." in word.tail and context.after.numeric:
        return "number"
    if (
        low in COMPASS
        and word.core.isupper()
        and (context.before.numeric or "." in word.tail)
        and context.after.capital
    ):
        return COMPASS[low]
    if core in STATES and "," in context.before.tail:
        return STATES[core]
    street = _street_or_name(word, context)
    if street is not None:
        return street
    if low in MONTHS and word.capital and (context.after.numeric or context.before.numeric or "." in word.tail):
        return MONTHS[low]
    if low in WEEKDAYS and _is_weekday(word, context):
        return WEEKDAYS[low]
    dotted = "." in word.tail and not context.last
    if low in UNITS and context.before.numeric and (low not in GLUED_ONLY or (dotted and low in ("in", "l", "h"))):
        return UNITS[low][0 if context.before.core in ("1", *FRACTIONS) else 1]
    if low in ABBREVIATIONS and (low not in NEED_STOP or "." in word.tail) and (core != "EST" and core != "MS"):
        return ABBREVIATIONS[low]
    return None


_LETTERED = word_set(
    "plan option type unit suite apartment apt vitamin hepatitis grade part letter group section exhibit"
)


def _is_letter(word: Word, context: Context) -> bool:
    """Whether a capital A names the letter: "Plan A", "A B C", or nothing follows it."""
    single = any(
        len(item.core) == 1 and item.core.isupper() and item.core != "I" for item in (context.before, context.after)
    )
    return single or context.before.low in _LETTERED or bool(word.stop) or context.last


_AFTER_HALF_DAY = FULL_WEEKDAYS | word_set("on to and or until till at tomorrow today for with is then")


def _is_half_day(word: Word, context: Context) -> bool:
    """ "am" behind a time, or in capitals, is half of the day; otherwise it is the verb.

    A clause that begins with it, nothing being known of the one before, was most likely cut behind a time.
    """
    if context.index == 0 and not word.capital:
        return context.after.low in _AFTER_HALF_DAY or bool(word.stop)
    return (context.before.numeric and context.before.low != "am") or word.core.isupper() or word.low == "a.m"


def _street_or_name(word: Word, context: Context) -> str | None:
    """ "Main St." and "12 Harbour Dr." against "St. Mark's" and "Dr. Okafor"."""
    low = word.low
    if low not in STREET_AFTER and low not in NAME_BEFORE:
        return None
    if not word.capital:
        return None
    named = context.before.capital and not context.before.stop and context.before.low not in SHOUTED
    numbered = any(context.at(offset).numeric for offset in (-2, -3, -4)) or context.before.low.endswith(
        ("st", "nd", "rd", "th")
    )
    follows = context.after.capital and "," not in word.tail
    if (
        low in STREET_AFTER
        and (named or context.before.numeric)
        and (numbered or not follows or low not in NAME_BEFORE)
    ):
        return STREET_AFTER[low]
    if low in NAME_BEFORE and follows:
        return NAME_BEFORE[low]
    return STREET_AFTER[low] if low in STREET_AFTER and named else None


_DAY_NEAR = FULL_WEEKDAYS | {"closed", "open", "morning", "afternoon", "evening"}


def _is_weekday(word: Word, context: Context) -> bool:
    if not word.capital:
        return False
    if word.low not in ("sat", "sun", "wed"):
        return True
    near = (context.before, context.after)
    return "." in word.tail or any(item.numeric or item.low in _DAY_NEAR or item.low in WEEKDAYS for item in near)
