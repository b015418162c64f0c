"""The embedded ears on recorded human speech: pauses, ends of turn, numbers in pieces, "mm-hm" and interruptions.

    python -m benchmarks.embedded_turns [--quick] [--docs FILE] [--json FILE] [--callers N] [--set NAME=MS …]

Real Silero and Whisper, the real CallSession with the settings that a house gives every call with Whisper, in real
time, a few callers at a time. The language model and the agent's voice are fakes that answer at once, so that only
the ears are under test. Fixed seed. Where the recordings cannot be fetched it says so and exits with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Silence
from aivoice.core.prompt import GenerationRequest
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.session import CallSession, Providers
from aivoice.hosting.house import with_whisper
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.ports import SpeechAudio
from aivoice.testing.fake_llm import FakeLlm, LlmBehaviour, Reply
from aivoice.testing.fake_tts import FakeTts, TtsBehaviour
from aivoice.testing.goals import all_met
from aivoice.testing.randomness import Constant
from aivoice.testing.sound import peak
from aivoice.transports.memory import MemoryTransport
from benchmarks import report
from benchmarks.human_speech import RATE, clips, fetch
from benchmarks.turn_cases import OVER, QUICK, Amounts, Case, background, dealt, make_cases
from benchmarks.turn_figures import figures_of, goals_of, markdown

SEED = 20
CALLERS = 4
LONG = (
    "We have a treatment room on the ground floor and another one upstairs and both of them were painted last year "
    "by the people from across the road"
)
"""What is talked over: no full stop inside, so that the voice makes no pause of its own."""
LOUD = 500
QUIET_S, ANSWER_S, OVER_S = 0.7, 4.5, 8.0
VOICE_MS, MODEL_MS = 120, 20


@dataclass(slots=True)
class Said:
    """A case as it went. Times in s of the loop. voice: when the first and the last voiced sample were handed in."""

    case: Case
    voice: tuple[float, float]
    over: int = 0
    items: list[tuple[float, e.Event | c.Command]] = field(default_factory=list[tuple[float, e.Event | c.Command]])
    loud: list[float] = field(default_factory=list[float])


class Caller:
    """One call: says its cases one after the other, each when the agent has answered the one before.

    The transport's `source` drives it, a frame at a time. A case that is said over the agent begins one to two
    seconds into a long reply.
    """

    def __init__(self, number: int, cases: Sequence[Case], pacer: Pacer) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(SEED + number)
        self._noise = background(cases[0].pcm, RATE, np.random.default_rng(number))
        self._left = list(reversed(cases))
        self.said: list[Said] = []
        self._frames: list[bytes] = []
        self._at = 0
        self._state: Literal["waiting", "talking", "answer"] = "waiting"
        self._since = self._loop.time()
        self._last_loud = self._since
        self._speaking_from = 0.0
        self._after_s = 1.5
        self.transport = MemoryTransport(self._next, pacer=pacer, heard=self._hear)

    def reply(self, request: GenerationRequest) -> Reply:
        """What the agent says now: a long sentence where the next case is said over it, else what that one needs."""
        del request
        coming = self._left[-1] if self._left else None
        if coming is None:
            return Reply("Goodbye then.")
        return Reply(LONG + "." if coming.kind in OVER else coming.asked)

    def observe(self, at_us: int, item: e.Event | c.Command) -> None:
        """An observer of the session."""
        if self.said:
            self.said[-1].items.append((at_us / 1_000_000, item))

    def _hear(self, frame: bytes, position: int) -> None:
        del position
        if peak(frame) < LOUD:
            return
        now = self._loop.time()
        if now - self._last_loud > QUIET_S:
            self._speaking_from = now
        self._last_loud = now
        if self.said:
            self.said[-1].loud.append(now)

    def _next(self) -> bytes | None:
        now = self._loop.time()
        if self._state == "talking":
            if self._at < len(self._frames):
                self._at += 1
                return self._frames[self._at - 1]
            self._state, self._since = "answer", now
        if self._state == "answer":
            answered = self._last_loud > self._since and now - self._last_loud > QUIET_S
            coming_over = bool(self._left) and self._left[-1].kind in OVER
            sounding = now - self._last_loud < 0.1 and self._speaking_from > self._since
            if coming_over and sounding and now - self._speaking_from > self._after_s:
                self._talk(now)
            elif now - self._since > (ANSWER_S if now - self._last_loud > QUIET_S else OVER_S) or answered:
                self._state, self._since = "waiting", now
        elif now - self._since > 0.3 and now - self._last_loud > QUIET_S:
            if not self._left:
                return None
            if self._left[-1].kind in OVER and not self._place_plain():
                self._left.pop()  # nothing left to bring the agent to speak
            else:
                self._talk(now)
        start = self.transport.position % (RATE - FRAME_SAMPLES)
        return self._noise[2 * start : 2 * start + FRAME_BYTES]

    def _place_plain(self) -> bool:
        """A case for the silence is taken first: the agent's answer to it is what the next is said over."""
        for place in range(len(self._left) - 1, -1, -1):
            if self._left[place].kind not in OVER:
                self._left.append(self._left.pop(place))
                return True
        return False

    def _talk(self, now: float) -> None:
        case = self._left.pop()
        self._frames = [case.pcm[at : at + FRAME_BYTES] for at in range(0, len(case.pcm), FRAME_BYTES)]
        self._at, self._state, self._after_s = 0, "talking", self._rng.uniform(1.0, 2.0)
        self.said.append(Said(case, (now + case.first / RATE, now + case.last / RATE)))


async def speak_with(models: EmbeddedSet, text: str, voice: str) -> bytes:
    """The embedded voice's PCM."""
    stream = await models.tts.open(voice=voice)
    stream.push(text)
    stream.finish()
    pcm = b""
    async for event in stream:
        if isinstance(event, SpeechAudio):
            pcm += event.pcm or b""
    await stream.aclose()
    return pcm


def call_config(changes: dict[str, int]) -> CallConfig:
    """As a house sets it for Whisper; `changes` of endpointing for trials."""
    config = with_whisper(CallConfig(system="You answer the phone.", silence=Silence(reprompt=60_000)))
    endpointing = replace(config.endpointing, **changes)
    return replace(config, endpointing=endpointing, max_call=3_600_000, clips={"greeting": "Hello there."})


async def hold(models: EmbeddedSet, caller: Caller, pacer: Pacer, config: CallConfig, number: int) -> None:
    """One call from its greeting to its last case."""
    llm = FakeLlm(caller.reply, LlmBehaviour(first=Constant(MODEL_MS), gap=Constant(1)))
    tts = FakeTts(TtsBehaviour(first=Constant(VOICE_MS), streams_text=False, pcm=True))
    chains = SttCascade([models.stt]), LlmCascade([llm]), TtsCascade([tts]), VadCascade([models.vad])
    session = CallSession(
        call_id=str(number),
        transport=caller.transport,
        providers=Providers(*chains),
        config=config,
        observers=[caller.observe],
        pacer=pacer,
    )
    try:
        await session.run()
    finally:
        for chain in chains:
            await chain.aclose()


async def run(amounts: Amounts, callers: int, changes: dict[str, int]) -> dict[str, Any] | None:
    """All cases, dealt to the callers; None where there are no recordings."""
    root, why = await asyncio.to_thread(fetch)
    if root is None:
        print(f"skipped: {why}")
        return None
    async with EmbeddedSet.start() as models:
        speech = clips(root)

        async def speak(text: str, voice: str) -> bytes:
            return await speak_with(models, text, voice)

        cases = await make_cases(speech, amounts, speak, SEED)
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop)
        talking = [Caller(number, hand, pacer) for number, hand in enumerate(dealt(cases, callers))]
        config, started = call_config(changes), loop.time()
        try:
            async with asyncio.TaskGroup() as group:
                for number, caller in enumerate(talking):
                    group.create_task(hold(models, caller, pacer, config, number))
        finally:
            pacer.close()
        said = [one for caller in talking for one in caller.said]
        return {
            "callers": callers,
            "seconds": round(loop.time() - started),
            "load": round(os.getloadavg()[0], 1),
            "frames_late_p99_ms": pacer.lateness.percentile_us(0.99) / 1_000,
            "voice_ms": VOICE_MS + MODEL_MS,
            "endpointing": {
                name: getattr(config.endpointing, name) for name in ("closed", "open", "loose", "dangling", "spelling")
            },
            **figures_of(said),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a figure that is asked for is missed, or could not be taken."""
    parser = argparse.ArgumentParser(prog="benchmarks turns", description="turns of the embedded ears")
    parser.add_argument("--quick", action="store_true", help="a sample (under 90 s)")
    parser.add_argument("--docs", type=Path, help="Markdown file whose section is rewritten")
    parser.add_argument("--json", type=Path, help="write every case and all figures there")
    parser.add_argument("--callers", type=int, default=CALLERS, help="calls at a time")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=MS", help="another wait, for trials")
    options = parser.parse_args(arguments)
    changes = {name: int(value) for name, _, value in (text.partition("=") for text in options.set)}
    figures = asyncio.run(run(QUICK if options.quick else Amounts(), options.callers, changes))
    if figures is None:
        return 1
    asked = goals_of(figures)
    text = markdown(figures, asked, " ".join(["aivoice bench turns", *(["--quick"] if options.quick else [])]))
    print(text)
    if options.docs is not None:
        report.write_section(options.docs, "embedded-turns", text, asked)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if all_met(asked) else 1


if __name__ == "__main__":
    sys.exit(main())
