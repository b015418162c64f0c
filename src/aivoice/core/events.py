"""Everything that can happen to a call, as the core is told it.

Times are monotonic microseconds and are given beside the event (`Call.handle(event, now)`); positions are samples
of the leg's media clock (16 kHz). `attempt` names the operation (or clip) that an event answers: the core hands
them out, unique in a call, and drops events of attempts it no longer waits for. `turn` is the turn that
started the attempt. PCM never enters the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.core.prompt import Passage

CALLER = "caller"

# ---------------------------------------------------------------- the call and its legs


@dataclass(frozen=True, slots=True)
class Answered:
    """The call exists. wall_time: ISO 8601 with offset; zone: IANA name. Data for prompts, never used as a clock."""

    wall_time: str
    zone: str
    caller: str = ""
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class MediaUp:
    """Audio flows both ways on `leg`: the greeting may begin."""

    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class MediaStalled:
    """Nothing has arrived on `leg` since `position`."""

    position: int
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class HungUp:
    """The far side is gone. Absorbing."""

    reason: str
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Dtmf:
    digit: str
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class LegState:
    """Another leg (a transfer target, a supervisor) changed."""

    leg: str
    state: Literal["ringing", "joined", "held", "left", "failed"]


@dataclass(frozen=True, slots=True)
class ParticipantRole:
    participant: str
    role: Literal["caller", "human", "listener", "whisperer", "taker_over"]
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class TransferState:
    """How the transfer `attempt` goes. ``connected`` and ``failed`` end it."""

    turn: int
    attempt: int
    state: Literal["ringing", "connected", "failed"]
    detail: str = ""


# ---------------------------------------------------------------- the caller's side


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The VAD heard the caller start. at: µs when the first voiced sample was handed in."""

    position: int
    at: int
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The VAD heard the caller stop. at: µs when the last voiced sample was handed in."""

    position: int
    at: int
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript, meanings as in `providers.ports.Transcript`: whole text since the last final."""

    kind: Literal["interim", "final", "eager", "resumed"]
    text: str
    start: int
    end: int
    confidence: float = 1.0
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class HearingFailed:
    """No recogniser is left: the caller cannot be understood until `Listen` is tried again."""

    code: str


@dataclass(frozen=True, slots=True)
class TurnScored:
    turn: int
    attempt: int
    probability: float


# ---------------------------------------------------------------- thinking


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """Ends a `Retrieve`; empty where nothing fits or the search failed."""

    turn: int
    attempt: int
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Token:
    turn: int
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The model wants a tool run. arguments: canonical JSON text of an object."""

    turn: int
    attempt: int
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. provider: who charges them ("": who gave the reply). wasted: asked beside another that was
    sooner; nothing of it was used."""

    turn: int
    attempt: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    provider: str = ""
    wasted: bool = False


@dataclass(frozen=True, slots=True)
class GenerationEnded:
    """Ends a `Generate`: the reply is complete, or `failed` names why (every provider of the chain gave up)."""

    turn: int
    attempt: int
    failed: str = ""


@dataclass(frozen=True, slots=True)
class SummaryReady:
    """Ends a `Summarise`. text: "" where none could be made."""

    turn: int
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class StateReady:
    """Ends an `Extract`: flat key → value pairs, the newest last; exact: keys whose values were captured letter by
    letter. partial: not all that was said could be made out (a model is down); it is to be read again."""

    turn: int
    attempt: int
    entries: tuple[tuple[str, str], ...]
    exact: tuple[str, ...] = ()
    partial: bool = False


# ---------------------------------------------------------------- speaking; `attempt` is the clip's id


@dataclass(frozen=True, slots=True)
class ClipAudio:
    """Audio of the clip has arrived: `samples` so far. Sent for the first audio, not for every chunk."""

    turn: int
    attempt: int
    samples: int


@dataclass(frozen=True, slots=True)
class ClipReady:
    """Ends a `Speak`: all audio is there, `samples` in all. words: start sample of each source word, in order,
    from the provider's marks or estimated from the spoken length of each word. failed: why there is no (more) audio."""

    turn: int
    attempt: int
    samples: int
    words: tuple[int, ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The clip's first frame was handed to the network."""

    turn: int
    attempt: int
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """The clip's last frame was handed to the network."""

    turn: int
    attempt: int
    leg: str = CALLER


@dataclass(frozen=True, slots=True)
class PlayoutHeld:
    """Answers `Hold` and `Stop` at once: `samples` of the clip were heard (0 and attempt 0: nothing was playing).

    words: start sample of each source word of that clip, as in ClipReady, as well as it is known now;
    more than heard words may be listed, so that the cut can be made by comparing.
    """

    turn: int
    attempt: int
    samples: int
    words: tuple[int, ...] = ()
    leg: str = CALLER


# ---------------------------------------------------------------- tools, credit, providers, time


@dataclass(frozen=True, slots=True)
class ToolAccepted:
    """The endpoint has the request; a result will follow."""

    turn: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """Ends a `RunTool`. outcome: ``ok`` (result: JSON text), ``failed`` (surely not done), ``unknown``."""

    turn: int
    attempt: int
    outcome: Literal["ok", "failed", "unknown"]
    result: str = ""


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """Credit for `seconds` more, from now."""

    attempt: int
    seconds: int


@dataclass(frozen=True, slots=True)
class LeaseRefused:
    attempt: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProviderAttempt:
    """What the fallback chain did inside an operation: for the trace; the core decides nothing by it.

    code: of the failure. detail: what failed, in a few words of ours, never the provider's or the caller's."""

    stage: Literal["stt", "llm", "tts", "vad"]
    provider: str
    state: Literal["started", "useful", "failed", "switched", "skipped", "lost"]
    turn: int = 0
    attempt: int = 0
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline passed: the engine sends it at `Call.next_deadline()`."""


Event = (
    Answered | MediaUp | MediaStalled | HungUp | Dtmf | LegState | ParticipantRole | TransferState
    | SpeechStarted | SpeechEnded | Heard | HearingFailed | TurnScored
    | PassagesFound | Token | ToolRequested | Usage | GenerationEnded | SummaryReady | StateReady
    | ClipAudio | ClipReady | PlayoutStarted | PlayoutFinished | PlayoutHeld
    | ToolAccepted | ToolEnded | LeaseGranted | LeaseRefused | ProviderAttempt | Tick
)  # fmt: skip
