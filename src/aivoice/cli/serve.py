"""``aivoice serve``: the house with its doors open."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from aivoice.api.desk import CallDesk
from aivoice.api.serving import check_free, loopback, serve_http
from aivoice.cli.output import console, make_folder
from aivoice.cli.running import run
from aivoice.hosting.calls import Calls
from aivoice.hosting.house import example_files, open_house


def serve_command(businesses: list[Path], *, host: str, port: int, lines: int, out: Path) -> None:
    """Runs until Ctrl-C or SIGTERM; live calls are then ended politely and their files are whole."""
    check_free(host, port)
    make_folder(out)
    run(_serve(businesses or example_files(), host, port, lines, out))


async def _serve(paths: list[Path], host: str, port: int, lines: int, out: Path) -> None:
    screen = console()
    begun = time.monotonic()

    def progress(line: str) -> None:
        screen.print(Text(f"  {line}", style="dim"))

    screen.print("Loading (a few seconds) …")
    async with (
        open_house(paths, progress=progress, messages=out / "messages.jsonl") as house,
        Calls(house.hosted) as calls,
        CallDesk(calls, house.infos(), capacity=lines, directory=out, now=lambda: datetime.now(UTC)) as desk,
        serve_http(desk, host, port) as url,
    ):
        names = ", ".join(info.name for info in house.infos())
        screen.print(Text.assemble(("Ready ", "bold green"), f"after {time.monotonic() - begun:.1f} s: {names}"))
        screen.print(Text.assemble("Open ", (url, "bold underline"), f" and press Call. {lines} lines. Ctrl-C ends."))
        if not loopback(host):
            screen.print(
                Text("Whoever reaches this port can hear and read every call kept in the folder.", style="yellow")
            )
        await asyncio.Event().wait()
