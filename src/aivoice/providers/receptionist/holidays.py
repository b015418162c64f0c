"""Days that callers name instead of dating: the business's own special days first, then the usual holidays. Pure."""

from __future__ import annotations

import datetime as dt
import re

from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.text import content

_FIXED = {
    "christmas eve": (12, 24), "christmas": (12, 25), "boxing day": (12, 26), "new year's eve": (12, 31),
    "new years eve": (12, 31), "new year's": (1, 1), "new years": (1, 1), "fourth of july": (7, 4),
    "july fourth": (7, 4),
    "july 4th": (7, 4), "independence day": (7, 4), "halloween": (10, 31), "veterans day": (11, 11),
    "juneteenth": (6, 19), "valentine's day": (2, 14), "valentines day": (2, 14),
}  # fmt: skip
# (month, weekday, which; -1: the last), Monday is 0.
_FLOATING = {
    "thanksgiving": (11, 3, 4), "labor day": (9, 0, 1), "memorial day": (5, 0, -1), "columbus day": (10, 0, 2),
    "presidents day": (2, 0, 3), "presidents' day": (2, 0, 3), "mother's day": (5, 6, 2), "father's day": (6, 6, 3),
}  # fmt: skip


_NAMES = re.compile(rf"\b(?:{'|'.join(re.escape(n) for n in sorted((*_FIXED, *_FLOATING), key=len, reverse=True))})\b")


def holiday(said: str, today: dt.date, facts: Facts) -> tuple[dt.date, str] | None:
    """The next day of the name said in plain text `said`, and that name; None where no such day is named."""
    stems = set(content(said))
    for day, _, name in facts.hours.special:
        own = set(content(name)) - {"day", "da"}
        if day >= today and own and own <= stems:
            return day, name
    match = _NAMES.search(said)
    if match is not None:
        name = match[0]
        if name:
            for year in (today.year, today.year + 1):
                day = dt.date(year, *_FIXED[name]) if name in _FIXED else _nth(year, *_FLOATING[name])
                if day >= today:
                    return day, name.title().replace("'S", "'s")
    return None


def _nth(year: int, month: int, weekday: int, which: int) -> dt.date:
    if which > 0:
        first = dt.date(year, month, 1)
        return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
    last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
    return last - dt.timedelta(days=(last.weekday() - weekday) % 7)
