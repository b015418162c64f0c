"""Starting and stopping commands: what a start loads, and that Ctrl-C ends each quietly with every process of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "aivoice"
INTERRUPTED = 130

HEAVY = ("ctranslate2", "tokenizers", "hibari", "scipy.signal", "scipy.stats", "scipy.fft")


def test_commands_load_no_model_library() -> None:
    """Each is 0.2 to 1.5 CPU-s on every start; the inference process loads what it needs beside."""
    code = f"import sys, aivoice.cli.call, aivoice.cli.serve; print([it for it in {HEAVY!r} if it in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def started(*arguments: str) -> subprocess.Popen[str]:
    """In a session of its own, so that what it leaves behind can be found."""
    return subprocess.Popen(
        [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def session(of: int) -> set[int]:
    """Processes of a session that still run."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid, *_ = path.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(sid) == of and state not in "ZX":
            found.add(int(path.parent.name))
    return found


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_simulation_that_is_stopped_leaves_no_helper(number: signal.Signals) -> None:
    process = started("simulate", "--calls", "100000", "--processes", "2")
    # The program, its resource tracker and two helpers.
    assert until(lambda: len(session(process.pid)) >= 4, 30)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=10)
    if number is not signal.SIGKILL:
        assert (process.returncode, out, err) == (INTERRUPTED, "", "")
    assert until(lambda: not session(process.pid), 10)


def test_ctrl_c_while_the_program_is_being_imported_is_quiet() -> None:
    code = (
        "import sys, signal\n"
        "class Pressed:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from aivoice.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")
def test_benchmarks_that_are_stopped_leave_no_process() -> None:
    process = started("bench", "sweep")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    assert until(lambda: bool(children.read_text().split()), 30)
    inner = int(children.read_text().split()[0])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (INTERRUPTED, "")
    assert until(lambda: not session(inner), 10)
