"""All that is kept of a tenant, out in one piece, and gone.

What stays after an erasure is the ledger (transactions, entries, usage, metered calls, plans, balances): it is kept by
law, is never changed by rule of the database, and holds no word and no number of a caller; and the tenant's row, closed
and without its name, which the ledger refers to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, LiteralString

from aivoice.store import Scope, Store
from aivoice.tenants.lifecycle import set_status
from aivoice.tenants.numbers import CHANNEL
from aivoice.tools.outgoing import forget_delivered

_BY_TENANT: tuple[LiteralString, ...] = (
    "idempotent_answers", "call_segments", "calls", "callers", "blocked_callers", "call_keys", "deliveries", "messages",
    "webhooks", "signing_secrets", "tools", "mcp_servers", "passages", "documents", "knowledge_snapshots", "sessions",
    "api_keys", "users",
)  # fmt: skip
"""Tables that the tenant's own role may delete from, those that refer to others first."""
_BY_OPERATOR: tuple[LiteralString, ...] = (
    "audit_log", "business_version_documents", "business_versions", "business_documents", "numbers",
)  # fmt: skip
KEPT = frozenset(
    ("tenants", "billing_accounts", "plans", "transactions", "entries", "balances", "metered_calls", "usage_events")
)
"""What is left: see the module."""
_EXPORTED: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("numbers", "e164, label, created_at"),
    ("business_versions", "number, file_name, author, note, restores, created_at, source"),
    ("documents", "document_id, origin, name, title, size"),
    ("tools", "name, definition, updated_at"),
    ("webhooks", "webhook_id, url, events, active, created_at"),
    ("messages", "message_id, kind, call_id, content, created_at, read_at"),
    ("users", "user_id, email, name, role, created_at"),
    ("transactions", "key, kind, call_id, memo, at"),
    ("entries", "key, account, amount"),
    ("usage_events", "source, id, type, call_id, time, provider, quantity, cost"),
    ("audit_log", "entry_id, at, actor_kind, actor, action, target, detail"),
)
PAGE = 500
ERASED = "erased"
"""Name of the row that stays of an erased tenant, and the reason that it is closed."""


async def exported(store: Store, tenant_id: str) -> AsyncIterator[dict[str, Any]]:
    """Every row that the tenant may read and take elsewhere: ``{"table": …, **row}``. Sealed ones (callers, calls with
    their transcripts) have functions of their own. Raises StoreError."""
    for table, columns in _EXPORTED:
        offset = 0
        while True:
            sql: LiteralString = (
                f"SELECT {columns} FROM {table} WHERE tenant_id = %(tenant_id)s ORDER BY 1, 2 "
                "LIMIT %(limit)s OFFSET %(offset)s"
            )
            async with store.tenant(tenant_id) as scope:
                rows = await scope.all(sql, {"limit": PAGE, "offset": offset})
            for row in rows:
                yield {"table": table, **row}
            if len(rows) < PAGE:
                break
            offset += PAGE


async def erase_tenant(store: Store, tenant_id: str, now: datetime) -> None:
    """Close the tenant and erase all of it that is not the ledger. Again, it changes nothing. The caller removes the
    files of its calls, which nobody can read any more; what calls that are running write afterwards, `sweep` erases.
    Raises NotFoundError, StoreError."""
    async with store.platform() as platform:
        await set_status(platform, tenant_id, "closed", now, reason=ERASED)
    async with store.tenant(tenant_id) as scope:
        await _erase_rows(scope)
    async with store.platform() as platform:
        for table in _BY_OPERATOR:
            operators: LiteralString = f"DELETE FROM {table} WHERE tenant_id = %(id)s"
            await platform.run(operators, {"id": tenant_id})
        await platform.run(
            "UPDATE tenants SET name = %(erased)s, settings = '{}', service_file = '', version = 0 WHERE id = %(id)s",
            {"id": tenant_id, "erased": ERASED},
        )
        await platform.notify(CHANNEL, f"{tenant_id} 0")


async def _erase_rows(scope: Scope) -> int:
    """What the tenant's own role may delete; how many rows."""
    erased = 0
    for table in _BY_TENANT:
        sql: LiteralString = f"DELETE FROM {table} WHERE tenant_id = %(tenant_id)s"
        erased += await scope.run(sql)
    return erased


async def sweep(scope: Scope, *, recordings: int, transcripts: int, callers: int, now: datetime) -> dict[str, int]:
    """Erase what is older than so many days: keys of calls (and with them journals and recordings), transcripts and
    delivered messages with their words, what is remembered of callers; how many rows of each. Of a tenant that is
    erased, all: a call that was running then has taken its messages afterwards."""
    is_erased = await scope.value(
        "SELECT true FROM tenants WHERE id = %(tenant_id)s AND status = 'closed' AND status_reason = %(erased)s "
        "AND name = %(erased)s",
        {"erased": ERASED},
    )
    keys: LiteralString = (
        "DELETE FROM call_keys WHERE tenant_id = %(tenant_id)s AND file = %(file)s "
        "AND created_at < %(now)s - make_interval(days => %(days)s)"
    )
    ages: tuple[tuple[str, LiteralString, int], ...] = (
        ("recording", keys, recordings),
        ("journal", keys, transcripts),
        (
            "call_segments",
            "DELETE FROM call_segments s USING calls c WHERE s.tenant_id = %(tenant_id)s AND c.tenant_id = s.tenant_id "
            "AND c.call_id = s.call_id AND c.started_at < %(now)s - make_interval(days => %(days)s)",
            transcripts,
        ),
        (
            "callers",
            "DELETE FROM callers WHERE tenant_id = %(tenant_id)s "
            "AND last_at < %(now)s - make_interval(days => %(days)s)",
            callers,
        ),
    )
    done = {name: await scope.run(sql, {"now": now, "days": days, "file": name}) for name, sql, days in ages}
    done["deliveries"] = await forget_delivered(scope, before=now - timedelta(days=transcripts))
    done[ERASED] = await _erase_rows(scope) if is_erased else 0
    return done
