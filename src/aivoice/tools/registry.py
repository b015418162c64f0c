"""The tools and MCP servers that a tenant registered, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from aivoice.errors import InputError
from aivoice.store import NotFoundError, Scope
from aivoice.tools.guard import Guard
from aivoice.tools.mcp_source import Listed
from aivoice.tools.ports import Sealer
from aivoice.tools.spec import WebTool, parse_tool

MAX_TOOLS, MAX_SERVERS = 100, 10
_PURPOSE = "mcp-authorization"


async def put_tool(scope: Scope, form: Mapping[str, Any], guard: Guard, *, now: datetime) -> WebTool:
    """Make or replace a tool. form: `spec.ToolForm` as JSON. Raises ToolShapeError, AddressError, InputError."""
    tool = parse_tool(form, guard)
    await scope.run("SELECT pg_advisory_xact_lock(hashtextextended('tools ' || %(tenant_id)s, 0))")
    others = "SELECT count(*) FROM tools WHERE tenant_id = %(tenant_id)s AND name <> %(name)s"
    if await scope.value(others, {"name": tool.name}) >= MAX_TOOLS:
        raise InputError(f"there are {MAX_TOOLS} tools already: delete one first", code="too_many", stage="tool")
    await scope.run(
        "INSERT INTO tools (tenant_id, name, definition, updated_at) "
        "VALUES (%(tenant_id)s, %(name)s, %(form)s, %(now)s) ON CONFLICT (tenant_id, name) "
        "DO UPDATE SET definition = excluded.definition, updated_at = excluded.updated_at",
        {"name": tool.name, "form": Jsonb(dict(form)), "now": now},
    )
    return tool


async def tool_forms(scope: Scope) -> list[dict[str, Any]]:
    """Every definition as it was given, by name."""
    rows = await scope.all("SELECT definition FROM tools WHERE tenant_id = %(tenant_id)s ORDER BY name LIMIT 1000")
    return [row["definition"] for row in rows]


async def tool_form(scope: Scope, name: str) -> dict[str, Any]:
    """One. Raises NotFoundError."""
    row = await scope.one(
        "SELECT definition FROM tools WHERE tenant_id = %(tenant_id)s AND name = %(name)s", {"name": name}
    )
    if row is None:
        raise NotFoundError("There is no such tool.")
    return row["definition"]


async def delete_tool(scope: Scope, name: str) -> None:
    """Raises NotFoundError."""
    if not await scope.run("DELETE FROM tools WHERE tenant_id = %(tenant_id)s AND name = %(name)s", {"name": name}):
        raise NotFoundError("There is no such tool.")


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """An MCP server. tools: the ones a tenant chose, pinned as they were listed. read_only: names without side effects,
    by the tenant's word."""

    name: str
    url: str
    tools: tuple[Listed, ...]
    read_only: frozenset[str] = frozenset()
    authorization: str = field(default="", repr=False)


async def put_server(
    scope: Scope, sealer: Sealer, guard: Guard, entry: ServerEntry, *, chosen: Sequence[str], now: datetime
) -> None:
    """Make or replace one, with the tools of `chosen`. Raises AddressError, InputError (one of them is not listed)."""
    guard.check(entry.url)
    listed = {tool.name: tool for tool in entry.tools}
    if any(name not in listed for name in chosen):
        raise InputError("a chosen tool is not among those that the server lists", code="tool_unknown", stage="tool")
    await scope.run("SELECT pg_advisory_xact_lock(hashtextextended('mcp ' || %(tenant_id)s, 0))")
    others = "SELECT count(*) FROM mcp_servers WHERE tenant_id = %(tenant_id)s AND name <> %(name)s"
    if await scope.value(others, {"name": entry.name}) >= MAX_SERVERS:
        raise InputError(f"there are {MAX_SERVERS} MCP servers already", code="too_many", stage="tool")
    definition = {
        "url": entry.url,
        "read_only": sorted(entry.read_only & set(chosen)),
        "tools": [
            {"name": name, "description": listed[name].description, "parameters": listed[name].parameters}
            for name in chosen
        ],
    }
    secret = entry.authorization.encode()
    await scope.run(
        "INSERT INTO mcp_servers (tenant_id, name, definition, sealed_authorization, updated_at) "
        "VALUES (%(tenant_id)s, %(name)s, %(definition)s, %(sealed)s, %(now)s) "
        "ON CONFLICT (tenant_id, name) DO UPDATE SET definition = excluded.definition, "
        "sealed_authorization = excluded.sealed_authorization, updated_at = excluded.updated_at",
        {
            "name": entry.name, "definition": Jsonb(definition), "now": now,
            "sealed": sealer.seal(scope.tenant_id, _PURPOSE, secret) if secret else None,
        },
    )  # fmt: skip


async def servers(scope: Scope, sealer: Sealer) -> list[ServerEntry]:
    """Every one, by name, with its opened authorization."""
    rows = await scope.all("SELECT * FROM mcp_servers WHERE tenant_id = %(tenant_id)s ORDER BY name LIMIT 100")
    found: list[ServerEntry] = []
    for row in rows:
        definition, sealed = row["definition"], row["sealed_authorization"]
        secret = sealer.open(scope.tenant_id, _PURPOSE, bytes(sealed)).decode() if sealed is not None else ""
        tools = tuple(Listed(each["name"], each["description"], each["parameters"]) for each in definition["tools"])
        read_only = frozenset(str(name) for name in definition["read_only"])
        found.append(ServerEntry(row["name"], definition["url"], tools, read_only, secret))
    return found


async def delete_server(scope: Scope, name: str) -> None:
    """Raises NotFoundError."""
    gone = await scope.run(
        "DELETE FROM mcp_servers WHERE tenant_id = %(tenant_id)s AND name = %(name)s", {"name": name}
    )
    if not gone:
        raise NotFoundError("There is no such MCP server.")
