"""A stream's results on their way to the one task that iterates them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

OUTBOX_LIMIT = 4_096


class Outbox(Generic[T]):
    """Single-consumer async iterator filled by plain calls from the event loop.

    Bounded: past `limit` waiting items the oldest is dropped and counted in `dropped`. After `end` the waiting items
    are still delivered; after `fail` too, then the error is raised once; after `close` nothing more comes.
    """

    __slots__ = ("_ended", "_error", "_items", "_limit", "_waiter", "dropped")

    def __init__(self, limit: int = OUTBOX_LIMIT) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None
        self.dropped = 0

    @property
    def ended(self) -> bool:
        """Whether `put` has no effect any more."""
        return self._ended

    def put(self, item: T) -> None:
        """Deliver `item`; ignored after the end."""
        if self._ended:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Raise `error` to the reader after what is waiting."""
        if not self._ended:
            self._error = error
            self.end()

    def close(self) -> None:
        """End now and forget what is waiting."""
        self._items.clear()
        self._error = None
        self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Outbox[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.popleft()
