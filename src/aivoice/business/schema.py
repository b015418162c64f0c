"""The shape of a business file, for checking it at the edge. Nothing else sees these classes."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Annotated, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import jsonschema
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from aivoice.business.hours import GROUPS, WEEKDAYS, parse_spans
from aivoice.business.model import MESSAGES, SERVICE


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _line(text: str) -> str:
    """One line, as it will be spoken and printed: a terminal would obey its control characters."""
    joined = " ".join(text.split())
    control = next((character for character in joined if unicodedata.category(character) == "Cc"), "")
    if control:
        raise ValueError(f"holds the control character U+{ord(control):04X}: remove it")
    return joined


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_line)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_line)]
Block = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)]


def _listed(value: object) -> object:
    """One phrase may stand without a list."""
    return [value] if isinstance(value, str) else value


Lines = Annotated[tuple[Line, ...], BeforeValidator(_listed), Field(max_length=100)]
Sentences = Annotated[tuple[Sentence, ...], BeforeValidator(_listed), Field(max_length=10)]


def _spans(value: str) -> str:
    parse_spans(value)
    return value


def _joined(value: object) -> object:
    """``[8:00-12:00, 13:00-17:00]`` is the same as the two in one string."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in cast("list[object]", value))
    return "closed" if value is None else value


Spans = Annotated[str, BeforeValidator(_joined), AfterValidator(_spans)]


def _date(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return dt.date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("this is not a date: write it like 2026-12-25") from None


Date = Annotated[dt.date, BeforeValidator(_date)]


class Holiday(Strict):
    """One day, or the days from `date` to `to`, with their own hours (closed unless said otherwise)."""

    date: Date
    to: Date | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = ""
    hours: Spans = "closed"


def _holiday(value: object) -> object:
    return {"date": value} if isinstance(value, str) else value


class HoursShape(Strict):
    """Keys: the weekdays, ``weekdays``, ``weekends``, ``every day``, ``holidays``."""

    monday: Spans | None = None
    tuesday: Spans | None = None
    wednesday: Spans | None = None
    thursday: Spans | None = None
    friday: Spans | None = None
    saturday: Spans | None = None
    sunday: Spans | None = None
    weekdays: Spans | None = None
    weekends: Spans | None = None
    every_day: Spans | None = Field(default=None, alias="every day")
    daily: Spans | None = None
    holidays: Annotated[tuple[Annotated[Holiday, BeforeValidator(_holiday)], ...], Field(max_length=400)] = ()

    def day(self, index: int) -> str:
        """What was written for weekday `index` (0 is Monday); the day itself wins over its group."""
        own = getattr(self, WEEKDAYS[index])
        if own is not None:
            return str(own)
        for group, days in GROUPS.items():
            value = getattr(self, group.replace(" ", "_"))
            if value is not None and index in days:
                return str(value)
        return "closed"


def _endpoint(value: str) -> str:
    if value in (SERVICE, MESSAGES):
        return value
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        host, parts = None, None
    if parts is None or not host or parts.scheme not in ("http", "https") or parts.username or parts.fragment:
        raise ValueError(
            f"this is not an endpoint: use an http:// or https:// address, `{SERVICE}` (the file named by `service:`) "
            f"or `{MESSAGES}`"
        )
    return value


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", **value}
    if schema["type"] != "object":
        raise ValueError("`parameters` must describe an object: set `type: object`, or leave `type` out")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path) or "parameters"
        raise ValueError(f"this is not a valid JSON Schema (at {where}): see json-schema.org") from None
    except RecursionError:
        raise ValueError("this JSON Schema is nested too deep: make it flatter") from None
    properties = schema.get("properties", {})
    missing = [name for name in schema.get("required", []) if name not in properties]
    if missing:
        raise ValueError(f"`required` names {missing[0]!r}, which is not among `properties`: add it there")
    return schema


class ToolShape(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000), AfterValidator(_line)
    ]
    parameters: Annotated[dict[str, Any], AfterValidator(_parameters)] = Field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    side_effects: bool
    endpoint: Annotated[str, AfterValidator(_endpoint)]
    fillers: Sentences = ()
    time_limit_ms: Annotated[int, Field(ge=100, le=60_000)] = 5_000


_NUMBER = re.compile(r"\+?[0-9][0-9 ().\-]{1,24}|sips?:[^\s@]{1,64}@[^\s@]{1,128}")


def _number(value: str) -> str:
    value = value.strip()
    if value and not _NUMBER.fullmatch(value):
        raise ValueError(
            'this is not a number to transfer to: write it like "+1 555 010 4477", "204" or "sip:desk@example.com"'
        )
    return value


class TransferShape(Strict):
    name: Line
    number: Annotated[str, AfterValidator(_number)] = ""
    phrases: Lines = ()


class LimitsShape(Strict):
    max_call_minutes: Annotated[int, Field(ge=1, le=240)] = 30
    silent_after_s: Annotated[int, Field(ge=3, le=60)] = 8
    concurrent_calls: Annotated[int, Field(ge=1, le=1_000)] = 8


class EmergencyShape(Strict):
    phrases: Annotated[Lines, Field(min_length=1)]
    sentence: Sentence
    target: Line


class PriceShape(Strict):
    item: Line
    price: Line
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_line)] = ""


def _zone(value: str) -> str:
    known = available_timezones()
    if not known:
        raise ValueError("this machine has no time zones installed: install the Python package tzdata")
    if value not in known:
        raise ValueError("this is not a time zone: use a name like America/New_York or Europe/London")
    ZoneInfo(value)
    return value


class BusinessShape(Strict):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(_line)]
    greeting: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_line)] = ""
    disclosure: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_line)] = ""
    personality: Block = ""
    instructions: Block = ""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    voice: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = "default"
    address: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_line)] = ""
    phone: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = ""
    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    website: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    hours: HoursShape | None = None
    prices: Annotated[tuple[PriceShape, ...], Field(max_length=500)] = ()
    knowledge: Lines = ()
    service: Line | None = None
    tools: Annotated[tuple[ToolShape, ...], Field(max_length=40)] = ()
    transfers: Annotated[tuple[TransferShape, ...], Field(max_length=50)] = ()
    emergency: EmergencyShape | None = None
    limits: LimitsShape = LimitsShape()
    sentences: Annotated[dict[str, Sentence], Field(max_length=100)] = Field(default_factory=dict[str, str])
    lexicon: Annotated[dict[str, Line], Field(max_length=1_000)] = Field(default_factory=dict[str, str])
