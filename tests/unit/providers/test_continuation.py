"""The seam between two models: nothing said twice, nothing lost, words kept apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.providers.continuation import Joiner


def joined(begun: str, pieces: list[str]) -> str:
    joiner = Joiner(begun)
    return begun + "".join(joiner.push(piece) for piece in pieces) + joiner.rest()


@pytest.mark.parametrize(
    ("begun", "pieces", "whole"),
    [
        ("", ["Yes, ", "we are."], "Yes, we are."),
        ("We are open", [" until", " noon."], "We are open until noon."),
        ("We are open", ["until noon."], "We are open until noon."),
        ("We are open", ["open until noon."], "We are open until noon."),
        ("We are open", ["are", " open", " until noon."], "We are open until noon."),
        ("We are open ", ["We are open until noon."], "We are open until noon."),
        ("We are open", ["op", "en until noon."], "We are open until noon."),
        ("We are open", ["open"], "We are open"),
        ("We are open", [", yes."], "We are open, yes."),
        ("We are open", ["operating."], "We are open operating."),
        ("a a a", ["a b"], "a a a b"),
        ("We are open", [""], "We are open"),
    ],
)
def test_seams(begun: str, pieces: list[str], whole: str) -> None:
    assert joined(begun, pieces) == whole


@given(st.lists(st.sampled_from(["we", "are", "open", "until", "noon"]), max_size=20), st.data())
def test_a_model_that_repeats_the_end_adds_only_what_is_new(words: list[str], data: st.DataObject) -> None:
    """Whatever the pieces: the words begun, then the rest; of a repetition nothing is left."""
    cut = data.draw(st.integers(0, len(words)))
    again = data.draw(st.integers(0, min(cut, 3)))
    begun, rest = " ".join(words[:cut]), " ".join(["new", *words[cut:]])
    text = " ".join([*words[cut - again : cut], rest])
    step = data.draw(st.integers(1, 9))
    whole = joined(begun, [text[at : at + step] for at in range(0, len(text), step)])
    assert whole.split()[:cut] == words[:cut]
    assert whole.split()[-len(rest.split()) :] == rest.split()
    assert len(whole.split()) <= cut + len(rest.split())


def test_nothing_is_withheld_once_the_first_word_differs() -> None:
    joiner = Joiner("We are open")
    assert joiner.push("until ") == " until "
    assert joiner.push("noon") == "noon"
