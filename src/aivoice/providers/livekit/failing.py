"""A plugin's exceptions as our codes."""

from __future__ import annotations

import json

from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.failures import Stage


def failure_of(name: str, stage: Stage, error: BaseException) -> ProviderError:
    """Plugins wrap what they met: a status counts, else the innermost cause. Texts of theirs are not told on."""
    from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError

    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for each in chain:
        status = getattr(each, "status", None) or getattr(each, "status_code", None)
        if isinstance(status, int) and 400 <= status < 600:
            return failures.of_status(name, stage, status)
    if any(isinstance(each, APITimeoutError | TimeoutError) for each in chain):
        return ProviderError(f"{name} does not answer", code="timeout", stage=stage)
    if any(isinstance(each, json.JSONDecodeError | KeyError | UnicodeDecodeError) for each in chain):
        return failures.malformed(name, stage, "an answer that its plugin cannot read")
    if isinstance(error, APIStatusError) or any(_is_cut(each) for each in chain):
        return failures.disconnected(name, stage)
    if isinstance(error, APIConnectionError) or any(isinstance(each, OSError) for each in chain):
        return failures.unreachable(name, stage, chain[-1])
    return ProviderError(f"{name} failed ({type(error).__name__})", code="unavailable", stage=stage)


def _is_cut(error: BaseException) -> bool:
    """The connection had been there."""
    return type(error).__name__ in (
        "ServerDisconnectedError",
        "ClientPayloadError",
        "RemoteProtocolError",
        "ReadError",
        "ConnectionResetError",
        "ClientConnectionResetError",
        "IncompleteRead",
    )
