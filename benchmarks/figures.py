"""From the turns of a variant to its figures. Pure; every figure of the table is computed here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.stages import plain

SILENCE_BUDGET_S = 1.5
CARRY_ON_S = 0.7

Figures = dict[str, Any]


def quantile(values: Sequence[float], q: float) -> float | None:
    """Nearest-rank quantile (ISO 16269-4 R1): the smallest value that at least the share `q` do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def spread(values: Sequence[float], quantiles: Iterable[float] = (0.5, 0.9, 0.99)) -> Figures:
    """p50, p90 … of `values`, rounded to 0.1."""
    out: Figures = {}
    for q in quantiles:
        value = quantile(values, q)
        out[f"p{round(q * 100)}"] = None if value is None else round(value, 1)
    return out


def share(count: int, total: int) -> float | None:
    """Percent, one decimal."""
    return round(100 * count / total, 1) if total else None


def _turns(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [turn for answer in answers for call in answer["calls"] for turn in call["turns"]]


def _same(text: str, other: str) -> bool:
    return [plain(word) for word in text.split()] == [plain(word) for word in other.split()]


def answers_turn(turn: dict[str, Any]) -> bool:
    """Was the reply heard after the utterance made for its final text (perhaps after earlier, unanswered ones)?"""
    prompt, text = turn["heard_prompt"] or "", turn["text"]
    tail = prompt.split()[-len(text.split()) :]
    return _same(" ".join(tail), text)


def turn_figures(answers: Sequence[dict[str, Any]]) -> Figures:
    """Mouth-to-ear of replies that came after the utterance, requests, and what went wrong."""
    turns = _turns(answers)
    good = [turn for turn in turns if turn["paced"] and not turn["early"]]
    offered = [(turn["offered"] - turn["end"]) * 1000 for turn in good if turn["offered"]]
    paced = [(turn["paced"] - turn["end"]) * 1000 for turn in good]
    return {
        "turns": len(turns),
        "offered_ms": spread(offered),
        "paced_ms": spread(paced),
        "requests": round(sum(turn["requests"] for turn in turns) / len(turns), 2) if turns else None,
        "early_percent": share(sum(turn["early"] for turn in turns), len(turns)),
        "wrong": sum(not answers_turn(turn) for turn in good),
        "unanswered": sum(turn["paced"] is None for turn in turns),
        "lateness_p99_ms": lateness(answers),
    }


def interrupt_figures(answers: Sequence[dict[str, Any]]) -> Figures:
    """From the onset of the caller's speech to a quiet agent, and what history says afterwards."""
    turns = [turn for turn in _turns(answers) if turn["over_reply"]]
    quiet = [(turn["quiet"] - turn["onset"]) * 1000 for turn in turns if turn["quiet"]]
    off = [abs(turn["heard_words"] - turn["history_words"]) for turn in turns if turn["heard_words"] is not None]
    decided = [ms for answer in answers for call in answer["calls"] for ms in call["noted_ms"].get("decided", [])]
    return {
        "turns": len(turns),
        "quiet_ms": spread(quiet, (0.5, 0.99)),
        "yields_percent": share(sum(bool(turn["quiet"]) and turn["other_reply"] for turn in turns), len(turns)),
        "decided_p95_ms": spread(decided, (0.95,))["p95"],
        "history_off_words": spread([float(value) for value in off], (0.5, 0.95)),
    }


def carry_on_figures(answers: Sequence[dict[str, Any]]) -> Figures:
    """A cough or backchannel over the agent: does it go on, how soon, and is every word said once?"""
    turns = [turn for turn in _turns(answers) if turn["over_reply"] and turn["kind"] in ("cough", "backchannel")]
    on = [turn for turn in turns if turn["resumed"] or not turn["quiet"]]
    after = [max(0.0, (turn["resumed"] - turn["end"]) * 1000) if turn["resumed"] else 0.0 for turn in on]
    return {
        "turns": len(turns),
        "carried_on_percent": share(len(on), len(turns)),
        "on_after_ms": spread(after, (0.5, 0.95)),
        "hole_ms": spread([turn["hole_s"] * 1000 for turn in on], (0.5, 0.95)),
        "new_replies": sum(turn["other_reply"] for turn in turns),
        "lost_words": sum(turn["lost_words"] for turn in on),
        "repeated_words": sum(turn["repeated_words"] for turn in on),
    }


def fault_figures(answers: Sequence[dict[str, Any]]) -> Figures:
    """The second turn, in which a stage fails, and the third."""
    heard = goes_on = polite = calls = 0
    waits: list[float] = []
    for answer in answers:
        for call in answer["calls"]:
            if not call["turns"]:
                continue
            calls += 1
            faulty, later = call["turns"][0], call["turns"][1:]
            if faulty["after"] is not None:
                waits.append((faulty["after"] - faulty["end"]) * 1000)
                heard += waits[-1] <= SILENCE_BUDGET_S * 1000
            answered = any(turn["paced"] for turn in later)
            goes_on += answered
            polite += call["ended_by_agent"] and not answered and faulty["after"] is not None
    return {
        "calls": calls,
        "heard_in_budget": heard,
        "first_sound_ms": spread(waits, (0.5, 0.99)),
        "goes_on": goes_on,
        "ends_politely": polite,
    }


def lateness(answers: Sequence[dict[str, Any]]) -> float | None:
    """p99 of how late frames left the pacer, in ms."""
    values = [ms for answer in answers for call in answer["calls"] for ms in call["lateness_ms"]]
    return spread(values, (0.99,))["p99"]


def load_figures(answer: dict[str, Any], null: dict[str, Any], calls: int) -> Figures:
    """CPU and memory a call, the null run subtracted."""

    def cpu(run: dict[str, Any]) -> float:
        return run["cpu_s"] / (run["wall_s"] / 60) / calls

    def memory(run: dict[str, Any]) -> float:
        return (run["rss"] - run["rss_base"]) / calls / 1e6

    return {
        "calls": calls,
        "cpu_s_per_call_minute": round(cpu(answer) - cpu(null), 3),
        "cpu_s_null": round(cpu(null), 3),
        "memory_mb_per_call": round(memory(answer) - memory(null), 2),
        "memory_mb_null": round(memory(null), 2),
        "lateness_p99_ms": lateness([answer]),
    }
