"""The entries of one call as they grow, and which of them the record at hand has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aivoice.traces.model import Entry, NoteEntry

Level = Literal["info", "warning", "error"]


@dataclass(slots=True)
class Ledger:
    """entries: in the order of creation. now_ms: time of the record at hand."""

    entries: list[Entry] = field(default_factory=list[Entry])
    now_ms: int = 0
    zero_us: int | None = None
    changed: list[Entry] = field(default_factory=list[Entry])
    _known: set[str] = field(default_factory=set[str])
    _serial: int = 0

    def at(self, at_us: int) -> None:
        """A new record begins, at this monotonic time."""
        if self.zero_us is None:
            self.zero_us = at_us
        self.now_ms = max(self.now_ms, self.ms(at_us))
        self.changed = []

    def begin(self, at_us: int) -> None:
        """Media is up: times count from here, as the recording's do."""
        self.zero_us, self.now_ms = at_us, 0

    def ms(self, at_us: int) -> int:
        """Milliseconds since zero, never negative."""
        return max(0, (at_us - (self.zero_us or 0)) // 1000)

    def new_id(self, letter: str) -> str:
        self._serial += 1
        return f"{letter}{self._serial}"

    def show(self, entry: Entry) -> None:
        """The entry is new or has changed."""
        if entry.id not in self._known:
            self._known.add(entry.id)
            self.entries.append(entry)
        if all(entry is not known for known in self.changed):
            self.changed.append(entry)

    def shows(self, entry: Entry) -> bool:
        return entry.id in self._known

    def note(self, what: str, text: str, turn: int | None, *, level: Level = "info", shown: bool = True) -> None:
        self.show(NoteEntry(self.new_id("n"), self.now_ms, turn or None, what, text, level, shown))
