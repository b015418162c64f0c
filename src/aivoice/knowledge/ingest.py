"""Documents into the database: one transaction makes one new version; what did not change keeps its row and vector."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aivoice.errors import ProviderError
from aivoice.knowledge.documents import current_version, get_document, known_vectors, vector_text, words_of
from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats import read_document
from aivoice.knowledge.passages import MAX_PASSAGES, DocumentLike, Piece, pieces_of, split_documents
from aivoice.knowledge.search import EMBED_BATCH, meant
from aivoice.providers.ports import Embedder
from aivoice.store import Scope, Store
from aivoice.store.ids import new_id

_log = logging.getLogger(__name__)

CHANNEL = "knowledge"
"""Notified with ``<tenant id> <version>`` when a version is published."""
_SHAPE = "1"
"""Changes when the same bytes become other passages: then every document counts as changed."""


@dataclass(frozen=True, slots=True)
class Published:
    """version: the tenant's newest (the same as before where nothing changed). document_ids: of the documents given, in
    order. added, kept, removed: passages."""

    version: int
    document_ids: tuple[str, ...]
    added: int
    kept: int
    removed: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be written."""

    name: str
    title: str
    size: int
    digest: str
    pieces: tuple[Piece, ...]


async def ingest(
    store: Store, embedder: Embedder, tenant_id: str, name: str, data: bytes, *, title: str = "", now: datetime
) -> Published:
    """Read a file and publish it under its name; the same name replaces, the same bytes change nothing.

    Raises DocumentError, ProviderError (the embedder), StoreError; after any of them nothing was written.
    """
    clean = "".join(letter for letter in name if letter.isprintable()).strip()
    if not clean or len(clean) > 300 or clean != name:
        raise DocumentError("A document's name is 1 to 300 characters of plain text.", "document_name_invalid")
    parsed = await read_document(name, data)
    head = " ".join((title or parsed.title or name.rsplit("/", 1)[-1].rsplit(".", 1)[0]).split())[:300]
    digest = hashlib.sha256(f"{_SHAPE}\0{head}\0".encode() + data).hexdigest()
    document = Prepared(name, head, len(data), digest, pieces_of(name, head, parsed.blocks))
    return await publish(store, embedder, tenant_id, [document], origin="upload", now=now)


async def publish_business(
    store: Store, embedder: Embedder, tenant_id: str, documents: Sequence[DocumentLike], *, now: datetime
) -> Published:
    """All that a business file says (``(*business.documents, *business.facts())``), in place of what it said before."""
    prepared = [
        Prepared(
            item.source,
            item.title[:300],
            len(item.text.encode()),
            hashlib.sha256(f"{_SHAPE}\0{item.title}\0{item.text}".encode()).hexdigest(),
            split_documents([item]),
        )
        for item in documents
    ]
    return await publish(store, embedder, tenant_id, prepared, origin="business", whole=True, now=now)


async def publish(
    store: Store,
    embedder: Embedder,
    tenant_id: str,
    documents: Sequence[Prepared],
    *,
    origin: str,
    whole: bool = False,
    now: datetime,
) -> Published:
    """Write documents as one version. whole: other documents of that origin go.

    Embeds only what the tenant does not have. Two at once follow one another; a reader sees all of one or nothing.
    """
    if sum(len(document.pieces) for document in documents) > MAX_PASSAGES:
        raise DocumentError(f"The document has more than {MAX_PASSAGES} passages; split it.", "document_too_large")
    vectors = await _vectors(store, embedder, tenant_id, documents)
    async with store.tenant(tenant_id) as scope:
        writer = await _Writer.begun(scope, embedder.name, now)
        ids = [await writer.write(document, origin, vectors) for document in documents]
        if whole:
            rows = await scope.all(
                """
                SELECT document_id FROM documents
                WHERE tenant_id = %(tenant_id)s AND origin = %(origin)s AND until IS NULL
                  AND document_id <> ALL(%(ids)s)
                """,
                {"origin": origin, "ids": ids},
            )
            for row in rows:
                await writer.remove(row["document_id"])
        return await writer.finish(ids)


async def delete_document(store: Store, tenant_id: str, document_id: str, *, now: datetime) -> Published:
    """Take a document out, as a new version. Its rows go with `documents.purge`. Raises NotFoundError."""
    async with store.tenant(tenant_id) as scope:
        writer = await _Writer.begun(scope, "", now)
        await get_document(scope, document_id)
        await writer.remove(document_id)
        return await writer.finish([document_id])


def digest_of(piece: Piece) -> str:
    """What makes two passages the same: heading and text."""
    return hashlib.sha256(f"{piece.heading}\0{piece.text}".encode()).hexdigest()


async def _vectors(store: Store, embedder: Embedder, tenant_id: str, documents: Sequence[Prepared]) -> dict[str, str]:
    """digest → vector of every passage. No transaction is open while the embedder works."""
    pieces = {digest_of(piece): piece for document in documents for piece in document.pieces}
    async with store.tenant(tenant_id) as scope:
        vectors = await known_vectors(scope, list(pieces), embedder.name)
    missing = [digest for digest in pieces if digest not in vectors]
    for at in range(0, len(missing), EMBED_BATCH):
        batch = missing[at : at + EMBED_BATCH]
        rows = await embedder.embed([meant(pieces[digest]) for digest in batch])
        if len(rows) != len(batch) or any(len(row) != 384 for row in rows):
            raise ProviderError("The embedder did not give 384 numbers for each passage.")
        vectors.update(zip(batch, map(vector_text, rows), strict=True))
    return vectors


class _Writer:
    """The changes of one version, in one transaction, alone."""

    def __init__(self, scope: Scope, version: int, model: str, now: datetime) -> None:
        self._scope, self._version, self._model, self._now = scope, version, model, now
        self._added = self._kept = self._removed = 0
        self._changed = False

    @classmethod
    async def begun(cls, scope: Scope, model: str, now: datetime) -> _Writer:
        await scope.run("SELECT pg_advisory_xact_lock(hashtextextended('knowledge ' || %(tenant_id)s, 0))")
        return cls(scope, await current_version(scope) + 1, model, now)

    async def write(self, document: Prepared, origin: str, vectors: dict[str, str]) -> str:
        """The document's id, old or new."""
        given: dict[str, Any] = {"origin": origin, "name": document.name, "title": document.title, "now": self._now}
        given |= {"size": document.size, "digest": document.digest, "passages": len(document.pieces)}
        there = await self._scope.one(
            """
            SELECT document_id, digest FROM documents
            WHERE tenant_id = %(tenant_id)s AND origin = %(origin)s AND name = %(name)s AND until IS NULL
            """,
            given,
        )
        if there is not None and there["digest"] == document.digest:
            self._kept += len(document.pieces)
            return str(there["document_id"])
        self._changed = True
        given["id"] = there["document_id"] if there else new_id("doc")
        if there:
            await self._scope.run(
                """
                UPDATE documents SET title = %(title)s, size = %(size)s, digest = %(digest)s, passages = %(passages)s,
                       updated_at = %(now)s WHERE tenant_id = %(tenant_id)s AND document_id = %(id)s
                """,
                given,
            )
        else:
            await self._scope.run(
                """
                INSERT INTO documents (tenant_id, document_id, origin, name, title, size, digest, passages, since,
                                       created_at, updated_at)
                VALUES (%(tenant_id)s, %(id)s, %(origin)s, %(name)s, %(title)s, %(size)s, %(digest)s, %(passages)s,
                        %(version)s, %(now)s, %(now)s)
                """,
                {**given, "version": self._version},
            )
        await self._passages(given["id"], document.pieces, vectors)
        return given["id"]

    async def _passages(self, document_id: str, pieces: Sequence[Piece], vectors: dict[str, str]) -> None:
        old: dict[str, list[dict[str, Any]]] = {}
        for row in await self._scope.all(
            """
            SELECT passage_id, digest, position, model FROM passages
            WHERE tenant_id = %(tenant_id)s AND document_id = %(id)s AND until IS NULL ORDER BY position DESC
            """,
            {"id": document_id},
        ):
            if row["model"] == self._model:
                old.setdefault(row["digest"], []).append(row)
        moved: list[dict[str, Any]] = []
        fresh: list[dict[str, Any]] = []
        stay: list[str] = []
        for position, piece in enumerate(pieces):
            digest = digest_of(piece)
            if old.get(digest):
                row = old[digest].pop()
                stay.append(row["passage_id"])
                if row["position"] != position:
                    moved.append({"id": row["passage_id"], "position": position})
            else:
                fresh.append(
                    {"id": new_id("psg"), "document": document_id, "position": position, "heading": piece.heading,
                     "body": piece.text, "digest": digest, "words": words_of(piece), "model": self._model,
                     "vector": vectors[digest], "version": self._version}
                )  # fmt: skip
        self._removed += await self._scope.run(
            """
            UPDATE passages SET until = %(version)s WHERE tenant_id = %(tenant_id)s AND document_id = %(id)s
               AND until IS NULL AND passage_id <> ALL(%(stay)s)
            """,
            {"id": document_id, "version": self._version, "stay": stay},
        )
        if moved:
            sql = "UPDATE passages SET position = %(position)s WHERE tenant_id = %(tenant_id)s AND passage_id = %(id)s"
            await self._scope.many(sql, moved)
        if fresh:
            await self._scope.many(
                """
                INSERT INTO passages (tenant_id, passage_id, document_id, position, heading, body, digest, words, model,
                                      embedding, since)
                VALUES (%(tenant_id)s, %(id)s, %(document)s, %(position)s, %(heading)s, %(body)s, %(digest)s,
                        %(words)s::tsvector, %(model)s, %(vector)s::vector, %(version)s)
                """,
                fresh,
            )
        self._added += len(fresh)
        self._kept += len(stay)

    async def remove(self, document_id: str) -> None:
        given = {"id": document_id, "version": self._version}
        where = "WHERE tenant_id = %(tenant_id)s AND document_id = %(id)s AND until IS NULL"
        self._removed += await self._scope.run(f"UPDATE passages SET until = %(version)s {where}", given)
        await self._scope.run(f"UPDATE documents SET until = %(version)s {where}", given)
        self._changed = True

    async def finish(self, ids: Sequence[str]) -> Published:
        """Publish the version, unless nothing changed."""
        version = self._version - 1
        if self._changed:
            version = self._version
            count = await self._scope.value(
                "SELECT count(*) FROM passages WHERE tenant_id = %(tenant_id)s AND until IS NULL"
            )
            if count > MAX_PASSAGES:
                raise DocumentError(f"All documents together have more than {MAX_PASSAGES} passages.", "knowledge_full")
            await self._scope.run(
                """
                INSERT INTO knowledge_snapshots (tenant_id, version, passages, created_at)
                VALUES (%(tenant_id)s, %(version)s, %(count)s, %(now)s)
                """,
                {"version": version, "count": count, "now": self._now},
            )
            await self._scope.notify(CHANNEL, f"{self._scope.tenant_id} {version}")
            _log.info("knowledge of %s: version %d, %d passages", self._scope.tenant_id, version, count)
        return Published(version, tuple(ids), self._added, self._kept, self._removed)
