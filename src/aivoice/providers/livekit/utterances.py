"""A recogniser that takes whole utterances, as a stream: the engine's voice activity cuts, one request a cut."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.livekit.failing import failure_of
from aivoice.providers.ports import Transcript

_KEPT = 60 * SAMPLE_RATE
"""Of an utterance; past that its beginning is dropped and counted."""
_BEFORE = SAMPLE_RATE // 2
"""Sound before the voice was noticed that is heard with it."""
_LEAST = SAMPLE_RATE // 10
"""Services refuse less sound than this."""
_MOST_OWED = 8
"""Utterances that wait for their answers; one more and the recogniser has failed."""


class UtteranceStream:
    """One call; see the port. No interims come. Each end of speech is one request; they are answered in order."""

    def __init__(self, plugin: Any, name: str, language: str, options: Any) -> None:
        self._plugin, self._name, self._language, self._options = plugin, name, language, options
        self._chunks: deque[AudioChunk] = deque()
        self._samples = 0
        self._speaking = False
        self._settled: int | None = None
        self._owed: deque[tuple[int, int, bytes]] = deque()
        self._looked = asyncio.Event()
        self._asking: asyncio.Task[Any] | None = None
        self._closed = False
        self.dropped_samples = 0

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None or self._closed:
            return
        if self._settled is None:
            self._settled = chunk.position
        self._chunks.append(chunk)
        self._samples += chunk.samples
        most = _KEPT if self._speaking else _BEFORE
        while self._samples > most:
            oldest = self._chunks.popleft()
            self._samples -= oldest.samples
            self.dropped_samples += oldest.samples if self._speaking else 0

    def speech_started(self, position: int) -> None:
        self._speaking = True

    def speech_ended(self, position: int) -> None:
        """What was pushed after `position` belongs to what is said next."""
        start = position if self._settled is None else self._settled
        end = max(start, position)
        said = [chunk for chunk in self._chunks if chunk.position < end]
        self._chunks = deque(chunk for chunk in self._chunks if chunk.position >= end)
        self._samples = sum(chunk.samples for chunk in self._chunks)
        self._settled, self._speaking = end, False
        if not self._closed and len(self._owed) <= _MOST_OWED:
            self._owed.append((start, end, b"".join(chunk.pcm or b"" for chunk in said)))
            self._looked.set()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._looked.set()
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.wait([self._asking])
            await self._plugin.aclose()

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while not self._closed:
            if not self._owed:
                await self._looked.wait()
                self._looked.clear()
                continue
            if len(self._owed) > _MOST_OWED:
                raise ProviderError(f"{self._name} is too slow", code="timeout", stage="stt")
            start, end, pcm = self._owed[0]
            text, confidence = await self._asked(pcm) if len(pcm) >= 2 * _LEAST else ("", 1.0)
            if not self._closed:
                self._owed.popleft()
                yield Transcript("final", text, start, end, confidence)

    async def _asked(self, pcm: bytes) -> tuple[str, float]:
        """What was said; ends at once, with nothing, where the stream is closed meanwhile."""
        self._asking = asking = asyncio.ensure_future(self._recognised(pcm))
        try:
            await asyncio.wait([asking])
        finally:
            self._asking = None
            if not asking.done():
                asking.cancel()
                await asyncio.wait([asking])
        return ("", 1.0) if asking.cancelled() else asking.result()

    async def _recognised(self, pcm: bytes) -> tuple[str, float]:
        from livekit.rtc import AudioFrame

        frame = AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)
        try:
            event = await self._plugin.recognize([frame], language=self._language, conn_options=self._options)
        except Exception as error:  # noqa: BLE001 - told as one of ours
            raise failure_of(self._name, "stt", error) from None
        if not event.alternatives:
            raise failures.malformed(self._name, "stt", "alternatives")
        best = event.alternatives[0]
        return best.text.strip(), best.confidence if 0 < best.confidence <= 1 else 1.0
