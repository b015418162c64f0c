"""What our engine is asked to reach in the rows beside its peers. Pure: from the measured rows to met or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aivoice.testing.goals import Goal, all_met, at_least, at_most

__all__ = ["all_met", "goals"]

Figures = dict[str, Any]
Asked = Callable[[Figures], list[Goal]]


def goals(result: dict[str, Any]) -> list[Goal]:
    """Of every row that was measured. A row that was tried and failed is a goal missed."""
    reached: list[Goal] = []
    for row in result["rows"]:
        for variant in row["variants"]:
            if variant["engine"] == "ours":
                asked = _asked(row, silero=bool(variant["settings"].get("silero")))
                reached += asked(variant["figures"]) if asked is not None else []
    return reached + [Goal(f"row {key}", "failed", "measured", met=False) for key in result["failed"]]


def _asked(row: dict[str, Any], *, silero: bool) -> Asked | None:
    if row["kind"] == "fault":
        return lambda f: _fault(row["title"], f)
    if row["kind"] == "load":
        return lambda f: _load(f, silero=silero)
    return _ROWS.get(row["key"])


def _turns(
    name: str, *, p50: float, p99: float | None = None, requests: float | None = None, early: float | None = None
) -> Asked:
    """Latency, requests and what may never happen, of a row of turns."""

    def asked(f: Figures) -> list[Goal]:
        found = [at_most(f"{name}: mouth-to-ear p50", f["offered_ms"]["p50"], p50, "ms")]
        if p99 is not None:
            found.append(at_most(f"{name}: mouth-to-ear p99", f["offered_ms"]["p99"], p99, "ms"))
        if requests is not None:
            found.append(at_most(f"{name}: LLM requests a turn", f["requests"], requests, ""))
        if early is not None:
            found.append(at_most(f"{name}: heard inside the utterance", f["early_percent"], early, "%"))
        return [*found, *_right(name, f)]

    return asked


def _pauses(name: str, early: float) -> Asked:
    return lambda f: [
        at_most(f"{name}: heard inside the utterance", f["early_percent"], early, "%"),
        *_right(name, f),
    ]


def _right(name: str, f: Figures) -> list[Goal]:
    return [
        at_most(f"{name}: replies for another text", f["wrong"], 0, ""),
        at_most(f"{name}: turns without a reply", f["unanswered"], 0, ""),
    ]


def _interrupt(f: Figures) -> list[Goal]:
    return [
        at_most("interruption: onset → agent quiet p50", f["quiet_ms"]["p50"], 65, "ms"),
        at_most("interruption: onset → agent quiet p99", f["quiet_ms"]["p99"], 100, "ms"),
        at_least("interruption: yields", f["yields_percent"], 99, "%"),
        at_most("interruption: decided after the first words, p95", f["decided_p95_ms"], 400, "ms"),
        at_most("interruption: history off by words, p95", f["history_off_words"]["p95"], 1, ""),
    ]


def _carry_on(name: str, asked: float) -> Asked:
    def found(f: Figures) -> list[Goal]:
        whole = f["hole_ms"]
        also = "" if whole["p95"] is None else f" (the whole hole {whole['p50']:.0f} p50, {whole['p95']:.0f} p95)"
        return [
            at_least(f"{name}: the agent carries on", f["carried_on_percent"], asked, "%"),
            at_most(f"{name}: speech again after its end, p95", f["on_after_ms"]["p95"], 700, "ms", also=also),
            at_most(f"{name}: words lost", f["lost_words"], 0, ""),
            at_most(f"{name}: words said twice", f["repeated_words"], 0, ""),
        ]

    return found


def _fault(title: str, f: Figures) -> list[Goal]:
    calls = f["calls"]
    heard, after = f["heard_in_budget"], f["goes_on"] + f["ends_politely"]
    return [
        Goal(f"{title}: heard within 1.5 s", f"{heard} of {calls}", "every call", 0 < calls == heard),
        Goal(f"{title}: goes on or ends politely", f"{after} of {calls}", "every call", 0 < calls == after),
    ]


def _load(f: Figures, *, silero: bool) -> list[Goal]:
    if f["calls"] != 50:
        return []
    if silero:
        return [at_most("50 calls, batched Silero: CPU-s a call-minute", f["cpu_s_per_call_minute"], 0.55, "s")]
    return [
        at_most("50 calls: CPU-s a call-minute", f["cpu_s_per_call_minute"], 0.30, "s"),
        at_most("50 calls: frame lateness p99", f["lateness_p99_ms"], 15, "ms"),
        at_most("50 calls: memory a call", f["memory_mb_per_call"], 0.6, "MB"),
    ]


_ROWS: dict[str, Asked] = {
    "plain": _turns("no speculation", p50=755, p99=775),
    "speculating": _turns("speculation", p50=610, p99=680, requests=1.3),
    "disturbed": _turns("speculation, disturbed", p50=610, requests=2.5, early=5),
    "whole": _turns("whole clauses", p50=805),
    "whole_speculating": _turns("whole clauses, speculation", p50=660),
    "pauses": _pauses("pauses inside a phrase", 5),
    "pauses_complete": _pauses("pauses where the sentence could end", 5),
    "spelling": _pauses("numbers and addresses in pieces", 1),
    "interrupt": _interrupt,
    "cough": _carry_on("cough", 100),
    "backchannel": _carry_on("backchannel", 95),
}
