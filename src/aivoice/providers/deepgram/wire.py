"""One WebSocket to Deepgram: audio and control messages out, parsed messages in. What both models' adapters share.

Shapes: developers.deepgram.com ("Live audio", "Flux", "Finalize", "Keep alive", "Close stream", "Errors"). Never run
against the real service; against `testing.standins.deepgram`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.errors import ProviderError
from aivoice.providers import failures

HOST = "wss://api.deepgram.com"
KEPT_SAMPLES = 30 * SAMPLE_RATE
"""Audio that may wait to be sent; of more the oldest is dropped and counted."""
KEEP_ALIVE_S = 4.0
"""The service ends a connection that is silent for 10 s (net-0001)."""
CLOSE_S = 0.5
_TERM_CHARACTERS = 1_500
"""Key terms are taken up to 500 tokens; three characters each, to be sure."""


def key_term_pairs(terms: Sequence[str]) -> list[tuple[str, str]]:
    """``keyterm`` of the query, the first of `terms` first, as many as the service takes."""
    pairs: list[tuple[str, str]] = []
    left = _TERM_CHARACTERS
    for term in dict.fromkeys(term.strip() for term in terms):
        left -= len(term)
        if left < 0:
            break
        if term:
            pairs.append(("keyterm", term))
    return pairs


class Socket:
    """An open connection. `push` and `tell` never block; `messages_until` is iterated by one task.

    chunk: samples that are sent at a time (a control message sends what waits before it). The writer is a task of its
    own; `aclose` ends it, within `CLOSE_S`, and no audio is sent after it.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, name: str, chunk: int) -> None:
        self._ws, self._name, self._chunk = ws, name, chunk
        self._waiting: deque[bytes | str] = deque()
        self._samples = 0
        self._news = asyncio.Event()
        self._looked = asyncio.Event()
        self._closed = False
        self.dropped = 0
        self._writer = asyncio.get_running_loop().create_task(self._write(), name=f"{name}: audio out")

    def push(self, pcm: bytes) -> None:
        """The next audio, s16le."""
        if self._closed:
            return
        self._waiting.append(pcm)
        self._samples += len(pcm) // 2
        while self._samples > KEPT_SAMPLES:
            self._drop_oldest()
        if self._samples >= self._chunk:
            self._news.set()

    def tell(self, message: Mapping[str, Any]) -> None:
        """A control message, behind the audio that was pushed before it."""
        if not self._closed:
            self._waiting.append(json.dumps(message))
            self._news.set()

    def news(self) -> None:
        """What `due` says has changed: whoever iterates looks at it again."""
        self._looked.set()

    async def messages_until(self, due: Callable[[], float | None]) -> AsyncIterator[dict[str, Any] | None]:
        """Every message, and None whenever the loop time that `due` gives has come. Ends once `aclose` was called.
        Raises ProviderError where the service ends the connection or breaks its schema."""
        loop = asyncio.get_running_loop()
        reading = loop.create_task(self._receive(), name=f"{self._name}: message")
        looking = loop.create_task(self._looked.wait(), name=f"{self._name}: news")
        try:
            while True:
                at = due()
                timeout = None if at is None else max(0.0, at - loop.time())
                await asyncio.wait((reading, looking), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if looking.done():
                    self._looked.clear()
                    looking = loop.create_task(self._looked.wait(), name=f"{self._name}: news")
                if reading.done():
                    message = reading.result()
                    if message is None:
                        return
                    reading = loop.create_task(self._receive(), name=f"{self._name}: message")
                    yield message
                at = due()
                if at is not None and at <= loop.time():
                    yield None
        finally:
            for task in (reading, looking):
                task.cancel()
            await asyncio.wait((reading, looking))
            if not reading.cancelled():
                reading.exception()

    async def _receive(self) -> dict[str, Any] | None:
        """The next message; None once we have closed."""
        message = await self._ws.receive()
        match message.type:
            case _ if self._closed:
                return None
            case aiohttp.WSMsgType.TEXT:
                return self._parsed(message.data)
            case aiohttp.WSMsgType.BINARY:
                raise failures.malformed(self._name, "stt", "binary where text belongs")
            case _:
                raise failures.disconnected(self._name, "stt")

    async def aclose(self) -> None:
        """Says goodbye where that is quick, and ends. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._looked.set()
        self._writer.cancel()
        await asyncio.wait([self._writer])
        try:
            async with asyncio.timeout(CLOSE_S):
                if not self._ws.closed:
                    await self._ws.send_str('{"type":"CloseStream"}')
                await self._ws.close()
        except (TimeoutError, OSError, aiohttp.ClientError, RuntimeError):
            pass
        finally:
            response = self._ws._response  # pyright: ignore[reportPrivateUsage] - nothing public ends it without a wait
            response.close()

    def _drop_oldest(self) -> None:
        for index, entry in enumerate(self._waiting):
            if isinstance(entry, bytes):
                del self._waiting[index]
                self._samples -= len(entry) // 2
                self.dropped += len(entry) // 2
                return

    async def _write(self) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        await self._news.wait()
                except TimeoutError:
                    if not self._waiting:
                        self._waiting.append('{"type":"KeepAlive"}')
                self._news.clear()
                await self._send_waiting()
        except (OSError, aiohttp.ClientError, RuntimeError):
            return  # the reader hears of it, too

    async def _send_waiting(self) -> None:
        """All that waits: audio in chunks, control messages between them where they stand."""
        while self._waiting:
            parts: list[bytes] = []
            samples = 0
            while self._waiting and isinstance(self._waiting[0], bytes) and samples < self._chunk:
                part = cast("bytes", self._waiting.popleft())
                parts.append(part)
                samples += len(part) // 2
            self._samples -= samples
            if parts:
                await self._ws.send_bytes(b"".join(parts))
            if self._waiting and isinstance(self._waiting[0], str):
                await self._ws.send_str(self._waiting.popleft())  # pyright: ignore[reportArgumentType]

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise failures.malformed(self._name, "stt", "a message is no JSON object")
        return cast("dict[str, Any]", value)


class Account:
    """The connection data of one Deepgram account; `Warm` and `Checked` for both models."""

    def __init__(self, session: aiohttp.ClientSession, *, key: str, name: str, model: str, url: str) -> None:
        self.name, self.model = name, model
        self._session, self._url = session, url.rstrip("/")
        self._headers = {"Authorization": f"Token {key}"}

    async def connect(self, path: str, query: Sequence[tuple[str, str]], *, chunk: int) -> Socket:
        """Raises ProviderError."""
        try:
            ws = await self._session.ws_connect(
                f"{self._url}{path}", params=list(query), headers=self._headers, autoping=True, max_msg_size=2**20
            )
        except aiohttp.WSServerHandshakeError as error:
            raise failures.of_status(self.name, "stt", error.status) from None
        except (OSError, aiohttp.ClientError) as error:
            raise failures.unreachable(self.name, "stt", error) from None
        return Socket(ws, self.name, chunk)

    async def warm(self) -> None:
        """The service's name is known afterwards; a stream needs a connection of its own and is opened as a call
        begins, while the greeting plays."""
        try:
            async with self._session.get(f"{self._http()}/v1/models", headers=self._headers):
                return
        except (OSError, aiohttp.ClientError):
            return

    async def check(self) -> None:
        """Asks which projects the key may use, and for the models there are; both cost nothing."""
        try:
            async with self._session.get(f"{self._http()}/v1/projects", headers=self._headers) as answer:
                if answer.status != 200:
                    raise failures.of_status(self.name, "stt", answer.status)
            async with self._session.get(f"{self._http()}/v1/models", headers=self._headers) as answer:
                if answer.status != 200:
                    raise failures.of_status(self.name, "stt", answer.status)
                known: Any = await answer.json(content_type=None)
        except (OSError, aiohttp.ClientError) as error:
            raise failures.unreachable(self.name, "stt", error) from None
        except ValueError:
            raise failures.malformed(self.name, "stt", "the list of models") from None
        if not _has_model(known, self.model):
            raise ProviderError(
                f"{self.name}: there is no model {self.model}", code="rejected", stage="stt", retryable=False
            )

    def _http(self) -> str:
        return self._url.replace("ws", "http", 1)


def _has_model(known: Any, model: str) -> bool:
    """Models are told as ``{"stt": [{"name": "general", "canonical_name": "nova-3-general", …}]}``."""
    try:
        names = {str(each[key]) for each in known["stt"] for key in ("name", "canonical_name") if key in each}
    except (KeyError, TypeError):
        return True  # another shape says nothing against the model
    return any(name == model or name.startswith(f"{model}-") for name in names)
