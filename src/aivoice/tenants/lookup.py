"""Which tenant a call is for, and all that is needed to decide about it: one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aivoice.store import PlatformScope
from aivoice.tenants.settings import Settings, kept_settings


@dataclass(frozen=True, slots=True)
class Found:
    """A tenant as a ringing call needs it. version: of its business file, in force (0: none yet)."""

    tenant_id: str
    name: str
    status: str
    version: int
    zone: str
    settings: Settings
    service_file: str


_COLUMNS = "t.id AS tenant_id, t.name, t.status, t.version, t.zone, t.settings, t.service_file"


async def by_number(scope: PlatformScope, e164: str) -> Found | None:
    """The tenant that has the number."""
    return _found(
        await scope.one(
            f"SELECT {_COLUMNS} FROM numbers n JOIN tenants t ON t.id = n.tenant_id WHERE n.e164 = %(e164)s",
            {"e164": e164},
        )
    )


async def by_id(scope: PlatformScope, tenant_id: str) -> Found | None:
    return _found(await scope.one(f"SELECT {_COLUMNS} FROM tenants t WHERE t.id = %(id)s", {"id": tenant_id}))


def _found(row: dict[str, Any] | None) -> Found | None:
    if row is None:
        return None
    settings = kept_settings(row.pop("settings"))
    return Found(settings=settings, **row)
