"""A call's journal: every event and command with its time, in order, as JSON lines that replay bit for bit.

One line each:

    {"journal": 1, "call": "c1", "release": "0.1.0", "core": "3f…", "config": {…}}   first line (`engine.release`)
    {"t": 1250000, "e": "Token", "v": {"turn": 1, …}}     an event, as it was given to the core at t µs
    {"t": 1250000, "c": "Play", "v": {…}}                 a command it handed back
    {"t": 1250000, "n": "admitted", "v": {…}}             a note of the engine; replay passes over it
    {"def": "3f…", "v": …}                                a part of prompts, written once, before its first use
    {"t": 1250000, "lost": 12}                            the disk was too slow: so many records are missing
    {"t": 9990000, "end": true}                           the last line of a journal that was closed

The first line of a redacted journal has ``"redacted": true``: every text went through the call's redactor first, so
that a replay of it compares commands by kind and id (`engine.replay`).

Prompts (`GenerationRequest`) grow by a message a turn, so they are written by digest plus delta: the system text,
the tools and each message once as a ``def``, a request as the digests that differ from the request before it.

Cost on the event loop: one list append a record. Encoding and writing happen in the writer's thread (`engine.disk`,
which also states what survives a crash: at most `INTERVAL_S` is lost by ``kill -9``). Overflow policy of the queue:
beyond `QUEUE_RECORDS` the newest records are dropped and counted, and the file says how many are missing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, cast

from aivoice.core.commands import Command, Generate
from aivoice.core.config import CallConfig
from aivoice.core.events import Event
from aivoice.engine.codec import EVENTS, encode
from aivoice.engine.disk import AppendFile, DiskError, DiskWriter, PlainFile, shared_writer
from aivoice.engine.release import HERE

VERSION: Final = 1
QUEUE_RECORDS = 50_000
"""Records that may wait for the disk: several minutes of a busy call."""


class Journal(Protocol):
    """Where a session writes. Called on its event loop; never blocks, never raises."""

    def event(self, at_us: int, event: Event) -> None: ...

    def command(self, at_us: int, command: Command) -> None: ...

    def observe(self, at_us: int, item: Event | Command) -> None:
        """Either of the two: a journal is an `engine.ports.Observer`."""
        ...

    def note(self, at_us: int, kind: str, detail: dict[str, Any]) -> None:
        """Something of the engine's that explains the call; simple JSON values, no caller content."""
        ...

    async def aclose(self, at_us: int) -> None:
        """The call is over. Idempotent. May raise DiskError when something could not be written."""
        ...


Redact = Callable[[str, str], str]
"""(where it stands: ``Heard.text``, ``prompt`` …; a text) → the text as it may be kept, of the same length and the same
classes of characters, so that a replay takes the same way. Called by the writer's thread, in the order of the
records."""

Record = tuple[int, str, Any]
"""(µs, ``e`` | ``c`` | ``n:kind`` | ``lost`` | ``end``, value)."""


class Encoder:
    """Records to lines. Holds what was already written of prompts; one a journal. redact: None: texts stay."""

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact
        self._known: set[str] = set()
        self._digests: dict[int, tuple[Any, str]] = {}
        self._messages: tuple[str, ...] = ()

    def header(self, call_id: str, config: CallConfig) -> str:
        made_by = {"release": HERE.release, "core": HERE.sources}
        redacted = {} if self._redact is None else {"redacted": True}
        return _line({"journal": VERSION, "call": call_id, **made_by, **redacted, "config": encode(config)})

    def lines(self, record: Record) -> list[str]:
        """The line of the record, after the definitions it needs."""
        at_us, kind, value = record
        if kind == "e":
            return [_line({"t": at_us, "e": type(value).__name__, "v": self._encoded(value)})]
        if kind == "c":
            if isinstance(value, Generate):
                return self._generate(at_us, value)
            return [_line({"t": at_us, "c": type(value).__name__, "v": self._encoded(value)})]
        if kind in ("lost", "end"):
            return [_line({"t": at_us, kind: value})]
        return [_line({"t": at_us, "n": kind.removeprefix("n:"), "v": value})]

    def _generate(self, at_us: int, command: Generate) -> list[str]:
        request = command.request
        lines: list[str] = []
        messages = tuple(self._define(message, lines) for message in request.messages)
        same = 0
        while same < min(len(messages), len(self._messages)) and messages[same] == self._messages[same]:
            same += 1
        self._messages = messages
        prompt: dict[str, Any] = {
            "system": self._define(request.system, lines),
            "tools": [self._define(tool, lines) for tool in request.tools],
            "same": same,
            "messages": list(messages[same:]),
            "rest": self._encoded(replace(request, system="", tools=(), messages=())),
        }
        value = {"turn": command.turn, "attempt": command.attempt, "speculative": command.speculative, "prompt": prompt}
        lines.append(_line({"t": at_us, "c": "Generate", "v": value}))
        return lines

    def _define(self, part: Any, lines: list[str]) -> str:
        """The digest of a part of a prompt; its definition goes to `lines` when it is new."""
        found = self._digests.get(id(part))
        if found is not None and found[0] is part:
            return found[1]
        value = self._encoded(part, "prompt")
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
        self._digests[id(part)] = (part, digest)
        if digest not in self._known:
            self._known.add(digest)
            lines.append(_line({"def": digest, "v": value}))
        return digest

    def _encoded(self, value: Any, where: str = "") -> Any:
        encoded = encode(value)
        return encoded if self._redact is None else _mapped(encoded, where or type(value).__name__, self._redact)


def _mapped(value: Any, where: str, redact: Redact) -> Any:
    """Every text in a JSON value redacted; names of members are ours and stay."""
    if isinstance(value, str):
        return redact(where, value)
    if isinstance(value, list):
        return [_mapped(item, where, redact) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _mapped(item, f"{where}.{name}", redact) for name, item in members.items()}
    return value


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


_EVENTS = frozenset(EVENTS.values())


def _kind(item: Event | Command) -> str:
    return "e" if type(item) in _EVENTS else "c"


class MemoryJournal:
    """A journal kept in memory, for tests and simulations."""

    def __init__(self, call_id: str, config: CallConfig) -> None:
        self._call_id = call_id
        self._config = config
        self.records: list[Record] = []
        self._closed = False

    def event(self, at_us: int, event: Event) -> None:
        self.records.append((at_us, "e", event))

    def command(self, at_us: int, command: Command) -> None:
        self.records.append((at_us, "c", command))

    def observe(self, at_us: int, item: Event | Command) -> None:
        self.records.append((at_us, _kind(item), item))

    def note(self, at_us: int, kind: str, detail: dict[str, Any]) -> None:
        self.records.append((at_us, f"n:{kind}", detail))

    async def aclose(self, at_us: int) -> None:
        if not self._closed:
            self._closed = True
            self.records.append((at_us, "end", True))

    def text(self) -> str:
        """What a FileJournal would have written."""
        encoder = Encoder()
        lines = [encoder.header(self._call_id, self._config)]
        for record in self.records:
            lines.extend(encoder.lines(record))
        return "".join(lines)


class FileJournal:
    """A journal streamed to `path` (its folder must exist), or to `file` where it is given. Raises DiskError when it
    cannot be created."""

    def __init__(
        self,
        path: Path,
        call_id: str,
        config: CallConfig,
        writer: DiskWriter | None = None,
        *,
        file: AppendFile | None = None,
        redact: Redact | None = None,
    ) -> None:
        self.label = str(path)
        self._encoder = Encoder(redact)
        self._lock = threading.Lock()
        self._waiting: list[Record] = []
        self._lost = 0
        self._closed = False
        self._writer = writer or shared_writer()
        self._file = file or PlainFile(path)
        try:
            self._file.write(self._encoder.header(call_id, config).encode())
        except OSError as error:
            self._file.close()
            raise DiskError.of(self.label, error, "choose another folder with --out") from None
        self._writer.add(self)

    def event(self, at_us: int, event: Event) -> None:
        self._add((at_us, "e", event))

    def command(self, at_us: int, command: Command) -> None:
        self._add((at_us, "c", command))

    def observe(self, at_us: int, item: Event | Command) -> None:
        self._add((at_us, _kind(item), item))

    def note(self, at_us: int, kind: str, detail: dict[str, Any]) -> None:
        self._add((at_us, f"n:{kind}", detail))

    async def aclose(self, at_us: int) -> None:
        if not self._closed:
            self._add((at_us, "end", True))
            self._closed = True
        await self._writer.close(self)

    def abandon(self) -> None:
        """Close the file of a call that never began, soon and without waiting."""
        self._closed = True
        self._writer.abandon(self)

    def _add(self, record: Record) -> None:
        if self._closed:
            return
        with self._lock:
            if len(self._waiting) >= QUEUE_RECORDS:
                self._lost += 1
                return
            if self._lost:
                self._waiting.append((record[0], "lost", self._lost))
                self._lost = 0
            self._waiting.append(record)

    # ------------------------------------------------------------ the writer's thread

    def write_batch(self) -> bool:
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return False
        lines: list[str] = []
        for record in batch:
            lines.extend(self._encoder.lines(record))
        # Half a surrogate pair, which a model may send, becomes the JSON escape of itself.
        self._file.write("".join(lines).encode(errors="backslashreplace"))
        return True

    def sync(self) -> None:
        self._file.sync()

    def shut(self) -> None:
        self._file.close()
