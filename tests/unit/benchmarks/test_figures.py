"""The table's figures, from doctored turns; and a whole measurement of our engine, in virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import figures, report
from benchmarks.caller import Plan
from benchmarks.host import Job, run_job
from benchmarks.ours import start

from aivoice.testing.virtual_time import run_virtual

TURN: dict[str, Any] = {
    "kind": "clean", "text": "are you open", "onset": 10.0, "end": 11.0, "offered": 11.6, "sound": 11.61,
    "after": 11.61, "paced": 11.61, "early": False, "requests": 1, "heard_prompt": "are you open", "over_reply": 0,
    "quiet": None, "resumed": None, "hole_s": 0.0, "other_reply": False, "lost_words": 0, "repeated_words": 0,
    "heard_words": None, "history_words": None,
}  # fmt: skip


def answer(*turns: dict[str, Any], **rest: Any) -> dict[str, Any]:
    call = {"turns": list(turns), "lateness_ms": [0.0, 1.0], "noted_ms": {}, "ended_by_agent": False}
    return {"calls": [call | rest]}


def test_nearest_rank() -> None:
    assert figures.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert figures.quantile(list(map(float, range(1, 101))), 0.99) == 99.0
    assert figures.quantile([], 0.5) is None


def test_early_replies_count_as_such_and_not_as_latency() -> None:
    found = figures.turn_figures([answer(TURN, TURN | {"early": True, "offered": 10.2, "paced": 10.3})])
    assert found["early_percent"] == 50.0
    assert found["offered_ms"] == {"p50": 600.0, "p90": 600.0, "p99": 600.0}


def test_a_reply_to_another_text_is_counted() -> None:
    found = figures.turn_figures(
        [answer(TURN, TURN | {"heard_prompt": "are you"}, TURN | {"heard_prompt": "hi Are you open"})]
    )
    assert found["wrong"] == 1


def test_an_unanswered_turn_is_counted() -> None:
    assert figures.turn_figures([answer(TURN | {"paced": None})])["unanswered"] == 1


def test_interruptions() -> None:
    turn = TURN | {"over_reply": 1, "quiet": 10.06, "other_reply": True, "heard_words": 4, "history_words": 5}
    found = figures.interrupt_figures([answer(turn, noted_ms={"decided": [12.0]})])
    assert found["quiet_ms"]["p50"] == 60.0
    assert found["yields_percent"] == 100.0
    assert found["decided_p95_ms"] == 12.0
    assert found["history_off_words"]["p95"] == 1.0


def test_carrying_on() -> None:
    cough = TURN | {"kind": "cough", "over_reply": 1, "quiet": 10.05, "resumed": 11.4, "hole_s": 0.5}
    gone = cough | {"resumed": None, "other_reply": True}
    found = figures.carry_on_figures([answer(cough, gone)])
    assert found["carried_on_percent"] == 50.0
    assert found["on_after_ms"]["p50"] == 400.0
    assert found["new_replies"] == 1


def test_faults() -> None:
    late = TURN | {"after": 13.0, "paced": None}
    found = figures.fault_figures([answer(TURN, TURN), answer(late, TURN | {"paced": None}, ended_by_agent=True)])
    assert (found["calls"], found["heard_in_budget"], found["goes_on"], found["ends_politely"]) == (2, 1, 1, 1)


def test_the_null_run_is_subtracted() -> None:
    run = {"cpu_s": 6.0, "wall_s": 60.0, "rss": 30_000_000, "rss_base": 10_000_000} | answer(TURN)
    null = {"cpu_s": 1.0, "wall_s": 60.0, "rss": 12_000_000, "rss_base": 10_000_000}
    found = figures.load_figures(run, null, 10)
    assert (found["cpu_s_per_call_minute"], found["memory_mb_per_call"]) == (0.5, 1.8)


def test_a_section_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nBy hand.\n", encoding="utf-8")
    report.write_section(path, "peers", "old")
    report.write_section(path, "sweep", "other")
    report.write_section(path, "peers", "new")
    text = path.read_text(encoding="utf-8")
    assert "By hand." in text
    assert "other" in text
    assert "new" in text
    assert "old" not in text


@pytest.mark.parametrize(("speculation", "floor"), [("off", 750), ("on", 600)])
def test_our_engine_on_the_stages_in_virtual_time(speculation: str, floor: int) -> None:
    plan = Plan(turns=4, seed=3)
    settings = {"speculation": speculation, "journal": False}
    answer = run_virtual(run_job(Job("ours", settings, plan, 3), start))
    found = figures.turn_figures([answer])
    assert found["turns"] == 9
    assert found["unanswered"] == found["wrong"] == found["early_percent"] == 0
    fastest = min(round((turn["offered"] - turn["end"]) * 1_000) for call in answer["calls"] for turn in call["turns"])
    assert floor <= fastest <= floor + 5
    assert json.dumps(found)
