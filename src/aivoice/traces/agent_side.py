"""The agent's half of a call's entries: from clips and playout to replies, and how much of them was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces.ledger import Ledger
from aivoice.traces.model import AgentEntry


@dataclass(slots=True)
class _Clip:
    """A clip between its first Speak or Play and the end of its reply."""

    turn: int
    text: str = ""
    cached: str = ""
    queued: bool = False
    audio: bool = False
    entry: AgentEntry | None = None


@dataclass(slots=True)
class AgentSide:
    """clips: text of the ready-made clips by key. At most one reply is audible, so one entry is open."""

    ledger: Ledger
    clips: Mapping[str, str]
    held: bool = False
    _entry: AgentEntry | None = None
    _known: dict[int, _Clip] = field(default_factory=dict[int, _Clip])
    _playing: int = 0

    @property
    def speaking(self) -> bool:
        """A clip sounds, or the next one is about to."""
        return bool(self._playing) or any(clip.queued and clip.audio for clip in self._known.values())

    def apply(self, item: c.Speak | c.Play | e.ClipAudio | e.PlayoutStarted | e.PlayoutFinished) -> None:
        clip = self._known.setdefault(item.attempt, _Clip(item.turn))
        match item:
            case c.Speak():
                clip.text += item.text
                if clip.entry is not None:
                    clip.entry.text += item.text
                    self.ledger.show(clip.entry)
            case c.Play():
                clip.queued, clip.cached = True, item.cached
                if item.cached:
                    clip.text, clip.audio = self.clips.get(item.cached) or f"[{item.cached}]", True
            case e.ClipAudio():
                clip.audio = True
            case e.PlayoutStarted():
                self._playing, self.held = item.attempt, False
                self._sound(clip)
            case e.PlayoutFinished():
                self._playing = 0 if self._playing == item.attempt else self._playing
                clip.queued = False
                if clip.entry is not None:
                    clip.entry.until_ms = self.ledger.now_ms
                    self.ledger.show(clip.entry)

    def _sound(self, clip: _Clip) -> None:
        """The clip begins to sound: its text joins the reply's."""
        entry = self._entry
        if entry is None:
            entry = self._entry = AgentEntry(self.ledger.new_id("a"), self.ledger.now_ms, None, clip.turn)
        if clip.entry is None:
            clip.entry = entry
            entry.text = f"{entry.text.rstrip()} {clip.text.lstrip()}".strip()
            if clip.cached:
                entry.clips = (*entry.clips, clip.cached)
        entry.status = "speaking"
        self.ledger.show(entry)

    def hold(self, held: bool) -> None:
        self.held = held and bool(self._playing)
        if self._entry is not None and self._playing:
            self._entry.status = "held" if held else "speaking"
            self.ledger.show(self._entry)

    def stop(self) -> None:
        """Everything queued is dropped; how much was heard comes with the reply's end."""
        self._playing, self.held = 0, False
        for clip in self._known.values():
            clip.queued = False

    def ready(self, item: e.ClipReady) -> None:
        clip = self._known.get(item.attempt)
        if clip is not None:
            clip.audio = clip.audio or item.samples > 0
        if item.failed:
            self.ledger.note(
                "speech_failed", f"A clause could not be spoken ({item.failed}).", item.turn, level="error"
            )

    def cancel(self, attempt: int) -> None:
        clip = self._known.get(attempt)
        if clip is not None and clip.entry is None:
            del self._known[attempt]

    def reply_ended(self, item: c.ReplyEnded) -> None:
        """Close the reply's entry; a reply that was never audible has none. What was made but never begun joins an
        interrupted reply's text: it is lost, too."""
        unsaid = [clip.text for _, clip in sorted(self._known.items()) if clip.turn == item.turn and clip.entry is None]
        self._known = {key: clip for key, clip in self._known.items() if clip.turn != item.turn}
        entry = self._entry
        if entry is None or entry.turn != item.turn:
            return
        self._entry, self._playing, self.held = None, 0, False
        entry.heard, entry.status, entry.why = item.heard, item.outcome, item.why
        if item.outcome == "interrupted":
            entry.text = " ".join([entry.text, *(text.strip() for text in unsaid)]).strip()
        if entry.until_ms is None or item.outcome != "finished":
            entry.until_ms = self.ledger.now_ms
        self.ledger.show(entry)
