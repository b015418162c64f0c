"""The figures of the peers' rows as Markdown. Nothing here computes; what is not measured is shown as –."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aivoice.testing.goals import Goal, cell, goals_table, table, taken, write_section

__all__ = ["Goal", "cell", "goals_table", "markdown", "table", "taken", "write_section"]


def _triple(spread: dict[str, Any], *keys: str) -> str:
    return " / ".join(cell(None if spread.get(key) is None else round(spread[key])) for key in keys)


def _turns(row: dict[str, Any]) -> str:
    header = (
        "engine", "turns", "mouth-to-ear p50 / p90 / p99 ms", "after the pacer p50 / p99 ms", "LLM requests a turn",
        "heard inside the utterance %", "reply for another text", "unanswered", "frame lateness p99 ms",
    )  # fmt: skip
    lines = [
        (
            variant["label"], f["turns"], _triple(f["offered_ms"], "p50", "p90", "p99"),
            _triple(f["paced_ms"], "p50", "p99"), f["requests"], f["early_percent"], f["wrong"], f["unanswered"],
            f["lateness_p99_ms"],
        )
        for variant in row["variants"]
        for f in [variant["figures"]]
    ]  # fmt: skip
    return table(header, lines)


def _interrupt(row: dict[str, Any]) -> str:
    header = (
        "engine", "turns", "onset → agent quiet p50 / p99 ms", "yields %", "decided after the first words p95 ms",
        "history off by words p50 / p95",
    )  # fmt: skip
    lines = [
        (
            variant["label"], f["turns"], _triple(f["quiet_ms"], "p50", "p99"), f["yields_percent"],
            f["decided_p95_ms"], _triple(f["history_off_words"], "p50", "p95"),
        )
        for variant in row["variants"]
        for f in [variant["figures"]]
    ]  # fmt: skip
    return table(header, lines)


def _carry_on(row: dict[str, Any]) -> str:
    header = (
        "engine", "times", "agent carries on %", "after its end p50 / p95 ms", "hole p50 / p95 ms", "new replies",
        "words lost", "words said twice",
    )  # fmt: skip
    lines = [
        (
            variant["label"], f["turns"], f["carried_on_percent"], _triple(f["on_after_ms"], "p50", "p95"),
            _triple(f["hole_ms"], "p50", "p95"), f["new_replies"], f["lost_words"], f["repeated_words"],
        )
        for variant in row["variants"]
        for f in [variant["figures"]]
    ]  # fmt: skip
    return table(header, lines)


def _faults(rows: Sequence[dict[str, Any]]) -> str:
    labels = [variant["label"] for variant in rows[0]["variants"]]
    header = (
        "failure",
        *(f"{label}: heard ≤ 1.5 s · goes on or ends politely · first sound p50 ms" for label in labels),
    )
    lines: list[list[Any]] = []
    for row in rows:
        line: list[Any] = [row["title"]]
        for variant in row["variants"]:
            f = variant["figures"]
            after = cell(f["first_sound_ms"]["p50"])
            line.append(
                f"{f['heard_in_budget']}/{f['calls']} · {f['goes_on'] + f['ends_politely']}/{f['calls']} · {after}"
            )
        lines.append(line)
    return table(header, lines)


def _loads(rows: Sequence[dict[str, Any]]) -> str:
    header = ("calls", "engine", "CPU-s a call-minute", "of the null run", "memory a call MB", "frame lateness p99 ms")
    lines = [
        (
            f["calls"], variant["label"], f["cpu_s_per_call_minute"], f["cpu_s_null"], f["memory_mb_per_call"],
            f["lateness_p99_ms"],
        )
        for row in rows
        for variant in row["variants"]
        for f in [variant["figures"]]
    ]  # fmt: skip
    return table(header, lines)


_SINGLE = {"turns": _turns, "pauses": _turns, "interrupt": _interrupt, "carry_on": _carry_on}


def markdown(result: dict[str, Any], goals: Sequence[Goal] = ()) -> str:
    """The section for docs/benchmarks.md."""
    machine = result["machine"]
    failed = f" Rows that could not be measured: {', '.join(result['failed'])}." if result["failed"] else ""
    parts = [
        "## Beside AgentSession and pipecat",
        f"Taken {result['taken']} by `{result['command']}` ({result['scale']}) on {machine['cores']} cores (load "
        f"average {machine['load']} at its start), Python {machine['python']}, {machine['system']}.{failed}",
        "Every engine waits for the same stages (`benchmarks/stages.py`); how each is plugged in and set stands in "
        "`benchmarks/ours.py`, `peer_agentsession.py` and `peer_pipecat.py`.",
    ]
    if goals:
        parts += ["What aivoice is asked to reach:", goals_table(goals)]
    for row in result["rows"]:
        if row["kind"] in _SINGLE:
            parts += [f"### {row['title']}", _SINGLE[row["kind"]](row)]
    faults = [row for row in result["rows"] if row["kind"] == "fault"]
    if faults:
        parts += ["### A stage fails during the second turn", _faults(faults)]
    loads = [row for row in result["rows"] if row["kind"] == "load"]
    if loads:
        parts += ["### CPU and memory, the null run subtracted", _loads(loads)]
    return "\n\n".join(parts)
