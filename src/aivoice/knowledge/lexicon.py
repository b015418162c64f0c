"""The words of an index: which passage has which, what each is worth, and which may stand for a word of a question.

Arrays, so that a question costs milliseconds among ten thousand passages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from aivoice.knowledge.passages import Piece
from aivoice.knowledge.terms import SYNONYMS, joined, likeness, query_terms, sound, terms

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

HEADING, BODY, SYNONYM, ALIKE = 1.0, 0.8, 0.72, 0.9
MIN_LIKENESS = 0.6
RAREST = 3.27
"""The information of an unknown word among the passages that the weights were fitted on."""
MOST_TERMS = 80
"""Terms of a question that are looked up; a caller's sentence has a tenth of them."""


class Lexicon:
    """Immutable. count: passages. postings: term → the passages that have it, and how strongly (`HEADING`, `BODY`)."""

    def __init__(self, count: int, postings: Mapping[str, tuple[Ints, Floats]]) -> None:
        self.count = count
        self._postings = postings
        self._by_letter: dict[str, _Pairs] = {}
        self._by_sound: dict[str, list[str]] = {}
        letters: dict[str, list[str]] = {}
        for term in postings:
            letters.setdefault(term[0], []).append(term)
            self._by_sound.setdefault(sound(term), []).append(term)
        self._by_letter = {letter: _Pairs(found) for letter, found in letters.items()}

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Lexicon:
        """Count the words of passages."""
        found: dict[str, dict[int, float]] = {}
        for index, piece in enumerate(pieces):
            for term, strength in strengths(piece).items():
                found.setdefault(term, {})[index] = strength
        return cls(
            len(pieces),
            {
                term: (np.fromiter(at, np.int32, len(at)), np.fromiter(at.values(), np.float32, len(at)))
                for term, at in found.items()
            },
        )

    def covered(self, query: str) -> tuple[Floats, float]:
        """The information of the question that each passage's words cover, and all that it has."""
        wanted = {term: self._information(term) for term in self._mended(query)[:MOST_TERMS]}
        covered = np.zeros(self.count, np.float32)
        best = np.zeros(self.count, np.float32)
        for term, information in wanted.items():
            touched: list[Ints] = []
            for other, value in ((term, 1.0), *self._near(term).items()):
                if other in self._postings:
                    at, strength = self._postings[other]
                    best[at] = np.maximum(best[at], strength * np.float32(value))
                    touched.append(at)
            for at in touched:  # a passage that two of them have is added once: the second time `best` is 0
                covered[at] += best[at] * np.float32(information)
                best[at] = 0
        return covered, sum(wanted.values())

    def _mended(self, query: str) -> tuple[str, ...]:
        """The question's terms, with two words that are one word of the business put together."""
        wanted = list(query_terms(query))
        for one, two, both in joined(query)[:MOST_TERMS]:
            known = one in self._postings and two in self._postings
            if not known and len(both) >= 6 and (match := self._same(both)):
                wanted = [*(term for term in wanted if term not in (one, two)), match]
        return tuple(dict.fromkeys(wanted))

    def _same(self, term: str) -> str:
        """The word of the business that is `term` or sounds just like it, or ""."""
        if term in self._postings:
            return term
        return max((other for other in self._by_sound.get(sound(term), ()) if likeness(term, other) >= 0.9), default="")

    def _information(self, term: str) -> float:
        """BM25's idf, scaled so that a word which the business never uses weighs `RAREST` whatever its size; one that
        it uses once weighs nearly as much."""
        count, seen = max(self.count, 1), len(self._postings[term][0]) if term in self._postings else 0
        rarest = math.log(1 + count / 1.5)
        return RAREST * (math.log(1 + (count - seen + 0.5) / (seen + 0.5)) / rarest if seen else 1.0)

    def _near(self, term: str) -> dict[str, float]:
        """Words of the business that may stand for `term`: synonyms, and, for a word that it never uses, words that
        sound alike or begin alike and share most letter pairs."""
        found = {other: SYNONYM for other in SYNONYMS.get(term, ()) if other in self._postings}
        if term in self._postings or not term:
            return found
        alike = self._by_letter[term[0]].alike(term) if term[0] in self._by_letter else []
        for other in (*self._by_sound.get(sound(term), ()), *alike):
            value = likeness(term, other)
            if value >= MIN_LIKENESS:
                found[other] = max(found.get(other, 0.0), ALIKE * value)
        return found


class _Pairs:
    """The terms with one first letter, by their letter pairs."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._sizes = np.array([len(_pairs(word)) for word in words], np.float32)
        found: dict[str, list[int]] = {}
        for index, word in enumerate(words):
            for pair in _pairs(word):
                found.setdefault(pair, []).append(index)
        self._at = {pair: np.array(at, np.int32) for pair, at in found.items()}

    def alike(self, term: str) -> list[str]:
        """Those that share enough pairs with `term`, or all where there are few: `likeness` decides."""
        if len(self._words) <= 32:
            return list(self._words)
        pairs = _pairs(term)
        shared = np.zeros(len(self._words), np.float32)
        for pair in pairs:
            if pair in self._at:
                shared[self._at[pair]] += 1
        likely = np.flatnonzero(2 * shared >= np.float32(MIN_LIKENESS - 1e-3) * (self._sizes + len(pairs)))
        return [self._words[int(index)] for index in likely]


def _pairs(word: str) -> set[str]:
    return {word[at : at + 2] for at in range(len(word) - 1)}


def strengths(piece: Piece) -> dict[str, float]:
    """The terms of a passage: those of its heading count more than those of its text."""
    return {**dict.fromkeys(terms(piece.text), BODY), **dict.fromkeys(terms(piece.heading), HEADING)}
