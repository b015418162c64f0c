"""The simulated line is a transport like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.testing.conformance import name_of, transport
from aivoice.testing.line import Line
from aivoice.testing.virtual_time import run_virtual


def _subject(frames: bool) -> transport.Subject:
    line = Line(frames=frames, media_delay_s=0.1)

    async def connect() -> None:
        return None

    async def speak(ms: int) -> None:
        line.sound(line.position, line.position + ms * SAMPLE_RATE // 1000)
        await asyncio.sleep(ms / 1000)

    async def hang_up() -> None:
        line.hang_up()

    return transport.Subject(line, connect, speak, hang_up)


@pytest.mark.parametrize("check", transport.CHECKS, ids=name_of)
@pytest.mark.parametrize("frames", [False, True], ids=["spans", "frames"])
def test_line(check: Callable[[transport.Subject], Awaitable[None]], frames: bool) -> None:
    async def main() -> None:
        await check(_subject(frames))

    run_virtual(main())
