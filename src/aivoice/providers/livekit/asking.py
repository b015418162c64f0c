"""What services are asked besides their work: whether they know a voice, and for a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.failures import Stage

_CHECK = aiohttp.ClientTimeout(total=8.0)


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
