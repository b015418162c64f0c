"""Documents and passages in the database: what is there, what a version holds, what may go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from aivoice.knowledge.lexicon import HEADING, strengths
from aivoice.knowledge.passages import Piece
from aivoice.store import NotFoundError, Scope

KEEP = timedelta(hours=3)
"""How long a superseded version stays readable: longer than any call."""
_PAGE = 500
_LONGEST_TERM = 100


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """origin: "upload", or "business" for what the business file says. size: bytes as handed in. since: the version
    that it came with."""

    document_id: str
    origin: str
    name: str
    title: str
    size: int
    digest: str
    passages: int
    since: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = "document_id, origin, name, title, size, digest, passages, since, created_at, updated_at"


async def current_version(scope: Scope) -> int:
    """The newest version, 0 where nothing was ever published."""
    sql = "SELECT coalesce(max(version), 0) FROM knowledge_snapshots WHERE tenant_id = %(tenant_id)s"
    return int(await scope.value(sql))


async def list_documents(
    scope: Scope, *, limit: int = 50, after: tuple[str, str] | None = None
) -> tuple[StoredDocument, ...]:
    """By name. after: (name, document_id) of the last one of the page before."""
    rows = await scope.all(
        f"""
        SELECT {_COLUMNS} FROM documents
        WHERE tenant_id = %(tenant_id)s AND until IS NULL
          AND (%(name)s::text IS NULL OR (name, document_id) > (%(name)s::text, %(id)s::text))
        ORDER BY name, document_id LIMIT %(limit)s
        """,
        {"limit": max(1, min(limit, 200)), "name": after and after[0], "id": after and after[1]},
    )
    return tuple(StoredDocument(**row) for row in rows)


async def get_document(scope: Scope, document_id: str) -> StoredDocument:
    """Raises NotFoundError (document_unknown)."""
    row = await scope.one(
        f"SELECT {_COLUMNS} FROM documents WHERE tenant_id = %(tenant_id)s AND until IS NULL AND document_id = %(id)s",
        {"id": document_id},
    )
    if row is None:
        raise NotFoundError("There is no such document.", code="document_unknown")
    return StoredDocument(**row)


async def document_passages(scope: Scope, document_id: str, *, limit: int = 200, offset: int = 0) -> tuple[Piece, ...]:
    """A document's passages in its order."""
    rows = await scope.all(
        """
        SELECT p.body, d.name, p.heading FROM passages p JOIN documents d USING (tenant_id, document_id)
        WHERE p.tenant_id = %(tenant_id)s AND p.document_id = %(id)s AND p.until IS NULL
        ORDER BY p.position LIMIT %(limit)s OFFSET %(offset)s
        """,
        {"id": document_id, "limit": max(1, min(limit, 1_000)), "offset": max(offset, 0)},
    )
    return tuple(Piece(row["body"], row["name"], row["heading"]) for row in rows)


async def known_vectors(scope: Scope, digests: Sequence[str], model: str) -> dict[str, str]:
    """Embeddings of passages that the tenant has already, under any document: digest → pgvector's text."""
    rows = await scope.all(
        """
        SELECT DISTINCT ON (digest) digest, embedding::text AS vector FROM passages
        WHERE tenant_id = %(tenant_id)s AND digest = ANY(%(digests)s) AND model = %(model)s
        """,
        {"digests": list(digests), "model": model},
    )
    return {row["digest"]: row["vector"] for row in rows}


async def purge(scope: Scope, *, now: datetime, keep: timedelta = KEEP) -> int:
    """Delete what only versions superseded for longer than `keep` have; the passages deleted."""
    kept = await scope.value(
        "SELECT max(version) FROM knowledge_snapshots WHERE tenant_id = %(tenant_id)s AND created_at <= %(since)s",
        {"since": now - keep},
    )
    if kept is None:
        return 0
    given = {"kept": kept}
    gone = await scope.run("DELETE FROM passages WHERE tenant_id = %(tenant_id)s AND until <= %(kept)s", given)
    await scope.run("DELETE FROM documents WHERE tenant_id = %(tenant_id)s AND until <= %(kept)s", given)
    await scope.run("DELETE FROM knowledge_snapshots WHERE tenant_id = %(tenant_id)s AND version < %(kept)s", given)
    return gone


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version: passages and, in the same order, their vectors and models; words as the database counted them:
    (term, big-endian int32 positions in `pieces`, a letter each: A heading, B text)."""

    pieces: tuple[Piece, ...]
    vectors: npt.NDArray[np.float32]
    models: frozenset[str]
    words: tuple[tuple[str, bytes, str], ...]


async def load(scope: Scope, version: int) -> Loaded:
    """Everything that a version holds, some rows at a time: the loop is never held for long."""
    given: dict[str, Any] = {"version": version, "page": _PAGE, "after": ""}
    pieces: list[Piece] = []
    vectors: list[npt.NDArray[np.float32]] = []
    models: set[str] = set()
    while True:
        rows = await scope.all(
            """
            SELECT p.passage_id, p.body, d.name, p.heading, p.model, vector_send(p.embedding) AS vector
            FROM passages p JOIN documents d USING (tenant_id, document_id)
            WHERE p.tenant_id = %(tenant_id)s AND p.since <= %(version)s AND (p.until IS NULL OR p.until > %(version)s)
              AND p.passage_id COLLATE "C" > %(after)s ORDER BY p.passage_id COLLATE "C" LIMIT %(page)s
            """,
            given,
        )
        for row in rows:
            pieces.append(Piece(row["body"], row["name"], row["heading"]))
            vectors.append(np.frombuffer(row["vector"], ">f4", offset=4).astype(np.float32))
            models.add(row["model"])
        if len(rows) < _PAGE:
            break
        given["after"] = rows[-1]["passage_id"]
    words = await scope.all(
        """
        SELECT w.lexeme AS term, string_agg(int4send(p.at), ''::bytea) AS at, string_agg(w.weights[1], '') AS weights
        FROM (
            SELECT (row_number() OVER (ORDER BY passage_id COLLATE "C"))::int - 1 AS at, words FROM passages
            WHERE tenant_id = %(tenant_id)s AND since <= %(version)s AND (until IS NULL OR until > %(version)s)
        ) p, unnest(p.words) w GROUP BY w.lexeme
        """,
        given,
    )
    whole = np.stack(vectors) if vectors else np.zeros((0, 384), np.float32)
    found = tuple((row["term"], bytes(row["at"]), row["weights"]) for row in words)
    return Loaded(tuple(pieces), whole, frozenset(models), found)


def words_of(piece: Piece) -> str:
    """A passage's words as the text of a tsvector."""
    marks = {term: "A" if strength == HEADING else "B" for term, strength in strengths(piece).items()}
    return " ".join(f"{_quoted(term)}:1{mark}" for term, mark in marks.items() if len(term) <= _LONGEST_TERM)


def vector_text(values: Iterable[float]) -> str:
    """As pgvector reads it."""
    return json.dumps([round(float(value), 7) for value in values])


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"
