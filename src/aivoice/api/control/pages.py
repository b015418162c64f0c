"""Pages of a list: an opaque cursor that names the last row seen, so that rows which come meanwhile move nothing. And
moments, which such a list is asked by."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime

from aivoice.api.problem import Problem

MOST = 200
_VERSION = 1
_YEARS = range(1900, 9000)

Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items of a page.")]
Cursor = Annotated[str, Query(max_length=2_500, description="`next` of the page before; empty: the first page.")]


def _storable(moment: datetime) -> datetime:
    """The database takes years that Python cannot read back: such a row could never be listed again."""
    if moment.year not in _YEARS:
        raise ValueError(f"give a year from {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_storable)]
"""A moment with its zone, read as UTC; without a zone it is a 422."""

T = TypeVar("T")


def next_cursor(rows: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, str]]) -> str | None:
    """The cursor after `rows`, which were asked for with limit + 1. place: a row's time and id."""
    return next_text_cursor(rows, limit, lambda row: (place(row)[0].isoformat(), place(row)[1]))


def read_cursor(cursor: str) -> tuple[datetime, str] | None:
    """Where the page begins, None for the first. Raises Problem 400 for what `next_cursor` did not make."""
    place = read_text_cursor(cursor)
    if place is None:
        return None
    at, identity = place
    try:
        when = datetime.fromisoformat(at)
        if when.tzinfo is None:
            raise ValueError
        when.utctimetuple()  # years that PostgreSQL and UTC both know
    except (ValueError, OverflowError):
        raise _bad() from None
    return when, identity


def next_text_cursor(rows: Sequence[T], limit: int, place: Callable[[T], tuple[str, str]]) -> str | None:
    """As `next_cursor`, of a list in the order of two texts."""
    if len(rows) <= limit:
        return None
    text = json.dumps([_VERSION, *place(rows[limit - 1])], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_text_cursor(cursor: str) -> tuple[str, str] | None:
    """Raises Problem 400 for what `next_text_cursor` did not make."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        version, first, second = value
        if version != _VERSION or not isinstance(first, str) or not isinstance(second, str):
            raise ValueError
        if b"\0" in (first + second).encode():  # half of a surrogate pair has no bytes: that is a ValueError, too
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise _bad() from None
    return first, second


def _bad() -> Problem:
    return Problem(400, "The cursor is not one of ours: begin again without it.", code="bad_cursor")
