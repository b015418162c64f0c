"""Reads a tenant's bill under its lock into a sheet, and writes a sheet back: two round trips a step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aivoice.billing.accounts import ACCOUNTS, Account, Limits, MeteredCall, Sheet
from aivoice.billing.plans import DEFAULT_PLAN, OPENING_CREDIT, Plan
from aivoice.store import ConflictError, NotFoundError, PlatformScope, Scope

AnyScope = Scope | PlatformScope

_LEDGER = """
WITH booked AS (
    INSERT INTO transactions (tenant_id, key, kind, call_id, memo, at)
    SELECT %(tenant_id)s, t.key, t.kind, t.call_id, t.memo, %(now)s
    FROM jsonb_to_recordset(%(postings)s::jsonb) AS t (key text, kind text, call_id text, memo text)
), lines AS (
    INSERT INTO entries (tenant_id, key, account, amount)
    SELECT %(tenant_id)s, t.key, e.account, e.amount::bigint
    FROM jsonb_to_recordset(%(postings)s::jsonb) AS t (key text, entries jsonb),
         jsonb_each_text(t.entries) AS e (account, amount)
)"""
_CALL = """, metered AS (
    INSERT INTO metered_calls SELECT c.* FROM jsonb_populate_record(NULL::metered_calls, %(call)s::jsonb) c
    ON CONFLICT (tenant_id, call_id) DO UPDATE SET
        status = excluded.status, ended_at = excluded.ended_at, lease_until = excluded.lease_until,
        slices = excluded.slices, last_slice_s = excluded.last_slice_s, leased_s = excluded.leased_s,
        held = excluded.held, held_included_s = excluded.held_included_s, period_start = excluded.period_start,
        period_held = excluded.period_held, period_included_s = excluded.period_included_s, day = excluded.day,
        day_s = excluded.day_s, used_s = excluded.used_s, included_used_s = excluded.included_used_s,
        paid_s = excluded.paid_s, charged = excluded.charged, overrun_s = excluded.overrun_s
)"""
_ACCOUNT = """
UPDATE billing_accounts SET open_calls = %(open_calls)s, period_start = %(period_start)s, day = %(day)s,
    day_s = %(day_s)s, spent = %(spent)s, noticed = %(noticed)s
WHERE tenant_id = %(tenant_id)s"""


async def locked(scope: AnyScope, tenant_id: str, now: datetime, call_id: str = "") -> Sheet:
    """The tenant's bill, locked until the transaction ends; with the call, where it is known.

    An account that is not there is opened. now: with a zone. Raises NotFoundError for an unknown tenant.
    """
    if now.tzinfo is None:
        raise ValueError("a moment has a zone")
    sql = "SELECT locked_account(%(tenant_id)s, %(call_id)s, %(now)s)"
    given = {"tenant_id": tenant_id, "call_id": call_id, "now": now}
    state = await scope.value(sql, given)
    if state is None:
        await open_account(scope, tenant_id, now)
        state = await scope.value(sql, given)
    return _sheet(state, now)


async def glance(scope: AnyScope, tenant_id: str, now: datetime) -> Sheet:
    """As `locked`, to look at only: nothing is locked or opened. Raises NotFoundError where no account is open."""
    sql = "SELECT account_state(%(tenant_id)s, '', %(now)s)"
    state = await scope.value(sql, {"tenant_id": tenant_id, "now": now})
    if state is None:
        raise NotFoundError("There is no such account.", code="account_unknown", stage="billing")
    return _sheet(state, now)


async def save(scope: AnyScope, tenant_id: str, sheet: Sheet) -> None:
    """Write what the step changed. The transaction balances and no account goes below zero, or the database refuses."""
    account, call = sheet.account, sheet.call
    given: dict[str, Any] = {
        "tenant_id": tenant_id,
        "now": sheet.now,
        "postings": json.dumps([asdict(posting) for posting in sheet.postings]),
        "open_calls": account.open_calls,
        "period_start": account.period_start,
        "day": account.day,
        "day_s": account.day_s,
        "spent": account.spent,
        "noticed": sorted(account.noticed),
    }
    if call is None:
        await scope.run(_LEDGER + _ACCOUNT, given)
    else:
        row = {"tenant_id": tenant_id, **asdict(call)}
        given["call"] = json.dumps(row, default=_iso)
        await scope.run(_LEDGER + _CALL + _ACCOUNT, given)


async def open_account(
    scope: AnyScope, tenant_id: str, now: datetime, *, credit: int = OPENING_CREDIT, currency: str = "USD"
) -> None:
    """An account with its opening credit, once: again, it changes nothing. Raises NotFoundError for an unknown
    tenant."""
    given = {"tenant_id": tenant_id, "now": now, "currency": currency, "accounts": list(ACCOUNTS), "credit": credit}
    try:
        new = await scope.run(
            "INSERT INTO billing_accounts (tenant_id, currency, opened_at) "
            "VALUES (%(tenant_id)s, %(currency)s, %(now)s) ON CONFLICT DO NOTHING",
            given,
        )
    except ConflictError:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown") from None
    if not new:
        return
    await scope.run(
        "INSERT INTO balances (tenant_id, account) SELECT %(tenant_id)s, unnest(%(accounts)s::text[])",
        given,
    )
    if credit:
        sheet = await locked(scope, tenant_id, now)
        sheet.post("opening", "opening", {"credit": credit, "grants": -credit})
        await save(scope, tenant_id, sheet)


def _sheet(state: Mapping[str, Any], now: datetime) -> Sheet:
    plan = state["plan"]
    account = Account(
        limits=Limits(
            state["max_calls"], state["max_day_s"], state["max_spend"], state["soft_percent"], state["low_credit"]
        ),
        balances=dict(state["balances"]),
        open_calls=state["open_calls"],
        period_start=_moment(state["period_start"]),
        day=_day(state["day"]),
        day_s=state["day_s"],
        spent=state["spent"],
        noticed=set(state["noticed"]),
    )
    return Sheet(
        now=now,
        zone=zone_of(state["tenant"]["zone"]),
        account=account,
        call=_call(state["call"]),
        plan=DEFAULT_PLAN if plan is None else plan_of(plan),
        plan_from=None if plan is None else _moment(plan["effective_from"]),
        active=state["tenant"]["status"] == "active",
    )


def plan_of(row: Mapping[str, Any]) -> Plan:
    return Plan(*(row[field.name] for field in fields(Plan)))


def zone_of(name: str) -> ZoneInfo:
    """The tenant's zone; UTC where the name is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _call(row: Mapping[str, Any] | None) -> MeteredCall | None:
    if row is None:
        return None
    values = {field.name: row[field.name] for field in fields(MeteredCall)}
    for name in ("admitted_at", "lease_until", "period_start", "ended_at"):
        values[name] = _moment(values[name])
    values["day"] = _day(values["day"])
    return MeteredCall(**values)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _iso(value: object) -> str:
    assert isinstance(value, date)
    return value.isoformat()
