"""A tool service in a few lines: handlers by tool name, behind the HTTP shape that `tool_http` calls.

A service written by somebody else needs only this: POST /<tool> with ``{call_id, tool, arguments, idempotency_key}``,
answered by a JSON object. Useful members of it: ``status`` (``ok``, ``taken``, ``not_found``, …), ``message`` (a
sentence for the caller), ``slots`` (free times), ``available``, ``reference``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from aiohttp import web

MAX_BODY_BYTES = 64 * 1024
MAX_REMEMBERED = 10_000

Handler = Callable[[Mapping[str, Any], str], Mapping[str, Any]]
"""(arguments, idempotency key) → the answer. Raise KeyError, TypeError or ValueError for arguments without sense."""


def tool_app(handlers: Mapping[str, Handler], side_effects: frozenset[str]) -> web.Application:
    """An aiohttp application. Answers of tools in `side_effects` are remembered by key: asking again repeats the
    answer, not the deed. Wrong requests get 400, unknown tools 404, anything but JSON 415, and a web page 403: no page
    that the owner happens to look at may book."""
    answers: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def answer(request: web.Request) -> web.Response:
        if "Origin" in request.headers:  # browsers send it with every POST of a page, and nobody else does
            return web.json_response({"status": "invalid"}, status=403)
        if request.content_type != "application/json":
            return web.json_response({"status": "invalid"}, status=415)
        name = request.match_info["tool"]
        handler = handlers.get(name)
        if handler is None:
            return web.json_response({"status": "not_found"}, status=404)
        try:
            body = cast("dict[str, Any]", json.loads(await request.text()))
            arguments, key = body["arguments"], body["idempotency_key"]
            if not isinstance(arguments, dict) or not isinstance(key, str) or not key:
                raise TypeError
            known = answers.get((name, key))
            result = known if known is not None else handler(cast("dict[str, Any]", arguments), key)
        except (KeyError, TypeError, ValueError, RecursionError):
            return web.json_response({"status": "invalid"}, status=400)
        if name in side_effects:
            while len(answers) >= MAX_REMEMBERED:
                del answers[next(iter(answers))]
            answers[name, key] = result
        return web.json_response(result)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/{tool}", answer)
    return app
