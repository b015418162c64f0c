"""What services are asked besides their work: whether they know a voice, and for a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.failures import Stage

_CHECK_S = 8.0
_CHECK = aiohttp.ClientTimeout(total=_CHECK_S)
_KEEP_S = 300.0
_NO_KEY = "none"
"""Servers on one's own machine ask for no key; the library wants one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A description that the service has of `value`, a ``voice``, say; headers hold the key."""

    name: str
    what: str
    value: str
    url: str
    headers: Mapping[str, str] = field(repr=False, hash=False)


def unknown(name: str, stage: Stage, what: str, value: str) -> ProviderError:
    return ProviderError(f"{name}: there is no {what} {value}", code="rejected", stage=stage, retryable=False)


def asking(http: aiohttp.ClientSession, asked: Asked) -> Callable[[], Awaitable[None]]:
    """A check that asks for the description."""

    async def check() -> None:
        try:
            async with http.get(asked.url, headers=asked.headers, timeout=_CHECK) as answer:
                if answer.status == 404:
                    raise unknown(asked.name, "tts", asked.what, asked.value)
                if answer.status != 200:
                    raise failures.of_status(asked.name, "tts", answer.status)
        except TimeoutError:
            raise ProviderError(f"{asked.name} does not answer", code="timeout", stage="tts") from None
        except (OSError, aiohttp.ClientError) as error:
            raise failures.unreachable(asked.name, "tts", error) from None

    return check


def opening(http: aiohttp.ClientSession, url: str) -> Callable[[], Awaitable[None]]:
    """A `warm` that leaves an open connection to `url`'s server in the session's pool, whatever that answers."""

    async def warm() -> None:
        try:
            async with http.head(url, timeout=_CHECK):
                return
        except (OSError, aiohttp.ClientError, TimeoutError):
            return

    return warm


# ---------------------------------------------------------------- OpenAI and what speaks its API


def openai_client(key: str, url: str) -> Any:
    """An openai.AsyncClient whose connections a provider's calls share; it does not try again by itself."""
    import httpx2
    import openai

    timeout = httpx2.Timeout(60.0, connect=5.0)
    return openai.AsyncClient(
        api_key=key or _NO_KEY,
        base_url=url,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            limits=httpx2.Limits(max_connections=1_000, max_keepalive_connections=200, keepalive_expiry=_KEEP_S),
            timeout=timeout,
        ),
    )


def model_asked(client: Any, name: str, stage: Stage, model: str) -> Callable[[], Awaitable[None]]:
    """A check that asks for the model's description."""
    import openai

    async def check() -> None:
        try:
            await client.models.retrieve(model, timeout=_CHECK_S)
        except openai.NotFoundError:
            raise unknown(name, stage, "model", model) from None
        except openai.APIStatusError as error:
            raise failures.of_status(name, stage, error.status_code) from None
        except openai.OpenAIError as error:
            raise failures.unreachable(name, stage, error.__cause__ or error) from None

    return check


def models_listed(client: Any) -> Callable[[], Awaitable[None]]:
    """A `warm` that leaves an open connection in the client's pool."""
    import openai

    async def warm() -> None:
        try:
            await client.models.list(timeout=_CHECK_S)
        except (openai.OpenAIError, ValueError):
            return

    return warm
