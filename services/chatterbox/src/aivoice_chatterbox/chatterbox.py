"""The real model: Chatterbox-Turbo by the `chatterbox-tts` package 0.1.7, whose source tells the shapes used here.

Never run on a GPU, and never with the real weights: with random ones, on a CPU (README.md says what that showed).
Speaks one utterance at a time: the package decodes tokens without an attention mask and its vocoder is "designed for
batch_size=1 only", so several calls take turns instead.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aivoice_chatterbox.model import RefusedClipError, Stretch


class StoppedError(Exception):
    """Raised inside the model: nobody wants this utterance any more."""


@dataclass(slots=True)
class _Utterance:
    text: str
    conditionals: Any
    stretches: Iterator[Any] | None = None


class ChatterboxModel:
    """weights: a folder with Turbo's files ("": the package downloads them once, to where HF_HOME says).

    streaming: audio inside a piece as its tokens come (`stretches`); else each piece whole, by the package's
    `generate`.    Either way a step ends within one token (about 10 ms) of `stop`, unless the vocoder is at work.
    """

    name = "chatterbox-turbo"
    sample_rate = 24_000
    batch = 1

    def __init__(
        self, *, weights: str = "", device: str = "cuda", streaming: bool = False, temperature: float = 0.8
    ) -> None:
        self._weights, self._device, self._streaming, self._temperature = weights, device, streaming, temperature
        self.revision = f"turbo-{_package_version()}-{'s' if streaming else 'w'}{temperature:g}"
        self._stop = threading.Event()
        self._tts: Any = None
        self._own: Any = None

    def load(self) -> None:
        """Half a minute; 2.1 GB of weights. Raises whatever the package raises; ModuleNotFoundError without it."""
        os.environ.setdefault("TQDM_DISABLE", "1")  # the package draws a progress bar for every sentence
        turbo = importlib.import_module("chatterbox.tts_turbo").ChatterboxTurboTTS
        tts = turbo.from_local(self._weights, self._device) if self._weights else turbo.from_pretrained(self._device)
        self.adopt(tts)

    def adopt(self, tts: Any) -> None:
        """Use this `ChatterboxTurboTTS`, however it was made."""
        if tts.sr != self.sample_rate:
            raise RuntimeError(f"the model speaks at {tts.sr} Hz, expected {self.sample_rate}")
        self._tts, self._own = tts, tts.conds
        tts.t3.tfmr.register_forward_pre_hook(self._look)

    def prepare(self, clip: Path | None) -> Any:
        if clip is None:
            if self._own is None:
                raise RefusedClipError("the weights come without a voice of their own (conds.pt)")
            return self._own
        try:
            self._tts.prepare_conditionals(str(clip))
        except AssertionError as error:
            raise RefusedClipError(str(error)) from None
        finally:
            conditionals, self._tts.conds = self._tts.conds, self._own
        return conditionals

    def begin(self, text: str, conditionals: Any) -> Any:
        return _Utterance(text, conditionals)

    def step(self, utterances: Sequence[Any]) -> list[Stretch]:
        self._stop.clear()
        return [self._next(utterance) for utterance in utterances]

    def stop(self) -> None:
        self._stop.set()

    def _look(self, *_: Any) -> None:
        """Before each token."""
        if self._stop.is_set():
            raise StoppedError

    def _next(self, utterance: _Utterance) -> Stretch:
        try:
            if not self._streaming:
                return Stretch(self._whole(utterance), last=True)
            going = utterance.stretches
            if going is None:
                streamed = importlib.import_module("aivoice_chatterbox.stretches").stretches
                going = streamed(self._tts, utterance.text, utterance.conditionals, self._temperature)
                utterance.stretches = going
            wav, last = next(going)
            return Stretch(pcm_of(wav), last=last)
        except StoppedError:
            return Stretch(b"", last=True)

    def _whole(self, utterance: _Utterance) -> bytes:
        self._tts.conds = utterance.conditionals
        wav = self._tts.generate(utterance.text, temperature=self._temperature)
        return pcm_of(wav.squeeze(0).cpu().numpy())


def pcm_of(wav: Any) -> bytes:
    """-1…1 as s16le; what is louder is clipped."""
    samples = np.nan_to_num(np.asarray(wav, dtype=np.float32))
    return np.rint(np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()


def _package_version() -> str:
    try:
        return importlib.metadata.version("chatterbox-tts")
    except importlib.metadata.PackageNotFoundError:
        return "absent"
