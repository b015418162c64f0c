"""Where rows of keys, users and sessions live: a tenant's in tenant tables, the operator's in the schema
``operator``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString

from aivoice.store import PlatformScope, Scope, Store

AnyScope = Scope | PlatformScope


@dataclass(frozen=True, slots=True)
class Home:
    """Parts of SQL that differ. prefix: before a table's name. columns, values: of INSERT. where: before a
    condition."""

    prefix: LiteralString
    columns: LiteralString
    values: LiteralString
    where: LiteralString


_TENANT = Home("", "tenant_id, ", "%(tenant_id)s, ", "tenant_id = %(tenant_id)s AND ")
_OPERATOR = Home("operator.", "", "", "")


def home(scope: AnyScope) -> Home:
    return _TENANT if isinstance(scope, Scope) else _OPERATOR


@asynccontextmanager
async def scope_of(store: Store, tenant_id: str | None) -> AsyncGenerator[AnyScope]:
    """A transaction of the tenant, or of the operator where it is None."""
    if tenant_id is None:
        async with store.platform() as scope:
            yield scope
    else:
        async with store.tenant(tenant_id) as scope:
            yield scope
