"""Chatterbox behind the TextToSpeech port, by our own server (`services/chatterbox`, its /v1/stream).

Run against that server with its stand-in model, and against `testing.standins.chatterbox`; never against a GPU.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.audio.resample import Resampler
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.chatterbox.connections import Connection, Connections, Ended
from aivoice.providers.chatterbox.wire import Cancelled, Done, Hello, Refused, Started, request
from aivoice.providers.ports import SpeechAudio, SpeechEvent

MODEL_RATE = 24_000
_CHECK_S = 5.0
_UNSAYABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_SOUNDS = re.compile(r"[^\W_]")

speaking_for: ContextVar[str] = ContextVar("aivoice_chatterbox_call", default="")
"""The phone call that this task works for, set where the call begins. The server then knows which clauses belong
together: the second clause of a reply does not go before another caller's first. Not needed to be heard."""


@dataclass(frozen=True, slots=True)
class ChatterboxOptions:
    """ready: connections kept open unused. most_idle: of those used before. connect_s: a new one may take so long.
    silence_s: a text of which nothing comes for so long has failed (a chain's own limits are shorter)."""

    ready: int = 2
    most_idle: int = 32
    connect_s: float = 1.5
    silence_s: float = 10.0


class Chatterbox:
    """TextToSpeech, Revised, Warm, Checked. Serves many calls; `aclose` ends its connections.

    voice: what ``default`` means, an id of the server's. Tags such as ``[laugh]`` are spoken. No marks are given: the
    model does not tell where a word begins, and the engine's estimate is better than a few of ours.
    """

    streams_text = False

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        url: str,
        key: str = "",
        name: str = "chatterbox",
        voice: str = "default",
        options: ChatterboxOptions = ChatterboxOptions(),
    ) -> None:
        self.name = name
        self._http, self._url, self._voice, self._options = http, url.rstrip("/"), voice or "default", options
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._primed = False
        self._connections = Connections(
            http,
            url,
            key,
            name,
            ready=options.ready,
            most_idle=options.most_idle,
            connect_s=options.connect_s,
        )

    @property
    def revision(self) -> str:
        """See `providers.ports.Revised`: as the server told it when it was last connected to; "" before `warm`."""
        return self._connections.revision

    async def open(self, *, voice: str = "default") -> ChatterboxStream:
        """Never fails: whatever is wrong shows when the audio is iterated."""
        return ChatterboxStream(self, self._voice if voice == "default" else voice, speaking_for.get())

    async def warm(self) -> None:
        """See `providers.ports.Warm`."""
        await asyncio.gather(self._connections.warm(), self.prime())

    async def check(self) -> None:
        """See `providers.ports.Checked`: is it ready, does it take the key, does it know the voice. No GPU work."""
        timeout = aiohttp.ClientTimeout(total=_CHECK_S)
        try:
            async with self._http.get(f"{self._url}/health", timeout=timeout) as answer:
                if answer.status != 200:
                    raise failures.of_status(self.name, "tts", answer.status)
            async with self._http.get(f"{self._url}/v1/voices", headers=self._headers, timeout=timeout) as answer:
                if answer.status != 200:
                    raise failures.of_status(self.name, "tts", answer.status)
                voices = _ids(await answer.json())
        except TimeoutError as error:
            raise ProviderError(f"{self.name} did not answer in time", code="timeout", stage="tts") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise failures.unreachable(self.name, "tts", error) from None
        except ValueError:
            raise failures.malformed(self.name, "tts", "voices") from None
        if self._voice not in voices:
            raise ProviderError(
                f"{self.name}: there is no voice {self._voice}", code="rejected", stage="tts", retryable=False
            )

    async def aclose(self) -> None:
        """Within 1 s; idempotent. Streams that are open fail."""
        await self._connections.aclose()

    # ------------------------------------------------------------ for its streams

    @property
    def connections(self) -> Connections:
        return self._connections

    @property
    def silence_s(self) -> float:
        return self._options.silence_s

    async def prime(self) -> None:
        """The resampler's library takes more than a second to load: beside the loop, once."""
        if not self._primed:
            await asyncio.to_thread(Resampler, MODEL_RATE, SAMPLE_RATE)
            self._primed = True


class ChatterboxStream:
    """One clause; see `providers.ports.SpeechStream`. The server is asked when the text is finished."""

    def __init__(self, provider: Chatterbox, voice: str, call: str) -> None:
        self._provider, self._name = provider, provider.name
        self._voice, self._call = voice, call
        self._text = ""
        self._finished = asyncio.Event()
        self._closed = asyncio.Event()
        self._connection: Connection | None = None

    def push(self, text: str) -> None:
        """See the port."""
        if not self._finished.is_set():
            self._text += text

    def finish(self) -> None:
        """See the port."""
        self._finished.set()

    async def aclose(self) -> None:
        """See the port. The server is told at once."""
        self._closed.set()
        self._finished.set()
        self._let_go()

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """Raises ProviderError with a code of `providers.failures`."""
        await self._finished.wait()
        text = _UNSAYABLE.sub(" ", self._text)
        if self._closed.is_set() or _SOUNDS.search(text) is None:
            return
        try:
            await self._provider.prime()
            first = await self._asked(text, fresh=False)
            if first is None and not self._closed.is_set():
                first = await self._asked(text, fresh=True)  # the kept connection was dead; nothing was said yet
            if first is None:
                raise failures.disconnected(self._name, "tts")
            async with aclosing(self._heard(first)) as events:
                async for event in events:
                    yield event
        except ProviderError:
            if not self._closed.is_set():
                raise
        finally:
            self._let_go()

    async def _asked(self, text: str, *, fresh: bool) -> Any | None:
        """Ask, and give the first frame. None: a connection that was used before is gone."""
        connection = await self._provider.connections.take(fresh=fresh)
        if self._closed.is_set():
            self._provider.connections.put_back(connection)
            return None
        self._connection = connection
        try:
            await connection.send(*request(text, self._voice, self._call))
            frame = await self._frame(connection)
        except ProviderError as error:
            if error.code != "disconnected" or fresh:
                raise
            frame = None
        if isinstance(frame, Ended) or frame is None:
            self._connection = None
            self._provider.connections.drop(connection)
            return None
        return frame

    async def _heard(self, frame: Any) -> AsyncGenerator[SpeechEvent]:
        connection = self._connection
        if connection is None:
            return
        resampler = Resampler(connection.hello.sample_rate, SAMPLE_RATE)
        while not self._closed.is_set():
            match frame:
                case bytes():
                    pcm = resampler.push(frame)
                    if pcm:
                        yield SpeechAudio(len(pcm) // 2, pcm)
                case Started():
                    pass
                case Done():
                    self._connection = None
                    self._provider.connections.put_back(connection)
                    pcm = resampler.push(b"", last=True)
                    if pcm:
                        yield SpeechAudio(len(pcm) // 2, pcm)
                    return
                case Refused(status, code):
                    self._connection = None
                    self._provider.connections.put_back(connection)
                    raise self._refusal(status, code)
                case Ended():
                    raise failures.disconnected(self._name, "tts")
                case Hello() | Cancelled() | _:
                    raise failures.malformed(self._name, "tts", "a frame out of place")
            frame = await self._frame(connection)

    async def _frame(self, connection: Connection) -> Any:
        """The next frame, or Ended once the stream is closed."""
        try:
            async with asyncio.timeout(self._provider.silence_s):
                return await connection.next()
        except TimeoutError:
            raise ProviderError(f"{self._name} says nothing", code="timeout", stage="tts") from None

    def _refusal(self, status: int, code: str) -> ProviderError:
        if code == "voice_not_found":
            return ProviderError(f"{self._name} has no such voice", code="rejected", stage="tts", retryable=False)
        return failures.of_status(self._name, "tts", 429 if code == "at_capacity" else status)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.interrupt()
            self._provider.connections.cancel(connection)


def _ids(body: Any) -> set[str]:
    """Of the answer of GET /v1/voices. Raises ValueError."""
    if not isinstance(body, dict) or not isinstance(voices := cast("dict[str, Any]", body).get("voices"), list):
        raise ValueError
    return {str(cast("dict[str, Any]", voice)["id"]) for voice in cast("list[Any]", voices) if isinstance(voice, dict)}
