"""``aivoice replay``: is this call's journal what the core decides today?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer
from rich.text import Text

from aivoice.cli.output import console, print_json
from aivoice.engine.release import HERE
from aivoice.engine.replay import FirstDifference, Reading, Same, read_file, replay

EXIT_DIFFERENT = 1


def replay_command(path: Path, *, as_json: bool) -> None:
    """Status 0: the same commands. Status 1: the first difference is printed, and if another core made the journal."""
    reading = read_file(path)
    outcome = replay(reading)
    if as_json:
        print_json(
            {
                "call": reading.call_id,
                "same": isinstance(outcome, Same),
                "made_by": asdict(reading.made_by),
                "replayed_by": asdict(HERE),
                **asdict(outcome),
            }
        )
    else:
        _print(outcome, reading, path)
    if isinstance(outcome, FirstDifference):
        raise typer.Exit(EXIT_DIFFERENT)


def _print(outcome: Same | FirstDifference, reading: Reading, path: Path) -> None:
    out = console()
    match outcome:
        case Same(events, commands, complete):
            tail = "" if complete else "; the journal ends early, and was compared as far as it goes"
            out.print(Text.assemble(("same: ", "green"), f"{events} events gave the same {commands} commands{tail}"))
        case FirstDifference(line, at_us, event, expected, found):
            where = f"{path}:{line}" if line else f"{path}: at its end"
            out.print(Text.assemble(("different: ", "red"), f"{where}, after {event} at {at_us / 1e6:.6f} s"))
            out.print(f"  journal: {expected or 'no command'}")
            out.print(f"  replay:  {found or 'no command'}")
            if reading.made_elsewhere:
                out.print(
                    f"note: made by another release of the core ({reading.made_by}); this is {HERE}: "
                    "a difference may be that"
                )
