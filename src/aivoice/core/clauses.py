"""Tokens → speakable clauses. The first is short: sound starts early. Later ones end where a voice would pause."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.config import Clauses

_SENTENCE = (".", "!", "?", "…", ":")
_PAUSE = (",", ";", "—", "–")
# A full stop after these ends no sentence.
_ABBREVIATIONS = frozenset(
    [
        "mr.",
        "mrs.",
        "ms.",
        "dr.",
        "st.",
        "no.",
        "vs.",
        "e.g.",
        "i.e.",
        "a.m.",
        "p.m.",
        "ave.",
        "rd.",
        "jr.",
        "sr.",
        "prof.",
        "approx.",
        "min.",
        "max.",
    ]
)
_MIN_PAUSE_WORDS = 3
_MOST_BOUND = 4
_BINDING = frozenset(
    {
        "mr.", "mrs.", "ms.", "dr.", "st.", "no.", "number", "room", "suite", "january", "february", "march", "april",
        "may", "june", "july", "august", "september", "october", "november", "december", "[clear",
    }
)  # fmt: skip


@dataclass(slots=True)
class ClauseSplitter:
    """Feed tokens, take clauses. `push` returns what became complete; `flush` the rest.

    Joining all returned clauses gives the pushed text, white space folded to one space. No clause exceeds
    `settings.cap` characters unless one word alone does (it is then cut).
    """

    settings: Clauses
    first: bool = True
    _words: list[str] = field(default_factory=list[str])
    _partial: str = ""

    def push(self, text: str) -> list[str]:
        """Clauses completed by `text`. A word counts once the white space behind it has come, or when it ends the
        sentence: then nothing can follow that belongs to it."""
        out: list[str] = []
        pieces = (self._partial + text).split()
        if pieces and not text[-1:].isspace():
            self._partial = pieces.pop()
        else:
            self._partial = ""
        for word in pieces:
            self._add(word, out)
        whole = text.split()[-1:] == [
            self._partial
        ]  # not put together from pieces: those may go on ("example" "." "com")
        if whole and self._partial[:-1].isalpha() and ends_sentence(self._partial):
            self._add(self._partial, out)
            self._partial = ""
        return out

    def flush(self) -> list[str]:
        """Everything left, as the last clause (or clauses, where it is too long)."""
        out: list[str] = []
        if self._partial:
            self._add(self._partial, out)
            self._partial = ""
        if self._words:
            out.append(self._take())
        return out

    def _add(self, word: str, out: list[str]) -> None:
        cap = self.settings.cap
        while len(word) > cap:
            if self._words:
                out.append(self._take())
            out.append(word[:cap])
            self.first = False
            word = word[cap:]
        if self._words and len(" ".join(self._words)) + 1 + len(word) > cap:
            out.append(self._take())
        self._words.append(word)
        if self._ends(word):
            out.append(self._take())

    def _ends(self, word: str) -> bool:
        count = len(self._words)
        limit = self.settings.first_words if self.first else self.settings.words
        if count >= limit and (self.first or word.endswith(_PAUSE) or count >= 2 * limit):
            return not _binds(word) or count >= 2 * limit + _MOST_BOUND
        bare = word.rstrip("\"')”’")
        if bare.endswith(_SENTENCE) and bare.lower() not in _ABBREVIATIONS:
            return True
        return bare.endswith(_PAUSE) and count >= _MIN_PAUSE_WORDS

    def _take(self) -> str:
        clause = " ".join(self._words)
        self._words.clear()
        self.first = False
        return clause


def _binds(word: str) -> bool:
    """The next word changes how this one is said ("9:30 am", "Dr. Brown", "November 24"): no cut between them."""
    return (any(char.isdigit() for char in word) and word[-1].isalnum()) or word.lower() in _BINDING


def ends_sentence(text: str) -> bool:
    """Whether `text` ends where a clause that is streamed word by word may be closed."""
    last = text.rsplit(None, 1)[-1:]
    bare = last[0].rstrip("\"')”’") if last else ""
    return bare.endswith(_SENTENCE) and bare.lower() not in _ABBREVIATIONS
