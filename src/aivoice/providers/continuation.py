"""Joining a reply that one model began and another one goes on with: words said twice are dropped at the seam."""

from __future__ import annotations

_MOST_WORDS = 12
"""Longest repetition that is looked for; models repeat a few words, not whole replies."""


class Joiner:
    """Feed the second model's pieces to `push`; what it gives back follows `begun` without repeating its end.

    Only as much is withheld as could still be a repetition: at most the last `_MOST_WORDS` words' length, and nothing
    once the first word differs. `rest` gives what is left at the end.
    """

    def __init__(self, begun: str) -> None:
        self._said = begun.split()[-_MOST_WORDS:]
        self._spaced = begun == "" or begun[-1].isspace()
        self._held = ""
        self._decided = not self._said

    def push(self, text: str) -> str:
        """What can be said now; "" while it may be a repetition."""
        if self._decided:
            return text
        self._held += text
        if self._open():
            return ""
        return self._release()

    def rest(self) -> str:
        """The reply is over: what was still withheld."""
        return "" if self._decided else self._release(ended=True)

    def _open(self) -> bool:
        """Whether the words so far could still be (or grow into) a repetition of the end of what was said."""
        whole = self._held.split()
        if not whole:
            return True
        last_open = not self._held[-1].isspace()
        for start in range(len(self._said)):
            tail = self._said[start:]
            if len(whole) > len(tail):
                continue
            complete = whole[:-1] if last_open else whole
            if complete != tail[: len(complete)]:
                continue
            if not last_open or tail[len(complete)].startswith(whole[-1]):
                return True
        return False

    def _release(self, *, ended: bool = False) -> str:
        self._decided = True
        held, words = self._held, self._held.split()
        closed = words if ended or held[-1:].isspace() else words[:-1]
        for start in range(len(self._said)):
            tail = self._said[start:]
            if len(tail) <= len(closed) and closed[: len(tail)] == tail:
                held = _after(held, len(tail))
                break
        if self._spaced:
            return held.lstrip()
        return f" {held}" if held[:1].isalnum() else held


def _after(text: str, words: int) -> str:
    """What follows the first `words` words, its space included."""
    position = 0
    for _ in range(words):
        while position < len(text) and text[position].isspace():
            position += 1
        while position < len(text) and not text[position].isspace():
            position += 1
    return text[position:]
