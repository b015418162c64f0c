"""The operator's own routes: tenants, their numbers, plans and credit; its keys and its log."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, OperatorAsked, Route, TenantId, answer, nothing, operators, tenants
from aivoice.api.control.pages import Cursor, Limit, Moment
from aivoice.billing import Limits, Plan, adjust, open_account, set_limits, set_plan, top_up
from aivoice.security import audit_log
from aivoice.security.permissions import check_grant, of_scopes
from aivoice.security.users import User
from aivoice.tenants import lifecycle, numbers
from aivoice.tenants.erasure import erase_tenant

router = APIRouter(prefix="/v1", tags=["operator"], route_class=Route)

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Money = Annotated[int, Field(description="Micro-units: 1,000,000 are one unit of the currency.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTenant(_Body):
    id: Annotated[str, StringConstraints(max_length=100)]
    name: Text
    zone: Annotated[str, StringConstraints(max_length=60)] = "UTC"


@router.get("/tenants", response_model=shapes.Tenants)
async def list_tenants(
    asked: Annotated[OperatorAsked, operators("platform.read")],
    limit: Limit = 50,
    after: Annotated[str, Query(max_length=100, description="The last id of the page before.")] = "",
    status: Annotated[Literal["", "active", "suspended", "closed"], Query()] = "",
) -> Response:
    async with asked.scope() as scope:
        rows = await lifecycle.tenants(scope, after=after, limit=limit + 1, status=status)
    return answer(shapes.Tenants(rows[:limit], rows[limit - 1].id if len(rows) > limit else None))


@router.post("/tenants", response_model=lifecycle.Tenant, status_code=201)
async def create_tenant(body: NewTenant, asked: Annotated[OperatorAsked, operators("platform.write")]) -> Response:
    """With its opening credit. Again with the same id: 409."""
    async with asked.scope() as scope:
        made = await lifecycle.create(scope, body.id, body.name, asked.now, zone=body.zone)
        await open_account(scope, body.id, asked.now)
        await asked.audit(scope, "tenant.created", body.id, tenant_id=body.id)
    return answer(made, 201, Location=f"/v1/tenants/{body.id}")


@router.get("/tenants/{tenant}", response_model=lifecycle.Tenant)
async def show_tenant(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.control.store.platform() as scope:
        found = await lifecycle.get(scope, asked.tenant_id)
    return answer(found)


class StatusChange(_Body):
    status: Literal["active", "suspended", "closed"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


@router.put("/tenants/{tenant}/status", response_model=lifecycle.Tenant)
async def change_status(
    tenant: TenantId, body: StatusChange, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    """Calls that are running go on. A closed tenant stays closed, and its numbers are free again."""
    async with asked.scope() as scope:
        changed = await lifecycle.set_status(scope, tenant, body.status, asked.now, reason=body.reason)
        await asked.audit(scope, f"tenant.{body.status}", tenant, tenant_id=tenant)
    return answer(changed)


@router.delete("/tenants/{tenant}", status_code=204)
async def erase(tenant: TenantId, asked: Annotated[OperatorAsked, operators("platform.write")]) -> Response:
    """Close the tenant and erase all of it but the ledger."""
    await erase_tenant(asked.control.store, tenant, asked.now)
    folder = asked.control.calls / tenant
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    async with asked.scope() as scope:
        await asked.audit(scope, "tenant.erased", tenant)
    return nothing()


# ---------------------------------------------------------------- numbers


class NumberLabel(_Body):
    label: Annotated[str, StringConstraints(max_length=80)] = ""


NumberPath = Annotated[str, Path(max_length=40, description="E.164, like +12125550147.")]


@router.get("/tenants/{tenant}/numbers", response_model=shapes.Numbers)
async def list_numbers(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.Numbers(await numbers.numbers_of(scope)))


@router.put(
    "/tenants/{tenant}/numbers/{number}",
    response_model=shapes.Assigned,
    responses={201: {"model": shapes.Assigned, "description": "It is new."}},
)
async def assign_number(
    tenant: TenantId,
    number: NumberPath,
    body: NumberLabel,
    asked: Annotated[OperatorAsked, operators("platform.write")],
) -> Response:
    """Give a number to a tenant; 409 where another one has it."""
    e164 = numbers.parse_number(number)
    async with asked.scope() as scope:
        made = await numbers.assign(scope, tenant, e164, asked.now, label=body.label)
        await asked.audit(scope, "number.assigned", e164, tenant_id=tenant)
    return answer(shapes.Assigned(e164, made), 201 if made else 200)


@router.delete("/tenants/{tenant}/numbers/{number}", status_code=204)
async def release_number(
    tenant: TenantId, number: NumberPath, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    e164 = numbers.parse_number(number)
    async with asked.scope() as scope:
        await numbers.release(scope, tenant, e164)
        await asked.audit(scope, "number.released", e164, tenant_id=tenant)
    return nothing()


# ---------------------------------------------------------------- money


class Booking(_Body):
    """key: of the payment; the same key again books nothing."""

    amount: Annotated[int, Field(ge=-(10**15), le=10**15)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    memo: Annotated[str, StringConstraints(max_length=200)] = ""


@router.post("/tenants/{tenant}/billing/top-up", status_code=204)
async def book_payment(
    tenant: TenantId, body: Booking, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    """The tenant has paid."""
    async with asked.scope() as scope:
        await lifecycle.get(scope, tenant)
        await top_up(scope, tenant, body.amount, asked.now, key=body.key, memo=body.memo)
        await asked.audit(scope, "billing.topped_up", body.key, tenant_id=tenant, amount=body.amount)
    return nothing()


@router.post("/tenants/{tenant}/billing/adjustment", status_code=204)
async def book_adjustment(
    tenant: TenantId, body: Booking, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    """A correction by hand, either way."""
    async with asked.scope() as scope:
        await lifecycle.get(scope, tenant)
        await adjust(scope, tenant, body.amount, asked.now, key=body.key, memo=body.memo)
        await asked.audit(scope, "billing.adjusted", body.key, tenant_id=tenant, amount=body.amount)
    return nothing()


_Amount = Annotated[int, Field(ge=0, le=10**15)]


class PlanForm(_Body):
    """effective_from: not in the past; left out: now."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    period: Literal["day", "week", "month"]
    included_s: Annotated[int, Field(ge=0, le=10**9)]
    price_per_minute: _Amount
    credit: _Amount = 0
    effective_from: Moment | None = None


@router.put("/tenants/{tenant}/billing/plan", status_code=204)
async def change_plan(
    tenant: TenantId, body: PlanForm, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    plan = Plan(body.name, body.period, body.included_s, body.price_per_minute, body.credit)
    now = asked.now
    async with asked.scope() as scope:
        await lifecycle.get(scope, tenant)
        await set_plan(scope, tenant, plan, effective_from=body.effective_from or now, now=now)
        await asked.audit(scope, "billing.plan_changed", body.name, tenant_id=tenant)
    return nothing()


class LimitsForm(_Body):
    """null: no limit."""

    calls: Annotated[int, Field(ge=0, le=10_000)] | None = None
    day_s: Annotated[int, Field(ge=0, le=10**9)] | None = None
    spend: _Amount | None = None
    soft_percent: Annotated[int, Field(ge=1, le=100)] = 80
    low_credit: _Amount = 5_000_000


@router.put("/tenants/{tenant}/billing/limits", status_code=204)
async def change_limits(
    tenant: TenantId, body: LimitsForm, asked: Annotated[OperatorAsked, operators("platform.write")]
) -> Response:
    async with asked.scope() as scope:
        await lifecycle.get(scope, tenant)
        await set_limits(scope, tenant, Limits(**body.model_dump()), asked.now)
        await asked.audit(scope, "billing.limits_changed", tenant, tenant_id=tenant)
    return nothing()


# ---------------------------------------------------------------- the operator's keys and log


class OperatorKey(_Body):
    label: Annotated[str, StringConstraints(max_length=100)]
    scopes: list[Literal["read", "write", "calls", "admin", "operator"]]
    expires_at: Moment | None = None


@router.get("/keys", response_model=shapes.Keys)
async def list_operator_keys(asked: Annotated[OperatorAsked, operators("keys.manage")]) -> Response:
    async with asked.scope() as scope:
        return answer(shapes.Keys(await asked.control.keys.all(scope)))


@router.post("/keys", response_model=shapes.MadeKey, status_code=201)
async def create_operator_key(body: OperatorKey, asked: Annotated[OperatorAsked, operators("keys.manage")]) -> Response:
    """The token is in this answer, and never shown again."""
    check_grant(asked.principal, of_scopes(body.scopes))
    async with asked.scope() as scope:
        made = await asked.control.keys.create(
            scope,
            scopes=body.scopes,
            label=body.label,
            by=f"{asked.principal.kind} {asked.principal.id}",
            now=asked.now,
            expires_at=body.expires_at,
        )
        await asked.audit(scope, "key.created", made.key.key_id)
    return answer(shapes.MadeKey(made.key, made.token), 201)


KeyPath = Annotated[str, Path(max_length=40)]


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_operator_key(key_id: KeyPath, asked: Annotated[OperatorAsked, operators("keys.manage")]) -> Response:
    async with asked.scope() as scope:
        await asked.control.keys.revoke(scope, key_id, now=asked.now)
        await asked.audit(scope, "key.revoked", key_id)
    asked.control.verifier.forget(key_id)
    return nothing()


class OperatorUser(_Body):
    email: Annotated[str, StringConstraints(max_length=254)]
    name: Annotated[str, StringConstraints(max_length=100)] = ""
    password: Annotated[str, StringConstraints(min_length=1, max_length=500)]


@router.get("/users", response_model=shapes.People)
async def list_operators(asked: Annotated[OperatorAsked, operators("users.manage")]) -> Response:
    async with asked.scope() as scope:
        return answer(shapes.People(await asked.control.users.all(scope)))


@router.post("/users", response_model=User, status_code=201)
async def create_operator(body: OperatorUser, asked: Annotated[OperatorAsked, operators("users.manage")]) -> Response:
    """A person who may do all that the operator may."""
    async with asked.scope() as scope:
        made = await asked.control.users.create(
            scope, email=body.email, name=body.name, role="operator", password=body.password, now=asked.now
        )
        await asked.audit(scope, "user.created", made.user_id)
    return answer(made, 201)


@router.get("/audit", response_model=shapes.Log)
async def operator_log(
    asked: Annotated[OperatorAsked, operators("audit.read")], limit: Limit = 50, after: Cursor = ""
) -> Response:
    async with asked.scope() as scope:
        found, following = await audit_log.entries(scope, limit=limit, after=after)
    return answer(shapes.Log(found, following or None))


ROUTERS: tuple[Any, ...] = (router,)
