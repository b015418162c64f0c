"""`python -m benchmarks platform`: what the platform is asked to reach, on its embedded PostgreSQL.

``--quick``: a small database, short loads. ``--docs FILE``: rewrites the section of the platform there. ``--json``:
prints JSON. Exit status 1 when a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from aivoice.store.embedded import start
from aivoice.testing.goals import Goal, all_met, at_least, at_most, goals_table, table, taken, write_section
from benchmarks import knowledge_eval, platform_load, platform_scale
from benchmarks.platform_scale import Sizes

Rows = dict[str, dict[str, float]]
OTHERS = 2_000
"""Passages of other businesses among which one's own are found."""


def on_a_server(quick: bool) -> tuple[Rows, Rows]:
    """scale, load."""
    sizes = Sizes(300, 30_000, 200, 60) if quick else Sizes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = start(folder / "postgres")
        try:
            _told(f"{sizes.tenants:,} tenants, {sizes.calls:,} calls …")
            scale = asyncio.run(platform_scale.measured(server.get_uri(), folder, sizes))
            _told("reads, renewals and a call …")
            load = asyncio.run(platform_load.measured(server.get_uri(), folder, 5 if quick else 30))
        finally:
            server.cleanup()
    return scale, load


def knowledge(quick: bool) -> dict[str, float]:
    """Of the test half, which set no threshold; percent."""
    _told("knowledge …")
    embedder = knowledge_eval.MiniLm()
    rows = asyncio.run(knowledge_eval.asked(200 if quick else OTHERS, embedder, every=4 if quick else 1))
    return knowledge_eval.held_out_figures(rows)


def goals_of(scale: Rows, load: Rows, found: dict[str, float]) -> list[Goal]:
    lists = max(figures["p95"] for name, figures in scale.items() if name.startswith("list"))
    cold, warm = scale["number → agent ready, cold"]["p95"], scale["number → agent ready, warm"]["p95"]
    late = load["the call, beside the load"]["frame lateness p99 ms"]
    return [
        at_most("number → tenant, p95", scale["number → tenant"]["p95"], 5, "ms"),
        at_most("list of calls, p95, slowest filter", lists, 50, "ms"),
        at_most("number → agent ready, p95, context not in memory", cold, 30, "ms"),
        at_most("number → agent ready, p95, in memory", warm, 30, "ms"),
        at_least("API reads answered", load["API reads"]["answered a second"], 495, "/s"),
        at_least("lease renewals answered", load["renewals"]["answered a second"], 49.5, "/s"),
        at_most("frame lateness p99 of the call beside them", late, 20, "ms"),
        at_least("knowledge: recall@5 among others", found["recall@5"], 95, "%"),
        at_most("knowledge: answerable refused", found["answerable refused"], 5, "%"),
        at_least("knowledge: unanswerable recognised", found["unanswerable refused"], 90, "%"),
    ]


_SCALE = (
    "The database holds 10,000 tenants and a million calls, a fifth of them of one tenant; every second question is "
    "about that one. Ready: from the first ring to a context with the greeting's audio, with decision, credit, key and "
    "record committed; models are fakes, so the figure is the platform's own. Not in memory: clips on disk, knowledge "
    "published."
)
_LOAD = (
    "Open loop, from another process: a read is due at its time whether those before it are answered or not. The call "
    "is both ends of a WebRTC leg with Opus, in a process of its own."
)


def markdown(scale: Rows, load: Rows, found: dict[str, float], goals: list[Goal], command: str) -> str:
    others = f"Knowledge, test half, among {OTHERS:,} passages of other businesses (ADR 0082): "
    return "\n\n".join(
        (
            "## Platform",
            taken(command),
            goals_table(goals),
            _SCALE,
            table(("asked", "p50 ms", "p95 ms"), [(name, row["p50"], row["p95"]) for name, row in scale.items()]),
            _LOAD,
            table(("load", "figures"), [(name, _words(row)) for name, row in load.items()]),
            others + _words(found, " %") + ".",
        )
    )


def _words(row: dict[str, float], unit: str = "") -> str:
    return ", ".join(f"{name} {value:g}{unit}" for name, value in row.items())


def _told(line: str) -> None:
    print(f"platform: {line}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks platform", description="figures of the platform")
    parser.add_argument("--quick", action="store_true", help="a small database, short loads")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--docs", type=Path, help="Markdown file whose section of the platform is rewritten")
    options = parser.parse_args(arguments)
    scale, load = on_a_server(options.quick)
    found = knowledge(options.quick)
    goals = goals_of(scale, load, found)
    figures: dict[str, Any] = {"scale": scale, "load": load, "knowledge": found}
    command = "aivoice bench platform --quick" if options.quick else "aivoice bench platform"
    text = markdown(scale, load, found, goals, command)
    print(json.dumps(figures, indent=2) if options.json else text)
    if options.docs is not None:
        write_section(options.docs, "platform", text, goals)
    return 0 if all_met(goals) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
