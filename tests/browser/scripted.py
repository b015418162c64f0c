"""A call factory for the page's own tests: real WebRTC (the agent's voice is a tone), a scripted conversation."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from aivoice.api.directory import BusinessInfo
from aivoice.api.hub import CallHub
from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces.build import build_trace
from aivoice.traces.files import write_trace_files
from aivoice.traces.reduce import Item
from aivoice.transports.webrtc import WebRtcTransport, answer

TONE = (3000 * np.sin(2 * np.pi * 400 * np.arange(FRAME_SAMPLES) / SAMPLE_RATE)).astype(np.int16).tobytes()
"""20 ms of a quiet tone: a whole number of its periods, so that frames join without a click."""

MS = 1_000
GREETING = "Good afternoon, Bright Smile Dental, how can I help you?"
STAGES = (
    ("vad", 100 * MS),
    ("transcript", 212 * MS),
    ("endpointing", 0),
    ("context", 18 * MS),
    ("first_token", 96 * MS),
    ("clause", 41 * MS),
    ("tts", 123 * MS),
    ("playout", 20 * MS),
)


def script() -> list[tuple[int, Item]]:
    """A conversation as records, (ms, item): greeting, question, interruption, booking with a filler, backchannel."""
    hours = "We are open Monday to Friday from eight until six, and on Saturday from nine until one"
    booked = "You are booked for Wednesday the twenty-fifth at three. Is there anything else I can do?"
    arguments = '{"date":"2026-11-25","name":"Ana Lopez","time":"15:00"}'
    return [
        (0, e.Answered("2026-11-22T14:02:00-05:00", "America/New_York")),
        (40, e.MediaUp()),
        (60, c.Play(0, 1, cached="greeting")),
        (80, e.PlayoutStarted(0, 1)),
        (1600, e.PlayoutFinished(0, 1)),
        (1601, c.ReplyEnded(0, 1, GREETING, "finished")),
        (2000, e.SpeechStarted(0, 2_000 * MS)),
        (2300, e.Heard("interim", "when are", 0, 1)),
        (2500, e.Heard("interim", "when are you open on", 0, 1)),
        (2800, e.SpeechEnded(0, 2_800 * MS)),
        (2820, c.Generate(1, 20, None, True)),  # pyright: ignore[reportArgumentType] - the view shows no prompts
        (3000, e.Heard("final", "When are you open on Saturdays?", 0, 1)),
        (3010, c.TurnEnded(1, "When are you open on Saturdays?", "the question was complete")),
        (3012, c.Speak(1, 21, hours, True)),
        (3013, e.ClipAudio(1, 21, 320)),
        (3014, c.Play(1, 21)),
        (3400, e.PlayoutStarted(1, 21)),
        (3401, c.Waterfall(1, STAGES, 610 * MS, 610 * MS, True)),
        (4300, e.SpeechStarted(0, 4_300 * MS)),
        (4310, c.Hold()),
        (4500, e.Heard("interim", "mm-hm", 0, 1)),
        (4560, e.SpeechEnded(0, 4_500 * MS)),
        (4600, c.Note("carried_on", 1, detail="backchannel or echo")),
        (4610, c.Resume()),
        (5200, e.SpeechStarted(0, 5_200 * MS)),
        (5210, c.Hold()),
        (5500, e.Heard("interim", "okay can I book", 0, 1)),
        (5510, c.Stop()),
        (
            5511,
            c.ReplyEnded(1, 20, "We are open Monday to Friday from eight until six", "interrupted", "the caller spoke"),
        ),
        (6200, e.SpeechEnded(0, 6_200 * MS)),
        (6500, e.Heard("final", "Okay, can I book Wednesday at three? Ana Lopez.", 0, 1)),
        (6510, c.TurnEnded(2, "Okay, can I book Wednesday at three? Ana Lopez.", "the sentence was complete")),
        (6520, c.RunTool(2, 30, "t1", "book_appointment", arguments, "k", True, 5000)),
        (6700, c.Play(2, 31, cached="filler.book_appointment")),
        (6720, e.PlayoutStarted(2, 31)),
        (7600, e.PlayoutFinished(2, 31)),
        (7650, e.ProviderAttempt("tts", "hibari", "failed", 2, 32, "timeout")),
        (7700, e.ToolEnded(2, 30, "ok", '{"confirmation":"BS-1042"}')),
        (7800, c.Speak(2, 32, booked, True)),
        (7801, c.Play(2, 32)),
        (7990, e.PlayoutStarted(2, 32)),
        (7991, c.Waterfall(2, (*STAGES[:4], ("first_token", 1_240 * MS), *STAGES[5:]), 560 * MS, 1_754 * MS, False)),
        (9800, e.PlayoutFinished(2, 32)),
        (9801, c.ReplyEnded(2, 30, f"One moment, I am booking that for you. {booked}", "finished")),
    ]


class ScriptedCall:
    """A real connection on which the agent hums; the conversation goes on as far as a test tells it."""

    def __init__(
        self, answer_sdp: str, transport: WebRtcTransport, hub: CallHub, directory: Path, call_id: str, business: str
    ) -> None:
        self.answer_sdp = answer_sdp
        self._transport = transport
        self._hub = hub
        self._directory = directory
        self._ids = call_id, business
        self._reason = ""
        self._closing = asyncio.Event()
        self._closed = asyncio.Event()
        self._begin = time.monotonic_ns() // 1000
        self._left = deque(script())
        self._pacer = Pacer(asyncio.get_running_loop())
        self.pressed: list[str] = []
        self.heard = 0
        self._task = asyncio.create_task(self._run(), name="scripted call")

    # what the transport tells

    def on_media_up(self) -> None:
        self._pacer.add(lambda: self._transport.write(TONE))

    def on_audio(self, chunk: AudioChunk) -> None:
        """Counts the frames of the microphone that are not silent."""
        self.heard += any(chunk.pcm or b"")

    def on_dtmf(self, digit: str) -> None:
        self.press(digit)

    def on_hangup(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._closing.set()

    # what a test or the desk wants

    def publish(self, items: Iterable[Item]) -> None:
        for item in items:
            self._hub.publish(time.monotonic_ns() // 1000, item)

    def tell(self, until_ms: int) -> None:
        """The script's records up to this time of it happen now."""
        while self._left and self._left[0][0] <= until_ms:
            at_ms, item = self._left.popleft()
            if isinstance(item, (e.SpeechStarted, e.SpeechEnded)):
                item = replace(item, at=self._begin + item.at)
            self._hub.publish(self._begin + at_ms * MS, item)

    async def _run(self) -> None:
        await self._transport.start(self)
        await self._closing.wait()
        self.publish([c.Finish(self._reason)])
        self._pacer.close()
        await self._transport.close(self._reason)
        trace = build_trace(self._hub.view.reducer, call_id=self._ids[0], business=self._ids[1])
        await asyncio.to_thread(write_trace_files, self._directory, trace)
        self._closed.set()

    async def hang_up(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._closing.set()
        await self._closed.wait()

    def press(self, digit: str) -> None:
        self.pressed.append(digit)
        self.publish([e.Dtmf(digit)])

    async def wait_closed(self) -> str:
        await self._closed.wait()
        return self._reason


class ScriptedFactory:
    """Hands out ScriptedCalls; `calls` holds them in order."""

    def __init__(self) -> None:
        self.calls: list[ScriptedCall] = []
        self._pacer: Pacer | None = None

    async def start(
        self, offer_sdp: str, *, call_id: str, business: BusinessInfo, directory: Path, hub: CallHub
    ) -> ScriptedCall:
        answer_sdp, transport = await answer(offer_sdp, pacer=self._pacer_of_loop())
        self.calls.append(ScriptedCall(answer_sdp, transport, hub, directory, call_id, business.name))
        return self.calls[-1]

    def _pacer_of_loop(self) -> Pacer:
        self._pacer = self._pacer or Pacer(asyncio.get_running_loop())
        return self._pacer
