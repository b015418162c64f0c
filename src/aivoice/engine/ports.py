"""What a session needs besides providers and a transport. Small Protocols; fakes in `aivoice.testing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aivoice.core.commands import Command
from aivoice.core.events import Event
from aivoice.core.prompt import Message, Passage
from aivoice.core.state import Extraction

Observer = Callable[[int, "Event | Command"], None]
"""Told every event and command with its monotonic µs, in order, on the loop. Must not block or raise."""


@dataclass(frozen=True, slots=True)
class ReadyClip:
    """Audio made beforehand. pcm: 16 kHz s16le, None for a span. words: start sample of each source word."""

    samples: int
    pcm: bytes | None
    words: tuple[int, ...] = ()


class ClipStore(Protocol):
    """Ready-made audio of one business's voice."""

    def get(self, key: str) -> ReadyClip | None:
        """The clip, or None where it was not made: the session then synthesises its text."""
        ...


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """outcome as in `core.events.ToolEnded`; result: JSON text."""

    outcome: Literal["ok", "failed", "unknown"]
    result: str = ""


class ToolRunner(Protocol):
    async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        """Run a tool once for `key`. Exceptions count as failed (unknown where it has side effects). The session
        cancels at the tool's time limit; whether a cancelled run was done is then unknown."""
        ...


class Credit(Protocol):
    """What pays for the running call (`core.config.Lease`)."""

    async def renew(self) -> int:
        """Seconds that the call may go on beyond those granted before, which begin with its answer; 0: none is left.
        Asked one at a time; an exception counts as 0."""
        ...


class Notes(Protocol):
    """Takes notes of a call beside it; serves many calls. Both are cancelled at the call's end; exceptions count as
    nothing made."""

    async def summarise(self, before: str, messages: Sequence[Message]) -> str:
        """One text that holds what `before` (the summary so far, or "") and `messages` tell."""
        ...

    async def extract(self, state: str, messages: Sequence[Message]) -> Extraction:
        """What the newest exchange adds to the state, or changes in it."""
        ...


class Retriever(Protocol):
    async def search(self, query: str, k: int = 4) -> tuple[Passage, ...]: ...


class TransferDesk(Protocol):
    async def transfer(self, target: str, *, call_id: str, reason: str) -> bool:
        """Try to hand the caller over; True once the other side has them."""
        ...


class RecorderSink(Protocol):
    """Two channels on one sample clock; see `recorder`."""

    def write(self, channel: Literal["caller", "agent"], position: int, pcm: bytes) -> None: ...

    def pause(self, paused: bool) -> None: ...
