"""The control plane's process: settings on standard input, its address on standard output, and an end with its
parent."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from aivoice.api.control.app import create_control
from aivoice.api.control.chores import mailer_of, run_chores
from aivoice.api.control.context import open_control
from aivoice.api.serving import check_free
from aivoice.background import in_background
from aivoice.errors import VoiceError

GRACE_S = 1


async def _parents_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(4_096):
        pass


async def _stdin() -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


class _Server(uvicorn.Server):
    """One that leaves signals alone: the parent says when to end."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def until(self, reader: asyncio.StreamReader, sock: socket.socket) -> None:
        serving = asyncio.create_task(self.serve([sock]), name="uvicorn")
        parent = asyncio.create_task(_parents_end(reader), name="parent's end")
        await asyncio.wait((serving, parent), return_when=asyncio.FIRST_COMPLETED)
        parent.cancel()
        self.should_exit = True
        await serving


async def serve() -> None:
    reader = await _stdin()
    settings: dict[str, Any] = json.loads(await reader.readline())
    host, port = str(settings["host"]), int(settings["port"])
    check_free(host, port)
    async with open_control(settings) as control:
        mailer = mailer_of(str(settings.get("smtp", "")), control)
        config = uvicorn.Config(
            create_control(control),
            access_log=False,
            log_config=None,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=30,
            limit_concurrency=500,
        )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; without, every answer waits 40 ms.
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(512)  # from here on nobody who was told the address is refused
            shown = f"[{host}]" if ":" in host else host
            sys.stdout.write(f"http://{shown}:{sock.getsockname()[1]}\n")
            sys.stdout.flush()
            async with in_background({"chores": partial(run_chores, control, mailer)}):
                await _Server(config).until(reader, sock)


def main() -> int:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(serve())
    except VoiceError as error:
        sys.stdout.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
