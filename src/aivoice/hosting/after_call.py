"""What is written when a tenant's call has ended: its bill, its record with the transcript, what is remembered of the
caller, and what its webhooks are told. In one transaction after the bill; tried until the database takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from aivoice.billing.running import CallCredit
from aivoice.hosting.meter import UsageMeter
from aivoice.security.redact import redact
from aivoice.security.secret_watch import SecretWatch
from aivoice.store import NotFoundError, Scope, Store, StoreError
from aivoice.tenants.callers import remember
from aivoice.tenants.records import Segment, close_record
from aivoice.tenants.sealing import Sealer
from aivoice.tenants.settings import Settings
from aivoice.tools.outgoing import emit
from aivoice.traces.model import AgentEntry, CallerEntry, NoteEntry, ToolEntry, Trace

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
MOST_SEGMENTS = 2_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. caller: "" withheld. credit: None: nobody pays for it."""

    tenant_id: str
    call_id: str
    number: str
    caller: str
    settings: Settings
    credit: CallCredit | None
    meter: UsageMeter


async def write_down(
    store: Store, sealer: Sealer, call: Ended, trace: Trace, reason: str, *, now: Callable[[], datetime]
) -> None:
    """Returns when all is committed. Cancelled before, the call is closed by whoever recovers what this process
    left."""
    bill = None if call.credit is None else await call.credit.settle(call.meter.events())
    seconds = bill.used_s if bill is not None else -(-trace.duration_ms // 1_000)
    for pause in _pauses():
        try:
            async with store.tenant(call.tenant_id) as scope:
                await _record(scope, sealer, call, trace, reason, seconds, now())
        except NotFoundError:
            return  # the tenant was erased meanwhile, and with it whatever this would have told
        except StoreError as error:
            _log.warning("call %s: its record could not be closed yet: %s", call.call_id, error)
            await asyncio.sleep(pause)
        else:
            return


async def _record(
    scope: Scope, sealer: Sealer, call: Ended, trace: Trace, reason: str, seconds: int, now: datetime
) -> None:
    keep = call.settings.keep
    segments = segments_of(trace, call.settings.redact) if keep.transcripts else []
    turns = sum(1 for turn in trace.turns if turn.caller)
    transferred = next((e.text for e in trace.entries if isinstance(e, NoteEntry) and e.what == "transferred"), "")
    closed = await close_record(
        scope,
        sealer,
        call.call_id,
        reason=reason,
        seconds=seconds,
        turns=turns,
        transferred=transferred,
        segments=segments,
        now=now,
    )
    if not closed:
        return
    if call.caller and keep.callers and turns:
        summary = summary_of(trace, call.settings.redact)
        await remember(scope, sealer, call.caller, summary, call_id=call.call_id, now=now)
    data = {"call_id": call.call_id, "number": call.number, "reason": reason, "seconds": seconds, "turns": turns}
    await emit(scope, "call.ended", data, now=now)


def segments_of(trace: Trace, kinds: tuple[str, ...]) -> list[Segment]:
    """The conversation as it is kept: what either side said and was heard, without secrets."""
    watch = SecretWatch(kinds)
    found: list[Segment] = []
    for entry in trace.entries:
        match entry:
            case CallerEntry(text=text) if text:
                found.append(Segment("caller", entry.at_ms, entry.until_ms, watch.caller(text)))
                watch.turn_ended()
            case AgentEntry(heard=text) if text:
                kept = watch.agent_prepares(text)
                watch.agent_said(text)
                found.append(Segment("agent", entry.at_ms, entry.until_ms, kept))
            case _:
                pass
    return [replace(segment, text=watch.again(segment.text)) for segment in found[:MOST_SEGMENTS]]


def summary_of(trace: Trace, kinds: tuple[str, ...]) -> str:
    """What the call was about, in words that were said in it and deeds that were done: nothing is made up."""
    kept = {segment.at_ms: segment.text for segment in segments_of(trace, kinds) if segment.who == "caller"}
    turns = (entry for entry in trace.entries if isinstance(entry, CallerEntry) and entry.status == "turn")
    wishes = [kept[entry.at_ms] for entry in turns if entry.at_ms in kept]
    deeds = [
        f"{entry.name.replace('_', ' ')} ({'done' if entry.status == 'ok' else entry.status})"
        for entry in trace.entries
        if isinstance(entry, ToolEntry) and entry.side_effects
    ]
    longest = sorted(sorted(wishes, key=len, reverse=True)[:2], key=wishes.index)
    parts = [f"The caller said: {' … '.join(longest)}"] if longest else []
    if deeds:
        parts.append(f"Done in the call: {', '.join(dict.fromkeys(deeds))}")
    return redact(". ".join(parts), kinds)


def _pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]
