"""The command line: for every mistake one clear line and a non-zero status, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice import __version__
from aivoice.cli.app import run_cli
from aivoice.cli.live import LiveCall, render
from aivoice.cli.running import single
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig
from aivoice.engine.journal import MemoryJournal
from aivoice.errors import InputError, VoiceError
from aivoice.testing.virtual_time import run_virtual

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    config = CallConfig(clips={"greeting": "Hello."})
    call, records = Call(config), MemoryJournal("c1", config)
    for at_us, event in [
        (0, e.Answered("2026-11-22T10:00:00+00:00", "UTC")),
        (10, e.MediaUp()),
        (9_000_000, e.HungUp("caller_hung_up")),
    ]:
        records.event(at_us, event)
        call.handle(event, at_us)
        while (command := call.poll()) is not None:
            records.command(at_us, command)
    run_virtual(records.aclose(9_000_001))
    path = tmp_path / "journal.jsonl"
    path.write_text(records.text())
    return path


MISTAKES = {
    "unknown command": (["repay"], "No such command 'repay'"),
    "missing argument": (["replay"], "Missing argument"),
    "unknown option": (["serve", "--prot", "1"], "--prot"),
    "port out of range": (["serve", "--port", "70000"], "--port"),
    "no such journal": (["replay", "nothing.jsonl"], "No such file"),
    "not a journal": (["replay", str(ROOT / "Makefile")], "not a journal"),
    "a folder as journal": (["replay", str(ROOT)], "directory"),
    "no such business": (["check", "nothing.yaml"], "nothing.yaml: this does not exist"),
    "call with no such business": (["call", "nothing.yaml"], "nothing.yaml: this does not exist"),
    "serve with no such business": (["serve", "nothing.yaml"], "does not exist"),
    "no such recording": (["call", "--audio", "nothing.wav"], "nothing.wav"),
    "not a recording": (["call", "--audio", str(ROOT / "Makefile")], "Makefile"),
    "no such script": (["call", "--script", "nothing.yaml"], "nothing.yaml"),
    "a folder that is a file": (["call", "--out", str(ROOT / "Makefile")], "--out"),
    "a folder below a file": (["serve", "--port", "0", "--out", str(ROOT / "Makefile" / "calls")], "--out"),
    "no calls": (["simulate", "--calls", "0"], "--calls"),
}


@pytest.mark.parametrize(("arguments", "says"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert "Traceback" not in err


def wav(path: Path, *, seconds: float = 1.0, rate: int = 8_000, cut: int | None = None) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(bytes([128]) * int(rate * seconds))
    if cut is not None:
        path.write_bytes(path.read_bytes()[:cut])
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"hello, this is no recording at all"), "not a WAV"),
        (lambda path: wav(path, seconds=0), "no samples"),
        (lambda path: wav(path, seconds=3_700), "longer"),
        (lambda path: wav(path, cut=30), "damaged"),
        (lambda path: path.mkdir(), "folder"),
    ],
    ids=["empty", "no WAV", "no samples", "an hour long", "cut off in its header", "a folder"],
)
def test_a_recording_that_cannot_be_the_caller_is_told_before_anything_is_loaded(
    tmp_path: Path, make: Callable[[Path], object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "caller.wav"
    make(path)
    assert run_cli(["call", "--audio", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert str(path) in captured.err
    assert says in captured.err


def test_for_machines_an_error_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["replay", "nothing.jsonl", "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "journal_invalid"
    assert "No such file" in error["message"]


def test_every_problem_of_a_business_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "business.yaml"
    path.write_text("nam: X\nhours: {monday: never}\n")
    assert run_cli(["check", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"error: {path}:") for line in lines)
    assert run_cli(["check", str(path), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)[0]["problems"]) == 3


def test_the_examples_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in sorted(ROOT.glob("examples/*/business.yaml"))]
    assert len(files) == 2
    assert run_cli(["check", *files]) == 0
    assert capsys.readouterr().out.count("ok: ") == 2


def test_an_unexpected_error_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    def broken(_: object) -> None:
        raise KeyError("what the caller said")

    monkeypatch.delenv("AIVOICE_TRACEBACK", raising=False)
    monkeypatch.setattr("aivoice.cli.replay.replay", broken)
    assert run_cli(["replay", str(journal)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "KeyError" in err
    assert "caller said" not in err
    monkeypatch.setenv("AIVOICE_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run_cli(["replay", str(journal)])


def test_replay_says_same(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["replay", str(journal)]) == 0
    assert "same: 3 events gave the same" in capsys.readouterr().out
    assert run_cli(["replay", str(journal), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True


def test_replay_shows_the_first_difference(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = journal.read_text()
    assert '"cached":"greeting"' in text
    journal.write_text(text.replace('"cached":"greeting"', '"cached":"goodbye"'))
    assert run_cli(["replay", str(journal)]) == 1
    out = capsys.readouterr().out
    assert "different: " in out
    assert "goodbye" in out
    assert "greeting" in out
    assert "another release" not in out


@pytest.mark.parametrize("header", [{"core": "0123456789ab"}, {"release": "0.0.9"}, {"core": ""}])
def test_a_difference_to_another_core_says_so(
    journal: Path, capsys: pytest.CaptureFixture[str], header: dict[str, str]
) -> None:
    first, rest = journal.read_text().split("\n", 1)
    made = json.dumps({**json.loads(first), **header})
    journal.write_text(f"{made}\n{rest}")
    assert run_cli(["replay", str(journal)]) == 0
    assert "another release" not in capsys.readouterr().out
    journal.write_text(f"{made}\n{rest}".replace('"cached":"greeting"', '"cached":"goodbye"'))
    assert run_cli(["replay", str(journal)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "made by another release of the core" in out
    assert (next(iter(header.values())) or "core unknown") in out
    assert run_cli(["replay", str(journal), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["made_by"] != told["replayed_by"]
    journal.write_text(f'{made}\n{{"t": 1, "e": "Nothing", "v": {{}}}}\n')
    assert run_cli(["replay", str(journal)]) == 2
    assert "another release" in capsys.readouterr().err


def test_without_anything_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("serve", "call", "simulate", "replay", "bench", "doctor", "check"))
    assert run_cli(["--help"]) == 0
    assert run_cli(["version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_the_program_is_quick_to_answer_and_quiet_when_its_reader_goes() -> None:
    program = Path(sys.executable).parent / "aivoice"
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0
    assert "simulate" in done.stdout
    read, write = os.pipe()
    os.close(read)
    files = [str(path) for path in ROOT.glob("examples/*/business.yaml")]
    gone = subprocess.run(
        [program, "check", *files], stdout=write, stderr=subprocess.PIPE, text=True, timeout=20, check=False
    )
    os.close(write)
    assert "Traceback" not in gone.stderr


def test_of_several_failures_the_expected_one_is_told() -> None:
    told = InputError("port in use")
    group = BaseExceptionGroup("", [ValueError("a"), BaseExceptionGroup("", [told, KeyError("b")])])
    assert single(group) is told
    assert isinstance(single(BaseExceptionGroup("", [ValueError("a")])), ValueError)
    assert isinstance(told, VoiceError)


# ---------------------------------------------------------------- the terminal view


def caller(id_: str, at: int, text: str, status: str) -> dict[str, object]:
    return {
        "id": id_,
        "kind": "caller",
        "at_ms": at,
        "until_ms": None,
        "text": text,
        "status": status,
        "turn": 1,
        "why": "",
    }


def agent(id_: str, at: int, text: str, heard: str, status: str) -> dict[str, object]:
    return {**caller(id_, at, text, status), "kind": "agent", "heard": heard, "clips": ()}


def lines(*batches: list[dict[str, object]]) -> list[str]:
    import io

    from rich.console import Console

    out = io.StringIO()
    with LiveCall(Console(file=out, width=200, markup=False, highlight=False)) as view:
        for batch in batches:
            view.apply([{"op": "put", "entry": entry} for entry in batch])
    return [line.strip() for line in out.getvalue().splitlines()]


def test_settled_words_are_printed_once_in_the_order_of_time() -> None:
    shown = lines(
        [agent("a1", 0, "Hello.", "Hello.", "finished")],
        [caller("c1", 1_000, "are you", "interim")],
        [agent("a2", 3_000, "Yes, until five.", "Yes,", "interrupted")],
        [caller("c1", 1_000, "Are you open?", "turn")],
        [caller("c2", 4_000, "mm-hm", "backchannel")],
    )
    assert [line.split("  ", 1)[1] for line in shown] == [
        " agent  Hello.",
        "caller  Are you open?",
        " agent  Yes, ⟂ interrupted  until five.",
        "caller  mm-hm  (listening noise)",
    ]


def test_what_is_discarded_or_empty_is_not_shown() -> None:
    assert lines([agent("a1", 0, "Never heard.", "", "discarded"), caller("c1", 5, "", "ignored")]) == []


def test_what_callers_say_is_never_markup() -> None:
    assert "[bold]hello[/bold] [link=x]" in lines([caller("c1", 0, "[bold]hello[/bold] [link=x]", "turn")])[0]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["vad", "transcript", "tts", "other"]), st.floats(0, 3_000)), max_size=8),
)
def test_a_waterfall_is_as_long_as_its_turn(stages: list[tuple[str, float]]) -> None:
    total = sum(ms for _, ms in stages)
    line = render(
        {"kind": "waterfall", "id": "w1", "at_ms": 0, "turn": 1, "stages": stages, "total_ms": total,
         "first_sound_ms": total, "answer_ms": total, "speculative": False}
    )  # fmt: skip
    assert line is not None
    assert line.plain.count("█") == round(total / 20)
    assert f"{total:.0f} ms" in line.plain


def test_the_help_of_the_benchmarks_names_their_parts_and_options() -> None:
    from benchmarks.__main__ import PARTS

    program = Path(sys.executable).with_name("aivoice")
    shown = subprocess.run([program, "bench", "--help"], capture_output=True, text=True, timeout=100, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert {"peers", "sweep", "media"} <= set(PARTS)
    for name in PARTS:
        assert f"\n{name}\n---" in shown.stdout
    assert shown.stdout.count("--quick") > len(PARTS)
