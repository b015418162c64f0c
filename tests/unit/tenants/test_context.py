"""Contexts: made once, never another tenant's, never an old one after a change was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.tenants.context import Contexts

Made = tuple[str, int, int]


class Builder:
    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []
        self.gate: asyncio.Event | None = None
        self.fails = False

    async def __call__(self, tenant: str, version: int) -> Made:
        self.made.append((tenant, version))
        number = len(self.made)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise RuntimeError
        return (tenant, version, number)


def run(scenario: Callable[[Builder, Contexts[Made]], Awaitable[None]], most: int = 500) -> None:
    async def held() -> None:
        build = Builder()
        await scenario(build, Contexts(build, most=most))

    asyncio.run(held())


def test_it_is_made_once_however_many_wait_and_one_that_gives_up_cancels_nothing() -> None:
    async def scenario(build: Builder, contexts: Contexts[Made]) -> None:
        build.gate = asyncio.Event()
        waiting = [asyncio.create_task(contexts.get("alpha", 1)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        build.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [("alpha", 1, 1)] * 4
        assert build.made == [("alpha", 1)]

    run(scenario)


def test_what_fails_is_tried_again() -> None:
    async def scenario(build: Builder, contexts: Contexts[Made]) -> None:
        build.fails = True
        with pytest.raises(RuntimeError):
            await contexts.get("alpha", 1)
        build.fails = False
        assert await contexts.get("alpha", 1) == ("alpha", 1, 2)

    run(scenario)


def test_a_change_that_is_told_while_it_is_made_counts_for_the_next() -> None:
    async def scenario(build: Builder, contexts: Contexts[Made]) -> None:
        build.gate = asyncio.Event()
        early = asyncio.create_task(contexts.get("alpha", 1))
        await asyncio.sleep(0)
        contexts.forget("alpha")
        late = asyncio.create_task(contexts.get("alpha", 1))
        await asyncio.sleep(0)
        build.gate.set()
        assert await early == ("alpha", 1, 1)
        assert await late == ("alpha", 1, 2)
        assert await contexts.get("alpha", 1) == ("alpha", 1, 2)

    run(scenario)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["alpha", "bravo", "alpha-2"]), st.integers(1, 3), st.booleans()), max_size=30)
)
def test_whoever_asks_gets_their_own_version(asked: list[tuple[str, int, bool]]) -> None:
    async def scenario(_: Builder, contexts: Contexts[Made]) -> None:
        for tenant, version, forget in asked:
            if forget:
                contexts.forget(tenant)
            found = await contexts.get(tenant, version)
            assert found[:2] == (tenant, version)
        assert len(contexts) <= 2

    run(scenario, most=2)
