"""The contracts of DESIGN §3 as checks on a call's journal, written without looking at how the core keeps them.

Each check is fed every event and command in order, and says what it found wrong. The contract numbers are the design's;
0 is for what no contract names (a crash, a task that failed, words that nobody said).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from aivoice.core import commands as c
from aivoice.core import events as e

Item = e.Event | c.Command
Event = e.Event
MS = 1_000


@dataclass(frozen=True, slots=True)
class Violation:
    """contract: its number. at: µs. what: one line without what was said."""

    contract: int
    at: int
    what: str

    def __str__(self) -> str:
        return f"contract {self.contract} at {self.at / 1e6:.3f} s: {self.what}"


class Check(Protocol):
    """Fed in order, then closed."""

    def feed(self, at: int, item: Item) -> Iterable[Violation]: ...

    def close(self, at: int) -> Iterable[Violation]: ...


def is_command(item: Item) -> bool:
    """Commands and events share one stream."""
    return isinstance(item, c.Command)


class OneVoice:
    """1: at most one reply is audible; an interruption stops the audio first; dropped audio never plays again."""

    def __init__(self) -> None:
        self._current = 0
        self._held = False
        self._queued: set[int] = set()
        self._dropped: set[int] = set()
        self._empty: set[int] = set()
        self._made_before_stop = ""

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        if not is_command(item):
            self._made_before_stop = ""
        match item:
            case c.Play(attempt=clip):
                if clip in self._dropped:
                    yield Violation(1, at, f"dropped clip {clip} is queued again")
                self._queued.add(clip)
                self._made_before_stop = "Play"
            case c.Generate() | c.Speak() | c.RunTool():
                self._made_before_stop = type(item).__name__
            case c.Stop():
                if self._made_before_stop and self._current:
                    yield Violation(1, at, f"{self._made_before_stop} came before Stop")
                self._dropped |= self._queued
                self._queued, self._current, self._held = set(), 0, False
            case c.Hold():
                self._held = True
            case c.Resume():
                self._held = False
            case c.ReplyEnded(outcome="interrupted" | "discarded") if self._current:
                yield Violation(1, at, "a reply was ended while its audio goes on")
            case e.PlayoutStarted(attempt=clip):
                yield from self._started(at, clip)
            case e.ClipReady(attempt=clip, samples=0):
                self._empty.add(clip)
            case e.PlayoutFinished(attempt=clip):
                if clip in self._empty:
                    return  # a clip of which nothing could be made ends without having begun
                if clip != self._current:
                    yield Violation(1, at, f"clip {clip} finished without having begun")
                self._current = 0
                self._queued.discard(clip)
            case _:
                return

    def _started(self, at: int, clip: int) -> Iterable[Violation]:
        if clip in self._dropped or clip not in self._queued:
            yield Violation(1, at, f"clip {clip} sounds though it was dropped or never queued")
        if self._current:
            yield Violation(1, at, f"clips {self._current} and {clip} sound at once")
        if self._held:
            yield Violation(1, at, f"clip {clip} begins while the agent is held")
        self._current = clip

    def close(self, at: int) -> Iterable[Violation]:
        return ()


class SideEffects:
    """3: a side effect runs only for a committed reply, after 300 ms of quiet, once a key, and is never cancelled."""

    QUIET_US = 300 * MS
    STUCK_US = 2_500 * MS

    def __init__(self) -> None:
        self._voice_at = 0
        self._decided: set[int] = set()
        self._keys: set[str] = set()
        self._running: set[int] = set()
        self._speaking = False
        self._quiet_since = 0

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        match item:
            case e.SpeechStarted():
                self._speaking, self._voice_at = True, at
            case e.Heard(text=text) if text:
                self._voice_at = at
            case e.SpeechEnded(at=ended):
                self._speaking, self._quiet_since = False, ended
            case c.TurnEnded(turn=turn):
                self._decided.add(turn)
            case c.TurnReopened(turn=turn):
                self._decided.discard(turn)
            case c.RunTool(side_effects=True):
                yield from self._run(at, item)
            case c.Cancel(attempt=attempt) if attempt in self._running:
                yield Violation(3, at, f"the running side effect {attempt} was cancelled")
            case e.ToolEnded(attempt=attempt):
                self._running.discard(attempt)
            case _:
                return

    def _run(self, at: int, item: c.RunTool) -> Iterable[Violation]:
        if item.turn not in self._decided:
            yield Violation(3, at, f"a side effect of turn {item.turn} runs before the turn was decided")
        # A VAD that hears voices while the words stand still hears a television, or is stuck.
        if self._speaking and at - self._voice_at < self.STUCK_US:
            yield Violation(3, at, "a side effect starts while the caller speaks")
        elif at - self._quiet_since < self.QUIET_US:
            yield Violation(3, at, f"a side effect starts after {(at - self._quiet_since) // MS} ms of silence")
        if item.key in self._keys:
            yield Violation(3, at, "a side effect runs twice for one key")
        self._keys.add(item.key)
        self._running.add(item.attempt)

    def close(self, at: int) -> Iterable[Violation]:
        if self._running:
            yield Violation(7, at, f"side effects {sorted(self._running)} never ended")


class Operations:
    """5 and 6: every operation is started once, ends exactly once, and results carry known ids."""

    LONGEST_QUIET_US = 15_000 * MS

    def __init__(self) -> None:
        self._open: dict[int, str] = {}
        self._over: dict[int, str] = {}
        self._side_effects: set[int] = set()
        self._last = 0
        self._finished = False

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        if self._last and at - self._last > self.LONGEST_QUIET_US and not self._finished:
            yield Violation(5, at, f"nothing happened for {(at - self._last) / 1e6:.1f} s")
        self._last = at
        match item:
            case c.Retrieve() | c.ScoreTurn() | c.Generate() | c.Transfer() | c.RenewLease():
                yield from self._start(at, item.attempt, type(item).__name__)
            case c.Summarise() | c.Extract():
                yield from self._start(at, item.attempt, type(item).__name__)
            case c.RunTool(attempt=attempt):
                if item.side_effects:
                    self._side_effects.add(attempt)
                yield from self._start(at, attempt, "RunTool")
            case c.Speak(attempt=attempt) if attempt not in self._open:
                yield from self._start(at, attempt, "Speak")
            case c.Cancel(attempt=attempt):
                if attempt in self._open:
                    del self._open[attempt]
                self._over[attempt] = "cancelled"
            case c.Finish():
                self._finished = True
                left = sorted(f"{kind} {a}" for a, kind in self._open.items() if a not in self._side_effects)
                if left:
                    yield Violation(5, at, f"at the end of the call {', '.join(left)} had not ended")
            case _:
                yield from self._result(at, item)

    def _start(self, at: int, attempt: int, kind: str) -> Iterable[Violation]:
        if attempt in self._open or attempt in self._over:
            yield Violation(5, at, f"{kind} uses the id {attempt} again")
        self._open[attempt] = kind

    def _result(self, at: int, item: Item) -> Iterable[Violation]:
        match item:
            case e.Token() | e.ToolRequested() | e.Usage():
                yield from self._known(at, item.attempt, "Generate")
            case e.ClipAudio(attempt=attempt):
                yield from self._known(at, attempt, "Speak")
            case e.GenerationEnded(attempt=attempt):
                yield from self._end(at, attempt, "Generate")
            case e.PassagesFound(attempt=attempt):
                yield from self._end(at, attempt, "Retrieve")
            case e.TurnScored(attempt=attempt):
                yield from self._end(at, attempt, "ScoreTurn")
            case e.SummaryReady(attempt=attempt):
                yield from self._end(at, attempt, "Summarise")
            case e.StateReady(attempt=attempt):
                yield from self._end(at, attempt, "Extract")
            case e.ToolEnded(attempt=attempt):
                yield from self._end(at, attempt, "RunTool")
            case e.TransferState(attempt=attempt, state="connected" | "failed"):
                yield from self._end(at, attempt, "Transfer")
            case e.ClipReady(attempt=attempt) if attempt in self._open or attempt in self._over:
                yield from self._end(at, attempt, "Speak")
            case _:
                return

    def _known(self, at: int, attempt: int, kind: str) -> Iterable[Violation]:
        if attempt not in self._open and attempt not in self._over:
            yield Violation(6, at, f"a result for {kind} {attempt}, which was never started")
        if self._over.get(attempt) == "ended":
            yield Violation(6, at, f"a result for {kind} {attempt} after its end")

    def _end(self, at: int, attempt: int, kind: str) -> Iterable[Violation]:
        if self._over.get(attempt) == "ended":
            yield Violation(5, at, f"{kind} {attempt} ended twice")
        elif attempt not in self._open and attempt not in self._over:
            yield Violation(6, at, f"the end of {kind} {attempt}, which was never started")
        self._open.pop(attempt, None)
        self._over[attempt] = "ended"

    def close(self, at: int) -> Iterable[Violation]:
        if not self._finished:
            yield Violation(5, at, "the call never finished")


class HangUp:
    """7: hanging up is absorbing; usage is counted once an attempt."""

    def __init__(self) -> None:
        self._hung_up = False
        self._finished = False
        self._usage: set[int] = set()

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        if self._finished:
            # PlayoutHeld is the immediate answer to the last Stop.
            if not isinstance(item, e.ToolEnded | e.HungUp | e.PlayoutHeld):
                yield Violation(7, at, f"{type(item).__name__} after the call was finished")
            return
        if self._hung_up and not is_command(item):
            yield Violation(7, at, "the caller hung up and the call was not finished at once")
            self._hung_up = False
        match item:
            case e.HungUp():
                self._hung_up = True
            case c.Finish():
                self._finished = True
            case c.Play() | c.Generate() | c.Speak() | c.RunTool() | c.Transfer() if self._hung_up:
                yield Violation(7, at, f"{type(item).__name__} after the caller hung up")
            case e.Usage(attempt=attempt):
                if attempt in self._usage:
                    yield Violation(7, at, f"usage of generation {attempt} was recorded twice")
                self._usage.add(attempt)
            case _:
                return

    def close(self, at: int) -> Iterable[Violation]:
        return ()


class Waterfalls:
    """8: the stages add up to the answer's first sound, and the times told are those that VAD and playout measured.

    mouth_to_ear is the first sound of all (a filler, perhaps), answer its own; without a filler they are one.
    """

    TOLERANCE_US = 1 * MS

    def __init__(self, *, measure: bool = True) -> None:
        self._measure = measure  # whether the VAD tells the truth about when speech ended
        self._ended_at = 0
        self._decided: dict[int, tuple[int, int]] = {}  # turn → (end of speech, decision)
        self._sounds: list[int] = []

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        match item:
            case e.SpeechEnded(at=ended):
                self._ended_at = ended
            case c.TurnEnded(turn=turn):
                self._decided[turn] = (self._ended_at, at)
            case e.PlayoutStarted():
                self._sounds.append(at)
            case c.Waterfall():
                yield from self._told(at, item)
            case _:
                return

    def _told(self, at: int, item: c.Waterfall) -> Iterable[Violation]:
        total = sum(duration for _, duration in item.stages)
        if total != item.answer:
            yield Violation(8, at, f"stages add up to {total} µs, the answer came after {item.answer} µs")
        if any(duration < 0 for _, duration in item.stages) or item.mouth_to_ear > item.answer:
            yield Violation(8, at, "a stage took negative time, or the answer preceded the first sound")
        if item.mouth_to_ear < 0:
            yield Violation(8, at, f"mouth-to-ear told {item.mouth_to_ear} µs")
        if item.turn not in self._decided or not self._measure:
            return  # a notice that answers no turn: nothing to measure it by
        ended_at, since = self._decided.pop(item.turn)
        first = next((sound for sound in self._sounds if sound >= since), None)
        if ended_at and first is not None and abs(first - ended_at - item.mouth_to_ear) > self.TOLERANCE_US:
            yield Violation(8, at, f"mouth-to-ear told {item.mouth_to_ear} µs, measured {first - ended_at} µs")

    def close(self, at: int) -> Iterable[Violation]:
        return ()


class EngineBugs:
    """0: the engine reports that one of its own tasks failed."""

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        if isinstance(item, c.Note) and item.kind == "task_failed":
            yield Violation(0, at, f"a task of the engine failed: {item.detail}")

    def close(self, at: int) -> Iterable[Violation]:
        return ()
