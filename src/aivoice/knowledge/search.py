"""Retrieval over one business's knowledge: words and, where an embedder is given, meaning; scores that can be trusted.

`Knowledge.build(documents, embedder)`, then ``await knowledge.search(query, k)``. In memory; a business has tens to
thousands of passages, for which exact search is fastest. A score is the estimated probability that the passage
answers the question (L2-regularised logistic regression on the dental questions of tests/unit/knowledge, checked on the
plumber's):
`ANSWERABLE` separates what can be answered from what the documents do not say.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aivoice.core.prompt import Passage
from aivoice.errors import ProviderError
from aivoice.knowledge.lexicon import Lexicon
from aivoice.knowledge.passages import DocumentLike, Piece, split_documents
from aivoice.providers.ports import Embedder

ANSWERABLE = 0.5
"""A best passage below this means: the business's documents do not answer the question."""
MAX_QUERY_CHARS = 600
EMBED_LIMIT_S = 0.15
"""A query's embedding is waited for so long; then words alone decide (the caller is waiting)."""
EMBED_BATCH = 32


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the logistic: score = 1 / (1 + exp(−(bias + coverage·c + evidence·e + meaning·m))).

    c: share of the question's information (idf) that the passage's words cover; e: log of the covered information;
    m: cosine of the embeddings.
    """

    bias: float
    coverage: float
    evidence: float
    meaning: float


WORDS_ONLY = Weights(-7.55, 5.9, 2.68, 0.0)
HYBRID = Weights(-7.49, 4.64, 2.08, 4.32)
AMONG_MANY = Weights(-8.5, 4.64, 2.08, 12.0)
"""Where a business has `MANY` passages: some word is always found, so meaning decides more (ADR 0082)."""
MANY = 500


class Knowledge:
    """An index; immutable once built, shared by all calls of a business. `engine.ports.Retriever`."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        embedder: Embedder | None,
        vectors: npt.NDArray[np.float32] | None,
        lexicon: Lexicon | None = None,
    ) -> None:
        """lexicon: the words of `pieces`, where they are counted already."""
        self.pieces = tuple(pieces)
        self._embedder = embedder
        self._vectors = vectors
        self._lexicon = lexicon or Lexicon.of(self.pieces)
        self._weights = HYBRID if len(self.pieces) < MANY else AMONG_MANY

    @classmethod
    async def build(cls, documents: Iterable[DocumentLike], embedder: Embedder | None = None) -> Knowledge:
        """Split, count and embed. An embedder that fails leaves an index by words (scores stay calibrated).

        Embedding takes tens of ms a passage: build when the business is set up, not when the telephone rings.
        """
        pieces = split_documents(documents)
        vectors: npt.NDArray[np.float32] | None = None
        if embedder is not None and pieces:
            rows: list[list[float]] = []
            try:
                for at in range(0, len(pieces), EMBED_BATCH):
                    rows.extend(await embedder.embed([meant(piece) for piece in pieces[at : at + EMBED_BATCH]]))
                vectors = np.asarray(rows, np.float32)
            except ProviderError:
                vectors = None
        return cls(pieces, embedder if vectors is not None else None, vectors)

    async def search(self, query: str, k: int = 4) -> tuple[Passage, ...]:
        """The `k` best passages, best first, with calibrated scores; fewer where nothing at all speaks for more.

        Never raises but CancelledError. Bounded: ≤ `EMBED_LIMIT_S` for the embedding, then a few ms on the loop.
        """
        query = query[:MAX_QUERY_CHARS]
        vector = await meaning_of(query, self._embedder)
        covered, total = self._lexicon.covered(query)
        evidence = np.log1p(covered)
        coverage = covered / total if total else covered
        if vector is None or self._vectors is None:
            z = WORDS_ONLY.bias + WORDS_ONLY.coverage * coverage + WORDS_ONLY.evidence * evidence
            found = np.flatnonzero(evidence)
        else:
            meaning = self._vectors @ vector
            w = self._weights
            z = w.bias + w.coverage * coverage + w.evidence * evidence + w.meaning * meaning
            found = np.flatnonzero((evidence > 0) | (meaning > 0.2))
        best = found[np.argsort(-z[found], kind="stable")][: max(k, 0)]
        passages: list[Passage] = []
        for index in (int(at) for at in best):
            piece = self.pieces[index]
            passages.append(Passage(piece.text, piece.source, piece.heading, round(logistic(float(z[index])), 4)))
        return tuple(passages)


def meant(piece: Piece) -> str:
    """What of a passage is embedded."""
    return f"{piece.heading}. {piece.text}"


async def meaning_of(query: str, embedder: Embedder | None) -> npt.NDArray[np.float32] | None:
    """A question's embedding, or None where there is no embedder, or it fails or takes longer than `EMBED_LIMIT_S`."""
    if embedder is None or not query.strip():
        return None
    try:
        async with asyncio.timeout(EMBED_LIMIT_S):
            rows = await embedder.embed([query])
    except (TimeoutError, ProviderError):
        return None
    return np.asarray(rows[0], np.float32)


def logistic(z: float) -> float:
    """0…1."""
    return 1 / (1 + math.exp(-max(min(z, 40.0), -40.0)))
