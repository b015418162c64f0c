"""TextToSpeech by hibari in the inference process."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.errors import ProviderError
from aivoice.providers.embedded.jobs import SPEAK
from aivoice.providers.embedded.weights import HIBARI
from aivoice.providers.inference import Inference, Priority, Ticket
from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark

PIECE = SAMPLE_RATE // 2
"""Samples of one SpeechAudio at most: what comes out is given on in stretches that a player can drop early."""


class HibariTts:
    """The provider. voices: ``heart`` (the default), and ``low`` and ``high``, which are made from it; any other name
    is spoken by ``heart``. A clause is synthesised whole: ~8 ms a second of audio on one core."""

    name = "hibari"
    streams_text = False

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    @property
    def revision(self) -> str:
        """See `providers.ports.Revised`: the model's files, and the code of ours that shapes its sound."""
        ours = hashlib.blake2b((Path(__file__).parent / "hibari_model.py").read_bytes(), digest_size=6)
        return f"{HIBARI.fingerprint()}-{ours.hexdigest()}"

    async def open(self, *, voice: str = "default") -> HibariStream:
        """See `providers.ports.TextToSpeech`."""
        return HibariStream(self._inference, voice)


class HibariStream:
    """One clause; see `providers.ports.SpeechStream`. Work begins at `finish`."""

    def __init__(self, inference: Inference, voice: str) -> None:
        self._inference = inference
        self._voice = voice
        self._text: list[str] = []
        self._ticket: Ticket | None = None
        self._error: ProviderError | None = None
        self._closed = False
        self._finished = False

    def push(self, text: str) -> None:
        """See the port."""
        if not self._finished and not self._closed:
            self._text.append(text)

    def finish(self) -> None:
        """See the port."""
        if self._finished or self._closed:
            return
        self._finished = True
        text = "".join(self._text)
        if not text.strip():
            return
        try:
            self._ticket = self._inference.submit(SPEAK, {"text": text, "voice": self._voice}, priority=Priority.SPEECH)
        except ProviderError as error:
            self._error = error

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        if not self._finished:
            raise ProviderError("a hibari clause was read before finish()", code="tts_misused", stage="tts")
        if self._error is not None:
            raise _as_tts(self._error)
        ticket = self._ticket
        while ticket is not None and not self._closed:
            try:
                reply = await ticket.next()
            except ProviderError as error:
                if self._closed:
                    return
                raise _as_tts(error) from None
            if reply is None:
                return
            for word, sample in reply.meta.get("marks", ()):
                yield SpeechMark(int(word), int(sample))
            for start in range(0, len(reply.blob), 2 * PIECE):
                if self._closed:
                    return
                pcm = reply.blob[start : start + 2 * PIECE]
                yield SpeechAudio(len(pcm) // 2, pcm)

    async def aclose(self) -> None:
        """See the port."""
        self._closed = True
        if self._ticket is not None:
            self._ticket.cancel()


def _as_tts(error: ProviderError) -> ProviderError:
    return ProviderError(str(error), code=error.code, stage="tts")
