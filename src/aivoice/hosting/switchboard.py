"""Calls of tenants: the number says whose they are, the tenant's settings and bill what becomes of them.

Life of a call: number → tenant → decision → credit, record and key in one transaction → context → call → bill, record
and webhooks. A call that is not answered leaves a record of why, and costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from aivoice.api.directory import BusinessInfo, Ringing
from aivoice.api.hub import CallHub
from aivoice.billing import CallCredit, Leases
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.engine.ports import Observer
from aivoice.errors import VoiceError
from aivoice.hosting.after_call import Ended, write_down
from aivoice.hosting.calls import Calls, HostedCall, Taken
from aivoice.hosting.learned import Learned
from aivoice.hosting.meter import UsageMeter
from aivoice.hosting.sealed_files import SealedFiles
from aivoice.hosting.tenant_house import TenantContext
from aivoice.security.call_crypto import File, call_keys, new_call_keys
from aivoice.security.keyring import Sealer
from aivoice.store import Scope, Store
from aivoice.tenants.callers import is_blocked, recall
from aivoice.tenants.context import Contexts
from aivoice.tenants.decide import Decision, decide, refused
from aivoice.tenants.lookup import Found, by_id, by_number
from aivoice.tenants.numbers import caller_number, parse_number
from aivoice.tenants.records import open_record
from aivoice.tenants.sealing import Sealer as TextSealer
from aivoice.tools.outgoing import emit
from aivoice.tools.spec import CallFacts
from aivoice.traces.build import build_trace
from aivoice.traces.sealed import CallArchive
from aivoice.transports.webrtc import DEFAULTS, WebRtcSettings

AFTER_S = 1.0
"""How long the last calls' bills and records are waited for when the process ends; what is left is recovered."""

_log = logging.getLogger(__name__)


class NotAnsweredError(VoiceError):
    """The call is not answered, and nothing is held for it. status: as a telephone exchange would clear it."""

    code, stage, status = "not_answered", "tenants", 403


_REJECTED = {
    "unknown": ("No business answers at this number.", "number_unknown", 404),
    "suspended": ("This number is not in service.", "not_in_service", 403),
    "unprepared": ("This number is not in service yet.", "not_in_service", 403),
    "blocked": ("This business does not take calls from this number.", "caller_blocked", 403),
    "closed": ("The business is closed now.", "closed", 403),
    "over_limit": ("All lines of this business are busy; try again later.", "over_limit", 503),
    "no_credit": ("This business cannot take calls at the moment.", "no_credit", 402),
}


@dataclass(slots=True)
class _Line:
    """A call between its admission and its end."""

    found: Found
    decision: Decision
    number: str
    caller: str
    context: TenantContext
    credit: CallCredit | None
    keys: dict[File, bytes]
    memory: str = ""


class Facts:
    """What the tools of running calls may know of them. Observes each of its calls."""

    def __init__(self) -> None:
        self._known: dict[str, CallFacts] = {}

    def __call__(self, call_id: str) -> CallFacts:
        return self._known.get(call_id, CallFacts())

    def begin(self, call_id: str, *, open_now: bool) -> Callable[[int, e.Event | c.Command], None]:
        """The observer of a new call: `confirmed` is whether the caller's last turn was a yes."""
        self._known[call_id] = CallFacts(open_now=open_now)

        def look(_: int, item: e.Event | c.Command) -> None:
            if isinstance(item, c.TurnEnded) and call_id in self._known:
                self._known[call_id] = CallFacts(confirmed=_is_yes(item.text), open_now=open_now)

        return look

    def end(self, call_id: str) -> None:
        self._known.pop(call_id, None)


_YES = frozenset(
    ("yes", "yeah", "yep", "yup", "sure", "correct", "right", "absolutely", "definitely", "exactly", "please")
)
_NOT = frozenset(("no", "not", "nope", "don't", "wait", "but", "actually"))


def _is_yes(text: str) -> bool:
    words = [word.strip(".,!?") for word in text.lower().split()]
    return any(word in _YES for word in words[:3]) and not any(word in _NOT for word in words)


class Switchboard(Calls):
    """`api.directory.Directory` and `api.desk.CallFactory` of the platform. Used as `Calls` is.

    process: names this process in leases and records; a new name each time it starts. directory: parent of the sealed
    files, ``<tenant>/<call>``. unknown: the tenant that answers numbers which nobody has ("": nobody does).
    """

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        texts: TextSealer,
        leases: Leases,
        contexts: Contexts[TenantContext],
        facts: Facts,
        *,
        process: str,
        directory: Path,
        now: Callable[[], datetime],
        unknown: str = "",
        webrtc: WebRtcSettings = DEFAULTS,
    ) -> None:
        super().__init__({}, webrtc=webrtc)
        self._store, self._sealer, self._texts, self._leases = store, sealer, texts, leases
        self._contexts, self._facts, self._process = contexts, facts, process
        self._directory, self._now, self._unknown = directory, now, unknown
        self._lines: dict[str, _Line] = {}
        self._after: set[asyncio.Task[None]] = set()
        self._shown: dict[str, BusinessInfo] = {}
        self._learned = Learned()

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        if self._after:
            await asyncio.wait(self._after, timeout=AFTER_S)
        for task in self._after:
            task.cancel()
        await asyncio.gather(*self._after, return_exceptions=True)

    @property
    def writing(self) -> int:
        """Ended calls whose bill and record are not committed yet."""
        return len(self._after)

    def prompt_of(self, call_id: str) -> str:
        """What the model of an admitted call is told before it begins: for tests."""
        line = self._lines[call_id]
        config = line.context.for_call(line.decision, line.memory).config
        return f"{config.system}\n\n{config.notes}"

    # ------------------------------------------------------------ Directory

    def all(self) -> Sequence[BusinessInfo]:
        return tuple(self._shown.values())

    async def show(self, limit: int = 50) -> None:
        """Read again which businesses a page may choose from. Raises StoreError."""
        async with self._store.platform() as scope:
            rows = await scope.all(
                "SELECT id, name FROM tenants WHERE status = 'active' AND version > 0 ORDER BY created_at, id "
                "LIMIT %(limit)s",
                {"limit": limit},
            )
        self._shown = {row["id"]: self._shown.get(row["id"]) or BusinessInfo(row["id"], row["name"]) for row in rows}

    async def warm(self, most: int = 20) -> None:
        """Make the contexts of those shown, so that their first callers do not wait; what cannot be made is told."""
        for tenant_id in list(self._shown)[:most]:
            await self.prepare(tenant_id)

    async def prepare(self, tenant_id: str) -> None:
        """Make the context of a tenant ahead of its next call. What cannot be made is told, and tried again then."""
        try:
            async with self._store.platform() as scope:
                found = await by_id(scope, tenant_id)
            if found is None or found.status != "active" or not found.version:
                self._shown.pop(tenant_id, None)
                return
            context = await self._contexts.get(found.tenant_id, found.version)
        except VoiceError as error:
            _log.error("%s cannot answer yet: %s", tenant_id, error)
        else:
            self._shown[tenant_id] = replace(context.hosted.info(), folder=tenant_id, lines=0)

    async def admit(self, ringing: Ringing) -> BusinessInfo:
        """Raises NotAnsweredError, NumberError, StoreError; ProviderError where the tenant's context cannot be made."""
        found, number = await self._found(ringing)
        if found is None:
            raise _not_answered(decide(None, blocked=False, open_now=True))
        caller = caller_number(ringing.caller, found.settings.region) or ""
        # Held before anything is: a context that cannot be made must leave nothing behind.
        context = await self._contexts.get(found.tenant_id, found.version) if found.version else None
        open_now = context is None or self._is_open(context)
        async with self._store.tenant(found.tenant_id) as scope:
            line = await self._admitted(scope, ringing, found, number, caller, context, open_now)
        if line is None or isinstance(line, Decision):
            raise _not_answered(line or Decision("unprepared", "reject"))
        self._lines[ringing.call_id] = line
        info = replace(line.context.for_call(line.decision).info(), folder=found.tenant_id, lines=0)
        self._shown[info.id] = info
        return info

    async def _found(self, ringing: Ringing) -> tuple[Found | None, str]:
        number = parse_number(ringing.number) if ringing.number else ""
        async with self._store.platform() as scope:
            if number:
                found = await by_number(scope, number)
                if found is None and self._unknown:
                    found = await by_id(scope, self._unknown)
                return found, number
            chosen = ringing.business or next(iter(self._shown), "")
            return await by_id(scope, chosen), ""

    async def _admitted(
        self,
        scope: Scope,
        ringing: Ringing,
        found: Found,
        number: str,
        caller: str,
        context: TenantContext | None,
        open_now: bool,
    ) -> _Line | Decision | None:
        """In one transaction: who is blocked, what is remembered, credit, key and record."""
        now = self._now()
        blocked = bool(caller) and await is_blocked(scope, self._texts, caller, now)
        decision = decide(found, blocked=blocked, open_now=open_now)
        credit: CallCredit | None = None
        if decision.action in ("answer", "transfer") and context is not None and self._is_full(context):
            decision = refused(found, "calls")
        elif decision.action in ("answer", "transfer"):
            admission = await self._leases.admit(scope, ringing.call_id, now, holder=self._process)
            if admission.granted:
                credit = CallCredit(
                    self._store, self._leases, found.tenant_id, ringing.call_id, admission, clock=time.monotonic
                )
            else:
                decision = refused(found, admission.reason)
        await open_record(
            scope,
            self._texts,
            ringing.call_id,
            number=number,
            caller=caller,
            why=decision.why,
            action=decision.action,
            version=found.version,
            process=self._process,
            now=now,
        )
        if decision.action == "reject" or context is None:
            await scope.run(
                "UPDATE calls SET ended_at = started_at, reason = 'not_answered' "
                "WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s",
                {"call": ringing.call_id},
            )
            return decision if decision.action == "reject" else None
        remembered = await recall(scope, self._texts, caller) if caller and credit is not None else None
        keep = found.settings.keep
        recorded = bool(keep.recordings) and context.consent.record != "never"
        files: list[File] = ["journal", "recording"] if recorded else ["journal"]
        keys: dict[File, bytes] = {}
        if credit is not None and (keep.recordings or keep.transcripts):
            keys = await new_call_keys(scope, self._sealer, ringing.call_id, files, now)
        data = {"call_id": ringing.call_id, "number": number, "action": decision.action, "why": decision.why}
        await emit(scope, "call.started", data, now=now)
        memory = remembered.summary if remembered is not None else ""
        return _Line(found, decision, number, caller, context, credit, keys, memory)

    def _is_full(self, context: TenantContext) -> bool:
        """The business file's own limit of calls at a time."""
        running = sum(line.context.tenant_id == context.tenant_id for line in self._lines.values())
        return running >= context.hosted.business.limits.concurrent_calls

    def _is_open(self, context: TenantContext) -> bool:
        business = context.hosted.business
        if not business.hours.known:
            return True
        return business.hours.is_open(self._now().astimezone(ZoneInfo(business.timezone)).replace(tzinfo=None))

    async def dismiss(self, ringing: Ringing) -> None:
        line = self._lines.pop(ringing.call_id, None)
        if line is not None:
            self._finish(ringing.call_id, line, UsageMeter(ringing.call_id), CallHub(), "not_begun")

    # ------------------------------------------------------------ Calls

    def _take(self, call_id: str, business: BusinessInfo, hub: CallHub) -> Taken:
        line = self._lines[call_id]
        hosted = line.context.for_call(line.decision, line.memory)
        hosted = replace(hosted, config=self._learned.for_call(line.found.tenant_id, hosted.config))
        meter = UsageMeter(call_id)
        files = self._files(call_id, line, hosted.config)
        look = self._facts.begin(call_id, open_now=self._is_open(line.context))

        def ended(reason: str) -> None:
            self._facts.end(call_id)
            del self._lines[call_id]
            if line.credit is not None:
                line.credit.ended()
            self._finish(call_id, line, meter, hub, reason)

        through = _Through()
        observers = (meter, look, _until_finish(line.credit), self._learned.observer(line.found.tenant_id))
        if line.decision.action == "transfer":
            observers = (*observers, through)
        return Taken(
            hosted,
            caller=line.caller,
            credit=line.credit,
            files=files,
            observers=observers,
            ended=ended,
            keep=False,
            began=through.began,
        )

    def _files(self, call_id: str, line: _Line, config: CallConfig) -> SealedFiles | None:
        if not line.keys:
            return None
        return SealedFiles(
            self._directory / line.found.tenant_id / call_id,
            call_id,
            config,
            line.keys,
            kinds=line.found.settings.redact,
            record=line.context.consent.record,
        )

    def _finish(self, call_id: str, line: _Line, meter: UsageMeter, hub: CallHub, reason: str) -> None:
        trace = build_trace(hub.view.reducer, call_id=call_id, business=line.found.name)
        call = Ended(line.found.tenant_id, call_id, line.number, line.caller, line.found.settings, line.credit, meter)
        work = write_down(self._store, self._texts, call, trace, reason, now=self._now)
        task = asyncio.create_task(work, name=f"after call {call_id}")
        self._after.add(task)
        task.add_done_callback(self._written)

    async def read(self, business_id: str, call_id: str, name: str) -> bytes:
        """`api.desk.Archive`, for the operator's own page. Raises NotFoundError, SealError, StoreError."""
        async with self._store.tenant(business_id) as scope:
            keys = await call_keys(scope, self._sealer, call_id)
        archive = CallArchive(self._directory / business_id / call_id, keys, call_id=call_id)
        return await asyncio.to_thread(archive.file, name)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._after.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), type(error).__name__)


def _until_finish(credit: CallCredit | None) -> Observer:
    """Time is paid for up to the end of the conversation: what is tidied up behind it is nobody's bill."""

    def look(_: int, item: e.Event | c.Command) -> None:
        if credit is not None and isinstance(item, c.Finish):
            credit.ended()

    return look


class _Through:
    """Puts a call through at once, as the 0 key does: the greeting and its notices are for whoever stays."""

    def __init__(self) -> None:
        self.call: HostedCall | None = None

    def began(self, call: HostedCall) -> None:
        self.call = call

    def __call__(self, _: int, item: e.Event | c.Command) -> None:
        if isinstance(item, e.MediaUp) and self.call is not None:
            self.call.press("0")


def _not_answered(decision: Decision) -> NotAnsweredError:
    text, code, status = _REJECTED[decision.why]
    error = NotAnsweredError(text, code=code)
    error.status = status
    return error
