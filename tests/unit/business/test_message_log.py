"""Messages survive the process."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest

from aivoice.business.message_log import MessageLog

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def test_each_message_is_one_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "messages.jsonl"
    log = MessageLog(path, lambda: NOON)

    async def run() -> None:
        await asyncio.gather(*(log(f"c{n}", {"name": "Zoë", "message": "line\nbreak \ud800" * n}) for n in range(20)))

    asyncio.run(run())
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["call"] for line in lines) == sorted(f"c{n}" for n in range(20))
    assert lines[0]["at"] == "2026-11-22T12:00:00+00:00"
    assert lines[0]["name"] == "Zoë"


def test_a_folder_that_cannot_be_written_is_an_error_not_a_lost_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError):
        asyncio.run(MessageLog(tmp_path / "file" / "messages.jsonl", lambda: NOON)("c", {"message": "m"}))
