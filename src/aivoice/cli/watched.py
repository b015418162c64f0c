"""A call as whoever holds its other end watches it: in this process, or on a server by its events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

import aiohttp

from aivoice.api.hub import CallHub
from aivoice.traces.live import Change
from aivoice.traces.model import AgentEntry


class Watched(Protocol):
    def changes(self) -> AsyncGenerator[list[Change]]:
        """What there is to show (`traces.live`), until the call ends. Read by one reader."""
        ...

    def last_words(self) -> str:
        """What the agent said last."""
        ...

    def listening(self) -> bool:
        """The agent waits for the caller."""
        ...


class OwnCall:
    """A call of this process."""

    def __init__(self, hub: CallHub) -> None:
        self._hub = hub

    async def changes(self) -> AsyncGenerator[list[Change]]:
        stream = self._hub.read(60.0)
        try:
            async for changes in stream:
                yield changes
        finally:
            await stream.aclose()

    def last_words(self) -> str:
        agent = [entry for entry in self._hub.view.reducer.entries if isinstance(entry, AgentEntry) and entry.text]
        return agent[-1].text if agent else ""

    def listening(self) -> bool:
        return self._hub.view.state == "listening"


class ServersCall:
    """A call of a server, by ``GET /calls/{id}/events``: known as far as `changes` has read. reason: of its end."""

    def __init__(self, session: aiohttp.ClientSession, url: str, call_id: str) -> None:
        self._session, self._url = session, f"{url}/calls/{call_id}/events"
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._state = "connecting"
        self.reason = ""

    async def changes(self) -> AsyncGenerator[list[Change]]:
        """Ends with the stream, also when the server goes away."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with self._session.get(self._url, timeout=timeout) as response:
            response.raise_for_status()
            async for line in response.content:
                if line.startswith(b"data: "):
                    changes: list[Change] = json.loads(line.removeprefix(b"data: "))
                    self._apply(changes)
                    yield changes

    def _apply(self, changes: list[Change]) -> None:
        for change in changes:
            match change["op"]:
                case "put":
                    self._entries[change["entry"]["id"]] = change["entry"]
                case "state":
                    self._state = change["state"]
                case _:
                    self.reason = change["reason"]

    def last_words(self) -> str:
        said = [entry["text"] for entry in self._entries.values() if entry["kind"] == "agent" and entry["text"]]
        return said[-1] if said else ""

    def listening(self) -> bool:
        return self._state == "listening"
