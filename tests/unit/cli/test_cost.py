"""`aivoice cost`: the month, one call, and what is assumed, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aivoice.cli.app import run_cli
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.prompt import GenerationRequest
from aivoice.engine.journal import MemoryJournal
from aivoice.testing.virtual_time import run_virtual


@pytest.fixture(autouse=True)
def _nobodys_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIVOICE_DATA", str(tmp_path / "none"))
    for name in ("AIVOICE_SERVER", "AIVOICE_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a call of one minute, half of whose tokens were a wrong guess's."""
    records = MemoryJournal("c1", CallConfig())
    request = GenerationRequest(system="", tools=(), messages=())
    for at_ms, item in (
        (0, e.Answered("2026-11-22T10:00:00+00:00", "UTC")),
        (1_000, e.MediaUp()),
        (1_100, e.ProviderAttempt("stt", "deepgram", "useful")),
        (2_000, c.Generate(1, 2, request, True)),
        (2_100, e.ProviderAttempt("llm", "claude", "useful")),
        (2_200, e.Usage(1, 2, 1_000, 10)),
        (2_300, c.ReplyEnded(1, 3, "", "discarded")),
        (2_400, c.Generate(1, 4, request, False)),
        (2_500, e.Usage(1, 4, 1_000, 10, 500)),
        (2_550, e.ProviderAttempt("tts", "hibari", "useful")),
        (2_600, c.Speak(1, 5, "Nine to five.", True)),
        (61_000, c.Finish("caller_hung_up")),
    ):
        records.observe(at_ms * 1_000, item)
    run_virtual(records.aclose(61_100_000))
    (tmp_path / "journal.jsonl").write_text(records.text())
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_cli(["cost", *arguments]) == 0
    return capsys.readouterr().out


def test_the_month_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked(capsys)
    for expected in (
        "$9,000",
        "$500",
        "$197",
        "claude-haiku-5-5",
        "below the target",
        "Assumed, not measured",
    ):
        assert expected in shown
    assert "there is no installation here" in shown
    assert "\x1b[" not in shown


def test_what_is_assumed_can_be_changed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [{"type": "tts.characters", "provider": "cartesia", "amount": 1}]
    (tmp_path / "prices.json").write_text(json.dumps(rows))
    told = json.loads(
        asked(capsys, "--json", "--model", "--minutes", "100000", "--speech-share", "0.5", "--gpu-hour", "1",
              "--prices", str(tmp_path / "prices.json"))
    )  # fmt: skip
    assert told["assumptions"]["gpus"] == 3
    now = {item["provider"]: item["month"] / 1e6 for item in told["voices"]["now"]}
    assert now == {"elevenlabs": 2_250, "cartesia": 45, "chatterbox": 2_190}
    paper = {item["provider"]: item["month"] / 1e6 for item in told["voices"]["paper"]}
    assert paper["elevenlabs"] == 18_000
    assert told["deployment"] == {"metered": None, "why": "not asked for"}


def test_prices_of_the_providers_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text("prices:\n  - {type: stt.seconds, provider: deepgram, amount: 1000}\n")
    told = json.loads(asked(capsys, "--json", "--model", "--providers", str(file)))
    hearing = told["stack"]["claude"]["items"][0]
    assert (hearing["part"], hearing["per_minute"]) == ("hearing", 60_000)


def test_one_call_by_its_journal(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    told = json.loads(asked(capsys, str(folder), "--json"))
    assert told["seconds"] == 60
    assert told["by_provider"] == {"deepgram": 7_700, "claude": 1_000 + 50 + 500 + 50 + 50, "hibari": 0}
    assert told["per_minute"] == 9_350 and told["met"] is True
    shown = asked(capsys, str(folder / "journal.jsonl"))
    assert "$0.0094 for 1.0 minutes" in shown and "tokens read in vain" in shown
    assert "Counted as nothing, for there is no price in the list: hibari." in shown


def test_a_call_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["cost", "calls/no/such"]) == 2
    assert "there is no such folder or journal" in capsys.readouterr().err
    assert run_cli(["cost", "--speech-share", "2"]) == 2
    capsys.readouterr()
    assert run_cli(["cost", "--prices", "nothing.json"]) == 2
    assert "is no list of prices" in capsys.readouterr().err


class Plane:
    """A control plane of two tenants; `usage` for each."""

    def __init__(self, *usage: list[dict[str, object]]) -> None:
        self.usage = usage

    async def ask(self, method: str, path: str, params: dict[str, object] | None = None) -> dict[str, object]:
        if path == "/v1/tenants":
            number = int(str((params or {})["after"] or 0))
            more = number + 1 < len(self.usage)
            return {"tenants": [{"id": f"t{number}"}], "next": str(number + 1) if more else None}
        if path.endswith("/calls/c9/usage"):
            data = {"provider": "deepgram", "quantity": 60, "cost": 3}
            seconds = {"provider": "line", "quantity": 60, "cost": 0}
            return {"events": [{"type": "aivoice.usage.stt.seconds", "data": data},
                               {"type": "aivoice.usage.call.seconds", "data": seconds}]}  # fmt: skip
        return {"usage": self.usage[int(path.split("/")[3][1:])]}


def served(monkeypatch: pytest.MonkeyPatch, plane: Plane) -> None:
    def with_plane(work: Any, *where: object, quiet: bool) -> None:
        run_virtual(work(plane))

    monkeypatch.setattr("aivoice.cli.asking.with_plane", with_plane)


def used(kind: str, provider: str, quantity: int, cost: int = 0) -> dict[str, object]:
    return {"type": kind, "provider": provider, "quantity": quantity, "cost": cost}


def test_this_deployment_by_what_its_calls_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [used("call.seconds", "line", 600), used("stt.seconds", "deepgram", 600), used("tts.characters", "hibari", 9)]
    other = [used("call.seconds", "line", 1_200), used("tts.characters", "chatterbox", 4_000)]
    served(monkeypatch, Plane(one, other))
    told = json.loads(asked(capsys, "--json", "--server", "http://there"))["deployment"]
    assert told["metered"]["seconds"] == 1_800
    assert told["metered"]["by_provider"]["deepgram"] == 77_000
    assert [item["provider"] for item in told["fixed"]] == ["chatterbox", "livekit", "goto"]
    assert told["per_minute"] == pytest.approx(77_000 / 30 + sum(item["per_minute"] for item in told["fixed"]))
    shown = asked(capsys, "--server", "http://there")
    assert "30 minutes in 30 days; services as metered $0.0026 a minute" in shown
    assert "below the target" in shown
    served(monkeypatch, Plane([used("call.seconds", "line", 60), used("stt.seconds", "deepgram", 60)]))
    told = json.loads(asked(capsys, "--json", "--server", "http://there"))["deployment"]
    assert [item["provider"] for item in told["fixed"]] == ["livekit", "goto"], "nobody rents a GPU for this"


def test_a_server_that_cannot_be_asked_is_no_reason_not_to_reckon(capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked(capsys, "--server", "http://127.0.0.1:9")
    assert "Nothing metered (the server cannot be reached" in shown and "$9,000" in shown


def test_one_call_of_a_tenant(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, Plane())
    told = json.loads(asked(capsys, "alpha/c9", "--json", "--server", "http://there"))
    assert (told["seconds"], told["cost"]) == (60, 7_700)
