"""Proves a tenant's bill from its entries."""

from __future__ import annotations

from typing import LiteralString

from aivoice.store import Scope, Store

_CHECKS: dict[str, LiteralString] = {
    "a balance is not the sum of its entries": """
        SELECT b.account AS what FROM balances b LEFT JOIN (
            SELECT account, sum(amount) AS total FROM entries WHERE tenant_id = %(tenant_id)s GROUP BY 1) e
        USING (account)
        WHERE b.tenant_id = %(tenant_id)s AND b.balance <> coalesce(e.total, 0)""",
    "a transaction does not sum to zero": """
        SELECT key AS what FROM entries WHERE tenant_id = %(tenant_id)s GROUP BY key, unit
        HAVING sum(amount) <> 0""",
    "what is held is not what open calls hold": """
        SELECT b.account AS what FROM balances b,
            (SELECT coalesce(sum(held), 0) AS held, coalesce(sum(held_included_s), 0) AS seconds
               FROM metered_calls WHERE tenant_id = %(tenant_id)s AND status = 'open') c
        WHERE b.tenant_id = %(tenant_id)s AND ((b.account = 'held' AND b.balance <> c.held)
           OR (b.account = 'included_held' AND b.balance <> c.seconds))""",
    "the number of open calls is wrong": """
        SELECT 'open_calls' AS what FROM billing_accounts a WHERE tenant_id = %(tenant_id)s AND open_calls <>
            (SELECT count(*) FROM metered_calls WHERE tenant_id = %(tenant_id)s AND status = 'open')""",
    "a call is not charged what its seconds cost": """
        SELECT c.call_id AS what FROM metered_calls c LEFT JOIN (
            SELECT t.call_id, sum(e.amount) FILTER (WHERE e.account = 'revenue') AS charged,
                   sum(e.amount) FILTER (WHERE e.account = 'included_used') AS included
            FROM transactions t JOIN entries e USING (tenant_id, key)
            WHERE tenant_id = %(tenant_id)s AND t.kind IN ('settlement', 'late') GROUP BY 1) b USING (call_id)
        WHERE c.tenant_id = %(tenant_id)s AND (
            coalesce(b.charged, 0) <> c.charged OR coalesce(b.included, 0) <> c.included_used_s
            OR (c.status <> 'open' AND (c.charged <> c.price_per_minute * c.paid_s / 60
                OR c.used_s <> c.included_used_s + c.paid_s + c.overrun_s)))""",
    "a call's held credit is not that of its leases": """
        SELECT c.call_id AS what FROM metered_calls c LEFT JOIN (
            SELECT t.call_id, sum(e.amount) FILTER (WHERE e.account = 'held') AS held,
                   sum(e.amount) FILTER (WHERE e.account = 'included_held') AS seconds
            FROM transactions t JOIN entries e USING (tenant_id, key)
            WHERE tenant_id = %(tenant_id)s GROUP BY 1) b USING (call_id)
        WHERE c.tenant_id = %(tenant_id)s AND (coalesce(b.held, 0) <> c.held
            OR coalesce(b.seconds, 0) <> c.held_included_s)""",
    "cost is not the sum of usage": """
        SELECT 'cost' AS what FROM balances WHERE tenant_id = %(tenant_id)s AND account = 'cost' AND balance <>
            (SELECT coalesce(sum(cost), 0) FROM usage_events WHERE tenant_id = %(tenant_id)s)""",
}


async def check(scope: Scope) -> list[str]:
    """One line for each thing that does not add up, at most 20 of a kind; none: every balance is proven.

    Reads all entries of the tenant: for the operator and for tests, not for a request.
    """
    found: list[str] = []
    for text, sql in _CHECKS.items():
        found += [f"{text}: {row['what']}" for row in await scope.all(sql + " LIMIT 20")]
    return found


async def check_all(store: Store) -> dict[str, list[str]]:
    """`check` of every tenant with an account; only those where something is wrong."""
    wrong: dict[str, list[str]] = {}
    after = ""
    while True:
        async with store.platform() as platform:
            rows = await platform.all(
                "SELECT tenant_id FROM billing_accounts WHERE tenant_id > %(after)s ORDER BY 1 LIMIT 200",
                {"after": after},
            )
        for row in rows:
            after = row["tenant_id"]
            async with store.tenant(after) as scope:
                found = await check(scope)
            if found:
                wrong[after] = found
        if len(rows) < 200:
            return wrong
