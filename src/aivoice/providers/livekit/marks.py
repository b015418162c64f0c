"""Where each word of a clause is spoken, from the timed strings that plugins give. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.providers.ports import SpeechMark

_LOOK_AHEAD = 60
"""Letters that the service may have said otherwise before its words and ours agree again."""
_SURE = 3
"""A piece of fewer letters must come at the beginning of a word to be found further on."""
_BACK_S = 0.05


class Marks:
    """Timed strings in, marks out, as far as the words that were pushed are found again, in order.

    A service may say other words than it was given (``$50`` as *fifty dollars*), or cut them into pieces: what is
    compared is letters and digits alone; what is not found is passed over, and the next word that agrees is marked.
    Marks never go back and never name a word that was not pushed. Times may begin anew with each stretch of audio.
    """

    def __init__(self, text: str) -> None:
        self._letters, self._words = _letters_of(text)
        self._at = 0
        self._last_word = -1
        self._last_sample = 0
        self._base = self._last_s = 0.0

    def of(self, timed: Iterable[Any], spoken: int) -> list[SpeechMark]:
        """timed: strings with `start_time`, s. spoken: samples of audio that came before them."""
        found: list[SpeechMark] = []
        for each in timed:
            mark = self._mark(str(each), getattr(each, "start_time", None), spoken)
            if mark is not None:
                found.append(mark)
        return found

    def _mark(self, text: str, start: object, spoken: int) -> SpeechMark | None:
        piece, _ = _letters_of(text)
        at = self._find(piece)
        if at is None:
            return None
        self._at = at + len(piece)
        # a piece of several words, or one that begins within a word: the first word that begins in it
        begins = next((n for n in range(at, self._at) if n == 0 or self._words[n] != self._words[n - 1]), None)
        if begins != at or not isinstance(start, int | float) or self._words[at] <= self._last_word:
            return None
        if self._base + start < self._last_s - _BACK_S:
            self._base = spoken / SAMPLE_RATE
        self._last_s = max(self._last_s, self._base + start)
        self._last_word = self._words[at]
        self._last_sample = max(self._last_sample, round(self._last_s * SAMPLE_RATE))
        return SpeechMark(self._last_word, self._last_sample)

    def _find(self, piece: str) -> int | None:
        """Where `piece` is said next; None: nowhere near."""
        if not piece:
            return None
        if self._letters.startswith(piece, self._at):
            return self._at
        at = self._letters.find(piece, self._at, self._at + _LOOK_AHEAD + len(piece))
        while at >= 0 and len(piece) < _SURE and not self._is_word(at, len(piece)):
            at = self._letters.find(piece, at + 1, self._at + _LOOK_AHEAD + len(piece))
        return at if at >= 0 else None

    def _is_word(self, at: int, length: int) -> bool:
        """Whether these letters are a whole word."""
        words, end = self._words, at + length
        return (at == 0 or words[at - 1] != words[at]) and (end == len(words) or words[end] != words[end - 1])


def _letters_of(text: str) -> tuple[str, list[int]]:
    """The letters and digits of `text`, and which word each belongs to."""
    letters: list[str] = []
    words: list[int] = []
    for number, word in enumerate(text.split()):
        for letter in word.casefold():
            if letter.isalnum():
                letters.append(letter)
                words.append(number)
    return "".join(letters), words
