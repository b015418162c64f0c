"""Cheap PCM for simulated voices: loud enough for an amplitude VAD, and made by slicing one second of ready samples."""

from __future__ import annotations

import math
import struct

from aivoice.audio.frames import SAMPLE_RATE

AMPLITUDE = 6_000
"""Peak of a simulated voice, of 32 767: −14.7 dBFS."""
_PITCH_HZ = 160


def _second(amplitude: int) -> bytes:
    step = 2 * math.pi * _PITCH_HZ / SAMPLE_RATE
    return struct.pack(f"<{SAMPLE_RATE}h", *(round(amplitude * math.sin(step * n)) for n in range(SAMPLE_RATE)))


_VOICE = _second(AMPLITUDE) * 2


def voice_pcm(position: int, samples: int, *, voiced: bool = True) -> bytes:
    """`samples` of a hum (or of silence) that continues seamlessly at any `position`."""
    if not voiced:
        return bytes(2 * samples)
    out: list[bytes] = []
    while samples > 0:
        offset = position % SAMPLE_RATE
        taken = min(samples, SAMPLE_RATE)
        out.append(_VOICE[2 * offset : 2 * (offset + taken)])
        position += taken
        samples -= taken
    return b"".join(out)


def scaled_pcm(pcm: bytes, db: float) -> bytes:
    """`pcm` made louder or softer by `db`, clipped."""
    gain = 10 ** (db / 20)
    values = memoryview(pcm).cast("h")
    return struct.pack(f"<{len(values)}h", *(max(-32_768, min(32_767, int(v * gain))) for v in values))


def peak(pcm: bytes) -> int:
    """Largest sample, 0 … 32 767; 0 for no samples."""
    return max(memoryview(pcm).cast("h"), default=0)
