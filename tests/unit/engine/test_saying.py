"""Text that streams in is pronounced as the whole text would be, however it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aivoice.business.speakable import speakable
from aivoice.engine.clips import Speakable, as_written
from aivoice.engine.saying import Saying

LEXICON = {"Okafor": "oh kah for", "Northside Dental": "north side dental", "Quay": "key"}
SAY = speakable(LEXICON)

PRICES = ["$120", "$1,250.50", "$40.", "$1.5 million", "from $180,", "$110 an hour", "$240 per quadrant", "20%"]
TIMES = ["5 pm", "5 pm.", "9:30 am", "9:30", "8:00", "8 am to 5 pm", "10 a.m. on", "at 14:00", "2 in the morning"]
DATES = [
    "Nov. 24",
    "November 24th",
    "November 24",
    "24 November",
    "2026-11-24",
    "11/24",
    "Fri.",
    "Sat. morning",
    "2026",
]
PHONES = ["555-010-4477", "(555) 010-4477", "555 010 4477", "+44 7700 900123", "(555) 010-4477.", "020 7946 0018"]
MAILS = ["anna.b@example.com", "hello@northsidedental.example.", "www.northsidedental.example"]
SHORT = [
    "Dr. Okafor",
    "Dr. Smith",
    "Elm Dr.",
    "1250 North Main St.",
    "St. Mark's",
    "48 Quay Street",
    "No. 5",
    "Mr.",
    "a.m.",
]
ODD = ["Suite 4,", "12 Elm Street Apt. 3", "A", "PPO", "X-rays", "Northside Dental", "Northside", "9 - 5", "Mon - Fri",
       "Reading, PA", "41 77 02", "ND 8472", "5 ft.", "- yes", "N. Elm Street", "C", "I", "($80)"]  # fmt: skip
PLAIN = ["we're", "open", "is", "the", "Sure.", "Tomorrow", "I have", "and", "to", "at", "on", "That's", "for", "or?",
         "Yes,", "in", "please!", "am", "may", "March"]  # fmt: skip
PHRASES = st.sampled_from([*PRICES, *TIMES, *DATES, *PHONES, *MAILS, *SHORT, *ODD, *PLAIN, *PLAIN])
TEXTS = st.lists(PHRASES, min_size=1, max_size=12).map(" ".join)


def streamed(pieces: list[str], say: Speakable = SAY) -> list[str]:
    """What each piece lets out; the end is told after the last one, as the engine does."""
    saying = Saying(say)
    return [*(saying.push(piece, False) for piece in pieces), saying.push("", True)]


def words(text: str) -> list[str]:
    """The words that are heard; marks between them are the voice's."""
    return re.sub(r"[,.;:!?]+", " ", text).split()


@given(TEXTS)
@example("Suite 4, A A PPO PPO PPO")
@example("PPO PPO PPO")
def test_word_by_word_it_is_said_as_at_once(text: str) -> None:
    pieces = re.findall(r"\S+\s*", text)
    assert words("".join(streamed(pieces))) == words(SAY(text).text)


@given(TEXTS)
@example("may - yes")
def test_with_the_space_before_the_word_too(text: str) -> None:
    """As models give their tokens: " pm", not "pm "."""
    pieces = re.findall(r"\s*\S+", text)
    assert words("".join(streamed(pieces))) == words(SAY(text).text)


@given(TEXTS, st.data())
def test_cut_anywhere_behind_the_first_word(text: str, data: st.DataObject) -> None:
    """Tokens end within words ("$" "40", "example" ".com")."""
    first, _, rest = text.partition(" ")
    pieces = [f"{first} "]
    while rest:
        size = data.draw(st.integers(1, 9))
        pieces.append(rest[:size])
        rest = rest[size:]
    assert words("".join(streamed(pieces))) == words(SAY(text).text)


@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_text_is_survived_and_nothing_is_kept_back(pieces: list[str]) -> None:
    saying = Saying(SAY)
    for piece in pieces:
        saying.push(piece, False)
    saying.push("", True)
    assert not saying.unsaid.strip()
    assert "".join(streamed(pieces, as_written)) == "".join(pieces)


@pytest.mark.parametrize("text", ["Sure, we are open tomorrow. ", "Certainly. What would you like to come in for? "])
def test_plain_words_wait_for_nothing(text: str) -> None:
    pieces = re.findall(r"\S+\s", text)
    assert streamed(pieces) == [*pieces, ""]


@pytest.mark.parametrize("word", ["Sure", "Certainly", "Okay", "Tom"])
def test_the_first_word_sounds_before_its_end_is_known(word: str) -> None:
    """The caller is waiting for it, and models give a word's space with the next one."""
    assert Saying(SAY).push(word, False) == word


@pytest.mark.parametrize(
    ("pieces", "out"),
    [
        (["until ", "5 ", "pm ", "today "], ["until ", "", "five P M ", "today ", ""]),
        (["it's ", "$", "40", " for"], ["it's ", "", "", "", "forty dollars for"]),
        (["with ", "Dr. ", "Smith "], ["with ", "", "Doctor Smith ", ""]),
        (["on ", "Elm ", "Dr. ", "and "], ["on ", "Elm ", "", "Drive and ", ""]),
        (["ask ", "Northside ", "Dental "], ["ask ", "", "north side dental ", ""]),
        (["the ", "key is ", "Qu", "ay ", "now"], ["the ", "key is ", "", "key ", "", "now"]),
    ],
)
def test_a_word_that_needs_its_follower_is_kept(pieces: list[str], out: list[str]) -> None:
    assert streamed(pieces) == out
