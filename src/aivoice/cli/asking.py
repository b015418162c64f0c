"""What the commands of the control plane share: options, a plane to ask, and how its answers look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from aivoice.cli.output import console, print_json
from aivoice.cli.running import run

if TYPE_CHECKING:
    from aivoice.cli.plane import ControlPlane

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the installation: keys and database. Default: AIVOICE_DATA, or your own."),
]
Server = Annotated[
    str, typer.Option("--server", help="Address of a control plane. Default: AIVOICE_SERVER, or this machine.")
]
Key = Annotated[str, typer.Option("--key", help="API key for --server. Better: AIVOICE_KEY.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]
Tenant = Annotated[str, typer.Argument(help="A tenant's id, like northside-dental.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

Work = Callable[["ControlPlane"], Awaitable[None]]


def with_plane(
    work: Work, data: Path | None, server: str, key: str, *, models: bool = False, quiet: bool = False
) -> None:
    """Run `work` with a control plane: the server's, or this machine's. quiet: no progress. Raises VoiceError."""
    from aivoice.cli.plane import control_plane  # the platform's packages: not for every --help

    screen = console()

    def progress(line: str) -> None:
        if not quiet:
            screen.print(Text(f"  {line}", style="dim"))

    async def held() -> None:
        async with control_plane(data=data, server=server, key=key, models=models, progress=progress) as plane:
            await work(plane)

    run(held())


def show_plan(name: str, lines: list[str]) -> None:
    screen = console()
    screen.print(Text(f"{name}: {'what callers will notice' if lines else 'nothing changes'}", style="bold"))
    styles = {"+": "green", "-": "red", "~": "yellow", "!": "dim"}
    for line in lines:
        screen.print(Text(f"  {line}", style=styles.get(line[:1], "")))


def show_table(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if row[column] is None else str(row[column])) for column in columns))
    console().print(table)
