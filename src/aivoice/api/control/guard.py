"""What every request passes before a route sees it: a size limit, a request id, headers. Plain ASGI, so that it costs
microseconds."""

from __future__ import annotations

import json
import secrets
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


class Guard:
    """most: bytes of a body, unless `larger` has another limit for how its path ends."""

    def __init__(self, app: ASGIApp, *, most: int, larger: Mapping[str, int]) -> None:
        self._app, self._most, self._larger = app, most, dict(larger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = next((size for end, size in self._larger.items() if scope["path"].endswith(end)), self._most)
        declared = Headers(scope=scope).get("content-length", "")
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
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
            await _refuse(scope["path"], most, answer)
            return
        await self._app(scope, counted, answer)


async def _refuse(path: str, most: int, send: Send) -> None:
    problem = Problem(413, _text(most), code="too_large")
    body = json.dumps(problem.body(path)).encode()
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _text(most: int) -> str:
    return f"The request is too large: at most {most:,} bytes here."
