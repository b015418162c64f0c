"""A plugin's voice behind the TextToSpeech port: whole clauses in, 16 kHz PCM and word marks out.

Clauses are handed over whole: plugins cut texts into sentences, and send none before they have seen the beginning of
the next (some 14 tokens later); a clause with its end sends at once, and a service that knows the end of its text does
not wait for more.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.audio.resample import Resampler
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.livekit.failing import failure_of, quieten
from aivoice.providers.livekit.marks import Marks
from aivoice.providers.livekit.pool import Lent, Pool
from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark

_TIMED = "lk.timed_transcripts"
_ANSWER_S = 15.0
_STALE = ("disconnected", "unreachable")


class PluginTts:
    """TextToSpeech, Warm, Checked, Revised. make(voice): a new plugin object, cheap, over an HTTP session that all
    share; each clause has one alone, with the connection of an earlier clause where there is one (`livekit.pool`).

    streaming: over the plugin's stream (WebSocket); else one request a clause. revision: see `providers.ports.Revised`.
    voice: what "default" means. warm: opens a connection where the plugin cannot.
    """

    streams_text = False

    def __init__(
        self,
        make: Callable[[str], Any],
        *,
        name: str,
        streaming: bool,
        revision: str = "",
        voice: str = "default",
        check: Callable[[], Awaitable[None]] | None = None,
        warm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        quieten()
        self.name, self.revision = name, revision
        self._streaming, self._voice, self._check, self._warm = streaming, voice, check, warm
        self._pool = Pool(make, prewarm=streaming)

    async def open(self, *, voice: str = "default") -> PluginSpeech:
        """Nothing is asked of the service before `finish`."""
        return PluginSpeech(self._pool, self._voice if voice == "default" else voice, self.name, self._streaming)

    async def warm(self) -> None:
        """See `providers.ports.Warm`: the default voice's next clause finds a connection."""
        self._pool.warm(self._voice)
        if self._warm is not None:
            await self._warm()

    async def check(self) -> None:
        """See `providers.ports.Checked`."""
        if self._check is not None:
            await self._check()

    async def aclose(self) -> None:
        """Ends every connection, within 1 s."""
        await self._pool.aclose()


class PluginSpeech:
    """One clause; see the port."""

    def __init__(self, pool: Pool, voice: str, name: str, streaming: bool) -> None:
        self._pool, self._voice, self._name, self._streaming = pool, voice, name, streaming
        self._text = ""
        self._finished = asyncio.Event()
        self._closed = False
        self._stream: Any = None

    def push(self, text: str) -> None:
        self._text += text

    def finish(self) -> None:
        self._finished.set()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._finished.set()
            if self._stream is not None:
                await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        await self._finished.wait()
        if self._closed or not any(letter.isalnum() for letter in self._text):
            return  # services answer marks without words with nothing, or not at all
        lent = self._pool.lend(self._voice)
        heard = False
        try:
            async for event in self._speech(lent):
                heard = True
                yield event
        except ProviderError as error:
            if heard or not lent.used or error.code not in _STALE:
                raise
            # the connection had ended while it waited: nothing was said over it, so it is asked for anew
            async for event in self._speech(self._pool.lend(self._voice, fresh=True)):
                yield event

    async def _speech(self, lent: Lent) -> AsyncIterator[SpeechEvent]:
        """The clause by one plugin object, which is given back at the end."""
        out, whole, cut = _Out(self._text), False, False
        try:
            self._stream = self._begin(lent.plugin)
            while True:
                async with asyncio.timeout(_ANSWER_S):  # a plugin may hang where its socket ends at a bad moment
                    event = await anext(self._stream, None)
                if event is None:
                    break
                for each in out.frame(event.frame):
                    yield each
            for each in out.rest():
                yield each
            whole = not self._closed
        except (asyncio.CancelledError, GeneratorExit):
            cut = True
            raise
        except Exception as error:  # noqa: BLE001 - told as one of ours
            if self._closed:
                return
            raise failure_of(self._name, "tts", error) from None
        finally:
            stream, self._stream = self._stream, None
            if stream is not None:
                await stream.aclose()
            self._pool.give_back(lent, well=whole)
            if cut or self._closed:
                self._pool.warm(self._voice)  # the caller spoke: the answer shall find a connection again
        if not out.samples and not self._closed:
            raise failures.disconnected(self._name, "tts")

    def _begin(self, plugin: Any) -> Any:
        from livekit.agents import APIConnectOptions

        options = APIConnectOptions(max_retry=0, timeout=_ANSWER_S)
        if not self._streaming:
            return plugin.synthesize(self._text, conn_options=options)
        stream = plugin.stream(conn_options=options)
        stream.push_text(self._text)
        stream.end_input()
        return stream


class _Out:
    """Frames as our events: each mark comes before the stretch of audio that it lies in, and none behind the last."""

    def __init__(self, text: str) -> None:
        self.samples = 0
        self._marks = Marks(text)
        self._waiting: deque[SpeechMark] = deque()
        self._resampler: Resampler | None = None

    def frame(self, frame: Any) -> list[SpeechEvent]:
        self._waiting.extend(self._marks.of(frame.userdata.get(_TIMED) or (), self.samples))
        if not frame.samples_per_channel:
            return []
        if self._resampler is None:
            self._resampler = Resampler(frame.sample_rate, SAMPLE_RATE)
        return self._given(self._resampler.push(_mono(frame)))

    def rest(self) -> list[SpeechEvent]:
        out = self._given(self._resampler.push(b"", last=True)) if self._resampler is not None else []
        return [*out, *(SpeechMark(mark.word, self.samples) for mark in self._waiting)] if self.samples else out

    def _given(self, pcm: bytes) -> list[SpeechEvent]:
        if not pcm:
            return []
        audio = SpeechAudio(len(pcm) // 2, pcm)
        self.samples += audio.samples
        due: list[SpeechEvent] = []
        while self._waiting and self._waiting[0].sample <= self.samples:
            due.append(self._waiting.popleft())
        return [*due, audio]


def _mono(frame: Any) -> bytes:
    """The frame's PCM; of several channels the first."""
    data = bytes(frame.data)
    channels = frame.num_channels
    if channels == 1:
        return data
    view = memoryview(data).cast("h")
    return bytes(view[::channels].tobytes())


@functools.cache
def whole_texts() -> Any:
    """A SentenceTokenizer that keeps a clause whole: one message to the service, sent when its text ends."""
    from livekit.agents.tokenize import SentenceStream, SentenceTokenizer, TokenData

    class WholeStream(SentenceStream):
        def __init__(self) -> None:
            super().__init__()
            self._text = ""

        def push_text(self, text: str) -> None:
            self._text += text

        def flush(self) -> None:
            text, self._text = self._text, ""
            if text.strip() and not self.closed:
                self._event_ch.send_nowait(TokenData(token=text.strip()))

        def end_input(self) -> None:
            self.flush()
            self._do_close()

        async def aclose(self) -> None:
            self._do_close()

    class WholeTexts(SentenceTokenizer):
        def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
            return [text]

        def stream(self, *, language: str | None = None) -> SentenceStream:
            return WholeStream()

    return WholeTexts()
