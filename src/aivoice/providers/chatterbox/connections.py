"""WebSockets to the server, kept open, so that no clause waits for a handshake."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

import aiohttp

from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.chatterbox.wire import CANCEL, Cancelled, Hello, Told, read

PING_S = 15.0
_MOST_BYTES = 4 * 2**20
_MOST_WAITING = 4_096
"""Frames that nobody took; the server sends half a second of audio in one, so this is out of reach."""
_CLOSE_S = 0.5
RECOVER_S = 1.0
"""How long a cancelled text may go on before its connection is given up."""


class Ended:
    """The connection is gone."""


ENDED = Ended()


class Connection:
    """One WebSocket and the task that reads it. One text at a time; see `Connections`.

    hello: what the server said first. used: a text was asked for over it before.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, hello: Hello, name: str) -> None:
        self.hello = hello
        self.used = False
        self.alive = True
        self._socket, self._name = socket, name
        self._frames: deque[Told | bytes | ProviderError] = deque()
        self._came = asyncio.Event()
        self._turn = 0
        self.reader: asyncio.Task[None] | None = None

    async def send(self, *frames: str) -> None:
        """Raises ProviderError: disconnected."""
        try:
            for frame in frames:
                await self._socket.send_str(frame)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise failures.disconnected(self._name, "tts") from error

    async def next(self) -> Told | bytes | Ended:
        """The next frame; `Ended` where the connection is gone or `interrupt` came. Raises ProviderError: malformed."""
        turn = self._turn
        while self._turn == turn:
            if self._frames:
                frame = self._frames.popleft()
                if isinstance(frame, ProviderError):
                    raise frame
                return frame
            if not self.alive:
                return ENDED
            self._came.clear()
            await self._came.wait()
        return ENDED

    def interrupt(self) -> None:
        """Whoever waits in `next` gets `Ended`."""
        self._turn += 1
        self._came.set()

    def forget(self) -> None:
        """What came and was not taken."""
        self._frames.clear()

    async def read(self) -> None:
        """Until the connection ends; pings are answered meanwhile."""
        try:
            async for message in self._socket:
                self._frames.append(self._frame(message))
                self._came.set()
                if len(self._frames) > _MOST_WAITING or isinstance(self._frames[-1], ProviderError):
                    break
        except (ConnectionError, aiohttp.ClientError):
            pass
        finally:
            self.alive = False
            self._came.set()
            await self._socket.close()

    def _frame(self, message: aiohttp.WSMessage) -> Told | bytes | ProviderError:
        if message.type is aiohttp.WSMsgType.BINARY:
            return message.data if len(message.data) % 2 == 0 else failures.malformed(self._name, "tts", "odd audio")
        try:
            return read(str(message.data))
        except ValueError as error:
            return failures.malformed(self._name, "tts", str(error))


class Connections:
    """ready: so many are kept open unused, once `warm` was asked for. most_idle: more than these are closed after use.

    connect_s: seconds that a new one may take. All tasks are owned here; `aclose` ends them.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        key: str,
        name: str,
        *,
        ready: int,
        most_idle: int,
        connect_s: float,
    ) -> None:
        base = url.rstrip("/")
        self._url = f"{base}/v1/stream"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http, self._name = http, name
        self._ready, self._most_idle, self._connect_s = ready, most_idle, connect_s
        self._idle: list[Connection] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opening = 0
        self._closed = self._warmed = False
        self.revision = ""

    async def take(self, *, fresh: bool = False) -> Connection:
        """One that is not in use, the most recently used first; a new one where there is none, or `fresh`.

        Raises ProviderError: unreachable, timeout, bad_key, rate_limited, unavailable, malformed."""
        self._idle = [each for each in self._idle if each.alive]
        if self._idle and not fresh:
            connection = self._idle.pop()
            connection.forget()
            if self._warmed and len(self._idle) < self._ready:
                self._own(self.warm())
            return connection
        return await self._connect()

    def put_back(self, connection: Connection) -> None:
        """After its text is done."""
        if not connection.alive:
            return
        if self._closed or len(self._idle) >= self._most_idle:
            self.drop(connection)
            return
        connection.used = True
        self._idle.append(connection)

    def cancel(self, connection: Connection) -> None:
        """Its text is not wanted any more: the server is told, and the connection is used again once it has obeyed."""
        if connection.alive and not self._closed:
            self._own(self._recover(connection))
        else:
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close it."""
        if connection.reader is not None:
            connection.reader.cancel()

    async def warm(self) -> None:
        """`ready` connections are open afterwards, where the server can be reached, and stay so. Never raises."""
        self._warmed = True
        self._idle = [each for each in self._idle if each.alive]
        missing = self._ready - len(self._idle) - self._opening
        if missing > 0 and not self._closed:
            await asyncio.gather(*(self._one_more() for _ in range(missing)))

    async def aclose(self) -> None:
        """All connections and tasks; idempotent."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=RECOVER_S)

    async def _one_more(self) -> None:
        self._opening += 1
        try:
            self.put_back(await self._connect())
        except ProviderError:
            pass
        finally:
            self._opening -= 1

    async def _connect(self) -> Connection:
        socket: aiohttp.ClientWebSocketResponse | None = None
        kept = False
        try:
            async with asyncio.timeout(self._connect_s):
                socket = await self._http.ws_connect(
                    self._url,
                    headers=self._headers,
                    heartbeat=PING_S,
                    max_msg_size=_MOST_BYTES,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),  # pyright: ignore[reportCallIssue] - by attrs
                )
                first = await socket.receive()
            hello = self._greeted(first)
            connection = Connection(socket, hello, self._name)
            connection.reader = self._own(connection.read())
            kept = True
            self.revision = hello.revision
            return connection
        except aiohttp.WSServerHandshakeError as error:
            raise failures.of_status(self._name, "tts", error.status) from None
        except TimeoutError as error:
            raise ProviderError(f"{self._name} did not answer in time", code="timeout", stage="tts") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: the session is closed
            raise failures.unreachable(self._name, "tts", error) from None
        finally:
            if socket is not None and not kept:
                self._own(_close(socket))

    def _greeted(self, message: aiohttp.WSMessage) -> Hello:
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
            raise failures.disconnected(self._name, "tts")
        try:
            told = read(str(message.data))
        except ValueError as error:
            raise failures.malformed(self._name, "tts", str(error)) from None
        if not isinstance(told, Hello):
            raise failures.malformed(self._name, "tts", "no hello")
        return told

    async def _recover(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(RECOVER_S):
                await connection.send(CANCEL)
                while not isinstance(told := await connection.next(), Cancelled | Ended):
                    pass
            if isinstance(told, Cancelled):
                self.put_back(connection)
                return
        except (ProviderError, TimeoutError):
            pass
        self.drop(connection)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="chatterbox")
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()
