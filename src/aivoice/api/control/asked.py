"""Who asks, and for which tenant: the one door through which every route of the control plane goes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic_core import to_jsonable_python

from aivoice.api.control.context import Control
from aivoice.api.control.idempotency import once
from aivoice.api.problem import Problem
from aivoice.security.audit_log import Simple, record
from aivoice.security.errors import UnauthenticatedError
from aivoice.security.permissions import Permission, Principal, require
from aivoice.store import NotFoundError, PlatformScope, Scope

_bearer = HTTPBearer(auto_error=False, description="An API key (avk_…) or a session's token (avs_…).")
TenantId = Annotated[str, Path(max_length=100, description="A tenant's id, like northside-dental.")]


def control_of(request: Request) -> Control:
    return cast(Control, request.app.state.control)


class Route(APIRoute):
    """Who asks, and that the body is JSON where it must be, is known before anything of the body is read: nobody
    without a key makes this process parse what they send."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, takes_json = super().get_route_handler(), self.body_field is not None

        async def checked(request: Request) -> Response:
            # Overridden: a process that asks itself (`cli.own_plane`), and knows who it is.
            if principal_of not in request.app.dependency_overrides:
                request.state.principal = await _identified(request)
            if takes_json:
                check_json(request)
            return await handle(request)

        return checked


def check_json(request: Request) -> None:
    """Raises Problem 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, "Send the body as application/json.", code="wrong_content_type")


async def principal_of(request: Request, _: Annotated[Any, Depends(_bearer)] = None) -> Principal:
    """Whoever asks a `Route`."""
    return cast(Principal, request.state.principal)


async def _identified(request: Request) -> Principal:
    """Whoever the bearer token is of. Raises UnauthenticatedError, RateLimitedError."""
    control = control_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    address = request.client.host if request.client else ""
    try:
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("Send an API key or a session's token as Authorization: Bearer …")
        if token.startswith("avs_"):
            principal, _ = await control.users.verify(token.strip())
        else:
            principal = await control.verifier.verify(token.strip())
    except UnauthenticatedError:
        control.strangers.require(address, time.monotonic())
        raise
    control.limiter.require(f"{principal.tenant_id or '~'} {principal.id}", time.monotonic())
    if principal.tenant_id is not None:
        control.shares.require(principal.tenant_id, time.monotonic())
    return principal


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let through: the principal has the permission for this tenant."""

    control: Control
    principal: Principal
    tenant_id: str
    request: Request

    @property
    def now(self) -> datetime:
        return self.control.now()

    @property
    def author(self) -> str:
        return f"{self.principal.kind} {self.principal.id}"

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Scope]:
        async with self.control.store.tenant(self.tenant_id) as scope:
            yield scope

    async def audit(self, scope: Scope, action: str, target: str = "", **detail: Simple) -> None:
        """In the transaction that does it."""
        request_id = str(getattr(self.request.state, "request_id", ""))
        await record(scope, self.principal, action, target, now=self.now, request_id=request_id, detail=detail)

    async def write(
        self, action: str, work: Callable[[Scope], Awaitable[tuple[str, Response]]], *, key: str | None = None
    ) -> Response:
        """Do `work` once for `key`, with its entry in the audit log, in one transaction. work: gives the target's id
        and the answer."""
        async with once(self.control.store, self.tenant_id, key, self.request, self.now) as keyed:
            if keyed.repeated is not None:
                return keyed.repeated
            target, answer = await work(keyed.scope)
            await self.audit(keyed.scope, action, target)
            keyed.answer = answer
            return answer


def tenants(permission: Permission) -> Any:
    """The dependency of a tenant's route: `Asked`, or 404 for another tenant's principal, exactly as for a tenant
    that is not there; 403 for one of its own that may not."""

    async def door(tenant: TenantId, request: Request, principal: Annotated[Principal, Depends(principal_of)]) -> Asked:
        control = control_of(request)
        require(principal, permission, tenant)
        if principal.tenant_id is None:
            async with control.store.platform() as scope:
                if await scope.value("SELECT 1 FROM tenants WHERE id = %(id)s", {"id": tenant}) is None:
                    raise NotFoundError("There is no such tenant.", code="tenant_unknown")
        return Asked(control, principal, tenant, request)

    return Depends(door)


@dataclass(frozen=True, slots=True)
class OperatorAsked:
    """A request of the operator's, about the platform."""

    control: Control
    principal: Principal
    request: Request

    @property
    def now(self) -> datetime:
        return self.control.now()

    @asynccontextmanager
    async def scope(self) -> AsyncGenerator[PlatformScope]:
        async with self.control.store.platform() as scope:
            yield scope

    async def audit(
        self, scope: PlatformScope, action: str, target: str, *, tenant_id: str | None = None, **detail: Simple
    ) -> None:
        """tenant_id: to whom it was done: it is in that tenant's log, too."""
        request_id = str(getattr(self.request.state, "request_id", ""))
        for whose in (None,) if tenant_id is None else (None, tenant_id):
            await record(
                scope, self.principal, action, target,
                now=self.now, request_id=request_id, detail=detail, tenant_id=whose,
            )  # fmt: skip


def operators(permission: Permission) -> Any:
    """The dependency of an operator's route."""

    async def door(request: Request, principal: Annotated[Principal, Depends(principal_of)]) -> OperatorAsked:
        # A tenant's principal learns nothing of which tenants there are: whatever it asks for is not there.
        if principal.tenant_id is not None and "tenant" in request.path_params:
            require(principal, "tenant.read", str(request.path_params["tenant"]))
        require(principal, permission)
        return OperatorAsked(control_of(request), principal, request)

    return Depends(door)


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """JSON of values, dataclasses among them. headers: names with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return JSONResponse(to_jsonable_python(value, bytes_mode="base64"), status, named)


def nothing() -> Response:
    return Response(status_code=204)
