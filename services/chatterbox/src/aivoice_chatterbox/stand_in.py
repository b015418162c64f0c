"""A model without weights, for tests: tones that last as long as speech would, at a price of one's choosing."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aivoice_chatterbox.cutting import LIMIT
from aivoice_chatterbox.model import Stretch

_SECONDS_PER_CHARACTER = 1 / 15
_GARBLED_HZ = 40.0
"""Far below any voice: tests hear by it that a piece was too long."""


@dataclass(slots=True)
class _Utterance:
    text: str
    hertz: float
    total: int
    given: int = 0


class StandInModel:
    """rtf: seconds of work a second of audio takes alone; each further one of a batch adds `shared` of that.

    stretch_s: audio of one step; the first is half as long (0: all at once, as `generate` of the package gives it).
    Texts past 280 characters come out as a hum of 40 Hz: garbled, as the real model's. fail_on: a text whose step
    raises, as a GPU does that ran out of memory.
    """

    name = "stand-in"
    revision = "stand-in-1"
    sample_rate = 24_000

    def __init__(
        self, *, rtf: float = 0.3, stretch_s: float = 0.5, batch: int = 1, shared: float = 0.15, fail_on: str = ""
    ) -> None:
        self.batch = batch
        self._rtf, self._stretch_s, self._shared, self._fail_on = rtf, stretch_s, shared, fail_on
        self.worked_s = 0.0
        self.begun: list[str] = []

    def load(self) -> None:
        return

    def prepare(self, clip: Path | None) -> Any:
        """A voice is a pitch, drawn from the clip's bytes."""
        return 120.0 if clip is None else 100.0 + sum(clip.read_bytes()[-4_000:]) % 120

    def begin(self, text: str, conditionals: Any) -> Any:
        self.begun.append(text)
        seconds = 0.2 + len(text) * _SECONDS_PER_CHARACTER
        return _Utterance(text, conditionals if len(text) <= LIMIT else _GARBLED_HZ, int(seconds * self.sample_rate))

    def step(self, utterances: Sequence[Any]) -> list[Stretch]:
        if self._fail_on and any(utterance.text == self._fail_on for utterance in utterances):
            raise RuntimeError("out of memory (a stand-in's)")
        made = [self._next(utterance) for utterance in utterances]
        longest = max(len(stretch.pcm) for stretch in made) / 2 / self.sample_rate
        took = longest * self._rtf * (1 + self._shared * (len(made) - 1))
        self.worked_s += took
        time.sleep(took)
        return made

    def stop(self) -> None:
        return

    def _next(self, utterance: _Utterance) -> Stretch:
        wanted = self._stretch_s * (1.0 if utterance.given else 0.5)
        count = utterance.total - utterance.given
        if self._stretch_s:
            count = min(count, int(wanted * self.sample_rate))
        at = (np.arange(count) + utterance.given) / self.sample_rate
        tone = 0.25 * np.sin(2 * math.pi * utterance.hertz * at) * (0.6 + 0.4 * np.sin(2 * math.pi * 4 * at))
        utterance.given += count
        return Stretch((tone * 32_767).astype("<i2").tobytes(), utterance.given >= utterance.total)
