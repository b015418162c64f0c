"""A tenant's bill, keys, people, log and data; and sessions."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_jsonable_python

from aivoice.api.control import shapes
from aivoice.api.control.asked import (
    Asked,
    Route,
    answer,
    check_json,
    control_of,
    nothing,
    principal_of,
    tenants,
)
from aivoice.api.control.idempotency import Key
from aivoice.api.control.pages import Cursor, Limit, Moment, next_cursor, read_cursor
from aivoice.api.problem import Problem
from aivoice.billing import Standing, Statement, standing, statement, usage
from aivoice.billing.statements import Line, lines
from aivoice.security import audit_log
from aivoice.security.home import scope_of
from aivoice.security.permissions import ROLES, Principal, check_grant, of_scopes
from aivoice.security.users import Session, User
from aivoice.store import Scope
from aivoice.tenants.erasure import exported
from aivoice.tenants.records import calls as call_records
from aivoice.tenants.records import transcript

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["account"], route_class=Route)
sessions = APIRouter(prefix="/v1", tags=["sessions"], route_class=Route)
entrance = APIRouter(prefix="/v1", tags=["sessions"])
"""For those who are nobody yet."""

Since = Annotated[Moment, Query(description="With its zone: 2026-11-01T00:00:00Z.")]
Until = Annotated[Moment, Query(description="Not included.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---------------------------------------------------------------- money


@router.get("/billing", response_model=Standing)
async def show_standing(asked: Annotated[Asked, tenants("usage.read")]) -> Response:
    """Credit, plan, limits, and what is used of them; money in micro-units."""
    async with asked.reading() as scope:
        return answer(await standing(scope, asked.tenant_id, asked.now))


@router.get("/billing/statement", response_model=Statement)
async def show_statement(since: Since, until: Until, asked: Annotated[Asked, tenants("usage.read")]) -> Response:
    """What came, what was charged, and that it adds up."""
    start, end = _span(since, until)
    async with asked.reading() as scope:
        return answer(await statement(scope, start, end))


@router.get("/billing/lines", response_model=shapes.Lines)
async def list_lines(
    since: Since, until: Until, asked: Annotated[Asked, tenants("usage.read")], limit: Limit = 50, after: Cursor = ""
) -> Response:
    """The statement's lines, the oldest first."""
    start, end = _span(since, until)
    place = read_cursor(after)
    last = None if place is None else Line(place[1], place[0], "", "", "", 0, 0)
    async with asked.reading() as scope:
        found = await lines(scope, start, end, after=last, limit=limit + 1)
    return answer(shapes.Lines(found[:limit], next_cursor(found, limit, lambda line: (line.at, line.key))))


@router.get("/usage", response_model=shapes.Money)
async def show_usage(since: Since, until: Until, asked: Annotated[Asked, tenants("usage.read")]) -> Response:
    """By type and provider, with cost and margin in micro-units."""
    start, end = _span(since, until)
    async with asked.reading() as scope:
        found = await usage(scope, start, end)
    return answer(shapes.money(found))


def _span(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    if not since < until:
        raise Problem(422, "`since` must be before `until`.", code="invalid_request")
    return since, until


# ---------------------------------------------------------------- keys


class KeyForm(_Body):
    label: Annotated[str, StringConstraints(max_length=100)]
    scopes: Annotated[list[Literal["read", "write", "calls", "admin"]], Field(min_length=1, max_length=4)]
    expires_at: Moment | None = None


KeyPath = Annotated[str, Path(max_length=40)]


@router.get("/keys", response_model=shapes.Keys)
async def list_keys(asked: Annotated[Asked, tenants("keys.manage")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.Keys(await asked.control.keys.all(scope)))


@router.post("/keys", response_model=shapes.MadeKey, status_code=201)
async def create_key(body: KeyForm, asked: Annotated[Asked, tenants("keys.manage")]) -> Response:
    """The token is in this answer, and never shown again."""
    check_grant(asked.principal, of_scopes(body.scopes))
    async with asked.reading() as scope:
        made = await asked.control.keys.create(
            scope, scopes=body.scopes, label=body.label, by=asked.author, now=asked.now, expires_at=body.expires_at
        )
        await asked.audit(scope, "key.created", made.key.key_id)
    return answer(shapes.MadeKey(made.key, made.token), 201)


@router.post("/keys/{key_id}/rotate", response_model=shapes.MadeKey, status_code=201)
async def rotate_key(
    key_id: KeyPath,
    asked: Annotated[Asked, tenants("keys.manage")],
    overlap_s: Annotated[int, Query(ge=0, le=30 * 86_400, description="How long the old one still works.")] = 86_400,
) -> Response:
    """A new key like this one; the old one ends after the overlap."""
    async with asked.reading() as scope:
        old = await asked.control.keys.get(scope, key_id)
        check_grant(asked.principal, of_scopes(old.scopes))
        made = await asked.control.keys.rotate(
            scope, key_id, by=asked.author, now=asked.now, overlap=timedelta(seconds=overlap_s)
        )
        await asked.audit(scope, "key.rotated", key_id)
    asked.control.verifier.forget(key_id)
    return answer(shapes.MadeKey(made.key, made.token), 201)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: KeyPath, asked: Annotated[Asked, tenants("keys.manage")]) -> Response:
    """At once here, within five seconds everywhere."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await asked.control.keys.revoke(scope, key_id, now=asked.now)
        return key_id, nothing()

    done = await asked.write("key.revoked", work)
    asked.control.verifier.forget(key_id)
    return done


# ---------------------------------------------------------------- people


Role = Literal["owner", "member", "read-only"]
Password = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class UserForm(_Body):
    email: Annotated[str, StringConstraints(max_length=254)]
    name: Annotated[str, StringConstraints(max_length=100)] = ""
    role: Role
    password: Password


class UserChange(_Body):
    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None


UserPath = Annotated[str, Path(max_length=60)]


@router.get("/users", response_model=shapes.People)
async def list_users(asked: Annotated[Asked, tenants("users.manage")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.People(await asked.control.users.all(scope)))


@router.post("/users", response_model=User, status_code=201)
async def create_user(body: UserForm, asked: Annotated[Asked, tenants("users.manage")], key: Key = None) -> Response:
    check_grant(asked.principal, ROLES[body.role])

    async def work(scope: Scope) -> tuple[str, Response]:
        made = await asked.control.users.create(
            scope, email=body.email, name=body.name, role=body.role, password=body.password, now=asked.now
        )
        return made.user_id, answer(made, 201)

    return await asked.write("user.created", work, key=key)


@router.patch("/users/{user_id}", response_model=User)
async def change_user(
    user_id: UserPath, body: UserChange, asked: Annotated[Asked, tenants("users.manage")]
) -> Response:
    """Ends the user's sessions."""
    if body.role is not None:
        check_grant(asked.principal, ROLES[body.role])

    async def work(scope: Scope) -> tuple[str, Response]:
        if body.password is not None:
            await asked.control.users.set_password(scope, user_id, body.password)
        changed = await asked.control.users.change(
            scope, user_id, now=asked.now, role=body.role, disabled=body.disabled
        )
        return user_id, answer(changed)

    return await asked.write("user.changed", work)


class Login(_Body):
    """tenant: left out: the operator's own people."""

    tenant: Annotated[str, StringConstraints(max_length=100)] | None = None
    email: Annotated[str, StringConstraints(max_length=254)]
    password: Annotated[str, StringConstraints(max_length=500)]


@entrance.post("/sessions", status_code=201, response_model=Session, dependencies=[Depends(check_json)])
async def log_in(body: Login, request: Request) -> Response:
    """A token for Authorization: Bearer. The same answer, after the same work, whatever is wrong."""
    control = control_of(request)
    address = request.client.host if request.client else ""
    session = await control.users.log_in(
        body.tenant, body.email, body.password, address=address, now_s=time.monotonic()
    )
    await _noted(request, Principal("user", session.user.user_id, body.tenant, frozenset()), "session.created")
    return answer(session, 201)


@sessions.delete("/sessions/current", status_code=204)
async def log_out(request: Request, principal: Annotated[Principal, Depends(principal_of)]) -> Response:
    """Ends the session whose token asks."""
    if principal.kind != "user":
        raise Problem(409, "An API key has no session to end: revoke it under /keys.", code="no_session")
    await control_of(request).users.log_out(request.headers.get("authorization", "").partition(" ")[2].strip())
    await _noted(request, principal, "session.ended")
    return nothing()


async def _noted(request: Request, principal: Principal, action: str) -> None:
    control = control_of(request)
    async with scope_of(control.store, principal.tenant_id) as scope:
        request_id = str(request.state.request_id)
        await audit_log.record(scope, principal, action, principal.id, now=control.now(), request_id=request_id)


@sessions.get("/me", response_model=shapes.Me)
async def who_am_i(principal: Annotated[Principal, Depends(principal_of)]) -> Response:
    return answer(shapes.Me(principal.kind, principal.id, principal.tenant_id, sorted(principal.permissions)))


# ---------------------------------------------------------------- log and data


@router.get("/audit", response_model=shapes.Log)
async def show_log(asked: Annotated[Asked, tenants("audit.read")], limit: Limit = 50, after: Cursor = "") -> Response:
    async with asked.reading() as scope:
        found, following = await audit_log.entries(scope, limit=limit, after=after)
    return answer(shapes.Log(found, following or None))


@router.get("/export", responses={200: {"content": {"application/jsonl": {}}}}, response_class=StreamingResponse)
async def export(asked: Annotated[Asked, tenants("data.export")]) -> Response:
    """Everything that is kept, as JSON lines: tables, then calls with their transcripts."""
    async with asked.reading() as scope:
        await asked.audit(scope, "data.exported", asked.tenant_id)
    return StreamingResponse(_exported(asked), media_type="application/jsonl")


async def _exported(asked: Asked) -> AsyncIterator[bytes]:
    control = asked.control
    async for row in exported(control.store, asked.tenant_id):
        yield _line(row)
    place: tuple[datetime, str] | None = None
    while True:
        async with asked.reading() as scope:
            page = await call_records(scope, control.texts, after=place, limit=100)
            for record in page:
                segments = await transcript(scope, control.texts, record.call_id)
                yield _line({"table": "calls", "call": record, "transcript": segments})
        if len(page) < 100:
            return
        place = (page[-1].started_at, page[-1].call_id)


def _line(value: Any) -> bytes:
    return json.dumps(to_jsonable_python(value, bytes_mode="base64"), ensure_ascii=False).encode() + b"\n"


ROUTERS: tuple[Any, ...] = (entrance, sessions, router)
