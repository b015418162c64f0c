"""The process: listens at once, is ready when the model has spoken in every voice, drains at SIGTERM.

GET /health: 200 ``{"status": "ready", "sample_rate", "revision", "open", …}``, else 503 with the status ``starting``,
``draining`` or ``failed``. GET /metrics: Prometheus' text format. Both tell counts only; /metrics asks for the key.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web

from aivoice_chatterbox import RELEASE
from aivoice_chatterbox.clip import MAX_BYTES
from aivoice_chatterbox.gpu import Gpu, Limits
from aivoice_chatterbox.http_api import HttpApi, error_body
from aivoice_chatterbox.metrics import CONTENT_TYPE, Metrics
from aivoice_chatterbox.model import Model
from aivoice_chatterbox.settings import Settings
from aivoice_chatterbox.socket_api import SocketApi
from aivoice_chatterbox.speech import SpeechError
from aivoice_chatterbox.voices import Voices

log = logging.getLogger("aivoice_chatterbox")

Status = Literal["starting", "ready", "draining", "failed"]
_OPEN_PATHS = ("/health",)
_LOOK_S = 0.05
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One model, served. `start` listens and begins to load; `run` returns when it is time to end the process."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._settings = settings
        self.metrics = Metrics()
        self._voices = Voices(settings.voices)
        limits = Limits(settings.max_wait_s, settings.max_speeches)
        self.gpu = Gpu(model, self._voices, self.metrics, limits)
        self._http = HttpApi(self.gpu, self._voices)
        self._sockets = SocketApi(self.gpu, self._voices, self.revision)
        self._status: Status = "starting"
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()
        self.port = 0

    def revision(self) -> str:
        """Changes when the same text and voice might sound otherwise."""
        return f"{self.gpu.model.revision}-{RELEASE}-{self._voices.revision}"

    @property
    def status(self) -> Status:
        return "failed" if self.gpu.failed else self._status

    async def start(self) -> None:
        """Raises OSError: the port cannot be had."""
        app = web.Application(client_max_size=MAX_BYTES + 65_536, middlewares=[self._told, self._allowed])
        app.add_routes([web.get("/health", self._health), web.get("/metrics", self._metrics)])
        app.add_routes([*self._http.routes(), *self._sockets.routes()])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        listening = socket.create_server((self._settings.host, self._settings.port), reuse_port=False)
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening).start()
        create = asyncio.get_running_loop().create_task
        self._tasks = [create(self._load(), name="load"), create(self._watch_loop(), name="lateness")]

    async def ready(self) -> None:
        """Until it has loaded and warmed up, or failed to."""
        await asyncio.wait([self._tasks[0]])

    async def run(self) -> bool:
        """Until `drain` is through or the model is lost. Returns whether the end is a good one."""
        lost = asyncio.get_running_loop().create_task(self.gpu.lost.wait())
        ended = asyncio.get_running_loop().create_task(self._ended.wait())
        try:
            await asyncio.wait([lost, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            ended.cancel()
        return not self.gpu.failed

    def drain(self) -> None:
        """No new speech; those under way may end, within the settings' time. Idempotent; for a signal handler."""
        if self._status != "draining":
            self._status = "draining"
            self._tasks.append(asyncio.get_running_loop().create_task(self._drain(), name="drain"))

    async def aclose(self) -> None:
        """Within about two seconds and the step under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.gpu.aclose()
        await self._sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self.gpu.idle()
        except TimeoutError:
            log.warning("speeches under way are cut off after %.0f s of draining", self._settings.drain_s)
        self._ended.set()

    async def _load(self) -> None:
        try:
            await self.gpu.start()
        except Exception as error:  # noqa: BLE001 - a package, a driver, a disk: whatever it is, the process ends
            log.critical("the model cannot be loaded: %s: %s", type(error).__name__, error)
            self.gpu.failed = "the model cannot be loaded"
            self.gpu.lost.set()
            return
        if self._status == "starting":
            self._status = "ready"
        log.info("ready: %d voices", len(self._voices.listed()))

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_LOOK_S)
            self.metrics.loop_late(max(0.0, loop.time() - before - _LOOK_S))

    # ------------------------------------------------------------ around every request

    @web.middleware
    async def _told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever is raised becomes JSON; what was unforeseen tells nothing but that it was."""
        try:
            return await handler(request)
        except SpeechError as error:
            told = error
        except web.HTTPException as error:
            if error.status < 400:
                raise
            told = SpeechError(error.status, error.reason.lower().replace(" ", "_"), error.reason)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("%s %s: unforeseen", request.method, request.match_info.route.resource)
            told = SpeechError(500, "internal", f"unforeseen: {type(error).__name__}")
        headers = {"retry-after": str(told.retry_after_s)} if told.retry_after_s else {}
        return web.json_response(error_body(told), status=told.status, headers=headers)

    @web.middleware
    async def _allowed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _OPEN_PATHS:
            return await handler(request)
        key = self._settings.key
        given = request.headers.get("authorization", "")
        if key and not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            raise SpeechError(401, "bad_key", "the bearer key is missing or wrong")
        if request.path != "/metrics" and self.status != "ready":
            raise SpeechError(503, f"not_ready_{self.status}", f"the server is {self.status}", retry_after_s=5)
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        status = self.status
        body = {
            "status": status,
            "model": self.gpu.model.name,
            "revision": self.revision(),
            "sample_rate": self.gpu.model.sample_rate,
            "voices": len(self._voices.listed()),
            "open": self.gpu.open,
        }
        return web.json_response(body, status=200 if status == "ready" else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self.metrics.text(), headers={"content-type": CONTENT_TYPE})
