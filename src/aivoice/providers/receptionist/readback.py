"""A form's values as sentences: what is read back before anything is done, and the arguments that it stands for.

`describe` and `arguments` see the same values: a confirmed read-back covers every argument that is sent.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import lru_cache
from typing import Any, cast

from aivoice.providers.receptionist.moments import clock_of, spoken_day, spoken_time
from aivoice.providers.receptionist.questions import YOUR_NAME
from aivoice.providers.receptionist.reader import Values
from aivoice.providers.receptionist.schema import Field, Shape
from aivoice.providers.receptionist.text import humanise, listed


def canonical(value: object) -> str:
    """Canonical JSON text: sorted keys, no spaces, as the core writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def arguments(shape: Shape, values: Values) -> dict[str, Any]:
    """The tool's arguments as its schema nests them. Half values (keys with ``|``) stay out."""
    result: dict[str, Any] = {}
    pairs = [*shape.fixed, *((item.path, values[item.name]) for item in shape.fields if item.name in values)]
    for path, value in pairs:
        inside = result
        for key in path[:-1]:
            inside = inside.setdefault(key, {})
        inside[path[-1]] = value
    return result


def flatten(shape: Shape, given: dict[str, Any]) -> Values:
    """The inverse of `arguments`, for calls that another model made."""
    values: Values = {}
    for item in shape.fields:
        inside: Any = given
        for key in item.path:
            inside = inside.get(key) if isinstance(inside, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if inside is not None:
            values[item.name] = inside
    return values


def missing(shape: Shape, values: Values) -> list[Field]:
    """Required fields without a value, in the order in which they are asked: a day before its time."""
    open_fields = [item for item in shape.fields if item.required and item.name not in values]
    rank = {"date": 0, "time": 1}
    spots = [index for index, item in enumerate(open_fields) if item.kind in rank and not item.past_ok]
    ordered = sorted((open_fields[index] for index in spots), key=lambda item: rank[item.kind])
    for index, item in zip(spots, ordered, strict=True):
        open_fields[index] = item
    return open_fields


_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?!\d)|(\d\d)/(\d\d)/(\d{4})")


@lru_cache(maxsize=4096)
def _day(text: str) -> dt.date | None:
    match = _DAY.match(text)
    if match is None:
        return None
    year, month, day = (int(match[i]) for i in ((1, 2, 3) if match[1] else (6, 4, 5)))
    if month > 12:
        month, day = day, month  # written day first
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def day_in(value: object) -> dt.date | None:
    """The day of a stored date or date-time, in any of the spellings that `moments` writes; None for anything else."""
    return _day(str(value))


def spoken(item: Field, value: object, today: dt.date) -> str:
    """One value as it is said."""
    match item.kind:
        case "date":
            day = day_in(value)
            if day is None:
                return str(value)
            said = spoken_day(day, today.year)
            return said.partition(", ")[2] if item.past_ok else said
        case "time":
            time = clock_of(value)
            return spoken_time(time) if time else str(value)
        case "datetime":
            day, time = day_in(value), clock_of(value)
            return f"{spoken_day(day, today.year)} at {spoken_time(time)}" if day and time else str(value)
        case "phone":
            return spoken_phone(str(value))
        case "boolean":
            return "yes" if value else "no"
        case "enum":
            return next((option.spoken for option in item.options if option.value == value), humanise(str(value)))
        case "array":
            parts = cast("list[Any]", value) if isinstance(value, list) else [value]
            names = {str(option.value): option.spoken for option in item.options}
            flat = [
                str(next(iter(cast("dict[str, Any]", part).values()), "")) if isinstance(part, dict) else str(part)
                for part in parts
            ]
            return listed([names.get(part, part) for part in flat], "and")
        case "code":
            return " ".join(str(value)) if len(str(value)) <= 12 else str(value)
        case _:
            return str(value)


def spoken_phone(digits: str) -> str:
    """Grouped as a telephone number is read: 555-010-4477, +44 20 7946 0123."""
    bare = "".join(ch for ch in digits if ch.isdigit())
    if len(bare) == 10:
        return f"{bare[:3]}-{bare[3:6]}-{bare[6:]}"
    if len(bare) == 11 and bare[0] == "1":
        return f"{bare[1:4]}-{bare[4:7]}-{bare[7:]}"
    if len(bare) == 7:
        return f"{bare[:3]}-{bare[3:]}"
    return digits


_SELF_EVIDENT = frozenset(
    {"service", "type", "treatment", "job", "service type", "appointment type", "reason", "reason for visit", "purpose"}
)


def describe(shape: Shape, values: Values, today: dt.date) -> str:
    """Every value in one phrase: "cleaning, on Wednesday, November 25th at 3 pm, for Ana Lopez, phone number …"."""
    parts: list[str] = []
    fields = [item for item in shape.fields if item.name in values]
    single = {
        kind: sum(1 for item in fields if item.kind == kind) == 1 for kind in ("date", "time", "name", "datetime")
    }
    for item in fields:
        text = spoken(item, values[item.name], today)
        match item.kind:
            case "date" if single["date"] and not item.past_ok:
                at = next((f for f in fields if f.kind == "time"), None) if single["time"] else None
                clock = f" at {spoken(at, values[at.name], today)}" if at else ""
                parts.append(f"on {text}{clock}")
            case "time" if (
                single["time"] and single["date"] and any(f.kind == "date" and not f.past_ok for f in fields)
            ):
                continue
            case "time" if single["time"]:
                parts.append(f"at {text}")
            case "datetime" if single["datetime"] and not item.past_ok:
                parts.append(f"on {text}")
            case "name" if single["name"] and YOUR_NAME.fullmatch(item.label):
                parts.append(f"for {text}")
            case "enum" if item.label in _SELF_EVIDENT:
                parts.append(text)
            case "text" if item.name == "message":
                parts.append(f"the message: {text}")
            case _:
                parts.append(
                    f"{item.label}: {text}" if item.kind in ("boolean", "text", "enum") else f"{item.label} {text}"
                )
    return ", ".join(parts)
