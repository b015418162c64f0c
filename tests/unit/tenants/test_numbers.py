"""Telephone numbers in any form that people write, and none that are not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.tenants.numbers import NumberError, caller_number, parse_number


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("+1 212 555 0147", "+12125550147"),
        ("(212) 555-0147", "+12125550147"),
        ("0049 30 901820", "+4930901820"),
        ("+44 20 7946 0958", "+442079460958"),
        ("1-800-FLOWERS", "+18003569377"),
        ("plus one two one two five five five oh one four seven", "+12125550147"),
    ],
)
def test_forms_of_numbers(text: str, e164: str) -> None:
    assert parse_number(text) == e164


@pytest.mark.parametrize(
    "text",
    ["", "   ", "12", "hello", "+999 123456", "sip:bob@example.com", "+1 212 555 0147 ext 3", "1" * 200, "\x00", "+"],
)
def test_what_is_none_says_what_to_do(text: str) -> None:
    with pytest.raises(NumberError) as error:
        parse_number(text)
    assert text.strip() == "" or text not in str(error.value) or len(text) < 3
    assert len(str(error.value)) > 20


def test_a_region_is_a_country() -> None:
    assert parse_number("030 901820", "DE") == "+4930901820"
    with pytest.raises(NumberError, match="country"):
        parse_number("030 901820", "XX")


@pytest.mark.parametrize("text", [None, "", "anonymous", "sip:anonymous@anonymous.invalid", "Restricted", "-"])
def test_callers_who_withhold_their_number(text: str | None) -> None:
    assert caller_number(text) is None


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("+12125550147", "+12125550147"),
        ("sip:+12125550147@carrier.example;user=phone", "+12125550147"),
        ("1004", "1004"),
    ],
)
def test_callers_as_lines_tell_them(text: str, known: str) -> None:
    assert caller_number(text) == known


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused_and_every_line_is_answered(text: str) -> None:
    try:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", parse_number(text))
    except NumberError:
        pass
    known = caller_number(text)
    assert known is None or (0 < len(known) <= 64 and known.isprintable())
