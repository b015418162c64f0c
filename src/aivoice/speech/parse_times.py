"""Spoken clock times: "three pm", "half past three", "quarter to four", "nine thirty", "fifteen hundred", "noon",
"3:30".

`find_times(text, expected=False)`. A bare number is a time only where the words around it say so ("at three", "around
four", "tuesday at two", "three or four pm") or when the receptionist has just asked for one (`expected=True`).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal

from aivoice.speech.found import Found, Token, drop_overlaps, found, tokenise, word_at, word_set, words_at
from aivoice.speech.parse_dates import PARTS, PartOfDay
from aivoice.speech.parse_numbers import small

Qualifier = Literal["", "about", "after", "before"]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A clock time, or only a part of the day.

    time: 24-hour clock; None where just a part of day was said ("in the afternoon"). stated: whether morning or
    afternoon was said or follows from the words (pm, noon, "15:30"); otherwise it was assumed: 7–11 in the morning,
    12–6 in the afternoon, and the receptionist should read it back. qualifier: "after three", "before noon", "around
    two".
    until: the end of "between two and four", "from nine to eleven".
    """

    time: dt.time | None
    part: PartOfDay = ""
    stated: bool = False
    qualifier: Qualifier = ""
    until: dt.time | None = None


@dataclass(frozen=True, slots=True)
class _Clock:
    hour: int
    minute: int
    half: str  # "am", "pm", "24" (unambiguous), "" (unknown)
    sure: bool
    stop: int
    bare: bool = False  # two numbers side by side, as a house number may be, too


_LEADS: dict[str, Qualifier] = {
    "at": "", "by": "before", "around": "about", "about": "about", "approximately": "about", "roughly": "about",
    "after": "after", "past": "after", "from": "after", "before": "before", "until": "before", "till": "before",
    "between": "", "to": "", "say": "", "maybe": "", "like": "about",
}  # fmt: skip
_STREETISH = word_set(
    "street st avenue ave road rd lane drive way place court close crescent boulevard blvd highway terrace square unit"
)
# "at three weeks", "after two days", "about five people": the number counts something.
_COUNTED = word_set(
    "minutes minute hours hour days day weeks week months month years year people persons kids children teeth tooth "
    "dollars dollar bucks pounds euros percent times appointments appointment o of fillings toilets pipes radiators "
    "bathrooms bedrooms rooms of's miles blocks"
)
_EXACT_MINUTES = frozenset({10, 15, 20, 25, 30, 35, 40, 45, 50, 55})
_NAMED = {"noon": 12, "midday": 12, "midnight": 0}
_FRACTIONS = {"half": 30, "quarter": 15}


def _half_of_day(tokens: tuple[Token, ...], index: int) -> tuple[str, int]:
    """ "pm", "p.m.", "p m", "in the afternoon", "tonight" behind a time → ("pm", index after it)."""
    word = word_at(tokens, index)
    if word in ("am", "pm"):
        return word, index + 1
    if word in _NAMED and word_at(tokens, index - 1) in ("twelve", "12", "00"):
        return ("am" if word == "midnight" else "pm"), index + 1
    if word in ("a", "p") and word_at(tokens, index + 1) == "m":
        return word + "m", index + 2
    at = index
    while word_at(tokens, at) in ("in", "the", "at", "on", "this", "tomorrow"):
        at += 1
    part = PARTS.get(word_at(tokens, at))
    if part and at - index <= 2 and (at == index or word_at(tokens, at - 1) != "tomorrow"):
        return ("am" if part == "morning" else "pm"), at + 1
    return "", index


def _hour(tokens: tuple[Token, ...], index: int, most: int = 12) -> tuple[int, int] | None:
    if index < len(tokens) and tokens[index].is_digits and len(tokens[index].word) <= 2:
        value = int(tokens[index].word)
        return (value, index + 1) if value <= most else None
    number = small(tokens, index)
    return number if number is not None and 1 <= number[0] <= most else None


def _relative_clock(tokens: tuple[Token, ...], index: int) -> _Clock | None:
    """ "half past three", "(a) quarter to four", "ten past two", "twenty five to six", "half three"."""
    article = word_at(tokens, index) == "a" or (
        word_at(tokens, index) in ("1", "one") and word_at(tokens, index + 1) in _FRACTIONS
    )
    at = index + 1 if article else index
    word = word_at(tokens, at)
    if word in _FRACTIONS:
        minutes, at = _FRACTIONS[word], at + 1
    else:
        number = small(tokens, at) or _hour(tokens, at, 59)
        if number is None or number[0] not in (5, 10, 15, 20, 25, 12, 8):
            return None
        minutes, at = number[0], number[1]
        if word_at(tokens, at) in ("minutes", "mins"):
            at += 1
    joint = word_at(tokens, at)
    joint = "past" if joint in ("pass", "passed") else joint  # as recognisers hear it
    if joint not in ("past", "after", "to", "till", "of", "before"):
        hour = _hour(tokens, at) if word == "half" else None
        return _Clock(hour[0], 30, "", True, hour[1]) if hour else None
    if word_at(tokens, at + 1) in _NAMED:
        base = _NAMED[word_at(tokens, at + 1)]
        to_noon = (joint not in ("past", "after")) == (base == 12)  # a quarter to noon is still morning
        hour, half = (12, at + 2), "am" if to_noon else "pm"
    else:
        hour, half = _hour(tokens, at + 1), ""
    if hour is None:
        return None
    if joint in ("past", "after"):
        return _Clock(hour[0], minutes, half, True, hour[1])
    return _Clock(hour[0] - 1 or 12, 60 - minutes, half, True, hour[1])


def _digital_clock(tokens: tuple[Token, ...], index: int) -> _Clock | None:
    """ "3:30", "15.30", "1530 hours", "0930"."""
    if index >= len(tokens) or not tokens[index].is_digits:
        return None
    word = tokens[index].word
    follows = tokens[index + 1] if index + 1 < len(tokens) else None
    if len(word) <= 2 and follows and follows.is_digits and len(follows.word) == 2 and follows.gap in (":", ".", "h"):
        after_date = index + 2 < len(tokens) and tokens[index + 2].is_digits and tokens[index + 2].gap == follows.gap
        hour, minute = int(word), int(follows.word)
        if hour <= 24 and minute < 60 and not after_date and (follows.gap != "." or _half_of_day(tokens, index + 2)[0]):
            exact = "24" if hour > 12 or hour == 0 or word.startswith("0") else ""
            return _Clock(hour % 24, minute, exact, True, index + 2)
    if len(word) in (3, 4):
        hour, minute = int(word[:-2]), int(word[-2:])
        hours = word_at(tokens, index + 1) == "hours"
        sure = hours or bool(_half_of_day(tokens, index + 1)[0])
        if hour < 24 and minute < 60 and (sure or (1 <= hour <= 12 and minute % 5 == 0)):
            # "at 905" is how recognisers write "at nine oh five".
            return _Clock(hour, minute, "24" if hours else "", sure, index + (2 if hours else 1))
    return None


def _spoken_clock(tokens: tuple[Token, ...], index: int) -> _Clock | None:
    """ "three", "three thirty", "nine oh five", "three o'clock", "fifteen hundred", "fourteen thirty"."""
    hour = _hour(tokens, index, 23)
    if hour is None:
        return None
    value, at = hour
    word = word_at(tokens, at)
    if word in ("o'clock", "oclock"):
        return _Clock(value, 0, "", True, at + 1)
    if words_at(tokens, at, "o", "clock"):
        return _Clock(value, 0, "", True, at + 2)
    if word == "hundred" and value >= 13:
        return _Clock(value, 0, "24", True, at + (2 if word_at(tokens, at + 1) == "hours" else 1))
    if tokens[index].is_digits and at < len(tokens) and tokens[at].is_digits:
        return None if value > 12 else _Clock(value, 0, "", False, at)
    if word in ("oh", "o", "zero"):
        unit = small(tokens, at + 1)
        if unit is not None and 1 <= unit[0] <= 9:
            return _Clock(value, unit[0], "24" if value > 12 else "", True, unit[1])
    minute = small(tokens, at)
    if minute is not None and 10 <= minute[0] <= 59:
        exact = "24" if value > 12 else ""
        return _Clock(value, minute[0], exact, minute[0] in _EXACT_MINUTES, minute[1], bare=not exact)
    return _Clock(value, 0, "24" if value > 12 else "", False, at) if value <= 12 else None


def _resolve(clock: _Clock, half: str) -> tuple[dt.time, bool]:
    """24-hour time and whether morning or afternoon was really said."""
    known = half or clock.half
    hour = clock.hour
    if known == "pm" and hour < 12:
        hour += 12
    elif known == "am" and hour == 12:
        hour = 0
    elif not known and 1 <= hour <= 6:
        hour += 12
    return dt.time(hour % 24, clock.minute), bool(known)


def _street_follows(tokens: tuple[Token, ...], stop: int) -> bool:
    return any(word_at(tokens, stop + ahead) in _STREETISH for ahead in range(3))


def _clock_at(tokens: tuple[Token, ...], index: int, expected: bool) -> tuple[_Clock, str, int] | None:
    """A clock time at `index` with what follows it: (clock, am/pm, index after)."""
    clock = _relative_clock(tokens, index) or _digital_clock(tokens, index) or _spoken_clock(tokens, index)
    if clock is None:
        return None
    half, stop = _half_of_day(tokens, clock.stop)
    if half and clock.hour > 12:
        half = ""
    before = word_at(tokens, index - 1)
    led = before == "or" or (before in _LEADS and not (before == "to" and small(tokens, index - 2)))
    if not half and not led and word_at(tokens, stop) == "or":
        other = _spoken_clock(tokens, stop + 1)
        led = other is not None and bool(_half_of_day(tokens, other.stop)[0])  # "three or four pm"
    counted = word_at(tokens, clock.stop) in _COUNTED
    if not half and (counted or _street_follows(tokens, clock.stop) or _continues_number(tokens, index, clock.stop)):
        return None
    # "three forty" alone could be a house number or part of a phone number; "three thirty" hardly is.
    sure = clock.sure and (not clock.bare or clock.minute in (15, 30, 45))
    if not (sure or half or led or expected):
        return None
    return clock, half, stop


def _continues_number(tokens: tuple[Token, ...], index: int, stop: int) -> bool:
    """Whether more digits run on at either side, as in a phone number or a date."""
    digits = ("zero", "oh", "double", "triple")
    runs_on = (small(tokens, stop) is not None or word_at(tokens, stop) in digits) and word_at(tokens, stop) != "one"
    ran_before = index > 0 and (small(tokens, index - 1) is not None or word_at(tokens, index - 1) in digits)
    touching = index > 0 and tokens[index - 1].is_digits and tokens[index].gap in ("-", "/", ".", "")
    touched = stop < len(tokens) and tokens[stop].is_digits and tokens[stop].gap.strip() in ("-", "/", ".", "")
    suffix = stop < len(tokens) and tokens[stop].gap == "" and tokens[stop].word in ("st", "nd", "rd", "th")
    return runs_on or ran_before or touching or touched or suffix


def _named_at(tokens: tuple[Token, ...], index: int) -> tuple[TimeSpan, int] | None:
    """ "noon", "midnight", or a bare part of the day ("in the afternoon", "mornings")."""
    word = word_at(tokens, index)
    if words_at(tokens, index, "twelve", "noon"):
        return TimeSpan(dt.time(12), "midday", True), index + 2
    if word in _NAMED:
        return TimeSpan(dt.time(_NAMED[word]), "midday" if word != "midnight" else "", True), index + 1
    if words_at(tokens, index, "first", "thing"):
        after = index + 2
        while word_at(tokens, after) in ("in", "the", "tomorrow", "morning"):
            after += 1
        last = after if word_at(tokens, after - 1) == "morning" else index + 2
        return TimeSpan(None, "morning"), last
    if word in PARTS and not (word == "morning" and word_at(tokens, index - 1) == "good"):
        if word in ("afternoon", "evening", "night") and word_at(tokens, index - 1) == "good":
            return None
        return TimeSpan(None, PARTS[word]), index + 1
    return None


# "10-30" is how recognisers may write "ten thirty"; a colon is as long as the hyphen, so positions stay.
_DASHED = re.compile(r"(?<![\d-])(1[0-2]|[1-9])-([0-5][05])(?![\d-])")


def find_times(text: str, *, expected: bool = False) -> tuple[Found[TimeSpan], ...]:
    """Every time of day said in `text`, in order. Never raises.

    expected: the caller has just been asked for a time, so that a bare "three" or "nine forty" is one.
    """
    tokens = tokenise(_DASHED.sub(r"\1:\2", text) if expected else text)
    result: list[Found[TimeSpan]] = []
    index = 0
    while index < len(tokens):
        hit = _clock_at(tokens, index, expected)
        if hit is None:
            named = _named_at(tokens, index)
            if named is None:
                index += 1
                continue
            lead = _LEADS.get(word_at(tokens, index - 1), "") if named[0].time is not None else ""
            span = TimeSpan(named[0].time, named[0].part, named[0].stated, lead)
            result.append(found(tokens, index, named[1], span))
            index = named[1]
            continue
        clock, half, stop = hit
        span, stop = _span(tokens, index, clock, half, stop)
        result.append(found(tokens, index, stop, span))
        index = stop
    return drop_overlaps(result)


def _span(tokens: tuple[Token, ...], index: int, clock: _Clock, half: str, stop: int) -> tuple[TimeSpan, int]:
    before = word_at(tokens, index - 1)
    joint = word_at(tokens, stop)
    until = None
    if (before == "between" and joint == "and") or (joint in ("to", "till", "until") and before in ("from", "between")):
        other = _clock_at(tokens, stop + 1, True)
        if other is not None:
            until, said = _resolve(other[0], other[1])
            start, own = _resolve(clock, half)
            if said and not own and other[1] and _resolve(clock, other[1])[0] < until:
                start = _resolve(clock, other[1])[0]  # "between two and four pm"
            return TimeSpan(start, _part_of(start), said or own, "", until), other[2]
    if joint == "or" and not half:
        other = _clock_at(tokens, stop + 1, True)
        if other is not None and other[1]:
            half = other[1]  # "three or four pm"
    time, said = _resolve(clock, half)
    return TimeSpan(time, _part_of(time), said, _LEADS.get(before, "")), stop


def _part_of(time: dt.time) -> PartOfDay:
    if time.hour < 12:
        return "morning"
    return "afternoon" if time.hour < 17 else "evening"
