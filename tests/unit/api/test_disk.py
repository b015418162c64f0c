"""What the HTTP interface says when the disk fails."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from tests.unit.api.quick import Setup, api_test, problem

from aivoice.engine.disk import DiskError


@api_test
async def test_a_disk_that_refuses_a_calls_folder_is_told_without_its_place(setup: Setup) -> None:
    folder = setup.desk.directory
    setup.desk.directory = folder / "file" / "below"
    (folder / "file").write_text("not a folder")
    body = await problem(await setup.dial(), 503, "disk_failed")
    assert "log" in body["detail"]
    assert str(folder) not in json.dumps(body)
    assert (setup.desk.taken, setup.desk.calls(), setup.factory.calls) == (0, [], [])
    setup.desk.directory = folder
    assert (await setup.dial()).status == 201


@api_test
async def test_a_full_disk_is_507_and_leaves_nothing(setup: Setup) -> None:
    setup.factory.error = DiskError.of("/private/place", OSError(errno.ENOSPC, "No space left on device"), "free space")
    body = await problem(await setup.dial(), 507, "disk_full")
    assert "private" not in json.dumps(body)
    assert "--out" in body["detail"]
    assert list(setup.desk.directory.iterdir()) == []
    assert setup.desk.taken == 0


@api_test
async def test_a_file_that_cannot_be_looked_at_is_told(setup: Setup) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path, "is_file", lambda _: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied"))
        )
        await problem(await setup.client.get("/calls/c1/recording.wav"), 503, "disk_failed")
    await problem(await setup.client.get("/calls/c1/recording.wav"), 404, "file_missing")
