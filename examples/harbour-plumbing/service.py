"""The plumber's visit service: half-day windows, two crews, emergencies squeezed in. In memory, on loopback.

`aivoice` starts it by itself (`service:` in business.yaml). By hand: ``python examples/harbour-plumbing/service.py``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from aivoice.business.diary import Diary, Refusal
from aivoice.business.hours import Hours
from aivoice.business.local_service import Clock, serve_alone
from aivoice.business.model import Business
from aivoice.business.tool_app import tool_app

Answer = Mapping[str, Any]
WINDOWS = {"morning": (dt.time(8), dt.time(12)), "afternoon": (dt.time(12), dt.time(17))}
CREWS = 2
_WHY = {
    "past": "That window has already passed.",
    "closed": "We don't drive out on that day.",
    "too_far": "We only book six months ahead.",
    "off_grid": "On that day we only come in the morning.",
    "taken": "That window is already full.",
}


class Dispatch:
    """One diary a crew and window; an emergency may always take the first window of a working day."""

    def __init__(self, business: Business, clock: Clock) -> None:
        self._hours, self._clock = business.hours, clock
        self._crews = [
            Diary(_windows(business.hours), prefix="HP", slot=240, busy=0.4, lead=30, seed=f"{business.name} {crew}")
            for crew in range(CREWS)
        ]

    def _free(self, day: dt.date, window: str) -> Diary | None:
        start, now = WINDOWS[window][0], self._clock()
        return next((diary for diary in self._crews if start in diary.free(day, now)), None)

    def check_availability(self, arguments: Answer, _: str) -> Answer:
        """Which windows of a day are free; the next free days where none is."""
        day = dt.date.fromisoformat(arguments["date"])
        windows = [window for window in WINDOWS if self._free(day, window) is not None]
        now = self._clock()
        others = sorted(
            {moment.date() for diary in self._crews for moment in diary.next_days(max(day, now.date()), now)}
        )
        answer = {"status": "ok", "date": day.isoformat(), "available": bool(windows), "windows": windows}
        if windows:
            return {
                **answer,
                "message": f"The {' and the '.join(windows)} {'is' if len(windows) == 1 else 'are'} free.",
            }
        return {**answer, "alternatives": [other.isoformat() for other in others[:3]]}

    def book_visit(self, arguments: Answer, key: str) -> Answer:
        """Book a window; an emergency is taken in even when the day is full, as long as we work that day."""
        day, window = dt.date.fromisoformat(arguments["date"]), arguments["window"]
        start, now = dt.datetime.combine(day, WINDOWS[window][0]), self._clock()
        diary = self._free(day, window) or self._crews[0]
        booking = diary.book(key, start, arguments, now, squeeze=arguments["urgency"] == "emergency")
        if isinstance(booking, Refusal):
            other = self.check_availability({"date": arguments["date"]}, key)
            return {"status": "taken", "message": _WHY[booking.why], "alternatives": other.get("alternatives", [])}
        return {"status": "ok", "reference": booking.reference, "message": "The plumber calls thirty minutes before."}

    def cancel_visit(self, arguments: Answer, _: str) -> Answer:
        """Cancel the next visit booked under this number."""
        for diary in self._crews:
            booking = diary.find(phone=arguments["phone"])
            if booking is not None:
                diary.cancel(booking.reference)
                return {"status": "ok", "reference": booking.reference}
        return {"status": "not_found", "message": "I can't find a visit under that number."}


def _windows(hours: Hours) -> Hours:
    """Visits begin at 8 and at 12, where the office is open by then; Saturdays only in the morning."""
    weekly = tuple(_visits(spans) for spans in hours.weekly)
    return Hours(weekly, tuple((day, _visits(spans), name) for day, spans, name in hours.special), known=True)


def _visits(spans: tuple[tuple[dt.time, dt.time], ...]) -> tuple[tuple[dt.time, dt.time], ...]:
    if not spans:
        return ()
    return ((dt.time(8), dt.time(16)),) if spans[-1][1] > dt.time(14) else ((dt.time(8), dt.time(12)),)


def create_app(business: Business, clock: Clock) -> web.Application:
    """What `aivoice.business.local_service` starts."""
    dispatch = Dispatch(business, clock)
    handlers = {
        "check_availability": dispatch.check_availability,
        "book_visit": dispatch.book_visit,
        "cancel_visit": dispatch.cancel_visit,
    }
    return tool_app(handlers, frozenset({"book_visit", "cancel_visit"}))


if __name__ == "__main__":
    serve_alone(create_app, Path(__file__), port=8102)
