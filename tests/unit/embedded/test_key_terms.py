"""Names are put right, ordinary words are left alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from tests.unit.embedded.plain_key_terms import plainly_corrected

from aivoice.providers.embedded import key_terms
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


HEARD = (
    "Dr.,doctor,Patel,padel,Okafor,root,canal,bright,water,dental,cleaning,deep,Deep,oneal,Mill,Lane,mil,crown,clown,a",
    "bright water dental,Brightwater Dentall,Doctor Pattel,Dr. Padel,Acha for,rootcanal,mil lane,\u0130nci,3M",
    "Deep cleening,deep cleenin,O’Neill,oneil,Brightwater Dental,Dr. Patel,okofor,root - canal,crow-n",
)
SAID = st.sampled_from([words for line in HEARD for words in line.split(",")])
MADE_UP = st.one_of(st.text("aeptdkfcs'", min_size=1, max_size=9), st.text(max_size=4))
WORDS = st.integers(0, 5).flatmap(lambda drawn: SAID if drawn else MADE_UP)
GAPS = st.integers(0, 4).flatmap(
    lambda drawn: st.sampled_from([", ", "? ", ". ", "-", "_", ""]) if drawn == 4 else st.just(" ")
)
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=16).map(lambda pairs: "".join(word + gap for word, gap in pairs))
REAL_TERMS = "Brightwater Dental,Dr. Patel,Okafor,root canal,Mill Lane,deep cleaning,O'Neil,crown"
SOLD_AND_NAMED = st.tuples(
    st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), max_size=3),
    st.lists(st.sampled_from(REAL_TERMS.split(",")), max_size=8, unique=True),
).map(lambda pair: pair[0] + pair[1])


@given(SOLD_AND_NAMED, st.lists(TEXTS, min_size=1, max_size=3))
@example(["Northside Dental"], ["northside dentals " * 300])
@example(["Ann Lee", "Annlee Dental"], ["anlee dental ann lee anne lee dental"])
def test_the_quick_way_equals_the_plain_one_whatever_was_heard_before(terms: list[str], texts: list[str]) -> None:
    quick = KeyTerms(terms)
    for text in texts:
        plain = plainly_corrected(terms, text)
        assert quick.correct(text) == plain
        event("corrected" if plain != text else "as it was")


TURN = (
    "Hi my name is Anna Kowalski and I would like to book a cleaning appointment for next Wednesday at half past nine "
    "in the morning if that is possible and also I wanted to ask how much a new filling would cost for my daughter who "
    "has a sore tooth since last weekend please and thank you very much"
)


def test_a_long_turn_and_the_most_terms_are_no_late_frame() -> None:
    """CPU time of this thread, so that a busy machine makes no difference; before there was an index: 60 to 120 ms."""
    terms = KeyTerms([f"Doctor Nameson{number} Item{number}" for number in range(40)])
    words = TURN.split()
    terms.correct(" ".join(words[:50]))
    costs = list[float]()
    for count in range(51, len(words) + 1):
        started = time.thread_time()
        terms.correct(" ".join(words[:count]))
        costs.append(time.thread_time() - started)
    assert sorted(costs)[len(costs) // 2] < 0.002


def test_a_grown_text_costs_its_new_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terms, compared, matches = KeyTerms(["Brightwater Dental", "Dr. Patel", "Okafor"]), list[str](), key_terms._matches  # pyright: ignore[reportPrivateUsage]

    def counted(letters: str, sound: str, term: key_terms._Term) -> bool:  # pyright: ignore[reportPrivateUsage]
        compared.append(letters)
        return matches(letters, sound, term)

    monkeypatch.setattr(key_terms, "_matches", counted)
    terms.correct(TURN)
    compared.clear()
    assert terms.correct(f"{TURN} Dr. Padel") == f"{TURN} Dr Patel"
    heard_before = TURN.lower().replace(" ", "")
    assert compared
    assert not [letters for letters in compared if letters in heard_before]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_terms, "REMEMBERED", 50)
    terms = KeyTerms(["Brightwater Dental"])
    for number in range(500):
        assert terms.correct(f"b{number} bright water dental") == f"b{number} Brightwater Dental"
        assert len(terms._known) <= 50  # pyright: ignore[reportPrivateUsage]
