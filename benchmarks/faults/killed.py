"""One call of the example practice while its services are killed one by one, kept as an example in docs/examples.

`python -m benchmarks killed --out DIR`: the real engine, business, tools and adapters; the services are stand-ins whose
words are the rule-based receptionist's and whose voices are the embedded one's; behind them stands what is on this
machine. From its second turn on, with each turn that the caller ends, one more service is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import soxr

from aivoice import __version__
from aivoice.api.hub import CallHub
from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SILENCE
from aivoice.audio.loudness import level_dbfs
from aivoice.business.load import load_business
from aivoice.business.local_service import local_service
from aivoice.business.tools import BusinessTools
from aivoice.cli.watched import OwnCall
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.session import Providers
from aivoice.hosting.caller import AUDIBLE_DBFS, Caller, Ears, bridges_of, speak_lines
from aivoice.hosting.caller_script import load_script
from aivoice.hosting.calls import CallFiles, Calls, Taken
from aivoice.hosting.clip_store import cache_folder
from aivoice.hosting.house import example_files, host_business
from aivoice.providers.claude import Claude
from aivoice.providers.deepgram import DeepgramNova
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.livekit import plugins
from aivoice.providers.ports import SpeechAudio, TextToSpeech
from aivoice.providers.receptionist import Receptionist
from aivoice.testing.sound import stamped
from aivoice.testing.standins.anthropic import AnthropicStandIn
from aivoice.testing.standins.deepgram import DeepgramStandIn
from aivoice.testing.standins.openai import OpenAiStandIn
from aivoice.testing.standins.server import StandIn
from aivoice.testing.standins.voices import CartesiaStandIn, ElevenLabsStandIn
from aivoice.testing.truth import Truth, lay_out
from aivoice.transports.memory import MemoryTransport

ORDER = ("cartesia", "claude", "deepgram", "elevenlabs", "openai")
"""Who dies, in turn: at the end of the caller's second turn the first."""


class Spoken:
    """A voice service that speaks as the embedded voice does."""

    tts: TextToSpeech
    voice: str
    tells_words = False

    async def pieces(self, text: str, rate: int) -> list[bytes]:
        stream = await self.tts.open(voice=self.voice)
        stream.push(text)
        stream.finish()
        pcm = b"".join([event.pcm or b"" async for event in stream if isinstance(event, SpeechAudio)])
        await stream.aclose()
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
        made = (soxr.resample(samples, SAMPLE_RATE, rate) * 32_767).astype("<i2").tobytes()
        step = rate // 5 * 2
        return [made[at : at + step] for at in range(0, len(made), step)]


class SpokenCartesia(Spoken, CartesiaStandIn):
    voice = "heart"


class SpokenElevenLabs(Spoken, ElevenLabsStandIn):
    voice = "heart"


@dataclass(slots=True)
class Handset:
    """The caller's end: `hosting.caller.Phone` over a leg without a network, its frames stamped for the stand-in."""

    truth: Truth
    texts: dict[bytes, str]
    ears: Ears
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    last_voiced_at: float | None = None
    position: int = 0
    sounds: list[float] = field(default_factory=list[float])
    _frames: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _said: asyncio.Event = field(default_factory=asyncio.Event)

    def source(self) -> bytes | None:
        if self.ended.is_set():
            return None
        frame = next(self._frames, None)
        if frame is None:
            self._said.set()
            frame = SILENCE
        elif level_dbfs(frame) > AUDIBLE_DBFS:
            self.last_voiced_at = asyncio.get_running_loop().time()
        at, self.position = self.position, self.position + FRAME_SAMPLES
        return stamped(frame, at)

    def heard(self, frame: bytes, position: int) -> None:
        now = asyncio.get_running_loop().time()
        self.ears(frame, now)
        if level_dbfs(frame) > AUDIBLE_DBFS:
            self.sounds.append(now)

    def say(self, pcm: bytes) -> None:
        words = lay_out(self.texts[pcm], self.position)
        natural = words[-1].end - words[0].start
        self.truth.add(*lay_out(self.texts[pcm], self.position, rate=natural / (len(pcm) / 2)))
        padded = pcm + bytes(-len(pcm) % FRAME_BYTES)
        self._frames = iter([padded[at : at + FRAME_BYTES] for at in range(0, len(padded), FRAME_BYTES)])
        self._said.clear()

    async def said(self) -> None:
        await self._said.wait()

    def first_sound_after(self, time: float) -> float | None:
        return next((each for each in self.sounds if each > time), None)


async def hold(out: Path) -> dict[str, str]:
    """The call; its files lie in `out`. Gives who died in which turn, and the call's end."""
    path = example_files()[0]
    business, script = load_business(path), load_script(path.parent / "caller.yaml")
    died: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(EmbeddedSet.start(progress=_tell))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        truth = Truth()
        own = Receptionist(business)
        standins: dict[str, StandIn] = {
            "deepgram": DeepgramStandIn(lambda tag: truth),
            "claude": AnthropicStandIn(own.generate),
            "openai": OpenAiStandIn(own.generate),
            "cartesia": SpokenCartesia(),
            "elevenlabs": SpokenElevenLabs(),
        }
        for standin in standins.values():
            if isinstance(standin, Spoken):
                standin.tts = models.tts
            await stack.enter_async_context(standin)
        providers = _providers(standins, http, models, own)
        for chain in (providers.stt, providers.llm, providers.tts, providers.vad):
            stack.push_async_callback(chain.aclose)  # type: ignore[attr-defined]
        url = await stack.enter_async_context(local_service(business, None))
        tools = BusinessTools(business, http, service_url=url, on_message=None)
        hosted = await host_business(
            business,
            identity="killed",
            providers=providers,
            embedder=models.embedder,
            tools=tools,
            cache=cache_folder(),
            progress=_tell,
        )
        lines = await speak_lines(models.tts, script, release=__version__, cache=cache_folder())
        calls = await stack.enter_async_context(Calls({"killed": hosted}))
        ears = Ears()
        phone = Handset(truth, {pcm: text for text, pcm in lines.items()}, ears)
        transport = MemoryTransport(phone.source, pacer=calls.pacer, heard=phone.heard, end="caller_hung_up")
        hub = CallHub(hosted.config.clips)
        killer = _Killer(standins, died)
        taken = Taken(hosted, observers=(killer,))
        files = CallFiles(out, "killed", hosted)
        call = calls.run(transport, call_id="killed", taken=taken, files=files, hub=hub)
        view = OwnCall(hub)
        caller = Caller(
            phone, ears, script, lines.__getitem__, view.last_words, view.listening, bridges_of(hosted.config.clips)
        )
        ending = asyncio.ensure_future(call.wait_closed())
        ending.add_done_callback(lambda _: phone.ended.set())
        await caller.talk()
        phone.ended.set()
        died["end of the call"] = await ending
        for reaction in caller.reactions:
            _tell(f"{reaction.said!r}: first sound {reaction.first_sound_ms} ms, answer {reaction.answered_ms} ms")
    return died


class _Killer:
    """An observer: with each turn that is decided from the second on, one more service refuses."""

    def __init__(self, standins: dict[str, StandIn], died: dict[str, str]) -> None:
        self._standins, self._died = standins, died
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, at_us: int, item: e.Event | c.Command) -> None:
        if not isinstance(item, c.TurnEnded) or item.turn < 2 or len(self._died) >= len(ORDER):
            return
        name = ORDER[len(self._died)]
        self._died[name] = f"turn {item.turn}"
        _tell(f"turn {item.turn}: {name} is gone")
        task = asyncio.get_running_loop().create_task(self._standins[name].become("refused"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _providers(
    standins: dict[str, Any], http: aiohttp.ClientSession, models: EmbeddedSet, own: Receptionist
) -> Providers:
    deepgram = DeepgramNova(http, key="dg-standin", url=standins["deepgram"].ws_url)
    claude = Claude(key="sk-ant-standin", url=standins["claude"].url)
    openai = plugins.openai_llm(name="openai", model="standin-small", key="sk-standin", url=standins["openai"].base_url)
    key = "voice-standin"
    cartesia = plugins.cartesia_tts(http, name="cartesia", voice="front-desk", key=key, url=standins["cartesia"].url)
    eleven = plugins.elevenlabs_tts(
        http, name="elevenlabs", voice="front-desk", key=key, url=standins["elevenlabs"].base_url
    )
    return Providers(
        SttCascade([deepgram, models.stt]),
        LlmCascade([claude, openai, own]),
        TtsCascade([cartesia, eleven, models.tts]),
        VadCascade([models.vad, models.vad_fallback]),
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Status 0 where the call ended as a call does."""
    parser = argparse.ArgumentParser(prog="benchmarks killed", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("calls/killed"), help="folder of the call's files")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    died = asyncio.run(hold(out))
    print("\n".join(f"{name}: {when}" for name, when in died.items()))
    return 0 if died.get("end of the call") in ("agent_ended", "caller_hung_up") else 1
