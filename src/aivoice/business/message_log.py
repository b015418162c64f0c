"""Messages that callers left, kept on disk: one JSON object a line, flushed before the caller is told."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class MessageLog:
    """`aivoice.business.tools.MessageSink` writing to one file; several businesses and calls may share it.

    now: wall clock with zone, for the line's time. The file and its folder are made at the first message.
    """

    def __init__(self, path: Path, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)) -> None:
        self._path, self._now = path, now
        self._turn = asyncio.Lock()

    async def __call__(self, call_id: str, arguments: Mapping[str, Any]) -> None:
        """Append one message. Raises OSError when it could not be written: then it was not taken.

        Cancelling while it is being written leaves the line whole.
        """
        line = {"at": self._now().isoformat(timespec="seconds"), "call": call_id, **arguments}
        data = json.dumps(line, ensure_ascii=False) + "\n"
        async with self._turn:
            await asyncio.shield(asyncio.to_thread(self._append, data.encode("utf-8", "replace")))

    def _append(self, data: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
