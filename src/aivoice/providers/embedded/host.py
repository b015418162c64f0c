"""What the inference process runs for the embedded providers: loads each model once, offers the jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aivoice.errors import MissingModelError
from aivoice.providers.embedded.hibari_model import HibariModel, speak_job
from aivoice.providers.embedded.jobs import EMBED, FINAL, FINAL_TINY, INTERIM, INTERIM_TINY, SPEAK, TURN, WORKERS
from aivoice.providers.embedded.minilm_model import MiniLmModel, embed_job
from aivoice.providers.embedded.smart_turn_model import SmartTurnModel, turn_job
from aivoice.providers.embedded.whisper_model import WhisperModel, load_base, load_tiny, transcribe_job
from aivoice.providers.inference.server import Handler


def load(progress: Callable[[str], None], options: Mapping[str, Any]) -> dict[str, Handler]:
    """Everything in about the time of the largest, two at a time. options: ``workers``. Raises MissingModelError."""
    workers = int(options.get("workers", WORKERS))
    with ThreadPoolExecutor(2) as pool:
        progress("loading Whisper base (speech recognition)")
        base = pool.submit(_base, workers)
        progress("loading hibari (speech synthesis)")
        hibari = pool.submit(_hibari)
        progress("loading Whisper tiny (interim transcripts)")
        tiny = pool.submit(_tiny, workers)
        progress("loading MiniLM (search)")
        minilm = pool.submit(_minilm)
        turn = pool.submit(_turn)
        by_base: Handler = partial(transcribe_job, base.result())
        by_tiny: Handler = partial(transcribe_job, tiny.result())
        handlers: dict[str, Handler] = {
            SPEAK: partial(speak_job, hibari.result()),
            EMBED: partial(embed_job, minilm.result()),
            FINAL: by_base,
            INTERIM: by_base,
            FINAL_TINY: by_tiny,
            INTERIM_TINY: by_tiny,
        }
        detector = turn.result()
        if detector is not None:
            handlers[TURN] = partial(turn_job, detector)
        return handlers


_SILENCE = bytes(16_000)


def _base(workers: int) -> WhisperModel:
    model = load_base(workers)
    model.transcribe(_SILENCE)  # the first run allocates: not at a caller's cost
    return model


def _tiny(workers: int) -> WhisperModel:
    model = load_tiny(workers)
    model.transcribe(_SILENCE)
    return model


def _hibari() -> HibariModel:
    model = HibariModel()
    for _ in model.speak("Hello."):
        pass
    return model


def _turn() -> SmartTurnModel | None:
    try:
        return SmartTurnModel()
    except MissingModelError:
        return None  # turns are then decided by text and pauses alone


def _minilm() -> MiniLmModel:
    model = MiniLmModel()
    model.embed("hello")
    return model
