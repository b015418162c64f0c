"""Who did what to what, and when: written in the transaction that does it, and never changed.

The database lets the application insert and read entries, nothing else. Entries hold names of things, never content.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aivoice.errors import InputError
from aivoice.security.home import AnyScope, home
from aivoice.security.permissions import Principal
from aivoice.security.redact import redact
from aivoice.store import PlatformScope
from aivoice.store.ids import new_id

Simple = str | int | bool | None
_ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_SECRET = re.compile(r"pass(word|phrase)|secret|token|authorization|credential|api_?key|cookie|private", re.IGNORECASE)
MOST_DETAILS, LONGEST = 20, 200
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """action: ``key.revoked``, ``user.created``, ``secret.changed`` … target: the thing's id. detail: simple values."""

    entry_id: str
    at: datetime
    actor_kind: str
    actor: str
    action: str
    target: str
    request_id: str
    detail: dict[str, Simple] = field(hash=False)


async def record(
    scope: AnyScope,
    principal: Principal,
    action: str,
    target: str,
    *,
    now: datetime,
    request_id: str = "",
    detail: Mapping[str, Simple] | None = None,
    tenant_id: str | None = None,
) -> None:
    """Add an entry to the tenant's log, or to the operator's (`PlatformScope`).

    tenant_id, with a `PlatformScope`: what the operator did to this tenant, written to the log that the tenant reads.
    Raises InputError where a name or detail looks like a secret, or is too long: a mistake in the code that calls.
    """
    details = _checked(detail or {})
    if not _ACTION.fullmatch(action):
        raise InputError("An action is two or more names with dots between.", stage="security")
    params: dict[str, Any] = {
        "id": new_id("entry"),
        "now": now,
        "kind": principal.kind,
        "actor": principal.id[:100],
        "action": action,
        "target": redact(target[:LONGEST]),
        "request": request_id[:100],
        "detail": json.dumps(details),
    }
    columns = "entry_id, at, actor_kind, actor, action, target, request_id, detail"
    values = "%(id)s, %(now)s, %(kind)s, %(actor)s, %(action)s, %(target)s, %(request)s, %(detail)s"
    if isinstance(scope, PlatformScope) and tenant_id is not None:
        params["tenant"] = tenant_id
        await scope.run(f"INSERT INTO audit_log (tenant_id, {columns}) VALUES (%(tenant)s, {values})", params)
        return
    at = home(scope)
    await scope.run(f"INSERT INTO {at.prefix}audit_log ({at.columns}{columns}) VALUES ({at.values}{values})", params)


async def entries(scope: AnyScope, *, limit: int = 50, after: str = "", action: str = "") -> tuple[list[Entry], str]:
    """The newest first, and the cursor of the next page ("" at the end). action: only those that begin with it.

    Raises InputError for a cursor that is none, or a limit outside 1 … `PAGE`.
    """
    if not 1 <= limit <= PAGE:
        raise InputError(f"The limit is 1 to {PAGE}.", stage="security")
    at = home(scope)
    before, last = _position(after) if after else (None, "")
    rows = await scope.all(
        f"SELECT entry_id, at, actor_kind, actor, action, target, request_id, detail FROM {at.prefix}audit_log "
        f"WHERE {at.where} (%(before)s::timestamptz IS NULL OR (at, entry_id) < (%(before)s, %(last)s)) "
        "AND starts_with(action, %(action)s) ORDER BY at DESC, entry_id DESC LIMIT %(limit)s",
        {"before": before, "last": last, "action": action, "limit": limit + 1},
    )
    found = [Entry(**row) for row in rows[:limit]]
    return found, _cursor(found[-1]) if len(rows) > limit else ""


def _checked(detail: Mapping[str, Simple]) -> dict[str, Simple]:
    if len(detail) > MOST_DETAILS:
        raise InputError(f"An entry has at most {MOST_DETAILS} details.", stage="security")
    for name, value in detail.items():
        if _SECRET.search(name) or not name.isidentifier():
            raise InputError(f"A detail of the audit log may not be called {name!r}.", stage="security")
        if isinstance(value, str) and (len(value) > LONGEST or value.startswith(("avk_", "avs_", "whsec_"))):
            raise InputError(f"The detail {name!r} is too long, or a secret.", stage="security")
    return {name: redact(value) if isinstance(value, str) else value for name, value in detail.items()}


def _cursor(entry: Entry) -> str:
    return base64.urlsafe_b64encode(f"{entry.at.isoformat()} {entry.entry_id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor[:200] + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, entry_id = text.partition(" ")
        when = datetime.fromisoformat(at)
        if when.tzinfo is None or "\0" in entry_id:
            raise ValueError
    except (ValueError, binascii.Error):
        raise InputError("The cursor is not one that was given out.", code="cursor_invalid", stage="security") from None
    return when, entry_id
