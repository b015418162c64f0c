"""`CallCredit`: one running call's side of its lease, for whoever runs the call."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from aivoice.billing.leases import Admission, Bill, Leases
from aivoice.billing.usage import UsageEvent, record
from aivoice.errors import VoiceError
from aivoice.store import Store, StoreError

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between tries while the database cannot be asked; the last one over and over."""

_log = logging.getLogger(__name__)


def _utc() -> datetime:
    return datetime.now(UTC)


class CallCredit:
    """Made from a granted admission, before the answer. clock: monotonic seconds. wall: now, with a zone.

    ``answered()`` at the core's `Answered`; ``renew()`` for every `RenewLease`, one at a time; ``settle()`` once at the
    end, whatever became of the call.
    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        tenant_id: str,
        call_id: str,
        admission: Admission,
        *,
        clock: Callable[[], float],
        wall: Callable[[], datetime] = _utc,
    ) -> None:
        self._store, self._leases, self._tenant, self._call = store, leases, tenant_id, call_id
        self._clock, self._wall = clock, wall
        self._first, self._leased_s, self._number = admission.seconds, admission.seconds, 1
        self._answered: float | None = None
        self._ended: float | None = None

    def answered(self) -> None:
        """Time counts from here; again, it changes nothing."""
        if self._answered is None:
            self._answered = self._clock()

    def ended(self) -> None:
        """Time counts to here (settling may come later); again, it changes nothing."""
        if self._ended is None:
            self._ended = self._clock()

    @property
    def used_s(self) -> int:
        """Seconds since the answer, rounded up; 0 before it."""
        if self._answered is None:
            return 0
        end = self._clock() if self._ended is None else self._ended
        return max(0, math.ceil(end - self._answered))

    async def renew(self) -> int:
        """Seconds more, for `LeaseGranted`; 0: refused. The first answer is the minute of the admission, at once.

        While the database cannot be asked it is asked again until the lease ends: then 0, so that a call never outlives
        its lease by more than the goodbye. Raises nothing but CancelledError.
        """
        self.answered()
        if self._first:
            seconds, self._first = self._first, 0
            return seconds
        for pause in _pauses():
            left = self._leased_s - self.used_s
            try:
                async with asyncio.timeout(max(0.5, left)), self._store.tenant(self._tenant) as scope:
                    found = await self._leases.renew(scope, self._call, self._number, self.used_s, self._wall())
            except (StoreError, TimeoutError) as error:
                _log.warning("call %s: its credit could not be renewed yet: %s", self._call, type(error).__name__)
            except VoiceError as error:  # the tenant was erased in mid-call: nobody pays any more
                _log.warning("call %s: its credit is refused: %s", self._call, error)
                return 0
            else:
                if found.granted:
                    self._number += 1
                    self._leased_s += found.seconds
                return found.seconds
            if self._leased_s - self.used_s <= pause:
                return 0
            await asyncio.sleep(pause)
        raise AssertionError("pauses do not end")

    async def settle(self, usage: tuple[UsageEvent, ...] = ()) -> Bill:
        """Charge what was used and return the rest, with the call's usage events; tried until the database can be
        asked.

        Run it in a group that outlives the call. Cancelled before it returns, the call is left to `Leases.recover`,
        which bills what was told last. Raises NotFoundError for a call that was never admitted.
        """
        self.ended()
        for pause in _pauses():
            try:
                async with self._store.tenant(self._tenant) as scope:
                    now = self._wall()
                    bill = await self._leases.settle(scope, self._call, self.used_s, now)
                    if usage:
                        await record(scope, self._call, usage, now, prices=self._leases.prices)
                    return bill
            except StoreError as error:
                _log.warning("call %s: it could not be settled yet: %s", self._call, error)
            await asyncio.sleep(pause)
        raise AssertionError("pauses do not end")


def _pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]
