"""What a change of a business file changes for callers, as a list that its owner can read. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from aivoice.business.hours import WEEKDAYS, Hours, Span, clock
from aivoice.business.model import Business, Document, Tool

What = Literal["added", "changed", "removed"]
SHOWN = 160
"""Most characters of a value in `Change.line`."""


@dataclass(frozen=True, slots=True)
class Change:
    """section: ``greeting``, ``hours``, ``prices`` … name: which one of it ("monday", "Cleaning"), "" where there is
    one only. old, new: as a person writes them, whole; "" where there was or will be none."""

    section: str
    name: str
    what: What
    old: str
    new: str

    def line(self) -> str:
        """``~ prices, Cleaning: $110 → $120``. One line, long values cut."""
        label = f"{self.section}, {self.name}" if self.name else self.section
        match self.what:
            case "added":
                return f"+ {label}: {_cut(self.new)}"
            case "removed":
                return f"- {label}: {_cut(self.old)}"
            case "changed":
                old, new = _apart(self.old, self.new)
                return f"~ {label}: {old} → {new}"


@dataclass(frozen=True, slots=True)
class Plan:
    """changes: in the order of the sections. notes: what a person should know beside them."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """The changes, then the notes, one line each."""
        return (*(change.line() for change in self.changes), *(f"! {note}" for note in self.notes))


def plan(current: Business | None, new: Business) -> Plan:
    """From `current` (None: nothing is in force yet) to `new`. Both with their documents' text."""
    before, after = _described(current), _described(new)
    changes: list[Change] = []
    for section, values in after.items():
        earlier = before.get(section, {})
        for name in dict.fromkeys((*earlier, *values)):
            change = _change(section, name, earlier.get(name, ""), values.get(name, ""))
            if change is not None:
                changes.append(change)
    changes += _documents(current.documents if current else (), new.documents)
    return Plan(tuple(changes), _notes(new))


def _change(section: str, name: str, old: str, new: str) -> Change | None:
    if old == new:
        return None
    what: What = "added" if not old else "removed" if not new else "changed"
    return Change(section, name, what, old, new)


def _notes(new: Business) -> tuple[str, ...]:
    notes: list[str] = []
    if new.service is not None:
        notes.append(f"{new.service.name} is not uploaded: the operator attaches a service on the server")
    if not new.hours.known:
        notes.append("no opening hours are given: every call counts as within them")
    if not new.transfers:
        notes.append("there is nobody to transfer to: callers who want a person can only leave a message")
    return tuple(notes)


_SINGLE = (
    "name", "greeting", "disclosure", "personality", "instructions", "voice", "timezone", "address", "phone", "email",
    "website",
)  # fmt: skip


def _described(business: Business | None) -> dict[str, dict[str, str]]:
    """Section → name → value. Every section is there, for every business, in one order."""
    if business is None:
        return {}
    described: dict[str, dict[str, str]] = {key: {"": str(getattr(business, key))} for key in _SINGLE}
    described["hours"] = _hours(business.hours)
    described["prices"] = {
        item.item: f"{item.price} ({item.note})" if item.note else item.price for item in business.prices
    }
    described["tools"] = {
        f"{tool.name}{suffix}": value for tool in business.tools for suffix, value in _tool(tool).items()
    }
    described["transfers"] = {
        item.name: f"{item.number or 'no number'}{_listed(' (callers say: {})', item.phrases)}"
        for item in business.transfers
    }
    emergency = business.emergency
    described["emergency"] = {
        "phrases": ", ".join(emergency.phrases), "sentence": emergency.sentence, "target": emergency.target
    }  # fmt: skip
    described["limits"] = {item.name: str(getattr(business.limits, item.name)) for item in fields(business.limits)}
    described["sentences"] = dict(business.sentences)
    described["lexicon"] = dict(business.lexicon)
    described["service"] = {"": business.service.name if business.service else ""}
    return described


def _listed(form: str, items: tuple[str, ...]) -> str:
    return form.format(", ".join(items)) if items else ""


def _hours(hours: Hours) -> dict[str, str]:
    if not hours.known:
        return {}
    described = {WEEKDAYS[index]: _spans(spans) for index, spans in enumerate(hours.weekly)}
    for date, spans, name in hours.special:
        described[date.isoformat()] = _spans(spans) + (f" ({name})" if name else "")
    return described


def _spans(spans: tuple[Span, ...]) -> str:
    return " and ".join(f"{clock(start)} to {clock(end)}" for start, end in spans) or "closed"


def _tool(tool: Tool) -> dict[str, str]:
    return {
        "": tool.description,
        ".endpoint": tool.endpoint,
        ".side_effects": "yes" if tool.side_effects else "no",
        ".time_limit_ms": str(tool.time_limit_ms),
        ".fillers": " | ".join(tool.fillers),
        ".parameters": _json(tool.parameters),
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))


def _documents(old: tuple[Document, ...], new: tuple[Document, ...]) -> list[Change]:
    before = {document.source: document for document in old}
    after = {document.source: document for document in new}
    changes: list[Change] = []
    for source in dict.fromkeys((*before, *after)):
        was, will = before.get(source), after.get(source)
        if will is None and was is not None:
            changes.append(Change("documents", source, "removed", _sized(was), ""))
        elif was is None and will is not None:
            changes.append(Change("documents", source, "added", "", _sized(will)))
        elif was is not None and will is not None and was.text != will.text:
            old_lines, new_lines = Counter(was.text.splitlines()), Counter(will.text.splitlines())
            added, removed = (new_lines - old_lines).total(), (old_lines - new_lines).total()
            said = f"{_lines(added)} added, {removed} removed" if added or removed else "lines in another order"
            changes.append(Change("documents", source, "changed", _sized(was), f"{_sized(will)} ({said})"))
    return changes


def _sized(document: Document) -> str:
    return f"{document.title}, {_lines(len(document.text.splitlines()))}"


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"


def _cut(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= SHOWN else joined[: SHOWN - 1] + "…"


def _apart(old: str, new: str) -> tuple[str, str]:
    """Both cut so that the place where they differ is to be seen."""
    old, new = " ".join(old.split()), " ".join(new.split())
    start = next((index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    if max(len(old), len(new)) <= SHOWN or start < SHOWN // 2:
        return _cut(old), _cut(new)
    begin = start - SHOWN // 4
    return f"…{_cut(old[begin:])}", f"…{_cut(new[begin:])}"
