"""What the knowledge finds and refuses, and how fast: ``python -m benchmarks.knowledge_eval`` ``[--sql]``.

Questions and passages: `knowledge_corpus`. Every second question is the tuning half, the others are the test half: its
figures are the ones to quote (ADR 0082 says how the weights were set).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aivoice.knowledge.passages import Piece
from aivoice.knowledge.search import ANSWERABLE, Knowledge, meant
from aivoice.providers.ports import Embedder
from benchmarks.knowledge_corpus import BUSINESSES, distractors, own, questions


class MiniLm:
    """The model in this process, each text once."""

    name, dimensions = "minilm", 384

    def __init__(self) -> None:
        from aivoice.providers.embedded.minilm_model import MiniLmModel

        self._model, self._known = MiniLmModel(), dict[str, list[float]]()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if len(texts) == 1:  # a question: never from memory, its time counts
            return [self._model.embed(texts[0]).tolist()]
        for text in texts:
            if text not in self._known:
                self._known[text] = self._model.embed(text).tolist()
        return [self._known[text] for text in texts]


async def index(pieces: Sequence[Piece], embedder: Embedder | None) -> Knowledge:
    if embedder is None:
        return Knowledge(pieces, None, None)
    vectors = await embedder.embed([meant(piece) for piece in pieces])
    return Knowledge(pieces, embedder, np.asarray(vectors, np.float32))


async def asked(others: int, embedder: Embedder | None, *, every: int = 1) -> list[tuple[int, str, float, bool, bool]]:
    """(half, kind, best score, right among five, right first) of each question; kind "none": not answerable.

    every: take every so many-th question only.
    """
    found: list[tuple[int, str, float, bool, bool]] = []
    around = distractors(others)
    indexes = {business: await index([*own(business), *around], embedder) for business in BUSINESSES}
    sources = {business: {piece.source for piece in own(business)} for business in BUSINESSES}
    for at, (business, kind, question, wanted) in enumerate(questions()):
        if at % every:
            continue
        passages = await indexes[business].search(question, 5)
        right = [item.source in sources[business] and item.heading.rsplit(" > ", 1)[-1] in wanted for item in passages]
        best = passages[0].score if passages else 0.0
        found.append((at % 2, kind if wanted else "none", best, any(right), bool(right[:1] == [True])))
    return found


def told(title: str, rows: list[tuple[int, str, float, bool, bool]]) -> None:
    for half, name in ((0, "tuning"), (1, "test")):
        answerable = [row for row in rows if row[0] == half and row[1] != "none"]
        noisy = [row for row in answerable if row[1] != "plain"]
        refused = [row[2] < ANSWERABLE for row in rows if row[0] == half and row[1] == "none"]
        print(
            f"{title:34} {name:6} recall@5 {_share([row[3] for row in answerable])} (misheard and paraphrased "
            f"{_share([row[3] for row in noisy])}) first {_share([row[4] for row in answerable])}; refused: answerable "
            f"{_share([row[2] < ANSWERABLE for row in answerable])} unanswerable {_share(refused)}"
        )
    scores = sorted(row[2] for row in rows if row[0] == 0 and row[1] != "none")
    cut = scores[int(0.04 * len(scores))]
    lost, kept = ([row[2] < cut for row in rows if row[0] and (row[1] == "none") == none] for none in (False, True))
    print(
        f"{'':34} test half at the score that refuses 4 % of the tuning half's answerable ({cut:.3f}): refused: "
        f"answerable {_share(lost)} unanswerable {_share(kept)}"
    )


def held_out_figures(rows: list[tuple[int, str, float, bool, bool]]) -> dict[str, float]:
    """Percent, of the half that set no threshold."""
    answerable = [row for row in rows if row[0] == 1 and row[1] != "none"]
    none = [row for row in rows if row[0] == 1 and row[1] == "none"]

    def percent(values: list[bool]) -> float:
        return round(100 * sum(values) / max(len(values), 1), 1)

    return {
        "recall@5": percent([row[3] for row in answerable]),
        "answerable refused": percent([row[2] < ANSWERABLE for row in answerable]),
        "unanswerable refused": percent([row[2] < ANSWERABLE for row in none]),
    }


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values) / max(len(values), 1):.1%} of {len(values)}"


def many(count: int) -> tuple[list[Piece], np.ndarray]:
    """Passages with random unit vectors: for times, which do not depend on what is in a vector."""
    vectors = np.random.default_rng(1).normal(size=(count, 384)).astype(np.float32)
    return distractors(count), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


async def timed(embedder: Embedder, count: int = 10_000) -> None:
    pieces, vectors = many(count)
    began = time.perf_counter()
    knowledge = Knowledge(pieces, embedder, vectors)
    built = time.perf_counter() - began
    took: list[float] = []
    embedding: list[float] = []
    longest = " ".join(["I have been wondering whether somebody could tell me how the payment for it works"] * 4)
    for question in [*(row[2] for row in questions()), *[longest] * 20]:
        began = time.perf_counter()
        await knowledge.search(question, 16)
        took.append((time.perf_counter() - began) * 1_000)
        began = time.perf_counter()
        await embedder.embed([question])
        embedding.append((time.perf_counter() - began) * 1_000)
    print(f"in memory, {count} passages: p50 {_p(took, 50)} p95 {_p(took, 95)} ms a question, embedding included")
    print(f"  (embedding alone p50 {_p(embedding, 50)} p95 {_p(embedding, 95)} ms; counting words {built:.1f} s)")


async def by_sql(count: int = 10_000) -> None:
    """The same search by the database alone, and loading a version from it."""
    from datetime import UTC, datetime

    from tests.integration.store.running import derive, new_tenant

    from aivoice.knowledge.documents import load, vector_text
    from aivoice.knowledge.ingest import Prepared, publish
    from aivoice.knowledge.retriever import built
    from aivoice.knowledge.terms import query_terms
    from aivoice.store import Store, urls_for
    from aivoice.store.embedded import start
    from aivoice.store.migrate import migrate

    pieces, vectors = many(count)
    by_text = {meant(piece): vector.tolist() for piece, vector in zip(pieces, vectors, strict=True)}

    class Given:
        name, dimensions = "given", 384

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [by_text[text] for text in texts]

    sql = """
        WITH q AS (SELECT %(vector)s::vector AS v, %(words)s::tsquery AS w),
        p AS MATERIALIZED (
            SELECT passage_id, embedding <=> q.v AS far, ts_rank(words, q.w) AS rank FROM passages, q
            WHERE tenant_id = %(tenant_id)s AND since <= 1 AND (until IS NULL OR until > 1)),
        m AS (SELECT passage_id, row_number() OVER (ORDER BY far) AS n FROM p ORDER BY far LIMIT 50),
        t AS (SELECT passage_id, row_number() OVER (ORDER BY rank DESC) AS n FROM p WHERE rank > 0 LIMIT 50)
        SELECT passage_id, coalesce(1.0 / (60 + m.n), 0) + coalesce(1.0 / (60 + t.n), 0) AS score
        FROM m FULL JOIN t USING (passage_id) ORDER BY score DESC LIMIT 16
    """
    with tempfile.TemporaryDirectory() as folder, start(Path(folder) / "data") as running:
        await migrate(running.get_uri(), derive)
        async with Store(urls_for(running.get_uri(), derive)) as store:
            await new_tenant(store, "alpha")
            began = time.perf_counter()
            item = Prepared("all", "all", 1, "1", tuple(pieces))
            await publish(store, Given(), "alpha", [item], origin="upload", now=datetime.now(UTC))
            print(f"database: {count} passages written in {time.perf_counter() - began:.1f} s (vectors given)")
            took: list[float] = []
            for at, row in enumerate(questions()):
                words = " | ".join(f"'{term}'" for term in query_terms(row[2]) if "'" not in term) or "'none'"
                began = time.perf_counter()
                async with store.tenant("alpha") as scope:
                    await scope.all(sql, {"vector": vector_text(vectors[at]), "words": words})
                took.append((time.perf_counter() - began) * 1_000)
            print(f"database: p50 {_p(took, 50)} p95 {_p(took, 95)} ms a question, embedding NOT included")
            began = time.perf_counter()
            async with store.tenant("alpha") as scope:
                loaded = await load(scope, 1)
            read = time.perf_counter() - began
            built(loaded, Given())
            making = time.perf_counter() - began - read
            print(f"database: a version read in {read:.2f} s, its index made in {making:.2f} s")


def _p(values: Sequence[float], share: int) -> str:
    return f"{np.percentile(values, share):.1f}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sql", action="store_true", help="measure the database too")
    parser.add_argument("--others", type=int, default=2_000, help="distractor passages")
    options = parser.parse_args()
    embedder = MiniLm()
    told("own documents", await asked(0, embedder))
    told(f"among {options.others} others", await asked(options.others, embedder))
    told(f"among {options.others} others, words only", await asked(options.others, None))
    await timed(embedder)
    if options.sql:
        await by_sql()


if __name__ == "__main__":
    asyncio.run(main())
