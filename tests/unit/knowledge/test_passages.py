"""Documents are cut at headings, and nothing of them is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.business.model import Document
from aivoice.knowledge.passages import MAX_CHARS, split_documents


def test_one_passage_a_heading_with_the_path_above_it() -> None:
    text = "Before.\n\n# One\n\nFirst **bold** [link](http://x.example).\n\n## Two\n\n- a\n- b\n\n# Three\n\n"
    text += "```\n# no heading\n```\n"
    pieces = split_documents([Document("d.md", "Title", text)])
    assert [(piece.heading, piece.text) for piece in pieces] == [
        ("Title", "Before."),
        ("One", "First bold link."),
        ("One > Two", "a b"),
        ("Three", "# no heading"),
    ]


def test_long_text_is_cut_at_sentences() -> None:
    sentence = "This is a sentence of a certain length that says nothing. "
    pieces = split_documents([Document("d", "T", sentence * 60)])
    assert len(pieces) > 3
    assert all(len(piece.text) <= MAX_CHARS and piece.text.endswith(".") for piece in pieces)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=3_000))
@settings(max_examples=150, deadline=None)
def test_any_text_is_cut_small_and_keeps_its_letters(text: str) -> None:
    pieces = split_documents([Document("d", "", text)])
    assert all(0 < len(piece.text) <= MAX_CHARS for piece in pieces)
    letters = [word for word in text.split() if word.isalpha()]
    kept = {word for piece in pieces for word in (piece.text + " " + piece.heading).split()}
    assert all(word in kept for word in letters if len(word) < MAX_CHARS or word in kept)
