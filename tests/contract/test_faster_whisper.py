"""faster-whisper on a real model in a process of its own: the port's suite, a death in the middle of a sentence."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.test_embedded import LEAD, TEXT, framed, models, spoken

from aivoice.audio.frames import FRAME_SAMPLES
from aivoice.engine.cascade_stt import SttCascade, SttLimits
from aivoice.errors import MissingModelError, ProviderError
from aivoice.providers.embedded.bundle import settings
from aivoice.providers.embedded.whisper_model import join_base
from aivoice.providers.faster_whisper import FasterWhisper, FasterWhisperOptions
from aivoice.providers.inference import InferenceSettings, shared_inference
from aivoice.testing.conformance import similar, stt

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whisper")
    join_base(made)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[InferenceSettings]:
    with shared_inference(settings()) as given:
        yield given


def test_the_ports_suite_and_a_death(folder: Path, server: InferenceSettings) -> None:
    """In one process of the model's, which takes seconds to start."""

    async def main() -> None:
        async with models(server) as embedded:
            pcm, _ = await spoken(embedded, TEXT)
            start, end = LEAD * FRAME_SAMPLES, LEAD * FRAME_SAMPLES + len(pcm) // 2
            whisper = FasterWhisper(folder, options=FasterWhisperOptions(device="cpu", compute_type="int8"))
            with pytest.raises(ProviderError, match="not loaded yet"):
                await whisper.open()
            await whisper.warm()
            await whisper.check()
            try:
                for check in stt.CHECKS:
                    await check(stt.Subject(whisper, framed(pcm), start, end, TEXT))
                await _dies(whisper, SttCascade([whisper, embedded.stt], SttLimits(final_s=3.0)), pcm)
            finally:
                await whisper.aclose()

    asyncio.run(main())


async def _dies(whisper: FasterWhisper, chain: SttCascade, pcm: bytes) -> None:
    """kill -9 while the caller speaks: the next recogniser hears all of it."""
    stream = await chain.open()
    frames = framed(pcm)
    stream.speech_started(LEAD * FRAME_SAMPLES)
    for number, frame in enumerate(frames):
        stream.push(frame)
        if number == len(frames) // 2:
            inference = whisper._inference
            assert inference is not None
            assert inference.process_id is not None
            os.kill(inference.process_id, signal.SIGKILL)
        await asyncio.sleep(0.005)
    stream.speech_ended(LEAD * FRAME_SAMPLES + len(pcm) // 2)
    async for transcript in stream:
        if transcript.kind == "final":
            assert similar(transcript.text, TEXT)
            break
    await stream.aclose()
    await chain.aclose()


def test_a_folder_without_a_model_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"holds no Whisper model .*model\.bin"):
        FasterWhisper(tmp_path)
