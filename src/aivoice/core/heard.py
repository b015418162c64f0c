"""What the caller heard of the agent, to the word. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

# A word counts as heard once this much of it was played (or all of it, if it is shorter).
_AUDIBLE = 1_600  # samples of the 16 kHz media clock: 100 ms


@dataclass(frozen=True, slots=True)
class Cut:
    """words: how many source words were heard. boundary: sample at which the word being said began."""

    words: int
    boundary: int


def cut(word_starts: tuple[int, ...], samples: int) -> Cut:
    """Cut a clip at `samples` played. word_starts: ascending start sample of each source word."""
    index = bisect_right(word_starts, samples)
    if not index:
        return Cut(0, 0)
    begun = word_starts[index - 1]
    if index < len(word_starts):
        length = word_starts[index] - begun
        said = samples - begun >= min(_AUDIBLE, max(length - 1, 0))
    else:
        said = samples - begun >= _AUDIBLE
    return Cut(index if said else index - 1, begun)


def mark(heard: str) -> str:
    """How history shows that a reply was cut after the words `heard` (DESIGN §3, contract 2)."""
    return f"[interrupted while saying: {' '.join(heard.split()[-6:])}…]" if heard else "[interrupted]"
