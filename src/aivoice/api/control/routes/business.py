"""A tenant's business file and settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, Route, answer, tenants
from aivoice.api.control.idempotency import Key
from aivoice.api.control.pages import Limit
from aivoice.api.problem import Problem
from aivoice.store import ConflictError, NotFoundError, Scope
from aivoice.tenants import settings, versions
from aivoice.tenants.bundle import MAX_TOTAL_BYTES, Bundle, check_bundle

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["business"], route_class=Route)

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


@router.get("/business", response_model=shapes.BusinessVersion)
async def show_business(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    """The version in force, with its file and documents. Its ETag goes into If-Match of a change."""
    async with asked.reading() as scope:
        number = await versions.current_number(scope)
        if not number:
            raise NotFoundError("There is no business file yet: PUT one.", code="version_unknown")
        version = await versions.get_version(scope, number)
        bundle = await versions.source_of(scope, number)
    return _shown(version, bundle)


@router.put("/business", response_model=shapes.AppliedChanges)
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
        return answer(shapes.AppliedChanges(False, None, plan.changes, plan.notes, plan.lines()))

    async def work(scope: Scope) -> tuple[str, Response]:
        async with _matching(scope, if_match) as expected:
            applied = await versions.apply(
                scope, draft, asked.now, author=asked.author, note=body.note, expected=expected
            )
        return str(applied.version.number), _applied(applied)

    return await asked.write("version.applied", work, key=key)


@router.get("/versions", response_model=shapes.Versions)
async def list_versions(
    asked: Annotated[Asked, tenants("tenant.read")],
    limit: Limit = 50,
    after: Annotated[int | None, Query(ge=1, le=2_000_000_000, description="`next` of the page before.")] = None,
) -> Response:
    """Newest first."""
    async with asked.reading() as scope:
        found = await versions.list_versions(scope, limit + 1, after)
    return answer(shapes.Versions(found[:limit], found[limit - 1].number if len(found) > limit else None))


@router.get("/versions/{number}", response_model=shapes.BusinessVersion)
async def show_version(number: Number, asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.reading() as scope:
        version = await versions.get_version(scope, number)
        bundle = await versions.source_of(scope, number)
    return _shown(version, bundle)


@router.get("/versions/{number}/diff", response_model=shapes.Changes)
async def diff_versions(
    number: Number,
    asked: Annotated[Asked, tenants("tenant.read")],
    earlier: Annotated[int, Query(ge=0, le=2_000_000_000, description="The other version; 0: nothing at all.")],
) -> Response:
    """What callers notice between version `earlier` and this one."""
    async with asked.reading() as scope:
        plan = await versions.diff(scope, earlier, number)
    return answer(shapes.Changes(plan.changes, plan.notes, plan.lines()))


@router.post("/versions/{number}/rollback", response_model=shapes.AppliedChanges)
async def roll_back(
    number: Number, asked: Annotated[Asked, tenants("tenant.write")], if_match: IfMatch = None, key: Key = None
) -> Response:
    """Put a new version in force that equals this one."""

    async def work(scope: Scope) -> tuple[str, Response]:
        async with _matching(scope, if_match) as expected:
            applied = await versions.rollback(scope, number, asked.now, author=asked.author, expected=expected)
        return str(applied.version.number), _applied(applied)

    return await asked.write("version.rolled_back", work, key=key)


@router.get("/settings", response_model=settings.Settings)
async def show_settings(asked: Annotated[Asked, tenants("tenant.read")]) -> Response:
    async with asked.reading() as scope:
        return answer((await settings.settings_of(scope)).model_dump(mode="json"))


@router.put("/settings", response_model=settings.Settings)
async def change_settings(
    body: settings.Settings, asked: Annotated[Asked, tenants("tenant.write")], key: Key = None
) -> Response:
    """All of them; what is left out gets its default."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await settings.change_settings(scope, body)
        return "settings", answer(body.model_dump(mode="json"))

    return await asked.write("settings.changed", work, key=key)


@asynccontextmanager
async def _matching(scope: Scope, if_match: str | None) -> AsyncGenerator[str | None]:
    """The etag that the change in the block expects to be in force. In the transaction of the write, so that one that
    is repeated gets its first answer. Raises Problem 412, also where somebody comes between."""
    number = await versions.current_number(scope) if if_match is not None else 0
    etag = (await versions.get_version(scope, number)).etag if number else None
    try:
        if if_match is not None and (etag is None or not {"*", etag} & {tag.strip() for tag in if_match.split(",")}):
            raise ConflictError(
                f"Version {number} is in force, not the one this change was made for: look at the plan again.",
                code="version_conflict",
            )
        yield etag
    except ConflictError as error:
        if error.code != "version_conflict":
            raise
        raise Problem(412, str(error), code=error.code) from None


def _shown(version: versions.Version, bundle: Bundle) -> Response:
    return answer(shapes.BusinessVersion(version, bundle.source, bundle.documents), ETag=version.etag)


def _applied(applied: versions.Applied) -> Response:
    plan = applied.plan
    body = shapes.AppliedChanges(applied.made, applied.version, plan.changes, plan.notes, plan.lines())
    return answer(body, ETag=applied.version.etag)


ROUTERS: tuple[Any, ...] = (router,)
