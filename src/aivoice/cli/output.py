"""Printing: for people with rich, for machines as JSON; errors as one line, or as one JSON object."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from aivoice.errors import InputError, VoiceError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


def console() -> Console:
    """Standard output; colours only where it is a terminal. Markup is off: what callers say is never read as such."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document, a line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def report(error: VoiceError, *, as_json: bool) -> None:
    """The error on standard error: one line a problem."""
    if as_json:
        value = {"error": {"code": error.code, "stage": error.stage, "message": str(error)}}
        print(json.dumps(value, ensure_ascii=False), file=sys.stderr, flush=True)
        return
    every: Callable[[], tuple[str, ...]] | None = getattr(error, "lines", None)
    lines = every() if every is not None else (str(error),)
    err = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
    for line in lines:
        err.print(Text.assemble(("error: ", "bold red"), line))


def make_folder(out: Path) -> None:
    """Make the folder for calls' files. Raises InputError where nothing can be written: before anything is loaded."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose another folder with --out", stage="cli") from None
