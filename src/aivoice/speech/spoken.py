"""What `normalise` gives: spoken text, its source words, and the map between them; and where each source word begins
in the audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

# Speech timing in ms, fitted by least squares to the durations of the embedded voice.
_WORD_MS, _LETTER_MS = 56, 50
_PAUSES_MS = {",": 350, ";": 450, ":": 450, ".": 320, "!": 320, "?": 320}
_LETTER_NAME_MS = 230


class SourceWord(NamedTuple):
    """One white-space separated word of the source (a plain tuple: thousands of these are made a minute).

    first, size: its spoken words are ``spoken_words[first : first + size]`` (size 0: it is not spoken, as "—").
    weight: estimated duration in ms, for cutting audio that carries no word marks.
    """

    text: str
    first: int
    size: int
    weight: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """text: what a synthesiser is to say; holds no digits. words: the source, ``" ".join(w.text)`` but for white space.

    word_map: for each spoken word (``text.split()``) the index of its source word: total and never decreasing.
    """

    text: str
    words: tuple[SourceWord, ...]
    word_map: tuple[int, ...]

    @property
    def source(self) -> str:
        """The source text, white space folded."""
        return " ".join(word.text for word in self.words)

    def source_starts(self, marks: Mapping[int, int], samples: int) -> tuple[int, ...]:
        """Start sample of every source word in audio of `samples` samples; ascending, the first is 0.

        marks: spoken word → sample, as far as the synthesiser gives them; the gaps are filled in proportion to the
        estimated durations. Words that are not spoken begin where the next spoken one does.
        """
        if not self.words:
            return ()
        anchors = [(0, 0)]
        for spoken in sorted(marks):
            if not 0 <= spoken < len(self.word_map):
                continue
            index, sample = self.word_map[spoken], marks[spoken]
            if spoken == self.words[index].first and index > anchors[-1][0] and anchors[-1][1] <= sample <= samples:
                anchors.append((index, sample))
        anchors.append((len(self.words), samples))
        starts: list[int] = []
        for (index, begin), (stop, end) in pairwise(anchors):
            total = sum(word.weight for word in self.words[index:stop])
            done = 0
            for word in self.words[index:stop]:
                starts.append(begin + ((end - begin) * done // total if total else 0))
                done += word.weight
        return tuple(starts)


def weight_ms(spoken: str) -> int:
    """Estimated duration of spoken words, pauses behind punctuation included; 0 for none."""
    total = 0
    for word in spoken.split():
        letters = sum(character.isalpha() for character in word)
        single = letters == 1 and word[:1] not in ("a", "I")
        total += _LETTER_NAME_MS if single else _WORD_MS + _LETTER_MS * letters
        total += _PAUSES_MS.get(word[-1], 0)
    return total
