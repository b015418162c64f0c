"""``aivoice simulate``: many calls in virtual time, every contract checked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from aivoice.cli.output import EXIT_INTERRUPTED, console, print_json
from aivoice.cli.running import END_S
from aivoice.errors import InputError
from aivoice.testing.simulate import Failure, Report, simulate

EXIT_BROKEN = 1


def simulate_command(*, calls: int, seed: int, processes: int, out: Path | None, as_json: bool) -> None:
    """Status 0: no contract was broken. Status 1: one was; seed, call and what is left of it are printed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    screen = Console(quiet=True) if as_json else console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("calls", total=calls)
        report = simulate(calls, seed, processes, progress=lambda done: bar.update(task, completed=done))
    kept = [] if out is None else [_keep(failure, out) for failure in report.failures]
    if as_json:
        print_json({**report.as_json(), "journals": [str(path) for path in kept]})
    else:
        _print(screen, report, kept)
    if not report.ok:
        raise typer.Exit(EXIT_BROKEN)


def _stop(_: int, __: FrameType | None) -> None:
    """Ctrl-C, or told to end: the helpers are ended, nothing needs to be kept.

    With helpers the pool is left in order, for its semaphores would be reported as leaked.
    """
    children = multiprocessing.active_children()
    if not children:
        os._exit(EXIT_INTERRUPTED)
    for child in children:
        child.kill()
    watchdog = threading.Timer(END_S, os._exit, (EXIT_INTERRUPTED,))
    watchdog.daemon = True
    watchdog.start()
    raise KeyboardInterrupt


def _keep(failure: Failure, out: Path) -> Path:
    path = out / f"seed-{failure.seed}-call-{failure.index}.jsonl"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(failure.journal, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another folder with --out", stage="cli") from None
    return path


def _print(screen: Console, report: Report, kept: list[Path]) -> None:
    for line in report.lines():
        screen.print(line)
    for path in kept:
        screen.print(f"journal: {path} (aivoice replay {path})")
    verdict = ("every contract was kept", "bold green") if report.ok else ("a contract was broken", "bold red")
    screen.print(Text(*verdict))
