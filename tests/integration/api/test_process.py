"""The control plane as a process of its own: started, killed, started again, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook
from tests.integration.api.plane import KEYRING
from tests.integration.store.conftest import Postgres
from tests.integration.store.running import new_tenant

from aivoice.hosting.control import ControlError, control_plane
from aivoice.security.keyring import Sealer
from aivoice.store import Store, urls_for
from aivoice.store.migrate import migrate
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.outgoing import emit
from aivoice.tools.webhooks import add_webhook


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


def test_it_delivers_what_was_written(postgres: Postgres, database: str, tmp_path: Path) -> None:
    """Signed, to a receiver that is down at first."""
    owner = postgres.owner(database)
    got: list[tuple[dict[str, str], bytes]] = []

    async def receive(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    async def scenario() -> None:
        await migrate(owner, KEYRING.derive)
        app = web.Application()
        app.router.add_post("/in", receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        guard, now = Guard(allowed=[Allowed.parse(f"127.0.0.1:{port}")]), datetime.now(UTC)
        async with Store(urls_for(owner, KEYRING.derive)) as store:
            await new_tenant(store, "alpha")
            async with store.tenant("alpha") as scope:
                url = f"http://127.0.0.1:{port}/in"
                _, secret = await add_webhook(scope, Sealer(KEYRING), guard, url=url, events=["*"], now=now)
                await emit(scope, "call.started", {"call_id": "c1"}, now=now)
        async with control_plane({**settings_of(owner, tmp_path), "allowed": [f"127.0.0.1:{port}"]}):
            async with asyncio.timeout(20):
                while not got:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        await runner.cleanup()
        headers, body = got[0]
        event = Webhook(secret).verify(body, headers)
        assert event["type"] == "call.started"
        assert event["data"] == {"call_id": "c1"}

    asyncio.run(scenario())
