"""Speech-to-text that knows what is said, and tells it as a recogniser would: late, in pieces, sometimes wrong."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers.ports import Transcript
from aivoice.testing.outbox import Outbox
from aivoice.testing.randomness import AT_ONCE, Constant, Latency, seconds
from aivoice.testing.truth import SpokenWord, Truth

BACKLOG_SAMPLES = 30 * SAMPLE_RATE
"""Most that may come at one moment; of more the oldest is never heard."""

MISHEARD = {
    "fifteen": "fifty", "fifty": "fifteen", "thirteen": "thirty", "two": "to", "four": "for", "tuesday": "today",
    "book": "look", "price": "rice", "cleaning": "clearing", "nine": "five", "can": "can't",
    "okay": "ok", "yeah": "yes", "mm-hm": "hm", "right": "all right", "uh": "oh", "huh": "hmm",
}  # fmt: skip


_FULL, _FINAL, _LATE = Constant(150), Constant(300), Constant(1_200)


@dataclass(frozen=True, slots=True)
class SttBehaviour:
    """How the recogniser behaves; the defaults are the benchmark's reference stage. Times are ms.

    interim_every: between interims, from the onset of speech. word_lag: a word is known so long after its end.
    full: interim with the whole text, after the end of speech. final: the same for the final. opening: of a stream.
    late_final: chance that a final takes `late` instead. revise: chance that the newest word of an interim is wrong
    and corrected by the next one. mishear: chance for each word of the final to be wrong.
    """

    opening: Latency = AT_ONCE
    interims: bool = True
    interim_every: float = 200
    word_lag: float = 150
    full: Latency = _FULL
    final: Latency = _FINAL
    late_final: float = 0.0
    late: Latency = _LATE
    revise: float = 0.0
    mishear: float = 0.0


class FakeStt:
    """Recognises whatever `truth` says was spoken. Streams may be opened again and again; each starts afresh."""

    def __init__(
        self,
        truth: Truth,
        behaviour: SttBehaviour = SttBehaviour(),
        *,
        rng: random.Random | None = None,
        name: str = "fake-stt",
    ) -> None:
        self.name = name
        self._truth = truth
        self._behaviour = behaviour
        self._rng = rng or random.Random(0)
        self.opened = 0
        self.open_streams = 0

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> FakeSttStream:
        """A new stream."""
        if not language.startswith("en"):
            raise ProviderError(f"{self.name}: language {language!r} is not supported; use en", retryable=False)
        await asyncio.sleep(seconds(self._behaviour.opening, self._rng))
        self.opened += 1
        self.open_streams += 1
        return FakeSttStream(self, self._truth, self._behaviour, self._rng)


@dataclass(slots=True, eq=False)
class _Segment:
    """A stretch whose end the VAD announced, waiting for its final."""

    end: int
    timers: list[asyncio.TimerHandle]


class FakeSttStream:
    """One call's recogniser; needs no task: timers of the loop drive it."""

    def __init__(self, provider: FakeStt, truth: Truth, behaviour: SttBehaviour, rng: random.Random) -> None:
        self._provider, self._truth, self._behaviour, self._rng = provider, truth, behaviour, rng
        self._loop = asyncio.get_running_loop()
        self._out: Outbox[Transcript] = Outbox()
        self._start: int | None = None  # where unrecognised audio begins
        self._pushed = 0
        self._pushed_at = -1.0
        self._burst = 0  # position at which the audio of this moment began
        self.dropped_samples = 0
        self._said = ""
        self._told = 0  # words of the segment told so far: interims never shrink
        self._ticker: asyncio.TimerHandle | None = None
        self._next_tick = 0.0
        self._waiting: deque[_Segment] = deque()  # bounded by the VAD: one a speech end
        self._last_final_at = 0.0
        self._closed = False

    # ------------------------------------------------------------ pushed by the engine

    def push(self, chunk: AudioChunk) -> None:
        """Next audio."""
        if self._closed:
            return
        if self._start is None:
            self._start = chunk.position
        now = self._loop.time()
        if now != self._pushed_at:
            self._burst = chunk.position
        self._pushed, self._pushed_at = chunk.end, now
        over = chunk.end - self._burst - BACKLOG_SAMPLES
        if over > 0:
            self._burst += over
            self.dropped_samples += over
            self._start = max(self._start, self._burst)
        if self._behaviour.interims and self._ticker is None:
            word = self._truth.first_after(self._from())
            if word is not None and word.start < chunk.end:
                self._next_tick = self._time_of(word.start)
                self._arm()

    def speech_started(self, position: int) -> None:
        """Not needed: this recogniser hears for itself."""

    def speech_ended(self, position: int) -> None:
        """Full text, then the final of everything before `position`."""
        if self._closed:
            return
        behaviour = self._behaviour
        late = behaviour.late_final > 0 and self._rng.random() < behaviour.late_final
        end_at = self._time_of(position)
        full_at = end_at + seconds(behaviour.full, self._rng)
        # Finals keep their order whatever their latencies.
        final_at = max(self._last_final_at, end_at + seconds(behaviour.late if late else behaviour.final, self._rng))
        self._last_final_at = final_at
        segment = _Segment(position, [])
        segment.timers.append(self._loop.call_at(final_at, self._due, segment))
        if behaviour.interims and full_at < final_at:
            segment.timers.append(self._loop.call_at(full_at, self._full, position))
        self._waiting.append(segment)

    # ------------------------------------------------------------ what comes of it

    def _from(self) -> int:
        return self._start or 0

    def _time_of(self, position: int) -> float:
        return self._pushed_at - (self._pushed - position) / SAMPLE_RATE

    def _arm(self) -> None:
        step, now = self._behaviour.interim_every / 1000, self._loop.time()
        behind = max(0, int((now - self._next_tick) / step))  # a backlog fed at once gives one interim, not many
        self._next_tick += step * (behind + 1)
        self._ticker = self._loop.call_at(self._next_tick, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        known = self._loop.time() - self._behaviour.word_lag / 1000
        said = self._truth.between(self._from(), self._pushed)
        ready = max(self._told, sum(self._time_of(w.end) <= known for w in said))
        self._interim(said[:ready], revise=True)
        if said:
            self._arm()  # until the final takes these words away

    def _full(self, end: int) -> None:
        words = self._truth.between(self._from(), end)
        if len(words) >= self._told:  # interims never shrink, not even when much audio comes at once
            self._interim(words, revise=False)

    def _interim(self, words: list[SpokenWord], *, revise: bool) -> None:
        if not words:
            return
        texts = [word.text for word in words]
        news, self._told = len(words) > self._told, len(words)
        if revise and news and self._behaviour.revise and self._rng.random() < self._behaviour.revise:
            texts[-1] = _misheard(texts[-1])
        text = " ".join(texts)
        if text != self._said:
            self._said = text
            self._out.put(Transcript("interim", text, words[0].start, words[-1].end, 0.8))

    def _due(self, segment: _Segment) -> None:
        """Time for the final of `segment`; those before it are due, too (timers of one moment have no order)."""
        while segment in self._waiting:
            self._final()

    def _final(self) -> None:
        segment = self._waiting.popleft()
        for timer in segment.timers:
            timer.cancel()
        start = min(self._from(), segment.end)
        words = self._truth.between(start, segment.end)
        chance = self._behaviour.mishear
        texts = [_misheard(w.text) if chance and self._rng.random() < chance else w.text for w in words]
        self._start = max(self._from(), segment.end)
        self._said, self._told = "", 0
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        first = words[0].start if words else start
        self._out.put(Transcript("final", " ".join(texts), first, segment.end, 0.95))

    def spoken_until(self) -> int:
        """End of the last word that was pushed since the last final; where there is none, of the audio."""
        words = self._truth.between(self._from(), self._pushed)
        return min(words[-1].end, self._pushed) if words else self._pushed

    def word_from(self, position: int) -> bool:
        """Whether a word that begins at `position` or later has been pushed."""
        word = self._truth.first_after(max(position, self._from()))
        return word is not None and word.start < self._pushed

    def fail(self, error: ProviderError) -> None:
        """The connection broke: the iterator raises `error`."""
        self._stop_timers()
        self._out.fail(error)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._out

    async def aclose(self) -> None:
        """Stops at once."""
        if not self._closed:
            self._closed = True
            self._provider.open_streams -= 1
            self._stop_timers()
            self._out.close()

    def _stop_timers(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for segment in self._waiting:
            for timer in segment.timers:
                timer.cancel()
        self._waiting.clear()


def _misheard(word: str) -> str:
    bare = word.strip(".,!?").lower()
    return MISHEARD.get(bare, bare[::-1] if len(bare) < 4 else bare[: len(bare) // 2] + "ing")
