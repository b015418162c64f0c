"""Make speech a little shorter or longer without changing its pitch: cut or repeat one pitch period, cross-faded.

The method of WSOLA and of WebRTC's NetEQ (accelerate / preemptive expand): find the lag at which the signal repeats
itself best, and overlap-add across it. Used to drain or grow a jitter buffer's delay.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aivoice.audio.frames import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

MIN_LAG = SAMPLE_RATE * 25 // 10_000  # 2.5 ms: 400 Hz
MAX_LAG = SAMPLE_RATE * 125 // 10_000  # 12.5 ms: 80 Hz
_QUIET_RMS = 60.0  # −55 dBFS: below it a splice is inaudible wherever it falls
_MIN_CORRELATION = 0.6
_STRIDE = 2  # correlation is searched at 8 kHz, which is fine enough for a splice


def best_lag(samples: Samples, longest: int) -> tuple[int, float]:
    """(lag, normalised correlation 0…1) of the strongest self-similarity between MIN_LAG and `longest` samples.

    Lag 0 when the clip is too short. A quiet clip counts as perfectly similar at the longest lag.
    """
    longest = min(longest, MAX_LAG, len(samples) // 2)
    if longest < MIN_LAG:
        return 0, 0.0
    x = samples[::_STRIDE].astype(np.float32)
    low, high = MIN_LAG // _STRIDE, longest // _STRIDE
    window = len(x) - high
    head = x[:window]
    energy = float(head @ head)
    if energy / window < _QUIET_RMS**2:
        return high * _STRIDE, 1.0
    shifted = np.lib.stride_tricks.sliding_window_view(x, window)[low : high + 1]
    products = shifted @ head
    norms = np.sqrt(energy * np.einsum("ij,ij->i", shifted, shifted)) + 1.0
    scores = products / norms
    index = int(np.argmax(scores))
    return (low + index) * _STRIDE, float(max(scores[index], 0.0))


def _blend(falling: Samples, rising: Samples) -> Samples:
    ramp = np.linspace(0.0, 1.0, len(falling), endpoint=False, dtype=np.float32)
    return np.rint(falling * (1.0 - ramp) + rising * ramp).astype(np.int16)


def shorten(samples: Samples, longest: int = MAX_LAG) -> Samples:
    """`samples` less one period (≤ `longest` samples); unchanged when nothing similar enough is found."""
    lag, score = best_lag(samples, longest)
    if score < _MIN_CORRELATION:
        return samples
    return np.concatenate((_blend(samples[:lag], samples[lag : 2 * lag]), samples[2 * lag :]))


def lengthen(samples: Samples, longest: int = MAX_LAG) -> Samples:
    """`samples` plus one period (≤ `longest` samples); unchanged when nothing similar enough is found."""
    lag, score = best_lag(samples, longest)
    if score < _MIN_CORRELATION:
        return samples
    return np.concatenate((samples[:lag], _blend(samples[lag : 2 * lag], samples[:lag]), samples[lag:]))
