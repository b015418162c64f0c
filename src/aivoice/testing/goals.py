"""What a proof asks of its figures, as data: measured, asked, met or not. And where the figures are written down.

A figure is always reported as it is; a goal that is missed makes the proof's exit status 1.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORDER = ("goals", "peers", "simulator", "embedded-calls", "embedded-turns", "media", "sweep")
"""Sections of docs/benchmarks.md, as they stand there; others come after them."""
_SECTION = re.compile(r"<!-- begin (\S+): generated, do not edit -->\n(.*?)\n<!-- end \1 -->\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure. asked: in words, with its unit, as `measured`."""

    name: str
    measured: str
    asked: str
    met: bool


def at_most(name: str, value: float | None, limit: float, unit: str, *, also: str = "") -> Goal:
    """Met by a value that is not above `limit`; one that was not measured misses. also: shown beside the value."""
    met = value is not None and value <= limit
    return Goal(name, f"{_shown(value, unit)}{also}", f"≤ {_shown(limit, unit)}", met)


def at_least(name: str, value: float | None, limit: float, unit: str, *, also: str = "") -> Goal:
    """Met by a value that is not below `limit`; one that was not measured misses."""
    met = value is not None and value >= limit
    return Goal(name, f"{_shown(value, unit)}{also}", f"≥ {_shown(limit, unit)}", met)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{round(value, 2):g}"
    return f"{text} {unit}".rstrip()


def cell(value: Any) -> str:
    """A number as people write it, – for None."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}"
    return str(value)


def table(header: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    rows = [list(header), ["---"] * len(header), *[[cell(value) for value in line] for line in lines]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def goals_table(goals: Sequence[Goal]) -> str:
    """met, or NO."""
    lines = [(goal.name, goal.measured, goal.asked, _verdict(goal)) for goal in goals]
    return table(("what", "measured", "asked", "met"), lines)


def all_met(goals: Sequence[Goal]) -> bool:
    return all(goal.met for goal in goals)


def _verdict(goal: Goal) -> str:
    return "met" if goal.met else "NO"


def taken(command: str) -> str:
    """When, where and by which command: stands at the head of every section."""
    return (
        f"Taken {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} by `{command}` on {os.cpu_count()} cores (load "
        f"average {os.getloadavg()[0]:.1f} when it was written), Python {platform.python_version()}, "
        f"{platform.system()}."
    )


def write_section(path: Path, name: str, text: str, goals: Sequence[Goal] | None = None) -> None:
    """Replace the section `name` of the Markdown file, or add it in its place. What people wrote stands before them.

    goals: they replace this section's lines in the section "goals", where those of all proofs stand together.
    """
    old = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    sections = {found[1]: found[2] for found in _SECTION.finditer(old)}
    head = _SECTION.sub("", old).rstrip("\n")
    sections[name] = text
    if goals is not None:
        sections["goals"] = _all_goals(sections.get("goals", ""), name, goals)
    places = {each: place for place, each in enumerate(ORDER)}
    names = sorted(sections, key=lambda each: places.get(each, len(ORDER)))
    parts = [f"<!-- begin {each}: generated, do not edit -->\n{sections[each]}\n<!-- end {each} -->" for each in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join([head, *parts]) + "\n", encoding="utf-8")


def _all_goals(old: str, name: str, goals: Sequence[Goal]) -> str:
    """The section "goals" with the lines of `name` replaced."""
    cells = [[part.strip() for part in line.strip("| ").split(" | ")] for line in old.splitlines() if line[:2] == "| "]
    kept = [line for line in cells[2:] if line[0] != name]
    kept += [[name, goal.name, goal.measured, goal.asked, _verdict(goal)] for goal in goals]
    places = {each: place for place, each in enumerate(ORDER)}
    kept.sort(key=lambda line: places.get(line[0], len(ORDER)))
    missed = sum(line[-1] == "NO" for line in kept)
    told = f"{len(kept)} figures are judged: {len(kept) - missed} are as asked, {missed} are not."
    return "\n\n".join(("## Goals", told, table(("section", "what", "measured", "asked", "met"), kept)))
