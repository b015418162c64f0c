"""A task with an owner: the block that it runs beside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

GRACE_S = 30.0
"""Loop seconds that a cancelled task may take; one that takes longer fails the block."""


@asynccontextmanager
async def beside(work: Awaitable[T]) -> AsyncGenerator[asyncio.Task[T], None]:
    """`work` in a task that does not outlive the block: at its end the task is cancelled and waited for.

    The block asks for the outcome (``await task``); one that nobody asked for is dropped. Unlike a TaskGroup it raises
    the block's error as it is. Raises AssertionError when the task goes on `GRACE_S` after its cancellation.
    """

    async def run() -> T:
        return await work

    task = asyncio.get_running_loop().create_task(run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=GRACE_S)
        assert task.done(), "a cancelled task goes on"
        if not task.cancelled():
            task.exception()  # seen, so that the loop does not report it when the task is collected
