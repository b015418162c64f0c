"""The HTTP interface as an aiohttp application.

POST /calls (WHIP, RFC 9725) · DELETE /calls/{id} · GET /calls/{id}/events (SSE) · POST /calls/{id}/dtmf · GET /calls ·
GET /calls/{id} · GET /calls/{id}/{file} · GET /businesses · GET /health · the page at /.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from typing import Any

from aiohttp import hdrs, web

from aivoice.api.desk import CallDesk, CallInfo, NoSuchCallError
from aivoice.api.problem import Problem
from aivoice.api.problems import Handler, problems, response

log = logging.getLogger(__name__)

ProvidersHealth = Callable[[], list[dict[str, Any]]]
"""How each provider does, as JSON objects."""

DESK: web.AppKey[CallDesk] = web.AppKey("desk", CallDesk)
HOSTS: web.AppKey[frozenset[str]] = web.AppKey("hosts", frozenset)
HEALTH: web.AppKey[ProvidersHealth] = web.AppKey("providers")

SDP = "application/sdp"
MAX_BODY = 64 * 1024
"""Bytes: a browser's fully gathered offer of one audio track has about 4 KiB."""
HEARTBEAT_S = 15
"""A comment line so often keeps proxies from cutting a quiet stream, and finds clients that have gone."""
FILES: Mapping[str, str] = {
    "recording.wav": "audio/wav",
    "transcript.md": "text/markdown",
    "trace.json": "application/json",
    "waterfall.svg": "image/svg+xml",
    "journal.jsonl": "application/jsonl",
}
PAGE = {
    "index.html": "text/html",
    "app.js": "text/javascript",
    "call.js": "text/javascript",
    "view.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGIT = re.compile(r"[0-9*#]")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_app(
    desk: CallDesk, *, hosts: frozenset[str] = frozenset(), providers: ProvidersHealth = list
) -> web.Application:
    """The application over `desk`, which must be open while it serves.

    hosts: names by which the server may be addressed (no port); requests with another Host get a 421, which keeps
    foreign pages from reading calls of a loopback server by DNS rebinding. Empty: any. providers: how each does, as
    JSON objects, for ``/health``.
    """
    app = web.Application(middlewares=[_secure, problems], client_max_size=MAX_BODY)
    app[DESK] = desk
    app[HOSTS] = hosts
    app[HEALTH] = providers
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/health", _health),
            web.get("/businesses", _businesses),
            web.get("/calls", _list),
            web.post("/calls", _start),
            web.options("/calls", _options),
            web.get("/calls/{id}", _show),
            web.delete("/calls/{id}", _hang_up),
            web.get("/calls/{id}/events", _events),
            web.post("/calls/{id}/dtmf", _dtmf),
            web.get("/calls/{id}/{file}", _file),
            web.get("/web/{file}", _asset),
        ]
    )
    return app


@web.middleware
async def _secure(request: web.Request, handler: Handler) -> web.StreamResponse:
    hosts = request.app[HOSTS]
    name = (request.host or "").rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if hosts and name not in hosts:
        return response(Problem(421, "This server does not answer to that name.", code="wrong_host"), request.path)
    answer = await handler(request)
    if not answer.prepared:
        for key, value in _HEADERS.items():
            answer.headers.setdefault(key, value)
    return answer


# ---------------------------------------------------------------- calls


async def _start(request: web.Request) -> web.Response:
    """WHIP: an SDP offer in, 201 with the answer and the call's Location out."""
    if request.content_type != SDP:
        raise Problem(415, f"Send the offer as {SDP}.", code="wrong_content_type", headers={"Accept-Post": SDP})
    try:
        offer = (await request.read()).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "The SDP offer is not UTF-8 text.", code="sdp_invalid") from None
    if not offer.startswith("v=0"):
        raise Problem(400, "The body is not an SDP offer: it must begin with v=0.", code="sdp_invalid")
    if not re.search(r"^m=audio ", offer, re.MULTILINE):
        raise Problem(400, "The SDP offer has no audio: add an m=audio section.", code="sdp_invalid")
    asked = request.query
    info = await request.app[DESK].start(
        offer, asked.get("business", ""), number=asked.get("number", ""), caller=asked.get("caller", "")
    )
    if info.call is None:
        raise Problem(503, "The call ended while it was being set up; try again.", code="call_ended")
    return web.Response(
        status=201, text=info.call.answer_sdp, content_type=SDP, headers={"Location": f"/calls/{info.id}"}
    )


async def _options(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "GET, OPTIONS, POST"})


async def _hang_up(request: web.Request) -> web.Response:
    """200 when the call has ended; 404 the second time (RFC 9725 leaves no resource behind)."""
    info = await request.app[DESK].hang_up(_call_id(request))
    return web.json_response({"id": info.id, "reason": info.reason or "caller_hung_up"})


async def _dtmf(request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        raise Problem(415, 'Send the key as application/json: {"digit": "0"}.', code="wrong_content_type")
    try:
        body: Any = json.loads(await request.text())
    except (ValueError, RecursionError):
        raise Problem(400, 'The body is not JSON; send {"digit": "0"}.', code="bad_json") from None
    digit: object = body.get("digit") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(digit, str) or not _DIGIT.fullmatch(digit):
        raise Problem(400, "digit must be one of 0 to 9, * or #.", code="bad_digit")
    _, call = request.app[DESK].find_live(_call_id(request))
    call.press(digit)
    return web.Response(status=204)


async def _list(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    return web.json_response({"capacity": desk.capacity, "calls": [_describe(info) for info in desk.calls()]})


async def _show(request: web.Request) -> web.Response:
    return web.json_response(_describe(request.app[DESK].find(_call_id(request))))


async def _events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: each message is a JSON array of changes (`traces.live`); the first one is a snapshot.

    The stream ends with the call, or when the reader is too slow; 204 for an ended call stops a browser's retries.
    """
    info = request.app[DESK].find(_call_id(request))
    hub = info.hub
    if not info.live and "Last-Event-ID" in request.headers:
        return web.Response(status=204)
    if hub.full:
        raise Problem(503, "Too many readers of this call; close a page.", code="too_many_readers")
    answer = web.StreamResponse(headers={**_HEADERS, "X-Accel-Buffering": "no", "Cache-Control": "no-store"})
    answer.content_type = "text/event-stream"
    await answer.prepare(request)
    number = 0
    stream = hub.read(HEARTBEAT_S)
    try:
        async for changes in stream:
            number += 1
            line = f"id: {number}\ndata: {json.dumps(changes, ensure_ascii=False)}\n\n" if changes else ": here\n\n"
            await answer.write(line.encode(errors="backslashreplace"))
    except ConnectionResetError:
        pass  # the reader has gone; the call goes on
    finally:
        await stream.aclose()
    return answer


async def _file(request: web.Request) -> web.StreamResponse:
    """A file of a call, also of earlier runs of the server. Ranges are honoured, so that a player can seek."""
    desk, call_id, name = request.app[DESK], _call_id(request), request.match_info["file"]
    if name not in FILES:
        raise Problem(404, f"A call has these files: {', '.join(FILES)}.", code="file_unknown")
    path = desk.directory / call_id / name
    live = any(info.id == call_id and info.live for info in desk.calls())
    if live:
        raise Problem(409, "The call is still going on; its files are whole when it has ended.", code="call_live")
    content = FILES[name] + ("; charset=utf-8" if not name.endswith(".wav") else "")
    if desk.archive is not None:
        info = desk.find(call_id)
        data = await desk.archive.read(info.business.id, call_id, name)
        return _ranged(request, data, content)
    try:
        there = await asyncio.to_thread(path.is_file)
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error.strerror)
        raise Problem(
            503, f"The server cannot read {name}: its log says why; mend that and ask again.", code="disk_failed"
        ) from None
    if not there:
        raise NoSuchCallError(f"There is no {name} of such a call.", code="file_missing")
    return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: content})


def _ranged(request: web.Request, data: bytes, content: str) -> web.Response:
    """All of it or the one range that was asked for (RFC 9110, 14), so that a player can seek."""
    headers = {hdrs.CONTENT_TYPE: content, "Accept-Ranges": "bytes"}
    try:
        wanted = request.http_range
    except ValueError:
        wanted = slice(None)
    first, last, _ = wanted.indices(len(data)) if wanted != slice(None, None, 1) else (0, len(data), 1)
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=data, headers=headers)
    if first >= last:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(data)}"
    return web.Response(status=206, body=data[first:last], headers=headers)


# ---------------------------------------------------------------- around them


async def _health(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    counts = {"status": "ok", "calls": desk.taken, "capacity": desk.capacity}
    return web.json_response({**counts, "providers": request.app[HEALTH]()})


async def _businesses(request: web.Request) -> web.Response:
    known = request.app[DESK].businesses.all()
    return web.json_response(
        [{"id": business.id, "name": business.name, "greeting": business.greeting} for business in known]
    )


async def _page(_request: web.Request) -> web.Response:
    return await _asset_named("index.html")


async def _asset(request: web.Request) -> web.Response:
    return await _asset_named(request.match_info["file"])


async def _asset_named(name: str) -> web.Response:
    if name not in PAGE:
        raise web.HTTPNotFound
    return web.Response(text=await asyncio.to_thread(_read_asset, name), content_type=PAGE[name])


def _read_asset(name: str) -> str:
    with as_file(files("aivoice.web") / name) as path:
        return path.read_text(encoding="utf-8")


def _call_id(request: web.Request) -> str:
    call_id = request.match_info["id"]
    if not _CALL_ID.fullmatch(call_id):
        raise NoSuchCallError("There is no such call; a call's id has letters, digits, - and _ only.")
    return call_id


def _describe(info: CallInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "business": info.business.id,
        "business_name": info.business.name,
        "started": info.started.isoformat(timespec="milliseconds"),
        "ended": info.ended.isoformat(timespec="milliseconds") if info.ended else None,
        "state": info.hub.view.state if info.live else "ended",
        "reason": info.reason,
        "files": [] if info.live else [f"/calls/{info.id}/{name}" for name in FILES],
    }
