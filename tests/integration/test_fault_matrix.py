"""A sample of the fault matrix over real sockets: each provider once, each way to fail, the moments in turn."""

from __future__ import annotations

import asyncio

import pytest
from benchmarks import context
from benchmarks.faults.matrix import PHASES, Case, run_all, table
from benchmarks.faults.services import FAULTS, SERVICES

pytestmark = [
    pytest.mark.serial,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # Calls are cut off here while plugins open connections ahead; what these leave is not what is tried.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def sample() -> list[Case]:
    """One without a fault; then every provider and every fault at least once, the moments in turn."""
    names = list(SERVICES)
    count = max(len(names), len(FAULTS))
    return [
        Case(),
        *(Case(names[n % len(names)], FAULTS[n % len(FAULTS)], PHASES[n % len(PHASES)]) for n in range(count)),
    ]


def test_callers_hear_somebody_in_time_and_their_task_is_done() -> None:
    outcomes = asyncio.run(run_all(sample(), at_once=len(sample())))
    broken = [(outcome.case, outcome.heard) for outcome in outcomes if not (outcome.spoken and outcome.done)]
    assert not broken
    assert len(table(outcomes)) == 2 + len(outcomes)


def test_everything_of_a_kind_down_is_still_told() -> None:
    """Nobody stands behind: the task cannot be done, but the caller is never left in silence."""
    every = [Case(name, "refused", "first turn", alone=True) for name in ("claude", "deepgram", "chatterbox")]
    outcomes = asyncio.run(run_all(every, at_once=3))
    assert all(outcome.spoken for outcome in outcomes), [outcome.heard for outcome in outcomes]
    assert not any(outcome.done for outcome in outcomes)
    assert all(outcome.heard.texts for outcome in outcomes)


def test_a_full_prompt_is_built_in_time() -> None:
    """Ten times the goal's time: the machine of a test does other things, too; the benchmark holds the goal itself."""
    figures = context.measure(100)
    assert figures["tokens"] >= 8_000
    assert figures["rendered p95"] <= 10 * context.GOAL_MS
