"""The trace of a call as plain values: what was said, heard, run and decided, and where each turn's time went.

Times are milliseconds since media came up (the start of the recording); None where it never happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CallerStatus = Literal["interim", "final", "turn", "backchannel", "ignored"]
AgentStatus = Literal["speaking", "held", "finished", "interrupted", "discarded"]
ToolStatus = Literal["running", "accepted", "ok", "failed", "unknown", "cancelled"]
State = Literal[
    "connecting", "listening", "hearing", "thinking", "speaking", "paused", "working", "transferring", "ended"
]


@dataclass(slots=True)
class CallerEntry:
    """What the caller said. interim: still changing. turn: answered as (part of) turn `turn`.

    backchannel, ignored: heard, but not a turn (an "mm-hm", our echo).
    """

    id: str
    at_ms: int
    until_ms: int | None
    text: str = ""
    status: CallerStatus = "interim"
    turn: int | None = None
    why: str = ""
    kind: Literal["caller"] = "caller"


@dataclass(slots=True)
class AgentEntry:
    """What the agent said in one reply. text: all that was begun to be played; heard: what the caller heard of it.

    clips: keys of the ready-made clips in it (greeting, filler, …), in order.
    """

    id: str
    at_ms: int
    until_ms: int | None
    turn: int
    text: str = ""
    heard: str = ""
    status: AgentStatus = "speaking"
    clips: tuple[str, ...] = ()
    why: str = ""
    kind: Literal["agent"] = "agent"


@dataclass(slots=True)
class ToolEntry:
    """One run of a tool. arguments, result: JSON text."""

    id: str
    at_ms: int
    until_ms: int | None
    turn: int
    name: str
    arguments: str
    side_effects: bool
    status: ToolStatus = "running"
    result: str = ""
    kind: Literal["tool"] = "tool"


@dataclass(slots=True)
class NoteEntry:
    """A decision or a failure in plain words. level ``error``: something failed. shown: worth a line to a reader of
    the conversation (the trace has them all)."""

    id: str
    at_ms: int
    turn: int | None
    what: str
    text: str
    level: Literal["info", "warning", "error"] = "info"
    shown: bool = True
    kind: Literal["note"] = "note"


@dataclass(slots=True)
class WaterfallEntry:
    """Where turn `turn`'s milliseconds went, rounded so that the stages add up to `total_ms` exactly.

    first_sound_ms: end of speech → first agent sound (perhaps a filler). answer_ms: → first sound of the answer.
    total_ms: what the stages partition (the time to the answer). saved_ms: how much later the answer would have begun,
    had it not been made on a guess.
    """

    id: str
    at_ms: int
    turn: int
    stages: tuple[tuple[str, float], ...]
    total_ms: float
    first_sound_ms: float
    answer_ms: float
    speculative: bool
    saved_ms: float = 0.0
    kind: Literal["waterfall"] = "waterfall"


Entry = CallerEntry | AgentEntry | ToolEntry | NoteEntry | WaterfallEntry


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """One step of a fallback chain."""

    at_ms: int
    stage: str
    provider: str
    state: str
    turn: int
    attempt: int
    code: str


@dataclass(slots=True)
class Usage:
    """Language model work of one turn. speculative: generations started before the turn was decided; discarded: replies
    thrown away unheard."""

    generations: int = 0
    speculative: int = 0
    discarded: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Guesses:
    """Replies begun before the turn was decided. used: the guess was right. tokens: all that the language model was
    asked for in the call, by `core.speculation`'s count, wasted_tokens: those of wrong guesses, wasted_share: of them
    all, 0…1. saved_ms: how much sooner answers were heard, in all. most: the least certain kind in use at the end."""

    made: int = 0
    used: int = 0
    tokens: int = 0
    wasted_tokens: int = 0
    wasted_share: float = 0.0
    saved_ms: float = 0.0
    most: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what the caller said, what they heard of the reply, what ran, where the time went. Turn 0 is the
    greeting. passages: sources of the knowledge found, best first."""

    turn: int
    caller: tuple[CallerEntry, ...]
    agent: tuple[AgentEntry, ...]
    tools: tuple[ToolEntry, ...]
    notes: tuple[NoteEntry, ...]
    waterfall: WaterfallEntry | None
    usage: Usage
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles (nearest rank) over the turns with a measured answer, ms; None without any."""

    turns: int
    first_sound_p50: float | None
    first_sound_p90: float | None
    first_sound_p99: float | None
    answer_p50: float | None
    answer_p90: float | None
    answer_p99: float | None


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole call. entries: in the order of their time. usage and latency: totals of the call."""

    call_id: str
    business: str
    started: str
    zone: str
    duration_ms: int
    end_reason: str
    turns: tuple[Turn, ...]
    entries: tuple[Entry, ...]
    providers: tuple[ProviderRecord, ...]
    errors: tuple[NoteEntry, ...]
    interruptions: int
    usage: Usage = field(default_factory=Usage)
    latency: Latency = Latency(0, None, None, None, None, None, None)
    guesses: Guesses = Guesses()
