"""Goals are judged on what was measured, and a page keeps what it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.testing.goals import Goal, all_met, at_least, at_most, goals_table, write_section


def test_a_limit_itself_is_met_and_what_lies_beyond_is_not() -> None:
    assert at_most("a", 700, 700, "ms") == Goal("a", "700 ms", "≤ 700 ms", met=True)
    assert not at_most("a", 700.1, 700, "ms").met
    assert at_least("a", 99.0, 99, "%").met
    assert at_least("a", 98.9, 99, "%") == Goal("a", "98.9 %", "≥ 99 %", met=False)


def test_what_was_not_measured_is_not_met() -> None:
    assert at_most("a", None, 1, "ms") == Goal("a", "–", "≤ 1 ms", met=False)
    assert not at_least("a", None, 0, "").met


def test_one_missed_goal_is_seen() -> None:
    goals = [at_most("a", 1, 2, "ms"), at_most("b", 3, 2, "ms")]
    assert not all_met(goals)
    assert all_met(goals[:1])
    assert goals_table(goals).splitlines()[2:] == ["| a | 1 ms | ≤ 2 ms | met |", "| b | 3 ms | ≤ 2 ms | NO |"]


def test_sections_stand_in_their_order_after_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nHow to read it.\n")
    write_section(page, "sweep", "the sweep")
    write_section(page, "other", "something else")
    write_section(page, "peers", "the peers", [at_most("a", 3, 2, "ms"), at_most("b", 1, 2, "ms")])
    write_section(page, "media", "the media", [at_least("c", 1, 1, "LU")])
    text = page.read_text()
    assert text.startswith("# Title\n\nHow to read it.\n\n<!-- begin goals:")
    places = [text.index(part) for part in ("## Goals", "the peers", "the media", "the sweep", "something else")]
    assert places == sorted(places)
    assert "3 figures are judged: 2 are as asked, 1 are not." in text


def test_a_section_written_again_replaces_itself_and_its_goals_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_section(page, "media", "first", [at_most("a", 3, 2, "ms"), at_most("gone", 3, 2, "ms")])
    write_section(page, "peers", "the peers", [at_most("b", 1, 2, "ms")])
    write_section(page, "media", "second", [at_most("a", 1, 2, "ms")])
    once = page.read_text()
    assert "first" not in once
    assert "gone" not in once
    assert "| media | a | 1 ms | ≤ 2 ms | met |" in once
    assert "| peers | b | 1 ms | ≤ 2 ms | met |" in once
    write_section(page, "media", "second", [at_most("a", 1, 2, "ms")])
    assert page.read_text() == once


@pytest.mark.parametrize("early", [5.0, 5.1])
def test_a_row_beside_the_peers_is_judged_for_our_engine_alone(early: float) -> None:
    from benchmarks.goals import goals

    figures = {"early_percent": early, "wrong": 0, "unanswered": 0}
    theirs = figures | {"early_percent": 50.0}
    row = {
        "key": "pauses", "title": "", "kind": "pauses",
        "variants": [
            {"engine": "ours", "settings": {}, "figures": figures},
            {"engine": "pipecat", "settings": {}, "figures": theirs},
        ],
    }  # fmt: skip
    assert [goal.met for goal in goals({"rows": [row], "failed": []})] == [early == 5.0, True, True]


def test_a_row_that_could_not_be_measured_is_missed() -> None:
    from benchmarks.goals import goals

    assert [goal.met for goal in goals({"rows": [], "failed": ["load_50"]})] == [False]
