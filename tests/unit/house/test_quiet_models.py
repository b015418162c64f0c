"""The models run for us alone: no library reports to its maker or leaves an identifier behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TELLING = ("ORT_", "XDG_", "CI")
"""Variables that change where, or whether, the library writes; it is quiet on CI machines by itself."""
USE = """
import {module}
import onnxruntime
from aivoice.providers.embedded.onnx_session import open_session
"""


@pytest.mark.parametrize(
    "module",
    [
        "aivoice.hosting.house",
        "aivoice.providers.embedded.bundle",
        "aivoice.providers.embedded.host",
        "aivoice.cli.call",
    ],
)
def test_nothing_is_written_to_the_home_and_nothing_is_said(tmp_path: Path, module: str) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(_TELLING)}
    done = subprocess.run(
        [sys.executable, "-c", USE.format(module=module)],
        env={**env, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_check_would_notice(tmp_path: Path) -> None:
    """Without the setting the library leaves its identifier: if it no longer does, the setting can go."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(_TELLING)}
    subprocess.run(
        [sys.executable, "-c", "import onnxruntime"],
        env={**env, "HOME": str(tmp_path)}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert sys.platform != "linux" or [path for path in tmp_path.rglob("*") if path.is_file()]
