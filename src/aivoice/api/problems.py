"""Errors as RFC 9457 problem+json. Every failure of the API leaves through here, with a text that says what to do."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from aivoice.api.problem import CONTENT_TYPE, Problem
from aivoice.errors import CapacityError, VoiceError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def response(problem: Problem, instance: str) -> web.Response:
    """instance: the path that was asked for."""
    text = json.dumps(problem.body(instance)) + "\n"
    return web.Response(status=problem.status, text=text, content_type=CONTENT_TYPE, headers=problem.headers)


def problem_of(error: Exception) -> Problem:
    """The problem that tells a client of `error`. What is not expected becomes a 500 that gives nothing away."""
    match error:
        case Problem():
            return error
        case CapacityError():
            return Problem(error.status, str(error), code=error.code, headers={"Retry-After": str(RETRY_AFTER_S)})
        case VoiceError():
            return Problem(error.status, str(error), code=error.code)
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "The request is too large: an SDP offer has at most 64 KiB.", code="too_large")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(
                405,
                f"{error.method} is not supported here; use {allowed}.",
                code="method_not_allowed",
                headers={"Allow": allowed},
            )
        case web.HTTPNotFound():
            return Problem(404, "There is nothing at this address.", code="not_found")
        case web.HTTPException():
            return Problem(error.status, error.reason, code="http_error")
        case _:
            return Problem(500, "The server failed; its log says where.", code="internal")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into problem+json; redirects and cancellation pass."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return response(problem_of(error), request.path)
    except ConnectionResetError:
        raise  # the client is gone: nobody is left to tell
    except Exception as error:  # the last line of defence: the client gets an answer, the log the place
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, (Problem, VoiceError)):
            log.exception("%s %s failed", request.method, request.path)
        return response(problem, request.path)
