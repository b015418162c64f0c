"""A call that has to be paid for: what its credit grants is what it may last."""

from __future__ import annotations

import asyncio
import random

import pytest

from aivoice.audio.frames import SILENCE
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Lease, Silence
from aivoice.engine.session import CallEnded, CallSession, Providers
from aivoice.testing import scenarios
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeVad, Truth, TtsBehaviour
from aivoice.testing.virtual_time import run_virtual
from aivoice.transports.memory import MemoryTransport

CONFIG = CallConfig(lease=Lease(60, 20), silence=Silence(reprompt=3_600_000), max_call=3_600_000, goodbye_wait=14_000)


class Purse:
    """Grants what it was given, one after the other; then it raises, hangs or has nothing left."""

    def __init__(self, *grants: int, then: str = "nothing") -> None:
        self.grants, self.then = list(grants), then
        self.asked_at: list[float] = []

    async def renew(self) -> int:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.grants:
            return self.grants.pop(0)
        if self.then == "raises":
            raise RuntimeError("an account number")
        if self.then == "hangs":
            await asyncio.sleep(10_000)
        return 0


def hold(purse: Purse | None, config: CallConfig = CONFIG, limit_s: float = 400) -> tuple[CallEnded, list[object]]:
    seen: list[object] = []

    async def scenario() -> CallEnded:
        rng, pacer = random.Random(1), Pacer(asyncio.get_running_loop())
        session = CallSession(
            call_id="x",
            transport=MemoryTransport(lambda: SILENCE, pacer=pacer),
            providers=Providers(
                FakeStt(Truth(), rng=rng),
                FakeLlm(scenarios.author, rng=rng),
                FakeTts(TtsBehaviour(pcm=True), rng=rng),
                FakeVad(),
            ),
            config=config,
            credit=purse,
            observers=(lambda _, item: seen.append(item),),
            pacer=pacer,
        )
        asyncio.get_running_loop().call_later(limit_s, session.hang_up, "test_over")
        ended = await session.run()
        pacer.close()
        return ended

    return run_virtual(scenario()), seen


def test_it_is_asked_when_twenty_seconds_are_left_and_goes_on() -> None:
    purse = Purse(60, 60, 45, 60, 60, 60)
    ended, _ = hold(purse, limit_s=200)
    assert ended.reason == "test_over"
    first = purse.asked_at[0]
    assert [round(at - first) for at in purse.asked_at] == [0, 40, 100, 145]


@pytest.mark.parametrize("then", ["nothing", "raises"])
def test_without_more_it_says_goodbye_and_hangs_up_within_fifteen_seconds_of_the_refusal(then: str) -> None:
    purse = Purse(60, then=then)
    ended, seen = hold(purse)
    assert ended.reason == "no_credit"
    assert any(isinstance(item, c.Play) and item.cached == "credit" for item in seen)
    assert 40 <= ended.duration_us / 1e6 <= 40 + 15
    assert "account number" not in repr(seen)


def test_a_renewal_that_is_still_waited_for_ends_with_the_call() -> None:
    """Whoever grants bounds the wait (`billing.running`); here it never answers, and the caller hangs up."""
    ended, _ = hold(Purse(60, then="hangs"), limit_s=70)
    assert ended.reason == "test_over"


def test_where_nobody_keeps_accounts_as_much_is_granted_as_is_asked_for() -> None:
    ended, seen = hold(None, limit_s=130)
    assert ended.reason == "test_over"
    assert [item.seconds for item in seen if isinstance(item, e.LeaseGranted)] == [60, 60, 60]


def test_an_announcement_is_all_that_its_call_says() -> None:
    config = CallConfig(announcement="closed", clips={"closed": "We are closed. Please call again tomorrow."})
    ended, seen = hold(None, config)
    assert ended.reason == "announced"
    assert [item.cached for item in seen if isinstance(item, c.Play)] == ["closed"]
    assert ended.duration_us < 10e6
