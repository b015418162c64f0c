"""MCP servers as a source of tools (streamable HTTP, package mcp), behind the same guard.

Nothing that a server says gives a permission. A tenant names the tools it wants and says itself which are read-only;
their descriptions and schemas are pinned when they are listed, so that a server cannot change them behind its back;
results reach the model as a JSON string.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, TextContent
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aivoice.core.prompt import ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.tools.errors import AddressError, ToolError, ToolShapeError
from aivoice.tools.guard import Guard
from aivoice.tools.guarded_http import GuardedTransport
from aivoice.tools.limits import DEFAULT_RATE, Rate
from aivoice.tools.schema import checkable
from aivoice.tools.spec import ANY_TIME, Permissions
from aivoice.tools.web_call import MARGIN, compact, failed

MAX_TOOLS, MAX_PAGES, MAX_BYTES, MAX_TEXT = 100, 10, 256 * 1024, 16_000
LIST_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as its server described it. read_only: the server's own claim, for a person to look at."""

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)
    read_only: bool = False


class McpServer:
    """One server of one tenant. ``async with``: connections are kept while the block runs.

    authorization: value of the Authorization header, or empty. tls: for private certificate authorities.
    """

    def __init__(self, url: str, guard: Guard, *, authorization: str = "", tls: ssl.SSLContext | None = None) -> None:
        guard.check(url)
        self._url, self._mode = url, "auto"
        headers = {"Accept-Encoding": "identity", **({"Authorization": authorization} if authorization else {})}
        self._http = httpx2.AsyncClient(
            transport=GuardedTransport(guard, max_bytes=MAX_BYTES, tls=tls),
            trust_env=False,
            headers=headers,
            timeout=60,
        )

    async def __aenter__(self) -> McpServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Client]:
        transport = streamable_http_client(self._url, http_client=self._http, max_sse_event_size=MAX_BYTES)
        async with Client(transport, mode=self._mode, cache=None) as client:
            # What was found out once saves the probe, a round trip, at every later run.
            version = client.protocol_version
            self._mode = version if version in MODERN_PROTOCOL_VERSIONS else "legacy"
            yield client

    async def tools(self) -> list[Listed]:
        """What the server offers, at most `MAX_TOOLS`. Raises ToolError, AddressError."""
        try:
            async with asyncio.timeout(LIST_LIMIT_S), self._open() as client:
                return await _listed(client)
        except* AddressError:
            raise AddressError("the MCP server's address is not allowed") from None
        except* (MCPError, httpx2.HTTPError, OSError, TimeoutError, ValueError) as errors:
            raise ToolError(f"the MCP server cannot be used ({_kind(errors)})", code="mcp_unreachable") from None
        raise AssertionError  # unreachable: pyright does not see that except* raises

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, key: str, side_effects: bool, limit_s: float
    ) -> ToolOutcome:
        """Call a tool once. A failure before it was asked is ``failed``; later ``unknown`` if it has side effects."""
        asked = False
        outcome: ToolOutcome | None = None
        try:
            async with asyncio.timeout(limit_s), self._open() as client:
                asked = True
                meta: Any = {"aivoice/idempotency-key": key}
                outcome = _outcome(await client.call_tool(name, dict(arguments), meta=meta))
        except* MCPError as errors:
            codes = {getattr(each, "code", 0) for each in errors.exceptions}
            asked = asked and not codes <= {METHOD_NOT_FOUND, INVALID_PARAMS}
        except* (AddressError, httpx2.HTTPError, OSError, TimeoutError, ValueError):
            pass
        if outcome is not None:
            return outcome  # what failed was only the way out
        if asked and side_effects:
            return ToolOutcome("unknown", compact({"status": "unknown", "why": "no_answer"}))
        return failed("tool_failed" if asked else "tool_unreachable")


@dataclass(frozen=True, slots=True)
class McpEntry:
    """`runner.Entry`. name: as the model sees it; `listed.name` is the server's. side_effects: the tenant's word."""

    server: McpServer
    listed: Listed
    name: str
    side_effects: bool = True
    permissions: Permissions = ANY_TIME
    rate: Rate = DEFAULT_RATE
    fillers: tuple[str, ...] = ()
    time_limit_ms: int = 8_000

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(
            self.name, self.listed.description, self.listed.parameters, self.side_effects, self.fillers,
            self.time_limit_ms,
        )  # fmt: skip

    @property
    def arguments(self) -> Mapping[str, Any]:
        return checkable(self.listed.parameters, self.name)

    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        return await self.server.call(
            self.listed.name, arguments, key=f"{call_id}.{key}", side_effects=self.side_effects,
            limit_s=self.time_limit_ms / 1_000 * MARGIN,
        )  # fmt: skip


async def _listed(client: Client) -> list[Listed]:
    found: list[Listed] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            schema = {**tool.input_schema}
            try:
                checkable(schema, "inputSchema")
            except ToolShapeError:
                continue  # one tool that cannot be checked does not hide the others
            read_only = bool(tool.annotations and tool.annotations.read_only_hint)
            found.append(Listed(tool.name[:128], " ".join((tool.description or "").split())[:1_000], schema, read_only))
        cursor = page.next_cursor
        if not cursor or len(found) >= MAX_TOOLS:
            break
    return found[:MAX_TOOLS]


def _outcome(result: CallToolResult) -> ToolOutcome:
    """Text and structured content as members of one JSON object; images, links and the like are left out."""
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))[:MAX_TEXT]
    status = "failed" if result.is_error else "ok"
    answer: dict[str, Any] = {"status": status, "text": text}
    if result.structured_content is not None and len(json.dumps(result.structured_content)) <= MAX_TEXT:
        answer["data"] = result.structured_content
    return ToolOutcome("failed" if result.is_error else "ok", compact(answer))


def _kind(errors: BaseExceptionGroup[Exception]) -> str:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return type(first).__name__
