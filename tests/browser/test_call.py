"""The real thing: a page in Chromium, a microphone that asks a question, the embedded models, and what was recorded."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from playwright.async_api import expect
from tests.browser.chromium import PageErrors, chromium, find_chromium, shot

from aivoice.api.desk import CallDesk
from aivoice.api.serving import serve_http
from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.audio.wav import write_wav
from aivoice.hosting.calls import Calls
from aivoice.hosting.house import example_files, open_house
from aivoice.providers.ports import SpeechAudio, SpeechToText, TextToSpeech

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.serial, pytest.mark.timeout(150)]

QUESTION = "What time do you close on Fridays?"
"""Northside Dental closes at one then, at five on every other day: an answer to another question is told apart."""
TODAY = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
"""A Monday without holidays ahead."""
LEAD_S = 7.0
"""The greeting is over by then."""
PAUSE_S = 14.0
"""Time for an answer."""


async def say(tts: TextToSpeech, text: str) -> npt.NDArray[np.int16]:
    """`text` at 16 kHz in a voice a quarter lower and slower than the agent's."""
    stream = await tts.open()
    stream.push(text)
    stream.finish()
    pcm = b"".join([event.pcm or b"" async for event in stream if isinstance(event, SpeechAudio)])
    await stream.aclose()
    voice = np.frombuffer(pcm, np.int16)
    return soxr.resample(voice, SAMPLE_RATE, SAMPLE_RATE * 1.2)  # pyright: ignore[reportReturnType]


async def understand(stt: SpeechToText, pcm: bytes) -> str:
    """What a recogniser makes of a recording."""
    stream = await stt.open()
    stream.speech_started(0)
    for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES):
        stream.push(AudioChunk(at // 2, FRAME_SAMPLES, pcm[at : at + FRAME_BYTES]))
        if at % (50 * FRAME_BYTES) == 0:
            await asyncio.sleep(0)
    stream.speech_ended(len(pcm) // 2)
    async for heard in stream:
        if heard.kind == "final":
            break
    await stream.aclose()
    return heard.text


def microphone(path: Path, question: npt.NDArray[np.int16]) -> None:
    """A WAV for the fake microphone: the question after a while, and again as a person would who got no answer (on a
    busy machine recognition may give up and ask for it)."""
    lead, pause = np.zeros(round(LEAD_S * SAMPLE_RATE), np.int16), np.zeros(round(PAUSE_S * SAMPLE_RATE), np.int16)
    write_wav(path, np.concatenate([lead, *([question, pause] * 4)]).tobytes())


@dataclass(frozen=True, slots=True)
class Recorded:
    """The two sides of recording.wav."""

    caller: npt.NDArray[np.int16]
    agent: npt.NDArray[np.int16]

    @classmethod
    def read(cls, data: bytes) -> Recorded:
        both = np.frombuffer(data[44:], "<i2").reshape(-1, 2)
        return cls(both[:, 0], both[:, 1])


def loud(side: npt.NDArray[np.int16], from_ms: int, until_ms: int) -> npt.NDArray[np.intp]:
    """Indices of the 20 ms frames in that stretch that are not quiet (above −45 dBFS)."""
    part = side[from_ms * SAMPLE_RATE // 1000 : until_ms * SAMPLE_RATE // 1000]
    frames = part[: len(part) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES).astype(np.float64)
    return np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > 184)


def test_a_question_asked_into_the_microphone_is_answered(tmp_path: Path) -> None:
    find_chromium()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(
                open_house(example_files()[:1], progress=lambda _: None, clock=lambda: TODAY.replace(tzinfo=None))
            )
            calls = await stack.enter_async_context(
                Calls(house.hosted, wall_clock=lambda zone: TODAY.replace(tzinfo=zone))
            )
            desk = await stack.enter_async_context(
                CallDesk(calls, house.infos(), capacity=2, directory=tmp_path / "calls", now=lambda: datetime.now(UTC))
            )
            url = await stack.enter_async_context(serve_http(desk, "127.0.0.1", 0))
            question = tmp_path / "question.wav"
            microphone(question, await say(house.models.tts, QUESTION))
            browser = await stack.enter_async_context(chromium(microphone=question))
            page = await browser.new_page()
            errors = PageErrors(page)
            await page.goto(url)
            await page.get_by_role("button", name="Call", exact=True).click()
            agent = page.locator(".line.agent .text")
            await expect(agent.first).to_contain_text("Thank you for calling Northside Dental", timeout=15_000)
            asked = page.locator(".line.caller:not(.interim) .text").filter(has_text="Friday")
            await expect(asked.first).to_be_visible(timeout=70_000)
            await expect(agent.filter(has_text="Friday").first).to_be_visible(timeout=70_000)
            await expect(page.locator(".fall").first).to_be_visible(timeout=10_000)
            await expect(page.get_by_role("status")).to_have_text("Listening", timeout=20_000)
            await shot(page, "real-call")
            await page.get_by_role("button", name="Hang up").click()
            await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible(timeout=10_000)
            await expect(page.locator("#after-text")).to_have_text("You hung up.")
            length = "document.getElementById('recording').duration"
            await page.wait_for_function(f"{length} > {LEAD_S}", timeout=10_000)
            await shot(page, "real-call-ended")
            assert errors.seen == []

            folder = desk.calls()[0].directory
            trace = json.loads((folder / "trace.json").read_text())
            turn = [turn for turn in trace["turns"] if any("riday" in said["text"] for said in turn["caller"])][-1]
            assert turn["waterfall"]["first_sound_ms"] > 0
            recorded = Recorded.read((folder / "recording.wav").read_bytes())
            asked_ms, until_ms = turn["caller"][0]["at_ms"], turn["caller"][-1]["until_ms"]
            assert len(loud(recorded.caller, asked_ms, until_ms)) > 30, "the question stands where the trace says"
            answered = recorded.agent[until_ms * SAMPLE_RATE // 1000 :]
            spoken = await understand(house.models.stt, answered.tobytes())
            assert "friday" in spoken.lower()
            assert any(word in spoken.lower() for word in ("one", "1")), spoken
            assert "five" not in spoken.lower()
            assert (folder / "journal.jsonl").read_text().rstrip().endswith('"end":true}')

    asyncio.run(run())
