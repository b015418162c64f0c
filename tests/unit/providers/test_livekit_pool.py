"""Plugin objects are lent to one stream at a time, used again, and let go."""

from __future__ import annotations

import asyncio
from typing import Any

from aivoice.providers.livekit.pool import Pool
from aivoice.testing.virtual_time import run_virtual


class Plugin:
    def __init__(self, voice: str) -> None:
        self.voice, self.warmed, self.closed = voice, 0, False
        self.hangs = False

    def prewarm(self) -> None:
        self.warmed += 1

    async def aclose(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.closed = True


class Made:
    def __init__(self) -> None:
        self.all: list[Plugin] = []
        self.pool = Pool(self._make, prewarm=True)

    def _make(self, voice: str) -> Any:
        self.all.append(Plugin(voice))
        return self.all[-1]


def test_one_is_used_again_by_the_next_and_never_by_two() -> None:
    async def scenario() -> None:
        made = Made()
        first = made.pool.lend("anna")
        second = made.pool.lend("anna")
        assert first.plugin is not second.plugin
        assert not first.used
        made.pool.give_back(first, well=True)
        assert made.pool.lend("bob").plugin is not first.plugin
        again = made.pool.lend("anna")
        assert again.plugin is first.plugin
        assert again.used
        await made.pool.aclose()

    run_virtual(scenario())


def test_one_that_was_cut_off_is_closed_and_replaced_by_a_warm_one() -> None:
    async def scenario() -> None:
        made = Made()
        lent = [made.pool.lend("anna") for _ in range(4)]
        for each in lent[:3]:
            made.pool.give_back(each, well=False)
            made.pool.warm("anna")
        await asyncio.sleep(0.1)
        assert [plugin.closed for plugin in made.all[:4]] == [True] * 3 + [False]
        assert [plugin.warmed for plugin in made.all[4:]] == [1, 1]
        for _ in range(5):
            made.pool.warm("anna")  # one is lent: those are enough
        assert len(made.all) == 6
        made.pool.give_back(lent[3], well=True)
        await made.pool.aclose()
        assert all(plugin.closed for plugin in made.all)

    run_virtual(scenario())


def test_those_that_waited_too_long_are_let_go() -> None:
    async def scenario() -> None:
        made = Made()
        made.pool.warm("anna")
        await asyncio.sleep(200)
        made.pool.warm("anna")
        await asyncio.sleep(0)
        assert [plugin.closed for plugin in made.all] == [True, False]
        lent = made.pool.lend("anna", fresh=True)
        assert lent.plugin is made.all[2]
        await made.pool.aclose()
        assert [plugin.closed for plugin in made.all] == [True, True, False]
        made.pool.give_back(lent, well=True)
        await asyncio.sleep(0.1)
        assert made.all[2].closed, "one that comes back after the end is closed, too"

    run_virtual(scenario())


def test_a_goodbye_without_an_answer_holds_nobody_up() -> None:
    async def scenario() -> None:
        made = Made()
        made.pool.warm("anna")
        made.all[0].hangs = True
        started = asyncio.get_running_loop().time()
        await made.pool.aclose()
        assert asyncio.get_running_loop().time() - started <= 1.0

    run_virtual(scenario())
