"""Whatever the text: no exception, no digits, a total and monotone map, weights where there is sound."""

from __future__ import annotations

import itertools
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.speech.normalise import normalise

FORMS = st.sampled_from(
    [
        "$85",
        "$1,250.50",
        "9:30am",
        "14:00",
        "2026-11-24",
        "11/24",
        "24th",
        "555-010-4477",
        "(555)",
        "010-4477",
        "+44",
        "7700",
        "900123",
        "anna.b@example.com",
        "https://northside.example/book",
        "St.",
        "Dr.",
        "Okafor",
        "Ave.",
        "5mi",
        "20%",
        "&",
        "9-5",
        "Mon-Fri",
        "1/2",
        "#7",
        "COVID-19",
        "PPO",
        "—",
        "-",
        "...",
        "3.50",
        "10,000",
        "Nov",
        "24",
        "2026",
        "am",
        "p.m.",
        "A",
        "I",
        "12B",
        "N.",
        "No.",
        "5",
        "U.S.A.",
        "$1.5",
        "million",
        "½",
        "٣",
        "ⅷ",
        "²",
        "㏂",
        "①",
        "三",
        "９",
        "𝟗",
        "🦷",
        "\u200b",
        "\ufeff",
    ]
)
TEXT = st.one_of(st.text(max_size=120), st.lists(st.one_of(FORMS, st.text(max_size=8)), max_size=14).map(" ".join))
LEXICON = {"Okafor": "oh-KAH-for", "northside dental": "north side dental", "Zoë 3": "zoe three"}


@given(TEXT, st.sampled_from([{}, LEXICON]), TEXT)
@settings(max_examples=400, deadline=None)
def test_total_for_any_unicode(text: str, lexicon: dict[str, str], before: str) -> None:
    spoken = normalise(text, lexicon, before=before)
    pieces = spoken.text.split()
    assert not [c for c in spoken.text if unicodedata.category(c)[0] == "N" or c.isdigit()]
    assert [word.text for word in spoken.words] == text.split()
    assert len(spoken.word_map) == len(pieces)
    assert all(0 <= index < len(spoken.words) for index in spoken.word_map)
    assert all(left <= right for left, right in itertools.pairwise(spoken.word_map))
    at = 0
    for index, word in enumerate(spoken.words):
        assert word.first == at
        assert spoken.word_map[at : at + word.size] == (index,) * word.size
        assert (word.weight > 0) == (word.size > 0)
        at += word.size
    assert at == len(pieces)
    assert all(any(c.isalpha() or unicodedata.category(c)[0] == "M" for c in piece) for piece in pieces)


@given(TEXT)
@settings(max_examples=200, deadline=None)
def test_saying_it_twice_adds_no_numbers_and_keeps_the_words(text: str) -> None:
    once = normalise(text).text
    twice = normalise(once)
    # What is said already stays said: every word survives as itself (case aside), in order.
    kept = [word.text for word in twice.words]
    assert kept == once.split()
    assert all(word.size > 0 for word in twice.words)


@given(
    st.lists(FORMS, min_size=1, max_size=10).map(" ".join),
    st.dictionaries(st.integers(0, 60), st.integers(0, 100_000), max_size=8),
    st.integers(0, 100_000),
)
@settings(max_examples=200, deadline=None)
def test_source_starts_are_ascending_and_inside_the_audio(text: str, marks: dict[int, int], samples: int) -> None:
    starts = normalise(text).source_starts(marks, samples)
    assert len(starts) == len(text.split())
    assert not starts or starts[0] == 0
    assert all(left <= right for left, right in itertools.pairwise(starts))
    assert all(0 <= start <= samples for start in starts)
