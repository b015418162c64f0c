"""``aivoice simulate``: many calls in virtual time, every contract checked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from aivoice.cli.output import EXIT_INTERRUPTED, console, print_json
from aivoice.cli.running import END_S
from aivoice.errors import InputError
from aivoice.testing.goals import Goal, all_met, write_section
from aivoice.testing.simulate import Failure, Report, simulate
from aivoice.testing.simulate_goals import JUDGED_FROM, goals, repeats, section

EXIT_BROKEN = 1


def simulate_command(
    *, calls: int, seed: int, processes: int, out: Path | None, docs: Path | None, as_json: bool
) -> None:
    """Status 0: no contract was broken and, from 1,000 calls on, every figure is as asked. Status 1: it is not so;
    seed, call and what is left of it are printed. docs: the Markdown file whose section "simulator" is rewritten."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    screen = Console(quiet=True) if as_json else console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("calls", total=calls)
        told = _Progress(calls, lambda done: bar.update(task, completed=done), shown=not screen.is_terminal)
        report = simulate(calls, seed, processes, progress=told)
    reached = _judged(report) if calls >= JUDGED_FROM or docs is not None else []
    kept = [] if out is None else [_keep(failure, out) for failure in report.failures]
    if as_json:
        print_json({**report.as_json(), "journals": [str(path) for path in kept],
                    "goals": [asdict(goal) for goal in reached]})  # fmt: skip
    else:
        _print(screen, report, kept, reached)
    if docs is not None:
        command = f"aivoice simulate --calls {calls} --seed {seed}"
        try:
            write_section(docs, "simulator", section(report, reached, command), reached)
        except OSError as error:
            raise InputError(f"{docs}: {error.strerror}", stage="cli") from None
    if not report.ok or not all_met(reached):
        raise typer.Exit(EXIT_BROKEN)


def _judged(report: Report) -> list[Goal]:
    return goals(report, same=repeats(report))


class _Progress:
    """Tells a terminal's bar; where there is none, a line on standard error for each quarter."""

    def __init__(self, calls: int, bar: Callable[[int], None], *, shown: bool) -> None:
        self._calls, self._bar, self._shown, self._told = calls, bar, shown, 0

    def __call__(self, done: int) -> None:
        self._bar(done)
        if self._shown and 4 * done // self._calls > self._told:
            self._told = 4 * done // self._calls
            print(f"simulate: {done} of {self._calls} calls", file=sys.stderr, flush=True)


def _stop(_: int, __: FrameType | None) -> None:
    """Ctrl-C, or told to end: the helpers are ended, nothing needs to be kept.

    With helpers the pool is left in order, for its semaphores would be reported as leaked. Its manager thread may
    fail on the way (it tells futures of the dead helpers that are cancelled already): nobody needs to read that.
    """
    threading.excepthook = lambda _: None
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


def _print(screen: Console, report: Report, kept: list[Path], reached: list[Goal]) -> None:
    for line in report.lines():
        screen.print(line)
    for path in kept:
        screen.print(f"journal: {path} (aivoice replay {path})")
    for goal in reached:
        verdict = ("met", "green") if goal.met else ("NO", "bold red")
        screen.print(Text.assemble(f"  {goal.name}: {goal.measured} (asked: {goal.asked}) ", verdict))
    kept_all = "every contract was kept" if report.ok else "a contract was broken"
    missed = sum(not goal.met for goal in reached)
    line = f"{kept_all}; {missed} figures are not as asked" if missed else kept_all
    screen.print(Text(line, "bold red" if missed or not report.ok else "bold green"))
