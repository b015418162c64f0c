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


_STAMP = (101, -77)
_STAMP_DIGITS = 4


def stamped(pcm: bytes, position: int) -> bytes:
    """`pcm` with its position written into its first samples, too quiet to be a voice: a stand-in of a recogniser,
    which gets sound alone, knows from it what is being said. position: a multiple of 32 samples below 2³³."""
    digits = [(position // 32 >> (7 * n)) & 0x7F for n in range(_STAMP_DIGITS)]
    return struct.pack(f"<{len(_STAMP) + _STAMP_DIGITS}h", *_STAMP, *digits) + pcm[2 * (len(_STAMP) + _STAMP_DIGITS) :]


def stamp_of(pcm: bytes) -> int | None:
    """The position that `stamped` wrote; None where there is none."""
    count = len(_STAMP) + _STAMP_DIGITS
    if len(pcm) < 2 * count:
        return None
    first, second, *digits = struct.unpack_from(f"<{count}h", pcm)
    if (first, second) != _STAMP or not all(0 <= digit <= 0x7F for digit in digits):
        return None
    return 32 * sum(digit << (7 * n) for n, digit in enumerate(digits))
