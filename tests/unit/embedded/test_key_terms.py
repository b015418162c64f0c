"""Names are put right, ordinary words are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.providers.embedded.key_terms import KeyTerms

TERMS = KeyTerms(
    [
        "Brightwater Dental",
        "Dr. Patel",
        "Dr. Okafor",
        "hygienist",
        "crown",
        "Invisalign",
        "Nwando",
        "root canal",
        "Mill Lane",
    ]
)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("Is this bright water dental?", "Is this Brightwater Dental?"),
        ("Can Dr. Padel do a crown?", "Can Dr Patel do a crown?"),
        ("Is Doctor Pattel in?", "Is Dr Patel in?"),
        ("Can I see Dr. Acha for please?", "Can I see Dr Okafor please?"),
        ("with the hygieneist", "with the hygienist"),
        ("is Okofor in today.", "is Okafor in today."),
        ("Invisaligne, please", "Invisalign, please"),
    ],
)
def test_what_sounds_like_a_name_is_that_name(heard: str, meant: str) -> None:
    assert TERMS.correct(heard) == meant


@pytest.mark.parametrize(
    "text",
    [
        "The corn is green and the clown is brown.",
        "I have a tooth ache, can all of you help?",
        "My bright idea: water the plants, dental floss.",
        "Do you have a doctor for my mother?",
        "",
        "Dr. Patel, please.",
        "a root canal",
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    assert TERMS.correct(text) == text


@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=5))
def test_any_text_and_any_terms_are_survived_and_a_second_time_changes_nothing(text: str, terms: list[str]) -> None:
    once = KeyTerms(terms).correct(text)
    assert len(once) <= len(text) + sum(len(term) for term in terms) * (len(text) + 1)


def test_no_terms_no_changes() -> None:
    assert KeyTerms(()).correct("Hello, there.") == "Hello, there."


SOLD = KeyTerms(["Northside Dental", "cleaning", "check-up", "night guard", "Deep cleaning", "Teeth whitening", "PEX"])


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("How much is cleening?", "How much is cleaning?"),
        ("How much is a deep cleening?", "How much is a deep cleaning?"),
        ("Cleening, please.", "Cleaning, please."),
        ("I need a nightguard", "I need a night guard"),
        ("what does teethe whitening cost", "what does teeth whitening cost"),
        ("North side Dental?", "Northside Dental?"),
    ],
)
def test_what_is_sold_keeps_the_case_it_was_heard_in(heard: str, meant: str) -> None:
    assert SOLD.correct(heard) == meant
