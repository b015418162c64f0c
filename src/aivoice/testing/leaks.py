"""Leak checks: what a test started must be gone when it ends. Tasks, threads and sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

GRACE_TURNS = 10
"""Turns of the loop that finishing callbacks get before a task counts as leaked."""
GRACE_S = 2.0
"""Real seconds that ending threads and closing sockets get."""


class LeakError(AssertionError):
    """Something outlived the code that started it; the message names it."""


def describe_task(task: asyncio.Task[Any]) -> str:
    """Name, coroutine and the innermost line where it waits."""
    frames = task.get_stack()
    where = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "not started or done"
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', type(coroutine).__name__)}) at {where}"


async def assert_no_leaked_tasks(allowed: frozenset[asyncio.Task[Any]] = frozenset()) -> None:
    """Raise LeakError if this loop runs any task but the caller's and `allowed`."""
    current = asyncio.current_task()
    for _ in range(GRACE_TURNS):
        left = [t for t in asyncio.all_tasks() if t is not current and t not in allowed]
        if not left:
            return
        await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() if t is not current and t not in allowed]
    if left:
        raise LeakError("leaked task(s): " + "; ".join(sorted(describe_task(t) for t in left)))


@contextmanager
def assert_no_tasks_behind_a_run() -> Generator[None]:
    """Raise LeakError if an ``asyncio.run`` within the block ends while a task of its loop still runs.

    asyncio.run cancels such tasks without a word, so a test would pass over them. The runner has no hook for this, so
    its `close` is wrapped while the block runs.
    """
    left: list[str] = []
    close = asyncio.Runner.close

    def look_and_close(self: asyncio.Runner) -> None:
        loop: asyncio.AbstractEventLoop | None = getattr(self, "_loop", None)
        if loop is not None and not loop.is_closed() and not loop.is_running():
            for _ in range(GRACE_TURNS):
                if not asyncio.all_tasks(loop):
                    break
                loop.run_until_complete(asyncio.sleep(0))
            left.extend(sorted(describe_task(task) for task in asyncio.all_tasks(loop)))
        close(self)

    asyncio.Runner.close = look_and_close
    try:
        yield
    finally:
        asyncio.Runner.close = close
    if left:
        raise LeakError("asyncio.run ended with task(s) left: " + "; ".join(left))


@contextmanager
def assert_no_leaks(*, threads: bool = True, sockets: bool = True) -> Generator[None]:
    """Raise LeakError if threads or sockets of this process outlive the block (tasks: see above).

    Sockets are counted where /proc exists; elsewhere ResourceWarning as an error has to do.
    """
    threads_before = set(threading.enumerate())
    sockets_before = _sockets()
    yield
    deadline = time.monotonic() + GRACE_S
    while left := _left(threads_before, sockets_before, threads, sockets):
        if time.monotonic() > deadline:
            raise LeakError("; ".join(left))
        gc.collect()
        time.sleep(0.005)


def _left(
    threads_before: set[threading.Thread], sockets_before: frozenset[str], threads: bool, sockets: bool
) -> list[str]:
    left: list[str] = []
    if threads:
        names = sorted(t.name for t in threading.enumerate() if t not in threads_before and t.is_alive())
        if names:
            left.append("leaked thread(s): " + ", ".join(names))
    if sockets:
        more = sorted(_sockets() - sockets_before)
        if more:
            left.append("leaked socket(s): " + ", ".join(more))
    return left


def _sockets() -> frozenset[str]:
    found: list[str] = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return frozenset()
    for name in names:
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor of the listing itself
        if target.startswith("socket:"):
            found.append(target)
    return frozenset(found)
