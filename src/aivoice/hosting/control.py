"""The control plane as a process of its own, watched: no page or upload delays a call's frame."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from aivoice.errors import VoiceError

START_S = 20.0
END_S = 2.0
"""Seconds that it has to end by itself; open requests get one of them."""
AGAIN_S = (0.2, 1.0, 5.0)
"""Seconds to wait before it is started again after it died; the last one over and over."""

log = logging.getLogger(__name__)


class ControlError(VoiceError):
    """The control plane does not start."""

    code, stage, status = "control_not_started", "api", 503
    retryable = True


@asynccontextmanager
async def control_plane(settings: Mapping[str, Any]) -> AsyncGenerator[str]:
    """Its base URL, while the block runs. It is started again when it dies, on the same port.

    settings: handed over as one line of JSON on its standard input, so that no password is in an argument or in the
    environment; its end is the sign to end. Raises ControlError, with the reason, when the first start fails.
    """
    process, url = await _start(settings)
    port = int(url.rsplit(":", 1)[1])
    watch = asyncio.create_task(_watch(process, {**settings, "port": port}), name="control plane")
    try:
        yield url
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(process: Process, settings: Mapping[str, Any]) -> None:
    deaths = 0
    try:
        while True:
            status = await process.wait()
            wait = AGAIN_S[min(deaths, len(AGAIN_S) - 1)]
            deaths += 1
            log.warning("the control plane ended with status %s; it is started again in %.1f s", status, wait)
            await asyncio.sleep(wait)
            try:
                process, _ = await _start(settings)
            except (ControlError, OSError) as error:  # OSError: the machine has no process to give just now
                log.error("the control plane could not be started again: %s", error)
    finally:
        await asyncio.shield(_end(process))


async def _start(settings: Mapping[str, Any]) -> tuple[Process, str]:
    command = (sys.executable, "-m", "aivoice.api.control")
    # A session of its own: Ctrl-C is for us, and we end it when the calls have ended.
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(dict(settings)).encode() + b"\n")
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
    except (TimeoutError, ConnectionError):
        line = "error: the control plane did not start in time"
    except BaseException:
        await asyncio.shield(_end(process))
        raise
    if line.startswith("http"):
        return process, line
    await _end(process)
    raise ControlError(
        line.removeprefix("error: ") or "the control plane ended while it was starting; its log says why"
    )


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
