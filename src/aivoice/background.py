"""Work of a process that goes on beside what it is for, until the process ends, whatever fails in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

AGAIN_S = 5.0
"""How long after a failure the work is begun anew."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def in_background(works: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncGenerator[None]:
    """Each of `works` (by its name in the log) runs while the block does, and is cancelled and awaited at its end.

    One that ends or raises is logged, by the kind of its error only, and begun anew after `AGAIN_S`: a bug in one
    round, over one tenant's rows, must not stop it for all until somebody notices.
    """
    tasks = [asyncio.create_task(_kept_up(name, work), name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_up(name: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - see above; its text may quote what a caller said
            _log.error("%s failed (%s) and begins anew in %.0f s", name, ", ".join(_kinds(error)), AGAIN_S)
        else:
            _log.error("%s ended and begins anew in %.0f s", name, AGAIN_S)
        await asyncio.sleep(AGAIN_S)


def _kinds(error: Exception) -> list[str]:
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return [kind for each in group.exceptions for kind in _kinds(each)]
    return [type(error).__name__]
