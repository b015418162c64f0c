"""Retrieval over one business's knowledge: words and, where an embedder is given, meaning; scores that can be trusted.

`Knowledge.build(documents, embedder)`, then ``await knowledge.search(query, k)``. In memory; a business has tens to
thousands of passages, for which exact search is fastest. A score is the estimated probability that the passage
answers the
question (L2-regularised logistic regression on the dental questions of tests/unit/knowledge, checked on the plumber's):
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
from aivoice.knowledge.passages import DocumentLike, Piece, split_documents
from aivoice.knowledge.terms import SYNONYMS, joined, likeness, query_terms, sound, terms
from aivoice.providers.ports import Embedder

ANSWERABLE = 0.5
"""A best passage below this means: the business's documents do not answer the question."""
MAX_QUERY_CHARS = 600
EMBED_LIMIT_S = 0.15
"""A query's embedding is waited for so long; then words alone decide (the caller is waiting)."""
EMBED_BATCH = 32

_HEADING, _BODY, _SYNONYM, _ALIKE = 1.0, 0.8, 0.72, 0.9
_MIN_LIKENESS = 0.6
_RAREST = 3.27
"""The information of an unknown word among the passages that the weights were fitted on."""


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
        self._postings: dict[str, dict[int, float]] = {}
        for index, piece in enumerate(self.pieces):
            for strength, text in ((_BODY, piece.text), (_HEADING, piece.heading)):
                for term in terms(text):
                    self._postings.setdefault(term, {})[index] = strength
        self._by_letter: dict[str, list[str]] = {}
        self._by_sound: dict[str, list[str]] = {}
        for term in self._postings:
            self._by_letter.setdefault(term[0], []).append(term)
            self._by_sound.setdefault(sound(term), []).append(term)

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

        Never raises but CancelledError. Bounded: ≤ `EMBED_LIMIT_S` for the embedding, then ~2 ms a thousand passages
        on the loop.
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
        wanted = {term: self._information(term) for term in self._mended(query)}
        total = sum(wanted.values())
        covered: dict[int, float] = {}
        for term, information in wanted.items():
            best = dict(self._postings.get(term, {}))
            for other, value in self._near(term).items():
                for index, strength in self._postings[other].items():
                    best[index] = max(best.get(index, 0.0), value * strength)
            for index, strength in best.items():
                covered[index] = covered.get(index, 0.0) + information * strength
        return [
            Signals(
                covered.get(index, 0.0) / total if total else 0.0,
                math.log1p(covered.get(index, 0.0)),
                float(meaning[index]) if meaning is not None else 0.0,
            )
            for index in range(len(self.pieces))
        ]

    def _mended(self, query: str) -> tuple[str, ...]:
        """The question's terms, with two words that are one word of the business put together."""
        wanted = list(query_terms(query))
        for one, two, both in joined(query):
            known = one in self._postings and two in self._postings
            if not known and len(both) >= 6 and (match := self._same(both)):
                wanted = [*(term for term in wanted if term not in (one, two)), match]
        return tuple(dict.fromkeys(wanted))

    def _same(self, term: str) -> str:
        """The word of the business that is `term` or sounds just like it, or ""."""
        if term in self._postings:
            return term
        return max((other for other in self._by_sound.get(sound(term), ()) if likeness(term, other) >= 0.9), default="")

    def _information(self, term: str) -> float:
        """BM25's idf, scaled so that a word which the business never uses weighs `_RAREST` whatever its size; one that
        it uses once weighs nearly as much."""
        count, seen = max(len(self.pieces), 1), len(self._postings.get(term, ()))
        rarest = math.log(1 + count / 1.5)
        return _RAREST * (math.log(1 + (count - seen + 0.5) / (seen + 0.5)) / rarest if seen else 1.0)

    def _near(self, term: str) -> dict[str, float]:
        """Words of the business that may stand for `term`: synonyms, and, for a word that it never uses, words that
        sound alike or begin alike and share most letter pairs."""
        found = {other: _SYNONYM for other in SYNONYMS.get(term, ()) if other in self._postings}
        if term in self._postings or not term:
            return found
        for other in (*self._by_sound.get(sound(term), ()), *self._by_letter.get(term[0], ())):
            alike = likeness(term, other)
            if alike >= _MIN_LIKENESS:
                found[other] = max(found.get(other, 0.0), _ALIKE * alike)
        return found

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
