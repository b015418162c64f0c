"""LiveKit plugins by the names of ``providers.yaml``: openai (and whatever speaks its API), cartesia, elevenlabs,
resemble."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from aivoice.errors import InputError, MissingModelError, ProviderError
from aivoice.providers import failures
from aivoice.providers.failures import Stage
from aivoice.providers.livekit.llm import PluginLlm
from aivoice.providers.livekit.tts import PluginTts

OPENAI, CARTESIA, ELEVENLABS = "https://api.openai.com/v1", "https://api.cartesia.ai", "https://api.elevenlabs.io/v1"
_KEEP_S = 300.0
_CHECK_S = 8.0
_NO_KEY = "none"
"""Servers on one's own machine ask for no key; the library wants one."""


def openai_llm(
    *, name: str, model: str, key: str, url: str = OPENAI, options: Mapping[str, Any] | None = None
) -> PluginLlm:
    """Chat completions, streamed. url: of any service that speaks them (Ollama, vLLM). options: of the plugin's LLM.

    Raises MissingModelError, InputError.
    """
    plugin = _plugin("openai")
    import httpx2
    import openai

    client = openai.AsyncClient(
        api_key=key or _NO_KEY,
        base_url=url,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            limits=httpx2.Limits(max_connections=1_000, max_keepalive_connections=200, keepalive_expiry=_KEEP_S),
            timeout=httpx2.Timeout(60.0, connect=5.0),
        ),
    )

    def make() -> Any:
        return _made(name, plugin.LLM, {"model": model, "client": client, "max_retries": 0, **(options or {})})

    async def check() -> None:
        try:
            await client.models.retrieve(model, timeout=_CHECK_S)
        except openai.NotFoundError:
            raise _unknown(name, "llm", "model", model) from None
        except openai.APIStatusError as error:
            raise failures.of_status(name, "llm", error.status_code) from None
        except openai.OpenAIError as error:
            raise failures.unreachable(name, "llm", error.__cause__ or error) from None

    async def warm() -> None:
        try:
            await client.models.list(timeout=_CHECK_S)
        except openai.OpenAIError:
            return

    make()  # a wrong option is told now
    return PluginLlm(make, name=name, check=check, warm=warm, close=client.close)


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
    plugin = _plugin("cartesia")
    given = {"api_key": key, "model": model, "base_url": url, "http_session": http, **(options or {})}

    def make(voice: str) -> Any:
        return _made(name, plugin.TTS, {**given, **({"voice": voice} if voice != "default" else {})})

    headers = {"X-API-Key": key, "Cartesia-Version": "2025-04-16"}
    check = _asking(http, name, f"{url}/voices/{voice}", headers, voice)
    make(voice)
    return PluginTts(make, name=name, streaming=True, revision=model, voice=voice, check=check)


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
    """Over its WebSocket, with word times. Raises MissingModelError, InputError."""
    plugin = _plugin("elevenlabs")
    given = {
        "api_key": key,
        "model": model,
        "base_url": url,
        "http_session": http,
        "encoding": "pcm_24000",
        **(options or {}),
    }

    def make(voice: str) -> Any:
        return _made(name, plugin.TTS, {**given, **({"voice_id": voice} if voice != "default" else {})})

    check = _asking(http, name, f"{url}/voices/{voice}", {"xi-api-key": key}, voice)
    make(voice)
    return PluginTts(make, name=name, streaming=True, revision=model, voice=voice, check=check)


def resemble_tts(
    http: aiohttp.ClientSession,
    *,
    name: str,
    voice: str,
    key: str,
    model: str = "",
    options: Mapping[str, Any] | None = None,
) -> PluginTts:
    """One HTTP request a clause: the plugin's WebSocket needs a plan of its own and sends MP3. Raises
    MissingModelError, InputError."""
    plugin = _plugin("resemble")
    given: dict[str, Any] = {
        "api_key": key,
        "http_session": http,
        "use_streaming": False,
        "sample_rate": 16_000,
        **({"model": model} if model else {}),
        **(options or {}),
    }

    def make(voice: str) -> Any:
        return _made(name, plugin.TTS, {**given, **({"voice_uuid": voice} if voice != "default" else {})})

    make(voice)
    return PluginTts(make, name=name, streaming=False, revision=model, voice=voice)


def _plugin(name: str) -> Any:
    try:
        return importlib.import_module(f"livekit.plugins.{name}")
    except ImportError:
        raise MissingModelError(
            f"the plugin is not installed: pip install livekit-plugins-{name}", code="model_missing", stage="provider"
        ) from None


def _made(name: str, cls: Any, arguments: dict[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"provider {name}: {str(error).splitlines()[0][:160]}", code="providers_invalid", stage="providers"
        ) from None


def _unknown(name: str, stage: Stage, what: str, value: str) -> ProviderError:
    return ProviderError(f"{name}: there is no {what} {value}", code="rejected", stage=stage, retryable=False)


def _asking(
    http: aiohttp.ClientSession, name: str, url: str, headers: Mapping[str, str], voice: str
) -> Callable[[], Awaitable[None]]:
    """A check that asks for the voice's description."""

    async def check() -> None:
        try:
            async with http.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=_CHECK_S)) as answer:
                if answer.status == 404:
                    raise _unknown(name, "tts", "voice", voice)
                if answer.status != 200:
                    raise failures.of_status(name, "tts", answer.status)
        except TimeoutError:
            raise ProviderError(f"{name} does not answer", code="timeout", stage="tts") from None
        except (OSError, aiohttp.ClientError) as error:
            raise failures.unreachable(name, "tts", error) from None

    return check
