"""Whatever a route raises, as problem+json."""

from __future__ import annotations

import logging
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from aivoice.api.control.guard import where
from aivoice.api.problem import CONTENT_TYPE, Problem
from aivoice.business.load import BusinessFileError
from aivoice.errors import VoiceError
from aivoice.security.errors import RateLimitedError, UnauthenticatedError

RETRY_AFTER_S = 5
log = logging.getLogger(__name__)
_HTTP = {
    400: ("The body cannot be read: send JSON, as UTF-8.", "bad_json"),
    404: ("There is nothing at this address.", "not_found"),
    405: ("Not supported here; Allow says what is.", "method_not_allowed"),
    413: ("", "too_large"),
}
"""What the framework raises by itself: its text ("": its own), and the code."""


def add_problems(app: FastAPI) -> None:
    """Handlers for every kind of error that is an answer; what nobody expected goes on to `guard.Guard`."""
    for kind in (Problem, VoiceError, HTTPException, RequestValidationError, UnicodeError):
        app.add_exception_handler(kind, _told)


async def _told(request: Request, error: Exception) -> JSONResponse:
    problem, more = problem_of(error)
    if problem.status == 500:  # ours, and no reader's fault; its text goes to the reader alone
        log.error("%s %s: %s", request.state.request_id, where(request.scope, error), problem.code)
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
            text, code = _HTTP.get(error.status_code, ("", "http_error"))
            text = text or str(error.detail)
            return Problem(error.status_code, text, code=code, headers=error.headers), {}
        case _:  # UnicodeError
            return Problem(400, "A text here cannot be stored: it is no whole Unicode.", code="bad_text"), {}


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
