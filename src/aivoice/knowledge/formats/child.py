"""Documents are read in a process of their own: a hostile file can hang, crash or fill that one only."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.kinds import checked
from aivoice.knowledge.formats.model import Block, Parsed

LIMIT_S = 60.0
"""Wall-clock seconds for a document."""
CPU_S, MEMORY = 50, 1_500_000_000
AT_ONCE = 2
_MOST_OUT = 64_000_000

_slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


async def read_document(name: str, data: bytes, *, limit_s: float = LIMIT_S) -> Parsed:
    """Read a document of any known format.

    At most `AT_ONCE` at a time, `limit_s` s each, and `MEMORY` bytes; the loop is never blocked. Raises DocumentError.
    Cancelling ends the child at once.
    """
    checked(name, data)
    loop = asyncio.get_running_loop()
    for other in [other for other in _slots if other.is_closed()]:
        del _slots[other]
    async with _slots.setdefault(loop, asyncio.Semaphore(AT_ONCE)):
        try:
            async with asyncio.timeout(limit_s):
                code, out = await _run(json.dumps(name).encode() + b"\n" + data)
        except TimeoutError:
            raise DocumentError("Reading the file takes too long.", "document_too_slow") from None
    if code != 0 or not out:
        raise DocumentError("The file cannot be read: it needs too much, or is damaged.", "document_unreadable")
    answer: dict[str, Any] = await asyncio.to_thread(json.loads, out)
    if "code" in answer:
        raise DocumentError(answer["message"], answer["code"])
    return Parsed(answer["title"], tuple(Block(text, level, alone) for text, level, alone in answer["blocks"]))


async def _run(given: bytes) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aivoice.knowledge.formats",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1_000_000,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        out = bytearray()
        try:
            process.stdin.write(given)
            await process.stdin.drain()
            process.stdin.close()
            while (part := await process.stdout.read(1_000_000)) and len(out) <= _MOST_OUT:
                out += part
        except (BrokenPipeError, ConnectionResetError):
            return 1, b""
        if len(out) > _MOST_OUT:
            return 1, b""
        return await process.wait(), bytes(out)
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
