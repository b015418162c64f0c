"""Loudness after ITU-R BS.1770-5, and gain to one target, so that every voice and clip of a call sounds equally loud.

Checked against FFmpeg's ebur128 in the tests. Telephone and TTS speech is mono, hence one channel of weight 1.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from aivoice.audio.frames import SAMPLE_RATE

TARGET_LUFS = -20.0
"""Where voices and clips are brought: the level of a close talker on a telephone, with 17 dB left for peaks."""
SILENT_LUFS = -70.0
"""The absolute gate; quieter clips have no loudness and are left alone."""
MAX_GAIN_DB = 24.0
CEILING = 0.89
"""Highest sample magnitude after limiting, of full scale (−1 dBFS)."""
_KNEE = 0.63  # −4 dBFS: below it the limiter is transparent

_BLOCK_S = 0.4
_STEP_S = 0.1
Floats = npt.NDArray[np.float64]


@functools.cache
def _k_weighting(rate: int) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The two biquads of BS.1770 annex 1 for any rate: a +4 dB shelf above 1.7 kHz, a high-pass at 38 Hz.

    The recommendation gives coefficients for 48 kHz only; these are its analogue prototypes, bilinear-transformed
    (the parameters are libebur128's).
    """
    gain = 10 ** (3.999843853973347 / 20)
    k = math.tan(math.pi * 1_681.974450955533 / rate)
    q = 0.7071752369554196
    vb = gain**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = (
        np.array([(gain + vb * k / q + k * k) / a0, 2 * (k * k - gain) / a0, (gain - vb * k / q + k * k) / a0]),
        np.array([1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]),
    )
    k = math.tan(math.pi * 38.13547087602444 / rate)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    highpass = (np.array([1.0, -2.0, 1.0]), np.array([1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]))
    return shelf, highpass


def level_dbfs(pcm: bytes) -> float:
    """Plain RMS level of s16le samples, unweighted; −96 dBFS for digital silence and for nothing."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(samples @ samples) / max(len(samples), 1) / 32_768.0**2
    return max(-96.0, 10.0 * math.log10(power)) if power > 0 else -96.0


def loudness(pcm: bytes, *, rate: int = SAMPLE_RATE) -> float:
    """Integrated, gated loudness of mono s16le speech in LUFS; `SILENT_LUFS` for silence.

    A clip shorter than one gating block (0.4 s) is measured as one block of its own length.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32_768
    if not len(samples):
        return SILENT_LUFS
    # Here, for it takes 1.5 CPU-s to load, which no start shall wait for: levels are metered in calls, loudness is not.
    scipy_signal: Any = importlib.import_module("scipy.signal")  # carries no types
    for numerator, denominator in _k_weighting(rate):
        samples = scipy_signal.lfilter(numerator, denominator, samples)
    block, step = int(_BLOCK_S * rate), int(_STEP_S * rate)
    sums = np.concatenate(([0.0], np.cumsum(samples**2)))
    if len(samples) < block:
        powers = np.array([sums[-1] / len(samples)])
    else:
        starts = np.arange(0, len(samples) - block + 1, step)
        powers = (sums[starts + block] - sums[starts]) / block
    above = powers[powers > _power(SILENT_LUFS)]
    if not len(above):
        return SILENT_LUFS
    gated = above[above > _power(_lufs(float(above.mean())) - 10.0)]
    return _lufs(float(gated.mean()))


def _lufs(power: float) -> float:
    return -0.691 + 10.0 * math.log10(power)


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs + 0.691) / 10.0))


def gain_db(pcm: bytes, *, target: float = TARGET_LUFS, rate: int = SAMPLE_RATE) -> float:
    """Gain that brings this speech to `target`, at most `MAX_GAIN_DB` either way; 0 for silence."""
    measured = loudness(pcm, rate=rate)
    if measured <= SILENT_LUFS:
        return 0.0
    return max(-MAX_GAIN_DB, min(MAX_GAIN_DB, target - measured))


def amplify(pcm: bytes, gain: float) -> bytes:
    """`gain` dB, then a limiter: untouched up to −4 dBFS, bent smoothly below −1 dBFS. No memory, no delay, so a
    stream may be treated piece by piece. Input and output are s16le."""
    if gain == 0.0:
        return pcm
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) * np.float32(10 ** (gain / 20) / 32_768)
    over = np.abs(samples) > _KNEE
    if over.any():
        room = CEILING - _KNEE
        loud = samples[over]
        samples[over] = np.copysign(_KNEE + room * np.tanh((np.abs(loud) - _KNEE) / room), loud)
    return np.rint(samples * 32_767).astype("<i2").tobytes()


def normalise(pcm: bytes, *, target: float = TARGET_LUFS, rate: int = SAMPLE_RATE) -> bytes:
    """A whole clip at `target`, within 0.5 LU unless silent, shorter than a word, or past `MAX_GAIN_DB`.

    The limiter takes some loudness from peaky clips, which a second and third round give back.
    """
    total = gain_db(pcm, target=target, rate=rate)
    made = amplify(pcm, total)
    for _ in range(3):
        rest = gain_db(made, target=target, rate=rate)
        if abs(rest) < 0.2 or abs(total) >= MAX_GAIN_DB:
            break
        total = max(-MAX_GAIN_DB, min(MAX_GAIN_DB, total + rest))
        made = amplify(pcm, total)
    return made
