"""Whatever a route raises, as problem+json."""

from __future__ import annotations

import logging
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from aivoice.api.problem import CONTENT_TYPE, Problem
from aivoice.business.load import BusinessFileError
from aivoice.errors import VoiceError
from aivoice.security.errors import RateLimitedError, UnauthenticatedError

log = logging.getLogger(__name__)
RETRY_AFTER_S = 5
_UNKNOWN = {404: ("There is nothing at this address.", "not_found"), 405: ("Not supported here.", "method_not_allowed")}


def add_problems(app: FastAPI) -> None:
    """Handlers for every kind of error; what nobody expected is a 500 that gives nothing away."""
    app.add_exception_handler(Problem, _told)
    app.add_exception_handler(VoiceError, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_exception_handler(Exception, _told)


async def _told(request: Request, error: Exception) -> JSONResponse:
    problem, more = problem_of(error)
    if problem.status >= 500 and not isinstance(error, (Problem, VoiceError)):
        # Not its text, which may hold a caller's words: where it was is enough.
        log.error("%s %s failed: %s", request.method, request.scope.get("route_path", ""), type(error).__name__)
    body = {**problem.body(request.url.path), **more}
    return JSONResponse(body, problem.status, problem.headers, media_type=CONTENT_TYPE)


def problem_of(error: Exception) -> tuple[Problem, dict[str, Any]]:
    """The problem, and members of its own."""
    match error:
        case Problem():
            return error, {}
        case VoiceError():
            return Problem(error.status, _told_text(error), code=error.code, headers=_headers(error)), _more(error)
        case RequestValidationError():
            wrong = [
                {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]}
                for item in error.errors()[:20]
            ]
            first = wrong[0] if wrong else {"where": "body", "what": "cannot be read"}
            text = f"{first['where']}: {first['what']}" + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")
            return Problem(422, text, code="invalid_request"), {"errors": wrong}
        case HTTPException():
            text, code = _UNKNOWN.get(error.status_code, (str(error.detail), "http_error"))
            code = "too_large" if error.status_code == 413 else code
            return Problem(error.status_code, text, code=code, headers=error.headers), {}
        case UnicodeError():
            return Problem(400, "A text here cannot be stored: it is no whole Unicode.", code="bad_text"), {}
        case _:
            return Problem(500, "The server failed; its log says where.", code="internal"), {}


def _told_text(error: VoiceError) -> str:
    """One line, also of a file with many problems."""
    text = str(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _headers(error: VoiceError) -> dict[str, str] | None:
    if isinstance(error, RateLimitedError):
        return {"Retry-After": str(max(1, ceil(min(error.retry_after_s, 86_400))))}
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(RETRY_AFTER_S)} if error.retryable and error.status == 503 else None


def _more(error: VoiceError) -> dict[str, Any]:
    """A business file's problems, each with its line."""
    if isinstance(error, BusinessFileError):
        wrong = [{"line": each.line, "column": each.column, "what": each.text} for each in error.problems]
        return {"errors": wrong}
    return {}
