"""Who owns a call's tasks. Every task of a call is started here, and ended in the order of its id.

asyncio.TaskGroup does not fit: it cancels its children in set order, ends the call when one of them fails, and waits
for ever for one that swallows its cancellation (docs/adr/0003). A scope keeps its promise of "no task outlives
its owner" but for such a one, which it leaves to be held and looked after by the loop once its grace is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_S = 1.0
_stuck: set[asyncio.Task[None]] = set()  # held so that they are not collected half-way


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Run bounded `work` whole, however often its waiter is cancelled meanwhile; that goes on afterwards."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()


class Scope:
    """Tasks by id. `on_error(id, exception)` is told of a task that failed; the others go on."""

    def __init__(self, name: str, on_error: Callable[[int, Exception], None]) -> None:
        self._name = name
        self._on_error = on_error
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def spawn(self, key: int, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as the task `key`. After `aclose` began nothing is started any more."""
        if self._closed:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{key}")
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._done(key, done))

    async def within(self, key: int, work: Coroutine[Any, Any, T], limit_s: float) -> T | None:
        """What `work` gives, run as the task `key`; None where it gives nothing within `limit_s`.

        It is cancelled then, and when the waiter is cancelled; one that swallows that goes on until it ends or the
        scope does, and nobody waits for it. Raises what `work` raised.
        """
        given: list[T] = []
        errors: list[Exception] = []

        async def run() -> None:
            try:
                given.append(await work)
            except Exception as error:  # noqa: BLE001 - raised below, to whoever waits
                errors.append(error)

        self.spawn(key, run())
        task = self._tasks.get(key)
        if task is None:
            work.close()
            return None
        try:
            await asyncio.wait([task], timeout=limit_s)
        finally:
            task.cancel()
        if errors:
            raise errors[0]
        return given[0] if given else None

    def cancel(self, key: int) -> None:
        """Ask the task to end; it no longer belongs to `key`."""
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()

    def __len__(self) -> int:
        return len(self._tasks)

    def _done(self, key: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            self._on_error(key, error)

    async def drain(self, limit_s: float) -> None:
        """Wait for all tasks to end by themselves, at most `limit_s`."""
        if self._tasks:
            await asyncio.wait(self._ordered(), timeout=limit_s)

    async def aclose(self) -> None:
        """Cancel all in the order of their ids and wait at most `GRACE_S`. Idempotent."""
        self._closed = True
        tasks = self._ordered()
        for task in tasks:
            task.cancel()
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=GRACE_S)
            for task in sorted(pending, key=lambda each: each.get_name()):
                _stuck.add(task)
                task.add_done_callback(_stuck.discard)
                task.cancel()

    def _ordered(self) -> list[asyncio.Task[None]]:
        return [self._tasks[key] for key in sorted(self._tasks)]
