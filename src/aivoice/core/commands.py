"""Everything the core can ask of the engine. Each started operation (`attempt`) ends exactly once, by its ending event
or by `Cancel` (after which its events are dropped)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.core.events import CALLER
from aivoice.core.prompt import GenerationRequest, Message
from aivoice.core.speculation import Known, Most


@dataclass(frozen=True, slots=True)
class Listen:
    """Open (or reopen, after HearingFailed) the recogniser on a leg. VAD and STT run until the call ends."""

    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Retrieve:
    """→ PassagesFound. ahead: for words that are no turn yet, and for no reply."""

    turn: int
    attempt: int
    query: str
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class ScoreTurn:
    """→ TurnScored. The engine adds the audio."""

    turn: int
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class Generate:
    """→ Token*, ToolRequested*, Usage*, GenerationEnded. speculative: the turn is not decided yet."""

    turn: int
    attempt: int
    request: GenerationRequest
    speculative: bool


@dataclass(frozen=True, slots=True)
class Speak:
    """Synthesise (more) source text of the clip `attempt`; `final`: no more text. → ClipAudio, ClipReady. Silent."""

    turn: int
    attempt: int
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Play:
    """Queue the clip for playout; it sounds when its time comes and its audio is there. → PlayoutStarted, …Finished.

    cached: key of a ready-made clip (then no Speak was made for it). first: before everything not yet started.
    """

    turn: int
    attempt: int
    cached: str = ""
    first: bool = False
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Hold:
    """Silence the agent within one frame and keep the place. → PlayoutHeld at once. Held audio is not heard."""

    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after `Hold`, from sample `samples` of clip `attempt` (attempt 0: from where it was)."""

    attempt: int = 0
    samples: int = 0
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Stop:
    """Silence the agent and drop everything queued. → PlayoutHeld at once; dropped clips never play again."""

    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the operation (retrieval, generation, speech, read-only tool, scoring)."""

    turn: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RunTool:
    """→ ToolAccepted?, ToolEnded. key: idempotency. side_effects: survives barge-in and hang-up within its limit."""

    turn: int
    attempt: int
    call_id: str
    name: str
    arguments: str
    key: str
    side_effects: bool
    time_limit_ms: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller over to the named target. → TransferState."""

    turn: int
    attempt: int
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """Who hears whom: `source` leg is heard by `sinks`."""

    source: str
    sinks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldLeg:
    leg: str
    held: bool


@dataclass(frozen=True, slots=True)
class SendDtmf:
    digits: str
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Record:
    """Pause or resume the recording (silence is written while paused)."""

    paused: bool


@dataclass(frozen=True, slots=True)
class RenewLease:
    """→ LeaseGranted | LeaseRefused."""

    attempt: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Summarise:
    """→ SummaryReady, in the background. before: the summary so far. messages: what is to be added to it; with it they
    cover the history before index `upto`."""

    turn: int
    attempt: int
    upto: int
    before: str = ""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Extract:
    """→ StateReady, in the background. state: what is known so far. messages: what no extraction has
    read yet, with the message before it."""

    turn: int
    attempt: int
    state: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """End the call now (playout has drained where it should). The last command of a call."""

    reason: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """For the record: turn `turn` was decided. why: one line, no caller content. text: the caller's turn."""

    turn: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class TurnReopened:
    """For the record: the caller went on before hearing the reply."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """For the record: what the caller heard of the reply of `turn`. outcome: finished, interrupted or discarded."""

    turn: int
    attempt: int
    heard: str
    outcome: Literal["finished", "interrupted", "discarded"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """For the record: where the turn's milliseconds went, in µs from the end of the caller's speech.

    mouth_to_ear: to the agent's first sound, a filler's included. answer: to the first sound of the answer; equal where
    no filler was needed. stages: (name, µs) in order; their sum is `answer`. saved: how much later the answer would
    have begun, had it not been made on a guess.
    """

    turn: int
    stages: tuple[tuple[str, int], ...]
    mouth_to_ear: int
    answer: int
    speculative: bool
    saved: int = 0


@dataclass(frozen=True, slots=True)
class Speculated:
    """For the record, once before `Finish` where the language model was asked at all: what guesses cost and saved.

    most: the least certain kind that was in use at the end ("off": none was).
    """

    call: Known
    most: Most


@dataclass(frozen=True, slots=True)
class Note:
    """For the record: a decision that changes nothing audible, e.g. ``echo``, ``stale``. No caller content."""

    kind: str
    turn: int = 0
    attempt: int = 0
    detail: str = ""


Command = (
    Listen | Retrieve | ScoreTurn | Generate | Speak | Play | Hold | Resume | Stop | Cancel | RunTool | Transfer
    | Route | HoldLeg | SendDtmf | Record | RenewLease | Summarise | Extract | Finish
    | TurnEnded | TurnReopened | ReplyEnded | Waterfall | Speculated | Note
)  # fmt: skip
