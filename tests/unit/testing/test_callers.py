"""Plans are data drawn from the seed; callers carry them out."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace

import pytest

from aivoice.core import commands as c
from aivoice.testing.acts import BEHAVIOURS, Act, CallPlan, Echo
from aivoice.testing.faults import FAULT_KINDS
from aivoice.testing.randomness import Constant, Latency, LogNormal, Uniform, derive, seconds
from aivoice.testing.scenarios import plan_call
from aivoice.testing.simulated import CallRecord, run_call

QUIET = CallPlan(0, 7, ())


def test_plans_are_functions_of_seed_and_index() -> None:
    assert plan_call(5, 3) == plan_call(5, 3)
    assert plan_call(5, 3) != plan_call(5, 4)
    assert plan_call(5, 3) != plan_call(6, 3)


def test_a_thousand_plans_hold_everything() -> None:
    plans = [plan_call(1, index) for index in range(1_000)]
    behaviours = Counter(act.behaviour for plan in plans for act in plan.acts)
    assert all(behaviours[behaviour] >= 10 for behaviour in BEHAVIOURS), behaviours
    kinds = Counter(fault.kind for plan in plans for fault in plan.faults)
    assert all(kinds[kind] >= 10 for kind in FAULT_KINDS), kinds
    assert sum(plan.frames for plan in plans) >= 50, "at least 5 % with real frames"
    assert sum(plan.echo is not None for plan in plans) >= 100
    assert {plan.chatter.voice for plan in plans if plan.chatter} == {"television", "talker"}
    for plan in plans:
        if plan.echo:
            assert -30 <= plan.echo.level_db <= -12
            assert 40 <= plan.echo.delay_ms <= 300
        for act in plan.acts:
            assert all(300 <= pause <= 1_200 for _, pause in act.pauses)


@pytest.mark.parametrize("latency", [Constant(350), Uniform(100, 600), LogNormal(350, 0.3, 2_000)])
def test_latencies_have_their_medians(latency: Latency) -> None:
    rng = derive(1, "latency")
    drawn = [seconds(latency, rng) for _ in range(4_000)]
    assert 0.9 * 0.35 < statistics.median(drawn) < 1.1 * 0.35
    assert min(drawn) >= 0


def _run(*acts: Act, **settings: object) -> CallRecord:
    return run_call(replace(QUIET, acts=acts, **settings))  # type: ignore[arg-type]


def _turns(record: CallRecord) -> list[str]:
    return [item.text for _, item in record.records if isinstance(item, c.TurnEnded)]


def test_a_caller_asks_waits_for_the_answer_and_says_goodbye() -> None:
    record = _run(Act("talk", text="Do I need to bring any papers?"), Act("bye", text="Thank you, goodbye."))
    assert record.crash == ""
    assert _turns(record) == ["Do I need to bring any papers?", "Thank you, goodbye."]
    assert record.ended is not None
    assert record.ended.reason == "agent_ended"
    first, second = record.done
    assert second.start > first.end + 2_000_000, "the answer was not waited for"


def test_hanging_up_in_the_middle_of_a_word_ends_the_call() -> None:
    record = _run(Act("hang_up", text="Well I will call again tomorrow"))
    assert record.ended is not None
    assert record.ended.reason == "caller_hung_up"
    assert record.records[-1][0] - record.done[0].start < 4_000_000
    assert record.leftovers == []


def test_an_interruption_falls_on_the_agent() -> None:
    record = _run(
        Act("talk", text="Could you explain how the billing works?"),
        Act("interrupt", "over", 900, "Wait, I meant next week."),
        Act("bye", text="Goodbye."),
    )
    assert record.done[1].agent_sounding
    assert any(isinstance(item, c.ReplyEnded) and item.outcome == "interrupted" for _, item in record.records)


def test_a_silent_caller_is_asked_twice_and_let_go() -> None:
    record = _run(Act("silent", duration_ms=60_000))
    assert record.ended is not None
    assert record.ended.reason == "silent_caller"


def test_an_echo_is_heard_while_the_canceller_learns() -> None:
    record = _run(Act("bye", text="Goodbye."), echo=Echo(-12.0, 200))
    assert record.echoes
    record = _run(Act("bye", text="Goodbye."), echo=Echo(-36.0, 200, leaks=0.0))
    assert not record.echoes


def test_frames_and_spans_lead_to_the_same_conversation() -> None:
    acts = (Act("talk", text="Do I need to bring any papers?"), Act("bye", text="Thank you, goodbye."))
    assert _turns(_run(*acts)) == _turns(_run(*acts, frames=True))


def test_keys_are_pressed() -> None:
    record = _run(Act("key", delay_ms=3_000, digit="0"), Act("silent", duration_ms=20_000))
    assert any(isinstance(item, c.Transfer) for _, item in record.records)
