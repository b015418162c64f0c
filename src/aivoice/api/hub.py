"""Fan-out of one call's live view to its readers.

Publishing never waits: the call goes on whether anyone reads or not. Every reader has a bounded queue; a reader that
falls `BACKLOG` batches behind is dropped (its stream ends) and gets a fresh snapshot when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from aivoice.traces.live import Change, LiveView
from aivoice.traces.reduce import Item

BACKLOG = 256
"""Batches a reader may be behind: about half a minute of a lively call."""
READERS = 16
"""Readers of one call at a time."""


class _Reader:
    """One reader's queue. None ends the stream."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[list[Change] | None] = asyncio.Queue(BACKLOG + 1)

    def offer(self, changes: list[Change]) -> bool:
        """False: too far behind."""
        if self.queue.qsize() >= BACKLOG:
            return False
        self.queue.put_nowait(changes)
        return True

    def end(self) -> None:
        """End the stream after what is queued; one place is kept free for this."""
        if not self.queue.full():
            self.queue.put_nowait(None)


class CallHub:
    """One call's view and its readers. All methods on the event loop."""

    def __init__(self, clips: Mapping[str, str] | None = None) -> None:
        self.view = LiveView(clips)
        self._readers: list[_Reader] = []
        self._closed = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def full(self) -> bool:
        return len(self._readers) >= READERS

    def publish(self, at_us: int, item: Item) -> None:
        """A record of the call happened. Never blocks, never raises."""
        changes = self.view.apply(at_us, item)
        if not changes or not self._readers:
            return
        for reader in [reader for reader in self._readers if not reader.offer(changes)]:
            self._drop(reader)

    def close(self) -> None:
        """The call is over: every reader's stream ends after what is queued. Idempotent."""
        self._closed = True
        for reader in self._readers:
            reader.end()

    def _drop(self, reader: _Reader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)
        reader.end()

    async def read(self, heartbeat_s: float) -> AsyncGenerator[list[Change], None]:
        """A snapshot, then every later batch of changes; ends with the call, or when this reader is too slow.

        An empty batch comes after `heartbeat_s` seconds without any. Close the generator when done with it.
        """
        reader = _Reader()
        snapshot = self.view.snapshot()
        if self._closed:
            yield snapshot
            return
        self._readers.append(reader)
        try:
            yield snapshot
            while True:
                try:
                    async with asyncio.timeout(heartbeat_s):
                        changes = await reader.queue.get()
                except TimeoutError:
                    changes = []
                if changes is None:
                    return
                yield changes
        finally:
            self._drop(reader)
