"""What every request passes before a route sees it: a size limit, a request id, headers, and the last net for what
nobody expected. Plain ASGI, so that it costs microseconds."""

from __future__ import annotations

import json
import logging
import secrets
import traceback
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aivoice.api.problem import CONTENT_TYPE, Problem

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_FRAMES = 5

log = logging.getLogger(__name__)


class Guard:
    """most: bytes of a body, unless `others` has another limit for how its path ends."""

    def __init__(self, app: ASGIApp, *, most: int, others: Mapping[str, int]) -> None:
        self._app, self._most, self._others = app, most, dict(others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = next((size for end, size in self._others.items() if scope["path"].endswith(end)), self._most)
        declared = Headers(scope=scope).get("content-length", "")
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                # The one kind of error that FastAPI lets pass while it reads a body.
                raise HTTPException(413, _text(most))
            return message

        if declared.isdigit() and int(declared) > most:
            await _tell(Problem(413, _text(most), code="too_large"), scope["path"], answer)
            return
        try:
            await self._app(scope, counted, answer)
        except Exception as error:  # noqa: BLE001 - further out, the server would log its text, which may quote a caller
            log.error("%s %s", request_id, where(scope, error))
            # An answer that has begun is cut off: the server closes the connection of one that was not ended.
            if not begun:
                problem = Problem(500, "The server failed; its log says where.", code="internal")
                await _tell(problem, scope["path"], answer)


def where(scope: Scope, error: BaseException) -> str:
    """The route, the kind of error and the places in the code, without any of its text, nor of what was asked."""
    route = getattr(scope.get("route"), "path", "(no route)")
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[::-1])
    return f"{scope['method']} {route} failed: {type(error).__name__} at {places}"


async def _tell(problem: Problem, path: str, send: Send) -> None:
    body = json.dumps(problem.body(path)).encode()
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _text(most: int) -> str:
    return f"The request is too large: at most {most:,} bytes here."
