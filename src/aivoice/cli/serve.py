"""``aivoice serve``: the platform with its doors open."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from aivoice.api.desk import CallDesk
from aivoice.api.serving import check_free, loopback, serve_http
from aivoice.cli.output import console, make_folder
from aivoice.cli.running import run
from aivoice.hosting.chains import Finding
from aivoice.hosting.control import control_plane
from aivoice.hosting.house import example_files
from aivoice.hosting.installation import INFERENCE, Installation, data_folder, open_installation
from aivoice.hosting.opening import open_all
from aivoice.hosting.platform import ALLOWED, open_platform
from aivoice.hosting.provider_file import ProviderFile, find_providers
from aivoice.providers.embedded.bundle import EmbeddedSet, settings
from aivoice.tenants.lifecycle import tenants


def serve_command(
    businesses: list[Path],
    *,
    host: str,
    port: int,
    control_port: int,
    lines: int,
    out: Path,
    data: Path | None = None,
    providers: Path | None = None,
) -> None:
    """Runs until Ctrl-C or SIGTERM; live calls are then ended politely and their files are whole."""
    check_free(host, port)
    if control_port:
        check_free(host, control_port)
    make_folder(out)
    folder = data or data_folder()
    services = find_providers(folder, providers).content  # what is wrong in it is told before anything slow begins
    run(_serve(businesses, host, port, control_port, lines, out, folder, services))


async def _serve(
    paths: list[Path],
    host: str,
    port: int,
    control_port: int,
    lines: int,
    out: Path,
    data: Path,
    services: ProviderFile,
) -> None:
    screen = console()
    begun = time.monotonic()

    def progress(line: str) -> None:
        screen.print(Text(f"  {line}", style="dim"))

    screen.print("Loading (a few seconds) …")
    async with open_installation(data, progress=progress) as installation:
        async with installation.store.platform() as scope:
            fresh = not await tenants(scope, limit=1)
        files = paths or (example_files() if fresh else [])
        await open_all(installation, files, lambda: datetime.now(UTC), progress)
        socket = str(data / INFERENCE)
        async with (
            EmbeddedSet.start(progress=progress, given=settings(listen=socket)) as models,
            open_platform(installation, models, directory=out, providers=services) as platform,
            control_plane(_control_settings(installation, socket, out, host, control_port)) as control,
            CallDesk(
                platform.switchboard,
                platform.switchboard,
                capacity=lines,
                directory=out,
                now=lambda: datetime.now(UTC),
                archive=platform.switchboard,
            ) as desk,
            serve_http(desk, host, port, providers=platform.chains.told) as url,
        ):
            progress(f"the control plane answers at {control}")
            await platform.switchboard.warm()
            if services.providers:
                _tell_providers(screen, await platform.chains.check())
            names = ", ".join(info.name for info in desk.businesses.all())
            screen.print(Text.assemble(("Ready ", "bold green"), f"after {time.monotonic() - begun:.1f} s: {names}"))
            screen.print(
                Text.assemble("Open ", (url, "bold underline"), f" and press Call. {lines} lines. Ctrl-C ends.")
            )
            if not loopback(host):
                screen.print(
                    Text("Whoever reaches this port can hear and read every call of this server.", style="yellow")
                )
            await asyncio.Event().wait()


def _tell_providers(screen: Console, findings: list[Finding]) -> None:
    """Calls are answered whatever is found; the chains know what stands behind what."""
    for found in findings:
        style = "yellow" if found.code else "dim"
        screen.print(Text(f"  {found.stage} {found.name} ({found.kind}): {found.text}", style=style))


def _control_settings(installation: Installation, socket: str, out: Path, host: str, port: int) -> dict[str, object]:
    """For the control plane's process (`api.control.context.open_control`)."""
    return {
        "host": host,
        "port": port,
        "keys": installation.keyring.to_text(),
        "database": installation.urls.owner,
        "calls": str(out.resolve()),
        "inference": socket,
        "allowed": [part.strip() for part in os.environ.get(ALLOWED, "").split(",") if part.strip()],
        "smtp": os.environ.get("AIVOICE_SMTP", ""),
    }
