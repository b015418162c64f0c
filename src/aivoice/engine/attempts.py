"""One attempt of a fallback chain: its output pumped by a task of its own, its time limit, its abandonment.

Why a task: a coroutine that swallows its cancellation cannot be left by whoever awaits it. So every attempt runs in
a task that the chain's `Reaper` owns; the call awaits only a queue, and can always walk away.
Cost: one task an attempt, one timer an attempt; a token or a stretch of audio costs a deque append and one wake-up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from aivoice.core.events import ProviderAttempt, Usage
from aivoice.errors import ProviderError

T = TypeVar("T")
Stage = Literal["stt", "llm", "tts", "vad"]
State = Literal["started", "useful", "failed", "switched", "skipped", "lost"]

GRACE_S = 1.0
"""How long a cancelled attempt may take to end before it counts as stuck, and how long `aclose` waits at most."""
QUEUE_ITEMS = 512
"""Outputs waiting for the call; past that the provider is made to wait (nothing is dropped)."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where a chain reports what it tried, and for which operation."""

    sink: Callable[[ProviderAttempt | Usage], None]
    turn: int = 0
    attempt: int = 0

    def report(self, stage: Stage, provider: str, state: State, code: str = "", detail: str = "") -> None:
        self.sink(ProviderAttempt(stage, provider, state, self.turn, self.attempt, code, detail))

    def usage(self, provider: str, prompt_tokens: int, completion_tokens: int = 0, *, wasted: bool = False) -> None:
        """Tokens that `provider` ("": who served this operation last) charges for what is no reply of the call's.
        wasted: a request whose reply was another's."""
        self.sink(Usage(self.turn, self.attempt, prompt_tokens, completion_tokens, 0, provider, wasted))


_REPORTER: ContextVar[Reporter | None] = ContextVar("aivoice_reporter", default=None)


def report_attempts(sink: Callable[[ProviderAttempt | Usage], None], *, turn: int = 0, attempt: int = 0) -> None:
    """From here on, in this task (and tasks it starts), chains report to `sink`, on the event loop.

    Providers serve many calls, so the call is not an argument of theirs; it travels in the task's context. Set it
    in the task that runs an operation, before `open` or the first item of `generate`.
    """
    _REPORTER.set(Reporter(sink, turn, attempt))


def current_reporter() -> Reporter:
    """The reporter of this task; one that drops everything where none was set."""
    return _REPORTER.get() or _NOWHERE


def _drop(_: ProviderAttempt | Usage) -> None:
    return None


_NOWHERE = Reporter(_drop)


class Reaper:
    """Owns the tasks of attempts. A cancelled one that does not end within `GRACE_S` is cancelled once more and counted
    as stuck; it is held (never garbage collected half-way) until it ends, and blocks nobody."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stuck: dict[asyncio.Task[None], str] = {}

    def spawn(self, work: Coroutine[Any, Any, None], provider: str) -> asyncio.Task[None]:
        """Start `work`; it must keep its exceptions to itself."""
        task = asyncio.get_running_loop().create_task(work, name=f"attempt:{provider}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def abandon(self, task: asyncio.Task[None]) -> None:
        """Cancel and look again after the grace."""
        if task.done():
            return
        task.cancel()
        timer = asyncio.get_running_loop().call_later(GRACE_S, self._look_again, task)
        task.add_done_callback(lambda _: timer.cancel())

    def stuck(self, provider: str) -> int:
        """Attempts of `provider` that outlived their cancellation and still run."""
        return sum(name == provider for name in self._stuck.values())

    async def aclose(self) -> None:
        """Cancel everything and wait at most `GRACE_S`. Idempotent."""
        ordered = sorted(self._tasks, key=lambda task: task.get_name())
        for task in ordered:
            task.cancel()
        if ordered:
            await asyncio.wait(ordered, timeout=GRACE_S)

    def _look_again(self, task: asyncio.Task[None]) -> None:
        if not task.done():
            self._stuck[task] = task.get_name().removeprefix("attempt:")
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._stuck.pop(task, None)
        if not task.cancelled():
            task.exception()  # looked at: a provider's bug is reported by its pump, not by the loop


class End:
    """The stream is complete."""


END = End()


class Pump(Generic[T]):
    """Runs `source` and queues its items. One consumer.

    source: gives the iterator; it is called, iterated and closed in the pump's task.
    Failures arrive in order, after the items before them, as a `ProviderError`; any other exception of a provider
    becomes one that names only its type (its text may hold what the caller said).
    """

    __slots__ = ("_deadline", "_failure", "_items", "_loop", "_over", "_provider", "_reaper", "_room", "_stage",
                 "_task", "_timer", "_waiter", "abandoned")  # fmt: skip

    def __init__(self, source: Callable[[], AsyncIterator[T]], reaper: Reaper, stage: Stage, provider: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[T] = deque()
        self._stage: Stage = stage
        self._provider = provider
        self._reaper = reaper
        self._failure: ProviderError | None = None
        self._over = False
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.abandoned = False
        self._task = reaper.spawn(self._run(source), provider)

    # ------------------------------------------------------------ the consumer's side

    async def next(self) -> T | End:
        """The next item, or END. Raises ProviderError when the attempt failed or its deadline passed.

        Cancelling leaves the pump as it was: call `next` again, or `abandon`.
        """
        while not self._items:
            if self._over:
                if self._failure is not None:
                    raise self._failure
                return END
            if self._timer is None and self._deadline is not None:
                self._due()  # the deadline fell while items were waiting
                continue
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return item

    def limit(self, deadline: float | None) -> None:
        """Fail with code ``timeout`` if nothing is waiting to be read at `deadline` (loop time); None: no limit.

        May be moved as often as one likes: moving it later costs an assignment.
        """
        self._deadline = deadline
        if deadline is not None and (self._timer is None or self._timer.when() > deadline):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._due)

    def abandon(self) -> None:
        """Stop now, without waiting; a waiting consumer gets END."""
        self._stop_timer()
        self._over = self.abandoned = True
        self._reaper.abandon(self._task)
        self._wake()

    def fail(self, code: str, what: str) -> None:
        """Fail the attempt from outside (a synchronous method of the provider raised); the consumer gets the error."""
        self._failed(self._error(code, what))
        self.abandon()

    async def aclose(self) -> None:
        """Stop, and wait for the provider's clean-up, at most `GRACE_S`."""
        self.abandon()
        if not self._task.done():
            await asyncio.wait([self._task], timeout=GRACE_S)

    # ------------------------------------------------------------ the provider's side

    async def _run(self, source: Callable[[], AsyncIterator[T]]) -> None:
        try:
            items = source()
            try:
                async for item in items:
                    if self._over:
                        break
                    self._items.append(item)
                    self._wake()
                    if len(self._items) >= QUEUE_ITEMS:
                        await self._until_read()
            finally:
                close: Callable[[], Awaitable[None]] | None = getattr(items, "aclose", None)
                if close is not None:
                    await close()
        except ProviderError as error:
            self._failed(error)
        except asyncio.CancelledError:
            if self._over:
                raise
            self._failed(self._error("provider_cancelled", "cancelled itself"))
        except Exception as error:  # noqa: BLE001 - a provider's bug is a failed attempt, not a failed call
            self._failed(self._error("provider_crashed", f"raised {type(error).__name__}"))
        finally:
            self._finish()

    def _failed(self, error: ProviderError) -> None:
        if not self._over:
            self._failure = error

    async def _until_read(self) -> None:
        self._room = self._loop.create_future()
        try:
            await self._room
        finally:
            self._room = None

    def _finish(self) -> None:
        self._over = True
        self._stop_timer()
        self._wake()

    def _due(self) -> None:
        self._timer = None
        if self._deadline is None or self._over:
            return
        if self._deadline > self._loop.time():
            self._timer = self._loop.call_at(self._deadline, self._due)
        elif not self._items:
            self.fail("timeout", "gave nothing useful in time")

    def _error(self, code: str, what: str) -> ProviderError:
        return ProviderError(f"{self._provider} {what}", code=code, stage=self._stage)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
