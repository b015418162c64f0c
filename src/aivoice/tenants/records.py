"""The record of every call of a tenant: begun before the answer, closed at its end or by whoever finds its process
dead."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aivoice.store import NotFoundError, PlatformScope, Scope
from aivoice.tenants.sealing import Sealer, call_about

LOST = "process_lost"
"""The reason of a call whose process died."""


def room_name(tenant_id: str, call_id: str) -> str:
    """Of the media room. The tenant comes first, so that whoever sees a room knows whose it is."""
    return f"{tenant_id}--{call_id}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of the transcript; ms from the start of the recording."""

    who: Literal["caller", "agent"]
    at_ms: int
    until_ms: int | None
    text: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """number: dialled. caller: "" withheld, erased, or its key is gone. why, action: as `decide` said. seconds: from
    the answer. transferred: to whom."""

    call_id: str
    number: str
    caller: str
    why: str
    action: str
    version: int
    room: str
    started_at: datetime
    ended_at: datetime | None
    reason: str
    seconds: int
    turns: int
    transferred: str


_COLUMNS = (
    "call_id, number, caller_sealed, why, action, version, room, started_at, ended_at, reason, seconds, turns, "
    "transferred"
)


async def open_record(
    scope: Scope,
    sealer: Sealer,
    call_id: str,
    *,
    number: str,
    caller: str,
    why: str,
    action: str,
    version: int,
    process: str,
    now: datetime,
) -> None:
    """In the transaction that admits the call. process: names the one that runs it, a new name each time it starts."""
    tenant_id = scope.tenant_id
    await scope.run(
        "INSERT INTO calls (tenant_id, call_id, number, caller_key, caller_sealed, why, action, version, room, "
        "process, started_at, seen_at) VALUES (%(tenant_id)s, %(call)s, %(number)s, %(key)s, %(sealed)s, %(why)s, "
        "%(action)s, %(version)s, %(room)s, %(process)s, %(now)s, %(now)s)",
        {
            "call": call_id,
            "number": number,
            "key": sealer.key(tenant_id, caller) if caller else None,
            "sealed": sealer.seal(tenant_id, call_about(call_id), caller) if caller else None,
            "why": why,
            "action": action,
            "version": version,
            "room": room_name(tenant_id, call_id),
            "process": process,
            "now": now,
        },
    )


async def close_record(
    scope: Scope,
    sealer: Sealer,
    call_id: str,
    *,
    reason: str,
    seconds: int,
    turns: int,
    transferred: str,
    segments: Sequence[Segment],
    now: datetime,
) -> bool:
    """With the transcript, redacted already. False: it was closed before, and nothing is changed but a `LOST` one,
    whose process was alive after all."""
    closed = await scope.run(
        "UPDATE calls SET ended_at = greatest(%(now)s, started_at), seen_at = %(now)s, reason = %(reason)s, "
        "seconds = %(seconds)s, turns = %(turns)s, transferred = %(transferred)s "
        "WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s AND (ended_at IS NULL OR reason = %(lost)s)",
        {
            "call": call_id,
            "now": now,
            "reason": reason[:100],
            "seconds": seconds,
            "turns": turns,
            "transferred": transferred[:100],
            "lost": LOST,
        },
    )
    if closed and segments:
        about = call_about(call_id)
        await scope.many(
            "INSERT INTO call_segments (tenant_id, call_id, position, who, at_ms, until_ms, text_sealed) VALUES "
            "(%(tenant_id)s, %(call)s, %(position)s, %(who)s, %(at)s, %(until)s, %(text)s) ON CONFLICT DO NOTHING",
            [
                {
                    "call": call_id,
                    "position": position,
                    "who": segment.who,
                    "at": segment.at_ms,
                    "until": segment.until_ms,
                    "text": sealer.seal(scope.tenant_id, about, segment.text),
                }
                for position, segment in enumerate(segments)
            ],
        )
    return bool(closed)


class DeadCalls:
    """`billing.leases.CallRecords`."""

    async def close_dead(self, scope: Scope, call_id: str, *, seconds: int, now: datetime) -> None:
        await scope.run(
            "UPDATE calls SET ended_at = greatest(%(now)s, started_at), reason = %(lost)s, seconds = %(seconds)s "
            "WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s AND ended_at IS NULL",
            {"call": call_id, "seconds": seconds, "now": now, "lost": LOST},
        )


async def close_of_dead(scope: PlatformScope, *, dead: Collection[str], now: datetime) -> int:
    """Close what processes of these names left open and nobody is billed for (announcements); how many."""
    return await scope.run(
        "UPDATE calls SET ended_at = greatest(%(now)s, started_at), reason = %(lost)s "
        "WHERE ended_at IS NULL AND process = ANY (%(dead)s)",
        {"dead": list(dead), "now": now, "lost": LOST},
    )


async def processes(scope: PlatformScope) -> list[str]:
    """Those with open records."""
    rows = await scope.all("SELECT DISTINCT process FROM calls WHERE ended_at IS NULL LIMIT 1000")
    return [row["process"] for row in rows]


@dataclass(frozen=True, slots=True)
class Filter:
    """Of a list of calls. "": any. caller: their number. since, until: of the start, until excluded."""

    number: str = ""
    caller: str = ""
    action: str = ""
    why: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def calls(
    scope: Scope,
    sealer: Sealer,
    wanted: Filter = Filter(),
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[CallRecord]:
    """Newest first. after: (started_at, id) of the last one seen."""
    # Only the conditions that are asked for: each has an index in the order of the list, and a plan of its own.
    conditions = ["tenant_id = %(tenant_id)s"]
    given: dict[str, Any] = {"limit": limit}
    for name in ("number", "action", "why"):
        if getattr(wanted, name):
            conditions.append(f"{name} = %({name})s")
            given[name] = getattr(wanted, name)
    if wanted.caller:
        conditions.append("caller_key = %(key)s")
        given["key"] = sealer.key(scope.tenant_id, wanted.caller)
    if wanted.since is not None:
        conditions.append("started_at >= %(since)s")
        given["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("started_at < %(until)s")
        given["until"] = wanted.until
    if after is not None:
        conditions.append("(started_at, call_id) < (%(at)s, %(last)s)")
        given["at"], given["last"] = after
    sql: Any = (  # every part is a literal of this function
        f"SELECT {_COLUMNS} FROM calls WHERE {' AND '.join(conditions)} "
        "ORDER BY started_at DESC, call_id DESC LIMIT %(limit)s"
    )
    return [_record(scope, sealer, row) for row in await scope.all(sql, given)]


async def call(scope: Scope, sealer: Sealer, call_id: str) -> CallRecord:
    """Raises NotFoundError."""
    row = await scope.one(
        f"SELECT {_COLUMNS} FROM calls WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
    )
    if row is None:
        raise NotFoundError("There is no such call.", code="call_unknown")
    return _record(scope, sealer, row)


async def transcript(scope: Scope, sealer: Sealer, call_id: str) -> list[Segment]:
    """In order; empty where it was not kept any more. Raises NotFoundError for an unknown call."""
    await call(scope, sealer, call_id)
    rows = await scope.all(
        "SELECT who, at_ms, until_ms, text_sealed FROM call_segments "
        "WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s ORDER BY position LIMIT 10000",
        {"call": call_id},
    )
    about = call_about(call_id)
    return [
        Segment(
            row["who"], row["at_ms"], row["until_ms"],
            sealer.open(scope.tenant_id, about, bytes(row["text_sealed"])) or "",
        )
        for row in rows
    ]  # fmt: skip


async def erase_call(scope: Scope, call_id: str) -> None:
    """What was said and who called; that there was a call, and how long, stays for the bill. Raises NotFoundError."""
    erased = await scope.run(
        "UPDATE calls SET caller_key = NULL, caller_sealed = NULL, summary_sealed = NULL "
        "WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s",
        {"call": call_id},
    )
    if not erased:
        raise NotFoundError("There is no such call.", code="call_unknown")
    await scope.run(
        "DELETE FROM call_segments WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
    )


def _record(scope: Scope, sealer: Sealer, row: dict[str, Any]) -> CallRecord:
    sealed = row.pop("caller_sealed")
    about = call_about(row["call_id"])
    caller = "" if sealed is None else sealer.open(scope.tenant_id, about, bytes(sealed)) or ""
    return CallRecord(caller=caller, **row)
