"""Going on after words that another model had begun a reply with."""

from __future__ import annotations

import pytest

from aivoice.core.text import rest_of


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        ("", "Yes, until noon."),
        ("Yes,", "until noon."),
        ("yes,  until ", "noon."),
        ("Yes, un", "until noon."),
        ("Yes, until noon.", ""),
        ("No, un", None),
        ("Yes, until noon. And", None),
        ("Yes, un ", None),
    ],
)
def test_what_follows_words_that_were_begun(begun: str, rest: str | None) -> None:
    assert rest_of("Yes, until noon.", begun) == rest
