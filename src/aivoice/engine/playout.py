"""What the caller hears next, and how far they have heard it, to the sample. One playout a leg.

`FramePlayout` hands 20 ms frames to the transport, driven by the pacer. `SpanPlayout` does the same with durations and
timers, for simulated calls. Both report by the callbacks of `PlayoutSink`, synchronously.
"""

from __future__ import annotations

import array
import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.core import events as e
from aivoice.engine.clips import ClipBuffer
from aivoice.transports.ports import Transport

FADE_SAMPLES = 8
"""A ramp of 0.5 ms: no click, and the frame it is in is already 20 dB down."""


class Playout(Protocol):
    """Queue, hold, resume, stop. `positions` count samples of the clip that were handed to the transport."""

    def play(self, clip: ClipBuffer, *, first: bool) -> None: ...

    def arrived(self, clip: ClipBuffer) -> None:
        """More audio of a queued clip is there, or it is complete."""
        ...

    def hold(self) -> e.PlayoutHeld: ...

    def resume(self, attempt: int, samples: int) -> None: ...

    def stop(self) -> e.PlayoutHeld: ...


def _held(clip: ClipBuffer | None, position: int) -> e.PlayoutHeld:
    if clip is None:
        return e.PlayoutHeld(0, 0, 0)
    return e.PlayoutHeld(clip.turn, clip.attempt, position, clip.word_starts())


def _faded(pcm: bytes | bytearray, offset: int) -> bytes:
    """The next `FADE_SAMPLES` ramped to nothing, then silence: one frame."""
    ramp = array.array("h", bytes(pcm[offset : offset + FADE_SAMPLES * 2]))
    for index, value in enumerate(ramp):
        ramp[index] = value * (FADE_SAMPLES - index) // (FADE_SAMPLES + 1)
    return ramp.tobytes() + SILENCE[len(ramp) * 2 :]


class FramePlayout:
    """`tick` once every 20 ms; always writes a frame, silence where there is nothing to say.

    emit: takes PlayoutStarted/Finished. record: called with (position, frame) for every audible frame, position on the
    clock of ticks.
    """

    def __init__(
        self, transport: Transport, emit: Callable[[e.Event], None], record: Callable[[int, bytes], None] | None
    ) -> None:
        self._transport, self._emit, self._record = transport, emit, record
        self._queue: deque[ClipBuffer] = deque()
        self._current: ClipBuffer | None = None
        self._position = 0
        self._clock = 0
        self._is_held = False
        self._fade = b""

    def tick(self) -> None:
        """Hand over the next frame."""
        frame = self._fade or (SILENCE if self._is_held else self._next())
        self._fade = b""
        if self._record is not None and frame is not SILENCE:
            self._record(self._clock, frame)
        self._clock += FRAME_SAMPLES
        self._transport.write(frame)

    def _next(self) -> bytes:
        clip = self._current
        if clip is None:
            if not self._queue or not (self._queue[0].samples or self._queue[0].complete):
                return SILENCE
            clip = self._current = self._queue.popleft()
            self._position = 0
            if clip.samples:
                self._emit(e.PlayoutStarted(clip.turn, clip.attempt))
                if self._current is not clip or self._is_held:
                    return SILENCE  # whoever was told has silenced it
        offset = self._position * 2
        frame = bytes(clip.pcm[offset : offset + FRAME_BYTES])
        if len(frame) < FRAME_BYTES and not clip.complete:
            return SILENCE  # an underrun: wait for whole frames rather than chop
        self._position += len(frame) // 2
        if clip.complete and self._position >= clip.samples:
            self._current = None
            if clip.samples:
                self._emit(e.PlayoutFinished(clip.turn, clip.attempt))
        return frame.ljust(FRAME_BYTES, b"\0") if frame else SILENCE

    def play(self, clip: ClipBuffer, *, first: bool) -> None:
        """Queue a clip; `first`: before all that have not begun."""
        if first:
            self._queue.appendleft(clip)
        else:
            self._queue.append(clip)

    def arrived(self, clip: ClipBuffer) -> None:
        """Nothing to do: the next tick looks."""

    def hold(self) -> e.PlayoutHeld:
        """Silence from the next frame on, ramped over its first half millisecond."""
        if not self._is_held and self._current is not None and self._position:
            self._fade = _faded(self._current.pcm, self._position * 2)
        self._is_held = True
        return _held(self._current, self._position)

    def resume(self, attempt: int, samples: int) -> None:
        """Go on; from `samples` of the current clip where `attempt` names it."""
        self._is_held = False
        if self._current is not None and self._current.attempt == attempt:
            self._position = min(samples, self._position)

    def stop(self) -> e.PlayoutHeld:
        """Drop everything; the transport gets silence from the next frame on."""
        held = self.hold()
        self._is_held = False
        self._queue.clear()
        self._current = None
        return held


class SpanPlayout:
    """The same contract in whole spans: a timer a clip instead of a frame every 20 ms."""

    def __init__(self, transport: Transport, emit: Callable[[e.Event], None], loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._emit, self._loop = transport, emit, loop
        self._queue: deque[ClipBuffer] = deque()
        self._current: ClipBuffer | None = None
        self._position = 0  # samples of the current clip already played when it last began to sound
        self._since: float | None = None  # loop time at which it last began to sound; None: it does not
        self._origin = loop.time()
        self._is_held = False
        self._timer: asyncio.TimerHandle | None = None

    def play(self, clip: ClipBuffer, *, first: bool) -> None:
        """Queue a clip; `first`: before all that have not begun."""
        if first:
            self._queue.appendleft(clip)
        else:
            self._queue.append(clip)
        self._run()

    def arrived(self, clip: ClipBuffer) -> None:
        """More of a clip is there."""
        if clip is self._current:
            self._pause()
            self._run()
        elif self._current is None and self._queue and self._queue[0] is clip:
            self._run()

    def hold(self) -> e.PlayoutHeld:
        """Silence now."""
        self._pause()
        self._is_held = True
        self._transport.write_span(AudioChunk(self._now(), 0, None, False))
        return _held(self._current, self._position)

    def resume(self, attempt: int, samples: int) -> None:
        """Go on; from `samples` of the current clip where `attempt` names it."""
        self._is_held = False
        if self._current is not None and self._current.attempt == attempt:
            self._position = min(samples, self._position)
        self._run()

    def stop(self) -> e.PlayoutHeld:
        """Drop everything."""
        held = self.hold()
        self._is_held = False
        self._queue.clear()
        self._current = None
        return held

    def close(self) -> None:
        """Forget the timer."""
        self._pause()

    def _now(self) -> int:
        return round((self._loop.time() - self._origin) * SAMPLE_RATE)

    def _pause(self) -> None:
        """Take stock of what has sounded."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._since is not None and self._current is not None:
            sounded = round((self._loop.time() - self._since) * SAMPLE_RATE)
            self._position = min(self._position + sounded, self._current.samples)
        self._since = None

    def _run(self) -> None:
        """Let the current clip sound, or begin the next."""
        if self._is_held or self._since is not None:
            return
        if self._current is None:
            if not self._queue or not (self._queue[0].samples or self._queue[0].complete):
                return
            self._current, self._position = self._queue.popleft(), 0
            if self._current.samples:
                self._emit(e.PlayoutStarted(self._current.turn, self._current.attempt))
        self._sound_on()

    def _sound_on(self) -> None:
        """The current clip sounds from its position on, unless whoever was told of it has changed that."""
        clip = self._current
        if clip is None or self._is_held or self._since is not None:
            return
        left = clip.samples - self._position
        if left <= 0 and not clip.complete:
            return
        self._since = self._loop.time()
        self._transport.write_span(AudioChunk(self._now(), max(left, 0), None, True))
        self._timer = self._loop.call_later(max(left, 0) / SAMPLE_RATE, self._out)

    def _out(self) -> None:
        """All that is there has sounded."""
        self._timer = None
        clip = self._current
        self._since = None
        if clip is None:
            return
        self._position = clip.samples
        if clip.complete:
            self._current = None
            if clip.samples:
                self._emit(e.PlayoutFinished(clip.turn, clip.attempt))
        self._run()
