"""Runs a command's coroutine: Ctrl-C and SIGTERM cancel it once, and it has to end in time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from aivoice.cli.output import EXIT_INTERRUPTED
from aivoice.errors import VoiceError

T = TypeVar("T")

END_S = 2.5
"""After the first signal; then the process is ended as it stands (its files are valid at every moment)."""


class Interrupted(VoiceError):
    """The user pressed Ctrl-C, or the process was told to end; everything is closed."""

    code, stage = "interrupted", "cli"


def run(work: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result. Raises what it raises; `Interrupted` when a signal ended it."""
    signalled = False

    async def bounded() -> T:
        nonlocal signalled
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal signalled
            if signalled:
                os._exit(EXIT_INTERRUPTED)
            signalled = True
            watchdog = threading.Timer(END_S, _give_up)
            watchdog.daemon = True
            watchdog.start()
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        return await work

    try:
        return asyncio.run(bounded())
    except asyncio.CancelledError:
        if signalled:
            raise Interrupted("interrupted") from None
        raise
    except BaseExceptionGroup as group:
        raise single(group) from None


def single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What failed in a group: its first VoiceError, else its first error."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, VoiceError)), leaves[0])


def _give_up() -> None:
    sys.stderr.write("error: it did not end in time and was ended as it stood\n")
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
