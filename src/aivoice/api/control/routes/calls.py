"""Records of a tenant's calls, what was said in them, and callers."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, Route, answer, nothing, tenants
from aivoice.api.control.pages import Cursor, Limit, Moment, next_cursor, read_cursor
from aivoice.api.problem import Problem
from aivoice.billing.usage import call_cost, events_of
from aivoice.security.call_crypto import call_keys, erase_call_keys
from aivoice.store import NotFoundError, Scope
from aivoice.tenants import callers, records
from aivoice.tenants.numbers import parse_number
from aivoice.tenants.settings import settings_of
from aivoice.traces.sealed import CallArchive

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["calls"], route_class=Route)

CallId = Annotated[str, Path(max_length=100)]
FILES = {
    "recording.wav": "audio/wav",
    "transcript.md": "text/markdown; charset=utf-8",
    "trace.json": "application/json",
    "waterfall.svg": "image/svg+xml",
    "journal.jsonl": "application/jsonl",
}
FileName = Literal["recording.wav", "transcript.md", "trace.json", "waterfall.svg", "journal.jsonl"]


@router.get("/calls", response_model=shapes.Calls)
async def list_calls(
    asked: Annotated[Asked, tenants("calls.read")],
    limit: Limit = 50,
    after: Cursor = "",
    number: Annotated[str, Query(max_length=40, description="The number that was dialled.")] = "",
    action: Annotated[Literal["", "answer", "announce", "transfer", "reject"], Query()] = "",
    why: Annotated[str, Query(max_length=20, description="usual, closed, blocked, no_credit …")] = "",
    since: Annotated[Moment | None, Query(description="Of the start, with its zone.")] = None,
    until: Annotated[Moment | None, Query(description="Not included.")] = None,
) -> Response:
    """Newest first."""
    place = read_cursor(after)
    wanted = records.Filter(
        number=parse_number(number) if number else "", action=action, why=why, since=since, until=until
    )
    async with asked.reading() as scope:
        found = await records.calls(scope, asked.control.texts, wanted, after=place, limit=limit + 1)
    following = next_cursor(found, limit, lambda row: (row.started_at, row.call_id))
    return answer(shapes.Calls(found[:limit], following))


@router.get("/calls/{call_id}", response_model=shapes.CallAndMoney)
async def show_call(call_id: CallId, asked: Annotated[Asked, tenants("calls.read")]) -> Response:
    """With what it cost and brought."""
    async with asked.reading() as scope:
        found = await records.call(scope, asked.control.texts, call_id)
        cost = await call_cost(scope, call_id)
    return answer(shapes.CallAndMoney(found, shapes.money(cost)))


@router.get("/calls/{call_id}/transcript", response_model=shapes.Transcript)
async def show_transcript(call_id: CallId, asked: Annotated[Asked, tenants("calls.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.Transcript(await records.transcript(scope, asked.control.texts, call_id)))


@router.get("/calls/{call_id}/usage", response_model=shapes.Events)
async def show_usage_events(call_id: CallId, asked: Annotated[Asked, tenants("usage.read")]) -> Response:
    """As CloudEvents 1.0."""
    async with asked.reading() as scope:
        await records.call(scope, asked.control.texts, call_id)
        return answer(shapes.Events(await events_of(scope, call_id)))


@router.get(
    "/calls/{call_id}/files/{name}",
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in FILES.values()}}},
    response_class=Response,
)
async def show_file(call_id: CallId, name: FileName, asked: Annotated[Asked, tenants("calls.read")]) -> Response:
    """Opened for this answer alone; 404 where it was erased or never kept."""
    async with asked.reading() as scope:
        found = await records.call(scope, asked.control.texts, call_id)
        keys = await call_keys(scope, asked.control.sealer, call_id)
    if found.ended_at is None:
        raise Problem(409, "The call is still going on; its files are whole when it has ended.", code="call_live")
    archive = CallArchive(asked.control.calls / asked.tenant_id / call_id, keys, call_id=call_id)
    return Response(await asyncio.to_thread(archive.file, name), media_type=FILES[name])


@router.delete("/calls/{call_id}", status_code=204)
async def erase_call(call_id: CallId, asked: Annotated[Asked, tenants("calls.erase")]) -> Response:
    """What was said and who called: recording, journal, transcript. That there was a call stays, for the bill."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await records.erase_call(scope, call_id)
        await erase_call_keys(scope, call_id)
        return call_id, nothing()

    done = await asked.write("call.erased", work)
    await _remove(asked, [call_id])
    return done


# ---------------------------------------------------------------- callers


class CallerForm(BaseModel):
    """In the body, so that no number stands in an address that others write down."""

    model_config = ConfigDict(extra="forbid")

    number: Annotated[str, StringConstraints(max_length=100)]


class BlockForm(CallerForm):
    reason: Annotated[str, StringConstraints(max_length=200)] = ""
    until: Moment | None = None


@router.post("/callers/lookup", response_model=callers.Caller)
async def look_up_caller(body: CallerForm, asked: Annotated[Asked, tenants("calls.read")]) -> Response:
    """What is remembered of a caller."""
    async with asked.reading() as scope:
        number = await _number(scope, body.number)
        found = await callers.recall(scope, asked.control.texts, number)
        if found is None:
            raise NotFoundError("Nothing is remembered of this number.", code="caller_unknown")
        return answer(found)


@router.post("/callers/calls", response_model=shapes.Calls)
async def list_calls_of_caller(
    body: CallerForm, asked: Annotated[Asked, tenants("calls.read")], limit: Limit = 50, after: Cursor = ""
) -> Response:
    """Newest first."""
    place = read_cursor(after)
    async with asked.reading() as scope:
        wanted = records.Filter(caller=await _number(scope, body.number))
        found = await records.calls(scope, asked.control.texts, wanted, after=place, limit=limit + 1)
    following = next_cursor(found, limit, lambda row: (row.started_at, row.call_id))
    return answer(shapes.Calls(found[:limit], following))


@router.post("/callers/erase", response_model=shapes.ErasedCalls)
async def erase_caller(body: CallerForm, asked: Annotated[Asked, tenants("calls.erase")]) -> Response:
    """All that is kept of a caller: what is remembered, and the words and sounds of their calls."""
    async with asked.reading() as scope:
        number = await _number(scope, body.number)
        ids = await callers.forget(scope, asked.control.texts, number)
        for call_id in ids:
            await erase_call_keys(scope, call_id)
        await asked.audit(scope, "caller.erased", "", calls=len(ids))
    await _remove(asked, ids)
    return answer(shapes.ErasedCalls(ids))


@router.get("/blocked-callers", response_model=shapes.BlockedCallers)
async def list_blocked(asked: Annotated[Asked, tenants("calls.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.BlockedCallers(await callers.blocked(scope, asked.control.texts)))


@router.post("/blocked-callers", status_code=204)
async def block_caller(body: BlockForm, asked: Annotated[Asked, tenants("tenant.write")]) -> Response:
    async with asked.reading() as scope:
        number = await _number(scope, body.number)
        await callers.block(
            scope,
            asked.control.texts,
            number,
            asked.now,
            author=asked.author,
            reason=body.reason,
            until=body.until,
        )
        await asked.audit(scope, "caller.blocked", "")
    return nothing()


@router.post("/blocked-callers/remove", status_code=204)
async def unblock_caller(body: CallerForm, asked: Annotated[Asked, tenants("tenant.write")]) -> Response:
    async with asked.reading() as scope:
        number = await _number(scope, body.number)
        await callers.unblock(scope, asked.control.texts, number)
        await asked.audit(scope, "caller.unblocked", "")
    return nothing()


async def _number(scope: Scope, text: str) -> str:
    return parse_number(text, (await settings_of(scope)).region)


async def _remove(asked: Asked, call_ids: list[str]) -> None:
    """Nobody can read the files any more; the room they take is given back."""
    folder = asked.control.calls / asked.tenant_id
    for call_id in call_ids:
        if "/" not in call_id and call_id not in ("", ".", ".."):
            await asyncio.to_thread(shutil.rmtree, folder / call_id, ignore_errors=True)


ROUTERS: tuple[Any, ...] = (router,)
