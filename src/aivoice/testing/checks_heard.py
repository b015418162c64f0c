"""Checks of what the caller hears and of what history says he heard: contracts 2, 4 and 9."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.text import words
from aivoice.testing.checks import MS, Item, Violation

_MARK = re.compile(r"\[interrupted(?: while saying: [^\]]*)?\]")


@dataclass(slots=True)
class _Clip:
    text: str = ""
    exact: bool = False
    heard: int = -1  # words; -1: not known yet
    tainted: bool = False

    def counts(self) -> range:
        """How many of its words history may hold."""
        whole = len(self.text.split())
        if self.exact:
            return range(whole, whole + 1)
        return range(whole + 1) if self.heard < 0 else range(max(self.heard - 1, 0), min(self.heard + 1, whole) + 1)


def _as_told(clips: list[_Clip], told: list[str]) -> bool:
    """Whether the clips' heard words, one clip after another, are `told`."""
    positions = {0}  # how much of `told` the clips so far can account for
    for clip in clips:
        source = clip.text.split()
        positions = {
            position + count
            for position in positions
            for count in clip.counts()
            if told[position : position + count] == source[:count]
        }
    return len(told) in positions


class History:
    """2: history holds exactly what the caller heard, to the word (± 1 where a clip was cut)."""

    def __init__(self, clip_text: dict[str, str]) -> None:
        self._texts = clip_text
        self._clips: dict[int, _Clip] = {}
        self._order: list[int] = []
        self._current = 0

    def _clip(self, attempt: int) -> _Clip:
        return self._clips.setdefault(attempt, _Clip())

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        match item:
            case c.Speak(attempt=attempt, text=text):
                self._clip(attempt).text += text
            case c.Play(attempt=attempt, cached=key) if key:
                self._clip(attempt).text = self._texts.get(key, "")
            case e.PlayoutStarted(attempt=attempt):
                self._order.append(attempt)
                self._current = attempt
            case e.PlayoutFinished(attempt=attempt):
                clip = self._clip(attempt)
                clip.heard, clip.exact = len(clip.text.split()), True
                self._current = 0
            case e.PlayoutHeld(attempt=attempt, samples=samples, words=starts) if attempt:
                clip = self._clip(attempt)
                clip.heard, clip.exact = sum(start + 800 <= samples for start in starts), False
            case c.Stop():
                self._current = 0
            case e.ClipReady(attempt=attempt, failed=failed) if failed:
                self._clip(attempt).tainted = True
            case c.Generate():
                yield from self._compare(at, item)
            case _:
                return

    def _compare(self, at: int, item: c.Generate) -> Iterable[Violation]:
        messages = item.request.messages
        if self._current or (messages and messages[-1].role != "user"):
            return  # something is just being said: looked at next time
        told = [w for m in messages if m.role == "assistant" for w in _MARK.sub(" ", m.text).split()]
        clips = [self._clips[attempt] for attempt in self._order]
        if any(clip.tainted for clip in clips) or _as_told(clips, told):
            return
        # A filler that sounded before the words of an earlier round stands after them in history: order aside, then.
        surely = Counter(w for clip in clips for w in clip.text.split()[: min(clip.counts())])
        perhaps = Counter(w for clip in clips for w in clip.text.split()[: max(clip.counts())])
        missing, extra = surely - Counter(told), Counter(told) - perhaps
        if missing:
            yield Violation(2, at, f"history lacks {missing.total()} word(s) that were heard")
        if extra:
            yield Violation(2, at, f"history holds {extra.total()} word(s) that were never heard")

    def close(self, at: int) -> Iterable[Violation]:
        return ()


class Silence:
    """4: something is heard within 1.5 s of the end of the caller's speech, then no gap over 4 s while work goes on.

    Measured while the caller is silent and the line is his: his voice, and a contest about it, start both anew. Where
    the decision itself takes longer (a slow recogniser, a spelled number), a listening noise has to be heard meanwhile.
    """

    FIRST_US = 1_500 * MS
    GAP_US = 4_000 * MS
    TOLD_LATE_US = 500 * MS
    TOLERANCE_US = 60 * MS

    def __init__(self, *, measure: bool = True) -> None:
        self._measure = measure  # whether the VAD tells the truth about when speech ended
        self._speaking = False
        self._ended_at = 0
        self._owed: tuple[int, int] | None = None  # (due, turn)
        self._sounding = self._held = False
        self._sounded_at = 0
        self._pending: set[int] = set()
        self._quiet_since = 0

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        yield from self._overdue(at)
        match item:
            case e.SpeechStarted():
                self._speaking, self._owed = True, None
            case e.SpeechEnded(at=ended):
                self._speaking, self._quiet_since = False, at
                # An end that was told late (a stalled network, a slow VAD) could not be acted upon before.
                self._ended_at = ended if at - ended <= self.TOLD_LATE_US else at
            case c.TurnEnded(turn=turn) if (
                not self._speaking and self._sounded_at < self._ended_at and not self._sounding
            ):
                self._owed = (self._ended_at + self.FIRST_US, turn) if self._measure else None
            case c.TurnReopened() | e.HungUp() | c.Finish():
                self._owed = None
                if isinstance(item, c.Finish):
                    self._pending.clear()
            case _:
                self._sound(at, item)

    def _sound(self, at: int, item: Item) -> None:
        if self._sounding:
            self._sounded_at = at
        match item:
            case e.PlayoutStarted():
                self._sounding, self._owed, self._sounded_at = True, None, at
            case e.PlayoutFinished() | c.Stop():
                self._sounding, self._held = False, False
                self._quiet_since = at
            case c.Hold():
                self._held, self._sounding, self._owed = self._held or self._sounding, False, None
                self._quiet_since = at
            case c.Resume():
                self._sounding, self._held = self._held, False
                self._quiet_since = at
                if self._sounding:
                    self._owed, self._sounded_at = None, at
            case c.Generate(speculative=False) | c.RunTool() | c.Transfer():
                if not self._pending:
                    self._quiet_since = max(self._quiet_since, at)
                self._pending.add(item.attempt)
            case e.GenerationEnded() | e.ToolEnded() | e.TransferState(state="connected" | "failed") | c.Cancel():
                self._pending.discard(item.attempt)
            case _:
                return

    def _overdue(self, at: int) -> Iterable[Violation]:
        if self._owed is not None and at > self._owed[0] + self.TOLERANCE_US:
            yield Violation(4, at, f"nothing was heard within 1.5 s of the end of turn {self._owed[1]}")
            self._owed = None
        working = self._pending and not self._sounding and not self._speaking
        if working and at - self._quiet_since > self.GAP_US + self.TOLERANCE_US:
            yield Violation(4, at, f"{(at - self._quiet_since) / 1e6:.1f} s of silence while work was pending")
            self._quiet_since = at

    def close(self, at: int) -> Iterable[Violation]:
        return ()


class Reopening:
    """9: a turn reopens only unheard and without side effects; its text joins the next."""

    HEARD = 1_600  # samples of a word (100 ms) from which it was heard

    def __init__(self) -> None:
        self._effects: set[int] = set()
        self._finished: set[int] = set()  # turns of which a generated clip was heard to its end
        self._cached: set[int] = set()
        self._reopened: tuple[int, str, str] | None = None
        self._looked = False
        self._last_text: dict[int, str] = {}

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        match item:
            case c.TurnEnded(turn=turn, text=text):
                if self._reopened is not None:
                    yield from self._joined(at, turn, text)
                    self._reopened = None
                self._last_text[turn] = text
                self._effects.discard(turn)
                self._finished.discard(turn)
            case c.RunTool(side_effects=True, turn=turn):
                self._effects.add(turn)
            case c.Play(attempt=attempt, cached=key) if key:
                self._cached.add(attempt)
                if key.startswith("apology"):
                    self._reopened = None  # the caller is asked to say it again
            case e.ClipReady(attempt=attempt, samples=0):
                self._cached.add(attempt)
            case e.PlayoutFinished(turn=turn, attempt=attempt) if attempt not in self._cached:
                self._finished.add(turn)
            case c.TurnReopened(turn=turn, why=why):
                if turn in self._effects:
                    yield Violation(9, at, f"turn {turn} reopened although its side effect had begun")
                if turn in self._finished:
                    yield Violation(9, at, f"turn {turn} reopened although its answer was heard")
                self._reopened, self._looked = (turn, self._last_text.get(turn, ""), why), False
            case e.PlayoutHeld() if self._reopened is not None and not self._looked:
                self._looked = True
                yield from self._held(at, item, self._reopened[0])
            case _:
                return

    def _held(self, at: int, item: e.PlayoutHeld, turn: int) -> Iterable[Violation]:
        """The answer to the Stop that came with the reopening."""
        if item.turn == turn and item.attempt not in self._cached:
            whole_words = sum(start + self.HEARD <= item.samples for start in item.words)
            if whole_words >= 2:
                yield Violation(9, at, f"turn {turn} reopened although words of its answer were heard")

    def _joined(self, at: int, turn: int, text: str) -> Iterable[Violation]:
        assert self._reopened is not None
        before, why = words(self._reopened[1]), self._reopened[2]
        now = words(text)
        if turn != self._reopened[0]:
            yield Violation(9, at, f"turn {self._reopened[0]} was reopened, but turn {turn} was decided next")
        elif "final" not in why and now[: len(before)] != before and not _nearly(before, now):
            yield Violation(9, at, f"the text of turn {turn} lost words when it reopened")

    def close(self, at: int) -> Iterable[Violation]:
        return ()


def _nearly(before: tuple[str, ...], now: tuple[str, ...]) -> bool:
    """Interims may be corrected: three quarters of the words must still be there, all but one where there are few."""
    return sum(word not in now for word in before) <= max(1, len(before) // 4)


@dataclass(slots=True)
class Doubled:
    """0: no stretch of the caller's words stands twice in a turn although it was said once. truth: what was said."""

    truth: tuple[str, ...]
    turns: dict[int, str] = field(default_factory=dict[int, str])

    def feed(self, at: int, item: Item) -> Iterable[Violation]:
        if isinstance(item, c.TurnEnded):
            said = words(item.text)
            if len(said) >= 2 and not _is_subsequence(said, self.truth):
                yield Violation(0, at, f"turn {item.turn} holds words in an order in which they were never said")

    def close(self, at: int) -> Iterable[Violation]:
        return ()


def _is_subsequence(said: tuple[str, ...], truth: tuple[str, ...]) -> bool:
    """`said` can be read off `truth` by skipping words (backchannels and noise may be missing)."""
    return any(_read_off(said, truth, start) for start, word in enumerate(truth) if word == said[0])


def _read_off(said: tuple[str, ...], truth: tuple[str, ...], start: int) -> bool:
    limit = start + 3 * len(said) + 12
    position = start
    for want in said:
        try:
            position = truth.index(want, position, limit) + 1
        except ValueError:
            return False
    return True
