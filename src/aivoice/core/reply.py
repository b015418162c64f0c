"""One reply of the agent: its clips, tool runs, and what of it was heard. Data and pure helpers; `mouth` drives it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from aivoice.core.clauses import ClauseSplitter
from aivoice.core.heard import cut
from aivoice.core.prompt import Message, Passage, ToolCall
from aivoice.core.waterfall import Marks


@dataclass(slots=True)
class Clip:
    """A stretch of agent audio. `id` is the attempt of its Speak and Play. heard: samples known to be heard so far.

    reached: the furthest it has sounded (after a resumption some of it is heard twice). failed: nothing of it will
    sound. broken: its audio ends before its text.
    """

    id: int
    round: int
    text: str = ""
    cached: str = ""
    closed: bool = False
    queued: bool = False
    audible: bool = False
    started: bool = False
    finished: bool = False
    ready: bool = False
    failed: bool = False
    broken: bool = False
    samples: int = 0
    heard: int = 0
    reached: int = 0
    words: tuple[int, ...] = ()

    def heard_text(self) -> str:
        """Source words the caller heard. Of a clip that broke off, those its audio reached."""
        if self.finished and not self.broken:
            return self.text
        if not self.heard:
            return ""
        source = self.text.split()
        return " ".join(source[: cut(self.words, self.heard)])


@dataclass(slots=True)
class ToolRun:
    """A requested tool. attempt 0: not started. outcome "": not ended."""

    call_id: str
    name: str
    arguments: str
    key: str
    side_effects: bool
    time_limit_ms: int
    turn: int
    round: int
    requested_at: int
    attempt: int = 0
    outcome: Literal["", "ok", "failed", "unknown", "dropped"] = ""
    result: str = ""
    bridged: bool = False

    @property
    def running(self) -> bool:
        return bool(self.attempt) and not self.outcome

    def message(self) -> Message:
        """The tool message for the model, honest about what is not known."""
        text = {
            "ok": self.result,
            "failed": '{"status":"failed"}',
            "unknown": '{"status":"unknown"}',
            "dropped": '{"status":"cancelled"}',
            "": '{"status":"pending"}',
        }[self.outcome]
        return Message("tool", text, tool_call_id=self.call_id)


@dataclass(frozen=True, slots=True)
class After:
    """What follows once the reply was heard."""

    kind: Literal["finish", "transfer"]
    detail: str
    reason: str


@dataclass(slots=True)
class Reply:
    """An answer (generated) or a spoken notice (ready-made clips only).

    speculative: made before the turn was decided; nothing of it may be played. firm: the caller cannot interrupt it.
    guess: the kind of guess it was begun on, at `guessed_at` (µs); "": it was begun for a decided turn.
    asked: its requests to the model.
    """

    turn: int
    text: str
    splitter: ClauseSplitter
    speculative: bool = False
    firm: bool = False
    notice: bool = False
    committed_at: int = 0
    round: int = 0
    retrieving: int = 0
    retrieve_until: int = 0
    generating: int = 0
    generations: int = 0
    passages: tuple[Passage, ...] = ()
    pieces: deque[tuple[str, bool]] = field(default_factory=deque[tuple[str, bool]])
    clips: list[Clip] = field(default_factory=list[Clip])
    tools: list[ToolRun] = field(default_factory=list[ToolRun])
    after: After | None = None
    failed: str = ""
    marks: Marks | None = None
    first_sound: int = 0
    answered: bool = False
    fillers: int = 0
    quiet_since: int = 0
    guess: str = ""
    guessed_at: int = 0
    asked: list[int] = field(default_factory=list[int])

    def clip(self, clip_id: int) -> Clip | None:
        return next((clip for clip in self.clips if clip.id == clip_id), None)

    def open_clip(self) -> Clip | None:
        """The clip that still takes text, if any."""
        return next((clip for clip in self.clips if not clip.closed), None)

    def heard_any(self) -> bool:
        """At least one word was heard (a filler's words are no answer, but they were heard)."""
        return any(clip.heard_text() for clip in self.clips)

    def begun(self) -> bool:
        """Something of it has sounded (how much was heard is known once playout was held)."""
        return any(clip.started for clip in self.clips)

    def answer_begun(self) -> bool:
        """Something of the answer itself has sounded, not only a filler."""
        return any(clip.started for clip in self.clips if not clip.cached)

    def answer_heard(self) -> bool:
        """At least one word of the answer itself was heard."""
        return any(clip.heard_text() for clip in self.clips if not clip.cached)

    def gained(self) -> int:
        """µs by which it was sooner for having been begun on a guess: what was done of it before the turn was decided,
        up to its first audio."""
        sounding = self.marks.at.get("tts", self.committed_at) if self.marks else self.committed_at
        return max(min(self.committed_at, sounding) - self.guessed_at, 0) if self.guess else 0

    def tools_pending(self) -> bool:
        return any(not run.outcome for run in self.tools if run.round == self.round)

    def spoken_out(self) -> bool:
        """Nothing is left to say."""
        return not self.pieces and all(clip.finished or clip.failed for clip in self.clips)

    def complete(self) -> bool:
        """Generated, every tool ended, everything heard."""
        return (
            not (self.speculative or self.retrieving or self.generating or self.tools_pending()) and self.spoken_out()
        )

    def recent_words(self, count: int) -> str:
        """The last words said up to now, for the echo guard."""
        said: list[str] = []
        for clip in self.clips:
            if clip.started:
                whole = clip.finished or not clip.reached
                said.extend(clip.text.split() if whole else clip.text.split()[: _upto(clip)])
        return " ".join(said[-count:])

    def messages(self, mark: str = "") -> list[Message]:
        """The reply as history: per round, the words heard with the tool calls made, then their results.

        mark: ending of the last spoken text where the reply was interrupted (given by the caller of this function).
        """
        out: list[Message] = []
        for number in range(self.round + 1):
            text = " ".join(part for clip in self.clips if clip.round == number and (part := clip.heard_text()))
            runs = [run for run in self.tools if run.round == number and run.outcome != "dropped"]
            if number == self.round:
                text = f"{text} {mark}".strip()
            if not text and not runs:
                continue
            calls = tuple(ToolCall(run.call_id, run.name, run.arguments) for run in runs)
            out.append(Message("assistant", text, calls))
            out.extend(run.message() for run in runs)
        return out

    def heard_text(self) -> str:
        """All words heard, fillers included."""
        return " ".join(part for clip in self.clips if (part := clip.heard_text()))


def _upto(clip: Clip) -> int:
    """A little past the word being said: an echo can lag behind, never run ahead."""
    return cut(clip.words, clip.reached) + 2
