"""Whatever the text: no exception, no digits, a total and monotone map, weights where there is sound."""

from __future__ import annotations

import itertools
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.speech.normalise import normalise

WRITTEN = r"""
$85 $1,250.50 9:30am 14:00 2026-11-24 11/24 24th 555-010-4477 (555) 010-4477 +44 7700 900123 anna.b@example.com
https://northside.example/book St. Dr. Okafor Ave. 5mi 20% & 9-5 Mon-Fri 1/2 #7 COVID-19 PPO - ... 3.50 10,000 Nov
24 2026 am p.m. A I 12B N. No. 5 U.S.A. $1.5 million #4, #hashtag $.50, $0, $1.2k; $1/ea. $2,000.00. $3.5m; $5/mo;
'80s '99, (closed .NET 0042. 00:00; 02139-1234; 1 1,000+ 1,500 1-800-555-0199, 1-800-FLOWERS. 10 10% 10-minute 100k
101; 10:30-11:15, 11-24-2026, 12, 12-1pm, 12/25/26 1205; 1234. 12:00am; 12:00pm, 12:30pm; 12B, 14; 1500 1st 2 2009;
2018; 2026, 2026. 2026/11/26, 20th-century, 24/7/365, 24:00; 24th, 25-year-old 26 26.11.2026, 2nd-floor 2x4s 3+; 3-5
3/4" 311 3x 4-6pm, 40 401(k) 40404. 411 42nd 4B, 5'10" 50-50, 5th 6 66, 6:00 7 8-noon 8.5x11; 8:00am 8th 9.30
9.30am; 911 911, @handle A+ A. A1B2C3. ASAP, AT&T, Ave., B&B, B, BSc, C# C++ C, CPR, DDS, DIY, Doe, ET, FYI, Govt.,
HP-9818; Hwy. I'd I-95, IDs, It's M.D., MRI, Mr. Mrs. ND-8472. Nov. O'Neil OK. Okafor, P.O. PM. Patrick's Ph.D.,
PhD, Q&A, Sundays). Sure! TV, Tuesday. U.S. US$40 US-101, W-2, We're Wi-Fi. X-ray, a.m. blood, cups, daily; days,
days/week, e-mail etc. floor. foo@bar.co ft. gal. hours, hr, https://a.example/x?y=1&z=2 in. lb. mid-1990s, miles,
min, next; office, oz., pipe, pre-2000, psi, rating, tall, tank, twenty-five, valve, visit, vs. ~20
"""
ODD = [
    "—",
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
    "$1,250–$1,500",
    "-5°C,",
    "1st–3rd,",
    "1½",
    "20€;",
    "5¢;",
    "8–5,",
    "9am–5pm",
    "Mon–Fri",
    "£9.99;",
    "–",
    "€20;",
    "≥3",
]
FORMS = st.sampled_from([*WRITTEN.split(), *ODD])
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
