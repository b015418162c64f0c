"""Reading a journal back, and replaying it: the same events at the same times must give the same commands.

A journal whose writer was killed ends anywhere; a last line that is not whole is passed over (`Reading.torn`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from aivoice.core.call import Call
from aivoice.core.commands import Command, Generate, Note
from aivoice.core.config import CallConfig
from aivoice.core.events import Event
from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.engine.codec import COMMANDS, EVENTS, CodecError, decode, encode
from aivoice.engine.journal import VERSION
from aivoice.engine.release import HERE, CoreRelease
from aivoice.errors import InputError

ENGINE_NOTES = frozenset({"task_failed"})
"""Notes that the session adds to the record by itself; the core knows nothing of them."""


class JournalError(InputError):
    """The file is not a journal, or is damaged before its last line."""

    code, stage = "journal_invalid", "journal"


@dataclass(frozen=True, slots=True)
class Entry:
    """One record. line: 1-based line of the file. kind: ``event``, ``command``, ``note``, ``lost`` or ``end``."""

    line: int
    at_us: int
    kind: Literal["event", "command", "note", "lost", "end"]
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """A journal in memory. made_by: the core whose decisions it holds. closed: it ends as it should. torn: its last
    line was cut off. redacted: its texts are not what was said, so commands are compared by kind, turn and attempt."""

    call_id: str
    made_by: CoreRelease
    config: CallConfig
    entries: tuple[Entry, ...]
    closed: bool
    torn: bool
    redacted: bool = False

    @property
    def made_elsewhere(self) -> bool:
        """Another core than this one decided: a difference may be a change that was wanted."""
        return self.made_by != HERE

    def events(self) -> Iterator[tuple[int, Event]]:
        return ((entry.at_us, entry.value) for entry in self.entries if entry.kind == "event")

    def commands(self) -> Iterator[tuple[int, Command]]:
        return ((entry.at_us, entry.value) for entry in self.entries if entry.kind == "command")


@dataclass(frozen=True, slots=True)
class Same:
    """Every command came again, bit for bit. complete: the journal was closed and lost nothing."""

    events: int
    commands: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """line: where in the file the journal's command stands (0: it has none there). at_us: the event's time.

    expected: the journal's command, found: the replayed one, each as JSON text, None where there is none.
    """

    line: int
    at_us: int
    event: str
    expected: str | None
    found: str | None


def read_file(path: Path) -> Reading:
    """Raises JournalError: one line that says which file, which line, and what is wrong."""
    try:
        with path.open(encoding="utf-8") as file:
            return read(file, str(path))
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise JournalError(f"{path}: not a journal (not UTF-8 text)") from None


def read(lines: Iterable[str], name: str = "journal") -> Reading:
    """As `read_file`, from lines that keep their line ends."""
    reader = _Reader(name)
    for number, line in enumerate(lines, 1):
        if reader.torn:
            raise JournalError(f"{name}:{number - 1}: damaged line; the journal cannot be read past it")
        reader.line(number, line)
    return reader.reading()


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._header: dict[str, Any] | None = None
        self._config: CallConfig | None = None
        self._parts: dict[str, Any] = {}
        self._built: dict[tuple[type[Any], str], Any] = {}
        self._messages: list[str] = []
        self._entries: list[Entry] = []
        self._closed = False
        self.torn = False

    def line(self, number: int, line: str) -> None:
        if not line.strip():
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or (not line.endswith("\n") and self._header is not None):
            # Only the last line may be cut off: whether more lines follow shows when they are read.
            self.torn = True
            if self._header is None:
                raise JournalError(f"{self._name}: not a journal (its first line is no JSON object)")
            return
        record = cast("dict[str, Any]", value)
        try:
            self._record(number, record)
        except (CodecError, KeyError, TypeError, ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, CodecError) else f"unexpected shape ({type(error).__name__})"
            made_by = self._made_by()
            other = "" if made_by in (None, HERE) else f" (made by another release: {made_by}; this is {HERE})"
            raise JournalError(f"{self._name}:{number}: {what}{other}") from None

    def _made_by(self) -> CoreRelease | None:
        header = self._header
        return None if header is None else CoreRelease(str(header.get("release", "")), str(header.get("core", "")))

    def _record(self, number: int, record: dict[str, Any]) -> None:
        if self._header is None:
            if record.get("journal") != VERSION:
                raise CodecError(f"not a journal of version {VERSION}")
            self._header = record
            self._config = decode(CallConfig, record["config"])
            return
        if "def" in record:
            self._parts[str(record["def"])] = record["v"]
            return
        at_us = int(record["t"])
        if "e" in record:
            name = str(record["e"])
            self._add(number, at_us, "event", name, decode(_known(EVENTS, name), record["v"]))
        elif "c" in record:
            name = str(record["c"])
            cls = _known(COMMANDS, name)
            value = self._generate(record["v"]) if cls is Generate else decode(cls, record["v"])
            self._add(number, at_us, "command", name, value)
        elif "n" in record:
            self._add(number, at_us, "note", str(record["n"]), record["v"])
        elif "lost" in record:
            self._add(number, at_us, "lost", "lost", int(record["lost"]))
        elif "end" in record:
            self._closed = True
            self._add(number, at_us, "end", "end", True)
        else:
            raise CodecError("a record of no known kind")

    def _add(self, line: int, at_us: int, kind: Any, name: str, value: Any) -> None:
        self._entries.append(Entry(line, at_us, kind, name, value))

    def _generate(self, value: dict[str, Any]) -> Generate:
        prompt = cast("dict[str, Any]", value["prompt"])
        self._messages = self._messages[: int(prompt["same"])] + [str(digest) for digest in prompt["messages"]]
        rest = cast(GenerationRequest, decode(GenerationRequest, prompt["rest"]))
        request = replace(
            rest,
            system=self._part(str, prompt["system"]),
            tools=tuple(self._part(ToolSpec, digest) for digest in prompt["tools"]),
            messages=tuple(self._part(Message, digest) for digest in self._messages),
        )
        return Generate(int(value["turn"]), int(value["attempt"]), request, bool(value["speculative"]))

    def _part(self, cls: type[Any], digest: str) -> Any:
        key = (cls, digest)
        if key not in self._built:
            if digest not in self._parts:
                raise CodecError(f"a prompt names the part {digest}, which was never written")
            self._built[key] = decode(cls, self._parts[digest])
        return self._built[key]

    def reading(self) -> Reading:
        made_by = self._made_by()
        if self._header is None or self._config is None or made_by is None:
            raise JournalError(f"{self._name}: not a journal (it is empty)")
        return Reading(
            call_id=str(self._header.get("call", "")),
            made_by=made_by,
            config=self._config,
            entries=tuple(self._entries),
            closed=self._closed,
            torn=self.torn,
            redacted=self._header.get("redacted") is True,
        )


def _known(classes: dict[str, type[Any]], name: str) -> type[Any]:
    if name not in classes:
        raise CodecError(f"unknown record {name}")
    return classes[name]


def replay(journal: Reading) -> Same | FirstDifference:
    """Feed the journal's events to a fresh `Call` and compare its commands with the journal's, one by one.

    A command may stand after a later event than its own (the engine runs the commands before it in between); their
    order is what counts. Where the journal lost records or was cut off, the comparison ends there, and `Same.complete`
    is False.
    """
    call = Call(journal.config)
    pending: list[tuple[int, Command]] = []
    events = commands = 0
    last: Entry | None = None
    complete = journal.closed
    for entry in journal.entries:
        if entry.kind == "lost":
            complete = False
            break
        if entry.kind == "command":
            if isinstance(entry.value, Note) and entry.value.kind in ENGINE_NOTES:
                continue
            if not pending:
                return _difference(entry.line, last, entry.value, None)
            at_us, command = pending.pop(0)
            if not _alike(command, entry.value, journal.redacted) or at_us > entry.at_us:
                return _difference(entry.line, last, entry.value, command)
            commands += 1
        elif entry.kind == "event":
            call.handle(entry.value, entry.at_us)
            events, last = events + 1, entry
            while (command := call.poll()) is not None:
                pending.append((entry.at_us, command))
    if pending and complete:
        return _difference(0, last, None, pending[0][1])
    return Same(events, commands, complete)


def _alike(one: Command, other: Command, redacted: bool) -> bool:
    """redacted: what was said is no longer known, only how long it was and of what kind: kind and ids must agree."""
    if not redacted:
        return one == other
    ids = ("turn", "attempt", "cached", "outcome")
    return type(one) is type(other) and all(getattr(one, name, None) == getattr(other, name, None) for name in ids)


def _difference(line: int, event: Entry | None, expected: Command | None, found: Command | None) -> FirstDifference:
    at_us, name = (event.at_us, event.name) if event else (0, "")
    return FirstDifference(line, at_us, name, _text(expected), _text(found))


def _text(command: Command | None) -> str | None:
    if command is None:
        return None
    return json.dumps({"c": type(command).__name__, "v": encode(command)}, ensure_ascii=False, sort_keys=True)
