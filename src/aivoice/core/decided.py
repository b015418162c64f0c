"""The last turn decided: what it takes to reopen it, and to learn from having decided it too early."""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.core.text import without_start


@dataclass(slots=True)
class Decided:
    """prefix: the turn's finals without the interim it was decided on. history: where its message stands.

    final_owed: it was decided on an interim; the final of that speech, which ends at `end`, may still come.
    silent_from: when its last voice ended, in µs. closed: its words sounded like an end.
    """

    text: str = ""
    prefix: str = ""
    history: int = 0
    final_owed: bool = False
    end: int = 0
    silent_from: int = 0
    closed: bool = False

    def new_in(self, text: str) -> str:
        """Of the words heard since, those that are not this turn's own: a recogniser that owes its final shows them
        again at the start of its interims."""
        return without_start(text, self.text[len(self.prefix) :]) if self.final_owed else text

    def pause_until(self, started_at: int, longest: int) -> int:
        """The pause inside which this turn was ended, if the caller speaks again at `started_at`; 0: it was its end.

        All in µs. Who goes on sooner than anyone is waited for (`longest`) was not answering.
        """
        pause = started_at - self.silent_from
        return pause if 0 < pause <= longest else 0
