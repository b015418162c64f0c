"""What every stand-in is: an aiohttp server on a port of its own whose health can be changed while calls go on.

    async with DeepgramStandIn(...) as standin:
        provider = Deepgram(url=standin.url, ...)
        await standin.become("dies_midway")

`refused` closes the listening socket and every connection; another health opens the same port again.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

Health = Literal[
    "fine",
    "refused",
    "unauthorized",
    "rate_limited",
    "broken",
    "slow",
    "silent",
    "dies_midway",
    "malformed",
    "disconnects",
]
"""How the service does. Each holds for requests (or streams) that begin while it is set. Streams that are open already
end with ``refused`` and ``disconnects`` and fall silent with ``silent`` and ``dies_midway``.

refused: no connection. unauthorized, rate_limited, broken: HTTP 401, 429, 500. slow: the first output comes after
`slow_s`. silent: the request is accepted, then nothing comes. dies_midway: some useful output, then nothing more, the
connection stays open. malformed: output that breaks the service's own schema. disconnects: some useful output, then
the connection is cut without a goodbye.
"""
STATUS = {"unauthorized": 401, "rate_limited": 429, "broken": 500}


class StandIn:
    """Base of the stand-ins; a subclass gives `routes()`. Use as an async context manager.

    requests: how many were begun. open_streams: how many are being served now. charged: units of what the service
    would bill (the subclass says of what). Both let tests prove that cancelling ends work and charges.
    """

    slow_s = 8.0

    def __init__(self, health: Health = "fine") -> None:
        self._health: Health = health
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = 0
        self.requests = 0
        self.open_streams = 0
        self.charged = 0

    # ------------------------------------------------------------ what a subclass gives

    def routes(self) -> list[web.RouteDef]:
        """The service's paths."""
        raise NotImplementedError

    # ------------------------------------------------------------ the server

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    @property
    def health(self) -> Health:
        return self._health

    async def become(self, health: Health) -> None:
        """From now on it does so. Raises OSError where somebody took the port meanwhile."""
        was, self._health = self._health, health
        if health == "refused" and was != "refused":
            await self._stop()
        elif was == "refused" and health != "refused":
            await self._start()

    async def __aenter__(self) -> Self:
        if self._health == "refused":
            await self._start()  # takes its port, so that it can open there later
            await self._stop()
        else:
            await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handler_cancellation=True)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        server = self._site._server  # pyright: ignore[reportPrivateUsage] - aiohttp tells a chosen port nowhere else
        assert isinstance(server, asyncio.Server)
        self._port = server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        runner, self._runner, self._site = self._runner, None, None
        if runner is not None:
            await runner.cleanup()


def refusal(health: Health) -> web.Response | None:
    """The HTTP answer of a service that is not well in a way that HTTP can say; None: go on."""
    status = STATUS.get(health)
    if status is None:
        return None
    headers = {"retry-after": "1"} if status == 429 else {}
    return web.json_response({"error": {"type": health, "message": health}}, status=status, headers=headers)


def cut(request: web.Request) -> None:
    """End the connection without a goodbye."""
    if request.transport is not None:
        request.transport.abort()


async def worsen(health: Health, request: web.Request) -> None:
    """What a stream that has given useful output does in this health; returns where it goes on."""
    if health == "disconnects":
        cut(request)
    if health in ("disconnects", "dies_midway", "silent"):
        await asyncio.Event().wait()
