"""Tools that a tenant registered, and MCP servers that it takes tools from."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, Route, answer, nothing, tenants
from aivoice.api.control.idempotency import Key
from aivoice.api.problem import Problem
from aivoice.store import Scope
from aivoice.tenants.numbers import CHANNEL
from aivoice.tools import registry
from aivoice.tools.guarded_http import guarded_session
from aivoice.tools.mcp_source import McpServer
from aivoice.tools.schema import misfits
from aivoice.tools.spec import ToolForm, parse_tool
from aivoice.tools.web_call import WebCaller
from aivoice.tools.webhooks import TOOLS, active_secrets, rotate_secret

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["tools"], route_class=Route)

Name = Annotated[str, Path(max_length=64)]


@router.get("/tools", response_model=shapes.Tools)
async def list_tools(asked: Annotated[Asked, tenants("tools.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.Tools(await registry.tool_forms(scope)))


@router.get("/tools/{name}", response_model=ToolForm)
async def show_tool(name: Name, asked: Annotated[Asked, tenants("tools.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(await registry.tool_form(scope, name))


@router.put("/tools/{name}", response_model=ToolForm)
async def put_tool(
    name: Name, body: ToolForm, asked: Annotated[Asked, tenants("tools.write")], key: Key = None
) -> Response:
    """Make or replace a tool. Its name is the one of the path."""
    form = {**body.model_dump(mode="json", exclude_unset=True), "name": name}

    async def work(scope: Scope) -> tuple[str, Response]:
        await registry.put_tool(scope, form, asked.control.guard, now=asked.now)
        await scope.notify(CHANNEL, f"{asked.tenant_id} 0")
        return name, answer(form)

    return await asked.write("tool.changed", work, key=key)


@router.delete("/tools/{name}", status_code=204)
async def delete_tool(name: Name, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    async def work(scope: Scope) -> tuple[str, Response]:
        await registry.delete_tool(scope, name)
        await scope.notify(CHANNEL, f"{asked.tenant_id} 0")
        return name, nothing()

    return await asked.write("tool.deleted", work)


class Trial(BaseModel):
    model_config = ConfigDict(extra="forbid")

    arguments: Annotated[dict[str, Any], Field(max_length=100)] = {}


@router.post("/tools/{name}/try", response_model=shapes.Tried)
async def try_tool(
    name: Name, body: Trial, asked: Annotated[Asked, tenants("tools.write")], key: Key = None
) -> Response:
    """Run the tool once, as a call would: signed, bounded, its answer checked. Side effects are real. An
    Idempotency-Key goes on to the tool, which is asked each time."""
    control = asked.control
    async with asked.reading() as scope:
        tool = parse_tool(await registry.tool_form(scope, name), control.guard)
        keys = await active_secrets(scope, control.sealer, TOOLS, now=asked.now)
        await asked.audit(scope, "tool.tried", name)
    wrong = misfits(tool.arguments, body.arguments)
    if wrong:
        raise Problem(422, f"The tool's schema refuses these arguments: {', '.join(wrong)}.", code="invalid_arguments")
    trial = f"try_{key or secrets.token_hex(8)}"
    async with guarded_session(control.guard, keep=False) as session:
        caller = WebCaller(session, session, control.guard, control.now)
        outcome = await caller.run(tool, body.arguments, call_id=trial, key=trial, keys=keys)
    return answer(shapes.Tried(outcome.outcome, outcome.result))


@router.post("/tools-secret/rotate", response_model=shapes.Secret, status_code=201)
async def rotate_tools_secret(asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    """A new secret that calls of tools are signed with; the old one signs beside it for a day. Shown this once."""
    async with asked.reading() as scope:
        secret = await rotate_secret(scope, asked.control.sealer, TOOLS, now=asked.now)
        await asked.audit(scope, "tool.secret_rotated", TOOLS)
    return answer(shapes.Secret(secret), 201)


class ServerForm(BaseModel):
    """tools: names of those that are wanted; left out: all. read_only: those without side effects, by your own word."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    authorization: Annotated[str, StringConstraints(max_length=4_000)] = ""
    tools: Annotated[list[str], Field(max_length=100)] | None = None
    read_only: Annotated[list[str], Field(max_length=100)] = []


@router.get("/mcp-servers", response_model=shapes.Servers)
async def list_servers(asked: Annotated[Asked, tenants("tools.read")]) -> Response:
    async with asked.reading() as scope:
        found = await registry.servers(scope, asked.control.sealer)
    return answer(shapes.Servers([_server(entry) for entry in found]))


@router.put("/mcp-servers/{name}", response_model=shapes.Chosen)
async def put_server(name: Name, body: ServerForm, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    """Ask the server what it offers, and keep the chosen tools as it describes them now."""
    control = asked.control
    async with McpServer(body.url, control.guard, authorization=body.authorization) as server:
        listed = await server.tools()
    entry = registry.ServerEntry(name, body.url, tuple(listed), frozenset(body.read_only), body.authorization)
    chosen = [tool.name for tool in listed] if body.tools is None else body.tools
    async with asked.reading() as scope:
        await registry.put_server(scope, control.sealer, control.guard, entry, chosen=chosen, now=asked.now)
        await asked.audit(scope, "mcp_server.changed", name)
        await scope.notify(CHANNEL, f"{asked.tenant_id} 0")
    return answer(shapes.Chosen(name, [tool.name for tool in listed], chosen))


@router.delete("/mcp-servers/{name}", status_code=204)
async def delete_server(name: Name, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    async def work(scope: Scope) -> tuple[str, Response]:
        await registry.delete_server(scope, name)
        await scope.notify(CHANNEL, f"{asked.tenant_id} 0")
        return name, nothing()

    return await asked.write("mcp_server.deleted", work)


def _server(entry: registry.ServerEntry) -> shapes.Server:
    """Without its authorization."""
    tools = [shapes.ServerTool(tool.name, tool.description) for tool in entry.tools]
    return shapes.Server(entry.name, entry.url, tools, sorted(entry.read_only))


ROUTERS: tuple[Any, ...] = (router,)
