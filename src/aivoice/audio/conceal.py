"""Packet-loss concealment for codecs that bring none of their own (G.711): repeat the last pitch periods, fading.

After ITU-T G.711 appendix I: the first 10 ms of a gap repeat one pitch period, later ones fade by 20 % per 10 ms, so
60 ms into the gap there is silence. Returning audio is cross-faded over a quarter period.
"""

from __future__ import annotations

import numpy as np

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.audio.stretch import MAX_LAG, Samples, best_lag

_HISTORY = 3 * MAX_LAG
_FULL = SAMPLE_RATE * 10 // 1000
_GONE = SAMPLE_RATE * 60 // 1000
_CROSS = SAMPLE_RATE * 25 // 10_000


class PitchConcealer:
    """One stream. Tell it what was played (`good`), ask it for what is missing (`lost`). Mono int16 samples."""

    def __init__(self) -> None:
        self._history: Samples = np.zeros(_HISTORY, dtype=np.int16)
        self._period: Samples = self._history[:0]
        self._made = 0

    def good(self, samples: Samples) -> Samples:
        """The received audio, its first 2.5 ms blended with the concealment when it follows a gap."""
        if self._made and len(samples):
            count = min(_CROSS, len(samples))
            ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
            samples = samples.copy()
            samples[:count] = np.rint(self._continue(count) * (1.0 - ramp) + samples[:count] * ramp)
        self._made = 0
        self._remember(samples)
        return samples

    def lost(self, count: int) -> Samples:
        """`count` samples to put in the gap."""
        if self._made == 0:
            # Measured backwards from the gap, so that the repetition joins on to the last sample.
            lag, score = best_lag(np.ascontiguousarray(self._history[::-1]), MAX_LAG)
            if score < 0.4:
                lag = MAX_LAG  # unvoiced: a long period of noise repeats least audibly
            self._period = self._history[-lag:].copy()
        made = self._continue(count)
        self._made += count
        return made

    def _continue(self, count: int) -> Samples:
        at = np.arange(self._made, self._made + count)
        gain = np.clip((_GONE - at) / (_GONE - _FULL), 0.0, 1.0)
        return np.rint(self._period[at % len(self._period)] * gain).astype(np.int16)

    def _remember(self, samples: Samples) -> None:
        if len(samples) >= _HISTORY:
            self._history = samples[-_HISTORY:].copy()
        else:
            self._history = np.concatenate((self._history[len(samples) :], samples))
