"""An asyncio event loop whose clock is a number: a minute of call runs in milliseconds, and real models stay honest.

How time moves
- Something is ready: time stands still while it runs.
- Nothing is ready, no external work: time jumps to the next timer. Two runs of the same program are identical.
- External work is in flight (executor jobs, `asyncio.to_thread`, sockets of this loop, whatever called
  `external_begin`): the loop waits for it in real time, and virtual time moves by the real time that passed, timer by
  timer, so a timer that falls due meanwhile fires at its own time and a 60 ms inference costs 60 virtual ms.
- Nothing is ready, no timer, no external work: `DeadlockError` names the tasks that wait for ever.

Time is kept in whole microseconds and starts at 0 (`start_us`); `loop.time()` is such that
``int(loop.time() * 1e6)`` gives the microseconds back exactly.

Code that works outside asyncio's own executors (a reader thread, a pipe to another process) brackets each request with
``loop.external_begin()`` and ``loop.external_end()``; production code finds them by
``getattr(asyncio.get_running_loop(), "external_begin", None)`` and need not import this module. Deliver the result with
`call_soon_threadsafe` BEFORE `external_end`, or time may jump past it.

The idea of a leaping selector is that of livekit-agents' ``tests/virtual_time.py``; external work and the exact clock
are added here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

from aivoice.testing.leaks import assert_no_leaked_tasks, describe_task

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")

POLL_EVERY = 64
"""Turns of the loop between looks at the self-pipe when no real socket is registered (signals arrive there)."""
SPIN_LIMIT = 500_000
"""Turns of the loop without any progress of time after which the program is called spinning."""
REAL_PATIENCE_S = 60.0
"""Real seconds to wait for external work that nothing else bounds, before it is called stuck."""


class DeadlockError(RuntimeError):
    """Nothing can ever happen again in this loop; the message names the tasks and where they wait."""


class SpinError(RuntimeError):
    """The loop turned `SPIN_LIMIT` times without time moving: some tasks wake each other for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module. `sockets_hold`: sockets registered with the loop make time run in real time (the default);
    with False they are polled only, for connections that idle most of the time and bracket their work themselves.
    limit_s: virtual seconds after which the loop raises TimeoutError (once; shutting down may take longer)."""

    def __init__(self, *, start_us: int = 0, sockets_hold: bool = True, limit_s: float = math.inf) -> None:
        self._now_us = start_us
        self._now_s = _seconds(start_us)
        self._limit_us = start_us + limit_s * 1e6
        self._sockets_hold = sockets_hold
        self._lock = threading.Lock()
        self._external = 0
        self._anchor = 0.0
        self._debt_us = 0.0
        self._still = 0
        self._leaper = _LeapingSelector(self)
        super().__init__(self._leaper)
        self._own_fds = len(self._leaper.get_map())
        self._clock_resolution = 1e-9

    # ------------------------------------------------------------ clock

    def time(self) -> float:
        """Virtual seconds; never real ones."""
        return self._now_s

    def time_us(self) -> int:
        """Virtual microseconds, exact."""
        return self._now_us

    def _advance(self, us: int) -> None:
        if us > 0:
            self._now_us += us
            self._now_s = _seconds(self._now_us)
            self._still = 0
            if self._now_us > self._limit_us:
                self._limit_us = math.inf
                raise TimeoutError(f"the virtual clock passed its limit at {self._now_s:.6f} s; {self._stuck()}")

    # ------------------------------------------------------------ external work

    def external_begin(self) -> None:
        """One more piece of real work is in flight. Thread-safe."""
        with self._lock:
            if self._external == 0:
                self._anchor = time.perf_counter()
            self._external += 1

    def external_end(self) -> None:
        """One piece of real work is done (its result already handed over). Thread-safe; also safe after close."""
        with self._lock:
            if self._external == 0:
                raise RuntimeError("external_end without external_begin")
            self._external -= 1
            if self._external == 0:
                self._debt_us += (time.perf_counter() - self._anchor) * 1e6
                try:
                    self.call_soon_threadsafe(_nothing)
                except RuntimeError:
                    return  # closed meanwhile: nobody is left to wake

    @property
    def external_in_flight(self) -> int:
        """Pieces of real work now in flight, sockets not counted."""
        return self._external

    def _settle(self) -> float:
        """Microseconds of real time that passed under external work and are not yet in the clock."""
        with self._lock:
            if self._external:
                now = time.perf_counter()
                self._debt_us += (now - self._anchor) * 1e6
                self._anchor = now
            return self._debt_us

    def _pay(self, limit_us: float) -> None:
        """Move the clock by what is owed, but not past the next timer."""
        due = int(min(self._settle(), limit_us))
        self._debt_us -= due
        self._advance(due)

    def run_in_executor(  # type: ignore[override]
        self, executor: concurrent.futures.Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As in asyncio; the job counts as external work until its thread or process has really finished."""
        if executor is None:
            if self._default is None:
                self._default = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")
                self.set_default_executor(self._default)
            executor = self._default
        self.external_begin()
        try:
            job = executor.submit(func, *args)
        except BaseException:
            self.external_end()
            raise
        future = asyncio.wrap_future(job, loop=self)  # its callback hands the result over first …
        job.add_done_callback(lambda _: self.external_end())  # … and this one, added later, runs after it
        return future

    _default: concurrent.futures.ThreadPoolExecutor | None = None

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As in asyncio: joining the threads is real work."""
        self.external_begin()
        try:
            await super().shutdown_default_executor()
        finally:
            self.external_end()

    # ------------------------------------------------------------ one turn of the loop

    def wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """What asyncio asks of its selector: the ready descriptors, after at most `timeout` s of virtual time."""
        foreign = len(self._leaper.get_map()) > self._own_fds
        external = self._external > 0 or (foreign and self._sockets_hold)
        if timeout is not None and timeout <= 0:
            return self._poll_while_busy(foreign or external)
        if not external and self._debt_us < 1.0:
            return self._leap(timeout, foreign)
        return self._wait_really(timeout, external)

    def _poll_while_busy(self, look: bool) -> list[tuple[selectors.SelectorKey, int]]:
        self._still += 1
        if self._still > SPIN_LIMIT:
            self._still = 0
            raise SpinError(f"time stood still for {SPIN_LIMIT} turns at {self._now_s:.6f} s; {self._stuck()}")
        if self._debt_us or self._external:
            self._pay(self._until_next_timer_us())
        if look or self._still % POLL_EVERY == 0:
            return self._leaper.real.select(0)
        return []

    def _until_next_timer_us(self) -> float:
        scheduled: list[asyncio.TimerHandle] = getattr(self, "_scheduled")  # noqa: B009 - not in typeshed
        return max(0.0, (scheduled[0].when() - self._now_s) * 1e6) if scheduled else math.inf

    def _leap(self, timeout: float | None, foreign: bool) -> list[tuple[selectors.SelectorKey, int]]:
        if foreign and (ready := self._leaper.real.select(0)):
            return ready
        if timeout is None:
            if foreign and (ready := self._leaper.real.select(REAL_PATIENCE_S)):
                return ready
            if ready := self._leaper.real.select(0):
                return ready  # a thread spoke at the last moment
            raise DeadlockError(f"nothing is ready and no timer is set at {self._now_s:.6f} s; {self._stuck()}")
        self._advance(max(1, math.ceil(timeout * 1e6 - 1e-3)))
        return []

    def _wait_really(self, timeout: float | None, external: bool) -> list[tuple[selectors.SelectorKey, int]]:
        limit_us = math.inf if timeout is None else math.ceil(timeout * 1e6 - 1e-3)
        owed = self._settle()
        if owed >= limit_us:
            self._pay(limit_us)
            return []
        if not external:
            self._pay(limit_us)
            return []  # all is paid: the next turn leaps
        started = time.perf_counter()
        real_s = REAL_PATIENCE_S if timeout is None else (limit_us - owed) / 1e6
        ready = self._leaper.real.select(real_s)
        if self._external == 0 and self._sockets_hold and len(self._leaper.get_map()) > self._own_fds:
            with self._lock:  # sockets alone held the clock: nobody else counts their time
                self._debt_us += (time.perf_counter() - started) * 1e6
        self._pay(limit_us)
        if timeout is None and not ready and self._external and time.perf_counter() - started >= REAL_PATIENCE_S:
            raise DeadlockError(f"external work did not end in {REAL_PATIENCE_S:g} real s; {self._stuck()}")
        return ready

    def _stuck(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        return f"{len(tasks)} task(s): " + "; ".join(describe_task(task) for task in tasks)


class _LeapingSelector(selectors.BaseSelector):
    """asyncio's only wait goes through here."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self.real = selectors.DefaultSelector()

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self.real.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._loop.wait(timeout)

    def close(self) -> None:
        self.real.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self.real.get_map()


def run_virtual(
    coroutine: Coroutine[Any, Any, T],
    *,
    limit_s: float = 7_200.0,
    sockets_hold: bool = True,
    debug: bool = False,
    context: Context | None = None,
) -> T:
    """Run to the end on a fresh virtual loop, and check that no task is left behind.

    limit_s: virtual seconds after which TimeoutError is raised. Raises DeadlockError, SpinError, LeakError or what the
    coroutine raised.
    """

    async def bounded() -> T:
        result = await coroutine
        await assert_no_leaked_tasks()
        return result

    def make() -> VirtualTimeLoop:
        return VirtualTimeLoop(sockets_hold=sockets_hold, limit_s=limit_s)

    with asyncio.Runner(loop_factory=make, debug=debug) as runner:
        return runner.run(bounded(), context=context)


def _seconds(us: int) -> float:
    seconds = us / 1e6
    while int(seconds * 1e6) < us:
        seconds = math.nextafter(seconds, math.inf)
    return seconds


def _nothing() -> None:
    return None
