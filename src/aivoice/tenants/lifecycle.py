"""Tenants as the operator keeps them: made, named, suspended, closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aivoice.errors import InputError
from aivoice.store import ConflictError, NotFoundError, PlatformScope
from aivoice.store.pool import TENANT_ID
from aivoice.tenants.numbers import CHANNEL

Status = Literal["active", "suspended", "closed"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """version: of its business file, in force; 0: none yet. status_reason: the operator's words."""

    id: str
    name: str
    status: str
    status_reason: str
    status_at: datetime | None
    zone: str
    version: int
    service_file: str
    created_at: datetime


_COLUMNS = "id, name, status, status_reason, status_at, zone, version, service_file, created_at"


async def create(scope: PlatformScope, tenant_id: str, name: str, now: datetime, *, zone: str = "UTC") -> Tenant:
    """Raises InputError for a name that is none, ConflictError where the id is taken."""
    if not TENANT_ID.fullmatch(tenant_id):
        raise InputError(
            "A tenant's id is a short name of small letters, digits and hyphens, like northside-dental.",
            code="tenant_id_invalid",
            stage="tenants",
        )
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise InputError("A tenant's name has 1 to 200 characters.", code="tenant_name_invalid", stage="tenants")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError("This is no time zone: give one like America/Chicago.", stage="tenants") from None
    row = await scope.one(
        "INSERT INTO tenants (id, name, zone, created_at) VALUES (%(id)s, %(name)s, %(zone)s, %(now)s) "
        f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
        {"id": tenant_id, "name": name, "zone": zone, "now": now},
    )
    if row is None:
        raise ConflictError("There is a tenant of this id already: choose another.", code="tenant_exists")
    return Tenant(**row)


async def get(scope: PlatformScope, tenant_id: str) -> Tenant:
    """Raises NotFoundError."""
    row = await scope.one(f"SELECT {_COLUMNS} FROM tenants WHERE id = %(id)s", {"id": tenant_id})
    return _tenant(row)


async def tenants(scope: PlatformScope, *, after: str = "", limit: int = 50, status: str = "") -> list[Tenant]:
    """By id. after: the last one seen."""
    rows = await scope.all(
        f"SELECT {_COLUMNS} FROM tenants WHERE id > %(after)s AND (%(status)s = '' OR status = %(status)s) "
        "ORDER BY id LIMIT %(limit)s",
        {"after": after, "status": status, "limit": limit},
    )
    return [Tenant(**row) for row in rows]


async def set_status(
    scope: PlatformScope, tenant_id: str, status: Status, now: datetime, *, reason: str = ""
) -> Tenant:
    """Suspend, resume or close; calls that are running go on. A closed one stays closed, and gives its numbers back.

    Raises NotFoundError, ConflictError for one that is closed.
    """
    known = await scope.one(f"SELECT {_COLUMNS} FROM tenants WHERE id = %(id)s FOR UPDATE", {"id": tenant_id})
    before = _tenant(known)
    if before.status == "closed" and status != "closed":
        raise ConflictError("This tenant is closed for good: make a new one.", code="tenant_closed")
    row = await scope.one(
        "UPDATE tenants SET status = %(status)s, status_reason = %(reason)s, status_at = %(now)s WHERE id = %(id)s "
        f"RETURNING {_COLUMNS}",
        {"id": tenant_id, "status": status, "reason": reason[:500], "now": now},
    )
    if status == "closed":
        await scope.run("DELETE FROM numbers WHERE tenant_id = %(id)s", {"id": tenant_id})
    await scope.notify(CHANNEL, f"{tenant_id} 0")
    return _tenant(row)


async def attach_service(scope: PlatformScope, tenant_id: str, file: str) -> None:
    """The program beside the business file that answers its tools (``""``: none). It runs on the server's machine
    with the server's rights, so the operator alone may name one. Raises NotFoundError."""
    changed = await scope.run(
        "UPDATE tenants SET service_file = %(file)s WHERE id = %(id)s", {"id": tenant_id, "file": file}
    )
    if not changed:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    await scope.notify(CHANNEL, f"{tenant_id} 0")


def _tenant(row: dict[str, Any] | None) -> Tenant:
    if row is None:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    return Tenant(**row)
