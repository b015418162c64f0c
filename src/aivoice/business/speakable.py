"""A business's pronunciation, as the engine's synthesis takes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from aivoice.engine.clips import Speakable, Spoken
from aivoice.speech.normalise import normalise
from aivoice.speech.settled import unsettled

_PER_MS = 14 / 1_000
"""The engine guesses the length of unfinished audio at 14 units of weight a second; ours are ms."""


def speakable(lexicon: Mapping[str, str]) -> Speakable:
    """Text normalisation with `lexicon`, for a session's `speakable`. Never raises.

    A clause is looked at several times while it plays: the last ones are remembered.
    """
    known = dict(lexicon)

    @lru_cache(maxsize=256)
    def say(text: str) -> Spoken:
        spoken = normalise(text, known)
        weights = tuple(word.weight * _PER_MS for word in spoken.words)
        return Spoken(spoken.text, spoken.word_map, weights, unsettled(text, known))

    return say
