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
    benchmarks = subprocess.Popen([sys.executable, "-m", "benchmarks", *arguments], cwd=root, start_new_session=True)
    stopped = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        with suppress(ProcessLookupError):
            os.killpg(benchmarks.pid, signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    status = benchmarks.wait()
    raise typer.Exit(EXIT_INTERRUPTED if stopped else status)
