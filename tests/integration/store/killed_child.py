"""A process that holds calls until it is killed: ``python -m tests.integration.store.killed_child APP PLATFORM NAME
SEED LOG``.

It writes to LOG, unbuffered, what it is about to tell the bill and what was committed: ``told call used`` and
``kept call used``. Its calls live by a clock of their own, in which an hour takes a second.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import datetime, timedelta

from tests.integration.store.running import NOW, derive

from aivoice.billing import CallCredit, Leases, UsageEvent, record
from aivoice.store import Store, Urls
from aivoice.tenants.records import DeadCalls, Segment, close_record, open_record
from aivoice.tenants.sealing import DerivedSealer

TENANTS = ("alpha", "bravo", "charlie")
CALLS_AT_ONCE = 8
SPEED = 3_600.0


class Clock:
    """Seconds and moments that pass `SPEED` times as fast."""

    def __init__(self, begin: datetime) -> None:
        self._begin = begin
        self._started = asyncio.get_running_loop().time()

    def seconds(self) -> float:
        return (asyncio.get_running_loop().time() - self._started) * SPEED

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self.seconds())


async def hold(store: Store, clock: Clock, name: str, seed: int, log: int) -> None:
    rng = random.Random(seed)
    leases = Leases(records=DeadCalls())
    texts = DerivedSealer(derive)

    def say(what: str, call_id: str, used: int) -> None:
        os.write(log, f"{what} {call_id} {used}\n".encode())

    async def call(tenant: str, call_id: str, length: int) -> None:
        async with store.tenant(tenant) as scope:
            admission = await leases.admit(scope, call_id, clock.now(), holder=name)
            if not admission.granted:
                return
            await open_record(
                scope, texts, call_id, number="", caller="", why="usual", action="answer", version=1, process=name,
                now=clock.now(),
            )  # fmt: skip
        say("kept", call_id, 0)
        at = [clock.seconds()]  # the call's own time: it stands still while the bill is asked, so that LOG is exact
        credit = CallCredit(store, leases, tenant, call_id, admission, clock=lambda: at[0], wall=clock.now)
        await credit.renew()
        leased = admission.seconds
        while credit.used_s < length:
            await asyncio.sleep(max(0.0, (min(length, leased - 20) - credit.used_s) / SPEED))
            at[0] = clock.seconds()
            used = credit.used_s
            if used >= length:
                break
            say("told", call_id, used)
            more = await credit.renew()
            say("kept", call_id, used)
            if not more:
                break
            leased += more
        credit.ended()
        used = credit.used_s
        say("told", call_id, used)
        event = UsageEvent(f"{call_id}:stt", "stt.seconds", "embedded", used)
        await credit.settle((event,))
        async with store.tenant(tenant) as scope:
            await record(scope, call_id, [event], clock.now())  # told twice, kept once
            await close_record(
                scope, texts, call_id, reason="ended", seconds=used, turns=1, transferred="",
                segments=[Segment("caller", 0, 1, "Hello.")], now=clock.now(),
            )  # fmt: skip
        say("kept", call_id, used)

    async def line(number: int) -> None:
        for turn in range(10_000):
            tenant = rng.choice(TENANTS)
            await call(tenant, f"{name}-{number}-{turn}", rng.randint(5, 400))

    async with asyncio.TaskGroup() as group:
        for number in range(CALLS_AT_ONCE):
            group.create_task(line(number))


async def main(app: str, platform: str, name: str, seed: int, log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with Store(Urls("", app, platform), app=CALLS_AT_ONCE) as store:
        clock = Clock(NOW + timedelta(hours=seed))
        os.write(descriptor, b"ready - 0\n")
        await hold(store, clock, name, seed, descriptor)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
