"""``aivoice bench``: the benchmarks of the source checkout, in this environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

import aivoice
from aivoice.errors import InputError


def bench_command(arguments: list[str]) -> None:
    """Hands over to ``python -m benchmarks``; its exit status is ours."""
    root = Path(aivoice.__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise InputError(
            "the benchmarks are part of the source checkout: clone it and run `make bench` there", stage="cli"
        )
    raise typer.Exit(subprocess.call([sys.executable, "-m", "benchmarks", *arguments], cwd=root))
