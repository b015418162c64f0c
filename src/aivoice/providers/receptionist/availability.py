"""What is free: which check to make for a form, and what its answer means for the day and time wished for.

The answers of read-only tools are data: they can take a wish away and offer others, nothing else. Moves on a `State`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from aivoice.providers.receptionist.intents import counterpart
from aivoice.providers.receptionist.moments import clock_of
from aivoice.providers.receptionist.readback import arguments, day_in, flatten, missing
from aivoice.providers.receptionist.reader import Values
from aivoice.providers.receptionist.schema import Shape
from aivoice.providers.receptionist.slots import Moment, Result
from aivoice.providers.receptionist.state import Record, State

_PARTS = {
    "morning": ("00:00", "12:00"),
    "midday": ("11:00", "14:00"),
    "afternoon": ("12:00", "17:00"),
    "evening": ("17:00", "24:00"),
}


def probe_arguments(state: State, shape: Shape, probe: Shape) -> dict[str, Any] | None:
    """The arguments to check with, or None while something that the check needs is unknown."""
    values: Values = {}
    for item in probe.fields:
        name = counterpart(shape, item.name, probe)
        if name is not None and name in state.values:
            allowed = [option.value for option in item.options]
            if not allowed or state.values[name] in allowed:
                values[item.name] = state.values[name]
        elif name is not None and item.kind == "date" and f"{name}|date" in state.values:
            values[item.name] = state.values[f"{name}|date"]
    return None if missing(probe, values) else arguments(probe, values)


def same_day_check(state: State, shape: Shape, probe: Shape, wanted: dict[str, Any]) -> Record | None:
    """An earlier answer for the same day, where no time is wished for now: its times still stand."""
    if _wish(state, shape) is not None:
        return None
    clocks = {item.name for item in probe.fields if item.kind == "time"}
    same = {key: value for key, value in flatten(probe, wanted).items() if key not in clocks}
    for record in reversed(state.records):
        if record.name == probe.name and record.result is not None and record.result.outcome == "ok":
            given = flatten(probe, record.given)
            if {key: value for key, value in given.items() if key not in clocks} == same:
                return record
    return None


def checked_before(state: State, shape: Shape, probe: Shape, wanted: dict[str, Any]) -> bool:
    """The time wished for was in an earlier answer for the same day: no need to ask again."""
    wish = _wish(state, shape)
    if wish is None:
        return False
    clocks = {item.name for item in probe.fields if item.kind == "time"}
    same = {key: value for key, value in flatten(probe, wanted).items() if key not in clocks}
    for record in state.records:
        if record.name != probe.name or record.result is None or record.result.outcome != "ok":
            continue
        given = {key: value for key, value in flatten(probe, record.given).items() if key not in clocks}
        day = _asked_day(probe, record)
        if given == same and any(m[1] == f"{wish:%H:%M}" for m in _on_day(record.result, day)):
            return True
    return False


def _asked_day(probe: Shape, record: Record) -> dt.date | None:
    given = flatten(probe, record.given)
    return next(
        (day for f in probe.fields if f.kind in ("date", "datetime") and (day := day_in(given.get(f.name)))), None
    )


def _wish(state: State, shape: Shape) -> dt.time | None:
    item = next((f for f in shape.fields if f.kind in ("time", "datetime") and not f.past_ok), None)
    if item is None:
        return None
    return clock_of(state.values.get(item.name) or state.values.get(f"{item.name}|time"))


def _on_day(result: Result, day: dt.date | None) -> list[Moment]:
    return [m for m in result.moments if day is None or not m[0] or day_in(m[0]) == day]


def fold_in(state: State, active: Shape, probe: Shape, record: Record) -> None:
    """Take the answer into the form: a full day is given up, a taken time is given up, free times are remembered."""
    result = record.result
    if result is None:
        return
    day = _asked_day(probe, record)
    here = _on_day(result, day)
    timed = [m for m in here if m[1]]
    wish = _wish(state, active)
    knew_time = any(f.kind in ("time", "datetime") and f.name in flatten(probe, record.given) for f in probe.fields)
    state.taken, state.offered, state.checked, state.choices = "", (), record, ()
    if _choose(state, active, result):
        return
    day_full = not here and (result.listed or result.available is False) and not result.lists
    if day_full and day is not None:
        state.taken, state.offered = "day", tuple(result.moments[:3])
        drop_day(state, active)
        drop_moment(state, active)
    elif wish is None:
        state.offered = tuple(_wished(state, timed))
    else:
        free = f"{wish:%H:%M}" in {m[1] for m in timed}
        refused = (
            result.available is False if result.available is not None and knew_time else result.listed and not free
        )
        if refused and not (result.available and not timed):
            state.taken = drop_moment(state, active)
            state.offered = tuple(_nearest(timed, wish))


def _choose(state: State, active: Shape, result: Result) -> bool:
    """A list of a choice's own options ("windows": ["morning"]) says which are free. True where it took one away."""
    for item in active.fields:
        options = {str(option.value): option for option in item.options}
        for _, free in result.lists:
            if item.kind != "enum" or not free or not set(free) <= set(options):
                continue
            state.choices = tuple(options[value].spoken for value in free)
            if str(state.values.get(item.name, free[0])) not in free:
                state.taken = options[str(state.values.pop(item.name))].spoken
                return True
            if len(free) == 1 and item.required and item.name not in state.values:
                state.asked = (item.name,)
    return False


def drop_day(state: State, shape: Shape) -> None:
    """Give up the form's day."""
    for item in shape.fields:
        if item.kind in ("date", "datetime") and not item.past_ok:
            for key in (item.name, f"{item.name}|date"):
                state.values.pop(key, None)


def drop_moment(state: State, shape: Shape) -> str:
    """Give up the form's time (of a moment: its time of day); returns it as HH:MM, or "" where there was none."""
    taken = ""
    for item in shape.fields:
        if item.kind not in ("time", "datetime") or item.past_ok:
            continue
        time = clock_of(state.values.pop(item.name, None)) or clock_of(state.values.get(f"{item.name}|time"))
        state.values.pop(f"{item.name}|time", None)
        taken = f"{time:%H:%M}" if time else taken
    return taken


def _nearest(timed: list[Moment], wish: dt.time) -> list[Moment]:
    """The three free times closest to the wish, in order of the day."""
    minute = wish.hour * 60 + wish.minute
    return sorted(sorted(timed, key=lambda m: (abs(int(m[1][:2]) * 60 + int(m[1][3:]) - minute), m))[:3])


def _wished(state: State, timed: list[Moment]) -> list[Moment]:
    """Up to three free times, those of the part of day asked for, spread over it."""
    wishes = {key.partition("|")[2]: str(value) for key, value in state.values.items() if "|" in key}
    fit = sorted(m for m in timed if _fits(m[1], wishes)) or sorted(timed)
    return fit if len(fit) <= 3 else [fit[0], fit[len(fit) // 2], fit[-1]]


def _fits(time: str, wishes: dict[str, str]) -> bool:
    low, high = _PARTS.get(wishes.get("part", ""), ("00:00", "24:00"))
    return max(low, wishes.get("after", "")) <= time < min(high, wishes.get("before") or "24:00")
