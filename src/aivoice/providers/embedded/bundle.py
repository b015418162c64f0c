"""All embedded providers at once: ``async with EmbeddedSet.start(progress=print) as models:``"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aivoice.providers.embedded import jobs, weights
from aivoice.providers.embedded.earshot import EarshotVad
from aivoice.providers.embedded.hibari import HibariTts
from aivoice.providers.embedded.minilm import MiniLmEmbedder
from aivoice.providers.embedded.silero import SileroVad
from aivoice.providers.embedded.smart_turn import SmartTurn
from aivoice.providers.embedded.whisper import WhisperStt
from aivoice.providers.inference import Inference, InferenceSettings

NICE = 3
"""The inference process yields to the call processes, whose audio frames are due every 20 ms. Where Linux groups
tasks by session (autogroup, sched(7)) this counts for nothing between the two, and both get an equal share."""


def settings(*, listen: str = "", connect: str = "", workers: int = jobs.WORKERS) -> InferenceSettings:
    """How the inference process of the embedded models is started, or joined (`connect`: where one listens)."""
    return InferenceSettings(
        load=jobs.LOAD,
        options={"workers": workers},
        workers=workers,
        at_most=jobs.AT_MOST,
        nice=NICE,
        listen=listen,
        connect=connect,
    )


@dataclass(frozen=True, slots=True)
class EmbeddedSet:
    """stt, tts, vad, embedder: adapters to the ports, sharing one inference process. vad_fallback: needs no model.

    turn: the end-of-turn detector, or None where its package is not installed (a call does without it).
    inference: for `doctor` and tests (`process_id`, `restarts`).
    """

    stt: WhisperStt
    tts: HibariTts
    vad: SileroVad
    vad_fallback: EarshotVad
    embedder: MiniLmEmbedder
    turn: SmartTurn | None
    inference: Inference = field(repr=False)

    @staticmethod
    @asynccontextmanager
    async def start(
        *, progress: Callable[[str], None] | None = None, given: InferenceSettings | None = None
    ) -> AsyncGenerator[EmbeddedSet, None]:
        """Load everything (a few seconds), and on leaving end the process and the threads.

        progress: called on the loop with lines such as ``loading Whisper base (speech recognition)``. given: see
        `settings`. Raises MissingModelError (which package, which command) or ProviderError; nothing is left behind
        then. Cancellation ends all within 2 s.
        """
        if given is None or not given.connect:
            for each in weights.ALL:
                each.folder()  # what is missing is told before anything slow
        if progress is not None:
            progress("loading Silero (voice activity)")
        vad_fallback = EarshotVad()
        async with SileroVad() as vad, Inference(given or settings(), progress=progress) as inference:
            yield EmbeddedSet(
                stt=WhisperStt(inference),
                tts=HibariTts(inference),
                vad=vad,
                vad_fallback=vad_fallback,
                embedder=MiniLmEmbedder(inference),
                turn=SmartTurn(inference) if jobs.TURN in inference.jobs else None,
                inference=inference,
            )
