"""The control plane as a FastAPI application: OpenAPI 3.1 at /openapi.json, problem+json for whatever goes wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic import BaseModel

from aivoice import __version__
from aivoice.api.control.asked import answer, control_of
from aivoice.api.control.context import Control
from aivoice.api.control.guard import Guard
from aivoice.api.control.problems import add_problems
from aivoice.api.control.routes import account, business, calls, knowledge, operator, tools, webhooks
from aivoice.api.control.shapes import Health
from aivoice.api.problem import CONTENT_TYPE

MOST_BODY = 1024 * 1024
BODIES = {"/knowledge/documents": knowledge.MOST, "/business": 25 * 1024 * 1024, "/v1/sessions": 16 * 1024}
"""Bytes of a body, by how its path ends. A login is read before it is known whose it is."""


class ProblemBody(BaseModel):
    """RFC 9457. code: stable, for programs; detail: for people; errors: of a file or a form, each with its place."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[dict[str, Any]] = []


_PROBLEM: dict[str, Any] = {"content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, **_PROBLEM}
    for status in (400, 401, 402, 403, 404, 409, 412, 413, 415, 422, 429, 500, 502, 503)
}


def create_control(control: Control) -> FastAPI:
    """The application over `control`, which must be open while it serves."""
    app = FastAPI(
        title="aiConnected Voice",
        version=__version__,
        description="AI receptionists for business phone lines: tenants, knowledge, tools, calls, bills. "
        "The guide is docs/api.md.",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,
    )
    app.state.control = control
    add_problems(app)
    for module in (operator, account, business, knowledge, tools, webhooks, calls):
        for router in module.ROUTERS:
            app.include_router(router, responses=PROBLEMS)
    app.add_api_route("/health", _health, methods=["GET"], tags=["health"], response_model=Health)
    down: dict[int | str, dict[str, Any]] = {503: PROBLEMS[503]}
    app.add_api_route("/ready", _ready, methods=["GET"], tags=["health"], response_model=Health, responses=down)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, most=MOST_BODY, others=BODIES)
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The document, with the problem's schema: no route has it as its model, so FastAPI would leave it out."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            separate_input_output_schemas=app.separate_input_output_schemas,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemBody"] = ProblemBody.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema


async def _health() -> Response:
    """The process runs."""
    return answer(Health("ok"))


async def _ready(request: Request) -> Response:
    """The database answers, too; 503 where it does not."""
    async with control_of(request).store.platform() as scope:
        await scope.value("SELECT 1")
    return answer(Health("ready"))
