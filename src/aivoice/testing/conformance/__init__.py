"""One suite a port: the rules of `providers.ports` and `transports.ports` as checks that any implementation must pass.

A suite is a tuple ``CHECKS`` of coroutine functions that take the port's ``Subject`` (the implementation and what it
needs to be tried: speech with its words, a request, …) and raise AssertionError. How to use one::

    @pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
    def test_my_recogniser(check):
        run_virtual(check(stt.Subject(provider=MyStt(), speech=frames, speech_end=48_000, text="hello there")))

Subjects are made anew for each check. Checks run on any event loop; on the virtual one they take no real time but the
models' own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from aivoice.core.text import canonical
from aivoice.testing.owned import beside

T = TypeVar("T")

PATIENCE_S = 30.0
"""Longest that one step may take before it counts as hanging (loop time)."""
CLOSE_S = 1.0
BLOCK_S = 0.005
"""Longest that a plain call may hold the event loop (real time)."""


def name_of(check: Callable[..., Awaitable[None]]) -> str:
    """A check's name, for test ids."""
    return getattr(check, "__name__", repr(check))


async def patiently(work: Awaitable[T], what: str) -> T:
    """`work`, or AssertionError if it hangs."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await work
    except TimeoutError:
        raise AssertionError(f"{what} did not end within {PATIENCE_S:g} s") from None


async def collect(items: AsyncIterator[T], what: str) -> list[T]:
    """All items of an iterator that must end."""

    async def read() -> list[T]:
        return [item async for item in items]

    return await patiently(read(), what)


async def closes(close: Callable[[], Awaitable[None]], *, within_s: float = CLOSE_S) -> None:
    """`close` ends in time, twice."""
    loop = asyncio.get_running_loop()
    for attempt in ("first", "second"):
        started = loop.time()
        await patiently(close(), f"the {attempt} close")
        took = loop.time() - started
        assert took <= within_s + 0.05, f"the {attempt} close took {took:.2f} s, allowed {within_s:g} s"


def quickly(call: Callable[[], None], what: str, *, tries: int = 3) -> None:
    """A plain call must not hold the event loop: the quickest of `tries` counts, a busy machine fails nobody."""
    best = min(_timed(call) for _ in range(tries))
    assert best <= BLOCK_S, f"{what} held the event loop for {best * 1000:.1f} ms, allowed {BLOCK_S * 1000:g} ms"


def _timed(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


async def cancelled(work: Callable[[], Awaitable[Any]], *, after_s: float) -> None:
    """Start `work`, cancel it after `after_s`, and see that the cancellation (or an earlier end) comes through."""

    async with beside(work()):
        await asyncio.sleep(after_s)


def similar(said: str, expected: str, *, share: float = 0.6) -> bool:
    """Whether at least `share` of the expected words were understood (in any order, punctuation and case aside)."""
    wanted, got = canonical(expected), set(canonical(said))
    return not wanted or sum(word in got for word in wanted) / len(wanted) >= share
