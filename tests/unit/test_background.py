"""Work beside: it is begun anew after a failure, tells no words of it, and ends with its block."""

from __future__ import annotations

import asyncio

import pytest

from aivoice.background import in_background
from aivoice.testing.virtual_time import run_virtual


def test_work_that_fails_is_begun_anew_and_tells_no_words(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise ExceptionGroup("card 4111", [ValueError("card 4111"), KeyError("card 4111")])
        if rounds == 3:
            await asyncio.Event().wait()

    async def scenario() -> None:
        async with in_background({"chores": work}):
            await asyncio.sleep(60)

    run_virtual(scenario())
    assert rounds == 3
    assert "chores failed (ValueError, KeyError)" in caplog.text
    assert "chores ended" in caplog.text
    assert "4111" not in caplog.text


def test_all_of_it_ends_with_the_block_also_by_an_error() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async def scenario() -> None:
        async with in_background({"one": work, "two": work}):
            await asyncio.sleep(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run_virtual(scenario())
    assert ended == ["work", "work"]
