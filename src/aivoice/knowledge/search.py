"""Retrieval over one business's knowledge: words and, where an embedder is given, meaning; scores that can be trusted.

`Knowledge.build(documents, embedder)`, then ``await knowledge.search(query, k)``. In memory; a business has tens to
thousands of passages, for which exact search is fastest. A score is the estimated probability that the passage answers the
question (logistic, fitted on the questions of tests/unit/knowledge): `ANSWERABLE` separates what can be answered.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aivoice.core.prompt import Passage
from aivoice.errors import ProviderError
from aivoice.knowledge.passages import DocumentLike, Piece, split_documents
from aivoice.knowledge.terms import SYNONYMS, likeness, query_terms, terms
from aivoice.providers.ports import Embedder

ANSWERABLE = 0.5
"""A best passage below this means: the business's documents do not answer the question."""
MAX_QUERY_CHARS = 600
EMBED_LIMIT_S = 0.15
"""A query's embedding is waited for so long; then words alone decide (the caller is waiting)."""
EMBED_BATCH = 32

_HEADING, _BODY, _SYNONYM, _ALIKE = 1.0, 0.8, 0.72, 0.75
_MIN_LIKENESS = 0.6


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


WORDS_ONLY = Weights(-4.2, 4.6, 1.1, 0.0)
HYBRID = Weights(-6.2, 3.4, 0.8, 6.5)


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for one passage."""

    coverage: float
    evidence: float
    meaning: float = 0.0


class Knowledge:
    """An index; immutable once built, shared by all calls of a business. `engine.ports.Retriever`."""

    def __init__(
        self, pieces: Sequence[Piece], embedder: Embedder | None, vectors: npt.NDArray[np.float32] | None
    ) -> None:
        self.pieces = tuple(pieces)
        self._embedder = embedder
        self._vectors = vectors
        self._headings = [Counter(terms(piece.heading)) for piece in self.pieces]
        self._bodies = [Counter(terms(piece.text)) for piece in self.pieces]
        documents: Counter[str] = Counter()
        for heading, body in zip(self._headings, self._bodies, strict=True):
            documents.update(set(heading) | set(body))
        self._count = max(len(self.pieces), 1)
        self._documents = documents

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
                    batch = [f"{piece.heading}. {piece.text}" for piece in pieces[at : at + EMBED_BATCH]]
                    rows.extend(await embedder.embed(batch))
                vectors = np.asarray(rows, np.float32)
            except ProviderError:
                vectors = None
        return cls(pieces, embedder if vectors is not None else None, vectors)

    async def search(self, query: str, k: int = 4) -> tuple[Passage, ...]:
        """The `k` best passages, best first, with calibrated scores; fewer where nothing at all speaks for more.

        Never raises but CancelledError. Bounded: ≤ `EMBED_LIMIT_S` for the embedding, then ~1 ms a thousand passages.
        """
        query = query[:MAX_QUERY_CHARS]
        meaning = await self._meaning(query)
        weights = WORDS_ONLY if meaning is None else HYBRID
        scored: list[tuple[float, int]] = []
        for index, signals in enumerate(self.signals(query, meaning)):
            if signals.evidence or signals.meaning > 0.2:
                scored.append((score(signals, weights), index))
        scored.sort(key=lambda item: (-item[0], item[1]))
        return tuple(
            Passage(self.pieces[index].text, self.pieces[index].source, self.pieces[index].heading, round(value, 4))
            for value, index in scored[: max(k, 0)]
        )

    def signals(self, query: str, meaning: npt.NDArray[np.float32] | None = None) -> list[Signals]:
        """What speaks for each passage, in index order. meaning: cosine of each passage with the query."""
        wanted = query_terms(query)
        weights = {term: self._information(term) for term in wanted}
        total = sum(weights.values())
        near = {term: self._near(term) for term in wanted}
        result: list[Signals] = []
        for index in range(len(self.pieces)):
            covered = sum(weights[term] * self._strength(term, near[term], index) for term in wanted)
            cosine = float(meaning[index]) if meaning is not None else 0.0
            result.append(Signals(covered / total if total else 0.0, math.log1p(covered), cosine))
        return result

    def _information(self, term: str) -> float:
        """BM25's idf; a word that the business never uses weighs as much as one it uses once."""
        seen = self._documents.get(term, 0)
        return math.log(1 + (self._count - seen + 0.5) / (seen + 0.5)) if seen else math.log(1 + self._count / 1.5)

    def _near(self, term: str) -> dict[str, float]:
        """Words of the business that may stand for `term`: synonyms, and, for a word it never uses, words that sound alike."""
        found = {other: _SYNONYM for other in SYNONYMS.get(term, ()) if other in self._documents}
        if term not in self._documents:
            for other in self._documents:
                alike = likeness(term, other)
                if alike >= _MIN_LIKENESS:
                    found[other] = max(found.get(other, 0.0), _ALIKE * alike)
        return found

    def _strength(self, term: str, near: dict[str, float], index: int) -> float:
        heading, body = self._headings[index], self._bodies[index]
        best = _HEADING if term in heading else _BODY if term in body else 0.0
        for other, value in near.items():
            if value > best and (other in heading or other in body):
                best = max(best, value if other in heading else value * _BODY)
        return best

    async def _meaning(self, query: str) -> npt.NDArray[np.float32] | None:
        if self._embedder is None or self._vectors is None or not query.strip():
            return None
        try:
            async with asyncio.timeout(EMBED_LIMIT_S):
                rows = await self._embedder.embed([query])
        except (TimeoutError, ProviderError):
            return None
        return self._vectors @ np.asarray(rows[0], np.float32)


def score(signals: Signals, weights: Weights) -> float:
    """The estimated probability that a passage answers, 0…1."""
    z = (
        weights.bias
        + weights.coverage * signals.coverage
        + weights.evidence * signals.evidence
        + weights.meaning * signals.meaning
    )
    return 1 / (1 + math.exp(-max(min(z, 40.0), -40.0)))
