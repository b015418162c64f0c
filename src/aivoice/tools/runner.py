"""A tenant's tools as a call runs them: `engine.ports.ToolRunner` with permissions, limits and any source behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from aivoice.business.model import Tool
from aivoice.core.prompt import ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.store import Store, StoreError
from aivoice.tools.limits import DEFAULT_RATE, Buckets, InFlight, Rate
from aivoice.tools.messages import Kind, Notices, take
from aivoice.tools.ports import Now, Sealer
from aivoice.tools.schema import checkable, misfits
from aivoice.tools.spec import ANY_TIME, CallFacts, Permissions, WebTool, refusal
from aivoice.tools.web_call import WebCaller, compact, failed
from aivoice.tools.webhooks import TOOLS, active_secrets

SECRETS_FOR = timedelta(seconds=30)
STORE_ATTEMPTS, STORE_PAUSE_S = 3, 0.3


class Entry(Protocol):
    """One tool, wherever it runs. arguments: the checked part of its parameters' schema."""

    @property
    def spec(self) -> ToolSpec: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def permissions(self) -> Permissions: ...
    @property
    def rate(self) -> Rate: ...
    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome: ...


@dataclass(slots=True)
class Limiter:
    """Shared by all calls of a process: runs a minute of each (tenant, tool), runs at a time of each tenant."""

    buckets: Buckets = field(default_factory=Buckets)
    in_flight: InFlight = field(default_factory=InFlight)
    clock: Callable[[], float] = time.monotonic


class TenantTools:
    """`engine.ports.ToolRunner` of one tenant's context; serves many calls. facts: what is known of a call by its id;
    asked at every run, so that a caller who is verified meanwhile counts."""

    def __init__(
        self,
        tenant_id: str,
        entries: Sequence[Entry],
        *,
        facts: Callable[[str], CallFacts],
        limiter: Limiter,
    ) -> None:
        self._tenant_id, self._facts, self._limiter = tenant_id, facts, limiter
        self._entries = {entry.spec.name: entry for entry in entries}

    def specs(self) -> tuple[ToolSpec, ...]:
        """For the call's configuration, in order."""
        return tuple(entry.spec for entry in self._entries.values())

    async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        """Run one tool once for (call_id, key). What the tenant's definition does not allow now is ``failed`` with its
        reason and reaches nobody. Only cancelling raises."""
        entry = self._entries.get(name)
        if entry is None:
            return failed("unknown_tool")
        why = refusal(entry.permissions, self._facts(call_id))
        if why:
            return failed(why)
        wrong = misfits(entry.arguments, dict(arguments))
        if wrong:
            return failed("invalid_arguments", fields=wrong)
        limiter = self._limiter
        if not limiter.in_flight.enter(self._tenant_id):
            return failed("too_many_at_once")
        try:
            wait = limiter.buckets.take((self._tenant_id, name), entry.rate, limiter.clock())
            if wait:
                return failed("rate_limited", retry_after_s=int(wait) + 1)
            return await entry.run(arguments, call_id=call_id, key=key)
        finally:
            limiter.in_flight.leave(self._tenant_id)


class SigningKeys:
    """A tenant's secrets for calls of tools, kept `SECRETS_FOR`; the last known ones while the database is away."""

    def __init__(self, store: Store, sealer: Sealer, tenant_id: str, *, now: Now) -> None:
        self._store, self._sealer, self._tenant_id, self._now = store, sealer, tenant_id, now
        self._keys: list[str] | None = None
        self._until = now()

    async def __call__(self) -> list[str]:
        now = self._now()
        if self._keys is None or now >= self._until:
            try:
                async with self._store.tenant(self._tenant_id) as scope:
                    self._keys = await active_secrets(scope, self._sealer, TOOLS, now=now)
                self._until = now + SECRETS_FOR
            except StoreError:
                if self._keys is None:
                    raise
        return self._keys


@dataclass(frozen=True, slots=True)
class WebEntry:
    """A web tool. keys: gives the signing secrets (`SigningKeys`)."""

    tool: WebTool
    caller: WebCaller
    keys: Callable[[], Awaitable[list[str]]]

    @property
    def spec(self) -> ToolSpec:
        return self.tool.spec()

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.tool.arguments

    @property
    def permissions(self) -> Permissions:
        return self.tool.permissions

    @property
    def rate(self) -> Rate:
        return self.tool.rate

    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        try:
            keys = await self.keys()
        except StoreError as error:
            return failed(error.code)  # unsigned is no way out: the endpoint would refuse it, or worse, not
        return await self.caller.run(self.tool, arguments, call_id=call_id, key=key, keys=keys)


def web_tool(tool: Tool, url: str) -> WebTool:
    """A tool of a business file. url: its endpoint, or where the local service answers it. Raises ToolShapeError."""
    return WebTool(
        tool.name, tool.description, url, tool.side_effects, tool.parameters,
        checkable(tool.parameters, f"tool {tool.name}"), fillers=tool.fillers, time_limit_ms=tool.time_limit_ms,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """Take a message, or ask for a call back: a row and what tells of it, in one transaction."""

    tenant_id: str
    store: Store
    kind: Kind
    notices: Notices
    now: Now
    spec: ToolSpec
    permissions: Permissions = ANY_TIME
    rate: Rate = DEFAULT_RATE

    @property
    def arguments(self) -> Mapping[str, Any]:
        return checkable(self.spec.parameters, self.spec.name)

    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        """``ok`` only once it is committed. A database that is away is tried again for about a second; then it is
        ``unknown``: the last commit may have arrived. The key keeps it single."""
        for attempt in range(STORE_ATTEMPTS):
            try:
                async with self.store.tenant(self.tenant_id) as scope:
                    await take(
                        scope, self.kind, arguments,
                        call_id=call_id, key=key, notices=self.notices, now=self.now(),
                    )  # fmt: skip
                return ToolOutcome("ok", '{"status":"ok"}')
            except StoreError as error:
                if attempt + 1 == STORE_ATTEMPTS:
                    return ToolOutcome("unknown", compact({"status": "unknown", "why": error.code}))
                await asyncio.sleep(STORE_PAUSE_S)
        raise AssertionError  # the last attempt returns


def _fields(**fields: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text} for name, text in fields.items()},
        "required": ["name", "phone"],
    }


TAKE_MESSAGE = ToolSpec(
    "take_message",
    "Take a message for the staff. Ask for the caller's name, number and message, and read the number back.",
    {
        **_fields(name="The caller's name", phone="The number to reach them on", message="What to pass on"),
        "required": ["name", "phone", "message"],
    },
    side_effects=True,
)
REQUEST_CALLBACK = ToolSpec(
    "request_callback",
    "Note that the caller wants to be called back.",
    _fields(name="The caller's name", phone="The number to call", when="When it suits them", about="What it is about"),
    side_effects=True,
)
