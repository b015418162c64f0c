"""A plugin's exceptions as our codes."""

from __future__ import annotations

import json
import logging
import re

from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.failures import Stage

_POLICY = 1008
"""WebSocket's *policy violation*: how services end a stream that asks for what they do not have."""
_STATUS_TOLD = re.compile(r"'status_code': ([45]\d\d)\b")
"""Cartesia's errors inside a stream; its plugin hands them on as the text of a Python dict."""
_CUT = frozenset(
    {
        "ServerDisconnectedError",
        "ClientPayloadError",
        "RemoteProtocolError",
        "ReadError",
        "WriteError",
        "ConnectionResetError",
        "ClientConnectionResetError",
        "IncompleteRead",
    }
)
"""The connection had been there."""


def quieten() -> None:
    """livekit-agents and its plugins log what they are given to say and what services answer: what they have to tell is
    in our errors."""
    for name in ("livekit.agents", "livekit.plugins"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def failure_of(name: str, stage: Stage, error: BaseException) -> ProviderError:
    """Plugins wrap what they met: a status counts, else the innermost cause. Texts of theirs, which may quote the
    caller, are not told on; raise it ``from None``."""
    from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError

    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for each in chain:
        status = getattr(each, "status", None) or getattr(each, "status_code", None) or _told(each)
        if isinstance(status, int) and 400 <= status < 600:
            return failures.of_status(name, stage, status)
        if status == _POLICY:
            return ProviderError(f"{name} rejected the request (1008)", code="rejected", stage=stage, retryable=False)
    if any(isinstance(each, APITimeoutError | TimeoutError) for each in chain):
        return ProviderError(f"{name} does not answer", code="timeout", stage=stage)
    if any(isinstance(each, json.JSONDecodeError | KeyError | UnicodeDecodeError) for each in chain):
        return failures.malformed(name, stage, "an answer that its plugin cannot read")
    if isinstance(error, APIStatusError) or any(type(each).__name__ in _CUT for each in chain):
        return failures.disconnected(name, stage)
    if isinstance(error, APIConnectionError) or any(isinstance(each, OSError) for each in chain):
        return failures.unreachable(name, stage, chain[-1])
    return ProviderError(f"{name} failed ({type(error).__name__})", code="unavailable", stage=stage)


def _told(error: BaseException) -> int | None:
    from livekit.agents import APIError

    found = _STATUS_TOLD.search(error.message) if isinstance(error, APIError) else None
    return int(found[1]) if found else None
