"""Opening hours: read from a business file, asked about by date, said in words. Local wall-clock times throughout."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[dt.time, dt.time]
"""Open from … to …; an end of 00:00 is midnight, an end before the start runs past midnight."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GROUPS = {"weekdays": range(5), "weekends": range(5, 7), "every day": range(7), "daily": range(7)}


@dataclass(frozen=True, slots=True)
class Hours:
    """weekly: the spans of Monday…Sunday. special: single days with their own spans (none: closed) and a name.

    known: the business gave hours at all.
    """

    weekly: tuple[tuple[Span, ...], ...] = ((),) * 7
    special: tuple[tuple[dt.date, tuple[Span, ...], str], ...] = ()
    known: bool = False

    def spans(self, day: dt.date) -> tuple[Span, ...]:
        """When the business is open on `day`."""
        for date, spans, _ in self.special:
            if date == day:
                return spans
        return self.weekly[day.weekday()]

    def day_name(self, day: dt.date) -> str:
        """The name of a special day ("Christmas Day"), or ""."""
        return next((name for date, _, name in self.special if date == day), "")

    def is_open(self, moment: dt.datetime) -> bool:
        """Whether the business is open at this local wall-clock time; spans past midnight included."""
        time = moment.time()
        if any(start <= time and (time < end or end <= start) for start, end in self.spans(moment.date())):
            return True
        if moment.date() == dt.date.min:
            return False
        yesterday = self.spans(moment.date() - dt.timedelta(days=1))
        return any(end <= start and time < end for start, end in yesterday)

    def weekly_lines(self) -> tuple[str, ...]:
        """The week for reading: days with equal hours are joined ("Monday to Thursday: 8:00 am to 5:00 pm")."""
        if not self.known:
            return ()
        groups: list[tuple[int, int]] = []
        for day in range(7):
            if groups and self.weekly[groups[-1][0]] == self.weekly[day]:
                groups[-1] = (groups[-1][0], day)
            else:
                groups.append((day, day))
        return tuple(f"{_days(first, last)}: {_said(self.weekly[first])}" for first, last in groups)

    def special_lines(self) -> tuple[str, ...]:
        """The special days for reading: "Friday, December 25, 2026 (Christmas Day): closed"."""
        return tuple(
            f"{date:%A, %B} {date.day}, {date.year}{f' ({name})' if name else ''}: {_said(spans)}"
            for date, spans, name in self.special
        )


NO_HOURS = Hours()


def _days(first: int, last: int) -> str:
    if first == last:
        return WEEKDAYS[first].capitalize()
    if (first, last) == (0, 6):
        return "Every day"
    joint = " and " if last == first + 1 else " to "
    return WEEKDAYS[first].capitalize() + joint + WEEKDAYS[last].capitalize()


def _said(spans: tuple[Span, ...]) -> str:
    if not spans:
        return "closed"
    if spans == ((dt.time(0), dt.time(0)),):
        return "open 24 hours"
    return " and ".join(f"{clock(start)} to {clock(end)}" for start, end in spans)


def clock(time: dt.time) -> str:
    """``8:30 am``, ``noon``, ``midnight``: for text that is normalised before it is spoken."""
    if time.minute == 0 and time.hour in (0, 12):
        return "midnight" if time.hour == 0 else "noon"
    minutes = f":{time.minute:02}"
    return f"{(time.hour - 1) % 12 + 1}{minutes} {'am' if time.hour < 12 else 'pm'}"


_TIME = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?", re.IGNORECASE)
_WORDS = {"noon": dt.time(12), "midday": dt.time(12), "midnight": dt.time(0)}
_BETWEEN = re.compile(r"\s*(?:-|–|—|\bto\b|\buntil\b)\s*")
_HINT = 'write it like "8:00-17:00", "9am to 5pm", "8:00-12:00, 13:00-17:00", "24 hours" or "closed"'


def _time(text: str) -> tuple[dt.time, bool] | None:
    """A clock time and whether am or pm was given (or is not needed)."""
    text = text.strip().lower()
    if text in _WORDS:
        return _WORDS[text], True
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").replace(".", "")
    if minute > 59 or hour > 24 or (hour == 24 and minute) or (half and not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return dt.time(hour % 24, minute), bool(half) or match[2] is not None


def parse_spans(text: str) -> tuple[Span, ...]:
    """A day's opening times. Raises ValueError (what is wrong and how to write it) when they cannot be read."""
    cleaned = text.strip().lower()
    if cleaned in ("closed", "none", "no", "-"):
        return ()
    if cleaned in ("24 hours", "24h", "open", "always", "all day"):
        return ((dt.time(0), dt.time(0)),)
    spans: list[Span] = []
    for piece in re.split(r",|;|\band\b|&", cleaned):
        ends = _BETWEEN.split(piece.strip())
        start, end = (_time(ends[0]), _time(ends[1])) if len(ends) == 2 else (None, None)
        if start is None or end is None or not (start[1] and end[1]):
            raise ValueError(f"these are not opening times: {_HINT}")
        spans.append((start[0], end[0]))
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if end > start or end == dt.time(0):
            raise ValueError("two of these opening times overlap: give each stretch once")
    return tuple(spans)
