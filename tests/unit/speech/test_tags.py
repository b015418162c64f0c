"""Tags pass through normalisation as they are, and are left out for voices that would read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.speech.normalise import normalise
from aivoice.speech.settled import unsettled
from aivoice.speech.tags import TAG, TAGS, without_tags


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("That is funny [laugh] really.", "That is funny [laugh] really."),
        ("[sigh] Okay, 5 pm.", "[sigh] Okay, five pm."),
        ("Well [clear throat] hello.", "Well [clear throat] hello."),
        ("Well [Clear Throat], hello.", "Well [clear throat], hello."),
        ("Good.[laugh]", "Good."),
        ("Good [laugh].", "Good [laugh]."),
        ("[whatever] yes", "whatever yes"),
        ("[clear] yes", "clear yes"),
    ],
)
def test_tags_pass_through(written: str, spoken: str) -> None:
    said = normalise(written).text
    assert said.replace("P M", "pm").replace("p m", "pm") == spoken or said == spoken


@given(before=st.sampled_from(["", "We are ", "Call 555 "]), tag=st.sampled_from(TAGS), after=st.text(max_size=12))
def test_the_word_map_stays_total(before: str, tag: str, after: str) -> None:
    text = f"{before}[{tag}] {after}"
    spoken = normalise(text)
    assert len(spoken.word_map) == len(spoken.text.split())
    assert len(spoken.words) == len(text.split())
    assert TAG.findall(spoken.text)[:1] == [f"[{tag}]"]


def test_a_tag_of_two_words_waits_for_its_end() -> None:
    assert unsettled("Well [clear ", {}) == 1
    assert unsettled("Well [clear throat] ", {}) == 0


def test_without_tags() -> None:
    assert without_tags("Oh [laugh], well [clear  throat] yes.") == "Oh, well yes."
    assert without_tags("[other] yes") == "[other] yes"
