"""The rules of admission, leases and settlement. Pure: each changes the sheet it is given, and nothing else.

Theory. A call holds credit for a slice of time before the time is used. So what is held and what is free is never more
than what there is, however many calls run, and no call can spend what another one holds. At the end the seconds used
are charged from what is held, and the rest is returned. Seconds that the plan includes are used before those that
are paid.

A call that dies leaves what it told at its last renewal: that is billed, the rest is returned. Renewals come once a
slice, so what was used and is not billed is less than a slice. If the call was alive after all and settles later,
the seconds that were missing are charged then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from aivoice.billing.accounts import MeteredCall, Sheet
from aivoice.billing.plans import affordable_s, charge

SLICE_S = 60
RENEW_AT_S = 20
"""Seconds left at which the core asks for more (`core.config.Lease`)."""
GOODBYE_S = 15
"""Most that a refused call takes to end."""
SHORTEST_S = 5
"""A renewal may be shorter than a slice, where credit or a limit ends; below this it is refused."""
RING_S = 60
"""Most seconds from admission to answer."""
SLACK_S = 15
"""For a settlement to arrive in, before the call counts as dead."""

Reason = Literal["", "credit", "calls", "minutes", "spend", "suspended", "closed", "unknown"]
"""Why not. calls, minutes, spend: a limit. closed: the call has ended (or was taken for dead). unknown: no such
call."""


@dataclass(frozen=True, slots=True)
class Grant:
    """seconds: leased, 0 with a reason."""

    seconds: int
    reason: Reason = ""


def admit(sheet: Sheet, call_id: str, holder: str) -> Grant:
    """A new call takes its first slice, a full one, or is refused. Asked again, it is answered the same."""
    if sheet.call is not None:
        return Grant(sheet.call.last_slice_s) if sheet.call.status == "open" else Grant(0, "closed")
    if not sheet.active:
        return Grant(0, "suspended")
    sheet.turn_over()
    account = sheet.account
    assert account.period_start is not None
    assert account.day is not None
    call = MeteredCall(
        call_id=call_id,
        holder=holder,
        admitted_at=sheet.now,
        lease_until=sheet.now + timedelta(seconds=SLICE_S + RING_S + GOODBYE_S + SLACK_S),
        price_per_minute=sheet.plan.price_per_minute,
        period_start=account.period_start,
        day=account.day,
    )
    if account.limits.calls is not None and account.open_calls >= account.limits.calls:
        _tell_refused(sheet, "calls")
        return Grant(0, "calls")
    found = _coverable(sheet, call)
    if found.seconds < SLICE_S:
        _tell_refused(sheet, found.reason)
        return Grant(0, found.reason)
    sheet.call = call
    account.open_calls += 1
    _hold(sheet, call, found.seconds)
    return Grant(found.seconds)


def renew(sheet: Sheet, number: int, used_s: int) -> Grant:
    """Slice `number` (the first of a call is 0) for a call that has used `used_s`. Asked again, it is answered the
    same. Refused too, it leaves on record what was used."""
    call = sheet.call
    if call is None:
        return Grant(0, "unknown")
    if call.status != "open":
        return Grant(0, "closed")
    call.used_s = max(call.used_s, used_s)
    if number != call.slices:
        # The last one asked for again: its answer was lost. Anything else is a caller that has lost count.
        return Grant(call.last_slice_s) if number == call.slices - 1 else Grant(0, "unknown")
    sheet.turn_over()
    found = _coverable(sheet, call)
    if found.seconds < SHORTEST_S:
        _tell_refused(sheet, found.reason)
        return Grant(0, found.reason)
    _hold(sheet, call, found.seconds)
    left = max(0, call.leased_s - call.used_s)
    call.lease_until = sheet.now + timedelta(seconds=left + GOODBYE_S + SLACK_S)
    return Grant(found.seconds)


def settle(sheet: Sheet, used_s: int) -> bool:
    """The call has ended after `used_s`. False where there was nothing (more) to charge."""
    call = sheet.call
    if call is None or call.status == "settled":
        return False
    if call.status == "recovered":
        return _settle_late(sheet, call, used_s)
    _close(sheet, call, max(call.used_s, used_s), "settled")
    return True


def recover(sheet: Sheet) -> bool:
    """The call is dead: bill what is known to be used. False where it is closed already."""
    call = sheet.call
    if call is None or call.status != "open":
        return False
    _close(sheet, call, call.used_s, "recovered")
    return True


# ---------------------------------------------------------------- one slice


def _coverable(sheet: Sheet, call: MeteredCall) -> Grant:
    """The part of a slice that credit and limits allow; reason: what ended it."""
    account, limits = sheet.account, sheet.account.limits
    seconds, reason = SLICE_S, ""
    if limits.day_s is not None and limits.day_s - account.day_s < seconds:
        seconds, reason = max(0, limits.day_s - account.day_s), "minutes"
    included = min(seconds, account.balances["included"])
    wanted = seconds - included
    paid = affordable_s(call.price_per_minute, account.balances["credit"], call.held_paid_s, wanted)
    if paid < wanted:
        reason = "credit"
    if limits.spend is not None:
        allowed = affordable_s(call.price_per_minute, limits.spend - account.spent, call.held_paid_s, wanted)
        if allowed < paid:
            paid, reason = allowed, "spend"
    return Grant(included + paid, reason)


def _hold(sheet: Sheet, call: MeteredCall, seconds: int) -> None:
    account = sheet.account
    assert account.period_start is not None
    assert account.day is not None
    included = min(seconds, account.balances["included"])
    paid_s = call.held_paid_s + seconds - included
    amount = charge(call.price_per_minute, paid_s) - charge(call.price_per_minute, call.held_paid_s)
    entries = {"credit": -amount, "held": amount, "included": -included, "included_held": included}
    sheet.post("lease", f"lease:{call.call_id}:{call.slices}", entries)
    if call.period_start != account.period_start:
        call.period_start, call.period_held, call.period_included_s = account.period_start, 0, 0
    if call.day != account.day:
        call.day, call.day_s = account.day, 0
    call.slices, call.last_slice_s, call.leased_s = call.slices + 1, seconds, call.leased_s + seconds
    call.held, call.held_included_s = call.held + amount, call.held_included_s + included
    call.period_held, call.period_included_s = call.period_held + amount, call.period_included_s + included
    call.day_s += seconds
    account.day_s += seconds
    account.spent += amount
    _tell_near(sheet)


# ---------------------------------------------------------------- the end


def _close(sheet: Sheet, call: MeteredCall, used_s: int, status: str) -> None:
    """Charge `used_s`, return the rest. Seconds of the plan that other calls returned meanwhile are used before this
    one's paid ones."""
    account, held, held_included = sheet.account, call.held, call.held_included_s
    included = min(used_s, held_included + _free_included(sheet, call))
    paid_s = affordable_s(call.price_per_minute, account.balances["credit"] + held, 0, used_s - included)
    total = charge(call.price_per_minute, paid_s)
    # What is returned goes to where it came from: a period that is over takes nothing back.
    same_period = call.period_start == account.period_start
    unused = max(0, held_included - included)
    back = min(unused, call.period_included_s) if same_period else 0
    sheet.post(
        "settlement",
        f"settlement:{call.call_id}",
        {
            "held": -held,
            "revenue": total,
            "credit": held - total,
            "included_held": -held_included,
            "included_used": included,
            "included": back - max(0, included - held_included),
            "included_expired": unused - back,
        },
    )
    account.spent += max(0, total - held)
    if same_period:
        account.spent -= min(max(0, held - total), call.period_held)
    account.day_s += max(0, used_s - call.leased_s)
    if call.day == account.day:
        account.day_s -= min(max(0, call.leased_s - used_s), call.day_s)
    account.open_calls -= 1
    call.status, call.ended_at, call.used_s = status, sheet.now, used_s
    call.included_used_s, call.paid_s, call.charged = included, paid_s, total
    call.held, call.held_included_s = 0, 0
    call.overrun_s = used_s - included - paid_s
    _tell_near(sheet)


def _settle_late(sheet: Sheet, call: MeteredCall, used_s: int) -> bool:
    """It was taken for dead, and was alive: charge what was missing."""
    missing = used_s - call.used_s
    call.status = "settled"
    if missing <= 0:
        return False
    account = sheet.account
    included = min(missing, _free_included(sheet, call))
    paid = affordable_s(call.price_per_minute, account.balances["credit"], call.paid_s, missing - included)
    amount = charge(call.price_per_minute, call.paid_s + paid) - call.charged
    entries = {"credit": -amount, "revenue": amount, "included": -included, "included_used": included}
    sheet.post("late", f"late:{call.call_id}", entries)
    account.spent += amount
    account.day_s += missing
    call.used_s, call.charged = used_s, call.charged + amount
    call.included_used_s, call.paid_s = call.included_used_s + included, call.paid_s + paid
    call.overrun_s += missing - included - paid
    _tell_near(sheet)
    return True


def _free_included(sheet: Sheet, call: MeteredCall) -> int:
    """Seconds of the plan that the call may use without a lease: none of a period that began after its last slice."""
    account = sheet.account
    return account.balances["included"] if call.period_start == account.period_start else 0


# ---------------------------------------------------------------- notices


def _tell_near(sheet: Sheet) -> None:
    account, limits = sheet.account, sheet.account.limits
    soft = limits.soft_percent
    if limits.day_s is not None and account.day_s * 100 >= limits.day_s * soft:
        data = {"limit": "minutes", "used_s": account.day_s, "limit_s": limits.day_s, "percent": soft}
        sheet.tell(f"day.minutes.{soft}", "limit.near", data | {"day": str(account.day)})
    if limits.spend is not None and account.spent * 100 >= limits.spend * soft:
        data = {"limit": "spend", "used": account.spent, "limit_amount": limits.spend, "percent": soft}
        sheet.tell(f"spend.{soft}", "limit.near", data)
    funds = account.balances["credit"] + account.balances["held"]
    if funds <= limits.low_credit and sheet.plan.price_per_minute:
        sheet.tell("credit.low", "credit.low", {"credit": funds, "threshold": limits.low_credit})


def _tell_refused(sheet: Sheet, reason: Reason) -> None:
    """reason: one that `_coverable` gives, or calls."""
    match reason:
        case "credit":
            sheet.tell("credit.exhausted", "credit.exhausted", {"credit": sheet.account.balances["credit"]})
        case "minutes" | "calls":
            data = {"limit": reason, "day": str(sheet.account.day)}
            sheet.tell(f"day.{reason}.reached", "limit.reached", data)
        case _:
            sheet.tell(f"{reason}.reached", "limit.reached", {"limit": reason})
