"""No card survives, nothing else is touched, and lengths and classes stay."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.security.redact import KINDS, NUMBER_WORDS, luhn, redact

CARD = "4111111111111111"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def with_check(digits: str) -> str:
    return next(digits + last for last in "0123456789" if luhn(digits + last))


def test_luhn() -> None:
    assert luhn(CARD)
    assert luhn("378282246310005")
    assert not luhn("4111111111111112")


@pytest.mark.parametrize(
    "text",
    [
        "My card is 4111 1111 1111 1111, thanks.",
        "4111-1111-1111-1111",
        "It's 4111.1111.1111.1111 and it expires in May",
        "378282246310005",
        "four one one one, one one one one, one one one one, one one one one",
        "Four one one one one one one one and then one one one one one one one one.",
        "forty-one eleven eleven eleven eleven eleven eleven eleven",
        "four triple one, double one double one, one one one one, um, 1 1 1 1",
        '{"card":"4111111111111111"}',
        "x4111111111111111y",
        "00004111111111111111",
    ],
)
def test_cards_go_however_they_are_said(text: str) -> None:
    kept = redact(text)
    assert kept != text
    assert len(kept) == len(text)
    assert redact(kept) == kept
    assert not cards(kept)


@pytest.mark.parametrize(
    "text",
    [
        "Call me at (212) 555-0147 or +1 212 555 0148.",
        "We open at 8:00 and close at 17:30, Monday to Friday, since 1998.",
        "It's $120 for the first hour and 95 after that.",
        "One of them is for two people at four thirty.",
        "The reference is AB-1234-5678.",
        "4111 1111 1111",
        "",
        "No numbers at all",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redact(text) == text


def test_security_codes_and_social_security_numbers() -> None:
    assert redact("the cvv is 123") == "the cvv is 111"
    assert redact("Security code: 1234.") == "Security code: 1111."
    assert redact("the security code is four two seven") == "the security code is nine nine nine"
    assert redact("123-45-6789") == "111-11-1111"
    assert redact("my social is 123456789") == "my social is 111111111"
    assert redact("my social is 123456789", kinds=("card",)) == "my social is 123456789"


def cards(text: str) -> list[str]:
    """Found in another way than the code's: all digits of stretches with nothing but spaces and punctuation between."""
    plain = text.lower()
    for digit, word in enumerate(WORDS):
        plain = re.sub(rf"\b{word}\b", str(digit), plain)
    found: list[str] = []
    for stretch in re.findall(r"[0-9](?:[\s,.\-]*[0-9])*", plain):
        digits = re.sub(r"[^0-9]", "", stretch)
        for size in range(13, 20):
            found += [digits[at : at + size] for at in range(len(digits) - size + 1) if luhn(digits[at : at + size])]
    return found


def shape(text: str) -> list[str]:
    """What follows what, whatever the length of a word."""
    return re.sub("[0-9]", "9", re.sub("[A-Za-z]+", "x", text)).split(" ")


SEPARATORS = st.sampled_from(["", " ", "-", ", ", " - ", ". "])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.text("0123456789", min_size=12, max_size=18), st.sampled_from(["figures", "words", "mixed"]))
def test_no_card_survives_and_the_form_stays(data: st.DataObject, digits: str, how: str) -> None:
    card = with_check(digits)
    parts: list[str] = []
    for digit in card:
        word = how == "words" or (how == "mixed" and data.draw(st.booleans()))
        parts.append(WORDS[int(digit)] if word else digit)
        parts.append(" " if word else data.draw(SEPARATORS))
    before, after = (
        data.draw(st.sampled_from(["", "My number is ", "Yes: ", "0 "])),
        data.draw(st.sampled_from(["", " thanks", " 7", "."])),
    )
    text = before + re.sub(r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])", " ", "".join(parts)).strip() + after
    kept = redact(text)
    assert not cards(kept), kept
    assert len(kept) == len(text)
    assert redact(kept) == kept
    assert shape(kept) == shape(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_comes_back_with_its_length(text: str) -> None:
    kept = redact(text)
    assert len(kept) == len(text)
    assert redact(kept) == kept


def test_placeholders_are_number_words() -> None:
    said = "four one one one one one one one one one one one one one one one"
    assert all(word in NUMBER_WORDS for word in redact(said, KINDS).split())


def test_how_long_a_word_was_does_not_tell_which_it_was() -> None:
    assert redact("cvv: four two seven") == redact("cvv: seven two four") == redact("cvv: seven four six")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*sorted(NUMBER_WORDS), "um", "and", "1", "7", ","]), min_size=8, max_size=40))
def test_words_of_every_kind_leave_no_card(words: list[str]) -> None:
    text = " ".join(words)
    kept = redact(text)
    assert len(kept) == len(text)
    assert redact(kept) == kept
    assert not cards(kept)
    assert len(kept.split(" ")) == len(words)


def test_figures_of_other_scripts_are_figures() -> None:
    assert redact("４１１１ １１１１ １１１１ １１１１") == "1111 1111 1111 1111"


def test_its_time_grows_with_the_text_alone() -> None:
    """A caller, a tool or a page may send any number of digits, and this runs beside calls."""

    def seconds(text: str) -> float:
        began = time.perf_counter()
        redact(text)
        return time.perf_counter() - began

    digits = "4711 0815 2932 " * 2_000
    assert seconds(digits) < 1.0
    assert seconds("id 4111111111111111 of it; " * 1_000) < 1.0
    assert seconds("cvv " * 10_000 + "1") < 1.0
    assert seconds("double " * 10_000 + "one") < 1.0
