"""The control plane as a process of its own: started, killed, started again, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.api.plane import KEYRING
from tests.integration.store.conftest import Postgres

from aivoice.hosting.control import ControlError, control_plane
from aivoice.store.migrate import migrate


def settings_of(owner: str, calls: Path) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": 0, "keys": KEYRING.to_text(), "database": owner, "calls": str(calls),
        "inference": "", "allowed": [], "smtp": "",
    }  # fmt: skip


async def ready(url: str) -> int:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/ready") as response:
            return response.status
    except aiohttp.ClientError:
        return 0


def of_port(url: str) -> int:
    """The process that listens there."""
    wanted = f"{int(url.rsplit(':', 1)[1]):04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(wanted) and line.split()[3] == "0A"
    }
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                links = {os.readlink(link) for link in (process / "fd").iterdir()}
            except OSError:
                continue
            if links & {f"socket:[{inode}]" for inode in inodes}:
                return int(process.name)
    raise AssertionError("nobody listens")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_it_is_started_again_when_it_dies_and_ends_with_its_parent(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    owner = postgres.owner(database)

    async def scenario() -> None:
        await migrate(owner, KEYRING.derive)  # its roles have this installation's passwords
        async with control_plane(settings_of(owner, tmp_path)) as url:
            assert await ready(url) == 200
            first = await asyncio.to_thread(of_port, url)
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(30):
                while await ready(url) != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert await asyncio.to_thread(of_port, url) != first
        assert await ready(url) == 0

    asyncio.run(scenario())


def test_what_is_wrong_is_told_at_its_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none", tmp_path)
        with pytest.raises(ControlError, match="database"):
            async with control_plane(nowhere):
                raise AssertionError

    asyncio.run(scenario())
