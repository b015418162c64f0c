"""What a language model is asked: messages, passages, tools. Values only; the context window lives in `context`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's wish to run a tool. `arguments` is canonical JSON text (sorted keys, no spaces)."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the conversation.

    user: what the caller said (one message a turn). assistant: what the caller HEARD, with
    ``[interrupted while saying: …]`` at the end where it was cut, and the tool calls made.
    tool: `text` is the JSON result of `tool_call_id`; ``{"status": "unknown"}`` where nobody knows.
    """

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the business's knowledge. score: 0…1, higher is closer."""

    text: str
    source: str
    heading: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model and the core see it (the endpoint stays outside).

    parameters: a JSON Schema object. fillers: sentences to bridge a slow call. time_limit_ms: bound of one run.
    confirm: the caller must have said yes before it runs (implied by side_effects). usual_ms: how long a run usually
    takes, as far as it is declared (0: not known); not shown to the model.
    """

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)
    side_effects: bool
    fillers: tuple[str, ...] = ()
    time_limit_ms: int = 5_000
    usual_ms: int = 0


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """All that a LanguageModel gets for one reply. Stable parts first, volatile last (prompt caches).

    system: the rendered instructions. passages: retrieved knowledge, best first. call_time: the business's
    wall clock when the call was answered, ISO 8601 with offset. turn: number of the turn being answered (0 = greeting).

    notes: what was known before the call began (an earlier call's summary, the caller's number), as data.
    summary: of the part of this call that `messages` no longer shows ("": they show all of it).
    begun: words of this very reply that were already given to the caller before another model broke off: the reply is
    to go on right after them, without saying them again ("": it begins).
    answer_tokens: room kept for the reply; a model may not write more.
    """

    system: str
    tools: tuple[ToolSpec, ...]
    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()
    state: str = ""
    call_time: str = ""
    turn: int = 0
    notes: str = ""
    summary: str = ""
    begun: str = ""
    answer_tokens: int = 2_000
