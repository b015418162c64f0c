"""The fallback chain for voice activity. Everything is synchronous: a switch happens within the push that failed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.engine.attempts import Reaper, current_reporter
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade import Attempt, Chain
from aivoice.errors import ProviderError
from aivoice.providers.ports import VadEvent, VadStream, VoiceActivity

REPLAYED_SAMPLES = SAMPLE_RATE
"""What a successor hears again, so that a word just begun is noticed."""
AGREE_SAMPLES = SAMPLE_RATE // 2
"""New audio within which a successor must say that speech goes on; otherwise it has ended meanwhile."""
HUNG_S = 1.0
"""A detector is left when more than so much audio (s) waits for it, and part of that for longer than this (wall-clock
s): either alone happens to a healthy one, when audio comes in bursts or pauses."""
HELD_BACK = SAMPLE_RATE // 10
"""Samples that a healthy detector may hold back for its windows for as long as no audio follows."""
_MARK_S = 0.1


class VadCascade:
    """VoiceActivity over several. Starts and ends still alternate across a switch; ``failed`` comes once, when no
    provider is left. A provider fails by its ``failed`` event, by raising from `open` or `push`, or by judging nothing
    for `HUNG_S` (code ``hung``)."""

    def __init__(self, providers: Sequence[VoiceActivity], rules: BreakerRules = BreakerRules()) -> None:
        self.chain: Chain[VoiceActivity] = Chain("vad", providers, rules)
        self.name = self.chain.name

    def open(self, sink: Callable[[VadEvent], None]) -> VadStream:
        return _Watching(self.chain, sink)

    async def aclose(self) -> None:
        """End abandoned streams, within 1 s."""
        await self.chain.aclose()


class _Watching:
    def __init__(self, chain: Chain[VoiceActivity], sink: Callable[[VadEvent], None]) -> None:
        self._reaper: Reaper = chain.reaper
        self._sink = sink
        self._attempts = chain.attempts(current_reporter())
        self._attempt: Attempt[VoiceActivity] | None = None
        self._stream: VadStream | None = None
        self._recent: deque[AudioChunk] = deque()
        self._recent_samples = 0
        self._position = 0
        self._judged = 0
        self._loop = asyncio.get_running_loop()
        self._marks: deque[tuple[float, int]] = deque()  # (when, position pushed by then), a second's worth
        self._speaking = False
        self._agree_by: int | None = None
        self._closed = False
        self._switch()

    @property
    def judged(self) -> int:
        """See the port. Across a switch, too, it never goes back."""
        self._judged = max(self._judged, self._position if self._stream is None else self._stream.judged)
        return self._judged

    def push(self, chunk: AudioChunk) -> None:
        self._position = chunk.end
        self._recent.append(chunk)
        self._recent_samples += chunk.samples
        while self._recent_samples - self._recent[0].samples >= REPLAYED_SAMPLES:
            self._recent_samples -= self._recent.popleft().samples
        self._pass_on(chunk)
        self._leave_if_hung()
        if self._agree_by is not None and self._position >= self._agree_by:
            self._agree_by = None
            self._emit(VadEvent("end", self._position - AGREE_SAMPLES))

    async def aclose(self) -> None:
        self._closed = True
        if self._attempt is not None:
            self._attempt.over()
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await asyncio.wait([self._reaper.spawn(_close(stream), "vad")], timeout=1.0)

    # ------------------------------------------------------------ one provider

    def _pass_on(self, chunk: AudioChunk) -> None:
        attempt, stream = self._attempt, self._stream
        if attempt is None or stream is None:
            return
        try:
            stream.push(chunk)
        except Exception as error:  # noqa: BLE001 - a detector's bug must not reach the transport that pushes audio
            self._failed(attempt, "provider_crashed", type(error).__name__)

    def _leave_if_hung(self) -> None:
        attempt, stream, now, marks = self._attempt, self._stream, self._loop.time(), self._marks
        if attempt is None or stream is None:
            return
        if not marks or now - marks[-1][0] >= _MARK_S:
            marks.append((now, self._position))
        while len(marks) > 1 and marks[1][0] <= now - HUNG_S:
            marks.popleft()
        since, pushed = marks[0]
        waiting = self._position - stream.judged
        if since <= now - HUNG_S and pushed - stream.judged > HELD_BACK and waiting > HUNG_S * SAMPLE_RATE:
            self._failed(attempt, "hung", f"{waiting / SAMPLE_RATE:.1f} s of audio wait for it")

    def _failed(self, attempt: Attempt[VoiceActivity], code: str, what: str) -> None:
        if attempt is not self._attempt or self._closed:
            return
        attempt.failed(ProviderError(f"{attempt.provider.name} failed ({what})", code=code, stage="vad"))
        if self._stream is not None:
            self._reaper.spawn(_close(self._stream), attempt.provider.name)
        self._attempt = self._stream = None
        self._switch()

    def _switch(self) -> None:
        """Open the next provider that opens, and let it hear what just was."""
        for attempt in self._attempts:
            self._attempt = attempt
            try:
                stream = attempt.provider.open(partial(self._heard, attempt))
            except Exception as error:  # noqa: BLE001 - as in _pass_on
                self._attempt = None
                reason = type(error).__name__
                attempt.failed(
                    ProviderError(f"{attempt.provider.name} failed ({reason})", code="provider_crashed", stage="vad")
                )
                continue
            self._stream = stream
            self._marks.clear()
            self._agree_by = self._position + AGREE_SAMPLES if self._speaking else None
            for chunk in tuple(self._recent):
                if self._stream is stream:
                    self._pass_on(chunk)
            return
        self._emit(VadEvent("failed", self._position))

    def _heard(self, attempt: Attempt[VoiceActivity], event: VadEvent) -> None:
        if attempt is not self._attempt or self._closed:
            return
        if event.position < 0:
            self._failed(attempt, "malformed", "a position out of range")
            return
        match event.kind:
            case "failed":
                self._failed(attempt, "provider_failed", "it said so")
            case "start":
                attempt.useful()
                self._agree_by = None
                if not self._speaking:
                    self._emit(event)
            case "end":
                attempt.proved()
                self._agree_by = None
                if self._speaking:
                    self._emit(event)

    def _emit(self, event: VadEvent) -> None:
        self._speaking = event.kind == "start"
        self._sink(event)


async def _close(stream: VadStream) -> None:
    try:
        await stream.aclose()
    except Exception:  # noqa: BLE001 - closing what already failed: there is nobody to tell and nothing left to save
        return
