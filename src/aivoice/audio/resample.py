"""Sample-rate conversion: whole clips by libsoxr, streams by a short polyphase filter.

libsoxr's streaming mode works in FFT blocks: at 20 ms a push its output lags 20–40 ms between 24, 48 and 16 kHz and
115 ms between 8 and 16 kHz (measured, soxr 1.1, MQ), which a call cannot afford. A linear-phase FIR of 24 samples of
the lower rate either side lags 1.5 ms at 16 kHz and 3 ms at 8 kHz, 70 dB down past the band edge.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr  # pyright: ignore[reportMissingTypeStubs]

from aivoice.errors import InputError

Floats = npt.NDArray[np.float32]

_SIDE = 24  # samples of the lower rate on either side of the filter's middle
_BETA = 7.0  # Kaiser window: about 70 dB
_MAX_RATIO = 1_000
_EDGE = 0.93  # middle of the transition band, of the lower rate's half


@functools.cache
def _scipy_signal() -> Any:
    """It carries no types, and takes 1.5 CPU-s to load: whoever converts no stream does without."""
    return importlib.import_module("scipy.signal")


@functools.cache
def _filter(up: int, down: int) -> Floats:
    """Low-pass at the common rate; its length makes the delay a whole number of output samples."""
    side = _SIDE * max(up, down)
    taps = _scipy_signal().firwin(2 * side + 1, _EDGE / max(up, down), window=("kaiser", _BETA))
    return np.asarray(taps * up, dtype=np.float32)


class Resampler:
    """One stream's converter; it keeps its past between pushes, so chunk borders are inaudible.

    rate_in, rate_out: Hz. Input and output are mono s16le. Output sample n lies at input time n / rate_out exactly, and
    comes `delay_ms` after it could: 1.5 ms between 16, 24 and 48 kHz, 3 ms to or from 8 kHz. Equal rates pass through
    untouched. Over a stream and its final ``push(b"", last=True)`` the length is rate_out / rate_in, rounded up.
    Not thread-safe; one instance a stream. Raises InputError for rates without a small common ratio (a filter for
    15 999 to 16 000 Hz would have a million taps); files of any rate go through `wav.iter_wav`.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        common = math.gcd(rate_in, rate_out)
        if min(rate_in, rate_out) <= 0 or max(rate_in, rate_out) > _MAX_RATIO * common:
            raise InputError(
                f"no streaming conversion from {rate_in} to {rate_out} Hz: use 8, 16, 22.05, 24, 32, 44.1 or 48 kHz",
                code="rate_unsupported",
                stage="audio",
            )
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._up = rate_out // common
        self._down = rate_in // common
        self._same = rate_in == rate_out
        self._taps = _filter(self._up, self._down) if not self._same else np.ones(1, np.float32)
        self._reach = len(self._taps) // 2
        self.clear()

    @property
    def delay_ms(self) -> float:
        """How long after its own time a sample comes out."""
        return 0.0 if self._same else 1000.0 * self._reach / (self.rate_in * self._up)

    def clear(self) -> None:
        """Forget the past: the next push starts a new stream."""
        self._past: Floats = np.zeros(0, np.float32)
        self._first = 0  # input index of _past[0]; a multiple of _down
        self._seen = 0
        self._next = self._reach // self._down  # filter output index of the next sample to give

    def push(self, pcm: bytes, *, last: bool = False) -> bytes:
        """The next samples in, whatever is ready out (possibly nothing). `last` flushes; then `clear` before reuse."""
        if self._same:
            return pcm
        fresh = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        self._seen += len(fresh)
        total = -(-self._seen * self._up // self._down) + self._reach // self._down if last else None
        if last:
            fresh = np.concatenate((fresh, np.zeros(2 * self._reach // self._up + 2, np.float32)))
        buffer = np.concatenate((self._past, fresh))
        # Output n needs inputs up to n·down/up: those at hand reach to `ready`.
        ready = ((self._first + len(buffer)) * self._up - 1) // self._down + 1
        if total is not None:
            ready = min(ready, total)
        if ready <= self._next:
            self._past = buffer
            return b""
        made = _scipy_signal().upfirdn(self._taps, buffer, self._up, self._down)
        origin = self._first * self._up // self._down
        out: Floats = made[self._next - origin : ready - origin]
        self._next = ready
        needed = max(0, (self._next * self._down - len(self._taps) + 1) // self._up)
        keep_from = max(self._first, needed // self._down * self._down)
        self._past = buffer[keep_from - self._first :]
        self._first = keep_from
        return np.rint(np.clip(out, -32_768, 32_767)).astype("<i2").tobytes()


def resample(samples: Floats, rate_in: int, rate_out: int) -> Floats:
    """A whole mono clip at once, float in and out, at soxr's high quality; length is rounded to the nearest sample."""
    if rate_in == rate_out:
        return samples
    return np.asarray(soxr.resample(samples, rate_in, rate_out, quality="HQ"), dtype=np.float32)
