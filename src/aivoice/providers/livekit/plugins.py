"""LiveKit plugins by the names of ``providers.yaml``: openai (and whatever speaks its API), cartesia, elevenlabs,
resemble; any other plugin that is installed by `other_llm`, `other_tts`, `other_stt`.

Importing livekit-agents takes some 4 CPU-s, and plugins insist on the main thread: build providers at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.audio.resample import Resampler
from aivoice.errors import InputError
from aivoice.providers.livekit.asking import Asked, asking, model_asked, models_listed, openai_client, opening
from aivoice.providers.livekit.llm import PluginLlm
from aivoice.providers.livekit.making import loaded, made, parameters, taken
from aivoice.providers.livekit.stt import PluginStt
from aivoice.providers.livekit.tts import PluginTts, whole_texts

OPENAI, CARTESIA, ELEVENLABS = "https://api.openai.com/v1", "https://api.cartesia.ai", "https://api.elevenlabs.io/v1"
RESEMBLE, RESEMBLE_SPEECH = "https://app.resemble.ai/api/v2", "https://f.cluster.resemble.ai/synthesize"


def openai_llm(
    *, name: str, model: str, key: str, url: str = OPENAI, options: Mapping[str, Any] | None = None
) -> PluginLlm:
    """Chat completions, streamed. url: of any service that speaks them (Ollama, vLLM). options: of the plugin's LLM.

    A reply is bounded by the request's `answer_tokens`: as ``max_completion_tokens`` for OpenAI itself, ``max_tokens``
    for others. Raises MissingModelError, InputError.
    """
    cls = loaded(name, "openai", "LLM")
    client = openai_client(key, url)
    own = dict(options or {})
    body: Any = own.pop("extra_body", {})
    if not isinstance(body, Mapping):
        raise InputError(f"provider {name}: extra_body is a mapping", code="providers_invalid", stage="providers")

    def make() -> Any:
        return made(name, cls, {"model": model, "client": client, "max_retries": 0, **own})

    make()  # a wrong option is told now
    host = urlsplit(url).hostname or ""
    most = "max_completion_tokens" if host.endswith((".openai.com", ".openai.azure.com")) else "max_tokens"
    if options and "max_completion_tokens" in options:
        most = ""  # the plugin sends that one
    check, warm = model_asked(client, name, "llm", model), models_listed(client)
    return PluginLlm(
        make, name=name, most=most, body=cast(Mapping[str, Any], body), check=check, warm=warm, close=client.close
    )


def openai_stt(
    *, name: str, model: str, key: str, url: str = OPENAI, options: Mapping[str, Any] | None = None
) -> PluginStt:
    """One request an utterance, to OpenAI or a server of Whisper that speaks its API; no interims come. options: of the
    plugin's STT; its realtime socket (``use_realtime``) takes another address and has not been tried. Raises
    MissingModelError, InputError."""
    cls = loaded(name, "openai", "STT")
    client = openai_client(key, url)

    def make() -> Any:
        return made(name, cls, {"model": model, "client": client, "use_realtime": False, **(options or {})})

    make()
    check, warm = model_asked(client, name, "stt", model), models_listed(client)
    return PluginStt(make, name=name, check=check, warm=warm, close=client.close)


def cartesia_tts(
    http: aiohttp.ClientSession,
    *,
    name: str,
    voice: str,
    key: str,
    model: str = "sonic-3",
    url: str = CARTESIA,
    options: Mapping[str, Any] | None = None,
) -> PluginTts:
    """Over its WebSocket, with word times. Raises MissingModelError, InputError."""
    given = {
        "api_key": key,
        "model": model,
        "base_url": url,
        "http_session": http,
        "sample_rate": 16_000,
        "tokenizer": whole_texts(),
    }
    headers = {"X-API-Key": key, "Cartesia-Version": "2025-04-16"}
    check = asking(http, Asked(name, "voice", voice, f"{url}/voices/{voice}", headers))
    return _voice(name, "cartesia", "voice", voice, {**given, **(options or {})}, revision=model, check=check)


def elevenlabs_tts(
    http: aiohttp.ClientSession,
    *,
    name: str,
    voice: str,
    key: str,
    model: str = "eleven_turbo_v2_5",
    url: str = ELEVENLABS,
    options: Mapping[str, Any] | None = None,
) -> PluginTts:
    """Over its WebSocket, with word times of the text as it was given. Raises MissingModelError, InputError."""
    given = {
        "api_key": key,
        "model": model,
        "base_url": url,
        "http_session": http,
        "encoding": "pcm_16000",
        "preferred_alignment": "original",
        "word_tokenizer": whole_texts(),
    }
    check = asking(http, Asked(name, "voice", voice, f"{url}/voices/{voice}", {"xi-api-key": key}))
    return _voice(name, "elevenlabs", "voice_id", voice, {**given, **(options or {})}, revision=model, check=check)


def resemble_tts(
    http: aiohttp.ClientSession,
    *,
    name: str,
    voice: str,
    key: str,
    model: str = "",
    url: str = RESEMBLE,
    options: Mapping[str, Any] | None = None,
) -> PluginTts:
    """One HTTP request a clause: the plugin's WebSocket needs a plan of its own and sends MP3. url: of the API that is
    asked about voices; the plugin itself knows one address of the speech service only. Raises MissingModelError,
    InputError."""
    given: dict[str, Any] = {
        "api_key": key,
        "http_session": http,
        "use_streaming": False,
        "sample_rate": 16_000,
        **({"model": model} if model else {}),
    }
    about = Asked(name, "voice", voice, f"{url}/voices/{voice}", {"Authorization": f"Bearer {key}"})
    return _voice(
        name,
        "resemble",
        "voice_uuid",
        voice,
        {**given, **(options or {})},
        revision=model,
        check=asking(http, about),
        warm=opening(http, RESEMBLE_SPEECH),
    )


def _voice(
    name: str, plugin: str, member: str, voice: str, given: Mapping[str, Any], *, revision: str, **hooks: Any
) -> PluginTts:
    """member: the argument that a voice is given by. Streamed where the plugin can."""
    cls = loaded(name, plugin, "TTS")

    def make(voice: str) -> Any:
        return made(name, cls, {**given, **({member: voice} if voice not in ("", "default") else {})})

    first = make(voice)  # a wrong option is told now
    Resampler(first.sample_rate, SAMPLE_RATE)  # what it needs takes seconds to load: not in a call
    streaming = bool(first.capabilities.streaming)
    return PluginTts(make, name=name, streaming=streaming, revision=revision, voice=voice or "default", **hooks)


# ---------------------------------------------------------------- any other plugin


def other_llm(
    http: aiohttp.ClientSession,
    plugin: str,
    *,
    name: str,
    model: str = "",
    key: str = "",
    url: str = "",
    options: Mapping[str, Any] | None = None,
) -> PluginLlm:
    """plugin: what follows ``livekit.plugins.``. options: arguments of its LLM. One object, which owns its connections,
    serves all requests: what is told of one comes from its own stream. Raises MissingModelError, InputError."""
    cls = loaded(name, plugin, "LLM")
    shared = made(name, cls, taken(name, cls, http, model=model, key=key, url=url, options=options))

    async def warm() -> None:
        shared.prewarm()

    return PluginLlm(lambda: shared, name=name, shared=True, warm=warm, close=shared.aclose)


def other_tts(
    http: aiohttp.ClientSession,
    plugin: str,
    *,
    name: str,
    voice: str = "",
    model: str = "",
    key: str = "",
    url: str = "",
    options: Mapping[str, Any] | None = None,
) -> PluginTts:
    """As `other_llm`, for its TTS. Raises MissingModelError, InputError."""
    cls = loaded(name, plugin, "TTS")
    given = taken(name, cls, http, model=model, key=key, url=url, options=options, tokenizer=whole_texts)
    member = _voice_member(name, cls, voice)
    return _voice(name, plugin, member, voice, given, revision=model or plugin)


def other_stt(
    http: aiohttp.ClientSession,
    plugin: str,
    *,
    name: str,
    model: str = "",
    key: str = "",
    url: str = "",
    options: Mapping[str, Any] | None = None,
) -> PluginStt:
    """As `other_llm`, for its STT. ``answer_ms`` among the options is ours. Raises MissingModelError, InputError."""
    own = dict(options or {})
    answer_ms = own.pop("answer_ms", 900)
    if not isinstance(answer_ms, int) or not 0 < answer_ms <= 10_000:
        raise InputError(f"provider {name}: answer_ms is 1 to 10000", code="providers_invalid", stage="providers")
    if plugin == "openai":  # it does not close a client of its own
        return openai_stt(name=name, model=model, key=key, url=url or OPENAI, options=own)
    cls = loaded(name, plugin, "STT")
    given = taken(name, cls, http, model=model, key=key, url=url, options=own)

    def make() -> Any:
        return made(name, cls, given)

    make()
    return PluginStt(make, name=name, answer_ms=answer_ms)


def _voice_member(name: str, cls: Any, voice: str) -> str:
    known = parameters(cls)
    for member in ("voice", "voice_id", "voice_uuid", "speaker", "reference_id"):
        if member in known:
            return member
    if voice:
        raise InputError(
            f"provider {name}: its plugin takes no `voice`: name it among the options",
            code="providers_invalid",
            stage="providers",
        )
    return "voice"
