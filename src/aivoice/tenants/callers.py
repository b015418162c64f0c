"""Callers of a tenant: what is remembered of them, and whom it does not want to hear. Found by a keyed hash of their
number, which the tenant alone can make; number and words are sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aivoice.store import NotFoundError, Scope
from aivoice.tenants.sealing import CALLER, Sealer

MOST_SUMMARY = 400
MOST_BLOCKED = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """summary: of the last call, "" where its key is gone."""

    number: str
    summary: str
    calls: int
    first_at: datetime
    last_at: datetime
    last_call_id: str


async def recall(scope: Scope, sealer: Sealer, number: str) -> Caller | None:
    """What is known of whoever has this number; None: nothing."""
    row = await scope.one(
        "SELECT summary_sealed, calls, first_at, last_at, last_call_id FROM callers "
        "WHERE tenant_id = %(tenant_id)s AND caller_key = %(key)s",
        {"key": sealer.key(scope.tenant_id, number)},
    )
    if row is None:
        return None
    summary = sealer.open(scope.tenant_id, CALLER, bytes(row.pop("summary_sealed"))) or ""
    return Caller(number, summary, **row)


async def remember(scope: Scope, sealer: Sealer, number: str, summary: str, *, call_id: str, now: datetime) -> None:
    """A call of theirs has ended. Once for a call: again, it counts no second one. summary: cut to `MOST_SUMMARY`."""
    tenant_id = scope.tenant_id
    await scope.run(
        "INSERT INTO callers (tenant_id, caller_key, caller_sealed, summary_sealed, calls, first_at, last_at, "
        "last_call_id) VALUES (%(tenant_id)s, %(key)s, %(number)s, %(summary)s, 1, %(now)s, %(now)s, %(call)s) "
        "ON CONFLICT (tenant_id, caller_key) DO UPDATE SET summary_sealed = excluded.summary_sealed, "
        "last_at = excluded.last_at, last_call_id = excluded.last_call_id, "
        "calls = callers.calls + CASE WHEN callers.last_call_id = excluded.last_call_id THEN 0 ELSE 1 END",
        {
            "key": sealer.key(tenant_id, number),
            "number": sealer.seal(tenant_id, CALLER, number),
            "summary": sealer.seal(tenant_id, CALLER, summary[:MOST_SUMMARY]),
            "call": call_id,
            "now": now,
        },
    )


async def forget(scope: Scope, sealer: Sealer, number: str) -> list[str]:
    """Erase a caller: what is remembered, who they were in the records of their calls, what was said in those, and the
    messages left in them with all that tells of those. The ids of the calls, whose recordings and journals the caller
    of this erases too."""
    given = {"key": sealer.key(scope.tenant_id, number)}
    await scope.run("DELETE FROM callers WHERE tenant_id = %(tenant_id)s AND caller_key = %(key)s", given)
    rows = await scope.all(
        "SELECT call_id FROM calls WHERE tenant_id = %(tenant_id)s AND caller_key = %(key)s ORDER BY started_at", given
    )
    ids = [str(row["call_id"]) for row in rows]
    if ids:
        await scope.run(
            "DELETE FROM call_segments WHERE tenant_id = %(tenant_id)s AND call_id = ANY (%(ids)s)", {"ids": ids}
        )
        await scope.run(
            "UPDATE calls SET caller_key = NULL, caller_sealed = NULL, summary_sealed = NULL "
            "WHERE tenant_id = %(tenant_id)s AND call_id = ANY (%(ids)s)",
            {"ids": ids},
        )
        await scope.run(
            "DELETE FROM messages WHERE tenant_id = %(tenant_id)s AND call_id = ANY (%(ids)s)", {"ids": ids}
        )
    return ids


async def is_blocked(scope: Scope, sealer: Sealer, number: str, now: datetime) -> bool:
    found = await scope.value(
        "SELECT 1 FROM blocked_callers WHERE tenant_id = %(tenant_id)s AND caller_key = %(key)s "
        "AND (until IS NULL OR until > %(now)s)",
        {"key": sealer.key(scope.tenant_id, number), "now": now},
    )
    return found is not None


@dataclass(frozen=True, slots=True)
class Blocked:
    """until: None: for good."""

    number: str
    reason: str
    author: str
    created_at: datetime
    until: datetime | None


async def block(
    scope: Scope,
    sealer: Sealer,
    number: str,
    now: datetime,
    *,
    author: str,
    reason: str = "",
    until: datetime | None = None,
) -> None:
    """Calls of this number are not answered as usual from now on (`settings.Outcomes.blocked`). Again: replaces."""
    await scope.run(
        "INSERT INTO blocked_callers (tenant_id, caller_key, caller_sealed, reason, author, created_at, until) VALUES "
        "(%(tenant_id)s, %(key)s, %(number)s, %(reason)s, %(author)s, %(now)s, %(until)s) "
        "ON CONFLICT (tenant_id, caller_key) DO UPDATE SET reason = excluded.reason, author = excluded.author, "
        "created_at = excluded.created_at, until = excluded.until",
        {
            "key": sealer.key(scope.tenant_id, number),
            "number": sealer.seal(scope.tenant_id, CALLER, number),
            "reason": reason[:200],
            "author": author[:120],
            "now": now,
            "until": until,
        },
    )


async def unblock(scope: Scope, sealer: Sealer, number: str) -> None:
    """Raises NotFoundError where it is not blocked."""
    given = {"key": sealer.key(scope.tenant_id, number)}
    if not await scope.run(
        "DELETE FROM blocked_callers WHERE tenant_id = %(tenant_id)s AND caller_key = %(key)s", given
    ):
        raise NotFoundError("This number is not blocked.", code="caller_unknown")


async def blocked(scope: Scope, sealer: Sealer) -> list[Blocked]:
    """Newest first, at most `MOST_BLOCKED`."""
    rows = await scope.all(
        "SELECT caller_sealed, reason, author, created_at, until FROM blocked_callers WHERE tenant_id = %(tenant_id)s "
        "ORDER BY created_at DESC, caller_key LIMIT %(most)s",
        {"most": MOST_BLOCKED},
    )
    return [Blocked(sealer.open(scope.tenant_id, CALLER, bytes(row.pop("caller_sealed"))) or "", **row) for row in rows]
