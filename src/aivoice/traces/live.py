"""The live view of a call for a page or a terminal: every record in, JSON-able changes out.

A change is one of
- ``{"op": "put", "entry": {…}}``: show this entry (`traces.model`), replacing the one with the same ``id``;
- ``{"op": "state", "state": "listening"}``: what the call is doing now;
- ``{"op": "end", "reason": "…"}``: the call is over; nothing follows.
Applying a snapshot and then every later change, in order, gives the same picture as all changes from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aivoice.traces.model import Entry, State
from aivoice.traces.reduce import CallReducer, Item

Change = dict[str, Any]


class LiveView:
    """One call's view. Not thread-safe; `apply` never blocks and never raises on any order of records.

    clips: text of the ready-made clips by key, so that a greeting can be shown.
    """

    def __init__(self, clips: Mapping[str, str] | None = None) -> None:
        self._reducer = CallReducer(clips)
        self._state: State = "connecting"
        self._ended = False

    @property
    def reducer(self) -> CallReducer:
        """The call so far; the trace is built from it."""
        return self._reducer

    @property
    def state(self) -> State:
        return self._state

    def apply(self, at_us: int, item: Item) -> list[Change]:
        """Take one record; at_us: its monotonic time in µs. Returns the changes, mostly none."""
        entries = self._reducer.apply(at_us, item)
        changes = [put(entry) for entry in entries]
        state = self._reducer.state
        if state != self._state:
            self._state = state
            changes.append({"op": "state", "state": state})
        if self._reducer.ended and not self._ended:
            self._ended = True
            changes.append({"op": "end", "reason": self._reducer.end_reason})
        return changes

    def snapshot(self) -> list[Change]:
        """All that there is to show now, for a reader who comes late."""
        changes: list[Change] = [put(entry) for entry in self._reducer.entries]
        changes.append({"op": "state", "state": self._state})
        if self._ended:
            changes.append({"op": "end", "reason": self._reducer.end_reason})
        return changes


def put(entry: Entry) -> Change:
    """The change that shows `entry` as it is now (a copy: later changes do not reach it)."""
    return {"op": "put", "entry": asdict(entry)}
