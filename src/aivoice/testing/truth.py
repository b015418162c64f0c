"""What was really said on a leg, word by word, by whoever was near the telephone: the simulated recogniser's truth."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Literal

from aivoice.audio.frames import SAMPLE_RATE

Voice = Literal["caller", "echo", "television", "talker"]


@dataclass(frozen=True, slots=True, order=True)
class SpokenWord:
    """One word of the leg's sound. start, end: sample positions. voice: who made it."""

    start: int
    end: int
    text: str
    voice: Voice = "caller"


class Truth:
    """The words of one leg in order of their start."""

    def __init__(self) -> None:
        self._words: list[SpokenWord] = []

    def add(self, *words: SpokenWord) -> None:
        """Words that will sound (or have sounded) at their positions."""
        for word in words:
            if not self._words or word >= self._words[-1]:
                self._words.append(word)
            else:
                insort(self._words, word)

    def cut(self, position: int, voice: Voice = "caller") -> None:
        """The voice fell silent at `position`: later words are not said; a word cut in its first half is lost too."""
        self._words = [
            word for word in self._words if word.voice != voice or word.start + (word.end - word.start) // 2 < position
        ]

    def between(self, start: int, end: int) -> list[SpokenWord]:
        """The words whose start lies in [start, end)."""
        return self._words[self._index(start) : self._index(end)]

    def first_after(self, position: int) -> SpokenWord | None:
        """The first word that starts at or after `position`."""
        index = self._index(position)
        return self._words[index] if index < len(self._words) else None

    def _index(self, position: int) -> int:
        return bisect_left(self._words, position, key=lambda word: word.start)


def word_ms(word: str) -> int:
    """How long a voice takes for `word`, its own short gap included, ms: about 155 words a minute on English text."""
    return 140 + 45 * min(len(word.strip(".,!?;:")), 14)


def lay_out(text: str, start: int, *, rate: float = 1.0, voice: Voice = "caller") -> list[SpokenWord]:
    """The words of `text` one after another from sample `start`; `rate` > 1 speaks faster."""
    words: list[SpokenWord] = []
    position = start
    for word in text.split():
        samples = int(word_ms(word) / rate * SAMPLE_RATE / 1000)
        words.append(SpokenWord(position, position + samples, word, voice))
        position += samples
    return words
