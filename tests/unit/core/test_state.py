"""The conversation's state: the latest words win, what was captured exactly stays, and it fits its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aivoice.core.state import MOST_FACTS, ConversationState
from aivoice.core.tokens import text_tokens

KEYS = st.sampled_from(["a", "b", "c"])
MERGES = st.lists(st.tuples(KEYS, st.sampled_from(["", "x", "y"]), st.integers(0, 5), st.booleans()), max_size=20)


@given(MERGES)
def test_nothing_stale_ever_wins(merges: list[tuple[str, str, int, bool]]) -> None:
    state = ConversationState()
    latest: dict[str, tuple[int, str]] = {}
    sure: set[str] = set()
    for key, value, turn, exact in merges:
        state.merge(((key, value),), turn, (key,) if exact else ())
        if latest.get(key, (-1, ""))[0] > turn or (key in sure and not exact):
            continue
        latest[key] = (turn, value)
        if exact:
            sure.add(key)
        if not value:
            sure.discard(key)
    assert state.facts == {key: value for key, (_, value) in latest.items() if value}


def test_a_correction_of_something_exact_must_be_exact() -> None:
    state = ConversationState()
    state.merge((("caller.phone", "5550104477"),), 1, ("caller.phone",))
    state.merge((("caller.phone", "555"),), 2)
    assert state.facts["caller.phone"] == "5550104477"
    state.merge((("caller.phone", "5550104478"),), 3, ("caller.phone",))
    assert state.facts["caller.phone"] == "5550104478"


def test_keys_and_values_are_one_line_and_bounded() -> None:
    state = ConversationState()
    state.merge((("a\nb", "c\n\nd"), ("", "x"), ("k" * 99, "v" * 999)), 1)
    assert state.render().splitlines()[0] == "a b: c d"
    assert len(state.render().splitlines()) == 2
    assert state.topic == ""


def test_the_oldest_goes_where_there_is_too_much() -> None:
    state = ConversationState()
    state.merge((("kept", "exact"),), 0, ("kept",))
    state.merge(tuple((f"k{n}", "v") for n in range(MOST_FACTS + 5)), 1)
    assert len(state.facts) == MOST_FACTS
    assert "kept" in state.facts
    assert "k0" not in state.facts
    only = ConversationState()
    only.merge(tuple((f"k{n}", "v") for n in range(MOST_FACTS + 1)), 1, tuple(f"k{n}" for n in range(MOST_FACTS + 1)))
    assert "k0" not in only.facts


def test_what_is_shown_fits_exact_and_newest_first() -> None:
    state = ConversationState()
    state.merge((("phone", "5550104477"),), 1, ("phone",))
    for turn in range(2, 30):
        state.merge(((f"thing{turn}", "value"),), turn)
    text = state.render(30)
    assert text_tokens(text) <= 30
    assert "phone: 5550104477" in text
    assert "thing29" in text
    assert "thing2:" not in text


def test_what_was_exact_and_forgotten_may_be_told_anew() -> None:
    state = ConversationState()
    keys = tuple(f"k{n}" for n in range(MOST_FACTS + 1))
    state.merge(tuple((key, "v") for key in keys), 1, keys)
    state.merge((("k0", "again"),), 2)
    assert state.facts["k0"] == "again"
