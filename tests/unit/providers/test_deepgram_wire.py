"""What Deepgram says, and what is not as documented."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.providers.deepgram.flux import parse_turn
from aivoice.providers.deepgram.nova import parse_result
from aivoice.providers.deepgram.wire import key_term_pairs

RESULT: dict[str, Any] = {
    "type": "Results",
    "start": 1.5,
    "duration": 0.5,
    "is_final": True,
    "from_finalize": True,
    "channel": {"alternatives": [{"transcript": " We open at nine. ", "confidence": 0.98, "words": []}]},
}
TURN: dict[str, Any] = {
    "type": "TurnInfo",
    "event": "EagerEndOfTurn",
    "turn_index": 2,
    "audio_window_start": 0.0,
    "audio_window_end": 1.25,
    "transcript": "we open at nine",
    "words": [],
    "end_of_turn_confidence": 0.6,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_a_result_in_samples() -> None:
    result = parse_result(RESULT)
    assert (result.text, result.start, result.end) == ("We open at nine.", 24_000, 32_000)
    assert (result.confidence, result.is_final, result.from_finalize) == (0.98, True, True)
    assert not parse_result({k: v for k, v in RESULT.items() if k != "from_finalize"}).from_finalize


def test_a_turn_in_samples() -> None:
    turn = parse_turn(TURN)
    assert (turn.event, turn.index, turn.words, turn.end) == (
        "EagerEndOfTurn",
        2,
        ("we", "open", "at", "nine"),
        20_000,
    )


@pytest.mark.parametrize("name", ["start", "duration", "is_final", "channel"])
@given(value=JSON)
def test_a_result_that_breaks_its_schema_is_told_by_member(name: str, value: Any) -> None:
    with suppress(ValueError):
        result = parse_result({**RESULT, name: value})
        assert 0 <= result.start <= result.end


@pytest.mark.parametrize("name", [key for key in TURN if key not in ("type", "words")])
@given(value=JSON)
def test_a_turn_that_breaks_its_schema_is_told_by_member(name: str, value: Any) -> None:
    with suppress(ValueError):
        turn = parse_turn({**TURN, name: value})
        assert 0 <= turn.start <= turn.end


def test_as_many_key_terms_as_the_service_takes() -> None:
    assert key_term_pairs(["Dr. Chen", "Dr. Chen", " ", "Northside"]) == [
        ("keyterm", "Dr. Chen"),
        ("keyterm", "Northside"),
    ]
    assert len(key_term_pairs([f"term number {n}" for n in range(1_000)])) < 150
