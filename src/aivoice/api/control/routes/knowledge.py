"""A tenant's documents, and what they answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, Route, answer, nothing, tenants
from aivoice.api.control.pages import Cursor, Limit, next_text_cursor, read_text_cursor
from aivoice.api.problem import Problem
from aivoice.knowledge import documents, ingest
from aivoice.knowledge.retriever import Asked as Answer
from aivoice.knowledge.retriever import Shelf
from aivoice.providers.ports import Embedder
from aivoice.tenants.numbers import CHANNEL

router = APIRouter(prefix="/v1/tenants/{tenant}/knowledge", tags=["knowledge"], route_class=Route)

MOST = 20 * 1024 * 1024
DocumentId = Annotated[str, Path(max_length=60)]


@router.get("/documents", response_model=shapes.Documents)
async def list_documents(
    asked: Annotated[Asked, tenants("knowledge.read")],
    limit: Limit = 50,
    after: Cursor = "",
) -> Response:
    """By name."""
    place = read_text_cursor(after)
    async with asked.reading() as scope:
        found = await documents.list_documents(scope, limit=limit + 1, after=place)
    following = next_text_cursor(found, limit, lambda row: (row.name, row.document_id))
    return answer(shapes.Documents(found[:limit], following))


@router.post(
    "/documents",
    status_code=201,
    response_model=ingest.Published,
    openapi_extra={"requestBody": {"content": {"*/*": {}}, "required": True}},
)
async def upload_document(
    request: Request,
    asked: Annotated[Asked, tenants("knowledge.write")],
    name: Annotated[str, Query(min_length=1, max_length=300, description="Its file name: prices.md, terms.pdf …")],
    title: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """The body is the file: Markdown, text, HTML, PDF, DOCX or CSV, at most 20 MB. The same name replaces what was
    there; the same bytes change nothing. Calls in progress keep what they began with."""
    control = asked.control
    _, embedder = _models(asked)
    data = await request.body()
    published = await ingest.ingest(control.store, embedder, asked.tenant_id, name, data, title=title, now=asked.now)
    await _noted(asked, "document.published", published.document_ids[0])
    return answer(
        published, 201, Location=f"/v1/tenants/{asked.tenant_id}/knowledge/documents/{published.document_ids[0]}"
    )


@router.get("/documents/{document_id}", response_model=shapes.DocumentParts)
async def show_document(document_id: DocumentId, asked: Annotated[Asked, tenants("knowledge.read")]) -> Response:
    """With its first passages, as calls find them."""
    async with asked.reading() as scope:
        found = await documents.get_document(scope, document_id)
        passages = await documents.document_passages(scope, document_id, limit=50)
    return answer(shapes.DocumentParts(found, [shapes.Part(piece.heading, piece.text) for piece in passages]))


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(document_id: DocumentId, asked: Annotated[Asked, tenants("knowledge.write")]) -> Response:
    await ingest.delete_document(asked.control.store, asked.tenant_id, document_id, now=asked.now)
    await _noted(asked, "document.deleted", document_id)
    return nothing()


@router.get("/ask", response_model=Answer)
async def ask(
    asked: Annotated[Asked, tenants("knowledge.read")],
    question: Annotated[str, StringConstraints(strip_whitespace=True), Query(min_length=1, max_length=600)],
    most: Annotated[int, Query(ge=1, le=16)] = 5,
) -> Response:
    """What a call would find: passages with their scores, whether they answer, and the milliseconds it took."""
    shelf, _ = _models(asked)
    knowledge = await shelf.open(asked.tenant_id)
    return answer(await knowledge.ask(question, most))


def _models(asked: Asked) -> tuple[Shelf, Embedder]:
    control = asked.control
    if control.shelf is None or control.embedder is None:
        raise Problem(503, "The models that knowledge needs do not run here: start aivoice serve.", code="no_models")
    return control.shelf, control.embedder


async def _noted(asked: Asked, action: str, target: str) -> None:
    async with asked.reading() as scope:
        await asked.audit(scope, action, target)
        await scope.notify(CHANNEL, f"{asked.tenant_id} 0")


ROUTERS: tuple[Any, ...] = (router,)
