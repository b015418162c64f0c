"""What recognition is told to listen for, as it stands within a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.business.key_terms import key_terms, within_sentence
from aivoice.business.load import load_business
from aivoice.providers.embedded.key_terms import KeyTerms

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("Cleaning", "cleaning"),
        ("Root canal", "root canal"),
        ("Camera inspection of a drain", "camera inspection of a drain"),
        ("PEX pipe", "PEX pipe"),
        ("Delta Dental plan", "Delta Dental plan"),
        ("Invisalign", "Invisalign"),
        ("X-ray", "X-ray"),
        ("iPhone repair", "iPhone repair"),
    ],
)
def test_only_names_keep_their_capital(item: str, said: str) -> None:
    assert within_sentence(item, frozenset({"Invisalign"})) == said


@pytest.mark.parametrize("name", ["northside-dental", "harbour-plumbing"])
def test_a_price_is_asked_for_in_lower_case(name: str) -> None:
    business = load_business(EXAMPLES / name / "business.yaml")
    terms = key_terms(business)
    assert business.name in terms
    assert set(business.lexicon) <= set(terms)
    correct = KeyTerms(terms).correct
    for price in business.prices:
        question = f"How much is the {price.item.lower()}?"
        assert correct(question) == question


def test_a_misheard_price_is_put_right_without_a_capital() -> None:
    terms = key_terms(load_business(EXAMPLES / "northside-dental" / "business.yaml"))
    assert KeyTerms(terms).correct("How much is cleening?") == "How much is cleaning?"
