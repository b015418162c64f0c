"""What a tenant's sealed journal and recording keep of secrets that come in pieces."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from aivoice.api.hub import CallHub
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.hosting.sealed_files import SealedFiles
from aivoice.security.call_crypto import File
from aivoice.traces.sealed import CallArchive

KEYS: dict[File, bytes] = {"journal": secrets.token_bytes(32), "recording": secrets.token_bytes(32)}


def kept(folder: Path, *items: e.Event | c.Command) -> tuple[str, list[bool]]:
    """The journal's text, and whether a secret was being collected after each."""

    async def call() -> list[bool]:
        files = SealedFiles(folder, "call_1", CallConfig(), KEYS, kinds=("card",), record="at_once")
        muted: list[bool] = []
        for number, item in enumerate(items):
            files.observe(number * 1_000, item)
            muted.append(files._watch.collecting)  # pyright: ignore[reportPrivateUsage]
        await files.close(CallHub())
        return muted

    muted = asyncio.run(call())
    return CallArchive(folder, KEYS, call_id="call_1").journal(), muted


def test_a_card_by_keys(tmp_path: Path) -> None:
    journal, muted = kept(
        tmp_path,
        *(e.Dtmf(key) for key in "47368"),
        c.ReplyEnded(1, 1, "", "discarded"),
        *(e.Dtmf(key) for key in "59"),
        c.ReplyEnded(2, 1, "Thank you, I have that now.", "finished"),
    )
    digits = [part[0] for part in journal.split('"digit":"')[1:]]
    assert digits == ["4", "7", "3", "1", "1", "1", "1"]
    assert muted == [False] * 3 + [True] * 5 + [False]


def test_a_card_over_finals_that_nobody_named(tmp_path: Path) -> None:
    said = ["4736 85", "4736 8592", "0123", "0123 4567"]
    kinds = ("interim", "final", "interim", "final")
    items = [e.Heard(kind, text, 0, 1) for kind, text in zip(kinds, said, strict=True)]  # type: ignore[arg-type]
    journal, muted = kept(tmp_path, *items, c.TurnEnded(1, "4736 8592 0123 4567", "words"))
    assert "0123" not in journal
    assert "4567" not in journal
    assert "1111 1111" in journal
    assert muted == [False, False, True, True, True]
