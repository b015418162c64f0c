"""Words of a sentence as the receptionist compares them: lower case, rough stems, one slip of the recogniser forgiven.

Pure functions, stdlib only. Stems are crude on purpose (the same rule on both sides of a comparison is what counts).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,]\d+)*")


def word_set(text: str) -> frozenset[str]:
    """The words of a table, separated by white space."""
    return frozenset(text.split())


STOP = word_set(
    """
    a an and any anything are as at be been but by can could did do does doing for from get give got had
    has have he her hers him his how i i'd i'll i'm i've if in into is it it's its just kind know let
    like looking me mine my no not of off oh ok okay on one or our ours please really right said say she
    should so some something sort tell than that that's the their them then there there's these they
    this those to too uh um us wanna want was wanted we well were what what's when where which who whom
    why will with wondering would yes you you're your yours actually also about need hi hello hey thanks
    thank guys folks maybe think see much many long
    """
)


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """Lower case, straight apostrophes, everything but letters, digits and apostrophes as single spaces."""
    lowered = text.lower().replace("’", "'").replace("‘", "'")
    return " ".join(_TOKEN.findall(lowered))


@lru_cache(maxsize=8192)
def words(text: str) -> tuple[str, ...]:
    """Lower-case ASCII words and numbers, in order."""
    return tuple(_WORD.findall(text.lower().replace("’", "'")))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A crude English stem: plural, -ing, -ed, -er, -ly and possessive endings go."""
    word = word.removesuffix("'s").replace("'", "")
    for ending in (
        "ments",
        "ment",
        "ations",
        "ation",
        "ings",
        "ing",
        "ies",
        "ers",
        "ed",
        "es",
        "er",
        "ly",
        "s",
        "y",
        "e",
    ):
        if len(word) - len(ending) >= 3 and word.endswith(ending) and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ie" else word


@lru_cache(maxsize=2048)
def content(text: str) -> tuple[str, ...]:
    """Stems of the words that carry meaning, in order, without repeats."""
    return tuple(dict.fromkeys(stem(word) for word in words(text) if word not in STOP))


@lru_cache(maxsize=16384)
def alike(one: str, two: str) -> bool:
    """Whether two stems may be the same word once the recogniser slipped: one edit from five letters, two from nine."""
    if one == two:
        return True
    shorter = min(len(one), len(two))
    if shorter < 5 or one[0] != two[0] or one.isdigit() or two.isdigit():
        return False
    return _one_edit(one, two) or (shorter >= 9 and len(set(one) ^ set(two)) <= 4 and distance(one, two, 2) <= 2)


def _one_edit(one: str, two: str) -> bool:
    """Whether one letter added, lost or changed makes the words equal."""
    if abs(len(one) - len(two)) > 1:
        return False
    at = next(
        (i for i, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), min(len(one), len(two))
    )
    return one[at + 1 :] == two[at + 1 :] or one[at:] == two[at + 1 :] or one[at + 1 :] == two[at:]


def distance(one: str, two: str, limit: int) -> int:
    """Edit distance, or `limit` + 1 when it is more."""
    if abs(len(one) - len(two)) > limit:
        return limit + 1
    before = list(range(len(two) + 1))
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(two, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (left != right)))
        if min(row) > limit:
            return limit + 1
        before = row
    return before[-1]


def has(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` on word boundaries, both taken `plain`."""
    return f" {plain(phrase)} " in f" {plain(text)} "


def sentences(text: str) -> list[str]:
    """Split at sentence ends, not inside "3.5", "Dr. Lee" or "a.m."."""
    parts = re.split(
        r"(?<=[.!?])(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bMrs\.)(?<![ap]\.m\.)\s+", text.strip()
    )
    return [part.strip() for part in parts if part.strip()]


def listed(items: list[str], last: str = "or") -> str:
    """ "a", "a or b", "a, b or c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def humanise(name: str) -> str:
    """A parameter or option name as spoken words: ``customerName``, ``party_size`` → "customer name", "party size"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[_\-./]+", " ", spaced).strip().lower()


class Memo(Generic[T]):
    """Results by a text and an object that is kept alive (schemas, which hash slowly); the oldest go first.

    For pure functions only: a hit is what the function would give.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: dict[tuple[str, int, bool], tuple[object, T]] = {}

    def get(self, text: str, thing: object, flag: bool, make: Callable[[], T]) -> T:
        key = (text, id(thing), flag)
        known = self._known.get(key)
        if known is not None and known[0] is thing:
            return known[1]
        made = make()
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[key] = (thing, made)
        return made
