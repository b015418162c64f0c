"""From a voice probability a window to starts and ends of speech. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.providers.ports import VadEvent


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """on: probability from which a window is voiced. off: below it, during speech, a window is quiet.

    speech_ms: so much voice makes a start. quiet_ms: so much quiet makes an end. Both are whole windows, rounded up.
    """

    on: float = 0.5
    off: float = 0.35
    speech_ms: int = 60
    quiet_ms: int = 120


class Hysteresis:
    """One stream. Events alternate, start first, with positions that never go back."""

    def __init__(self, sensitivity: Sensitivity) -> None:
        self._set = sensitivity
        self._speaking = False
        self._began: int | None = None
        self._voiced_end = 0
        self._last = 0

    def push(self, probability: float, start: int, end: int) -> VadEvent | None:
        """The next window, samples `start` to `end`. None where nothing changed."""
        if self._speaking:
            if probability >= self._set.off:
                self._voiced_end = end
            elif (end - self._voiced_end) * 1000 >= self._set.quiet_ms * SAMPLE_RATE:
                self._speaking, self._began = False, None
                return self._event("end", self._voiced_end)
            return None
        if probability < self._set.on:
            self._began = None
            return None
        if self._began is None:
            self._began = start
        if (end - self._began) * 1000 < self._set.speech_ms * SAMPLE_RATE:
            return None
        self._speaking, self._voiced_end = True, end
        return self._event("start", self._began)

    def _event(self, kind: str, position: int) -> VadEvent:
        self._last = max(self._last, position)
        return VadEvent("start" if kind == "start" else "end", self._last)
