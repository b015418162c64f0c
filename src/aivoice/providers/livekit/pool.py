"""Plugin objects of voices, each lent to one stream at a time, so that their connections are used again.

A plugin object keeps its connections, its errors and its usage; two streams that share one share those, too, and one
socket's end ends both (ElevenLabs speaks several streams over one socket). So each stream has one alone. It is lent
again where its stream came to a good end. Where it was cut off or failed it is closed at once: plugins only put the
socket of a cancelled stream aside, and the service would go on making speech that nobody wants.
"""

from __future__ import annotations

import asyncio
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
        self._idle: dict[str, list[tuple[float, Any]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def lend(self, voice: str, *, fresh: bool = False) -> Lent:
        """The one used last, or, where none waits or `fresh` is asked for, a new one. Raises what `make` raises."""
        waiting = self._idle.get(voice, [])
        now = asyncio.get_running_loop().time()
        while waiting:
            since, plugin = waiting.pop()
            if not fresh and now - since < _FRESH_S:
                return Lent(voice, plugin, used=True)
            self._retire(plugin)
        return Lent(voice, self._make(voice), used=False)

    def give_back(self, lent: Lent, *, well: bool) -> None:
        """well: its stream came to its end by itself."""
        waiting = self._idle.setdefault(lent.voice, [])
        if well and not self._closed and len(waiting) < _MOST_IDLE:
            waiting.append((asyncio.get_running_loop().time(), lent.plugin))
        else:
            self._retire(lent.plugin)

    def warm(self, voice: str) -> None:
        """One waits afterwards, and opens its connection if it has none."""
        if self._closed:
            return
        lent = self.lend(voice)
        if self._prewarm:
            lent.plugin.prewarm()
        self.give_back(lent, well=True)

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
