"""The provider: a process of its own with the operator's model, heard through the embedded recogniser's stream.

Segments, interims, key terms, bounds and fairness between calls are `embedded.whisper`'s; only the model differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aivoice.errors import InputError, MissingModelError, ProviderError
from aivoice.providers.embedded.jobs import AT_MOST, FINAL
from aivoice.providers.embedded.whisper import WhisperStream, WhisperStt
from aivoice.providers.inference import Inference, InferenceSettings, Priority

LOAD = "aivoice.providers.faster_whisper.host:load"
NEEDED = ("model.bin", "config.json", "tokenizer.json")
_CHECK_S = 10.0


@dataclass(frozen=True, slots=True)
class FasterWhisperOptions:
    """device: ``auto`` takes a GPU where there is one. compute_type: CTranslate2's name, such as ``int8`` or
    ``float16``. beam: hypotheses kept. workers: utterances at a time. threads: of each on a CPU."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    beam: int = 1
    workers: int = 2
    threads: int = 1


class FasterWhisper:
    """SpeechToText, Warm, Checked. folder: a Whisper model in CTranslate2's format (`NEEDED`).

    The process is started by the first `warm` (seconds) and again when it dies; until it is there, opening fails, and
    a chain goes on to the next recogniser. Raises MissingModelError where the folder holds no model.
    """

    def __init__(
        self, folder: Path, *, name: str = "whisper", options: FasterWhisperOptions = FasterWhisperOptions()
    ) -> None:
        missing = [each for each in NEEDED if not (folder / each).is_file()]
        if missing:
            raise MissingModelError(
                f"{name}: {folder} holds no Whisper model for CTranslate2 ({', '.join(missing)} missing)"
            )
        if min(options.beam, options.workers, options.threads) < 1:
            raise InputError(f"{name}: beam, workers and threads are at least 1", code="providers_invalid")
        self.name = name
        self._settings = InferenceSettings(
            load=LOAD,
            options={
                "folder": str(folder.resolve()),
                "device": options.device,
                "compute_type": options.compute_type,
                "beam": options.beam,
                "workers": options.workers,
                "threads": options.threads,
            },
            workers=options.workers,
            at_most=AT_MOST if options.workers > 1 else {},
            nice=3,
        )
        self._starting = asyncio.Lock()
        self._inference: Inference | None = None
        self._inner: WhisperStt | None = None

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> WhisperStream:
        """See the port."""
        inner = self._inner
        if inner is None:
            raise ProviderError(f"{self.name} is not loaded yet", code="unavailable", stage="stt")
        return await inner.open(language=language, key_terms=key_terms)

    async def warm(self) -> None:
        """Starts the process and loads the model, once."""
        try:
            await self._start()
        except (ProviderError, MissingModelError):
            return

    async def check(self) -> None:
        """Loads the model and hears half a second of silence."""
        await self._start()
        assert self._inference is not None
        heard = self._inference.submit(FINAL, {"language": "en"}, bytes(16_000), priority=Priority.FINAL)
        async with asyncio.timeout(_CHECK_S):
            await heard.all()

    async def aclose(self) -> None:
        """Ends the process. Idempotent."""
        inference, self._inference, self._inner = self._inference, None, None
        if inference is not None:
            await inference.__aexit__(None, None, None)

    async def _start(self) -> None:
        async with self._starting:
            if self._inner is None:
                inference = Inference(self._settings)
                await inference.__aenter__()
                self._inference, self._inner = inference, WhisperStt(inference)
