"""`python -m benchmarks [PART] …`: the benchmarks of this checkout.

Parts: peers (with no name), sweep, media, embedded, turns, platform, context, faults, sockets; killed: one call whose
services die one by one. ``--quick``: samples of all. ``--prove``: all in full, written into docs/benchmarks.md.
``--help``: this, and every part's own options.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks import context, embedded_calls, embedded_turns, media, peers, platform_figures, sockets, sweep
from benchmarks.faults import killed, matrix

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
PARTS: dict[str, Callable[[list[str]], int]] = {
    "media": media.main,
    "embedded": embedded_calls.main,
    "turns": embedded_turns.main,
    "platform": platform_figures.main,
    "context": context.main,
    "faults": matrix.main,
    "sockets": sockets.main,
    "sweep": sweep.main,
    "peers": peers.main,
}
"""In the order in which they run one after another."""


def main(arguments: list[str]) -> int:
    """Exit status: the highest; each part runs whatever became of the others."""
    if arguments in (["--help"], ["-h"]):
        return show_help()
    if arguments and arguments[0] == "killed":
        return killed.main(arguments[1:])
    if arguments and arguments[0] in PARTS:
        return PARTS[arguments[0]](arguments[1:])
    if "--prove" in arguments:
        rest = [argument for argument in arguments if argument != "--prove"]
        return every(["--docs", str(DOCS), *rest])
    if arguments == ["--quick"]:
        return every(arguments)
    return peers.main(arguments)


def every(arguments: list[str]) -> int:
    """Each part, whatever became of the others; those that did not end well are named at the end."""
    statuses: dict[str, int] = {}
    for name, part in PARTS.items():
        began = time.monotonic()
        print(f"== {name}", file=sys.stderr, flush=True)
        try:
            statuses[name] = part(arguments)
        except Exception as error:  # noqa: BLE001 - an hour of other figures is not lost with this one
            traceback.print_exception(error)
            statuses[name] = 1
        minutes = (time.monotonic() - began) / 60
        print(f"== {name}: status {statuses[name]} after {minutes:.1f} min", file=sys.stderr, flush=True)
    if any(statuses.values()):
        print(f"not as asked: {', '.join(name for name, status in statuses.items() if status)}", file=sys.stderr)
    return max(statuses.values())


def show_help() -> int:
    """What the parts themselves say, so that no list of options can grow old."""
    print(f"usage: benchmarks [{' | '.join(PARTS)}] [options of the part]")
    print("       benchmarks --quick | --prove\n\nWith no name: the peers. --quick: samples of all.")
    print("--prove: all in full, written into docs/benchmarks.md.")
    for name, part in PARTS.items():
        print(f"\n{name}\n{'-' * len(name)}", flush=True)
        with suppress(SystemExit):
            part(["--help"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
