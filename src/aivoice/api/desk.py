"""The calls of this process: who is admitted, which are live, which ended.

A slot is taken before anything of a call is awaited and given back when the call has ended, so the cap holds however
many offers come at once. Calls over the cap are refused, never degraded.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from aivoice.api.directory import BusinessInfo, Directory, LoadedBusinesses, Ringing
from aivoice.api.hub import CallHub
from aivoice.engine.disk import DiskError
from aivoice.errors import CapacityError, VoiceError

log = logging.getLogger(__name__)

REMEMBERED = 200
"""Ended calls that are still listed; their files stay for as long as nobody deletes them."""


class NoSuchCallError(VoiceError):
    """The call is not known, or not live any more."""

    code, stage, status = "call_unknown", "api", 404


class NoFilesError(VoiceError):
    """The disk refuses a call's files, so the call is not begun. Where they lie is told to the log alone."""

    stage, retryable = "api", True

    def __init__(self, cause: DiskError) -> None:
        full = cause.code == "disk_full"
        super().__init__(
            "The server has no space left for a call's files: free some or choose another --out, then call again."
            if full
            else "The server cannot write a call's files: its log says why; mend that and call again.",
            code=cause.code,
        )
        self.status = cause.status


class LiveCall(Protocol):
    """A running call."""

    answer_sdp: str

    async def hang_up(self, reason: str) -> None:
        """End the call and return when it has ended (bounded by the session's own limits). Idempotent."""
        ...

    def press(self, digit: str) -> None:
        """One key of the keypad: `0`-`9 * #`."""
        ...

    async def wait_closed(self) -> str:
        """The reason for the end, once the call's files are whole. Cancelling the wait ends nothing."""
        ...


class Archive(Protocol):
    """Gives the files of calls that are not plain ones in the call's folder."""

    async def read(self, business_id: str, call_id: str, name: str) -> bytes:
        """A file of an ended call, as `app.FILES` names them. Raises VoiceError, NotFoundError among them."""
        ...


class CallFactory(Protocol):
    """Makes calls. `start` answers an offer: the call runs when it returns.

    Raises InputError for an offer that cannot be answered. directory: where the call's files go (exists).
    hub: gets every record of the call, from before `start` returns.
    """

    async def start(
        self, offer_sdp: str, *, call_id: str, business: BusinessInfo, directory: Path, hub: CallHub
    ) -> LiveCall: ...


@dataclass(slots=True)
class CallInfo:
    """A call as the API shows it."""

    id: str
    business: BusinessInfo
    started: datetime
    directory: Path
    hub: CallHub
    call: LiveCall | None = None
    ended: datetime | None = None
    reason: str = ""

    @property
    def live(self) -> bool:
        return self.ended is None


class CallDesk:
    """``async with CallDesk(…) as desk``: on exit every live call is hung up, and its files are whole.

    businesses: who answers. capacity: most calls at a time. directory: parent of the calls' folders. now: wall clock
    with zone. archive: None: the calls' files are plain.
    """

    def __init__(
        self,
        factory: CallFactory,
        businesses: Directory | Sequence[BusinessInfo],
        *,
        capacity: int,
        directory: Path,
        now: Callable[[], datetime],
        new_id: Callable[[datetime], str] | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.businesses = LoadedBusinesses(businesses) if isinstance(businesses, Sequence) else businesses
        self.capacity = capacity
        self.directory = directory
        self.archive = archive
        self._factory = factory
        self._now = now
        self._new_id = new_id or _new_id
        self._taken: Counter[str] = Counter()  # lines by business, those being set up included; "" is nobody's yet
        self._calls: OrderedDict[str, CallInfo] = OrderedDict()
        self._tasks = asyncio.TaskGroup()
        self._stack = AsyncExitStack()
        self._open = False

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._tasks)
        self._stack.push_async_callback(self.hang_up_all, "shutdown")
        self._open = True
        return self

    async def __aexit__(self, *error: object) -> None:
        self._open = False
        await self._stack.aclose()

    @property
    def taken(self) -> int:
        """Slots in use: live calls and those being set up."""
        return self._taken.total()

    def calls(self) -> list[CallInfo]:
        """Live and remembered calls, newest first."""
        return list(reversed(self._calls.values()))

    def find(self, call_id: str) -> CallInfo:
        """Raises NoSuchCallError."""
        info = self._calls.get(call_id)
        if info is None:
            raise NoSuchCallError("There is no such call; GET /calls lists those that this server knows.")
        return info

    def find_live(self, call_id: str) -> tuple[CallInfo, LiveCall]:
        """Raises NoSuchCallError, also for a call that has ended."""
        info = self.find(call_id)
        if info.call is None or not info.live:
            raise NoSuchCallError("This call has already ended.", code="call_ended")
        return info, info.call

    async def start(self, offer_sdp: str, business_id: str = "", *, number: str = "", caller: str = "") -> CallInfo:
        """Answer an offer. Raises CapacityError, InputError (offer, business), NoFilesError, or as the businesses'
        directory and the factory raise.

        Cancelled half-way (the client vanished), the call is ended and the slot free again.
        """
        if not self._open:
            raise CapacityError("The server is shutting down; try again in a moment.")
        self._check(self._taken.total(), self.capacity)
        started = self._now()
        ringing = Ringing(self._new_id(started), number, business_id, caller)
        self._taken[""] += 1
        try:
            business = await self.businesses.admit(ringing)
        finally:
            self._taken[""] -= 1
        self._taken[business.id] += 1
        info = CallInfo(
            ringing.call_id,
            business,
            started,
            self.directory / business.folder / ringing.call_id,
            CallHub(business.clips),
        )
        try:
            self._check(self._taken[business.id] - 1, business.lines)
            await asyncio.to_thread(_make_folder, info.directory)
            info.call = await self._factory.start(
                offer_sdp, call_id=info.id, business=business, directory=info.directory, hub=info.hub
            )
        except BaseException as error:
            self._taken[business.id] -= 1
            _remove_if_empty(info.directory)
            await asyncio.shield(self.businesses.dismiss(ringing))
            if isinstance(error, DiskError):
                log.warning("call %s was refused: %s", info.id, error)
                raise NoFilesError(error) from error
            raise
        if not self._open:  # the server began to shut down meanwhile: nobody would watch this call
            self._taken[business.id] -= 1
            await info.call.hang_up("shutdown")
            raise CapacityError("The server is shutting down; try again in a moment.")
        self._remember(info)
        self._tasks.create_task(self._watch(info, info.call.wait_closed), name=f"watch {info.id}")
        return info

    @staticmethod
    def _check(taken: int, lines: int) -> None:
        if lines and taken >= lines:
            raise CapacityError(f"All {lines} lines are busy; try again in a moment.")

    async def hang_up(self, call_id: str, reason: str = "caller_hung_up") -> CallInfo:
        """End a live call; returns when it has ended. Raises NoSuchCallError, also the second time."""
        info, call = self.find_live(call_id)
        await call.hang_up(reason)
        return info

    async def hang_up_all(self, reason: str) -> None:
        """End every live call, all at once."""
        async with asyncio.TaskGroup() as group:
            for info in self.calls():
                if info.live and info.call is not None:
                    group.create_task(info.call.hang_up(reason), name=f"hang up {info.id}")

    async def _watch(self, info: CallInfo, closed: Callable[[], Awaitable[str]]) -> None:
        try:
            info.reason = await closed()
        except Exception as error:  # noqa: BLE001 - a failed call ends as a call; the desk and the others go on
            log.error("call %s failed: %s", info.id, type(error).__name__)  # not its text: it may hold what was said
            info.reason = "failed"
        finally:
            info.ended = self._now()
            info.call = None
            info.hub.close()
            self._taken[info.business.id] -= 1

    def _remember(self, info: CallInfo) -> None:
        self._calls[info.id] = info
        ended = [call_id for call_id, known in self._calls.items() if not known.live]
        for call_id in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._calls[call_id]


def _new_id(started: datetime) -> str:
    """Sorts by time, unique by chance: ``20261122-201530-9f31c2``."""
    return f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _make_folder(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # what callers say is not for every user here
    except OSError as error:
        raise DiskError.of(str(directory), error, "free space, or start the server with another --out") from None


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        log.debug("left %s as it is: not empty", directory.name)
