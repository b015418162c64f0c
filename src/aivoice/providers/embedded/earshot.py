"""VoiceActivity by earshot: ~20 µs a 16 ms window, in place. The one that Silero's failure falls back on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from aivoice.audio.frames import AudioChunk
from aivoice.errors import MissingModelError
from aivoice.providers.embedded.hysteresis import Hysteresis, Sensitivity
from aivoice.providers.ports import VadEvent

WINDOW = 256
SENSITIVITY = Sensitivity(on=0.55, off=0.4, speech_ms=64, quiet_ms=160)


class EarshotVad:
    """The provider. Raises MissingModelError when the package is not installed."""

    name = "earshot"

    def __init__(self, sensitivity: Sensitivity = SENSITIVITY) -> None:
        self._sensitivity = sensitivity
        try:
            self._detector: Callable[[], Any] = importlib.import_module("earshot").Detector
        except ImportError as error:
            raise MissingModelError(
                "voice activity (earshot): the package earshot is not installed; run `make setup`"
            ) from error

    def open(self, sink: Callable[[VadEvent], None]) -> EarshotStream:
        """See `providers.ports.VoiceActivity`. Events come from within `push`."""
        return EarshotStream(sink, self._detector(), Hysteresis(self._sensitivity))


class EarshotStream:
    """One call's voice activity; see `providers.ports.VadStream`."""

    def __init__(self, sink: Callable[[VadEvent], None], detector: Any, hysteresis: Hysteresis) -> None:
        self._sink: Callable[[VadEvent], None] | None = sink
        self._detector = detector
        self._hysteresis = hysteresis
        self._rest = bytearray()
        self._at = 0

    @property
    def judged(self) -> int:
        """See the port."""
        return self._at

    def push(self, chunk: AudioChunk) -> None:
        """See the port. Spans count as silence."""
        if self._sink is None:
            return
        if not self._rest:
            self._at = chunk.position
        self._rest += chunk.pcm if chunk.pcm is not None else bytes(2 * chunk.samples)
        while len(self._rest) >= 2 * WINDOW and self._sink is not None:
            window = np.frombuffer(bytes(self._rest[: 2 * WINDOW]), "<i2")
            del self._rest[: 2 * WINDOW]
            score = float(self._detector.predict_i16(window))
            event = self._hysteresis.push(score, self._at, self._at + WINDOW)
            self._at += WINDOW
            if event is not None:
                self._sink(event)

    async def aclose(self) -> None:
        """See the port."""
        self._sink = None
