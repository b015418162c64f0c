"""The caller's side: whether they speak, what was understood since the last turn, and when that turn may be over."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core import events as e
from aivoice.core.config import Endpointing
from aivoice.core.endpointing import NOTHING, Completeness, Expectation, PauseModel, classify, wait_ms
from aivoice.core.text import join

_LEAST_FINAL_WAIT = 500_000
_FAINT = 4_800
"""Words that reach so many samples (300 ms) beyond the last voice the VAD heard belong to voice it did not hear."""


@dataclass(slots=True)
class Ears:
    """segments: finals of the turn being heard. interim: words since the last final. Times in µs, positions in samples.

    owed: a final is expected for the last speech, which has ended. voiced: µs of voice since the turn began.
    deaf_until: words that end at or before this position were already dealt with (a backchannel, an echo).
    changed_at: when the words last changed. heard_at: when a transcript last came. lost: the recogniser died over this
    turn; the caller will be asked to say it again.
    sure: the recogniser's confidence in its last words, 0…1.
    """

    settings: Endpointing
    speaking: bool = False
    started_at: int = 0
    started_pos: int = 0
    ended_at: int = 0
    ended_seen: int = 0
    segments: list[str] = field(default_factory=list[str])
    interim: str = ""
    sure: float = 1.0
    owed: bool = False
    lost: bool = False
    ended_pos: int = 0
    voiced: int = 0
    deaf_until: int = 0
    final_at: int = 0
    changed_at: int = 0
    heard_at: int = 0
    expected: Expectation = NOTHING
    pauses: PauseModel = field(default_factory=PauseModel)
    score: float | None = None

    @property
    def text(self) -> str:
        """The turn so far."""
        return join([*self.segments, self.interim])

    @property
    def active(self) -> bool:
        """Something of the caller is to be dealt with: voice, words, or a final that is owed."""
        return self.speaking or self.owed or bool(self.segments) or bool(self.interim)

    def on_started(self, event: e.SpeechStarted) -> None:
        """Voice. A pause inside a turn teaches this caller's pauses."""
        if self.text and self.ended_at and event.at > self.ended_at:
            self.learn_pause(event.at - self.ended_at, closed=self.completeness() == "closed")
        if not self.speaking:
            self.started_at, self.started_pos = event.at, event.position
        self.speaking, self.score = True, None

    def learn_pause(self, pause: int, *, closed: bool) -> None:
        """The caller paused for so long (µs) inside a turn. closed: after words that sounded like its end."""
        self.pauses.add(pause / 1_000)
        if closed:
            self.pauses.closed(went_on=True)

    def on_ended(self, event: e.SpeechEnded, now: int) -> None:
        """Silence; a final is owed."""
        if self.speaking:
            self.voiced += max(event.at - self.started_at, 0)
        self.speaking, self.owed = False, True
        self.ended_at, self.ended_seen, self.ended_pos = event.at, now, event.position

    def on_heard(self, event: e.Heard, now: int) -> None:
        """Words. Those already dealt with are passed over."""
        text = "" if event.end <= self.deaf_until else event.text.strip()
        before, self.heard_at = self.text, now
        self.sure = event.confidence if text else self.sure
        if event.kind == "final":
            self.interim, self.final_at = "", now
            # A late final of earlier speech does not settle what is owed for the last.
            self.owed = self.owed and event.end <= self.started_pos
            if text:
                self.segments.append(text)
        else:
            self.interim = text or self.interim
            if text and not self.speaking and event.end > self.ended_pos + _FAINT:
                # Voice too faint for the VAD: it ends when the words do.
                self.ended_at, self.ended_seen, self.owed = now, now, True
        if self.text != before:
            self.changed_at = now
            self.ended_at = self.ended_at or now

    def forget(self, position: int = 0) -> None:
        """Start over: the words were dealt with (as a turn, or ignored up to `position`)."""
        self.segments.clear()
        self.interim, self.owed, self.lost, self.voiced, self.score = "", False, False, 0, None
        self.sure = 1.0
        self.deaf_until = max(self.deaf_until, position)

    def silent_from(self) -> int:
        """When the caller fell silent, in µs, or will count as silent: a VAD that hears voices while the words stand
        still hears a television, or is stuck."""
        if not self.speaking:
            return self.ended_at
        return max(self.changed_at, self.started_at) + self.settings.stuck * 1_000

    def completeness(self) -> Completeness:
        return classify(self.text, self.expected, full_stops=self.settings.full_stops)

    def waits(self) -> tuple[int, str]:
        """When the turn may be decided (µs) and why, given silence since `ended_at`."""
        kind = self.completeness()
        wait = wait_ms(kind, self.pauses, self.settings, self.score)
        return self.ended_at + wait * 1_000, f"{kind} text, {wait} ms after the end of speech"

    def final_deadline(self) -> int:
        """Until when an owed final is waited for, in µs. Where the VAD told late, the recogniser was told late, too;
        words that are older than the end of speech lack its end, and are worth a longer wait."""
        wait = self.settings.stale_wait if self.stale() else self.settings.final_wait
        return max(self.ended_at + wait * 1_000, self.ended_seen + _LEAST_FINAL_WAIT)

    def stale(self) -> bool:
        """A final is owed, and there are words, but none that came since the speech ended."""
        return self.owed and bool(self.interim) and self.heard_at < self.ended_at
