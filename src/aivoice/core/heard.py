"""What the caller heard of the agent, to the word. Pure."""

from __future__ import annotations

from bisect import bisect_right

# A word counts as heard once this much of it was played (or all of it, if it is shorter).
_AUDIBLE = 1_600  # samples of the 16 kHz media clock: 100 ms


_LEFT = 960
"""So little of a word (60 ms) is not worth saying it again for."""
_WORD = 4_800  # samples of a word (300 ms), where a clip has not told of two yet


def resume_at(word_starts: tuple[int, ...], samples: int) -> int:
    """Where to go on after silence at `samples`: the start of the word that was cut, or of the next one where (almost)
    all of it was said. Where the next start is not known yet (a voice that streams), a word counts as said from half an
    average word on: in doubt nothing is said twice, and nothing is lost by going on. Without word starts: right there.
    """
    index = bisect_right(word_starts, samples)
    if not index or not word_starts:
        return samples
    begun = word_starts[index - 1]
    if index < len(word_starts):
        return samples if word_starts[index] - samples <= _LEFT else begun
    average = (begun - word_starts[0]) // (index - 1) if index > 1 else _WORD
    return samples if 2 * (samples - begun) >= average else begun


def cut(word_starts: tuple[int, ...], samples: int) -> int:
    """How many words of a clip were heard at `samples` played. word_starts: ascending start of each source word."""
    index = bisect_right(word_starts, samples)
    if not index:
        return 0
    begun = word_starts[index - 1]
    length = word_starts[index] - begun if index < len(word_starts) else _AUDIBLE + 1
    said = samples - begun >= min(_AUDIBLE, max(length - 1, 0))
    return index if said else index - 1


def mark(heard: str) -> str:
    """How history shows that a reply was cut after the words `heard` (DESIGN §3, contract 2)."""
    return f"[interrupted while saying: {' '.join(heard.split()[-6:])}…]" if heard else "[interrupted]"
