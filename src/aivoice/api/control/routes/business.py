"""A tenant's business file and settings."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aivoice.api.control.asked import Asked, answer, tenants
from aivoice.api.control.idempotency import Key
from aivoice.api.control.pages import Limit
from aivoice.api.problem import Problem
from aivoice.store import NotFoundError, Scope
from aivoice.tenants import settings, versions
from aivoice.tenants.bundle import MAX_TOTAL_BYTES, Bundle, check_bundle
from aivoice.tenants.plan import Plan

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["business"])

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description="The ETag of the version that this change was made for."),
]
Number = Annotated[int, Path(ge=1, le=2_000_000_000)]


class BundleForm(BaseModel):
    """source: the business file (YAML). documents: the text of each that it names, by path. note: why, for the list of
    versions."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, StringConstraints(max_length=MAX_TOTAL_BYTES)]
    documents: Annotated[dict[str, str], Field(max_length=1_000)] = {}
    file_name: Annotated[str, StringConstraints(max_length=200)] = "business.yaml"
    note: Annotated[str, StringConstraints(max_length=500)] = ""


@router.get("/business")
async def show_business(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    """The version in force, with its file and documents. Its ETag goes into If-Match of a change."""
    async with asked.reading() as scope:
        number = await versions.current_number(scope)
        if not number:
            raise NotFoundError("There is no business file yet: PUT one.", code="version_unknown")
        version = await versions.get_version(scope, number)
        bundle = await versions.source_of(scope, number)
    return answer(_shown(version, bundle), ETag=version.etag)


@router.put("/business")
async def apply_business(
    body: BundleForm,
    asked: Annotated[Asked, tenants("tenant.write")],
    dry_run: Annotated[bool, Query(description="Only say what would change.")] = False,
    if_match: IfMatch = None,
    key: Key = None,
) -> Response:
    """Check the file, and put it in force as a new version. 400 lists every problem with its line; 412 where another
    version is in force than If-Match says."""
    bundle = Bundle(body.source, body.documents, body.file_name)
    draft = await asyncio.to_thread(check_bundle, bundle)
    if dry_run:
        async with asked.reading() as scope:
            plan = await versions.plan_for(scope, draft)
        return answer({"made": False, "version": None, **_plan(plan)})
    expected = await _expected(asked, if_match)

    async def work(scope: Scope) -> tuple[str, Response]:
        applied = await versions.apply(scope, draft, asked.now, author=asked.author, note=body.note, expected=expected)
        return str(applied.version.number), _applied(applied)

    return await asked.write("version.applied", work, key=key)


@router.get("/versions")
async def list_versions(
    asked: Annotated[Asked, tenants("tenant.read")],
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, le=2_000_000_000, description="Only smaller numbers.")] = None,
) -> Response:
    async with asked.reading() as scope:
        found = await versions.list_versions(scope, limit + 1, before)
    return answer({"versions": found[:limit], "next": found[limit - 1].number if len(found) > limit else None})


@router.get("/versions/{number}")
async def show_version(number: Number, asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.reading() as scope:
        version = await versions.get_version(scope, number)
        bundle = await versions.source_of(scope, number)
    return answer(_shown(version, bundle), ETag=version.etag)


@router.get("/versions/{number}/diff")
async def diff_versions(
    number: Number,
    asked: Annotated[Asked, tenants("tenant.read")],
    earlier: Annotated[int, Query(ge=0, le=2_000_000_000, description="The other version; 0: nothing at all.")],
) -> Response:
    """What callers notice between version `earlier` and this one."""
    async with asked.reading() as scope:
        return answer(_plan(await versions.diff(scope, earlier, number)))


@router.post("/versions/{number}/rollback")
async def roll_back(
    number: Number, asked: Annotated[Asked, tenants("tenant.write")], if_match: IfMatch = None, key: Key = None
) -> Response:
    """Put a new version in force that equals this one."""
    expected = await _expected(asked, if_match)

    async def work(scope: Scope) -> tuple[str, Response]:
        applied = await versions.rollback(scope, number, asked.now, author=asked.author, expected=expected)
        return str(applied.version.number), _applied(applied)

    return await asked.write("version.rolled_back", work, key=key)


@router.get("/settings")
async def show_settings(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.reading() as scope:
        return answer((await settings.settings_of(scope)).model_dump(mode="json"))


@router.put("/settings")
async def change_settings(
    body: settings.Settings, asked: Annotated[Asked, tenants("tenant.write")], key: Key = None
) -> Response:
    """All of them; what is left out gets its default."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await settings.change_settings(scope, body)
        return "settings", answer(body.model_dump(mode="json"))

    return await asked.write("settings.changed", work, key=key)


async def _expected(asked: Asked, if_match: str | None) -> str | None:
    """Raises Problem 412 where the version in force is another: before anything is written."""
    if if_match is None or if_match.strip() == "*":
        return None
    async with asked.reading() as scope:
        number = await versions.current_number(scope)
        etag = (await versions.get_version(scope, number)).etag if number else ""
    if etag not in [tag.strip() for tag in if_match.split(",")]:
        text = f"Version {number} is in force, not the one this change was made for: look at the plan again."
        raise Problem(412, text, code="version_conflict")
    return etag


def _shown(version: versions.Version, bundle: Bundle) -> dict[str, Any]:
    return {"version": version, "source": bundle.source, "documents": dict(bundle.documents)}


def _plan(plan: Plan) -> dict[str, Any]:
    return {"changes": plan.changes, "notes": plan.notes, "lines": plan.lines()}


def _applied(applied: versions.Applied) -> Response:
    body = {"made": applied.made, "version": applied.version, **_plan(applied.plan)}
    return answer(body, ETag=applied.version.etag)


ROUTERS: tuple[Any, ...] = (router,)
