"""Calls against the bill: admission, renewal, settlement, and recovery of what a dead process left.

Each step is one transaction of the caller's scope, under the lock of the tenant's account, and asked again it gives the
same answer. The steps of one tenant happen one after the other; tenants do not wait for each other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aivoice.billing import rules
from aivoice.billing.accounts import MeteredCall, Sheet
from aivoice.billing.books import locked, save
from aivoice.billing.notices import NoNotices, Notices
from aivoice.billing.prices import CALL_SECONDS, Prices
from aivoice.billing.rules import Reason
from aivoice.billing.usage import UsageEvent, record
from aivoice.errors import InputError, VoiceError
from aivoice.store import NotFoundError, Scope, Store

BATCH = 200
"""Dead calls read at a time."""
LONGEST_S = 7 * 86_400
"""No call lasts longer: a larger figure is a mistake of the caller's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """granted: the call may be answered, with `seconds` of credit. Else reason says why not; nothing is held then."""

    granted: bool
    seconds: int = 0
    reason: Reason = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a closed call came to. used_s = included_s + paid_s + overrun_s (given away); charged: micro-units."""

    call_id: str
    used_s: int
    included_s: int
    paid_s: int
    overrun_s: int
    charged: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """A dead call that was closed."""

    tenant_id: str
    bill: Bill


class CallRecords(Protocol):
    async def close_dead(self, scope: Scope, call_id: str, *, seconds: int, now: datetime) -> None:
        """Close the record of a call whose process died, in the transaction that bills it. Idempotent."""
        ...


class Leases:
    """The calls of all tenants. notices, prices, records: see their types; records None: nobody else keeps any."""

    def __init__(
        self, *, notices: Notices | None = None, prices: Prices | None = None, records: CallRecords | None = None
    ) -> None:
        self._notices = notices or NoNotices()
        self.prices = prices or Prices()
        self._records = records

    async def admit(self, scope: Scope, call_id: str, now: datetime, *, holder: str) -> Admission:
        """Whether a call may be answered: limits, and its first minute of credit, which it then holds.

        holder: names the process that runs the call, a new name each time it starts. Two round trips. Raises
        StoreError.
        """
        if not 1 <= len(call_id) <= 100:
            raise InputError("A call's id has 1 to 100 characters.", stage="billing")
        sheet = await locked(scope, scope.tenant_id, now, call_id)
        grant = rules.admit(sheet, call_id, holder)
        await self._save(scope, sheet, changed=bool(grant.seconds or sheet.notices or sheet.postings))
        return Admission(grant.seconds > 0, grant.seconds, grant.reason)

    async def renew(self, scope: Scope, call_id: str, number: int, used_s: int, now: datetime) -> Admission:
        """Slice `number` of a running call (the one of admission is 0), which has used `used_s` seconds, rounded up.

        Granted seconds are added to those leased before; they may be fewer than a slice. Raises StoreError.
        """
        sheet = await locked(scope, scope.tenant_id, now, call_id)
        grant = rules.renew(sheet, number, _seconds(used_s))
        await self._save(scope, sheet, changed=sheet.call is not None and sheet.call.status == "open")
        return Admission(grant.seconds > 0, grant.seconds, grant.reason)

    async def settle(self, scope: Scope, call_id: str, used_s: int, now: datetime) -> Bill:
        """The call has ended after `used_s` seconds from its answer, rounded up (0: never answered). Charges them, and
        returns the rest. A call that was taken for dead is charged what was missing.

        Raises NotFoundError for a call that was never admitted, StoreError.
        """
        sheet = await locked(scope, scope.tenant_id, now, call_id)
        if sheet.call is None:
            raise NotFoundError("There is no such call.", code="call_unknown", stage="billing")
        before = sheet.call.used_s if sheet.call.status == "recovered" else 0
        late = sheet.call.status == "recovered"
        was = sheet.call.status
        changed = rules.settle(sheet, _seconds(used_s))
        await self._save(scope, sheet, changed=was != sheet.call.status)
        if changed:
            await self._meter(scope, sheet.call, sheet.call.used_s - before, now, late=late)
        return _bill(sheet.call)

    async def recover(self, store: Store, now: datetime, *, dead: Collection[str] = ()) -> list[Recovered]:
        """Close every call whose lease has run out long ago, or whose holder is among `dead`: bills what it told at its
        last renewal, returns what it held, closes its record. Those closed, in one transaction each.

        Call it when a process starts (with the holders that it replaces) and every few seconds. Safe beside running
        calls and beside itself. A call that cannot be closed is logged and left for the next time. Raises StoreError
        where the list of calls cannot be read.
        """
        closed: list[Recovered] = []
        after = ("", "")
        while True:
            async with store.platform() as platform:
                rows = await platform.all(
                    "SELECT tenant_id, call_id FROM metered_calls WHERE status = 'open' "
                    "AND (lease_until < %(now)s OR holder = ANY (%(dead)s)) "
                    "AND (tenant_id, call_id) > (%(tenant)s, %(call)s) ORDER BY tenant_id, call_id LIMIT %(batch)s",
                    {"now": now, "dead": list(dead), "tenant": after[0], "call": after[1], "batch": BATCH},
                )
            for row in rows:
                after = (row["tenant_id"], row["call_id"])
                try:
                    bill = await self._recover(store, *after, now, dead)
                except VoiceError as error:
                    _log.warning("call %s is not recovered yet: %s", after[1], error)
                else:
                    closed += [] if bill is None else [Recovered(after[0], bill)]
            if len(rows) < BATCH:
                return closed

    async def _recover(
        self, store: Store, tenant_id: str, call_id: str, now: datetime, dead: Collection[str]
    ) -> Bill | None:
        async with store.tenant(tenant_id) as scope:
            sheet = await locked(scope, tenant_id, now, call_id)
            call = sheet.call
            # It may have been renewed or settled since it was read.
            if call is None or (call.lease_until >= now and call.holder not in dead) or not rules.recover(sheet):
                return None
            await self._save(scope, sheet, changed=True)
            await self._meter(scope, call, call.used_s, now, late=False)
            if self._records is not None:
                await self._records.close_dead(scope, call_id, seconds=call.used_s, now=now)
            return _bill(call)

    async def _save(self, scope: Scope, sheet: Sheet, *, changed: bool) -> None:
        if changed:
            await save(scope, scope.tenant_id, sheet)
        for notice in sheet.notices:
            await self._notices.notify(scope, notice.kind, notice.data)

    async def _meter(self, scope: Scope, call: MeteredCall, seconds: int, now: datetime, *, late: bool) -> None:
        if seconds > 0:
            event = UsageEvent(f"{call.call_id}:{'late' if late else 'call'}", CALL_SECONDS, "line", seconds)
            await record(scope, call.call_id, [event], now, prices=self.prices)


async def holders(store: Store) -> list[str]:
    """The holders of all open calls: a process that starts tells those it replaces to `Leases.recover`."""
    async with store.platform() as scope:
        rows = await scope.all("SELECT DISTINCT holder FROM metered_calls WHERE status = 'open' LIMIT 1000")
    return [row["holder"] for row in rows]


def _seconds(used_s: int) -> int:
    if not 0 <= used_s <= LONGEST_S:
        raise InputError("A call's seconds are from 0 to a week.", stage="billing")
    return used_s


def _bill(call: MeteredCall) -> Bill:
    return Bill(call.call_id, call.used_s, call.included_used_s, call.paid_s, call.overrun_s, call.charged)
