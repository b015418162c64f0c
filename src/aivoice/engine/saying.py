"""Text as it streams in → text as it is pronounced, each word looked at with its neighbours. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aivoice.engine.clips import Speakable

CONTEXT_WORDS = 5
"""Words already said that a new word is looked at with."""

_PIECE = re.compile(r"\s*\S+\s*")


@dataclass(slots=True)
class Saying:
    """The text of one clip. However it is cut into pieces, what `push` gives joins to what the whole would be.

    A word that may be said otherwise once more has come ("5" before "pm", "Dr." before "Smith") is kept until then, or
    until the end. said: the last words given out, as written. unsaid: what is kept.
    """

    speakable: Speakable
    said: str = ""
    unsaid: str = ""

    def push(self, text: str, final: bool) -> str:
        """What can be said now, "" where that is nothing. final: no more text comes, nothing is kept."""
        self.unsaid += text
        pieces = _PIECE.findall(self.unsaid)
        if not pieces:
            space, self.unsaid = self.unsaid, ""
            return space
        spoken = self.speakable(self.said + self.unsaid)
        ready = len(pieces) - (0 if final else spoken.unsettled)
        if ready <= 0:
            return ""
        # A first word that was said before its end was known goes on as it is written.
        continued = bool(self.said) and not self.said[-1].isspace() and not self.unsaid[0].isspace()
        known = len(self.said.split()) - continued
        words: list[list[str]] = [[] for _ in range(known + len(pieces))]
        for word, source in zip(spoken.text.split(), spoken.sources, strict=False):
            words[source].append(word)
        out = [_as_said(piece, " ".join(words[known + at])) for at, piece in enumerate(pieces[:ready])]
        if continued:
            out[0] = pieces[0]
        released = "".join(pieces[:ready])
        self.said = _context(_PIECE.findall(self.said + released))
        self.unsaid = self.unsaid[len(released) :]
        return "".join(out)


def _context(pieces: list[str]) -> str:
    """The last words, and one in small letters from before them: a text in capitals is read as loud, not spelled."""
    earlier, last = pieces[:-CONTEXT_WORDS], pieces[-CONTEXT_WORDS:]
    quiet = next((piece for piece in earlier if _is_quiet(piece.strip(" \n.,;:!?"))), "")
    return "".join((quiet, *last))


def _is_quiet(word: str) -> bool:
    return len(word) > 1 and word.isalpha() and not word.isupper()


def _as_said(piece: str, said: str) -> str:
    """`piece` with its white space, its word as it is said; only the space where it is not said at all."""
    word = piece.strip()
    return piece if said == word else piece.replace(word, said, 1)
