"""Opening hours of a day of every week ("are you open on Fridays?"): the rule first, then a near exception. Pure."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from aivoice.business.hours import Span
from aivoice.providers.receptionist.facts import Facts, time_in
from aivoice.providers.receptionist.moments import spoken_day, spoken_time

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NEAR = dt.timedelta(days=14)
"""An exception that far ahead is worth telling; a caller who asks about Fridays need not hear of one in spring."""

_EVERY = re.compile(
    rf"\b(?:({'|'.join(WEEKDAYS)})s|(?:every|each|any|on an?|usual|normal|regular) ({'|'.join(WEEKDAYS)}))\b", re.I
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the day: its end ("until when"), its beginning, whether it is closed (`shut`), whether `time` lies
    within the hours."""

    ends: bool = False
    starts: bool = False
    shut: bool = False
    time: dt.time | None = None


def weekdays_meant(said: str) -> tuple[int, ...]:
    """The days of every week named in plain text (Monday is 0): "fridays", "every friday", "on a friday"."""
    found = (WEEKDAYS.index((match[1] or match[2]).capitalize()) for match in _EVERY.finditer(said))
    return tuple(dict.fromkeys(found))


def spans_said(spans: tuple[Span, ...]) -> str:
    """ "8 am to 5 pm", "8 am to noon and 1 pm to 5 pm", "around the clock"."""
    if spans == ((dt.time(0), dt.time(0)),):
        return "around the clock"
    return " and ".join(f"{spoken_time(start)} to {spoken_time(end)}" for start, end in spans)


def usual_and_near(weekdays: tuple[int, ...], asked: Asked, today: dt.date, facts: Facts) -> str:
    """Two days at most; only the first is a yes or a no."""
    first, *more = (every(weekday, asked, today, facts) for weekday in weekdays[:2])
    rest = (text.removeprefix("Yes, ").removeprefix("No, ") for text in more)
    return " ".join((first, *(text[:1].upper() + text[1:] for text in rest)))


def every(weekday: int, asked: Asked, today: dt.date, facts: Facts) -> str:
    """What holds every week, then the coming day that differs, where there is one within `NEAR`."""
    spans, name = facts.hours.weekly[weekday], f"{WEEKDAYS[weekday]}s"
    usual = _usual(spans, name, asked)
    other = next(
        (
            day
            for ahead in range(NEAR.days)
            if (day := today + dt.timedelta(days=ahead)).weekday() == weekday and facts.spans(day) != spans
        ),
        None,
    )
    if other is None:
        return usual
    special = facts.day_name(other)
    when = f"on {spoken_day(other)}{f', {special},' if special else ''}"
    hours = facts.spans(other)
    what = f"we're open {spans_said(hours)}" if hours else "we're closed"
    return f"{usual} But {when} {what}."


def _usual(spans: tuple[Span, ...], name: str, asked: Asked) -> str:
    if not spans:
        return f"{'Yes' if asked.shut else 'No'}, we're closed on {name}."
    always = spans == ((dt.time(0), dt.time(0)),)
    if asked.time is not None and not always:
        hours = f"on {name} we're open {spans_said(spans)}"
        within = time_in(spans, asked.time)
        return f"Yes, {hours}." if within else f"No, not at {spoken_time(asked.time)}; {hours}."
    if asked.ends and not always:
        return f"On {name} we close at {spoken_time(spans[-1][1])}."
    if asked.starts and not always:
        return f"On {name} we open at {spoken_time(spans[0][0])}."
    return f"{'No' if asked.shut else 'Yes'}, on {name} we're open {'' if always else 'from '}{spans_said(spans)}."
