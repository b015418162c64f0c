"""Plugin objects of voices, each lent to one stream at a time, so that their connections are used again.

A plugin object keeps its connections, its errors and its usage; two streams that share one share those, too, and one
socket's end ends both (ElevenLabs speaks several streams over one socket). So each stream has one alone. It is lent
again where its stream came to a good end. Where it was cut off or failed it is closed at once: plugins only put the
socket of a cancelled stream aside, and the service would go on making speech that nobody wants.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_FRESH_S = 150.0
"""Services end a socket that nothing was said over for 180 s (ElevenLabs, as the plugin asks) or 300 s (Cartesia)."""
_MOST_IDLE = 100
_CLOSE_S = 5.0


@dataclass(slots=True)
class Lent:
    """A plugin object in one stream's hands. used: its connection may have ended while it waited."""

    voice: str
    plugin: Any
    used: bool


class Pool:
    """make(voice): a new plugin object. prewarm: they have a connection that can be opened ahead."""

    def __init__(self, make: Callable[[str], Any], *, prewarm: bool) -> None:
        self._make, self._prewarm = make, prewarm
        self._idle: dict[str, deque[tuple[float, Any]]] = {}  # since when; oldest first
        self._leaving: set[asyncio.Task[None]] = set()
        self._lent = 0
        self._closed = False

    def lend(self, voice: str, *, fresh: bool = False) -> Lent:
        """The one used last, or, where none waits, a new one. fresh: all that wait are given up; what they wait for has
        ended. Raises what `make` raises."""
        waiting = self._waiting(voice)
        if fresh:
            while waiting:
                self._retire(waiting.popleft()[1])
        lent = Lent(voice, waiting.pop()[1], used=True) if waiting else Lent(voice, self._make(voice), used=False)
        self._lent += 1
        return lent

    def give_back(self, lent: Lent, *, well: bool) -> None:
        """well: its stream came to its end by itself."""
        waiting = self._waiting(lent.voice)
        self._lent -= 1
        if well and not self._closed and len(waiting) < _MOST_IDLE:
            waiting.append((asyncio.get_running_loop().time(), lent.plugin))
        else:
            self._retire(lent.plugin)

    def warm(self, voice: str) -> None:
        """At least one waits afterwards, and opens its connection if it has none; one more with each call, up to as
        many as are lent (one that was cut off leaves nothing behind)."""
        waiting = self._waiting(voice)
        if self._closed or not self._prewarm or len(waiting) >= min(_MOST_IDLE, max(1, self._lent)):
            return
        plugin = self._make(voice)
        plugin.prewarm()
        waiting.append((asyncio.get_running_loop().time(), plugin))

    async def aclose(self) -> None:
        """Ends every connection that is not lent, within 1 s; those lent end as they come back."""
        self._closed = True
        for waiting in self._idle.values():
            for _, plugin in waiting:
                self._retire(plugin)
            waiting.clear()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=0.9)
        for task in tuple(self._leaving):
            task.cancel()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=0.1)

    def _waiting(self, voice: str) -> deque[tuple[float, Any]]:
        """Those of a voice; the ones whose connections may have ended are let go."""
        waiting = self._idle.setdefault(voice, deque())
        stale = asyncio.get_running_loop().time() - _FRESH_S
        while waiting and waiting[0][0] < stale:
            self._retire(waiting.popleft()[1])
        return waiting

    def _retire(self, plugin: Any) -> None:
        task = asyncio.get_running_loop().create_task(_end(plugin), name="livekit plugin: close")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _end(plugin: Any) -> None:
    """A service that is not well does not answer the goodbye."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await plugin.aclose()
    except Exception:  # noqa: BLE001 - nobody waits for it any more
        return
