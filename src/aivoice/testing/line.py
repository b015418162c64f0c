"""The telephone line of a simulated call: mixes what sounds at the caller's end, and listens to the agent.

`Line` is a `transports.ports.Transport` in two forms: with spans (a handful of calls a second) or with real 20 ms
PCM frames (`frames=True`). Both deliver the same sound on the same clock, quantised to 20 ms frames.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.testing.sound import stamped, voice_pcm
from aivoice.transports.ports import MediaSink

_ONSET = 3 * FRAME_SAMPLES
"""The first stretch of a voice is told after 60 ms, so that a VAD that needs 50 ms decides on time."""
_STEADY = SAMPLE_RATE // 5
_HANGOVER = 5 * FRAME_SAMPLES
"""The first silence is told after 100 ms, as a VAD that needs as much would hear it."""
_IDLE = SAMPLE_RATE // 2


class Line:
    """One leg. `sound` adds voice at positions; `agent_heard` is told (sounding, samples) of the agent's audio.

    stamped: frames carry their position (`testing.sound.stamped`) for stand-ins. No tasks: one timer. Positions:
    samples since media came up; `position` is now.
    """

    def __init__(self, *, frames: bool = False, media_delay_s: float = 0.0, stamped: bool = False) -> None:
        self.carries_spans = not frames
        self._media_delay_s = media_delay_s
        self._stamped = stamped
        self._sink: MediaSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up_at = 0.0
        self._delivered = 0
        self._starts: list[int] = []  # voiced stretches, disjoint and ascending, by source mixed on the fly
        self._ends: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_until = 0
        self._closed = False
        self._gone = False
        self._agent_until = 0.0
        self._agent_frame = False
        self.agent_heard: Callable[[bool, int], None] = _ignore
        self.came_up: Callable[[], None] = _nothing
        self.ended: Callable[[str], None] = _ignore_reason

    # ------------------------------------------------------------ Transport

    async def start(self, sink: MediaSink) -> None:
        """Media comes up after `media_delay_s`."""
        if self._closed:
            return
        self._sink, self._loop = sink, asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._media_delay_s, self._up)

    def write(self, frame: bytes) -> None:
        """One agent frame. Only changes between sound and silence are passed on."""
        sounding = frame is not SILENCE and frame != SILENCE
        if sounding != self._agent_frame and not self._closed:
            self._agent_frame = sounding
            self.agent_heard(sounding, 0)

    def write_span(self, chunk: AudioChunk) -> None:
        """A stretch of agent audio begins now and replaces what was left of the one before."""
        if self._closed or self._loop is None:
            return
        self._agent_until = self._loop.time() + chunk.samples / SAMPLE_RATE
        self.agent_heard(chunk.samples > 0, chunk.samples)

    async def close(self, reason: str) -> None:
        """Releases the timer."""
        if not self._closed:
            self._closed = True
            self.ended(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------ the caller's end

    @property
    def position(self) -> int:
        """Samples since media came up, rounded down to whole frames."""
        if self._loop is None:
            return 0
        return max(0, round((self._loop.time() - self._up_at) * SAMPLE_RATE)) // FRAME_SAMPLES * FRAME_SAMPLES

    @property
    def agent_sounding(self) -> bool:
        """Whether the agent is heard at this moment."""
        if self._loop is None:
            return False
        return self._agent_frame if not self.carries_spans else self._loop.time() < self._agent_until

    def sound(self, start: int, end: int) -> None:
        """Something voiced sounds from `start` to `end` (whole frames are taken); the past cannot be changed."""
        start = max(_frame(start), self._delivered)
        end = _frame(end + FRAME_SAMPLES - 1)
        if end <= start:
            return
        merged: list[tuple[int, int]] = []
        for one, other in zip(self._starts, self._ends, strict=True):
            if other < start or one > end:
                merged.append((one, other))
            else:
                start, end = min(start, one), max(end, other)
        merged.append((start, end))
        merged.sort()
        self._starts, self._ends = [a for a, _ in merged], [b for _, b in merged]
        self._arm()

    def hush(self, position: int) -> None:
        """Whatever was to sound after `position` does not."""
        position = max(_frame(position), self._delivered)
        kept = [(a, min(b, position)) for a, b in zip(self._starts, self._ends, strict=True) if a < position]
        self._starts, self._ends = [a for a, _ in kept], [b for _, b in kept]
        self._arm()

    def press(self, digit: str) -> None:
        """A key."""
        if self._sink is not None and not self._closed and not self._gone:
            self._sink.on_dtmf(digit)

    def hang_up(self, reason: str = "caller_hung_up") -> None:
        """The caller leaves, mid-word if it must be."""
        if self._sink is None or self._closed or self._gone:
            return
        self._deliver()
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sink.on_hangup(reason)

    def stall(self, samples: int) -> None:
        """The network delivers nothing for `samples`, then all of it at once."""
        self._stalled_until = self.position + _frame(samples + FRAME_SAMPLES - 1)

    # ------------------------------------------------------------ delivery

    def _up(self) -> None:
        assert self._sink is not None and self._loop is not None
        self._up_at = self._loop.time()
        self._timer = None
        self._sink.on_media_up()
        self.came_up()
        self._arm()

    def _arm(self) -> None:
        """Wake at the next moment at which the far side would learn something."""
        if self._closed or self._gone or self._loop is None or self._sink is None or (self._timer and not self._up_at):
            return
        if self._timer is not None:
            self._timer.cancel()
        at = self._next_position()
        self._timer = self._loop.call_at(self._up_at + at / SAMPLE_RATE, self._wake)

    def _next_position(self) -> int:
        if self._stalled_until > self._delivered:
            return self._stalled_until
        if not self.carries_spans:
            return self._delivered + FRAME_SAMPLES
        index = bisect_right(self._starts, self._delivered) - 1
        if index >= 0 and self._delivered < self._ends[index]:
            start, end = self._starts[index], self._ends[index]
            if self._delivered < start + _ONSET:
                return min(start + _ONSET, end)
            return min(self._delivered + _STEADY, end)
        quiet_since = self._ends[index] if index >= 0 else 0
        following = self._starts[index + 1] if index + 1 < len(self._starts) else None
        at = quiet_since + _HANGOVER if self._delivered < quiet_since + _HANGOVER else self._delivered + _IDLE
        return at if following is None else min(at, following)

    def _wake(self) -> None:
        self._timer = None
        self._deliver()
        self._arm()

    def _deliver(self) -> None:
        """Everything up to now, in stretches that are all voice or all silence."""
        now = self.position
        sink = self._sink
        if now < self._stalled_until or sink is None:
            return
        while self._delivered < now and not self._closed and not self._gone:
            voiced, until = self._stretch(self._delivered)
            start, end = self._delivered, min(until, now)
            if not self.carries_spans:
                end = min(end, start + FRAME_SAMPLES)
            self._delivered = end
            pcm = None
            if not self.carries_spans:
                pcm = voice_pcm(start, end - start) if voiced else SILENCE
                pcm = stamped(pcm, start) if self._stamped else pcm
            sink.on_audio(AudioChunk(start, end - start, pcm, voiced if pcm is None else None))
        if len(self._starts) > 8:
            self._forget()

    def _stretch(self, position: int) -> tuple[bool, int]:
        """Whether `position` is voiced, and where that ends."""
        index = bisect_right(self._starts, position) - 1
        if index >= 0 and position < self._ends[index]:
            return True, self._ends[index]
        following = index + 1
        return False, self._starts[following] if following < len(self._starts) else 1 << 60

    def _forget(self) -> None:
        """Stretches long past."""
        first = max(0, bisect_right(self._starts, self._delivered) - 2)
        del self._starts[:first], self._ends[:first]


def _frame(position: int) -> int:
    return position // FRAME_SAMPLES * FRAME_SAMPLES


def _ignore(sounding: bool, samples: int) -> None:
    return None


def _ignore_reason(reason: str) -> None:
    return None


def _nothing() -> None:
    return None
