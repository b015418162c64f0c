"""Whisper's input: 80 log-mel bands, 100 frames a second.

Source: openai/whisper `audio.py` (`log_mel_spectrogram`): Hann window of 25 ms, hop 10 ms, Slaney mel filters, log10
clamped to 8 below the maximum, (x + 4) / 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

RATE, WINDOW, HOP, BANDS = 16_000, 400, 160, 80


def _mel_filters() -> Float:
    def to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1e-9) / 1000) / (np.log(6.4) / 27))

    def to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.log(6.4) / 27) * (mel - 15)))

    edges = to_hz(np.linspace(0, float(to_mel(np.array(RATE / 2))), BANDS + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - np.fft.rfftfreq(WINDOW, 1 / RATE)
    filters = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]))
    return (filters * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


_FILTERS = _mel_filters()
_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)


def log_mel(samples: Float) -> Float:
    """Mono float samples at 16 kHz, a multiple of 160 of them and at least 400 → (80, samples / 160)."""
    padded = np.pad(samples, (WINDOW // 2, WINDOW // 2), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:-1] * _HANN
    spectrum: Float = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    mel = np.log10(np.maximum(_FILTERS @ spectrum.T, 1e-10))
    return ((np.maximum(mel, mel.max() - 8) + 4) / 4).astype(np.float32)
