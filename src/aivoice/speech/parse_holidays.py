"""Days with a name: "thanksgiving", "christmas eve", "the day after new year's day", "the fourth of july".

US holidays and those kept nearly everywhere; a business's own special days stand in its hours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from aivoice.speech.found import Token, words_at

_Rule = Callable[[int], dt.date]


def _fixed(month: int, day: int) -> _Rule:
    return lambda year: dt.date(year, month, day)


def _nth(month: int, weekday: int, nth: int) -> _Rule:
    """The nth weekday (Monday 0) of a month; nth −1: the last."""

    def rule(year: int) -> dt.date:
        if nth > 0:
            first = dt.date(year, month, 1)
            return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
        last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
        return last - dt.timedelta(days=(last.weekday() - weekday) % 7)

    return rule


def easter(year: int) -> dt.date:
    """Easter Sunday (Gregorian; the anonymous algorithm of 1876)."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * i) // 451
    month, day = divmod(h + i - 7 * m + 114, 31)
    return dt.date(year, month, day + 1)


def _before_easter(days: int) -> _Rule:
    return lambda year: easter(year) - dt.timedelta(days=days)


HOLIDAYS: tuple[tuple[str, _Rule], ...] = (
    ("christmas eve", _fixed(12, 24)),
    ("christmas day", _fixed(12, 25)),
    ("christmas", _fixed(12, 25)),
    ("boxing day", _fixed(12, 26)),
    ("new year's eve", _fixed(12, 31)),
    ("new years eve", _fixed(12, 31)),
    ("new year's day", _fixed(1, 1)),
    ("new years day", _fixed(1, 1)),
    ("new year's", _fixed(1, 1)),
    ("new years", _fixed(1, 1)),
    ("martin luther king day", _nth(1, 0, 3)),
    ("mlk day", _nth(1, 0, 3)),
    ("valentine's day", _fixed(2, 14)),
    ("valentines day", _fixed(2, 14)),
    ("presidents day", _nth(2, 0, 3)),
    ("president's day", _nth(2, 0, 3)),
    ("st patrick's day", _fixed(3, 17)),
    ("good friday", _before_easter(2)),
    ("easter sunday", easter),
    ("easter monday", _before_easter(-1)),
    ("easter", easter),
    ("mother's day", _nth(5, 6, 2)),
    ("memorial day", _nth(5, 0, -1)),
    ("juneteenth", _fixed(6, 19)),
    ("father's day", _nth(6, 6, 3)),
    ("independence day", _fixed(7, 4)),
    ("labor day", _nth(9, 0, 1)),
    ("labour day", _nth(9, 0, 1)),
    ("columbus day", _nth(10, 0, 2)),
    ("halloween", _fixed(10, 31)),
    ("veterans day", _fixed(11, 11)),
    ("veteran's day", _fixed(11, 11)),
    ("thanksgiving day", _nth(11, 3, 4)),
    ("thanksgiving", _nth(11, 3, 4)),
    ("black friday", lambda year: _nth(11, 3, 4)(year) + dt.timedelta(days=1)),
)
_BY_WORDS = tuple((tuple(name.split()), rule) for name, rule in HOLIDAYS)
_YEARS = 2


def holiday(tokens: tuple[Token, ...], index: int, reference: dt.date) -> tuple[dt.date, int] | None:
    """The next such day on or after `reference` whose name stands at `index` → (day, index after the name)."""
    for words, rule in _BY_WORDS:
        if words_at(tokens, index, *words):
            for year in range(reference.year, min(reference.year + _YEARS, dt.MAXYEAR)):
                day = rule(year)
                if day >= reference:
                    return day, index + len(words)
    return None
