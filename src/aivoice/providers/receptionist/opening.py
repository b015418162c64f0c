"""Questions about opening hours, answered exactly from the business's hours at the time of the call. Pure."""

from __future__ import annotations

import datetime as dt
import re

from aivoice.business.hours import Span
from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.facts import Facts, time_in
from aivoice.providers.receptionist.holidays import holiday
from aivoice.providers.receptionist.moments import spoken_day, spoken_time
from aivoice.providers.receptionist.text import listed, plain
from aivoice.providers.receptionist.weekly import WEEKDAYS, Asked, spans_said, usual_and_near, weekdays_meant


def hours_answer(text: str, now: dt.datetime, facts: Facts) -> str:
    """At most two sentences, or "" where the business gave no hours."""
    if not facts.known:
        return ""
    said = plain(text)
    times = [hit.value.time for hit in find.times(text, False) if hit.value.time is not None]
    ends = bool(re.search(r"\b(until|till|til|close|closes|closing|how late|shut)\b", said))
    starts = bool(
        re.search(
            r"\b(when do you open|what time do you open|opens? at|how early|"
            r"(?<!until )(?<!till )(?<!til )when are you open|open up|start)\b",
            said,
        )
    )
    current = bool(re.search(r"\b(now|right now|currently|still|at the moment)\b", said))
    weekdays = weekdays_meant(said)
    if weekdays and not holiday(said, now.date(), facts):
        shut = bool(re.search(r"\bclosed\b", said)) and not re.search(r"\bopen\b", said)
        asked = Asked(ends and not starts, starts and not ends, shut, times[0] if times else None)
        return usual_and_near(weekdays, asked, now.date(), facts)
    days = _days_meant(text, now.date(), facts)
    if not days and (current or (times and not re.search(r"\bhours\b", said))):
        days = ((now.date(), ""),)
    if (
        not days
        and (ends or (re.search(r"\b(tonight|this evening)\b", said) is not None))
        and not re.search(r"\bhours\b|\bwhat days\b", said)
    ):
        days = ((now.date(), ""),)
    if not days:
        if starts and not ends:
            return _general(facts)
        return (
            _general(facts)
            if not re.search(r"\bare you open\b", said) or re.search(r"\bwhen are you open\b", said)
            else _day((now.date(), ""), now, facts, current=True)
        )
    if len(days) > 2:
        return _general(facts)
    if times and len(days) == 1:
        return _at(days[0], times[0], now, facts)
    ends = ends and not starts
    shut = bool(re.search(r"\bclosed\b", said)) and not re.search(r"\bopen\b", said)
    if len(days) == 2 and not any(facts.spans(day) for day, _ in days):
        again = _again(dt.datetime.combine(days[1][0], dt.time(23, 59), now.tzinfo), facts, now.date())
        labels = " and ".join(day_label(day, now.date()).removeprefix("on ") for day, _ in days)
        return f"{'Yes' if shut else 'No'}, we're closed on {labels}." + (f" We're {again}." if again else "")
    return " ".join(_day(day, now, facts, current=current or ends, ends=ends, shut=shut) for day in days[:2])


def _days_meant(text: str, today: dt.date, facts: Facts) -> tuple[tuple[dt.date, str], ...]:
    said = plain(text)
    named = holiday(said, today, facts)
    if named is not None:
        return (named,)
    result: list[tuple[dt.date, str]] = []
    for hit in find.dates(text, today):
        span = hit.value
        length = (span.last - span.first).days
        if length > 2 or span.open_start:
            return tuple((span.first + dt.timedelta(days=i), "") for i in range(3))
        result += [(span.first + dt.timedelta(days=i), "") for i in range(length + 1)]
    if not result and re.search(r"\bweekends?\b", said):
        saturday = today + dt.timedelta(days=(5 - today.weekday()) % 7)
        result = [(saturday, ""), (saturday + dt.timedelta(days=1), "")]
    return tuple(dict.fromkeys(result))


def day_label(day: dt.date, today: dt.date, name: str = "") -> str:
    """ "today", "tomorrow", "on Saturday", "on Thanksgiving, Thursday, November 26th"."""
    ahead = (day - today).days
    if name:
        return f"on {name}, {spoken_day(day)}" if ahead > 1 else f"{'today' if ahead == 0 else 'tomorrow'}, {name}"
    if ahead in (0, 1):
        return "today" if ahead == 0 else "tomorrow"
    return f"on {day:%A}" if 0 < ahead < 7 else f"on {spoken_day(day, today.year)}"


def next_opening(now: dt.datetime, facts: Facts) -> tuple[dt.date, dt.time] | None:
    """The next time the doors open, within three weeks."""
    for ahead in range(22):
        day = now.date() + dt.timedelta(days=ahead)
        for start, _ in facts.spans(day):
            if ahead or start > now.time():
                return day, start
    return None


def _again(now: dt.datetime, facts: Facts, today: dt.date) -> str:
    opening = next_opening(now, facts)
    if opening is None:
        return ""
    day, start = opening
    return f"open again {day_label(day, today)} at {spoken_time(start)}"


def _day(
    target: tuple[dt.date, str],
    now: dt.datetime,
    facts: Facts,
    current: bool = False,
    ends: bool = False,
    shut: bool = False,
) -> str:
    day, named = target
    spans = facts.spans(day)
    special = facts.day_name(day)
    label = day_label(day, now.date(), named or special)
    is_today = day == now.date()
    if is_today and (current or ends):
        return _now(now, facts, spans, special)
    if not spans:
        after = dt.datetime.combine(day, dt.time(23, 59), now.tzinfo)
        again = _again(now if is_today else after, facts, now.date())
        return f"{'Yes' if shut else 'No'}, we're closed {label}." + (f" We're {again}." if again else "")
    if ends:
        return f"We close at {spoken_time(spans[-1][1])} {label}."
    if named and not special and not any(d == day for d, _, _ in facts.hours.special):
        return f"I have no special hours noted for {named}. On a usual {day:%A} we're open {spans_said(spans)}."
    said = spans_said(spans)
    lead = "" if said == "around the clock" else "from "
    return f"{'No' if shut else 'Yes'}, {label} we're open {lead}{said}."


def _now(now: dt.datetime, facts: Facts, spans: tuple[Span, ...], special: str) -> str:
    because = f" because it's {special}" if special else ""
    open_span = next((span for span in spans if time_in((span,), now.time())), None)
    if open_span is None and facts.hours.is_open(now):
        return "Yes, we're still open."
    if open_span is not None:
        if open_span[0] == open_span[1]:
            return "Yes, we're open around the clock."
        later = [span for span in spans if span[0] > open_span[0]]
        tail = f", and again from {spans_said((later[0],))}" if later else ""
        return f"Yes, we're open until {spoken_time(open_span[1])} today{tail}."
    coming = [span for span in spans if span[0] > now.time()]
    if coming:
        return f"Not yet, but today we're open from {spans_said(tuple(coming))}."
    again = _again(now, facts, now.date())
    opening = f"We closed at {spoken_time(spans[-1][1])} today" if spans else f"We're closed today{because}"
    return f"{opening}{f', and we are {again}' if again else ''}."


def _at(target: tuple[dt.date, str], time: dt.time, now: dt.datetime, facts: Facts) -> str:
    day, named = target
    spans = facts.spans(day)
    label = day_label(day, now.date(), named or facts.day_name(day))
    if not spans:
        return _day(target, now, facts)
    hours = f"{label} we're open {spans_said(spans)}"
    if time_in(spans, time):
        return f"Yes, {hours}."
    return f"No, not at {spoken_time(time)}; {hours}."


def _general(facts: Facts) -> str:
    """The week in a sentence or two: days with equal hours joined."""
    groups: list[tuple[int, int]] = []
    weekly = facts.hours.weekly
    for day in range(7):
        if groups and weekly[groups[-1][0]] == weekly[day]:
            groups[-1] = (groups[-1][0], day)
        else:
            groups.append((day, day))

    def label(first: int, last: int) -> str:
        joint = "and" if last == first + 1 else "to"
        return WEEKDAYS[first] if first == last else f"{WEEKDAYS[first]} {joint} {WEEKDAYS[last]}"

    if len(groups) == 1 and weekly[0]:
        return f"We're open every day, {spans_said(weekly[0])}."
    opened = [f"{label(first, last)} {spans_said(weekly[first])}" for first, last in groups if weekly[first]]
    closed = [label(first, last) for first, last in groups if not weekly[first]]
    if not opened:
        return "We have no regular opening hours."
    shut = f" We're closed {listed(closed, 'and')}." if closed else ""
    return f"We're open {listed(opened, 'and')}.{shut}"
