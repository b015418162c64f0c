"""Fallback chains: what every chain over providers of one port must do, beyond its port's own suite.

A chain is tried through ``ask``: one whole operation (a reply, a clause spoken, an utterance heard) that gives its
text or sound as a value, so that one suite serves all ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aivoice.errors import ProviderError
from aivoice.testing.conformance import cancelled, patiently

Health = Literal["fine", "refuses", "silent", "crashes", "breaks_midway", "ignores_cancellation"]
HEALTHS: tuple[Health, ...] = ("refuses", "silent", "crashes", "ignores_cancellation")
"""Ways to fail before anything useful has come: never heard by the caller."""


@dataclass(frozen=True, slots=True)
class Subject:
    """build: a chain over providers of these healths, in this order. ask: one operation on it → what came of it, or
    ProviderError. close: the chain's end. within_s: the limit to the first useful output of one provider."""

    build: Callable[[Sequence[Health]], Any]
    ask: Callable[[Any], Awaitable[object]]
    close: Callable[[Any], Awaitable[None]]
    within_s: float


async def _ask(subject: Subject, *healths: Health) -> tuple[object, float]:
    loop = asyncio.get_running_loop()
    chain = subject.build(healths)
    started = loop.time()
    try:
        return await patiently(subject.ask(chain), f"asking {healths}"), loop.time() - started
    finally:
        await patiently(subject.close(chain), "closing the chain")


async def the_first_is_used_while_it_is_fine(subject: Subject) -> None:
    answer, took = await _ask(subject, "fine", "refuses")
    alone, alone_took = await _ask(subject, "fine")
    assert answer == alone
    assert abs(took - alone_took) < 0.05


async def the_next_takes_over_unnoticed(subject: Subject) -> None:
    alone, alone_took = await _ask(subject, "fine")
    for health in HEALTHS:
        answer, took = await _ask(subject, health, "fine")
        assert answer == alone, f"after one that {health}, the answer differs"
        assert took <= alone_took + subject.within_s + 0.2, f"after one that {health}, it took {took:.2f} s"


async def the_last_of_many_still_answers(subject: Subject) -> None:
    answer, took = await _ask(subject, *HEALTHS, "fine")
    alone, alone_took = await _ask(subject, "fine")
    assert answer == alone
    assert took <= alone_took + len(HEALTHS) * (subject.within_s + 0.2)


async def when_all_fail_it_says_so_in_time(subject: Subject) -> None:
    for health in HEALTHS:
        started = asyncio.get_running_loop().time()
        try:
            await _ask(subject, health, health)
        except ProviderError as error:
            code = error.code
        else:
            raise AssertionError(f"two providers that each {health} gave an answer")
        assert code == "all_providers_failed"
        assert asyncio.get_running_loop().time() - started <= 2 * (subject.within_s + 0.2) + 1.2


async def cancelling_leaves_it_usable(subject: Subject) -> None:
    chain = subject.build(["ignores_cancellation", "fine"])
    await cancelled(lambda: subject.ask(chain), after_s=0.05)
    await patiently(subject.ask(chain), "asking again")
    await patiently(subject.close(chain), "closing the chain")


CHECKS = (
    the_first_is_used_while_it_is_fine,
    the_next_takes_over_unnoticed,
    the_last_of_many_still_answers,
    when_all_fail_it_says_so_in_time,
    cancelling_leaves_it_usable,
)
