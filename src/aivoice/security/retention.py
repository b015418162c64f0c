"""What security keeps of people for a time only: entries of the audit logs, and sessions that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, LiteralString

from aivoice.security.users import IDLE
from aivoice.store import Store

AUDIT_DAYS: Final = 400
"""Days that entries are kept: a year, and the time to look back at it."""
BATCH: Final = 2_000
"""Rows of one transaction."""


async def forget_expired(store: Store, *, now: datetime, audit_days: int = AUDIT_DAYS, batch: int = BATCH) -> int:
    """Delete what is over, of every tenant and the operator; the rows deleted. Bounded transactions: what was done
    stays done when it is cancelled. Raises StoreError."""
    ages: tuple[tuple[LiteralString, LiteralString, datetime], ...] = (
        ("sessions", "expires_at", now),
        ("sessions", "seen_at", now - IDLE),
        ("audit_log", "at", now - timedelta(days=audit_days)),
    )
    deleted = 0
    for table, column, before in ages:
        for schema in ("public", "operator"):
            sql: LiteralString = (
                f"DELETE FROM {schema}.{table} WHERE ctid IN "
                f"(SELECT ctid FROM {schema}.{table} WHERE {column} < %(before)s LIMIT %(batch)s)"
            )
            gone = batch
            while gone == batch:
                async with store.platform() as platform:
                    gone = await platform.run(sql, {"before": before, "batch": batch})
                deleted += gone
    return deleted
