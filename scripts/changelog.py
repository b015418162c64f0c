#!/usr/bin/env python3
"""Moves change fragments into CHANGELOG.md: `python3 scripts/changelog.py 0.2.0 [2026-12-01]`.

`--check` only reads them.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("added", "changed", "fixed", "removed", "security")
MARK = "<!-- new versions stand here -->"


def fragments(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Fragments by kind, in the order of their names. Raises SystemExit with one line for a file that is none."""
    found: dict[str, list[tuple[Path, str]]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        kind = path.suffixes[0].strip(".") if len(path.suffixes) == 2 else ""
        text = " ".join(path.read_text(encoding="utf-8").split())
        if kind not in KINDS:
            raise SystemExit(f"changes/{path.name}: the kind must be one of {', '.join(KINDS)}: name.added.md")
        if not text:
            raise SystemExit(f"changes/{path.name}: it is empty")
        found[kind].append((path, text))
    return found


def section(version: str, day: str, found: dict[str, list[tuple[Path, str]]]) -> str:
    """The version's part of the page."""
    parts = [
        f"### {kind.capitalize()}\n\n" + "\n".join(f"- {text}" for _, text in found[kind])
        for kind in KINDS
        if found[kind]
    ]
    return "\n\n".join([f"## {version} ({day})", *parts]) + "\n"


def release(root: Path, version: str, day: str) -> None:
    """Write the section, remove the fragments."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"{version}: give a version like 0.2.0")
    found = fragments(root / "changes")
    if not any(found.values()):
        raise SystemExit("changes/ holds no fragment: there is nothing to release")
    page = root / "CHANGELOG.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(MARK, f"{MARK}\n\n{section(version, day, found).rstrip()}"), encoding="utf-8")
    for entries in found.values():
        for path, _ in entries:
            path.unlink()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        fragments(ROOT / "changes")
    elif len(sys.argv) in (2, 3):
        release(ROOT, sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else dt.datetime.now(dt.UTC).date().isoformat())
    else:
        raise SystemExit("usage: python3 scripts/changelog.py <version> [<day>] | --check")
