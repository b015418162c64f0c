"""Spoken dates to calendar days: "tomorrow afternoon", "next Wednesday", "november twenty fourth", "the 24th", "11/24".

`find_dates(text, reference)`; `reference` is the caller's date today. Rules (the receptionist reads dates back, so a
wrong guess is heard): a bare weekday is the next one strictly after today; "this <weekday>" may be today; "next
<weekday>" is that day of the next calendar week (Monday first); a month and day without a year is the next such day,
today included; "11/24" is month first unless only day-first makes a date; "the 24th" is the next 24th.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

from aivoice.speech.found import Found, Token, drop_overlaps, found, is_negated, tokenise, word_at, words_at
from aivoice.speech.parse_holidays import holiday
from aivoice.speech.parse_numbers import cardinal, ordinal, small

PartOfDay = Literal["", "morning", "midday", "afternoon", "evening"]

WEEKDAYS = {
    "monday": 0, "mon": 0, "tuesday": 1, "tue": 1, "tues": 1, "wednesday": 2, "wed": 2, "weds": 2, "thursday": 3,
    "thu": 3, "thur": 3, "thurs": 3, "friday": 4, "fri": 4, "saturday": 5, "sat": 5, "sunday": 6, "sun": 6,
}  # fmt: skip
MONTHS = {
    "january": 1, "jan": 1, "february": 2, "feb": 2, "march": 3, "mar": 3, "april": 4, "apr": 4, "may": 5, "june": 6,
    "jun": 6, "july": 7, "jul": 7, "august": 8, "aug": 8, "september": 9, "sep": 9, "sept": 9, "october": 10,
    "oct": 10, "november": 11, "nov": 11, "december": 12, "dec": 12,
}  # fmt: skip
# Words that are also something else: read as a day or a month only where a number stands beside them.
_SHAKY = frozenset({"sat", "sun", "mon", "wed", "may", "mar", "march", "dec", "jan", "sep"})
PARTS: dict[str, PartOfDay] = {
    "morning": "morning", "mornings": "morning", "breakfast": "morning", "midday": "midday", "lunchtime": "midday",
    "lunch": "midday", "afternoon": "afternoon", "afternoons": "afternoon", "evening": "evening",
    "evenings": "evening", "night": "evening", "tonight": "evening",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DateSpan:
    """The days meant: `first` … `last`, both included, equal for one day ("next week" is seven, "the weekend" two).

    part: the part of day said with it. mismatch: a weekday was said that this date does not fall on ("Tuesday the
    25th" when the 25th is a Wednesday): ask. open_start: "after Tuesday", "from Monday on": any day from `first`.
    """

    first: dt.date
    last: dt.date
    part: PartOfDay = ""
    mismatch: bool = False
    open_start: bool = False

    @property
    def single(self) -> bool:
        return self.first == self.last and not self.open_start


_Hit = tuple[DateSpan, int]


def _one(day: dt.date, part: PartOfDay = "") -> DateSpan:
    return DateSpan(day, day, part)


def _shift(reference: dt.date, days: int) -> dt.date:
    try:
        return reference + dt.timedelta(days=days)
    except OverflowError:
        return reference


def _make(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _next_month_day(reference: dt.date, month: int, day: int) -> dt.date | None:
    for year in range(reference.year, reference.year + 9):  # 9 years reach the next 29 February
        made = _make(year, month, day)
        if made is not None and made >= reference:
            return made
    return None


def _next_day_of_month(reference: dt.date, day: int) -> dt.date | None:
    for ahead in range(13):
        month = reference.month - 1 + ahead
        made = _make(reference.year + month // 12, month % 12 + 1, day)
        if made is not None and made >= reference:
            return made
    return None


def _year(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    """ "2026", "twenty twenty six", "two thousand and twenty six" → (2026, index after it)."""
    head = small(tokens, index)
    if head is not None and head[0] in (19, 20):
        tail = small(tokens, head[1])
        if tail is not None and tail[0] >= 10:
            return head[0] * 100 + tail[0], tail[1]
    whole = cardinal(tokens, index)
    return whole if whole is not None and 1900 <= whole[0] <= 2200 else None


def _day_number(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    if word_at(tokens, index) == "the":
        index += 1
    number = ordinal(tokens, index) or small(tokens, index)
    if number is None and index < len(tokens) and tokens[index].is_digits and len(tokens[index].word) <= 2:
        number = int(tokens[index].word), index + 1
    return number if number is not None and 1 <= number[0] <= 31 else None


def _month_and_day(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """ "november (the) twenty fourth (2026)" and "(the) 24th (of) november (2026)"."""
    month = MONTHS.get(word_at(tokens, index))
    day = None
    if month is not None:
        day = _day_number(tokens, index + 1)
        stop = day[1] if day else index
    else:
        day = _day_number(tokens, index)
        stop = index
        if day is not None:
            at = day[1] + 1 if word_at(tokens, day[1]) == "of" else day[1]
            month, stop = MONTHS.get(word_at(tokens, at)), at + 1
    if month is None or day is None:
        return None
    year = _year(tokens, stop)
    made = _make(year[0], month, day[0]) if year else _next_month_day(reference, month, day[0])
    if made is None:
        return None
    return _one(made), year[1] if year else stop


def _numeric(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """ "2026-11-24", "11/24", "11/24/2026", "24.11.2026"."""
    parts: list[int] = []
    mark = ""
    stop = index
    while stop < len(tokens) and tokens[stop].is_digits and len(tokens[stop].word) <= 4 and len(parts) < 3:
        if parts and (tokens[stop].gap not in ("/", "-", ".") or (mark and tokens[stop].gap != mark)):
            break
        mark = tokens[stop].gap if parts else ""
        parts.append(int(tokens[stop].word))
        stop += 1
    made: dt.date | None = None
    if len(parts) == 3 and len(tokens[index].word) == 4:
        made = _make(parts[0], parts[1], parts[2])
    elif len(parts) == 3 and len(tokens[index].word) <= 2:
        year = parts[2] + 2000 if parts[2] < 100 else parts[2]
        made = _make(year, parts[0], parts[1]) or _make(year, parts[1], parts[0])
    elif len(parts) == 2 and mark == "/":
        made = _next_month_day(reference, parts[0], parts[1]) or _next_month_day(reference, parts[1], parts[0])
    return (_one(made), stop) if made is not None else None


def _weekday(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """ "wednesday", "this/next/coming wednesday", "a week from wednesday", "wednesday week", "wednesday the 25th"."""
    which = ""
    at = index
    if word_at(tokens, at) in ("this", "next", "coming", "following"):
        which, at = word_at(tokens, at), at + 1
    word = word_at(tokens, at).removesuffix("'s")
    if word not in WEEKDAYS and word.endswith("s") and word[:-1] in WEEKDAYS:
        word = word[:-1]  # "Tuesdays"
    if word not in WEEKDAYS or (word in _SHAKY and not which and not _day_number(tokens, at + 1)):
        return None
    stop = at + 1
    if which == "next":
        monday = _shift(reference, -reference.weekday())
        day = _shift(monday, 7 + WEEKDAYS[word])
    else:
        ahead = (WEEKDAYS[word] - reference.weekday()) % 7
        day = _shift(reference, ahead if ahead or which == "this" else 7)
    if word_at(tokens, stop) == "week":
        return _one(_shift(day, 7)), stop + 1
    if words_at(tokens, stop, "next", "week"):
        monday = _shift(reference, -reference.weekday())
        return _one(_shift(monday, 7 + WEEKDAYS[word])), stop + 2
    dated = _month_and_day(tokens, stop, reference) or _numeric(tokens, stop, reference)
    if dated is None and (word_at(tokens, stop) == "the" or ordinal(tokens, stop)):
        dated = _day_alone(tokens, stop, reference)
    if dated is None:
        return _one(day), stop
    span, stop = dated
    return replace(span, mismatch=span.first.weekday() != WEEKDAYS[word]), stop


def _day_alone(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """ "the twenty fourth", "the 24th", "24th" (an ordinal; "the first" and "a second" only after "the"/"on")."""
    at = index + 1 if word_at(tokens, index) == "the" else index
    number = ordinal(tokens, at)
    if number is None or not 1 <= number[0] <= 31:
        return None
    follows, before = word_at(tokens, number[1]), word_at(tokens, index - 1)
    if before in MONTHS:
        return None  # "february thirtieth": no such day, so no day at all
    spoken_small = number[0] <= 3 and not tokens[at].is_digits
    bare = at == index and not tokens[at].is_digits and number[1] == at + 1
    if follows in ("time", "thing", "one", "floor", "available", "opening", "appointment", "street", "avenue", "left"):
        return None
    if (spoken_small and before not in ("on", "for") and before not in WEEKDAYS) or (bare and number[0] < 10):
        return None
    made = _next_day_of_month(reference, number[0])
    return (_one(made), number[1]) if made is not None else None


_COUNTS = {"a": 1, "an": 1, "one": 1, "couple": 2, "few": 3}


def _count(tokens: tuple[Token, ...], index: int) -> tuple[int, int] | None:
    if words_at(tokens, index, "a", "couple", "of"):
        return 2, index + 3
    if words_at(tokens, index, "a", "few"):
        return 3, index + 2
    if words_at(tokens, index, "a", "couple"):
        return 2, index + 2
    word = word_at(tokens, index)
    if word in _COUNTS:
        return _COUNTS[word], index + 1
    number = cardinal(tokens, index)
    return number if number is not None and number[0] <= 400 else None


def _relative(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """today, tomorrow, "in three days", "a week from tuesday", "next week", "this weekend", "next month"."""
    for words, days in (
        (("the", "day", "after", "tomorrow"), 2),
        (("day", "after", "tomorrow"), 2),
        (("today",), 0),
        (("tonight",), 0),
        (("tomorrow",), 1),
        (("tomorrow's",), 1),
        (("to", "morrow"), 1),
    ):
        if words_at(tokens, index, *words):
            part: PartOfDay = "evening" if words == ("tonight",) else ""
            if words == ("tomorrow",) and word_at(tokens, index + 1) == "week":
                return _one(_shift(reference, 8)), index + 2
            return _one(_shift(reference, days), part), index + len(words)
    beside = _beside(tokens, index, reference)
    if beside is not None:
        return beside
    at = index + 1 if word_at(tokens, index) == "in" else index
    count = _count(tokens, at)
    if count is not None:
        unit = word_at(tokens, count[1]).removesuffix("'")
        size = {"day": 1, "days": 1, "week": 7, "weeks": 7, "fortnight": 14}.get(unit.removesuffix("'s"))
        if size is not None:
            return _counted(tokens, index, at, count, size, reference)
    return _named_span(tokens, index, reference)


def _beside(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    """ "the day after thanksgiving", "the day before november third"."""
    at = index + 1 if word_at(tokens, index) == "the" else index
    for word, days in (("after", 1), ("before", -1)):
        if words_at(tokens, at, "day", word):
            base = _single_day(tokens, at + 2, reference)
            return (_one(_shift(base[0].first, days)), base[1]) if base is not None else None
    return None


def _counted(
    tokens: tuple[Token, ...], index: int, at: int, count: tuple[int, int], size: int, reference: dt.date
) -> _Hit | None:
    stop = count[1] + 1
    anchor = word_at(tokens, stop)
    if anchor in ("from", "after"):
        follow = stop + 1
        if word_at(tokens, follow) in ("today", "now"):
            return _one(_shift(reference, count[0] * size)), follow + 1
        base = _single_day(tokens, follow, reference)
        if base is not None:
            return _one(_shift(base[0].first, count[0] * size)), base[1]
    if at == index:  # "three days" without "in" is a length, not a date
        return None
    if word_at(tokens, stop) == "time":
        stop += 1
    return _one(_shift(reference, count[0] * size)), stop


def _named_span(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    which = word_at(tokens, index)
    noun = word_at(tokens, index + 1)
    monday = _shift(reference, -reference.weekday())
    if which in ("this", "the", "next") and noun == "weekend":
        saturday = _shift(monday, 5 if which != "next" else 12)
        return DateSpan(max(saturday, reference), _shift(saturday, 1)), index + 2
    if which in ("this", "next") and noun == "week":
        first = reference if which == "this" else _shift(monday, 7)
        return DateSpan(first, _shift(monday, 6 if which == "this" else 13)), index + 2
    if which == "next" and noun == "month":
        first = (reference.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        last = (first + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
        return DateSpan(first, last), index + 2
    if which == "this" and noun in PARTS:
        return _one(reference, PARTS[noun]), index + 2
    if words_at(tokens, index, "as", "soon", "as", "possible"):
        return DateSpan(reference, reference, "", False, True), index + 4
    if which in ("asap", "anytime") and noun not in PARTS:
        return DateSpan(reference, reference, "", False, True), index + 1
    return None


def _single_day(tokens: tuple[Token, ...], index: int, reference: dt.date) -> _Hit | None:
    if words_at(tokens, index, "tomorrow"):
        return _one(_shift(reference, 1)), index + 1
    named = holiday(tokens, index, reference)
    if named is not None:
        return _one(named[0]), named[1]
    return (
        _numeric(tokens, index, reference)
        or _month_and_day(tokens, index, reference)
        or _weekday(tokens, index, reference)
        or _day_alone(tokens, index, reference)
    )


def _with_part(tokens: tuple[Token, ...], hit: _Hit) -> _Hit:
    """Take up "morning", "in the afternoon", "at night" right behind the day."""
    span, stop = hit
    at = stop
    while word_at(tokens, at) in ("in", "the", "at", "late", "early", "sometime", "during", "around"):
        at += 1
    part = PARTS.get(word_at(tokens, at))
    return (replace(span, part=part), at + 1) if part and at - stop <= 3 else hit


def find_dates(text: str, reference: dt.date) -> tuple[Found[DateSpan], ...]:
    """Every day or span of days said in `text`, in order, as calendar dates on or after `reference` (unless a year was
    said). Never raises; impossible dates ("february thirtieth") are not found."""
    tokens = tokenise(text)
    result: list[Found[DateSpan]] = []
    index = 0
    while index < len(tokens):
        hit = _relative(tokens, index, reference) or _single_day(tokens, index, reference)
        if hit is None or _is_something_else(tokens, index, hit[1]):
            index += 1
            continue
        span, stop = _with_part(tokens, hit)
        first = index
        if word_at(tokens, index - 1) in ("after", "from", "since") and span.single:
            later = word_at(tokens, index - 1) == "after"
            day = _shift(span.last, 1) if later else span.first
            span = replace(span, first=day, last=max(day, span.last), open_start=True)
            first = index - 1
        value = found(tokens, first, stop, span)
        result.append(replace(value, negated=is_negated(tokens, index)))
        index = stop
    return drop_overlaps(result)


_STREETS = frozenset({"street", "st", "avenue", "ave", "road", "rd", "lane", "drive", "way", "place", "court", "close"})


def _is_something_else(tokens: tuple[Token, ...], index: int, stop: int) -> bool:
    """A street ("24th street", "may avenue") or the verb "may"/"march" is no date."""
    return word_at(tokens, stop) in _STREETS and not words_at(tokens, stop, "st", "patrick's")
