"""Usage events: what each call used, by provider, with its cost, once each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aivoice.billing.books import locked, save
from aivoice.billing.prices import TYPES, Prices
from aivoice.errors import InputError
from aivoice.store import Scope

SOURCE = "/aivoice/calls"
MOST = 500
"""Events in one go."""


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """id: unique within the source for ever; a call's events begin with its id. type: of `prices.TYPES`."""

    id: str
    type: str
    provider: str
    quantity: int
    source: str = SOURCE


@dataclass(frozen=True, slots=True)
class CallCost:
    """Of one call or of many, in micro-units. by_type: (type, provider) → (quantity, cost)."""

    revenue: int
    cost: int
    by_type: Mapping[tuple[str, str], tuple[int, int]]

    @property
    def margin(self) -> int:
        return self.revenue - self.cost


async def record(
    scope: Scope, call_id: str, events: Sequence[UsageEvent], now: datetime, *, prices: Prices | None = None
) -> int:
    """Keep events of a call and book their cost; how many were new. One that is there already is left as it is.

    Raises InputError for an unknown type, a negative quantity or more than `MOST` events; StoreError.
    """
    if len(events) > MOST or any(event.type not in TYPES or not 0 <= event.quantity < 2**53 for event in events):
        raise InputError(f"At most {MOST} usage events, of known types, with quantities from 0 up.", stage="billing")
    prices = prices or Prices()
    sheet = await locked(scope, scope.tenant_id, now, call_id)
    new = await scope.all(
        "INSERT INTO usage_events (tenant_id, source, id, type, call_id, time, provider, quantity, cost) "
        "SELECT %(tenant_id)s, e.source, e.id, e.type, %(call_id)s, %(now)s, e.provider, e.quantity, e.cost "
        "FROM unnest(%(sources)s::text[], %(ids)s::text[], %(types)s::text[], %(providers)s::text[], "
        "%(quantities)s::bigint[], %(costs)s::bigint[]) AS e (source, id, type, provider, quantity, cost) "
        "ON CONFLICT DO NOTHING RETURNING source, id, cost",
        {
            "call_id": call_id,
            "now": now,
            "sources": [event.source for event in events],
            "ids": [event.id for event in events],
            "types": [event.type for event in events],
            "providers": [event.provider for event in events],
            "quantities": [event.quantity for event in events],
            "costs": [prices.cost(event.type, event.provider, event.quantity, now) for event in events],
        },
    )
    cost = sum(row["cost"] for row in new)
    if cost:
        first = min(f"{row['source']} {row['id']}" for row in new)
        sheet.post("cost", f"cost:{hashlib.sha256(first.encode()).hexdigest()}", {"cost": cost, "providers": -cost})
        await save(scope, scope.tenant_id, sheet)
    return len(new)


async def call_cost(scope: Scope, call_id: str) -> CallCost:
    """Revenue, cost and margin of a call; all 0 for one that is not known."""
    revenue = await scope.value(
        "SELECT charged FROM metered_calls WHERE tenant_id = %(tenant_id)s AND call_id = %(call_id)s",
        {"call_id": call_id},
    )
    rows = await scope.all(
        "SELECT type, provider, sum(quantity)::bigint AS quantity, sum(cost)::bigint AS cost FROM usage_events "
        "WHERE tenant_id = %(tenant_id)s AND call_id = %(call_id)s GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 500",
        {"call_id": call_id},
    )
    return _cost(revenue or 0, rows)


async def usage(scope: Scope, start: datetime, end: datetime) -> CallCost:
    """Of the tenant, by the moments at which calls were settled and usage was recorded; end excluded."""
    given = {"start": start, "end": end}
    revenue = await scope.value(
        "SELECT coalesce(sum(e.amount), 0)::bigint FROM transactions t JOIN entries e USING (tenant_id, key) "
        "WHERE tenant_id = %(tenant_id)s AND t.at >= %(start)s AND t.at < %(end)s AND e.account = 'revenue'",
        given,
    )
    rows = await scope.all(
        "SELECT type, provider, sum(quantity)::bigint AS quantity, sum(cost)::bigint AS cost FROM usage_events "
        "WHERE tenant_id = %(tenant_id)s AND time >= %(start)s AND time < %(end)s "
        "GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 500",
        given,
    )
    return _cost(revenue, rows)


async def events_of(scope: Scope, call_id: str) -> list[dict[str, Any]]:
    """A call's usage as CloudEvents 1.0 (JSON format), at most 500."""
    rows = await scope.all(
        "SELECT source, id, type, call_id, time, provider, quantity, cost FROM usage_events "
        "WHERE tenant_id = %(tenant_id)s AND call_id = %(call_id)s ORDER BY source, id LIMIT 500",
        {"call_id": call_id},
    )
    return [_cloud_event(scope.tenant_id, row) for row in rows]


def _cloud_event(tenant_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": row["id"],
        "source": row["source"],
        "type": f"aivoice.usage.{row['type']}",
        "subject": row["call_id"],
        "time": row["time"].isoformat(),
        "tenantid": tenant_id,
        "datacontenttype": "application/json",
        "data": {
            "provider": row["provider"],
            "quantity": row["quantity"],
            "unit": TYPES[row["type"]],
            "cost": row["cost"],
        },
    }


def _cost(revenue: int, rows: Sequence[Mapping[str, Any]]) -> CallCost:
    by_type = {(row["type"], row["provider"]): (row["quantity"], row["cost"]) for row in rows}
    return CallCost(revenue, sum(cost for _, cost in by_type.values()), by_type)
