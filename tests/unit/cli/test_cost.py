"""`aivoice cost`: the month, one call, and what is assumed, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

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
