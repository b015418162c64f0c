"""Set-up: done once, quick afterwards, repaired when a lock changes, and clear when it cannot go on."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "setup.py"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that set-up looks at, and a stamp as a finished set-up leaves it."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "scripts/setup.py", *(path.name for path in ROOT.glob("requirements*.lock"))):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def load(clone: Path) -> dict[str, Any]:
    return runpy.run_path(str(clone / "scripts" / "setup.py"))


def finished(clone: Path, kind: str) -> None:
    module = load(clone)
    locks = {"run": ["requirements.lock"], "dev": ["requirements-dev.lock"]}[kind] + ["requirements-models.lock"]
    (clone / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (clone / ".venv" / f".stamp-{kind}").write_text(module["fingerprint"](locks) + "\n")


def run(clone: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(clone / "scripts" / "setup.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
        check=False,
    )


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_a_second_run_takes_no_time_and_says_nothing(clone: Path, kind: str) -> None:
    finished(clone, kind)
    started = time.monotonic()
    result = run(clone, "run")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert time.monotonic() - started < 5


def test_a_changed_lock_is_noticed(clone: Path) -> None:
    finished(clone, "run")
    module = load(clone)
    wanted = {"run": module["fingerprint"](["requirements.lock", "requirements-models.lock"]), "dev": "x"}
    assert module["stamp_matches"](str(clone / ".venv"), "run", wanted)
    with (clone / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    wanted = {"run": module["fingerprint"](["requirements.lock", "requirements-models.lock"]), "dev": "x"}
    assert not module["stamp_matches"](str(clone / ".venv"), "run", wanted)


def test_an_old_python_is_told_what_to_do(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load(clone)
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        module["ensure_python"]()
    assert caught.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "Python 3.9 is too old, 3.11 or newer is needed" in line
    assert "PYTHON=" in line


def test_a_newer_python_beside_an_old_one_is_used(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(clone)
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}" if name == "python3.12" else None)
    used: list[list[str]] = []

    def execv(path: str, arguments: list[str]) -> None:
        used.append([path, *arguments])
        raise SystemExit(0)  # the real one does not come back

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        module["ensure_python"]()
    assert used[0][:2] == ["/opt/python3.12", "/opt/python3.12"]


def test_the_script_can_be_read_by_an_old_python() -> None:
    import ast

    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))
    assert not re.search(r"\bf[\"']", SCRIPT.read_text(encoding="utf-8"))


def test_a_wrong_word_is_answered_with_the_right_ones(clone: Path) -> None:
    result = run(clone, "everything")
    assert result.returncode == 2
    assert "usage: python3 scripts/setup.py run|dev|bench" in result.stderr


def test_a_step_that_fails_is_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = load(clone)
    with pytest.raises(SystemExit) as caught:
        module["run"]("packages", [sys.executable, "-c", "raise SystemExit(3)"])
    assert caught.value.code == 2
    assert "'packages' ended with status 3" in capsys.readouterr().err
