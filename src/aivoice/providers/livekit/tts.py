"""A plugin's voice behind the TextToSpeech port: whole clauses in, 16 kHz PCM and word marks out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.audio.resample import Resampler
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.livekit.failing import failure_of
from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark

_TIMED = "lk.timed_transcripts"
_ANSWER_S = 15.0


class PluginTts:
    """TextToSpeech, Warm, Checked. make(voice): a plugin object, one a voice, whose connections its clauses share.

    streaming: over the plugin's stream (WebSocket); else one request a clause. revision: see `providers.ports.Revised`.
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
    ) -> None:
        self.name, self.revision = name, revision
        self._make, self._streaming, self._voice, self._check = make, streaming, voice, check
        self._plugins: dict[str, Any] = {}

    async def open(self, *, voice: str = "default") -> PluginSpeech:
        """Nothing is asked of the service before `finish`."""
        return PluginSpeech(self._plugin(voice), self.name, streaming=self._streaming)

    async def warm(self) -> None:
        """See `providers.ports.Warm`: the plugins open their connections."""
        for plugin in self._plugins.values():
            plugin.prewarm()

    async def check(self) -> None:
        """See `providers.ports.Checked`."""
        if self._check is not None:
            await self._check()

    async def aclose(self) -> None:
        plugins, self._plugins = self._plugins, {}
        for plugin in plugins.values():
            await plugin.aclose()

    def _plugin(self, voice: str) -> Any:
        if voice not in self._plugins:
            self._plugins[voice] = self._make(self._voice if voice == "default" else voice)
        return self._plugins[voice]


class PluginSpeech:
    """One clause; see the port."""

    def __init__(self, plugin: Any, name: str, *, streaming: bool) -> None:
        self._plugin, self._name, self._streaming = plugin, name, streaming
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
        if self._closed or not self._text.strip():
            return
        marks = _Marks()
        resampler: Resampler | None = None
        heard = False
        try:
            self._stream = self._begin()
            async for event in self._stream:
                frame = event.frame
                for mark in marks.of(frame.userdata.get(_TIMED) or ()):
                    yield mark
                if not frame.samples_per_channel:
                    continue
                if resampler is None:
                    resampler = Resampler(frame.sample_rate, SAMPLE_RATE)
                pcm = resampler.push(_mono(frame))
                if pcm:
                    heard = True
                    yield SpeechAudio(len(pcm) // 2, pcm)
            if resampler is not None and (pcm := resampler.push(b"", last=True)):
                yield SpeechAudio(len(pcm) // 2, pcm)
        except ProviderError:
            raise
        except Exception as error:
            if self._closed:
                return
            raise failure_of(self._name, "tts", error) from error
        finally:
            if self._stream is not None:
                await self._stream.aclose()
        if not heard and not self._closed:
            raise failures.disconnected(self._name, "tts")

    def _begin(self) -> Any:
        from livekit.agents import APIConnectOptions

        options = APIConnectOptions(max_retry=0, timeout=_ANSWER_S)
        if not self._streaming:
            return self._plugin.synthesize(self._text, conn_options=options)
        stream = self._plugin.stream(conn_options=options)
        stream.push_text(self._text)
        stream.end_input()
        return stream


class _Marks:
    """Words with their times, counted as they come: plugins give the text back word by word, in order."""

    def __init__(self) -> None:
        self._word = 0
        self._open = False

    def of(self, timed: Any) -> list[SpeechMark]:
        """timed: strings with `start_time` in seconds of the clause's audio."""
        found: list[SpeechMark] = []
        for each in timed:
            text, start = str(each), getattr(each, "start_time", None)
            for index, _ in enumerate(text.split()):
                joined = index == 0 and self._open and not text[:1].isspace()
                if not joined:
                    if isinstance(start, int | float):
                        found.append(SpeechMark(self._word, max(0, round(start * SAMPLE_RATE))))
                    self._word += 1
            if text:
                self._open = not text[-1].isspace()
        return found


def _mono(frame: Any) -> bytes:
    """The frame's PCM; of several channels the first."""
    data = bytes(frame.data)
    channels = frame.num_channels
    if channels == 1:
        return data
    view = memoryview(data).cast("h")
    return bytes(view[::channels].tobytes())
