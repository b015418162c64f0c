"""What the matrix breaks: each service behind its stand-in, on names of its own so that DNS can fail, too."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from aivoice.audio.resample import Resampler
from aivoice.testing.standins.anthropic import AnthropicStandIn
from aivoice.testing.standins.chatterbox import ChatterboxStandIn
from aivoice.testing.standins.deepgram import DeepgramStandIn
from aivoice.testing.standins.openai import OpenAiStandIn
from aivoice.testing.standins.server import Health, StandIn
from aivoice.testing.standins.voices import CartesiaStandIn, ElevenLabsStandIn
from aivoice.testing.truth import Truth
from benchmarks.faults import booking

Stage = Literal["stt", "llm", "tts"]
Fault = Literal[
    "refused",
    "unauthorized",
    "rate_limited",
    "broken",
    "slow",
    "silent",
    "dies_midway",
    "malformed",
    "disconnects",
    "dns_gone",
]
FAULTS: tuple[Fault, ...] = (
    "refused",
    "unauthorized",
    "rate_limited",
    "broken",
    "slow",
    "silent",
    "dies_midway",
    "malformed",
    "disconnects",
    "dns_gone",
)
SLOW_S = 8.0


_PLUGINS = ("openai", "cartesia", "elevenlabs", "resemble")


class Names:
    """The name service of one event loop: ``<service>.standin`` is this machine until it is `gone`.

    Every library here resolves through `loop.getaddrinfo`; other names go on to the system's.
    """

    def __init__(self) -> None:
        self.gone: set[str] = set()
        loop = asyncio.get_running_loop()
        self._system = loop.getaddrinfo
        loop.getaddrinfo = self._lookup  # type: ignore[method-assign]

    async def _lookup(self, host: Any, port: Any, **rest: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(".standin"):
            if name.removesuffix(".standin") in self.gone:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return await self._system(host, port, **rest)


@dataclass(slots=True)
class Running:
    """One service of one call. provider: the adapter in front of the stand-in."""

    name: str
    host: str
    standin: StandIn
    provider: Any
    close: Callable[[], Any] | None = None

    async def fail(self, fault: Fault, names: Names) -> None:
        """From now on."""
        if fault == "dns_gone":
            names.gone.add(self.host)
            await self.standin.become("refused")  # what was connected is cut, what is not finds no name
        else:
            await self.standin.become(fault)

    async def aclose(self) -> None:
        if self.close is not None:
            await self.close()
        await self.standin.__aexit__(None, None, None)


@dataclass(frozen=True, slots=True)
class World:
    """What the services of one call share."""

    host: str
    truth: Truth
    http: aiohttp.ClientSession


@dataclass(frozen=True, slots=True)
class Service:
    """start: the stand-in and its adapter. heard: fault kinds that mean nothing for it."""

    name: str
    stage: Stage
    start: Callable[[World, str], Any]
    without: tuple[Fault, ...] = field(default=())


async def _serve(standin: StandIn, host: str) -> str:
    """The stand-in's address by its name."""
    standin.slow_s = SLOW_S
    await standin.__aenter__()
    return f"{host}.standin:{standin.port}"


async def _claude(world: World, host: str) -> Running:
    from aivoice.providers.claude import Claude

    standin = AnthropicStandIn(booking.answer)
    claude = Claude(key="sk-ant-standin", url=f"http://{await _serve(standin, host)}")
    return Running("claude", host, standin, claude, claude.aclose)


async def _deepgram(world: World, host: str) -> Running:
    from aivoice.providers.deepgram import DeepgramNova

    standin = DeepgramStandIn(lambda tag: world.truth)
    url = f"ws://{await _serve(standin, host)}"
    return Running("deepgram", host, standin, DeepgramNova(world.http, key="dg-standin", url=url))


async def _flux(world: World, host: str) -> Running:
    from aivoice.providers.deepgram import DeepgramFlux

    standin = DeepgramStandIn(lambda tag: world.truth)
    url = f"ws://{await _serve(standin, host)}"
    return Running("deepgram-flux", host, standin, DeepgramFlux(world.http, key="dg-standin", url=url))


async def _openai(world: World, host: str) -> Running:
    from aivoice.providers.livekit import plugins

    standin = OpenAiStandIn(booking.answer)
    url = f"http://{await _serve(standin, host)}/v1"
    model = plugins.openai_llm(name="openai", model="standin-small", key="sk-standin", url=url)
    return Running("openai", host, standin, model, model.aclose)


async def _chatterbox(world: World, host: str) -> Running:
    from aivoice.providers.chatterbox import Chatterbox

    standin = ChatterboxStandIn(key="chatterbox-standin")
    url = f"http://{await _serve(standin, host)}"
    voice = Chatterbox(world.http, url=url, key="chatterbox-standin", voice="front-desk")
    return Running("chatterbox", host, standin, voice, voice.aclose)


async def _cartesia(world: World, host: str) -> Running:
    from aivoice.providers.livekit import plugins

    standin = CartesiaStandIn()
    url = f"http://{await _serve(standin, host)}"
    voice = plugins.cartesia_tts(world.http, name="cartesia", voice="front-desk", key=standin.key, url=url)
    return Running("cartesia", host, standin, voice, voice.aclose)


async def _elevenlabs(world: World, host: str) -> Running:
    from aivoice.providers.livekit import plugins

    standin = ElevenLabsStandIn()
    url = f"http://{await _serve(standin, host)}/v1"
    voice = plugins.elevenlabs_tts(world.http, name="elevenlabs", voice="front-desk", key=standin.key, url=url)
    return Running("elevenlabs", host, standin, voice, voice.aclose)


SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service("deepgram", "stt", _deepgram),
        Service("deepgram-flux", "stt", _flux),
        Service("claude", "llm", _claude),
        Service("openai", "llm", _openai),
        Service("chatterbox", "tts", _chatterbox),
        Service("cartesia", "tts", _cartesia),
        Service("elevenlabs", "tts", _elevenlabs),
    )
}


def preload() -> None:
    """The libraries take seconds to import: before any call, as a server does it at its start."""
    for name in ("anthropic", "openai", "livekit.agents", *(f"livekit.plugins.{each}" for each in _PLUGINS)):
        importlib.import_module(name)
    Resampler(24_000, 16_000)


def healths() -> tuple[Health, ...]:
    return tuple(fault for fault in FAULTS if fault != "dns_gone")
