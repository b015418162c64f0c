"""Cutting: never past 280 characters, never inside a tag, nothing lost, at the best place there is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice_chatterbox.cutting import FIRST, LIMIT, TAG, TAGS, cut, has_sound, is_clean
from aivoice_chatterbox.stand_in import StandInModel

words = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=14),
    st.sampled_from(["well,", "open.", "Dr.", "a.m.", "so;", "yes!", "—", "(really)", "x" * 300, "x" * 279]),
    st.sampled_from([f"[{tag}]" for tag in TAGS]),
    st.sampled_from([f"word[{tag}]." for tag in TAGS]),
    st.builds(lambda head, tag: "y" * head + f"[{tag}]", st.integers(250, 285), st.sampled_from(TAGS)),
)
texts = st.lists(st.tuples(words, st.sampled_from([" ", "  ", "\n", ""])), max_size=90).map(
    lambda parts: "".join(word + space for word, space in parts)
)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(text=texts)
def test_pieces_are_short_and_nothing_is_lost(text: str) -> None:
    pieces = cut(text)
    assert all(0 < len(piece.text) <= LIMIT for piece in pieces)
    assert all(piece.text == " ".join(piece.text.split()) for piece in pieces)
    assert squeezed("".join(piece.text for piece in pieces)) == squeezed(text)


@given(text=texts)
def test_tags_are_never_split(text: str) -> None:
    tags = TAG.findall(" ".join(text.split()))
    assert [tag for piece in cut(text) for tag in TAG.findall(piece.text)] == tags


@given(text=texts)
def test_word_numbers_are_those_of_the_text(text: str) -> None:
    source = text.split()
    for piece in cut(text):
        assert piece.words == len(piece.text.split())
        for number, word in enumerate(piece.text.split(), start=piece.word):
            assert word in source[number]


@pytest.mark.parametrize("ends", [". ", "! ", "? ", "… ", '." '])
def test_a_sentences_end_is_best(ends: str) -> None:
    first = "Our practice is closed on the first Monday of each month, all day long, for training" + ends.strip()
    rest = "You may still leave a message, and " * 10
    assert cut(f"{first} {rest}")[0].text == first


def test_then_a_clauses_end_then_a_space() -> None:
    by_clause = cut("and then again " * 15 + "at noon, " + "and so on " * 20, first=LIMIT)
    assert by_clause[0].text.endswith("at noon,")
    assert all(not piece.text.endswith((".", ",")) for piece in cut("words without an end " * 30))
    assert cut("See Dr. " + "Brownfield " * 40, first=LIMIT)[0].text.endswith("Brownfield")


def test_the_first_piece_is_short_where_the_voice_pauses() -> None:
    text = (
        "Good morning, this is Northside Dental, my name is Sam. "
        + "How may I help you today, please, if I may ask? " * 3
    )
    assert cut(text)[0].text == "Good morning, this is Northside Dental, my name is Sam."
    assert len(cut("a " * 130)) == 1, "no pause, no cut"
    assert cut("Yes. We are open.")[0].text == "Yes. We are open.", f"all of it is under {FIRST}"


def test_what_cannot_be_said_is_recognised() -> None:
    assert is_clean("Fine,\tall\r\nright…")
    assert not any(is_clean(text) for text in ("a\x00b", "\x1b[2J", "\ud800", "a\x85", "\u2028"))
    assert has_sound("[laugh]") and has_sound("é") and has_sound("7")
    assert not any(has_sound(text) for text in ("", " ", "—", "…!?", "_"))


def test_the_stand_in_garbles_what_is_not_cut() -> None:
    model = StandInModel(rtf=0, stretch_s=0)
    long = "We are open on Saturdays until noon, and by appointment. " * 8
    hertz = [model.begin(text, 150.0).hertz for text in (long, *(piece.text for piece in cut(long)))]
    assert hertz[0] == 40.0
    assert set(hertz[1:]) == {150.0}
