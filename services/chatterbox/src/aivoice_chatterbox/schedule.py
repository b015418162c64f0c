"""Whose turn it is on the GPU, and whether one more can be heard in time. Pure: times are given, nothing waits.

Every call has a moment by which it needs more audio (`Talk.due`): a caller who hears nothing yet needed it when the
text came, one who listens needs it when what was sent has been played. The earliest due goes first, one stretch at a
time; so a caller who waits goes before one whose buffer is full, and calls that are alike take turns. Clauses of one
call are spoken in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

S = TypeVar("S")

LEAD_S = 2.0
"""So much audio at hand counts as much as any more: what a caller interrupts is not known here, and the reply after
it must not wait until all of the old one would have been played."""
_START_RTF = 0.5
_WEIGHT = 0.2
"""Of the newest measurement."""
_SECONDS_PER_CHARACTER = 1 / 15


@dataclass(slots=True, eq=False)
class Job(Generic[S]):
    """One piece of a speech. seconds: about how much audio of it is still to come. utterance: the model's, if begun.
    made_s: seconds that have come."""

    speech: S
    text: str
    index: int
    seconds: float
    utterance: Any = None
    made_s: float = 0.0


@dataclass(slots=True, eq=False)
class Talk(Generic[S]):
    """One call. due: loop time by which it needs more audio."""

    due: float
    jobs: deque[Job[S]] = field(default_factory=deque[Job[S]])

    @property
    def seconds(self) -> float:
        return sum(job.seconds for job in self.jobs)


@dataclass(slots=True)
class Pace:
    """What was measured of the model: seconds of work a second of audio takes, by how many were spoken at once; audio
    of one step; audio a character makes."""

    rtf: dict[int, float] = field(default_factory=dict[int, float])
    stretch_s: float = 0.5
    per_character: float = _SECONDS_PER_CHARACTER

    def stepped(self, took_s: float, audio_s: list[float]) -> None:
        """After each step of which any audio came."""
        total = sum(audio_s)
        if total <= 0:
            return
        count = len(audio_s)
        if not self.rtf:
            self.stretch_s = max(audio_s)
        known = self.rtf.get(count)
        rtf = took_s / total
        self.rtf[count] = rtf if known is None else known + _WEIGHT * (rtf - known)
        self.stretch_s += _WEIGHT * (max(audio_s) - self.stretch_s)

    def spoken(self, text: str, audio_s: float) -> None:
        """After each complete piece."""
        if len(text) >= 20:
            self.per_character += _WEIGHT * (audio_s / len(text) - self.per_character)

    def at(self, count: int) -> float:
        """Of `count` at once: as measured; between two measured counts as if each utterance of a step added the same
        time, beyond them as the nearest."""
        if not self.rtf:
            return _START_RTF
        below = max((size for size in self.rtf if size <= count), default=min(self.rtf))
        above = min((size for size in self.rtf if size >= count), default=max(self.rtf))
        if above <= below:
            return self.rtf[below]
        share = (1 / count - 1 / above) / (1 / below - 1 / above)
        return self.rtf[above] + share * (self.rtf[below] - self.rtf[above])


class Schedule(Generic[S]):
    """batch: how many the model advances at once."""

    def __init__(self, batch: int) -> None:
        self.pace = Pace()
        self._batch = batch
        self._talks: dict[str, Talk[S]] = {}
        self.queued = 0
        """Pieces that are not complete."""

    def add(self, call: str, jobs: Iterable[Job[S]], now: float) -> None:
        """The jobs come after those that the call has already."""
        self._forget(now)
        talk = self._talks.setdefault(call, Talk(now))
        if not talk.jobs:
            talk.due = max(talk.due, now)
        before = len(talk.jobs)
        talk.jobs.extend(jobs)
        self.queued += len(talk.jobs) - before

    def listens(self, call: str, now: float) -> bool:
        """Whether the call hears something now, or waits for what was admitted."""
        talk = self._talks.get(call)
        return talk is not None and (bool(talk.jobs) or talk.due > now)

    def pick(self, now: float, ready: Any = None) -> list[Job[S]]:
        """The jobs of the next step: one a call, the earliest due first. ready: asked about each job's speech; one that
        is not ready (its reader is behind) is passed over."""
        waiting = [talk for talk in self._talks.values() if talk.jobs and (ready is None or ready(talk.jobs[0].speech))]
        waiting.sort(key=lambda talk: min(talk.due, now + LEAD_S))
        return [talk.jobs[0] for talk in waiting[: self._batch]]

    def gave(self, call: str, job: Job[S], audio_s: float, *, last: bool, now: float) -> None:
        """`job` gave so much audio. One that was removed meanwhile is none of our business any more."""
        talk = self._talks.get(call)
        if talk is None or not talk.jobs or talk.jobs[0] is not job:
            return
        talk.due = max(talk.due, now) + audio_s
        job.seconds = max(0.1, job.seconds - audio_s)
        job.made_s += audio_s
        if last:
            self.pace.spoken(job.text, job.made_s)
            talk.jobs.popleft()
            self.queued -= 1

    def remove(self, call: str, speech: S, now: float, *, heard: bool) -> list[Job[S]]:
        """Take back all jobs of a speech. heard: what was sent will be played; else the call hears nothing from now."""
        talk = self._talks.get(call)
        if talk is None:
            return []
        gone = [job for job in talk.jobs if job.speech is speech]
        talk.jobs = deque(job for job in talk.jobs if job.speech is not speech)
        self.queued -= len(gone)
        if not heard:
            talk.due = min(talk.due, now)
        return gone

    def lateness(self, call: str, seconds: float, now: float, *, busy_s: float = 0.0) -> float:
        """By how many seconds somebody would hear something too late, if `call` now asked for so much audio: the
        newcomer its first sound, or anybody the rest of theirs. busy_s: how long the step under way will last.

        The processor demand criterion of deadline scheduling: at any later time t, the work that is due by then must
        not exceed t. Work is a flow here; besides, all who hear nothing yet get one stretch each before the newcomer.
        """
        talks = {key: (max(talk.due, now), talk.seconds) for key, talk in self._talks.items() if talk.jobs}
        due, more = talks.get(call, (now, 0.0))
        talks[call] = (due, more + seconds)
        rtf = self.pace.at(min(len(talks), self._batch))
        worst = 0.0
        for until in {due + wanted for due, wanted in talks.values()}:
            work = sum(min(wanted, max(0.0, until - due)) for due, wanted in talks.values()) * rtf
            worst = max(worst, work - (until - now))
        ahead = [talk.jobs[0] for key, talk in self._talks.items() if talk.jobs and key != call and talk.due <= now]
        first = sum(min(job.seconds, self.pace.stretch_s) for job in ahead) * rtf
        return busy_s + max(worst, first)

    def _forget(self, now: float) -> None:
        for key in [key for key, talk in self._talks.items() if not talk.jobs and talk.due <= now]:
            del self._talks[key]
