"""Words of a business that recognition should favour, each in the case it has within a sentence. Pure."""

from __future__ import annotations

from aivoice.business.model import Business

MOST_KEY_TERMS = 40


def key_terms(business: Business) -> tuple[str, ...]:
    """The name, what is sold, whom callers ask for, the lexicon; in the file's order, at most `MOST_KEY_TERMS`.

    A price list begins its lines with a capital that a sentence would not have: "Cleaning" becomes "cleaning". A word
    of the lexicon ("Invisalign") or one with capitals of its own ("PEX", "X-rays") keeps them.
    """
    names = frozenset(word for entry in business.lexicon for word in entry.split())
    sold = (within_sentence(price.item, names) for price in business.prices)
    terms = [business.name, *sold, *(item.name for item in business.transfers), *business.lexicon]
    return tuple(dict.fromkeys(terms))[:MOST_KEY_TERMS]


def within_sentence(item: str, names: frozenset[str] = frozenset()) -> str:
    """`item` without the capital that only its place at the start of a line gives it. names: words that are proper
    names."""
    first, _, rest = item.strip().partition(" ")
    proper = first in names or any(letter.isupper() or letter.isdigit() for letter in first[1:])
    if proper or len(first.split("-")[0]) == 1 or any(word[:1].isupper() for word in rest.split()):
        return item.strip()
    return f"{first[:1].lower()}{first[1:]} {rest}".strip()
