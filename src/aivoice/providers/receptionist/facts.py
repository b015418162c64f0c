"""What the receptionist needs to know of a business, and nothing more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from aivoice.business.hours import NO_HOURS, Hours, Span
from aivoice.business.model import Business


@dataclass(frozen=True, slots=True)
class Facts:
    """A business in the receptionist's terms; made from a business file by `facts_of`, or by hand to embed without one.

    targets: names that a caller can be transferred to, the usual one first, each with words callers use for it.
    prices: (item, price, note). emergency: (phrases, sentence, target). zone: IANA name.
    """

    name: str
    greeting: str = ""
    hours: Hours = NO_HOURS
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    prices: tuple[tuple[str, str, str], ...] = ()
    address: str = ""
    phone: str = ""
    email: str = ""
    website: str = ""
    emergency: tuple[tuple[str, ...], str, str] = ((), "", "")
    zone: str = "UTC"

    @property
    def known(self) -> bool:
        """Whether opening hours are known at all."""
        return self.hours.known

    def spans(self, day: dt.date) -> tuple[Span, ...]:
        return self.hours.spans(day)

    def day_name(self, day: dt.date) -> str:
        return self.hours.day_name(day)


def facts_of(business: Business | Facts) -> Facts:
    """The facts of a business file; facts are passed through."""
    if isinstance(business, Facts):
        return business
    return Facts(
        name=business.name,
        greeting=business.clips()["greeting"],
        hours=business.hours,
        targets=tuple((item.name, item.phrases) for item in business.transfers),
        prices=tuple((item.item, item.price, item.note) for item in business.prices),
        address=business.address,
        phone=business.phone,
        email=business.email,
        website=business.website,
        emergency=(business.emergency.phrases, business.emergency.sentence, business.emergency.target),
        zone=business.timezone,
    )


def time_in(spans: Sequence[Span], time: dt.time) -> bool:
    """Whether `time` lies in one of the spans: start in, end out; an end not after its start is past midnight."""
    return any((start <= time < end) if start < end else (time >= start or time < end) for start, end in spans)
