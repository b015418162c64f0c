"""``aivoice check``: what is wrong with business files, all of it, by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from aivoice.business.load import BusinessFileError, load_business
from aivoice.cli.output import EXIT_ERROR, console, print_json, report


def check_command(files: list[Path], *, as_json: bool) -> None:
    """Status 0: all are fine. Status 2: every problem of every file is printed."""
    results: list[dict[str, Any]] = []
    broken = False
    for file in files:
        try:
            business = load_business(file)
        except BusinessFileError as error:
            broken = True
            results.append({"file": str(file), "ok": False, "problems": list(error.lines())})
            if not as_json:
                report(error, as_json=False)
            continue
        results.append({"file": str(file), "ok": True, "name": business.name, "tools": len(business.tools)})
        if not as_json:
            text = f"{file}: {business.name}, {len(business.tools)} tools, {len(business.documents)} documents"
            console().print(Text.assemble(("ok: ", "green"), text))
    if as_json:
        print_json(results)
    if broken:
        raise typer.Exit(EXIT_ERROR)
