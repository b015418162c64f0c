"""Draws the picture of a call in the README: `python scripts/picture.py calls/<id> docs/images/call.svg`.

The conversation as `aivoice call` shows it in the terminal, from the call's trace.json.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console

from aivoice.cli.live import legend, render

WIDTH = 124
MOST_LINES = 42


def main(folder: Path, target: Path) -> None:
    trace = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, markup=False, highlight=False)
    screen.print(legend())
    for entry in sorted(trace["entries"], key=lambda entry: entry["at_ms"])[:MOST_LINES]:
        line = render(entry)
        if line is not None:
            line.no_wrap = entry["kind"] == "waterfall"
            screen.print(line, overflow="ellipsis")
    svg = screen.export_svg(title=f"aivoice call: {trace['business']}")
    # Self-contained: no font from elsewhere.
    svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
