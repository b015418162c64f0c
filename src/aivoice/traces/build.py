"""The trace of a finished (or broken off) call, from its reducer or its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from math import ceil
from typing import Any

from aivoice.traces.model import (
    AgentEntry,
    CallerEntry,
    Latency,
    NoteEntry,
    ToolEntry,
    Trace,
    Turn,
    Usage,
    WaterfallEntry,
)
from aivoice.traces.reduce import CallReducer, Item


def trace_of(
    records: Iterable[tuple[int, Item]], *, call_id: str, business: str = "", clips: Mapping[str, str] | None = None
) -> Trace:
    """The trace of a call from its records, (monotonic µs, event or command), in order."""
    reducer = CallReducer(clips)
    for at_us, item in records:
        reducer.apply(at_us, item)
    return build_trace(reducer, call_id=call_id, business=business)


def build_trace(reducer: CallReducer, *, call_id: str, business: str = "") -> Trace:
    """The trace of the call as far as `reducer` has seen it. Entries are shared with the reducer, not copied."""
    entries = tuple(sorted(reducer.entries, key=lambda entry: entry.at_ms))
    numbers = {entry.turn for entry in entries if entry.turn is not None} | set(reducer.usage)
    turns = tuple(_turn(number, reducer) for number in sorted(numbers))
    return Trace(
        call_id=call_id,
        business=business,
        started=reducer.started,
        zone=reducer.zone,
        duration_ms=reducer.now_ms,
        end_reason=reducer.end_reason,
        turns=turns,
        entries=entries,
        providers=tuple(reducer.providers),
        errors=tuple(entry for entry in entries if isinstance(entry, NoteEntry) and entry.level == "error"),
        interruptions=sum(isinstance(entry, AgentEntry) and entry.status == "interrupted" for entry in entries),
        usage=_total(turn.usage for turn in turns),
        latency=latency([turn.waterfall for turn in turns if turn.waterfall is not None]),
        guesses=reducer.guesses,
    )


def _turn(number: int, reducer: CallReducer) -> Turn:
    own = [entry for entry in reducer.entries if entry.turn == number]
    falls = [entry for entry in own if isinstance(entry, WaterfallEntry)]
    return Turn(
        turn=number,
        caller=tuple(entry for entry in own if isinstance(entry, CallerEntry)),
        agent=tuple(entry for entry in own if isinstance(entry, AgentEntry)),
        tools=tuple(entry for entry in own if isinstance(entry, ToolEntry)),
        notes=tuple(entry for entry in own if isinstance(entry, NoteEntry)),
        waterfall=falls[-1] if falls else None,
        usage=reducer.usage.get(number, Usage()),
        passages=reducer.passages.get(number, ()),
    )


def _total(usages: Iterable[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        for field in fields(Usage):
            setattr(total, field.name, getattr(total, field.name) + getattr(usage, field.name))
    return total


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Nearest rank: the smallest value that at least `percent` % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def latency(falls: Sequence[WaterfallEntry]) -> Latency:
    """Percentiles of the two figures over the given turns."""
    first = [fall.first_sound_ms for fall in falls]
    answer = [fall.answer_ms for fall in falls]
    return Latency(
        len(falls),
        *(percentile(first, percent) for percent in (50, 90, 99)),
        *(percentile(answer, percent) for percent in (50, 90, 99)),
    )


def to_json(trace: Trace) -> dict[str, Any]:
    """The trace as JSON-able values. ``format`` is raised when a reader would have to change."""
    return {"format": 1, **asdict(trace)}
