"""The tools of tenants' contexts: those of the business file, those a tenant registered, MCP servers, messages."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aivoice.business.model import MESSAGES, SERVICE, Business, Tool
from aivoice.core.prompt import ToolSpec
from aivoice.hosting.told_entry import RedactedEntry, ToldEntry
from aivoice.store import Store
from aivoice.tenants.settings import Settings
from aivoice.tools.errors import AddressError, ToolShapeError
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.guarded_http import guarded_session
from aivoice.tools.mcp_source import McpEntry, McpServer
from aivoice.tools.messages import Notices
from aivoice.tools.ports import Now, Sealer
from aivoice.tools.registry import ServerEntry, servers, tool_forms
from aivoice.tools.runner import (
    REQUEST_CALLBACK,
    TAKE_MESSAGE,
    Entry,
    Limiter,
    MessageEntry,
    SigningKeys,
    TenantTools,
    WebEntry,
    web_tool,
)
from aivoice.tools.spec import CallFacts, parse_tool
from aivoice.tools.web_call import WebCaller

REGISTERED = "builtin:registered"
"""Endpoint of a tool that the business file does not have: where it runs is the runner's affair."""

_log = logging.getLogger(__name__)


class Workshop:
    """Makes them, for all tenants of a process; the connections of all are kept here. `open_workshop` makes one."""

    def __init__(
        self,
        stack: AsyncExitStack,
        store: Store,
        sealer: Sealer,
        guard: Guard,
        caller: WebCaller,
        *,
        facts: Callable[[str], CallFacts],
        now: Now,
    ) -> None:
        self._stack, self._store, self._sealer, self._guard, self._caller = stack, store, sealer, guard, caller
        self._facts, self._now, self._limiter = facts, now, Limiter()
        self._local: dict[str, WebCaller] = {}
        self._servers: dict[tuple[str, str, str], McpServer] = {}

    async def tools_of(
        self, tenant_id: str, business: Business, settings: Settings, *, service_url: str = ""
    ) -> tuple[Business, TenantTools]:
        """The business as its calls see it, with every tool that it has, and what runs them.

        A name of the business file goes before a registered one, that before an MCP server's. service_url: where the
        local service that the operator attached answers ("": none; its tools are left out). Raises StoreError.
        """
        async with self._store.tenant(tenant_id) as scope:
            forms = await tool_forms(scope)
            listed = await servers(scope, self._sealer)
        notices = notices_of(business, settings)
        found: list[Entry] = [
            *await self._of_file(tenant_id, business, service_url),
            *self._registered(tenant_id, forms),
            *[entry for server in listed for entry in await self._of_server(tenant_id, server)],
        ]
        entries: dict[str, Entry] = {}
        for entry in found:
            entries.setdefault(entry.spec.name, self._told(tenant_id, entry, notices, settings))
        messages = [tool.spec() for tool in business.tools if tool.endpoint == MESSAGES]
        for spec in (*messages, TAKE_MESSAGE, REQUEST_CALLBACK):
            entries.setdefault(spec.name, self._message(tenant_id, spec, notices, settings))
        written = {tool.name: tool for tool in business.tools}
        tools = tuple(written.get(name) or _shown(entry.spec) for name, entry in entries.items())
        runner = TenantTools(tenant_id, tuple(entries.values()), facts=self._facts, limiter=self._limiter)
        return replace(business, tools=tools), runner

    async def _of_file(self, tenant_id: str, business: Business, service_url: str) -> list[Entry]:
        keys = SigningKeys(self._store, self._sealer, tenant_id, now=self._now)
        found: list[Entry] = []
        for tool in business.tools:
            if tool.endpoint == MESSAGES:
                continue  # kept here, not asked of anybody
            if tool.endpoint != SERVICE:
                found.append(WebEntry(web_tool(tool, tool.endpoint), self._caller, keys))
            elif service_url:
                caller = await self._local_caller(service_url)
                found.append(WebEntry(web_tool(tool, f"{service_url}/{tool.name}"), caller, keys))
        return found

    async def _local_caller(self, service_url: str) -> WebCaller:
        """For a service that the operator attached: its address may be reached, and nothing else."""
        if service_url not in self._local:
            guard = Guard(allowed=[Allowed.parse(service_url.removeprefix("http://"))])
            self._local[service_url] = await _caller(self._stack, guard, self._now)
        return self._local[service_url]

    def _registered(self, tenant_id: str, forms: list[dict[str, Any]]) -> list[Entry]:
        keys = SigningKeys(self._store, self._sealer, tenant_id, now=self._now)
        found: list[Entry] = []
        for form in forms:
            try:
                found.append(WebEntry(parse_tool(form, self._guard), self._caller, keys))
            except (ToolShapeError, AddressError) as error:  # taken by an earlier release, or before its address moved
                _log.warning("a tool of %s is left out: %s", tenant_id, error.code)
        return found

    async def _of_server(self, tenant_id: str, entry: ServerEntry) -> list[Entry]:
        key = (tenant_id, entry.url, entry.authorization)
        if key not in self._servers:
            try:
                server = McpServer(entry.url, self._guard, authorization=entry.authorization)
            except AddressError as error:
                _log.warning("an MCP server of %s is left out: %s", tenant_id, error.code)
                return []
            self._servers[key] = await self._stack.enter_async_context(server)
        server = self._servers[key]
        return [McpEntry(server, tool, tool.name, tool.name not in entry.read_only) for tool in entry.tools]

    def _message(self, tenant_id: str, spec: ToolSpec, notices: Notices, settings: Settings) -> Entry:
        kind = "callback" if spec.name == REQUEST_CALLBACK.name else "message"
        entry = MessageEntry(tenant_id, self._store, kind, notices, self._now, spec)
        return RedactedEntry(entry, settings.redact)

    def _told(self, tenant_id: str, entry: Entry, notices: Notices, settings: Settings) -> Entry:
        if not entry.spec.side_effects:
            return entry
        return ToldEntry(entry, tenant_id, self._store, notices, settings.redact, self._now)


@asynccontextmanager
async def open_workshop(
    store: Store, sealer: Sealer, guard: Guard, *, facts: Callable[[str], CallFacts], now: Now
) -> AsyncGenerator[Workshop]:
    """While the block runs; its connections end with it. facts: what is known of a call, by its id."""
    async with AsyncExitStack() as stack:
        caller = await _caller(stack, guard, now)
        yield Workshop(stack, store, sealer, guard, caller, facts=facts, now=now)


async def _caller(stack: AsyncExitStack, guard: Guard, now: Now) -> WebCaller:
    keep = await stack.enter_async_context(guarded_session(guard))
    return WebCaller(keep, await stack.enter_async_context(guarded_session(guard, keep=False)), guard, now)


def notices_of(business: Business, settings: Settings) -> Notices:
    """Messages go to the business's own address, unless it named others."""
    told = settings.messages
    late = None if told.escalate_minutes is None else timedelta(minutes=told.escalate_minutes)
    emails = tuple(told.emails) or ((business.email,) if business.email else ())
    return Notices(business.name, emails, told.texts, late, tuple(told.late_emails), told.late_texts)


def _shown(spec: ToolSpec) -> Tool:
    """A tool as the rest of the product sees it."""
    parameters: Mapping[str, Any] = spec.parameters
    built_in = spec.name in (TAKE_MESSAGE.name, REQUEST_CALLBACK.name)
    return Tool(
        spec.name, spec.description, dict(parameters), spec.side_effects, MESSAGES if built_in else REGISTERED,
        spec.fillers, spec.time_limit_ms,
    )  # fmt: skip
