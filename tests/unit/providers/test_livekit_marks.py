"""Word marks from plugins' timed strings."""

from __future__ import annotations

import itertools
import random

import pytest

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.providers.livekit.marks import Marks
from aivoice.providers.ports import SpeechMark

TEXT = "Dr. O'Neill's fee is $50 — a visit, at 9:30 a.m."


class Timed(str):
    start_time: float | None

    def __new__(cls, text: str, start: float | None) -> Timed:
        made = super().__new__(cls, text)
        made.start_time = start
        return made


def marked(text: str, timed: list[Timed], spoken: int = 0) -> list[tuple[int, float]]:
    return [(mark.word, mark.sample / SAMPLE_RATE) for mark in Marks(text).of(timed, spoken)]


def test_words_as_they_were_pushed() -> None:
    timed = [Timed(f"{word} ", n / 2) for n, word in enumerate(TEXT.split())]
    dash = TEXT.split().index("—")  # it has no letters: nothing is spoken there
    assert marked(TEXT, timed) == [(n, n / 2) for n in range(len(TEXT.split())) if n != dash]


def test_words_in_pieces_and_several_at_once() -> None:
    timed = [Timed("Hel", 0.0), Timed("lo", 0.2), Timed(" there my", 0.4), Timed("friend", 0.9)]
    assert marked("Hello there, my friend!", timed) == [(0, 0.0), (1, 0.4), (3, 0.9)]


def test_what_is_said_otherwise_is_passed_over() -> None:
    said = ["The", "fee", "is", "fifty", "dollars", "for", "a", "visit"]
    timed = [Timed(f" {word}", n / 4) for n, word in enumerate(said)]
    found = marked("The fee is $50 for a visit", timed)
    assert found == [(0, 0.0), (1, 0.25), (2, 0.5), (4, 1.25), (5, 1.5), (6, 1.75)]


def test_a_short_word_is_not_found_within_another() -> None:
    timed = [Timed("We", 0.0), Timed("won't", 0.2), Timed("a", 0.5)]  # of what comes, only the word "a" is one
    assert marked("We have had a day", timed) == [(0, 0.0), (3, 0.5)]


def test_times_that_begin_anew_with_each_stretch_of_audio() -> None:
    marks = Marks("one two three four")
    first = marks.of([Timed("one", 0.0), Timed("two", 0.4)], 0)
    second = marks.of([Timed("three", 0.0), Timed("four", 0.3)], 16_000)
    assert [mark.sample for mark in (*first, *second)] == [0, 6_400, 16_000, 20_800]


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_never_goes_back_nor_beyond_the_words(seed: int) -> None:
    rng = random.Random(seed)
    text = " ".join(rng.choices(["a", "an", "any", "and", "day", "—", "aa", "nine"], k=20))
    marks, found = Marks(text), list[SpeechMark]()
    for _ in range(60):
        piece = "".join(rng.choices("andy e ", k=rng.randrange(6)))
        start = rng.choice([None, rng.uniform(-1, 5)])
        found += marks.of([Timed(piece, start)], rng.randrange(80_000))
    assert all(a.word < b.word and a.sample <= b.sample for a, b in itertools.pairwise(found))
    assert all(0 <= mark.word < 20 and mark.sample >= 0 for mark in found)
