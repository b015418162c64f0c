"""One WebSocket to Deepgram: audio and control messages out, parsed messages in. What both models' adapters share.

Shapes: developers.deepgram.com ("Live audio", "Flux", "Finalize", "Keep alive", "Close stream", "Keyterm prompting",
"Troubleshooting WebSocket errors"). Never run against the real service; against `testing.standins.deepgram`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
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
KEPT_MESSAGES = 64
"""Control messages that may wait; of more the oldest is left out: a later one ends what it would have ended."""
KEEP_ALIVE_S = 4.0
"""The service ends a connection that is silent for 10 s (net-0001)."""
PING_S = 20.0
"""A connection whose other end has gone without a word is noticed by this, also while nobody speaks."""
CLOSE_S = 0.5
WARM_S = 5.0
KEY_TERMS = 100
"""The service speaks of "up to 100" terms…"""
KEY_TERM_TOKENS = 500
"""…and refuses a stream with more tokens than this; see `key_term_pairs`."""

_log = logging.getLogger(__name__)
_CODE = re.compile(r"[A-Za-z0-9_-]{1,40}")


def key_term_pairs(terms: Sequence[str], *, model: str = "nova-3") -> list[tuple[str, str]]:
    """The query's members for `terms`, the most important first; what is beyond the service's limit is left out.

    Too many cost the whole stream (the upgrade is refused), so tokens are counted generously: two for every five
    bytes, as in rare names, and one for the term. Models before Nova-3 take ``keywords`` (single words) instead.
    """
    member = "keyterm" if model.startswith(("nova-3", "flux")) else "keywords"
    wanted = [term for term in dict.fromkeys(" ".join(term.split()) for term in terms) if term]
    if member == "keywords":
        wanted = [term for term in wanted if " " not in term]
    pairs: list[tuple[str, str]] = []
    left = KEY_TERM_TOKENS
    for term in wanted[:KEY_TERMS]:
        left -= 1 + -(-2 * len(term.encode()) // 5)
        if left < 0:
            break
        pairs.append((member, term))
    if len(pairs) < len(wanted):
        _log.info("%d of %d key terms are given to the recogniser", len(pairs), len(wanted))
    return pairs


def told_of_error(name: str, message: Mapping[str, Any]) -> ProviderError:
    """From an ``Error`` message inside a stream: its code alone, where that looks like one (`err_code` in v1)."""
    code = message.get("code", message.get("err_code"))
    told = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    return ProviderError(f"{name} told of an error{told}", code="unavailable", stage="stt")


class Socket:
    """An open connection. `push` and `tell` never block; `messages_until` is iterated by one task.

    chunk: samples that are sent at a time (a control message sends what waits before it). keep_alive: told while no
    audio comes. The writer is a task of its own; `aclose` ends it, within `CLOSE_S`, and no audio is sent after it.
    """

    def __init__(
        self, ws: aiohttp.ClientWebSocketResponse, name: str, chunk: int, *, keep_alive: str | None = None
    ) -> None:
        self._ws, self._name, self._chunk, self._keep_alive = ws, name, chunk, keep_alive
        self._waiting: deque[bytes | str] = deque()
        self._samples = self._messages = 0  # that wait
        self._sent = 0
        self._news = asyncio.Event()
        self._due: Callable[[], float | None] = lambda: None
        self._patience: asyncio.Timeout | None = None
        self._closed = False
        self._gaps: deque[tuple[int, int]] = deque(maxlen=64)  # sample of the stream, all that was dropped before it
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
        if self._closed:
            return
        if self._messages >= KEPT_MESSAGES:
            self._waiting.remove(next(entry for entry in self._waiting if isinstance(entry, str)))
            self._messages -= 1
        self._waiting.append(json.dumps(message))
        self._messages += 1
        self._news.set()

    def pushed(self, sample: int) -> int:
        """Of all that was pushed, the sample which is number `sample` of the service's count: it does not know what
        was dropped before it."""
        lost = 0
        for at, total in self._gaps:
            if at > sample:
                break
            lost = total
        return sample + lost

    # ------------------------------------------------------------ in

    def news(self) -> None:
        """What `due` says has changed: whoever waits looks at it again."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._due())

    async def messages_until(self, due: Callable[[], float | None]) -> AsyncIterator[dict[str, Any] | None]:
        """Every message, and None whenever the loop time that `due` gives has come. Ends once `aclose` was called.
        Raises ProviderError where the service ends the connection or breaks its schema."""
        loop = asyncio.get_running_loop()
        self._due = due
        while True:
            message: dict[str, Any] | None = None
            try:
                async with asyncio.timeout_at(due()) as self._patience:
                    message = await self._receive()
                    if message is None:
                        return
            except TimeoutError:
                pass
            finally:
                self._patience = None
            if message is not None:
                yield message
            at = due()
            if at is not None and at <= loop.time():
                yield None

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

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise failures.malformed(self._name, "stt", "a message is no JSON object")
        return cast("dict[str, Any]", value)

    # ------------------------------------------------------------ out

    async def aclose(self) -> None:
        """Says goodbye where that is quick, and ends. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._writer.cancel()
        try:
            await asyncio.wait([self._writer])
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
                if self._gaps and self._gaps[-1][0] == self._sent:
                    self._gaps.pop()
                self._gaps.append((self._sent, self.dropped))
                return

    async def _write(self) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        await self._news.wait()
                except TimeoutError:
                    if not self._waiting and self._keep_alive:
                        await self._ws.send_str(self._keep_alive)
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
            self._sent += samples
            if parts:
                await self._ws.send_bytes(b"".join(parts))
            if self._waiting and isinstance(self._waiting[0], str):
                self._messages -= 1
                await self._ws.send_str(self._waiting.popleft())  # pyright: ignore[reportArgumentType]


class Account:
    """The connection data of one Deepgram account; `Warm` and `Checked` for both models."""

    path: str
    chunk: int
    keep_alive: str | None = None

    def __init__(self, session: aiohttp.ClientSession, *, key: str, name: str, model: str, url: str) -> None:
        self.name, self.model = name, model
        self._session, self._url = session, url.rstrip("/")
        self._headers = {"Authorization": f"Token {key}"}

    def query(self, language: str, key_terms: Sequence[str]) -> list[tuple[str, str]]:
        """What a stream is opened with."""
        raise NotImplementedError

    async def connect(self, query: Sequence[tuple[str, str]]) -> Socket:
        """Raises ProviderError."""
        try:
            ws = await self._session.ws_connect(
                f"{self._url}{self.path}",
                params=list(query),
                headers=self._headers,
                autoping=True,
                heartbeat=PING_S,
                max_msg_size=2**20,
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status < 400:
                raise failures.malformed(self.name, "stt", "the WebSocket's handshake") from None
            raise failures.of_status(self.name, "stt", error.status) from None
        except (OSError, aiohttp.ClientError) as error:
            raise failures.unreachable(self.name, "stt", error) from None
        return Socket(ws, self.name, self.chunk, keep_alive=self.keep_alive)

    async def warm(self) -> None:
        """A connection (name, TCP, TLS) stands ready for the next stream, for as long as the session keeps idle ones
        (aiohttp: 15 s, if nothing else is said). What it is answered does not matter."""
        try:
            url = f"{self._url.replace('ws', 'http', 1)}/v1/projects"
            async with asyncio.timeout(WARM_S), self._session.get(url, headers=self._headers) as answer:
                await answer.read()  # a connection whose answer is unread is not kept
        except (OSError, aiohttp.ClientError):
            return

    async def check(self) -> None:
        """Opens a stream as calls do and closes it; no audio, no cost. So key, credit, model and options are asked at
        once, with the rights a call needs and no others (listing projects needs more; the list of models lacks some).
        """
        try:
            socket = await self.connect(self.query("en", ()))
        except ProviderError as error:
            if error.code != "rejected":
                raise
            raise ProviderError(
                f"{self.name} takes no stream with model {self.model} and these options",
                code="rejected",
                stage="stt",
                retryable=False,
            ) from None
        await socket.aclose()
