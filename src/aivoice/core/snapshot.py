"""A call's state as plain JSON values, and back: to go on with it in another process or release.

Versioned by shape, not by code: objects are written by field name with their type's name, each once, so that what is
shared stays shared. On reading, fields this release does not know are dropped, those it misses get their defaults;
what cannot be read so (another `VERSION`) is refused. The config is not part of it: the business may have changed it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields, is_dataclass
from typing import Any, cast

from aivoice.core.budget import LeaseClock
from aivoice.core.clauses import ClauseSplitter
from aivoice.core.config import CallConfig, Clauses, Endpointing, Lease
from aivoice.core.context import History
from aivoice.core.conversation import Contest, Conversation, Transferring
from aivoice.core.decided import Decided
from aivoice.core.ears import Ears
from aivoice.core.endpointing import Expectation, PauseModel
from aivoice.core.mouth import Mouth
from aivoice.core.notes import NoteTaker
from aivoice.core.outbox import Outbox
from aivoice.core.prompt import Message, Passage, ToolCall
from aivoice.core.reply import After, Clip, Reply, ToolRun
from aivoice.core.speculation import Account, Ahead, Spent, Tally
from aivoice.core.state import ConversationState
from aivoice.core.tokens import Scale
from aivoice.core.toolbox import Toolbox
from aivoice.core.waterfall import Marks

VERSION = 2
Json = Any
"""None, bool, int, float, str, or lists and str-keyed dicts of them."""

_TYPES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        Account, After, Ahead, ClauseSplitter, Clip, Contest, Conversation, ConversationState, Decided, Ears,
        Expectation, History, LeaseClock, Marks, Message, Mouth, NoteTaker, Outbox, Passage, PauseModel, Reply, Scale,
        Spent, Tally,
        ToolCall, ToolRun, Toolbox, Transferring,
    )
}  # fmt: skip
_CONFIGS = (CallConfig, Endpointing, Clauses, Lease)


class SnapshotError(ValueError):
    """The snapshot is of another version, or no snapshot."""


class _Writer:
    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def write(self, value: object) -> Json:
        """`value` as JSON; a mutable object met again is written as a reference to its first writing."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, _CONFIGS):
            return {"config": type(value).__name__}
        if isinstance(value, dict):
            items = cast("dict[object, object]", value).items()
            return {"map": [[self.write(key), self.write(each)] for key, each in items]}
        if is_dataclass(value):
            return self._object(value)
        kind = type(value).__name__
        return {kind: [self.write(each) for each in cast("list[object]", value)]}

    def _object(self, value: object) -> Json:
        if id(value) in self._seen:
            return {"same": self._seen[id(value)]}
        number = self._seen[id(value)] = len(self._seen)
        body = {field.name: self.write(getattr(value, field.name)) for field in fields(cast("Any", value))}
        return {"new": number, "type": type(value).__name__, "fields": body}


class _Reader:
    def __init__(self, config: CallConfig) -> None:
        self._made: dict[int, object] = {}
        self._configs: dict[str, object] = {
            "CallConfig": config,
            "Endpointing": config.endpointing,
            "Clauses": config.clauses,
            "Lease": config.lease,
        }

    def read(self, value: Json) -> Any:
        """The value that was written."""
        if not isinstance(value, dict):
            return value
        entry = cast("dict[str, Any]", value)
        if "new" in entry:
            return self._object(entry)
        if "same" in entry:
            return self._made[entry["same"]]
        (kind, content), *_ = entry.items()
        match kind:
            case "config":
                return self._configs[content]
            case "map":
                return {self.read(key): self.read(each) for key, each in content}
            case "tuple":
                return tuple(self.read(each) for each in content)
            case "deque":
                return deque(self.read(each) for each in content)
            case _:
                return [self.read(each) for each in content]

    def _object(self, entry: dict[str, Any]) -> object:
        kind = _TYPES[entry["type"]]
        made = object.__new__(kind)
        self._made[entry["new"]] = made
        known = {field.name: field for field in fields(kind)}
        for name, written in entry["fields"].items():
            read = self.read(written)  # also of a dropped field: later references may point into it
            if name in known:
                object.__setattr__(made, name, read)
        for name in known.keys() - entry["fields"].keys():
            object.__setattr__(made, name, _default(known[name]))
        return made


def _default(field: Any) -> object:
    """What a field that older releases did not write starts with."""
    return field.default_factory() if callable(field.default_factory) else field.default


def write(talk: Conversation) -> dict[str, Json]:
    """The conversation as JSON values."""
    return {"version": VERSION, "conversation": _Writer().write(talk)}


def read(snapshot: dict[str, Json], config: CallConfig) -> Conversation:
    """The conversation again, under `config`. Raises SnapshotError."""
    if snapshot.get("version") != VERSION:
        raise SnapshotError(f"the snapshot has version {snapshot.get('version')!r}, this release reads {VERSION}")
    try:
        talk = _Reader(config).read(snapshot["conversation"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotError(f"the snapshot is damaged ({type(error).__name__})") from None
    if not isinstance(talk, Conversation):
        raise SnapshotError("the snapshot is damaged (it holds no conversation)")
    return talk
