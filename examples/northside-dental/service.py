"""The dental practice's booking service: free times, booking, cancelling. In memory, on a loopback port.

`aivoice` starts it by itself (`service:` in business.yaml). By hand: ``python examples/northside-dental/service.py``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from aivoice.business.diary import Diary, Refusal
from aivoice.business.local_service import Clock, serve_alone
from aivoice.business.model import Business
from aivoice.business.tool_app import tool_app

Answer = Mapping[str, Any]
_WHY = {
    "past": "That time has already passed.",
    "closed": "We are closed that day.",
    "too_far": "We only book six months ahead.",
    "off_grid": "Appointments start on the hour or the half hour while we are open.",
    "taken": "That time is already taken.",
}


class Desk:
    """The practice's diary behind three tools."""

    def __init__(self, business: Business, clock: Clock) -> None:
        self._clock = clock
        self._diary = Diary(business.hours, prefix="ND", slot=30, busy=0.35, lead=60, seed=business.name)

    def check_availability(self, arguments: Answer, _: str) -> Answer:
        """Free times of a day, the nearest to the wish first; other days where there is none."""
        day = dt.date.fromisoformat(arguments["date"])
        now = self._clock()
        free = self._diary.free(day, now)
        if not free:
            others = [f"{moment:%Y-%m-%dT%H:%M}" for moment in self._diary.next_days(max(day, now.date()), now)]
            return {"status": "ok", "date": day.isoformat(), "available": False, "slots": others}
        if arguments.get("time"):
            wish = dt.time.fromisoformat(arguments["time"])
            available = wish in free
            free = tuple(sorted(free, key=lambda time: abs(_minutes(time) - _minutes(wish))))[:4]
            return {
                "status": "ok",
                "date": day.isoformat(),
                "available": available,
                "slots": [f"{t:%H:%M}" for t in free],
            }
        return {"status": "ok", "date": day.isoformat(), "available": True, "slots": [f"{t:%H:%M}" for t in free]}

    def book_appointment(self, arguments: Answer, key: str) -> Answer:
        """Book; a refusal says why, with the nearest free times."""
        start = dt.datetime.combine(dt.date.fromisoformat(arguments["date"]), dt.time.fromisoformat(arguments["time"]))
        booking = self._diary.book(key, start, arguments, self._clock())
        if isinstance(booking, Refusal):
            other = self.check_availability({"date": arguments["date"], "time": arguments["time"]}, key)
            return {"status": "taken", "message": _WHY[booking.why], "date": other["date"], "slots": other["slots"]}
        return {"status": "ok", "reference": booking.reference, "date": arguments["date"], "time": arguments["time"]}

    def cancel_appointment(self, arguments: Answer, _: str) -> Answer:
        """Cancel what was booked under this number on that day."""
        booking = self._diary.find(phone=arguments["phone"], day=dt.date.fromisoformat(arguments["date"]))
        if booking is None:
            return {"status": "not_found", "message": "I can't find an appointment under that number on that day."}
        self._diary.cancel(booking.reference)
        return {"status": "ok", "reference": booking.reference}


def _minutes(time: dt.time) -> int:
    return time.hour * 60 + time.minute


def create_app(business: Business, clock: Clock) -> web.Application:
    """What `aivoice.business.local_service` starts."""
    desk = Desk(business, clock)
    handlers = {
        "check_availability": desk.check_availability,
        "book_appointment": desk.book_appointment,
        "cancel_appointment": desk.cancel_appointment,
    }
    return tool_app(handlers, frozenset({"book_appointment", "cancel_appointment"}))


if __name__ == "__main__":
    serve_alone(create_app, Path(__file__), port=8101)
