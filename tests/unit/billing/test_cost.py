"""The cost of a minute: the paper's comparison comes out of its prices, and what is assumed can be changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aivoice.billing.cost import (
    PAPER,
    PAPER_AT,
    TARGET,
    UNIT,
    Assumptions,
    Used,
    add_up,
    list_prices,
    list_rows,
    metered,
    stack,
    voices,
    with_gpu_hour,
)
from aivoice.billing.prices import PRICED, Prices, prices_of
from aivoice.errors import InputError

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LIST = list_prices()


def test_the_papers_comparison_follows_from_its_prices() -> None:
    dollars = {item.provider: item.month / UNIT for item in voices(PAPER, LIST, PAPER_AT)}
    assert dollars == {
        "elevenlabs": pytest.approx(9_000, rel=0.01),
        "cartesia": pytest.approx(500, rel=0.01),
        "chatterbox": pytest.approx(197, rel=0.01),
    }


def test_hosted_voices_cost_by_the_word_and_ones_own_by_the_gpu() -> None:
    half = replace(PAPER, speech_share=0.5)
    for one, other in zip(voices(PAPER, LIST, NOW)[:2], voices(half, LIST, NOW)[:2], strict=True):
        assert other.month == pytest.approx(one.month / 2)
    assert voices(half, LIST, NOW)[2].month == voices(PAPER, LIST, NOW)[2].month
    dearer = with_gpu_hour(LIST, 540_000)
    assert voices(PAPER, dearer, NOW)[2].month == pytest.approx(2 * 197.1 * UNIT)


@pytest.mark.parametrize(
    ("given", "gpus"),
    [
        (PAPER, 1),
        (Assumptions(), 1),
        (Assumptions(minutes=200_000), 4),
        (Assumptions(rtf=0.5), 3),
        (Assumptions(minutes=1), 1),
    ],
)
def test_gpus_by_the_busiest_hour(given: Assumptions, gpus: int) -> None:
    assert given.gpus() == gpus
    assert given.gpus() * given.gpu_load >= given.calls_at_once() * given.speech_share * given.rtf - 1e-6


def test_everything_together_and_where_it_stands() -> None:
    by_mind = {mind: sum(i.per_minute for i in stack(Assumptions(), LIST, NOW, mind=mind)) for mind in
               ("claude", "claude-haiku-5-5")}  # fmt: skip
    assert by_mind["claude"] > TARGET > by_mind["claude-haiku-5-5"]
    parts = stack(Assumptions(), LIST, NOW)
    assert [item.part for item in parts] == ["hearing", "thinking", "voice", "room", "line"]
    assert all(item.month > 0 and item.how for item in parts)
    thinking = {item.part: item for item in parts}["thinking"]
    # 4 turns x 1.3 requests of 2,000 tokens at 1, 3,000 at 0.1 and 60 at 5 micro-dollars.
    assert thinking.per_minute == pytest.approx(4 * 1.3 * (2_000 + 300 + 300))
    whole = {item.part: item for item in stack(Assumptions(cached=0.0), LIST, NOW)}["thinking"]
    assert whole.per_minute > 2 * thinking.per_minute - 1_000


def test_every_listed_price_says_what_it_is_and_where_it_is_from() -> None:
    for row in list_rows():
        assert row["what"] and row["source"] and row["type"] in PRICED


def test_metered_usage_has_a_cost_by_the_list_else_what_was_booked() -> None:
    used = [
        ("call.seconds", "line", 600, 0),
        ("stt.seconds", "deepgram", 600, 1),
        ("llm.prompt_tokens", "claude", 10_000, 0),
        ("llm.wasted_prompt_tokens", "claude", 1_000, 0),
        ("tts.characters", "hibari", 900, 0),
        ("tts.characters", "resemble", 900, 4_000),
    ]
    found = metered(used, 600, LIST, NOW)
    assert found.by_provider() == {"deepgram": 77_000, "claude": 11_000, "resemble": 4_000, "hibari": 0}
    assert found.cost == 92_000 and found.per_minute == 9_200
    assert [each.provider for each in found.used if not each.priced] == ["hibari"]
    both = add_up([found, found, metered([], 0, LIST, NOW)])
    assert (both.cost, both.seconds) == (184_000, 1_200)
    assert Used("tts.characters", "hibari", 1_800, 0, False) in both.used
    assert metered([], 0, LIST, NOW).per_minute == 0


def test_the_operators_own_prices_go_before_the_list() -> None:
    own = prices_of([{"type": "stt.seconds", "provider": "deepgram", "amount": 100}], "providers.yaml")
    assert own.over(LIST).cost("stt.seconds", "deepgram", 60, NOW) == 6_000
    assert own.over(LIST).cost("llm.completion_tokens", "claude", 1, NOW) == 5
    assert Prices().over(LIST) == LIST


@pytest.mark.parametrize(
    "rows", [5, [5], [{}], [{"type": "nonsense", "provider": "x", "amount": 1}],
             [{"type": "stt.seconds", "provider": "x", "amount": 0.5}]],
)  # fmt: skip
def test_what_is_no_list_of_prices_is_refused_by_its_name(rows: object) -> None:
    with pytest.raises(InputError, match=r"providers\.yaml is no list of prices"):
        prices_of(rows, "providers.yaml")
