"""The one audio format inside the product, and the unit audio travels in.

Signed 16-bit little-endian mono PCM at 16 000 Hz, 20 ms a frame: 320 samples, 640 bytes. Transports and
providers convert at their edge. Positions count samples since the leg's media began, so they never drift.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
"""Hz."""
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
SILENCE = bytes(FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of audio of one leg: real samples, or a span that only says how long and whether voiced.

    position: index of the first sample since media start. samples: length in samples.
    pcm: s16le bytes, ``len(pcm) == 2 * samples``; None for a span (simulated calls).
    voiced: for spans, whether it is speech; None for real audio (a VAD decides).
    """

    position: int
    samples: int
    pcm: bytes | None
    voiced: bool | None = None

    @property
    def end(self) -> int:
        """Position just past the last sample."""
        return self.position + self.samples


def samples_to_us(samples: int) -> int:
    """Duration of `samples` in microseconds, rounded down."""
    return samples * 1_000_000 // SAMPLE_RATE


def us_to_samples(us: int) -> int:
    """Number of whole samples in `us` microseconds."""
    return us * SAMPLE_RATE // 1_000_000
