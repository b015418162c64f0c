"""The state of a tenant's bill while it is locked, and the sheet on which one step of it is worked out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aivoice.billing.plans import DEFAULT_PLAN, Plan, period_of
from aivoice.errors import InputError

MONEY = ("credit", "held", "revenue", "payments", "grants", "adjustments", "cost", "providers")
"""Accounts in micro-units. What the tenant has: credit, and held for running calls. Money comes from payments,
grants and adjustments (negative: so much came) and ends in revenue. cost is what providers are owed for it."""
SECONDS = ("included", "included_held", "included_used", "included_granted", "included_expired")
"""Accounts in seconds: those that the plan includes, by where they are."""
ACCOUNTS = MONEY + SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. calls: at once. day_s: seconds a day in the tenant's zone. spend: micro-units a period.

    soft_percent: of day_s and spend, at which a notice goes out. low_credit: micro-units, at which another does.
    """

    calls: int | None = None
    day_s: int | None = None
    spend: int | None = None
    soft_percent: int = 80
    low_credit: int = 5_000_000

    def __post_init__(self) -> None:
        given = [value for value in (self.calls, self.day_s, self.spend, self.low_credit) if value is not None]
        if any(value < 0 or value > 2**62 for value in given) or (self.calls or 0) >= 2**31:
            raise InputError("A limit is a number from 0 up, or none.", stage="billing")
        if not 1 <= self.soft_percent <= 100:
            raise InputError("soft_percent is from 1 to 100.", stage="billing")


@dataclass(slots=True)
class Account:
    """day_s: seconds leased or used on `day`. spent: micro-units held or charged since `period_start`.
    noticed: notices already given, cleared when their period ends."""

    limits: Limits = field(default_factory=Limits)
    balances: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))
    open_calls: int = 0
    period_start: datetime | None = None
    day: date | None = None
    day_s: int = 0
    spent: int = 0
    noticed: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class MeteredCall:
    """One call's meter. leased_s seconds in `slices` slices, of them held_included_s of the plan's; held:
    micro-units for the rest. period_… and day_s: the part leased in the period and on the day of the last slice.

    used_s: known to be used: told at the last renewal, or, once it is closed, billed: included_used_s + paid_s +
    overrun_s, the last being seconds beyond the lease that no credit was left for.
    """

    call_id: str
    holder: str
    admitted_at: datetime
    lease_until: datetime
    price_per_minute: int
    period_start: datetime
    day: date
    status: str = "open"
    ended_at: datetime | None = None
    slices: int = 0
    last_slice_s: int = 0
    leased_s: int = 0
    held: int = 0
    held_included_s: int = 0
    period_held: int = 0
    period_included_s: int = 0
    day_s: int = 0
    used_s: int = 0
    included_used_s: int = 0
    paid_s: int = 0
    charged: int = 0
    overrun_s: int = 0

    @property
    def held_paid_s(self) -> int:
        """Leased seconds that are paid for."""
        return self.leased_s - self.held_included_s


@dataclass(frozen=True, slots=True)
class Posting:
    """One transaction of the ledger. entries: account → amount, none of them 0; each unit sums to zero."""

    key: str
    kind: str
    entries: Mapping[str, int]
    call_id: str = ""
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the tenant is told: `kind` as webhooks name it."""

    kind: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Sheet:
    """One step: the state as it was read, changed in place, and what to write beside it.

    plan: in force at `now`, since plan_from (None: since ever). call: the one that the step is about.
    """

    now: datetime
    zone: ZoneInfo
    account: Account
    call: MeteredCall | None = None
    plan: Plan = DEFAULT_PLAN
    plan_from: datetime | None = None
    active: bool = True
    postings: list[Posting] = field(default_factory=list[Posting])
    notices: list[Notice] = field(default_factory=list[Notice])

    def post(self, kind: str, key: str, entries: Mapping[str, int], *, memo: str = "") -> None:
        """Book a transaction, and change the balances by it. One in which nothing moves is left out."""
        moved = {account: amount for account, amount in entries.items() if amount}
        if not moved:
            return
        for accounts in (MONEY, SECONDS):
            assert sum(moved.get(account, 0) for account in accounts) == 0, f"{kind} does not balance"
        for account, amount in moved.items():
            self.account.balances[account] += amount
        call_id = self.call.call_id if self.call is not None and kind != "period" else ""
        self.postings.append(Posting(key, kind, moved, call_id, memo))

    def tell(self, key: str, kind: str, data: Mapping[str, Any]) -> None:
        """A notice, once for each key."""
        if key not in self.account.noticed:
            self.account.noticed.add(key)
            self.notices.append(Notice(kind, data))

    def turn_over(self) -> None:
        """Begin the day and the period that `now` is in, if they have not begun. A clock that goes back changes
        nothing.

        A change of plan begins a period, too: what was left of the old plan's seconds expires and the new one's are
        given.
        """
        account = self.account
        today = self.now.astimezone(self.zone).date()
        if account.day is None or today > account.day:
            account.day, account.day_s = today, 0
            account.noticed = {key for key in account.noticed if not key.startswith("day.")}
        start = period_of(self.plan.period, self.now, self.zone)[0]
        if self.plan_from is not None:
            start = max(start, self.plan_from)
        if account.period_start is not None and start <= account.period_start:
            return
        account.period_start, account.spent, account.noticed = start, 0, set()
        left = account.balances["included"]
        entries = {
            "included": self.plan.included_s - left,
            "included_expired": left,
            "included_granted": -self.plan.included_s,
            "credit": self.plan.credit,
            "grants": -self.plan.credit,
        }
        self.post("period", f"period:{start.isoformat()}", entries, memo=self.plan.name)
