"""After a rotation: everything that is sealed with an older key, sealed again with the current one.

A row says itself which key it needs, so the sweep keeps no place: stopped or killed, it goes on with what is left.
Run it when every process reads with the new keyring; then `keys_in_use` says which keys may go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from aivoice.security.call_crypto import key_purpose
from aivoice.security.errors import SealError
from aivoice.security.keyring import Sealer, header
from aivoice.store import Scope, Store

BATCH: Final = 500
"""Rows of one transaction."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that `Sealer` sealed. key: the primary key's columns behind tenant_id. purpose: of a row, which has the
    key's columns."""

    table: LiteralString
    column: LiteralString
    key: tuple[LiteralString, ...]
    purpose: Callable[[dict[str, Any]], str]


COLUMNS: Final = (
    SealedColumn("call_keys", "sealed", ("call_id", "file"), lambda row: key_purpose(row["call_id"], row["file"])),
    SealedColumn("signing_secrets", "sealed", ("secret_id",), lambda _: "signing-secret"),
    SealedColumn("mcp_servers", "sealed_authorization", ("name",), lambda _: "mcp-authorization"),
)
"""All there are; a test holds them against the catalogue. Purposes are those of the code that seals."""


@dataclass(slots=True)
class Resealed:
    """done: rows. stuck: rows that do not open (a key that is gone, or damage), by table: they stay as they are."""

    done: int = 0
    stuck: Counter[str] = field(default_factory=Counter[str])


async def reseal_all(store: Store, sealer: Sealer, *, batch: int = BATCH) -> Resealed:
    """Every tenant, a few rows a transaction; what was done stays done. Raises StoreError."""
    result = Resealed()
    after = ""
    while True:
        async with store.platform() as platform:
            rows = await platform.all(
                "SELECT id FROM tenants WHERE id > %(after)s ORDER BY id LIMIT 500", {"after": after}
            )
        for row in rows:
            after = row["id"]
            for column in COLUMNS:
                await _reseal(store, sealer, after, column, batch, result)
        if not rows:
            return result


async def keys_in_use(store: Store) -> Counter[str]:
    """How many rows need which key. Reads every sealed row's first bytes; a key that is not in it may go. What does not
    begin like something sealed counts under ""."""
    found: Counter[str] = Counter()
    async with store.platform() as platform:
        tenants = await platform.all("SELECT id FROM tenants ORDER BY id")
    for tenant in tenants:
        async with store.tenant(tenant["id"]) as scope:
            for column in COLUMNS:
                rows = await scope.all(
                    f"SELECT CASE WHEN get_byte({column.column}, 0) = 1 THEN encode(substring({column.column} "
                    f"FROM 3 FOR get_byte({column.column}, 1)), 'escape') ELSE '' END AS id, count(*) AS rows "
                    f"FROM {column.table} WHERE tenant_id = %(tenant_id)s AND length({column.column}) > 1 GROUP BY 1"
                )
                for row in rows:
                    found[row["id"]] += row["rows"]
    return found


async def _reseal(
    store: Store, sealer: Sealer, tenant_id: str, column: SealedColumn, batch: int, result: Resealed
) -> None:
    last: dict[str, Any] | None = None
    while True:
        async with store.tenant(tenant_id) as scope:
            rows = await _older(scope, sealer, column, batch, last)
            for row in rows:
                await _one(scope, sealer, column, row, result)
        if len(rows) < batch:
            return
        last = rows[-1]


async def _older(
    scope: Scope, sealer: Sealer, column: SealedColumn, batch: int, last: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Rows behind `last` that are not sealed with the current key, locked."""
    head = header(sealer.keyring.current_id)
    names: LiteralString = ", ".join(column.key)
    behind: LiteralString = ""
    if last is not None:
        places: LiteralString = ", ".join(f"%({name})s" for name in column.key)
        behind = f"AND ({names}) > ({places})"
    sql: LiteralString = (
        f"SELECT {names}, {column.column} AS sealed FROM {column.table} WHERE tenant_id = %(tenant_id)s "
        f"AND {column.column} IS NOT NULL AND substring({column.column} FROM 1 FOR %(size)s) <> %(head)s {behind} "
        f"ORDER BY {names} LIMIT %(limit)s FOR UPDATE"
    )
    return await scope.all(sql, {**(last or {}), "size": len(head), "head": head, "limit": batch})


async def _one(scope: Scope, sealer: Sealer, column: SealedColumn, row: dict[str, Any], result: Resealed) -> None:
    try:
        sealed = sealer.reseal(scope.tenant_id, column.purpose(row), bytes(row["sealed"]))
    except SealError:
        result.stuck[column.table] += 1
        return
    same: LiteralString = " AND ".join(f"{name} = %({name})s" for name in column.key)
    sql: LiteralString = (
        f"UPDATE {column.table} SET {column.column} = %(sealed)s WHERE tenant_id = %(tenant_id)s AND {same}"
    )
    await scope.run(sql, {**row, "sealed": sealed})
    result.done += 1
