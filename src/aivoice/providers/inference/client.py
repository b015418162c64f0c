"""What a call process holds: submit jobs to the inference process from the event loop, get tickets back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aivoice.errors import MissingModelError, ProviderError
from aivoice.providers.inference.link import InferenceSettings, Link
from aivoice.providers.inference.schedule import Priority
from aivoice.providers.inference.wire import Kind, WireFrame, encode

MAX_IN_FLIGHT = 400
"""Tickets of one process; past it `submit` raises, as the queues behind it would be minutes long."""
LONG_PAUSE_S = 1.0
"""A restart that is further away than this is not waited for: the caller would hear the silence."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One part of an answer."""

    meta: Mapping[str, Any]
    blob: bytes


class Ticket:
    """One job's answer, as it comes. Belongs to the loop; every ticket ends exactly once.

    `changed`: called (on the loop) at each part and at the end; set it right after `submit`.
    """

    def __init__(self, owner: Inference, number: int) -> None:
        self._owner = owner
        self.number = number
        self.parts: deque[Reply] = deque()
        self.error: ProviderError | None = None
        self.done = False
        self.run_ms = 0.0
        self.changed: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> Reply | None:
        """The next part; None when the answer is complete. Raises ProviderError if the job failed.

        Cancelling the wait leaves the ticket usable.
        """
        while not self.parts:
            if self.error is not None:
                raise self.error
            if self.done:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.parts.popleft()

    async def all(self) -> list[Reply]:
        """Every part still to come. Cancelling it cancels the job."""
        replies: list[Reply] = []
        try:
            while (reply := await self.next()) is not None:
                replies.append(reply)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return replies

    def cancel(self) -> None:
        """The answer is no longer wanted: a waiting job is forgotten, a running one's result dropped. Idempotent."""
        if not self.done:
            self._owner.withdraw(self)
            self.finish(ProviderError("cancelled", code="inference_cancelled", stage="inference"))

    def promote(self, priority: Priority) -> None:
        """It is wanted more than when it was asked for (an eager transcript has become the final one)."""
        if not self.done:
            self._owner.promote(self, priority)

    def finish(self, error: ProviderError | None, run_ms: float = 0.0) -> None:
        """For `Inference` only."""
        if not self.done:
            self.done, self.error, self.run_ms = True, error, run_ms
            self.wake()

    def wake(self) -> None:
        """For `Inference` only."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.changed is not None:
            self.changed()


class Inference:
    """The client. One a process; used on the loop that entered it. ``async with Inference(settings) as inference:``

    Guarantees
    - Start-up ends with READY, or with MissingModelError / ProviderError saying what is wrong; never hangs past
      `settings.start_limit_s`.
    - When the child dies, tickets in flight fail at once with ProviderError ``inference_lost`` (retryable) and it is
      started again; tickets asked for meanwhile wait for it. When it dies again and again, they fail at once.
    - Leaving the block ends child and threads within `settings.end_limit_s` + 1 s, also on cancellation or a crash.
    - On a loop with `external_begin`/`external_end`, each ticket is marked as external work while it is in flight.
    """

    def __init__(self, settings: InferenceSettings, *, progress: Callable[[str], None] | None = None) -> None:
        self._settings = settings
        self._progress = progress
        self._tickets: dict[int, Ticket] = {}
        self._unsent: dict[int, bytes] = {}
        self._number = 0
        self._ready = False
        self._down = False
        self._closed = False
        self.restarts = 0
        self.jobs: frozenset[str] = frozenset()
        """What the process offers; known once it has started."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._begin: Callable[[], None] | None = getattr(self._loop, "external_begin", None)
        self._end: Callable[[], None] | None = getattr(self._loop, "external_end", None)
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._link = Link(
            self._settings,
            on_frame=lambda frame: self._post(self._on_frame, frame),
            on_lost=lambda pause: self._post(self._on_lost, pause),
            on_closed=lambda: self._post(self._on_closed),
        )
        self._mark(self._begin)
        self._link.start()
        try:
            async with asyncio.timeout(self._settings.start_limit_s):
                await self._started
        except TimeoutError:
            await self.aclose()
            raise _lost("the inference process did not start in time") from None
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._mark(self._end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the child and the threads. Idempotent, bounded."""
        self._closed = True
        self._fail_all("the inference process was stopped")
        self._link.close()
        self._mark(self._begin)
        try:
            async with asyncio.timeout(self._settings.end_limit_s + 3.0):
                await asyncio.shield(self._ended)
            self._link.join()
        except TimeoutError:
            pass  # the threads are daemons and the child watches its parent: nothing can outlive this process
        finally:
            self._mark(self._end)

    @property
    def process_id(self) -> int | None:
        """The child's, if this client owns one that runs."""
        return self._link.process_id

    def submit(
        self,
        job: str,
        meta: Mapping[str, Any],
        blob: bytes = b"",
        *,
        priority: Priority,
        wait_s: float | None = None,
    ) -> Ticket:
        """Ask for a job; never blocks. wait_s: it is worthless if it has not begun by then (error ``inference_stale``).

        Raises ProviderError when the client is closed, too much is in flight, or the job is too long for a frame.
        """
        if self._closed or self._down:
            raise _lost("the inference process is gone")
        if len(self._tickets) >= MAX_IN_FLIGHT:
            raise ProviderError("too much inference in flight", code="inference_full", stage="inference")
        self._number += 1
        ticket = Ticket(self, self._number)
        limit = {} if wait_s is None else {"wait_s": wait_s}
        asked = {**meta, "job": job, "priority": int(priority), **limit}
        frame = encode(WireFrame(Kind.REQUEST, self._number, asked, blob))
        self._tickets[ticket.number] = ticket
        self._mark(self._begin)
        try:
            if not self._ready or not self._link.send(frame):
                self._unsent[ticket.number] = frame
        except ProviderError:
            self._settle(ticket.number)
            raise
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """For `Ticket.cancel`."""
        if self._settle(ticket.number) is not None and self._unsent.pop(ticket.number, None) is None:
            self._tell(WireFrame(Kind.CANCEL, ticket.number))

    def promote(self, ticket: Ticket, priority: Priority) -> None:
        """For `Ticket.promote`."""
        if ticket.number in self._tickets and ticket.number not in self._unsent:
            self._tell(WireFrame(Kind.PROMOTE, ticket.number, {"priority": int(priority)}))

    # ------------------------------------------------------------ inside

    def _tell(self, frame: WireFrame) -> None:
        try:
            self._link.send(encode(frame))
        except ProviderError:
            pass  # only a wish; the answer is dropped when it comes

    def _settle(self, number: int) -> Ticket | None:
        """Take the ticket out of the books and let virtual time go on."""
        ticket = self._tickets.pop(number, None)
        if ticket is not None:
            self._mark(self._end)
        return ticket

    @staticmethod
    def _mark(hook: Callable[[], None] | None) -> None:
        if hook is not None:
            hook()

    def _post(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop has ended; nobody waits

    def _on_frame(self, frame: WireFrame) -> None:
        match frame.kind:
            case Kind.PROGRESS:
                if self._progress is not None and not self._ready:
                    self._progress(str(frame.meta.get("text", "")))
            case Kind.READY:
                self.jobs = frozenset(str(job) for job in frame.meta.get("jobs", ()))
                self._on_ready()
            case Kind.FAILED:
                self._on_failed(frame)
            case Kind.PART:
                if (ticket := self._tickets.get(frame.id)) is not None:
                    ticket.parts.append(Reply(frame.meta, frame.blob))
                    ticket.wake()
            case Kind.DONE:
                if (ticket := self._settle(frame.id)) is not None:
                    ticket.finish(None, float(frame.meta.get("run_ms", 0.0)))
            case Kind.ERROR:
                if (ticket := self._settle(frame.id)) is not None:
                    text, code = str(frame.meta.get("message", "")), str(frame.meta.get("code", ""))
                    ticket.finish(ProviderError(text, code=code, stage="inference"))
            case Kind.REQUEST | Kind.CANCEL | Kind.PROMOTE | Kind.PING | Kind.PONG:
                pass  # a server never sends these, and the link keeps the last; ignoring them harms nobody

    def _on_ready(self) -> None:
        self._ready, self._down = True, False
        if not self._started.done():
            self._started.set_result(None)
        unsent, self._unsent = self._unsent, {}
        for number, frame in unsent.items():
            try:
                if number in self._tickets and not self._link.send(frame):
                    self._unsent[number] = frame
            except ProviderError as error:  # its own failure: those behind it are sent all the same
                if (ticket := self._settle(number)) is not None:
                    ticket.finish(error)

    def _on_failed(self, frame: WireFrame) -> None:
        message, code = str(frame.meta.get("message", "")), str(frame.meta.get("code", ""))
        kind = MissingModelError if code == MissingModelError.code else ProviderError
        if not self._started.done():
            self._started.set_exception(kind(message, code=code))
            self._link.close()

    def _on_lost(self, pause_s: float) -> None:
        self._ready = False
        self._down = pause_s > LONG_PAUSE_S
        self.restarts += 1
        if not self._started.done():
            self._started.set_exception(_lost("the inference process ended while it was starting"))
            self._link.close()
        for number in [number for number in self._tickets if number not in self._unsent]:
            if (ticket := self._settle(number)) is not None:
                ticket.finish(_lost("the inference process ended unexpectedly"))
        if self._down:
            self._fail_all("the inference process keeps ending")

    def _on_closed(self) -> None:
        self._down = True
        self._fail_all("the inference process was stopped")
        if not self._ended.done():
            self._ended.set_result(None)

    def _fail_all(self, why: str) -> None:
        self._unsent.clear()
        for number in list(self._tickets):
            if (ticket := self._settle(number)) is not None:
                ticket.finish(_lost(why))


def _lost(message: str) -> ProviderError:
    return ProviderError(message, code="inference_lost", stage="inference")
