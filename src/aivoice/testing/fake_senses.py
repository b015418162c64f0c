"""Fake VAD, end-of-turn detector and embedder."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import Callable, Sequence

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.core.text import words
from aivoice.providers.ports import VadEvent
from aivoice.testing.randomness import Constant, Latency, seconds
from aivoice.testing.sound import peak

_SCORING, _EMBEDDING = Constant(30), Constant(10)
VOICED_PEAK = 500
"""Peak sample from which PCM counts as voiced: −36 dBFS."""


class FakeVad:
    """Start after `start_ms` of voiced audio, end after `end_ms` without. Spans tell themselves, PCM by amplitude."""

    def __init__(self, *, start_ms: int = 50, end_ms: int = 100, name: str = "fake-vad") -> None:
        self.name = name
        self._start = start_ms * SAMPLE_RATE // 1000
        self._end = end_ms * SAMPLE_RATE // 1000
        self.open_streams = 0

    def open(self, sink: Callable[[VadEvent], None]) -> FakeVadStream:
        """A new stream."""
        self.open_streams += 1
        return FakeVadStream(self, sink, self._start, self._end)


class FakeVadStream:
    """Speech of one leg; decides within `push`."""

    def __init__(self, provider: FakeVad, sink: Callable[[VadEvent], None], start: int, end: int) -> None:
        self._provider, self._sink = provider, sink
        self._start_after, self._end_after = start, end
        self._speaking = False
        self._voiced = 0
        self._onset = 0
        self._quiet = 0
        self._last_voiced = 0
        self._closed = False
        self.judged = 0

    def push(self, chunk: AudioChunk) -> None:
        """Next audio."""
        if self._closed or chunk.samples <= 0:
            return
        self.judged = chunk.end
        voiced = chunk.voiced if chunk.pcm is None else peak(chunk.pcm) >= VOICED_PEAK
        if voiced:
            self._voice(chunk)
        else:
            self._silence(chunk)

    def _voice(self, chunk: AudioChunk) -> None:
        if self._voiced == 0:
            self._onset = chunk.position
        self._voiced += chunk.samples
        self._quiet = 0
        self._last_voiced = chunk.end
        if not self._speaking and self._voiced >= self._start_after:
            self._speaking = True
            self._sink(VadEvent("start", self._onset))

    def _silence(self, chunk: AudioChunk) -> None:
        self._quiet += chunk.samples
        if not self._speaking:
            self._voiced = 0
        elif self._quiet >= self._end_after:
            self._speaking = False
            self._voiced = 0
            self._sink(VadEvent("end", self._last_voiced))

    def fail(self) -> None:
        """The stream dies: says so once and nothing more."""
        if not self._closed:
            self._closed = True
            self._sink(VadEvent("failed", self._last_voiced))

    async def aclose(self) -> None:
        """No event comes after this."""
        if not self._closed:
            self._provider.open_streams -= 1
        self._closed = True


class FakeTurnDetector:
    """Says "done" for text that ends like a sentence, unless it ends in a word that wants another."""

    _MORE = frozenset(words("and or but the a an to for with at of my is are um uh so because"))

    def __init__(
        self,
        latency: Latency = _SCORING,
        *,
        rng: random.Random | None = None,
        name: str = "fake-turn",
    ) -> None:
        self.name = name
        self._latency = latency
        self._rng = rng or random.Random(0)

    async def score(self, text: str, audio: bytes) -> float:
        """0.05 mid-sentence, 0.9 after a full stop or question mark, 0.6 otherwise."""
        await asyncio.sleep(seconds(self._latency, self._rng))
        said = words(text)
        if not said or said[-1] in self._MORE:
            return 0.05
        return 0.9 if text.rstrip().endswith((".", "?", "!")) else 0.6


class FakeEmbedder:
    """Hashed bag of words: texts that share words are close. Unit vectors; the empty text gets the first axis."""

    def __init__(
        self,
        dimensions: int = 64,
        latency: Latency = _EMBEDDING,
        *,
        rng: random.Random | None = None,
        name: str = "fake-embedder",
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self._latency = latency
        self._rng = rng or random.Random(0)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text."""
        await asyncio.sleep(seconds(self._latency, self._rng))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in words(text):
            place = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
            vector[place % self.dimensions] += 1.0
        length = math.sqrt(sum(value * value for value in vector))
        if length == 0:
            vector[0] = length = 1.0
        return [value / length for value in vector]
