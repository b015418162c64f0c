"""Figures of retrieval on the question sets. ``python -m tests.unit.knowledge.evaluation`` prints them, with and
without
the real embedder, and fits the logistic weights on the dental set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.unit.knowledge.questions import Question

from aivoice.business.load import load_business
from aivoice.knowledge.search import ANSWERABLE, Knowledge
from aivoice.providers.ports import Embedder

EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares, 0…1. first: the right passage is the best; top3: among three; answered: right first and above the
    threshold.

    refused: unanswerable questions below the threshold. wrong: answerable ones where a wrong passage passes it.
    """

    first: float
    top3: float
    answered: float
    refused: float
    wrong: float
    misses: tuple[str, ...]


async def knowledge(name: str, embedder: Embedder | None = None) -> Knowledge:
    """The index of an example business."""
    business = load_business(EXAMPLES / name / "business.yaml")
    return await Knowledge.build((*business.documents, *business.facts()), embedder)


async def evaluate(index: Knowledge, questions: Sequence[Question]) -> Figures:
    """Ask every question."""
    first = top3 = answered = wrong = asked = refused = 0
    misses: list[str] = []
    for query, wanted in questions:
        found = await index.search(query, 3)
        best = found[0].score if found else 0.0
        headings = [passage.heading.rsplit(" > ", 1)[-1] for passage in found]
        if wanted is None:
            refused += best < ANSWERABLE
            if best >= ANSWERABLE:
                misses.append(f"should refuse {best:.2f}: {query} -> {headings[0]}")
            continue
        asked += 1
        right = bool(headings) and headings[0] in wanted.split("|")
        first += right
        top3 += any(heading in wanted.split("|") for heading in headings)
        answered += right and best >= ANSWERABLE
        wrong += not right and best >= ANSWERABLE
        if not right or best < ANSWERABLE:
            misses.append(f"{best:.2f}: {query} -> {headings} (wanted {wanted})")
    unanswerable = len(questions) - asked
    return Figures(
        first / max(asked, 1), top3 / max(asked, 1), answered / max(asked, 1), refused / max(unanswerable, 1),
        wrong / max(asked, 1), tuple(misses),
    )  # fmt: skip


async def main() -> None:
    from tests.unit.knowledge import questions as q
    from tests.unit.knowledge import unseen

    from aivoice.providers.embedded.minilm_model import MiniLmModel

    class Local:
        name, dimensions = "minilm", 384

        def __init__(self) -> None:
            self._model = MiniLmModel()

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [self._model.embed(text).tolist() for text in texts]

    for embedder in (None, Local()):
        dental = await knowledge("northside-dental", embedder)
        plumbing = await knowledge("harbour-plumbing", embedder)
        salon = await Knowledge.build(unseen.DOCUMENTS, embedder)
        for name, index, questions in (
            ("dental", dental, q.DENTAL), ("dental misheard", dental, q.DENTAL_MISHEARD),
            ("plumbing", plumbing, q.PLUMBING), ("plumbing misheard", plumbing, q.PLUMBING_MISHEARD),
            ("unseen salon", salon, unseen.QUESTIONS),
        ):  # fmt: skip
            figures = await evaluate(index, questions)
            kind = "hybrid" if embedder else "words"
            print(  # noqa: T201
                f"{kind:7}{name:18} first {figures.first:.0%} top3 {figures.top3:.0%} answered {figures.answered:.0%} "
                f"wrong {figures.wrong:.0%} refused {figures.refused:.0%}"
            )
            for miss in figures.misses:
                print("    ", miss)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
