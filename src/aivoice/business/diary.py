"""A small appointment diary for the example businesses: free times by opening hours, booking, cancelling. Pure: no
clock,
no I/O; what is taken beforehand follows from the seed, so a demonstration is the same every day of the year."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aivoice.business.hours import Hours

HORIZON_DAYS = 180


@dataclass(frozen=True, slots=True)
class Booking:
    """One appointment. reference: what the caller is told ("ND-4821")."""

    reference: str
    start: dt.datetime
    details: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """why: ``past``, ``closed``, ``too_far``, ``off_grid``, ``taken``, ``not_found``."""

    why: str


@dataclass(slots=True)
class Diary:
    """hours: when appointments may begin and must end. slot: minutes of one. busy: share of slots taken beforehand
    (0…1).

    prefix: of references. lead: minutes from now before which nothing can be booked. Times are local, without zone.
    """

    hours: Hours
    prefix: str
    slot: int = 30
    busy: float = 0.35
    lead: int = 60
    seed: str = "diary"
    bookings: dict[str, Booking] = field(default_factory=dict[str, Booking])
    _by_key: dict[str, Booking] = field(default_factory=dict[str, Booking])

    def slots(self, day: dt.date) -> tuple[dt.time, ...]:
        """Every time at which an appointment may begin on `day`, taken or not."""
        times: list[dt.time] = []
        for start, end in self.hours.spans(day):
            minute = start.hour * 60 + start.minute
            last = (end.hour * 60 + end.minute or 24 * 60) - self.slot
            while minute <= last:
                times.append(dt.time(minute // 60, minute % 60))
                minute += self.slot
        return tuple(times)

    def free(self, day: dt.date, now: dt.datetime) -> tuple[dt.time, ...]:
        """The times of `day` that can be booked at `now`."""
        if not 0 <= (day - now.date()).days <= HORIZON_DAYS:
            return ()
        soonest = now + dt.timedelta(minutes=self.lead)
        return tuple(
            time
            for time in self.slots(day)
            if dt.datetime.combine(day, time) >= soonest and not self._taken(dt.datetime.combine(day, time))
        )

    def next_days(self, after: dt.date, now: dt.datetime, most: int = 3) -> tuple[dt.datetime, ...]:
        """The first free time of each of the next days that have one, within four weeks."""
        found: list[dt.datetime] = []
        for ahead in range(1, 29):
            day = after + dt.timedelta(days=ahead)
            free = self.free(day, now)
            if free:
                found.append(dt.datetime.combine(day, free[0]))
            if len(found) == most:
                break
        return tuple(found)

    def book(
        self, key: str, start: dt.datetime, details: Mapping[str, Any], now: dt.datetime, *, squeeze: bool = False
    ) -> Booking | Refusal:
        """Book once for `key`: the same key again gives the same booking, also after it was cancelled.

        squeeze: also where the time is taken or `lead` is too short (an emergency).
        """
        if key in self._by_key:
            return self._by_key[key]
        if start < now:
            return Refusal("past")
        if (start.date() - now.date()).days > HORIZON_DAYS:
            return Refusal("too_far")
        slots = self.slots(start.date())
        if not slots:
            return Refusal("closed")
        if start.time() not in slots:
            return Refusal("off_grid")
        if not squeeze and start.time() not in self.free(start.date(), now):
            return Refusal("taken")
        booking = Booking(self._reference(key), start, dict(details))
        self.bookings[booking.reference] = booking
        self._by_key[key] = booking
        return booking

    def cancel(self, reference: str) -> Booking | Refusal:
        """Free the time of a booking."""
        booking = self.bookings.pop(reference, None)
        return booking if booking is not None else Refusal("not_found")

    def find(self, *, phone: str, day: dt.date | None = None) -> Booking | None:
        """The first booking under this telephone number (compared by its last seven digits)."""
        wanted = _digits(phone)[-7:]
        for booking in sorted(self.bookings.values(), key=lambda item: item.start):
            same = wanted and _digits(str(booking.details.get("phone", "")))[-7:] == wanted
            if same and (day is None or booking.start.date() == day):
                return booking
        return None

    def _taken(self, start: dt.datetime) -> bool:
        if any(booking.start == start for booking in self.bookings.values()):
            return True
        digest = hashlib.sha256(f"{self.seed}|{start:%a %H:%M}|{start.isocalendar().week % 4}".encode()).digest()
        return digest[0] < self.busy * 256

    def _reference(self, key: str) -> str:
        digest = hashlib.sha256(f"{self.seed}|{key}".encode()).digest()
        number = int.from_bytes(digest[:4], "big") % 9_000 + 1_000
        while f"{self.prefix}-{number}" in self.bookings:
            number = (number - 999) % 9_000 + 1_000
        return f"{self.prefix}-{number}"


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isdigit())
