"""The README's commands as a newcomer runs them: real models, real WebRTC, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).parent / "aivoice")

pytestmark = [pytest.mark.models, pytest.mark.serial, pytest.mark.timeout(240)]


def make(target: str, *settings: str) -> list[str]:
    """`make target` of this checkout with this environment: set-up (tested by itself) is taken for done."""
    return ["make", "-s", "-o", "setup-run", target, f"BIN={Path(sys.executable).parent}", *settings]


def test_make_call_holds_a_whole_call_and_leaves_its_files(tmp_path: Path) -> None:
    script = ROOT / "tests" / "data" / "short_caller.yaml"
    done = subprocess.run(
        make("call", f"SCRIPT={script}", f"OUT={tmp_path}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "journal.jsonl",
        "recording.wav",
        "trace.json",
        "transcript.md",
        "waterfall.svg",
    }
    assert "Thank you for calling Northside Dental" in done.stdout
    assert "interrupted" in done.stdout
    assert "█" in done.stdout
    transcript = (folder / "transcript.md").read_text()
    assert re.search(r"closed|Saturday", transcript)
    assert "180" in transcript, "the price of a filling was not told"
    trace = json.loads((folder / "trace.json").read_text())
    assert trace["interruptions"] == 1
    assert trace["end_reason"] in ("agent_ended", "caller_hung_up")
    with wave.open(str(folder / "recording.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2).astype(float)
    assert all(np.sqrt(np.mean(samples[:, side] ** 2)) > 100 for side in (0, 1)), "one side is silent"
    replayed = subprocess.run(
        [PROGRAM, "replay", folder / "journal.jsonl"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (replayed.returncode, replayed.stdout[:5]) == (0, "same:"), replayed.stdout + replayed.stderr


def test_a_recording_can_be_the_caller(tmp_path: Path) -> None:
    """44.1 kHz, stereo, 8 bit: whatever a person has at hand."""
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(1)
        file.setframerate(44_100)
        file.writeframes(bytes([128]) * 2 * 44_100)
    done = subprocess.run(
        [PROGRAM, "call", "--audio", path, "--out", tmp_path / "calls", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert Path(outcome["folder"], "recording.wav").stat().st_size > 44
    assert outcome["reason"] == "caller_hung_up"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _serve(port: int, out: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        make("serve", f"PORT={port}", f"OUT={out}"),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "AIVOICE_DATA": str(out.parent / f"{out.name}-data")},
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                assert json.load(answer)["status"] == "ok"
                return process
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise AssertionError(process.communicate()[0])


def test_make_serve_answers_ends_with_ctrl_c_and_a_second_one_says_that_the_port_is_taken(tmp_path: Path) -> None:
    port = _free_port()
    process = _serve(port, tmp_path)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            assert b"Call" in page.read()
        second = subprocess.run(
            [PROGRAM, "serve", "--port", str(port), "--out", tmp_path],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert "Loading" not in second.stdout, "it loaded everything before it looked at the port"
        assert second.stderr.count("\n") == 1
        assert f"error: Port {port} on 127.0.0.1 is in use" in second.stderr
    finally:
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        took = time.monotonic() - started
    assert took < 3.0, f"Ctrl-C took {took:.1f} s"
    assert "Traceback" not in out
    assert "Ready" in out


def test_ctrl_c_in_the_middle_of_a_call_leaves_whole_files(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [PROGRAM, "call", "--out", tmp_path],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if "agent" in line:
            break
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    took = time.monotonic() - started
    assert process.returncode == 130, "".join(seen) + rest
    assert took < 3.0, f"Ctrl-C took {took:.1f} s"
    assert "Traceback" not in rest
    (folder,) = tmp_path.iterdir()
    with wave.open(str(folder / "recording.wav")) as file:
        assert file.getnframes() > 16_000
        assert (folder / "recording.wav").stat().st_size == 44 + 4 * file.getnframes()
    assert (folder / "journal.jsonl").read_text().endswith('"end":true}\n')
    assert {path.name for path in folder.iterdir()} >= {"trace.json", "transcript.md", "waterfall.svg"}


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    for what in ("models loaded", "speech synthesis", "speech recognition", "voice activity", "knowledge search"):
        assert findings[what]["state"] in ("ok", "slow"), findings[what]
    assert not any(finding["state"] == "missing" for finding in findings.values())
    assert done.returncode == (1 if any(finding["state"] == "slow" for finding in findings.values()) else 0)


def test_simulate_prints_figures_and_the_same_seed_gives_the_same_journals() -> None:
    def digest(processes: int) -> str:
        done = subprocess.run(
            [PROGRAM, "simulate", "--calls", "20", "--seed", "3", "--processes", str(processes), "--json"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        assert report["calls"] == 20
        return report["digest"]

    assert digest(1) == digest(2)
