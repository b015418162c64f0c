"""A clip on its way from the synthesiser to the ear: its audio so far, and where each of its source words begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from aivoice.audio.frames import SAMPLE_RATE

_SAMPLES_PER_WEIGHT = SAMPLE_RATE // 14
"""Before a clip is complete its pace is guessed: about 14 characters a second, as in ordinary speech."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Source text as it is to be pronounced.

    sources: for each spoken word, the index of its source word (ascending). weights: how long each source word takes,
    relative to the others (its spoken characters). unsettled: how many of the last source words may be said otherwise
    once more text follows ("5", until "pm" has come, or not).
    """

    text: str
    sources: tuple[int, ...]
    weights: tuple[float, ...]
    unsettled: int = 0


Speakable = Callable[[str], Spoken]


def as_written(text: str) -> Spoken:
    """The identity: every word is spoken as it stands."""
    words = text.split()
    return Spoken(text, tuple(range(len(words))), tuple(float(len(word) + 1) for word in words))


@dataclass(slots=True, eq=False)
class ClipBuffer:
    """Audio of one clip. `samples` arrived so far; `complete`: no more will come; spans carry no PCM.

    broken: the audio ends before the text does. source: its words as written, so far. marks: start sample by
    spoken word, as the synthesiser told.
    known: start samples of a ready-made clip's words.
    """

    turn: int
    attempt: int
    speakable: Speakable = as_written
    source: str = ""
    samples: int = 0
    complete: bool = False
    broken: bool = False
    marks: dict[int, int] = field(default_factory=dict[int, int])
    known: tuple[int, ...] = ()
    pcm: bytes | bytearray = b""

    def add(self, samples: int, pcm: bytes | None) -> None:
        """More audio. The first block is kept as it is (ready-made clips are shared by all calls)."""
        self.samples += samples
        if pcm is None:
            return
        if not self.pcm:
            self.pcm = pcm
            return
        if isinstance(self.pcm, bytes):
            self.pcm = bytearray(self.pcm)
        self.pcm += pcm

    def word_starts(self) -> tuple[int, ...]:
        """Start sample of each source word, ascending: by marks where there are some, else by weight over the whole
        length (or the usual pace, while it is not known)."""
        if self.known or not self.source.strip():
            return self.known
        spoken = self.speakable(self.source)
        starts = list(accumulate(spoken.weights, initial=0.0))
        total = starts.pop()
        whole = self.complete and not self.broken
        length = self.samples if whole else max(self.samples, int(total * _SAMPLES_PER_WEIGHT))
        guessed = [int(start / total * length) if total else 0 for start in starts]
        marks: dict[int, int] = {}
        for word, sample in self.marks.items():
            if word < len(spoken.sources):
                source = spoken.sources[word]
                marks[source] = min(sample, marks.get(source, sample))
        if not marks:
            return tuple(guessed)
        told = _anchored(guessed, marks, length)
        # Where a word begins that is neither marked nor in the audio so far is not known: no guess says how long the
        # word before it is.
        return told if whole else tuple(at for word, at in enumerate(told) if word <= max(marks) or at < self.samples)


def _anchored(guessed: list[int], marks: dict[int, int], length: int) -> tuple[int, ...]:
    """Known starts stay; unknown ones keep their relative place between their known neighbours."""
    anchors = [(0, marks.get(0, 0))] + [(word, at) for word, at in sorted(marks.items()) if 0 < word < len(guessed)]
    anchors.append((len(guessed), max(length, anchors[-1][1])))
    ends = [*guessed, length]
    out: list[int] = []
    for (first, at), (last, until) in pairwise(anchors):
        span = ends[last] - ends[first] or 1
        out.extend(at + (ends[word] - ends[first]) * (until - at) // span for word in range(first, last))
    return tuple(accumulate(out, max))
