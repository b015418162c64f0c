"""Smart Turn v3.2 in the inference process: the last 8 s of a caller's audio → is this the end of the turn?

It hears what text does not show, the melody and the lengthening of a last word. Its input is Whisper's (`mel`), of the
waveform brought to mean 0 and variance 1, silence in front of shorter audio.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aivoice.providers.embedded.mel import RATE, log_mel
from aivoice.providers.embedded.onnx_session import open_session
from aivoice.providers.embedded.weights import SMART_TURN

SAMPLES = 8 * RATE
UNDECIDED = 0.5


class SmartTurnModel:
    """One copy a machine; thread-safe. ~35 ms a decision on one core."""

    def __init__(self) -> None:
        self._session = open_session(SMART_TURN.path())

    def score(self, pcm: bytes) -> float:
        """Probability 0…1 that the speaker is done; `UNDECIDED` without audio. Only the last 8 s count."""
        heard = np.frombuffer(pcm[-2 * SAMPLES :], "<i2").astype(np.float32) / 32768.0
        if not heard.size or not heard.any():
            return UNDECIDED
        samples = np.zeros(SAMPLES, np.float32)
        samples[-len(heard) :] = heard
        samples = ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)
        result: Any = self._session.run(None, {"input_features": log_mel(samples)[None]})[0]
        return min(1.0, max(0.0, float(np.ravel(result)[0])))


def turn_job(model: SmartTurnModel, _meta: Mapping[str, Any], blob: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The inference handler: PCM → ``score``."""
    yield {"score": model.score(blob)}, b""
