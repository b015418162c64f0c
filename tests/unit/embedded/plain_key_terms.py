"""Key terms in the plainest way: every term against every stretch of words, in order. What the quick one must equal."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from aivoice.providers.embedded import key_terms as own


def plainly_corrected(terms: Sequence[str], text: str) -> str:
    """`KeyTerms(terms).correct(text)`, without an index and without a memory."""
    for term in own.KeyTerms(terms)._terms:
        done = ""
        while (found := _first(text, term)) is not None:
            start, end = found
            done += text[:start] + own._cased(term, text[start:end])
            text = text[end:]
        text = done + text
    return text


def _first(text: str, term: own._Term) -> tuple[int, int] | None:
    spans = [match.span() for match in own._WORD.finditer(text)]
    for first in range(len(spans)):
        for count in (term.words, term.words + 1, term.words - 1):
            if count < 1 or first + count > len(spans):
                continue
            start, end = spans[first][0], spans[first + count - 1][1]
            said = text[start:end]
            if any(mark in said for mark in ",;?!") or not _matches(own._WORD.findall(said), term):
                continue
            if own._letters(own._WORD.findall(said)) == term.letters and count == term.words:
                break
            return start, end
    return None


def _matches(words: Sequence[str], term: own._Term) -> bool:
    letters = own._letters(words)
    if letters == term.letters:
        return True
    if letters[0] != term.letters[0] and not (term.name and letters[0] in "aeiou"):
        return False
    apart = abs(len(letters) - len(term.letters)) <= 1 and own._one_apart(letters, term.letters)
    if len(term.letters) >= own.LONG and apart:
        return True
    return (
        term.name
        and len(term.sound) >= own.SHORTEST_SOUND
        and own._sound(letters) == term.sound
        and SequenceMatcher(None, letters, term.letters).ratio() >= own.ALIKE
    )
