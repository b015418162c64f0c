"""``aivoice bench``: the benchmarks of the source checkout, in this environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import typer

import aivoice
from aivoice.cli.output import EXIT_INTERRUPTED
from aivoice.errors import InputError


def bench_command(arguments: list[str]) -> None:
    """Hands over to ``python -m benchmarks``; its exit status is ours. Ctrl-C ends every process of it at once."""
    root = Path(aivoice.__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise InputError(
            "the benchmarks are part of the source checkout: clone it and run `make bench` there", stage="cli"
        )
    running: subprocess.Popen[bytes] | None = None
    stopped = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if running is not None:
            _end(running)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    running = subprocess.Popen([sys.executable, "-m", "benchmarks", *arguments], cwd=root, start_new_session=True)
    if stopped:  # while it was being started
        _end(running)
    status = running.wait()
    raise typer.Exit(EXIT_INTERRUPTED if stopped else status)


def _end(group: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group.pid, signal.SIGKILL)
