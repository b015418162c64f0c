"""Pages of a list: an opaque cursor that names the last row seen, so that rows which come meanwhile move nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel

from aivoice.api.problem import Problem

MOST = 200
_VERSION = 1

Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items of a page.")]
Cursor = Annotated[str, Query(max_length=400, description="`next` of the page before; empty: the first page.")]

T = TypeVar("T")


class Page(BaseModel):
    """What every list gives beside its items. next: cursor of the next page; null: this was the last."""

    next: str | None


def next_cursor(rows: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, str]]) -> str | None:
    """The cursor after `rows`, which were asked for with limit + 1. place: a row's time and id."""
    if len(rows) <= limit:
        return None
    at, identity = place(rows[limit - 1])
    text = json.dumps([_VERSION, at.isoformat(), identity], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str] | None:
    """Where the page begins, None for the first. Raises Problem 400 for what `next_cursor` did not make."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        version, at, identity = value
        if version != _VERSION or not isinstance(identity, str) or "\x00" in identity:
            raise ValueError
        when = datetime.fromisoformat(at)
        if when.tzinfo is None:
            raise ValueError
        when.utctimetuple()  # years that PostgreSQL and UTC both know
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Problem(400, "The cursor is not one of ours: begin again without it.", code="bad_cursor") from None
    return when, identity
