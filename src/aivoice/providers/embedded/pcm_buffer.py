"""The last audio of one leg, addressed by sample position; and how loud it is."""

from __future__ import annotations

from collections import deque

import numpy as np

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk


class PcmBuffer:
    """At most `limit` samples; the oldest go first and are counted in `dropped` unless `forget` let go of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self.start = 0
        self.end = 0
        self.dropped = 0

    def push(self, chunk: AudioChunk) -> None:
        """Append. Spans count as silence. A gap is filled with silence; a jump over the whole buffer starts afresh."""
        if not self._data or abs(chunk.position - self.end) > self._limit:
            self._data.clear()
            self.start = self.end = chunk.position
        if chunk.position > self.end:
            self._data += bytes(2 * (chunk.position - self.end))
        pcm = chunk.pcm if chunk.pcm is not None else bytes(2 * chunk.samples)
        self._data += pcm[2 * max(0, self.end - chunk.position) :]
        self.end = self.start + len(self._data) // 2
        over = self.end - self.start - self._limit
        if over > 0:
            self.dropped += over
            self.forget(self.start + over)

    def forget(self, before: int) -> None:
        """Samples before this position are no longer wanted."""
        count = min(max(0, before - self.start), self.end - self.start)
        del self._data[: 2 * count]
        self.start += count

    def slice(self, start: int, end: int) -> bytes:
        """What there is between two positions."""
        return bytes(self._data[2 * max(0, start - self.start) : 2 * max(0, end - self.start)])

    def quietest(self, start: int, end: int, width: int) -> int:
        """The middle of the `width` samples of least energy between two positions."""
        samples = np.frombuffer(self.slice(start, end), "<i2").astype(np.float32)
        if len(samples) <= width:
            return start + len(samples) // 2
        power = np.cumsum(np.concatenate(([0.0], samples.astype(np.float64) ** 2)))
        return start + int(np.argmin(power[width:] - power[:-width])) + width // 2


class PauseMeter:
    """Hears by energy alone, and at once, that a voice has paused: a hint to start work early, never a decision.

    Two followers: the loudest frame lately (falls 3 dB a second) and the quietest (rises 3 dB a second). A frame is
    quiet when it is 20 dB below the one, or near the other.
    """

    QUIET_FRAMES = 4

    def __init__(self) -> None:
        self._loud = 0.0
        self._floor = 1e12
        self._recent: deque[bool] = deque(maxlen=self.QUIET_FRAMES)
        self.loud_end = 0
        """Position just past the last frame that was not quiet."""

    def push(self, chunk: AudioChunk) -> None:
        """One frame (20 ms; its length decides how fast the followers move)."""
        samples = np.frombuffer(chunk.pcm or b"", "<i2").astype(np.float32)
        power = float(np.dot(samples, samples)) / len(samples) + 1.0 if len(samples) else 1.0
        drift = 10 ** (0.3 * chunk.samples / SAMPLE_RATE)
        self._loud = max(power, self._loud / drift)
        self._floor = min(power, self._floor * drift)
        near_floor = self._floor * 3 if self._floor * 10 < self._loud else 0.0
        quiet = power < max(self._loud / 100, near_floor)
        self._recent.append(quiet)
        if not quiet:
            self.loud_end = chunk.end

    @property
    def paused(self) -> bool:
        """The last `QUIET_FRAMES` frames were quiet."""
        return len(self._recent) == self.QUIET_FRAMES and all(self._recent)
