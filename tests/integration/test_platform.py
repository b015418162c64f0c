"""The platform by its commands, as its operator meets it: both examples in one server, a call to each at one time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).parent / "aivoice")
SCRIPT = ROOT / "tests" / "data" / "short_caller.yaml"

pytestmark = [pytest.mark.models, pytest.mark.serial, pytest.mark.timeout(240)]


class Machine:
    """An installation with a server that runs. urls: of the calls, of the control plane."""

    def __init__(self, data: Path, out: Path) -> None:
        self.environment = {**os.environ, "AIVOICE_DATA": str(data)}
        for name in ("AIVOICE_SERVER", "AIVOICE_KEY", "DATABASE_URL"):
            self.environment.pop(name, None)
        self.out = out
        self.calls = self.control = ""

    def run(self, *words: str | Path, status: int = 0, **more: str) -> str:
        done = subprocess.run(
            [PROGRAM, *words], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
            env={**self.environment, **more},
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.run(*words, "--json"))

    def start(self) -> subprocess.Popen[str]:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            ports = [one.getsockname()[1], other.getsockname()[1]]
        self.calls, self.control = (f"http://127.0.0.1:{port}" for port in ports)
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", str(ports[0]), "--control-port", str(ports[1]), "--out", self.out],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=self.environment,
        )  # fmt: skip
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.calls}/health", timeout=2):
                    return process
            except OSError:
                time.sleep(0.2)
        process.kill()
        raise AssertionError(process.communicate()[0])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "data", tmp_path / "calls")


def test_two_businesses_in_one_server_are_called_at_the_same_time(machine: Machine) -> None:
    numbers: dict[str, str] = {}
    for name in ("northside-dental", "harbour-plumbing"):
        file = ROOT / "examples" / name / "business.yaml"
        told = machine.run("tenant", "apply", file, "--yes")
        assert f"{name}: version 1 is in force" in told
        numbers[name] = machine.json("tenant", "apply", file)["numbers"][0]
    assert len(set(numbers.values())) == 2
    server = machine.start()
    try:
        callers = [
            subprocess.Popen(
                [PROGRAM, "call", "--server", machine.calls, "--number", number, "--caller", "+12125550147",
                 "--script", SCRIPT, "--json"],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=machine.environment,
            )
            for number in numbers.values()
        ]  # fmt: skip
        outcomes = [caller.communicate(timeout=200) for caller in callers]
        assert [caller.returncode for caller in callers] == [0, 0], outcomes
        nobody = machine.run("call", "--server", machine.calls, "--number", "+12125550000", status=2)
        assert nobody == "error: the server refused the call: No business answers at this number.\n"
        for name in numbers:
            (record,) = machine.json("tenant", "calls", name)
            assert record["number"] == numbers[name]
            assert record["reason"] in ("agent_ended", "caller_hung_up")
            assert record["seconds"] > 5
            said = json.loads(machine.run("api", "GET", f"/v1/tenants/{name}/calls/{record['call_id']}/transcript"))
            words = " ".join(segment["text"] for segment in said["segments"])
            other = "Harbour" if name == "northside-dental" else "Northside"
            assert other not in words
            assert machine.json("tenant", "billing", name)["open_calls"] == 0
        _a_business_of_its_own(machine)
    finally:
        began = time.monotonic()
        os.killpg(server.pid, signal.SIGINT)
        out, _ = server.communicate(timeout=20)
    assert time.monotonic() - began < 3.0
    assert "Traceback" not in out
    stored = b"".join(path.read_bytes() for path in machine.out.rglob("*") if path.is_file())
    assert b"Saturday" not in stored, "what was said lies open on the disk"


def _a_business_of_its_own(machine: Machine) -> None:
    """With a key of its own it reaches its own things over HTTP, and nothing else."""
    key = machine.run("tenant", "key", "northside-dental", "--label", "test", "--scope", "admin").strip()
    remote = {"AIVOICE_SERVER": machine.control, "AIVOICE_KEY": key, "AIVOICE_DATA": "/nonexistent"}
    found = json.loads(
        machine.run("knowledge", "ask", "where can I park", "--tenant", "northside-dental", "--json", **remote)
    )
    assert found["answerable"]
    assert "no such tenant" in machine.run("tenant", "calls", "harbour-plumbing", status=2, **remote)
    dearer = machine.out.parent / "northside-dental" / "business.yaml"
    dearer.parent.mkdir()
    dearer.write_text("name: Northside Dental\nprices:\n  - item: Cleaning\n    price: $130\n")
    planned = machine.run("tenant", "apply", dearer, "--plan", **remote)
    assert "Cleaning" in planned
    assert "version 2 is in force" in machine.run("tenant", "apply", dearer, "--yes", **remote)
    assert "version 3 is in force" in machine.run("tenant", "rollback", "northside-dental", "1", **remote)
    wrong = machine.out.parent / "wrong.yaml"
    wrong.write_text("name: x\nprices: 3\n")
    assert machine.run("tenant", "apply", wrong, status=2, **remote).count("error:") >= 1
