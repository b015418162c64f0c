"""The contexts of tenants in a call process: made once for (tenant, version), kept while they are used, never mixed
up."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aivoice.store import Store, StoreError
from aivoice.tenants.numbers import CHANNEL

T = TypeVar("T")
Build = Callable[[str, int], Awaitable[T]]
"""(tenant, version of its business file) → its context."""

MOST = 500
"""Contexts in memory: one with its ready-made clips has about 1.5 MB."""
AGAIN_S = 2.0

_log = logging.getLogger(__name__)


class Contexts(Generic[T]):
    """Of one loop. What is being made is made once, however many calls wait for it; one that gives up cancels nothing.

    A change told by `forget` counts from then on: what was being made before is given to those who waited, and not
    kept.
    """

    def __init__(self, build: Build[T], *, most: int = MOST) -> None:
        self._build, self._most = build, most
        self._kept: OrderedDict[tuple[str, int], asyncio.Task[T]] = OrderedDict()

    async def get(self, tenant_id: str, version: int) -> T:
        """Raises what making it raises; the next one tries again."""
        key = (tenant_id, version)
        task = self._kept.get(key)
        if task is None:
            self._drop(lambda known: known[0] == tenant_id)  # an earlier version is not asked for any more
            task = self._kept[key] = asyncio.create_task(self._made(key), name=f"context {tenant_id} {version}")
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return await asyncio.shield(task)

    async def _made(self, key: tuple[str, int]) -> T:
        try:
            return await self._build(*key)
        except BaseException:
            if self._kept.get(key) is asyncio.current_task():
                del self._kept[key]
            raise

    def forget(self, tenant_id: str) -> None:
        """Something by which its calls are answered has changed."""
        self._drop(lambda key: key[0] == tenant_id)

    def forget_all(self) -> None:
        self._kept.clear()

    def _drop(self, wanted: Callable[[tuple[str, int]], bool]) -> None:
        for key in [key for key in self._kept if wanted(key)]:
            del self._kept[key]

    def __len__(self) -> int:
        return len(self._kept)

    async def follow(self, store: Store, *, changed: Callable[[str], None] = lambda _: None) -> None:
        """Forget what is told to have changed, until cancelled. While nothing can be told, everything counts as
        changed.

        changed: called with the tenant, after it is forgotten.
        """
        while True:
            try:
                async with store.listen(CHANNEL) as told:
                    self.forget_all()  # what was told before we listened
                    async for payload in told:
                        tenant_id = payload.split(" ")[0]
                        self.forget(tenant_id)
                        changed(tenant_id)
            except StoreError as error:
                _log.warning("changes of tenants cannot be followed now: %s", error)
            self.forget_all()
            await asyncio.sleep(AGAIN_S)
