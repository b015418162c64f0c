"""The caller's half of a call's entries: from voice and transcripts to turns, listening noises and what was ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces.explain import why_ended
from aivoice.traces.ledger import Ledger
from aivoice.traces.model import CallerEntry


@dataclass(slots=True)
class CallerSide:
    """open: the words that no decision has been made about. settled: the entry last decided, until new voice comes:
    transcripts that arrive meanwhile are late ones of its own."""

    ledger: Ledger
    in_speech: bool = False
    _open: CallerEntry | None = None
    _finals: list[str] = field(default_factory=list[str])
    _settled: CallerEntry | None = None
    _settled_finals: list[str] = field(default_factory=list[str])
    _late: str = ""
    _turns: dict[int, CallerEntry] = field(default_factory=dict[int, CallerEntry])

    def voice(self, item: e.SpeechStarted | e.SpeechEnded) -> None:
        at = self.ledger.ms(item.at)
        match item:
            case e.SpeechStarted():
                self.in_speech, self._settled = True, None
                if self._open is None or not self._open.text:
                    self._open = CallerEntry(self.ledger.new_id("c"), at, None)
                    self._finals = []
            case e.SpeechEnded():
                self.in_speech = False
                if self._open is not None:
                    self._open.until_ms = at
                    if self.ledger.shows(self._open):
                        self.ledger.show(self._open)

    def heard(self, item: e.Heard) -> None:
        if self._settled is not None:
            self._late = item.text if item.kind == "final" else self._late
            return
        if self._open is None:
            self._open = CallerEntry(self.ledger.new_id("c"), self.ledger.now_ms, None)
            self._finals = []
        entry = self._open
        if item.kind == "final":
            self._finals += [item.text] if item.text else []
            entry.text, entry.status = " ".join(self._finals), "final"
        else:
            entry.text, entry.status = " ".join([*self._finals, item.text]).strip(), "interim"
        if entry.text or self.ledger.shows(entry):
            self.ledger.show(entry)

    def turn_ended(self, item: c.TurnEnded) -> None:
        entry = self._open or CallerEntry(self.ledger.new_id("c"), self.ledger.now_ms, self.ledger.now_ms)
        entry.text, entry.status, entry.turn, entry.why = item.text, "turn", item.turn, why_ended(item.why)
        self._settled, self._settled_finals, self._late = entry, self._finals, ""
        self._open, self._finals = None, []
        self._turns[item.turn] = entry
        self.ledger.show(entry)

    def reopened(self, turn: int) -> None:
        """The turn goes on: its entry takes the new words, and those already shown as their own are folded in."""
        entry = self._turns.pop(turn, None)
        if entry is None:
            return
        newer, self._finals = self._open, [entry.text]
        if newer is not None:
            self._finals += [newer.text] if newer.text and newer.status == "final" else []
            entry.text = " ".join([*self._finals, newer.text] if newer.status == "interim" else self._finals).strip()
            entry.until_ms = newer.until_ms
            newer.text, newer.status = "", "ignored"
            if self.ledger.shows(newer):
                self.ledger.show(newer)
        entry.status, entry.turn = "final", None
        self._open, self._settled = entry, None
        self.ledger.show(entry)

    def settle(self, status: Literal["backchannel", "ignored"], why: str) -> None:
        """The open words are decided not to be a turn."""
        entry, self._open, self._finals = self._open, None, []
        if entry is None:
            return
        entry.status, entry.why = status, why
        self._settled, self._settled_finals = entry, []
        if entry.text or self.ledger.shows(entry):
            self.ledger.show(entry)

    def late_final(self) -> None:
        """The final of a turn that was decided on its interim differs, and counts."""
        entry = self._settled
        if entry is not None and entry.status == "turn" and self._late:
            entry.text = " ".join([*self._settled_finals, self._late])
            self.ledger.show(entry)
