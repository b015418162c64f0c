"""What a tenant pays by: plans, their periods, and the price of seconds. Pure; money in micro-units, time in
seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

PeriodKind = Literal["day", "week", "month"]

UNIT = 1_000_000
"""Micro-units in one unit of the currency."""
LARGEST = 1_000_000_000 * UNIT
"""Most money in one amount that a person gives: far from what a bigint overflows at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """included_s: seconds a period that cost nothing; what is left at its end expires. price_per_minute: of every
    second beyond. credit: prepaid credit that each period brings; it does not expire."""

    name: str
    period: PeriodKind
    included_s: int
    price_per_minute: int
    credit: int = 0


DEFAULT_PLAN = Plan("starter", "month", included_s=100 * 60, price_per_minute=UNIT // 10)
"""Of a tenant to whom the operator gave no other."""
OPENING_CREDIT = 100 * UNIT
"""Given once to every new tenant, so that a fresh machine can hear a call: 1,000 minutes of the default plan."""


def charge(price_per_minute: int, seconds: int) -> int:
    """The price of so many seconds of one call, rounded down once. Slices are differences of it, so that they add up to
    the whole, however it was cut."""
    return price_per_minute * seconds // 60


def affordable_s(price_per_minute: int, money: int, after_s: int, wanted_s: int) -> int:
    """Most further seconds, at most `wanted_s`, that `money` pays for, of a call of which `after_s` are paid for."""
    if price_per_minute == 0:
        return wanted_s
    if money < 0:
        return 0
    # The largest s with price * s // 60 <= total.
    total = charge(price_per_minute, after_s) + money
    largest = (60 * (total + 1) - 1) // price_per_minute
    return max(0, min(wanted_s, largest - after_s))


def period_of(kind: PeriodKind, moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The period that holds `moment`: whole days, weeks (from Monday) or months of the zone's calendar; end excluded.
    Both in UTC, since daylight saving time moves midnight."""
    day = moment.astimezone(zone).date()
    match kind:
        case "day":
            first, after = day, day + timedelta(days=1)
        case "week":
            first = day - timedelta(days=day.weekday())
            after = first + timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            after = (first + timedelta(days=32)).replace(day=1)
    return midnight(first, zone), midnight(after, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which `day` begins in the zone."""
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))


def money_text(amount: int) -> str:
    """``-12.345678``: at least two decimals, no more than needed."""
    whole, part = divmod(abs(amount), UNIT)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}{whole}.{decimals}"
