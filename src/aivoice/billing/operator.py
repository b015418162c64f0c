"""What the operator books and sets, in platform scope: money, plans, limits. Each is safe to ask for again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from aivoice.billing.accounts import Limits
from aivoice.billing.books import AnyScope, glance, locked, save
from aivoice.billing.plans import LARGEST, Plan, period_of
from aivoice.errors import InputError
from aivoice.store import ConflictError, PlatformScope


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tenant stands now. credit is free, held is reserved by running calls; micro-units. included_s: seconds of
    the plan left (included_held_s: reserved). spent: held or charged in this period."""

    currency: str
    credit: int
    held: int
    included_s: int
    included_held_s: int
    open_calls: int
    today_s: int
    spent: int
    period: tuple[datetime, datetime]
    plan: Plan
    limits: Limits


async def standing(scope: AnyScope, tenant_id: str, now: datetime) -> Standing:
    """Figures of a day or a period that has not begun with a call yet are 0. Raises NotFoundError, StoreError."""
    sheet = await glance(scope, tenant_id, now)
    sheet.turn_over()  # on this sheet alone: it is not saved
    account = sheet.account
    currency = await scope.value(
        "SELECT currency FROM billing_accounts WHERE tenant_id = %(tenant_id)s", {"tenant_id": tenant_id}
    )
    start, end = period_of(sheet.plan.period, now, sheet.zone)
    balances = account.balances
    return Standing(
        currency=currency,
        credit=balances["credit"],
        held=balances["held"],
        included_s=balances["included"],
        included_held_s=balances["included_held"],
        open_calls=account.open_calls,
        today_s=account.day_s,
        spent=account.spent,
        period=(max(start, sheet.plan_from or start), end),
        plan=sheet.plan,
        limits=account.limits,
    )


async def top_up(scope: PlatformScope, tenant_id: str, amount: int, now: datetime, *, key: str, memo: str = "") -> None:
    """The tenant has paid `amount` micro-units. key: of the payment; again with the same amount, nothing happens.

    Raises InputError for an amount that is not above 0, ConflictError for a key that was used for another one.
    """
    if not 0 < amount <= LARGEST:
        raise InputError("A payment is above 0 and below 1,000,000,000.", stage="billing")
    await _book(scope, tenant_id, "top_up", key, amount, "payments", now, memo)


async def adjust(scope: PlatformScope, tenant_id: str, amount: int, now: datetime, *, key: str, memo: str) -> None:
    """A correction by hand, either way. memo: why. Raises as `top_up`, and InputError where less is left than is
    taken."""
    if not 0 < abs(amount) <= LARGEST:
        raise InputError("An adjustment is not 0 and below 1,000,000,000.", stage="billing")
    await _book(scope, tenant_id, "adjustment", key, amount, "adjustments", now, memo)


async def _book(
    scope: PlatformScope, tenant_id: str, kind: str, key: str, amount: int, source: str, now: datetime, memo: str
) -> None:
    if not 1 <= len(key) <= 100 or len(memo) > 200:
        raise InputError("A booking has a key of 1 to 100 characters and a memo of at most 200.", stage="billing")
    sheet = await locked(scope, tenant_id, now)
    there = await scope.value(
        "SELECT amount FROM entries WHERE tenant_id = %(tenant)s AND key = %(key)s AND account = 'credit'",
        {"tenant": tenant_id, "key": f"{kind}:{key}"},
    )
    if there is not None:
        if there != amount:
            raise ConflictError("This key was used for another amount.", code="key_used", stage="billing")
        return
    if sheet.account.balances["credit"] + amount < 0:
        raise InputError("There is less credit than is to be taken away.", code="credit_short", stage="billing")
    sheet.post(kind, f"{kind}:{key}", {"credit": amount, source: -amount}, memo=memo)
    if amount > 0:
        sheet.account.noticed -= {"credit.low", "credit.exhausted"}
    await save(scope, tenant_id, sheet)


async def set_plan(
    scope: PlatformScope, tenant_id: str, plan: Plan, *, effective_from: datetime, now: datetime
) -> None:
    """The plan from a moment on that is not past: a period begins then, and calls admitted from then on pay its price.

    Raises InputError for a plan or a moment that cannot be, ConflictError where another plan begins at that moment.
    """
    fits = all(0 <= value <= LARGEST for value in (plan.included_s, plan.price_per_minute, plan.credit))
    if not fits or plan.period not in ("day", "week", "month") or not 1 <= len(plan.name) <= 100:
        raise InputError("A plan has a name, a period (day, week, month) and figures from 0 up.", stage="billing")
    if effective_from < now:
        raise InputError("A plan cannot begin in the past.", code="plan_past", stage="billing")
    await locked(scope, tenant_id, now)
    given = {"tenant_id": tenant_id, "effective_from": effective_from, **asdict(plan)}
    await scope.run(
        "INSERT INTO plans (tenant_id, effective_from, name, period, included_s, price_per_minute, credit) VALUES "
        "(%(tenant_id)s, %(effective_from)s, %(name)s, %(period)s, %(included_s)s, %(price_per_minute)s, %(credit)s)",
        given,
    )


async def set_limits(scope: PlatformScope, tenant_id: str, limits: Limits, now: datetime) -> None:
    """From the next admission or renewal on."""
    await locked(scope, tenant_id, now)
    await scope.run(
        "UPDATE billing_accounts SET max_calls = %(calls)s, max_day_s = %(day_s)s, max_spend = %(spend)s, "
        "soft_percent = %(soft_percent)s, low_credit = %(low_credit)s WHERE tenant_id = %(tenant_id)s",
        {"tenant_id": tenant_id, **asdict(limits)},
    )
