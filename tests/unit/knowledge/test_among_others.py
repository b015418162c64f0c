"""A fixed sample of ``python -m benchmarks.knowledge_eval``: floors a little below what was measured (ADR 0082)."""

from __future__ import annotations

import asyncio

import pytest
from benchmarks.knowledge_corpus import distractors, questions
from benchmarks.knowledge_eval import MiniLm, asked

from aivoice.core.prompt import Passage
from aivoice.knowledge.passages import tokens
from aivoice.knowledge.retriever import packed
from aivoice.knowledge.search import ANSWERABLE


def test_the_evaluation_set_is_as_large_as_asked_for() -> None:
    rows = questions()
    answerable = [row for row in rows if row[3]]
    assert len(answerable) >= 100
    assert sum(row[1] != "plain" for row in answerable) * 2 >= len(answerable)
    assert len(rows) - len(answerable) >= 40
    assert len({piece.text for piece in distractors(2_000)}) == 2_000
    assert distractors(50) == distractors(50)


def test_by_words_alone_among_others() -> None:
    rows = asyncio.run(asked(600, None, every=3))
    answerable = [row for row in rows if row[1] != "none"]
    assert sum(row[3] for row in answerable) / len(answerable) >= 0.70
    assert sum(row[2] < ANSWERABLE for row in rows if row[1] == "none") / (len(rows) - len(answerable)) >= 0.85


@pytest.mark.models
def test_with_meaning_among_others() -> None:
    rows = asyncio.run(asked(500, MiniLm(), every=3))
    answerable = [row for row in rows if row[1] != "none"]
    assert sum(row[3] for row in answerable) / len(answerable) >= 0.85
    assert sum(row[2] < ANSWERABLE for row in rows if row[1] == "none") / (len(rows) - len(answerable)) >= 0.60


def test_passages_are_packed_best_first_into_the_budget() -> None:
    long, short = Passage("word " * 300, "a", "", 0.9), Passage("A few words.", "a", "", 0.8)
    far = Passage("Far away.", "a", "", 0.001)
    assert packed([long, long, short, far], tokens(long.text) + 60) == (long, short)
    assert packed([long], 1) == (long,)
    assert packed([], 10) == ()
