"""A journal comes back as it was written, survives a kill, and replays bit for bit."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig
from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.engine import journal as journal_module
from aivoice.engine.codec import COMMANDS, EVENTS, CodecError, decode, encode
from aivoice.engine.disk import DiskError, DiskWriter
from aivoice.engine.journal import FileJournal, MemoryJournal
from aivoice.engine.replay import FirstDifference, JournalError, Same, read, read_file, replay
from aivoice.testing.virtual_time import run_virtual

# ---------------------------------------------------------------- values of any event or command

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
JSON_OBJECTS = st.dictionaries(
    TEXTS, st.recursive(TEXTS | st.integers() | st.booleans(), st.lists, max_leaves=4), max_size=3
)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that the vocabulary uses."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(*(st.none() if part is type(None) else values(part) for part in arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return JSON_OBJECTS if arguments[1] is Any else st.dictionaries(TEXTS, values(arguments[1]), max_size=3)
    if is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return st.builds(annotation, **{field.name: values(hints[field.name]) for field in fields(annotation)})
    simple = {str: TEXTS, int: st.integers(), bool: st.booleans(), float: st.floats(allow_nan=False)}
    return simple[annotation]


ANY_EVENT = st.one_of(*map(values, EVENTS.values()))
ANY_COMMAND = st.one_of(*map(values, COMMANDS.values()))


@settings(max_examples=150, deadline=None)
@given(ANY_EVENT | ANY_COMMAND | values(CallConfig))
def test_any_value_comes_back_from_its_json(value: Any) -> None:
    text = json.dumps(encode(value), ensure_ascii=False)
    assert decode(type(value), json.loads(text)) == value


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**12), ANY_EVENT | ANY_COMMAND), max_size=12), values(CallConfig))
def test_a_journal_comes_back_as_it_was_written(records: list[tuple[int, Any]], config: CallConfig) -> None:
    journal = MemoryJournal("c1", config)
    for at_us, value in records:
        journal.observe(at_us, value)
    run_virtual(journal.aclose(10**12))
    reading = (
        read(journal.text().splitlines(keepends=True)) if "\x85" not in journal.text() else _read_lines(journal.text())
    )
    assert reading.config == config
    assert [(entry.at_us, entry.value) for entry in reading.entries[:-1]] == records
    assert reading.closed
    assert not reading.torn


def _read_lines(text: str) -> Any:
    return read(part + "\n" for part in text.split("\n")[:-1])


@pytest.mark.parametrize("kind", [*EVENTS.values(), *COMMANDS.values()], ids=lambda kind: kind.__name__)
def test_wrong_shapes_are_told_by_class_and_field(kind: type[Any]) -> None:
    with pytest.raises(CodecError):
        decode(kind, ["not an object"])
    hints = get_type_hints(kind)
    for field in fields(kind):
        with pytest.raises(CodecError, match=f"{kind.__name__}.{field.name}"):
            decode(kind, {field.name: object()})
        assert field.name in hints


# ---------------------------------------------------------------- prompts by digest plus delta


def conversation(turns: int) -> list[c.Generate]:
    tool = ToolSpec("book", "Books an appointment.", {"type": "object"}, side_effects=True)
    messages: tuple[Message, ...] = ()
    requests: list[c.Generate] = []
    for turn in range(1, turns + 1):
        messages = (*messages, Message("user", f"Question number {turn}, said at some length."))
        requests.append(c.Generate(turn, turn, GenerationRequest("S" * 4_000, (tool,), messages, turn=turn), False))
        messages = (*messages, Message("assistant", f"The answer to number {turn}, also at some length."))
    return requests


def test_a_long_conversation_costs_a_line_a_turn() -> None:
    journal = MemoryJournal("c1", CallConfig())
    for request in conversation(100):
        journal.command(request.turn, request)
    text = journal.text()
    assert len(text) < 4_000 + 100 * 700, "the prompt is written again and again"
    reading = read(text.splitlines(keepends=True))
    assert [command for _, command in reading.commands()] == conversation(100)


# ---------------------------------------------------------------- replay

CONFIG = CallConfig(clips={"greeting": "Hello, how can I help?", "goodbye": "Goodbye."})
EVENTS_OF_A_CALL: list[tuple[int, e.Event]] = [
    (0, e.Answered("2026-11-22T10:00:00+00:00", "UTC")),
    (1_000, e.MediaUp()),
    (3_000_000, e.SpeechStarted(48_000, 2_950_000)),
    (3_400_000, e.Heard("interim", "are you open", 48_000, 54_000)),
    (4_000_000, e.SpeechEnded(62_000, 3_900_000)),
    (4_200_000, e.Heard("final", "Are you open on Saturday?", 48_000, 62_000)),
    (5_500_000, e.Tick()),
    (9_000_000, e.HungUp("caller_hung_up")),
]


def held_call() -> MemoryJournal:
    call, journal = Call(CONFIG), MemoryJournal("c1", CONFIG)
    for at_us, event in EVENTS_OF_A_CALL:
        journal.event(at_us, event)
        call.handle(event, at_us)
        while (command := call.poll()) is not None:
            journal.command(at_us, command)
    run_virtual(journal.aclose(9_000_001))
    return journal


def test_the_same_events_give_the_same_commands() -> None:
    outcome = replay(read(held_call().text().splitlines(keepends=True)))
    assert isinstance(outcome, Same)
    assert outcome.events == len(EVENTS_OF_A_CALL)
    assert outcome.commands > 5
    assert outcome.complete


def test_every_changed_missing_or_added_command_is_found() -> None:
    lines = held_call().text().splitlines(keepends=True)
    commands = [index for index, line in enumerate(lines) if '"c":' in line]
    for index in commands:
        for changed in ([], [lines[index], lines[index]], [lines[index].replace('"v":{', '"v":{"turn":99,')]):
            if changed and '"turn"' in lines[index] and changed[0] != lines[index]:
                changed = [_with_turn(lines[index], 99)]
            elif changed and changed[0] != lines[index]:
                continue  # a command without a turn
            outcome = replay(read(lines[:index] + changed + lines[index + 1 :]))
            assert isinstance(outcome, FirstDifference), f"line {index + 1} replaced by {changed} goes unnoticed"


def _with_turn(line: str, turn: int) -> str:
    value = json.loads(line)
    value["v"]["turn"] = turn
    return json.dumps(value) + "\n"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cut_anywhere_it_is_still_read_and_replays_as_far_as_it_goes(data: st.DataObject) -> None:
    whole = held_call().text()
    header = whole.index("\n") + 1
    cut = data.draw(st.integers(header, len(whole) - 1))
    reading = read(whole[:cut].splitlines(keepends=True))
    assert reading.torn == (whole[cut - 1] != "\n")
    outcome = replay(reading)
    assert isinstance(outcome, Same)
    assert not outcome.complete


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"RIFF\x00\xff\xfe", "not a journal"),
        (b"hello\n", "not a journal"),
        (b"[" * 50_000, "not a journal"),
        (b'{"journal": 99}\n', "version 1"),
        (b'{"journal": 1, "config": {"max_call": "long"}}\n', "max_call"),
        (b'{"journal": 1, "config": {}}\n{"t": 1, "e": "Nothing", "v": {}}\n', "unknown record Nothing"),
        (b'{"journal": 1, "config": {}}\n{"broken\n{"t": 1, "end": true}\n', ":2: damaged"),
        (b'{"journal": 1, "config": {}}\n{"e": "Tick", "v": {}}\n', ":2:"),
    ],
)
def test_what_is_no_journal_is_told_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalError) as caught:
        read_file(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_journal_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        read_file(tmp_path / "nothing.jsonl")


# ---------------------------------------------------------------- on disk


def test_a_file_holds_what_memory_would(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer = DiskWriter(interval_s=0.01)
        journal = FileJournal(tmp_path / "j.jsonl", "c1", CONFIG, writer)
        for at_us, event in EVENTS_OF_A_CALL:
            journal.event(at_us, event)
        for request in conversation(5):
            journal.command(9_000_000, request)
        await journal.aclose(9_000_001)
        await journal.aclose(9_000_002)
        journal.event(1, e.Tick())

    asyncio.run(scenario())
    memory = MemoryJournal("c1", CONFIG)
    for at_us, event in EVENTS_OF_A_CALL:
        memory.event(at_us, event)
    for request in conversation(5):
        memory.command(9_000_000, request)
    run_virtual(memory.aclose(9_000_001))
    assert (tmp_path / "j.jsonl").read_text() == memory.text()


def test_half_a_surrogate_pair_is_written_and_read_back(tmp_path: Path) -> None:
    """Models that split an emoji over two deltas send such halves."""
    path = tmp_path / "j.jsonl"

    async def scenario() -> None:
        journal = FileJournal(path, "c1", CONFIG, DiskWriter(interval_s=0.01))
        journal.event(1, e.Token(1, 2, "well \ud83d"))
        journal.command(2, next(iter(conversation(1))))
        await journal.aclose(3)

    asyncio.run(scenario())
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines[1]["v"]["text"] == "well \ud83d"


def test_a_file_that_fails_in_a_new_way_stops_no_other(tmp_path: Path) -> None:
    class Broken:
        label = "broken"

        def write_batch(self) -> bool:
            raise ValueError("what the caller said")

        def sync(self) -> None: ...

        def shut(self) -> None:
            raise ValueError("what the caller said")

    async def scenario() -> None:
        writer, broken = DiskWriter(interval_s=0.01), Broken()
        writer.add(broken)
        journal = FileJournal(tmp_path / "j.jsonl", "c1", CONFIG, writer)
        await asyncio.sleep(0.05)
        journal.event(1, e.Tick())
        await journal.aclose(2)
        with pytest.raises(DiskError, match="broken: ValueError; free space") as told:
            await writer.close(broken)
        assert "caller said" not in str(told.value)

    asyncio.run(scenario())
    assert '"e":"Tick"' in (tmp_path / "j.jsonl").read_text()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        FileJournal(tmp_path / "nowhere" / "j.jsonl", "c1", CONFIG)


def test_when_the_disk_is_too_slow_the_newest_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "QUEUE_RECORDS", 10)

    async def scenario() -> None:
        journal = FileJournal(tmp_path / "j.jsonl", "c1", CONFIG, DiskWriter(interval_s=30))
        for at_us in range(15):
            journal.event(at_us, e.Tick())
        journal.write_batch()
        journal.event(99, e.Tick())
        await journal.aclose(100)

    asyncio.run(scenario())
    reading = read_file(tmp_path / "j.jsonl")
    assert [(entry.kind, entry.value) for entry in reading.entries if entry.kind == "lost"] == [("lost", 5)]
    assert sum(entry.kind == "event" for entry in reading.entries) == 11
    outcome = replay(reading)
    assert isinstance(outcome, Same | FirstDifference)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_before_the_call() -> None:
    async def scenario() -> None:
        with pytest.raises(DiskError, match="No space left"):
            FileJournal(Path("/dev/full"), "c1", CONFIG, DiskWriter(interval_s=0.01))

    asyncio.run(scenario())


KILLED = """
import asyncio, sys, time
from pathlib import Path
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.engine.journal import FileJournal
from aivoice.engine.recorder import Recorder

async def main() -> None:
    folder = Path(sys.argv[1])
    journal = FileJournal(folder / "journal.jsonl", "c1", CallConfig())
    recorder = Recorder(folder / "recording.wav")
    begun = time.monotonic()
    frame = 0
    while True:
        now = time.monotonic() - begun
        journal.event(int(now * 1e6), e.Token(1, 1, "word"))
        while frame * 0.02 < now:
            recorder.write("caller", frame * 320, b"\\x10\\x00" * 320)
            recorder.write("agent", frame * 320, b"\\x20\\x00" * 320)
            frame += 1
        print(f"{now:.3f}", flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


def test_kill_minus_nine_costs_at_most_a_second(tmp_path: Path) -> None:
    import wave

    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reached = 0.0
    deadline = time.monotonic() + 30
    for line in process.stdout:
        reached = float(line)
        if reached > 2.5 or time.monotonic() > deadline:
            break
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    process.wait(10)
    if rest.splitlines():
        reached = float(rest.splitlines()[-1])
    reading = read_file(tmp_path / "journal.jsonl")
    assert not reading.closed
    assert reading.entries[-1].at_us / 1e6 >= reached - 1.0
    with wave.open(str(tmp_path / "recording.wav")) as recording:
        assert (recording.getnchannels(), recording.getframerate(), recording.getsampwidth()) == (2, 16_000, 2)
        assert recording.getnframes() / 16_000 >= reached - 1.0
        samples = recording.readframes(recording.getnframes())
    assert set(zip(samples[0::4], samples[2::4], strict=True)) == {(0x10, 0x20)}
