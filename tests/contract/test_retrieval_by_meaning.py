"""Retrieval with the embedded MiniLM: answered, refused and wrong on businesses it was and was not fitted on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.knowledge import questions as q
from tests.unit.knowledge import unseen
from tests.unit.knowledge.evaluation import evaluate, knowledge

from aivoice.knowledge.search import Knowledge

pytestmark = pytest.mark.models


class MiniLm:
    """The model in this process."""

    name, dimensions = "minilm", 384

    def __init__(self) -> None:
        from aivoice.providers.embedded.minilm_model import MiniLmModel

        self._model = MiniLmModel()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._model.embed(text).tolist() for text in texts]


def test_answers_what_is_there_and_refuses_the_rest() -> None:
    async def run() -> None:
        embedder = MiniLm()
        fitted = await evaluate(await knowledge("northside-dental", embedder), q.DENTAL)
        held_out = await evaluate(await knowledge("harbour-plumbing", embedder), q.PLUMBING)
        never_seen = await evaluate(await Knowledge.build(unseen.DOCUMENTS, embedder), unseen.QUESTIONS)
        for figures, answered in ((fitted, 0.94), (held_out, 0.94), (never_seen, 0.88)):
            assert figures.answered >= answered, figures
            assert figures.refused >= 0.95, figures
            assert figures.wrong <= 0.04, figures

    asyncio.run(run())
