"""The frames of ``aivoice-chatterbox``'s /v1/stream, as `services/chatterbox` documents them (`socket_api.py`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

PROTOCOL = 1
RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@dataclass(frozen=True, slots=True)
class Hello:
    """sample_rate: Hz, of all audio. revision: of model, settings and voices."""

    sample_rate: int
    revision: str


@dataclass(frozen=True, slots=True)
class Started:
    """A piece of the text begins."""


@dataclass(frozen=True, slots=True)
class Done:
    """The text is spoken."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Nothing more comes of the text that was cancelled."""


@dataclass(frozen=True, slots=True)
class Refused:
    """status: as of HTTP."""

    status: int
    code: str


Told = Hello | Started | Done | Cancelled | Refused


def read(data: str) -> Told:
    """Raises ValueError naming the member that is not as documented."""
    try:
        message = json.loads(data)
    except ValueError:
        raise ValueError("a frame that is no JSON") from None
    if not isinstance(message, dict):
        raise ValueError("a frame that is no object")
    return _told(cast("dict[str, Any]", message))


def _told(message: dict[str, Any]) -> Told:
    match message.get("type"):
        case "hello":
            rate, revision = message.get("sample_rate"), message.get("revision")
            if message.get("protocol") != PROTOCOL:
                raise ValueError("hello.protocol")
            if rate not in RATES or not isinstance(revision, str):
                raise ValueError("hello.sample_rate or .revision")
            return Hello(rate, revision)
        case "clause":
            return Started()
        case "done":
            if not isinstance(message.get("samples"), int):
                raise ValueError("done.samples")
            return Done()
        case "cancelled":
            return Cancelled()
        case "error":
            status, code = message.get("status"), message.get("code")
            if not isinstance(status, int) or not isinstance(code, str):
                raise ValueError("error.status or .code")
            return Refused(status, code)
        case _:
            raise ValueError("type")


def request(text: str, voice: str, call: str) -> tuple[str, str, str]:
    """The frames that ask for `text`."""
    return (
        json.dumps({"type": "start", "voice": voice, "call": call}),
        json.dumps({"type": "text", "text": text}),
        '{"type": "finish"}',
    )


CANCEL = '{"type": "cancel"}'
