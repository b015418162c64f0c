"""The kinds of providers that ``providers.yaml`` may name. What a kind needs is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from aivoice.errors import InputError
from aivoice.hosting.provider_file import Entry, Stage


@dataclass(frozen=True, slots=True)
class Given:
    """What a provider is built from. key: "" where it has none. http: shared by all; closed after them."""

    name: str
    entry: Entry
    key: str
    http: aiohttp.ClientSession

    def options(self, cls: type[Any]) -> Any:
        """The entry's options as a `cls`. Raises InputError naming one that it does not know or cannot be."""
        try:
            return cls(**self.entry.options)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"provider {self.name}: options: {str(error)[:160]}", code="providers_invalid", stage="providers"
            ) from None

    def url(self, default: str) -> str:
        return self.entry.url or default


@dataclass(frozen=True, slots=True)
class Kind:
    """stage: what it does. build: raises InputError or MissingModelError, one line. key: it is of no use without one.
    members: of the entry that must not be empty. main_thread: it is built there, blocking the loop for the seconds that
    its imports take (LiveKit registers plugins on no other).
    """

    stage: Stage
    build: Callable[[Given], Any]
    key: bool = True
    members: tuple[str, ...] = ()
    main_thread: bool = False


def _claude(given: Given) -> object:
    from aivoice.providers.claude import Claude, ClaudeOptions
    from aivoice.providers.claude.model import MODEL, URL

    return Claude(
        key=given.key,
        name=given.name,
        model=given.entry.model or MODEL,
        url=given.url(URL),
        options=given.options(ClaudeOptions),
    )


def _deepgram(given: Given) -> object:
    from aivoice.providers.deepgram import DeepgramNova, NovaOptions
    from aivoice.providers.deepgram.wire import HOST

    return DeepgramNova(
        given.http,
        key=given.key,
        name=given.name,
        model=given.entry.model or "nova-3",
        url=given.url(HOST),
        options=given.options(NovaOptions),
    )


def _flux(given: Given) -> object:
    from aivoice.providers.deepgram import DeepgramFlux, FluxOptions
    from aivoice.providers.deepgram.wire import HOST

    return DeepgramFlux(
        given.http,
        key=given.key,
        name=given.name,
        model=given.entry.model or "flux-general-en",
        url=given.url(HOST),
        options=given.options(FluxOptions),
    )


def _faster_whisper(given: Given) -> object:
    from aivoice.providers.faster_whisper import FasterWhisper, FasterWhisperOptions

    options = given.options(FasterWhisperOptions)
    return FasterWhisper(Path(given.entry.model), name=given.name, options=options)


def _openai(given: Given) -> object:
    from aivoice.providers.livekit import plugins

    return plugins.openai_llm(
        name=given.name,
        model=given.entry.model,
        key=given.key,
        url=given.url(plugins.OPENAI),
        options=given.entry.options,
    )


def _cartesia(given: Given) -> object:
    from aivoice.providers.livekit import plugins

    return plugins.cartesia_tts(
        given.http,
        name=given.name,
        voice=given.entry.voice,
        key=given.key,
        model=given.entry.model or "sonic-3",
        url=given.url(plugins.CARTESIA),
        options=given.entry.options,
    )


def _elevenlabs(given: Given) -> object:
    from aivoice.providers.livekit import plugins

    return plugins.elevenlabs_tts(
        given.http,
        name=given.name,
        voice=given.entry.voice,
        key=given.key,
        model=given.entry.model or "eleven_turbo_v2_5",
        url=given.url(plugins.ELEVENLABS),
        options=given.entry.options,
    )


def _resemble(given: Given) -> object:
    from aivoice.providers.livekit import plugins

    return plugins.resemble_tts(
        given.http,
        name=given.name,
        voice=given.entry.voice,
        key=given.key,
        model=given.entry.model,
        url=given.url(plugins.RESEMBLE),
        options=given.entry.options,
    )


def _openai_stt(given: Given) -> object:
    from aivoice.providers.livekit import plugins

    return plugins.openai_stt(
        name=given.name,
        model=given.entry.model,
        key=given.key,
        url=given.url(plugins.OPENAI),
        options=given.entry.options,
    )


def _other(stage: Stage) -> Callable[[Given], object]:
    """Any LiveKit plugin that is installed: ``plugin`` among the options is its name."""

    def build(given: Given) -> object:
        from aivoice.providers.livekit import plugins

        options = dict(given.entry.options)
        plugin = options.pop("plugin", "")
        if not isinstance(plugin, str) or not plugin.isidentifier():
            raise InputError(
                f"provider {given.name}: options: plugin is the name of a LiveKit plugin, such as `google`",
                code="providers_invalid",
                stage="providers",
            )
        entry = given.entry
        rest: dict[str, Any] = {
            "name": given.name,
            "model": entry.model,
            "key": given.key,
            "url": entry.url,
            "options": options,
        }
        match stage:
            case "stt":
                return plugins.other_stt(given.http, plugin, **rest)
            case "llm":
                return plugins.other_llm(given.http, plugin, **rest)
            case "tts":
                return plugins.other_tts(given.http, plugin, voice=entry.voice, **rest)

    return build


def _chatterbox(given: Given) -> object:
    from aivoice.providers.chatterbox import Chatterbox, ChatterboxOptions

    return Chatterbox(
        given.http,
        url=given.entry.url,
        key=given.key,
        name=given.name,
        voice=given.entry.voice or "default",
        options=given.options(ChatterboxOptions),
    )


KINDS: Mapping[str, Kind] = {
    "deepgram": Kind("stt", _deepgram),
    "deepgram-flux": Kind("stt", _flux),
    "faster-whisper": Kind("stt", _faster_whisper, key=False, members=("model",)),
    "claude": Kind("llm", _claude),
    "openai": Kind("llm", _openai, key=False, members=("model",), main_thread=True),
    "openai-stt": Kind("stt", _openai_stt, key=False, members=("model",), main_thread=True),
    "chatterbox": Kind("tts", _chatterbox, key=False, members=("url",)),
    "cartesia": Kind("tts", _cartesia, members=("voice",), main_thread=True),
    "elevenlabs": Kind("tts", _elevenlabs, members=("voice",), main_thread=True),
    "resemble": Kind("tts", _resemble, members=("voice",), main_thread=True),
    "livekit-stt": Kind("stt", _other("stt"), key=False, main_thread=True),
    "livekit-llm": Kind("llm", _other("llm"), key=False, main_thread=True),
    "livekit-tts": Kind("tts", _other("tts"), key=False, main_thread=True),
}


def kind_of(name: str, entry: Entry) -> Kind:
    """Raises InputError: there is no such kind, or the entry lacks what it needs."""
    kind = KINDS.get(entry.kind)
    if kind is None:
        raise InputError(
            f"provider {name}: there is no kind {entry.kind}: it is one of {', '.join(sorted(KINDS))}",
            code="providers_invalid",
            stage="providers",
        )
    for member in kind.members:
        if not getattr(entry, member):
            raise InputError(
                f"provider {name}: a {entry.kind} needs `{member}`", code="providers_invalid", stage="providers"
            )
    return kind
