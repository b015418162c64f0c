"""Ctrl-C ends `aivoice simulate` at once and without a word, at whatever moment it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "aivoice")


@pytest.mark.parametrize("after_s", [1.0, 1.6, 2.3, 3.1, 4.0])
def test_ctrl_c_prints_no_traceback(after_s: float) -> None:
    running = subprocess.Popen(
        [PROGRAM, "simulate", "--calls", "20000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        time.sleep(after_s)
        os.killpg(running.pid, signal.SIGINT)
        told = time.monotonic()
        _, errors = running.communicate(timeout=20)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 130, errors
    assert [line for line in errors.splitlines() if not line.startswith("simulate: ")] == []
    assert time.monotonic() - told <= 3.0
