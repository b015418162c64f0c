"""What the settings cost and save: `python -m benchmarks.sweep [--quick] [--only clauses,speculation,endpointing]`.

Our engine on the fixed stages, in virtual time: no noise, the same figures on every machine. Each point changes one
setting of the default configuration. Answers three questions of the product's brief: how long the first clause should
be, how eagerly to speculate, and how long to wait for a caller who pauses. Writes JSON, and a section of
docs/benchmarks.md with ``--docs``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from aivoice.testing.virtual_time import run_virtual
from benchmarks import figures, report
from benchmarks.caller import Plan
from benchmarks.host import Job, run_job

ROOT = Path(__file__).resolve().parent.parent
PAUSES_MS = (300, 1_200)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting: `value` is what the table calls it, `settings` what the engine gets."""

    sweep: str
    value: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    whole_clauses: bool = False


def clause_points() -> list[Point]:
    """Words of the first clause, for a voice that takes whole clauses and for one that streams."""
    return [
        Point("clauses", str(words), {"speculation": "off", "config": {"clauses": {"first_words": words}}}, whole)
        for whole in (True, False)
        for words in (1, 2, 3, 4, 6, 8, 12, 20)
    ]


def speculation_points() -> list[Point]:
    """From none at all to one on every interim."""
    points = [Point("speculation", "off", {"speculation": "off"})]
    points += [
        Point("speculation", f"after speech, settle {settle} ms", {"config": {"speculation": {"settle": settle}}})
        for settle in (0, 100, 140, 200)
    ]
    points += [
        Point("speculation", f"while speaking too, at most {limit}", {
            "speculation": "interims", "config": {"speculation": {"limit": limit}},
        })
        for limit in (1, 3, 10)
    ]  # fmt: skip
    return points


def endpointing_points() -> list[Point]:
    """The wait for texts that may or may not be complete; first as by a fixed timer, then by text."""
    fixed = [
        Point("endpointing", f"fixed {wait} ms", {"config": {"endpointing": dict.fromkeys(_WAITS, wait)}})
        for wait in (0, 300, 500, 700, 1_000)
    ]
    by_text = [
        Point("endpointing", f"by text: {kind} {wait} ms", {"config": {"endpointing": {kind: wait}}})
        for kind, waits in (("open", (0, 300, 450, 600, 800)), ("loose", (500, 800, 1_000, 1_250)))
        for wait in waits
    ]
    return [*fixed, Point("endpointing", "by text: defaults"), *by_text]


_WAITS = ("closed", "open", "loose", "dangling", "spelling", "longest")
SWEEPS = {"clauses": clause_points, "speculation": speculation_points, "endpointing": endpointing_points}


@dataclass(frozen=True, slots=True)
class Scale:
    """calls and measured turns a call of one point."""

    name: str
    calls: int
    turns: int


FULL = Scale("full", calls=6, turns=20)
QUICK = Scale("quick", calls=3, turns=6)


def _hold(settings: dict[str, Any], plan: Plan, calls: int) -> dict[str, Any]:
    from benchmarks.ours import start

    settings = {"speculation": "on", **settings, "journal": False}
    answer = run_virtual(run_job(Job("ours", settings, plan, calls), start))
    if answer["errors"]:
        raise RuntimeError(answer["errors"][0])
    return answer


def _waste(answer: dict[str, Any]) -> float:
    """Share of all requests whose reply nobody heard, in percent."""
    requests = sum(turn["requests"] for call in answer["calls"] for turn in call["turns"])
    heard = sum(turn["paced"] is not None for call in answer["calls"] for turn in call["turns"])
    return round(100 * max(0, requests - heard) / requests, 1) if requests else 0.0


def measure(point: Point, scale: Scale) -> dict[str, Any]:
    """The point's figures on complete utterances, on ones with pauses, and on numbers given in pieces."""
    plain = Plan(turns=scale.turns + 1, whole_clauses=point.whole_clauses)
    if point.sweep == "clauses":  # a long first sentence, so that only the setting ends its first clause
        plain = replace(plain, reply_words=24, first_sentence=20)
    out: dict[str, Any] = {
        "sweep": point.sweep,
        "value": point.value,
        "settings": point.settings,
        "whole_clauses": point.whole_clauses,
        "clean": figures.turn_figures([_hold(point.settings, plain, scale.calls)]),
    }
    if point.sweep == "clauses":
        return out
    disturbed = Plan(turns=scale.turns + 1, paused=0.15, revised=0.15)
    answer = _hold(point.settings, disturbed, scale.calls)
    out["disturbed"] = figures.turn_figures([answer]) | {"waste_percent": _waste(answer)}
    if point.sweep == "endpointing":
        paused = Plan(turns=scale.turns + 1, paused=1.0, paused_kind="paused_inside", pause_ms=PAUSES_MS)
        for name, plan in (("paused", paused), ("spelled", replace(paused, paused=0.0, spelled=1.0))):
            out[name] = figures.turn_figures([_hold(point.settings, plan, scale.calls)])
    return out


def run(names: Sequence[str], scale: Scale, processes: int = 0) -> dict[str, Any]:
    """Every point of the named sweeps, spread over processes (0: one a core)."""
    points = [point for name in names for point in SWEEPS[name]()]
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        measured = list(pool.map(measure, points, [scale] * len(points)))
    return {"scale": scale.name, "points": measured}


def markdown(result: dict[str, Any]) -> str:
    """Three tables."""
    points = result["points"]
    parts = [
        "## What the settings cost and save",
        f"{result['taken']} Our engine on the same stages in virtual time ({result['scale']}); every point changes "
        "only what it names.",
    ]
    clauses = [point for point in points if point["sweep"] == "clauses"]
    if clauses:
        whole = {p["value"]: p["clean"]["offered_ms"] for p in clauses if p["whole_clauses"]}
        streamed = {p["value"]: p["clean"]["offered_ms"] for p in clauses if not p["whole_clauses"]}
        lines = [(words, whole[words]["p50"], whole[words]["p99"], streamed[words]["p50"]) for words in whole]
        header = ("words of the first clause", "whole-clause voice p50 ms", "p99 ms", "streaming voice p50 ms")
        parts += ["### First clause (no speculation)", report.table(header, lines)]
    lines = [
        (
            point["value"], point["clean"]["offered_ms"]["p50"], point["clean"]["offered_ms"]["p99"],
            point["clean"]["requests"], point["disturbed"]["offered_ms"]["p50"], point["disturbed"]["requests"],
            point["disturbed"]["waste_percent"], point["disturbed"]["early_percent"],
        )
        for point in points
        if point["sweep"] == "speculation"
    ]  # fmt: skip
    if lines:
        header = (
            "speculation", "clean p50 ms", "clean p99 ms", "requests a turn", "disturbed p50 ms", "requests a turn",
            "requests thrown away %", "heard inside the utterance %",
        )  # fmt: skip
        parts += ["### Speculation (disturbed: 30 % pause or are revised)", report.table(header, lines)]
    lines = [
        (
            point["value"], point["clean"]["offered_ms"]["p50"], point["clean"]["offered_ms"]["p90"],
            point["paused"]["early_percent"], point["paused"]["offered_ms"]["p50"], point["spelled"]["early_percent"],
            point["disturbed"]["requests"],
        )
        for point in points
        if point["sweep"] == "endpointing"
    ]  # fmt: skip
    if lines:
        header = (
            "wait", "clean p50 ms", "clean p90 ms", "paused 0.3–1.2 s inside a phrase: heard inside %", "paused p50 ms",
            "numbers in pieces: heard inside %", "requests a turn (disturbed)",
        )  # fmt: skip
        parts += ["### Endpointing (speculating)", report.table(header, lines)]
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when done, 2 for a sweep that there is not."""
    parser = argparse.ArgumentParser(prog="benchmarks.sweep", description="what the settings cost and save")
    parser.add_argument("--quick", action="store_true", help="fewer turns a point")
    parser.add_argument("--only", default="", help=f"of {', '.join(SWEEPS)}; comma-separated")
    parser.add_argument("--json", type=Path, default=ROOT / ".cache" / "bench" / "sweep.json")
    parser.add_argument("--docs", type=Path, help="Markdown file whose section of the sweeps is rewritten")
    options = parser.parse_args(argv)
    names = options.only.split(",") if options.only else list(SWEEPS)
    if unknown := [name for name in names if name not in SWEEPS]:
        print(f"no sweep is called {unknown[0]}; there are {', '.join(SWEEPS)}", file=sys.stderr)
        return 2
    result = run(names, QUICK if options.quick else FULL)
    result["taken"] = report.taken("aivoice bench sweep" + (" --quick" if options.quick else ""))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = markdown(result)
    print(text)
    if options.docs is not None:
        report.write_section(options.docs, "sweep", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
