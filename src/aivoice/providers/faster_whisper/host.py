"""What the process of its own runs: one model of the operator's, for finals and interims alike."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from aivoice.providers.embedded.jobs import FINAL, FINAL_TINY, INTERIM, INTERIM_TINY
from aivoice.providers.embedded.whisper_model import SILENT, UNSURE
from aivoice.providers.inference.server import Handler

SHORTEST_SAMPLES = 800
_LOOPING = 2.4
"""Text that compresses better than this says the same over and over (openai/whisper's rule)."""


def load(progress: Callable[[str], None], options: Mapping[str, Any]) -> dict[str, Handler]:
    """options: ``folder``, ``device``, ``compute_type``, ``beam``, ``workers``, ``threads``."""
    package: Any = importlib.import_module("faster_whisper")  # ships no types
    progress("loading Whisper")
    model: Any = package.WhisperModel(
        str(options["folder"]),
        device=str(options["device"]),
        compute_type=str(options["compute_type"]),
        num_workers=int(options["workers"]),
        cpu_threads=int(options["threads"]),
        local_files_only=True,
    )
    job: Handler = partial(_transcribe, model, int(options["beam"]))
    for _ in job({"language": "en"}, bytes(16_000)):  # the first run allocates: not at a caller's cost
        pass
    return dict.fromkeys((FINAL, FINAL_TINY, INTERIM, INTERIM_TINY), job)


def _transcribe(model: Any, beam: int, meta: Mapping[str, Any], blob: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """As `embedded.whisper_model.transcribe_job`: meta ``language``; blob PCM → ``text``, ``confidence``."""
    samples = np.frombuffer(blob, "<i2").astype(np.float32) / 32768.0
    texts: list[str] = []
    sure: list[float] = []
    silent = 1.0
    if len(samples) >= SHORTEST_SAMPLES:
        segments, _ = model.transcribe(
            samples,
            language=str(meta.get("language", "en")),
            beam_size=beam,
            condition_on_previous_text=False,
            without_timestamps=False,
            temperature=0.0,
        )
        for segment in segments:
            silent = min(silent, float(segment.no_speech_prob))
            if segment.no_speech_prob > SILENT and segment.avg_logprob < UNSURE:
                continue
            if segment.compression_ratio > _LOOPING:
                continue
            texts.append(str(segment.text).strip())
            sure.append(math.exp(min(0.0, float(segment.avg_logprob))))
    text = " ".join(" ".join(texts).split())
    confidence = round(min(sure), 4) if text else 0.0
    yield {"text": text, "confidence": confidence, "no_speech": round(silent, 4)}, b""
