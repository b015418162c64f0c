"""Telling a recogniser that starts over from a caller who repeats himself.

Fed with less than its 30 s, Whisper sometimes says the same thing again and again. Cutting every repetition would also
cut "yes please, yes please". What tells them apart is time: a copy that was really said begins while there is still
enough voice left to say it, an invented one begins where the voice ends. The times come from the model's own
cross-attention (only asked for when the text repeats at all, which is rare).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ROOM = 0.45
"""Share of the mean length of the copies before it that must be left for one more to be believed. Chosen on half of the
clips of `benchmarks.embedded_models`; the other half is its held-out check."""
PHRASE_S, SQUEEZED = 1.0, 0.2
"""Nobody says a phrase of over a second again in a fifth of the time. (Times of single short words are less exact.)"""

_NOT_WORD = re.compile(r"[^\w']+")


def plain(word: str) -> str:
    """The word as compared: lower case, no punctuation."""
    return _NOT_WORD.sub("", word).lower()


def period(words: Sequence[str]) -> int:
    """Length of the shortest unit that, repeated, is all of `words`. The last copy may be cut short, but not the second
    one to a single word.

    0: they do not repeat. `words` are compared as given.
    """
    for size in range(1, len(words)):
        if len(words) < 2 * size and len(words) - size < 2:
            return 0
        if all(word == words[index % size] for index, word in enumerate(words)):
            return size
    return 0


def believed_copies(starts: Sequence[float], voiced_s: float, *, last_share: float = 1.0) -> int:
    """How many copies were really said, from the time each begins (s, rising) and the end of the voice.

    last_share: how much of the unit the last copy has. At least 1.
    """
    count = 1
    while count < len(starts):
        mean = (starts[count] - starts[0]) / count
        room = ROOM * mean * (last_share if count == len(starts) - 1 else 1.0)
        if mean < 0.1 or starts[count] + room > voiced_s:
            break
        if mean > PHRASE_S and count + 1 < len(starts) and starts[count + 1] - starts[count] < SQUEEZED * mean:
            break
        count += 1
    return count
