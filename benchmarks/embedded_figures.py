"""From the turns of `embedded_calls` to its figures and tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from aivoice.testing.goals import Goal, at_most, goals_table, table, taken
from benchmarks.embedded_talk import Turn
from benchmarks.figures import quantile


@dataclass(frozen=True, slots=True)
class Condition:
    """calls at once for `seconds`. goal: (quantile, ms at most), None: reported only."""

    name: str
    leg: Literal["webrtc", "memory"]
    calls: int
    seconds: float
    goal: tuple[float, float] | None


@dataclass(slots=True)
class Measured:
    """turns of all calls, and what the machine did meanwhile. cpu: cores taken by the calls, by the inference process
    and by everything else."""

    condition: Condition
    turns: list[Turn]
    calls: int
    lateness_p99_ms: float
    load: float
    cpu: dict[str, float]


def first_ms(turn: Turn) -> float | None:
    """End of speech → first sound."""
    return None if turn.first is None else round((turn.first - turn.ended) * 1e3, 1)


def answer_ms(turn: Turn) -> float | None:
    """End of speech → the answer's first sound."""
    return None if turn.answer is None else round((turn.answer - turn.ended) * 1e3, 1)


def figures(measured: Measured) -> dict[str, Any]:
    """What one condition came to. Latencies: of turns that were not answered early."""
    clean = [turn for turn in measured.turns if not turn.early]
    # Whoever is never answered waits for ever.
    first = [inf if (ms := first_ms(turn)) is None else ms for turn in clean]
    answer = [inf if (ms := answer_ms(turn)) is None else ms for turn in clean]
    total = len(measured.turns)
    return {
        "condition": measured.condition.name,
        "calls": measured.calls,
        "turns": total,
        "first_ms": _spread(first),
        "answer_ms": _spread(answer),
        "early_percent": round(100 * sum(turn.early for turn in measured.turns) / total, 1) if total else None,
        "unanswered": sum(turn.first is None for turn in clean),
        "lateness_p99_ms": measured.lateness_p99_ms,
        "load": measured.load,
        "cpu": measured.cpu,
        "kinds": _kinds(clean),
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    spread = {f"p{round(100 * q)}": quantile(values, q) for q in (0.5, 0.9, 0.95)}
    return spread | {"max": max(values, default=None)}


def _kinds(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """By the wait that endpointing chose: latency, how much of it came after that wait, and the stages' means."""
    rows: list[dict[str, Any]] = []
    for kind in sorted({turn.kind for turn in turns}):
        own = [turn for turn in turns if turn.kind == kind and turn.first is not None]
        if not own:
            continue
        beyond = [(first_ms(turn) or 0.0) - turn.wait_ms for turn in own]
        stages: dict[str, float] = {}
        for turn in own:
            for name, ms in turn.stages.items():
                stages[name] = stages.get(name, 0.0) + ms / len(own)
        rows.append(
            {
                "kind": kind,
                "turns": len(own),
                "first_ms": _spread([first_ms(turn) or 0.0 for turn in own]),
                "beyond_ms": _spread(beyond),
                "stages": {name: round(ms) for name, ms in stages.items()},
            }
        )
    return rows


def _of(spread: dict[str, float | None]) -> str:
    return " / ".join("–" if value is None else f"{value:.0f}" for value in spread.values())


def goals(rows: Sequence[dict[str, Any]], conditions: Sequence[Condition]) -> list[Goal]:
    """The figures that were asked for; what else is measured is reported."""
    return [
        at_most(
            f"{one.name}: end of speech → first sound at the caller, p{round(100 * one.goal[0])}",
            row["first_ms"][f"p{round(100 * one.goal[0])}"],
            one.goal[1],
            "ms",
            also=f" ({row['turns']} turns)",
        )
        for row, one in zip(rows, conditions, strict=True)
        if one.goal is not None
    ]


def markdown(rows: Sequence[dict[str, Any]], asked: Sequence[Goal], command: str) -> str:
    """The section of docs/benchmarks.md."""
    lines = [
        (
            row["condition"], row["calls"], row["turns"], _of(row["first_ms"]), _of(row["answer_ms"]),
            row["early_percent"], row["unanswered"], row["lateness_p99_ms"], row["load"],
            " / ".join(f"{row['cpu'][name]:.2f}" for name in ("calls", "inference", "others")),
        )
        for row in rows
    ]  # fmt: skip
    header = (
        "condition", "calls", "turns", "first sound p50 / p90 / p95 / max ms", "answer p50 / p90 / p95 / max ms",
        "spoken into a pause %", "unanswered", "frame lateness p99 ms", "load average",
        "cores: call process / inference / all else",
    )  # fmt: skip
    names = list(dict.fromkeys(name for row in rows for kind in row["kinds"] for name in kind["stages"]))
    kinds = [
        (
            row["condition"], kind["kind"], kind["turns"], _of(kind["first_ms"]), _of(kind["beyond_ms"]),
            *(kind["stages"].get(name) for name in names),
        )
        for row in rows
        for kind in row["kinds"]
    ]  # fmt: skip
    kind_header = (
        "condition", "text sounded", "turns", "first sound p50 / p90 / p95 / max ms",
        "beyond the wait chosen p50 / p90 / p95 / max ms", *(f"{name} ms" for name in names),
    )  # fmt: skip
    return "\n\n".join(
        (
            "## Whole calls with the embedded models",
            taken(command),
            "The callers speak with two other of the embedded voices, pause in a third of their lines and wait about a "
            "second after the agent. First sound: a filler counts; the answer is the reply itself. Turns in which the "
            "agent spoke before the line's end are left out of the latencies.",
            goals_table(asked),
            table(header, lines),
            "By how finished the text sounded to endpointing, which chooses the wait; the stages are means of the "
            "answer's waterfall (a wait for the caller is `endpointing`).",
            table(kind_header, kinds),
        )
    )
