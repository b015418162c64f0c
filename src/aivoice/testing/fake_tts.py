"""Text-to-speech that takes as long as a voice would, as spans or as real PCM."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from aivoice.errors import ProviderError
from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark
from aivoice.testing.outbox import Outbox
from aivoice.testing.randomness import AT_ONCE, Constant, Latency, seconds
from aivoice.testing.sound import voice_pcm
from aivoice.testing.truth import word_ms

END_PAUSE_SAMPLES = SAMPLE_RATE * 160 // 1000
_PAUSE_AFTER = (".", "!", "?", ",", ";", ":", "…")


_FIRST = Constant(100)


def word_starts(text: str, rate: float = 1.0) -> list[int]:
    """Sample at which the fake voice begins each word of `text`."""
    starts: list[int] = []
    position = 0
    for word in text.split():
        starts.append(position)
        position += int(word_ms(word) / rate * SAMPLE_RATE / 1000)
        position += END_PAUSE_SAMPLES if word.endswith(_PAUSE_AFTER) else 0
    return starts


@dataclass(frozen=True, slots=True)
class TtsBehaviour:
    """How the voice behaves; the defaults are the benchmark's.

    opening, first: ms until the stream is open, and to the first audio from the first non-empty push (without
    `streams_text`: from `finish`). real_time: audio comes as 20 ms frames at the pace of speech, otherwise all that
    is known comes at once. pcm: real samples instead of spans. marks: word marks are sent. rate: of the voice.
    """

    opening: Latency = AT_ONCE
    first: Latency = _FIRST
    streams_text: bool = True
    real_time: bool = False
    pcm: bool = False
    marks: bool = True
    rate: float = 1.0


class FakeTts:
    """Speaks any text; each word takes `truth.word_ms`, a clause end 160 ms more."""

    def __init__(
        self,
        behaviour: TtsBehaviour = TtsBehaviour(),
        *,
        rng: random.Random | None = None,
        name: str = "fake-tts",
    ) -> None:
        self.name = name
        self.streams_text = behaviour.streams_text
        self._behaviour = behaviour
        self._rng = rng or random.Random(0)
        self.opened = 0
        self.open_streams = 0
        self.characters = 0

    async def open(self, *, voice: str = "default") -> FakeSpeechStream:
        """A clause to be spoken."""
        if voice == "missing":
            raise ProviderError(f"{self.name}: no such voice", code="voice_missing", retryable=False)
        await asyncio.sleep(seconds(self._behaviour.opening, self._rng))
        self.opened += 1
        self.open_streams += 1
        return FakeSpeechStream(self, self._behaviour, self._rng)

    def closed(self) -> None:
        """A stream tells that it is closed."""
        self.open_streams -= 1


class FakeSpeechStream:
    """Needs no task: timers of the loop drive it."""

    def __init__(self, provider: FakeTts, behaviour: TtsBehaviour, rng: random.Random) -> None:
        self._provider, self._behaviour, self._rng = provider, behaviour, rng
        self._loop = asyncio.get_running_loop()
        self._out: Outbox[SpeechEvent] = Outbox()
        self._words: deque[str] = deque()  # bounded by the text of one clause
        self._partial = ""
        self._finished = False
        self._timer: asyncio.TimerHandle | None = None
        self._flowing = False  # the first audio is out: what is known may go at once
        self._count = 0
        self._sample = 0
        self._owed: deque[tuple[int, bool]] = deque()  # (samples, voiced) not yet sent, real_time only
        self._closed = False

    def push(self, text: str) -> None:
        """More text."""
        if self._closed or self._finished:
            return
        self._provider.characters += len(text)
        pieces = (self._partial + text).split()
        self._partial = pieces.pop() if pieces and not text[-1:].isspace() else ""
        self._words.extend(pieces)
        if (pieces or self._partial) and self._behaviour.streams_text:
            self._begin()

    def finish(self) -> None:
        """No more text."""
        if self._finished or self._closed:
            return
        self._finished = True
        if self._partial:
            self._words.append(self._partial)
            self._partial = ""
        if self._words or self._count:
            self._begin()
        else:
            self._out.end()

    def _begin(self) -> None:
        if self._flowing:
            self._speak()
        elif self._timer is None:
            self._timer = self._loop.call_later(seconds(self._behaviour.first, self._rng), self._first)

    def _first(self) -> None:
        self._timer = None
        self._flowing = True
        if self._partial and not self._count and not self._words:
            # Streaming voices start on what there is: the word is taken as whole.
            self._words.append(self._partial)
            self._partial = ""
        self._speak()

    def _speak(self) -> None:
        """Turn the known words into audio."""
        behaviour, spoken, silent = self._behaviour, 0, 0
        while self._words:
            word = self._words.popleft()
            if behaviour.marks:
                self._out.put(SpeechMark(self._count, self._sample + spoken + silent))
            self._count += 1
            samples = int(word_ms(word) / behaviour.rate * SAMPLE_RATE / 1000)
            spoken += samples
            if word.endswith(_PAUSE_AFTER):
                silent_now = END_PAUSE_SAMPLES
                self._emit(spoken, voiced=True)
                self._emit(silent_now, voiced=False)
                spoken = 0
        self._emit(spoken, voiced=True)
        if behaviour.real_time:
            self._pace()
        elif self._finished:
            self._out.end()

    def _emit(self, samples: int, *, voiced: bool) -> None:
        if samples <= 0:
            return
        position, self._sample = self._sample, self._sample + samples
        if self._behaviour.real_time:
            self._owed.append((samples, voiced))
        else:
            pcm = voice_pcm(position, samples, voiced=voiced) if self._behaviour.pcm else None
            self._out.put(SpeechAudio(samples, pcm))

    def _pace(self) -> None:
        if self._timer is None:
            self._frame()

    def _frame(self) -> None:
        self._timer = None
        left, parts = FRAME_SAMPLES, list[tuple[int, bool]]()
        while left and self._owed:
            samples, voiced = self._owed.popleft()
            taken = min(left, samples)
            parts.append((taken, voiced))
            left -= taken
            if samples > taken:
                self._owed.appendleft((samples - taken, voiced))
        if parts:
            samples = FRAME_SAMPLES - left
            pcm = b"".join(voice_pcm(0, n, voiced=v) for n, v in parts) if self._behaviour.pcm else None
            self._out.put(SpeechAudio(samples, pcm))
            self._timer = self._loop.call_later(samples / SAMPLE_RATE, self._frame)
        elif self._finished:
            self._out.end()

    def fail(self, error: ProviderError) -> None:
        """The connection broke: the iterator raises `error`."""
        self._stop()
        self._out.fail(error)

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self._out

    async def aclose(self) -> None:
        """Stops at once."""
        if not self._closed:
            self._closed = True
            self._provider.closed()
            self._stop()
            self._out.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._words.clear()
        self._owed.clear()
