"""People's names in what a caller says, and how they are respelled ("Ana with one n"). Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from aivoice.providers.receptionist.text import distance, plain, word_set, words
from aivoice.speech.found import Found
from aivoice.speech.parse_names import find_name

_name = lru_cache(maxsize=4096)(find_name)

_NAME_LEAD = re.compile(
    r"\b(name('s)?( is)?( of)?|call me|this is|i'm|i am|under|for (my \w+|mister|mr|mrs|ms|miss|doctor|"
    r"dr)|speaking)\W*$",
    re.I,
)
_WITH_LETTER = re.compile(
    r"\bwith (?:a |an |one |two |double |just one |only one )*(?P<count>one|two|double|a|"
    r"an) (?P<letter>[a-z])(?:'?s)?\b(?: (?:instead of|not) (?:a |an )?(?P<old>[a-z])\b)?",
    re.I,
)
_NAME_NOISE = word_set(
    """
    wrong incorrect misspelled one first second third last earliest soonest option slot either both thing message
    fine good great okay ok sure yes no none nobody correct right thanks speaking please sorry it that
    whatever whichever whoever anything anyone
    """
)


def name(text: str, expected: bool, current: str) -> Found[str] | None:
    """A person's name; "Ana with one n" respells it (or the name known so far)."""
    lettered = _WITH_LETTER.search(text)
    hit = _name(text[: lettered.start()] if lettered else text, expected=expected)
    if hit is not None and not expected and not hit.value.spelled and not _NAME_LEAD.search(text[: hit.start]):
        hit = None
    if hit is not None and expected:
        fuller = _name(text[hit.end :], expected=True)  # "Maria. Maria Fernandez"
        if fuller is not None and fuller.value.name.startswith(f"{hit.value.name} "):
            hit = Found(fuller.value, hit.start, hit.end + fuller.end)
    if hit is not None and set(plain(hit.value.name).split()) & _NAME_NOISE:
        hit = None
    if lettered:
        said_part = _similar_part(text[: lettered.start()], current, lettered["letter"].lower())
        if said_part:
            return Found(said_part, lettered.start(), lettered.end())
        base = hit.value.name if hit else current
        if base:
            start = hit.start if hit else lettered.start()
            merged = _merge(base, current) if hit and len(base.split()) < len(current.split()) else base
            return Found(_respell(merged, lettered), start, lettered.end())
    return Found(hit.value.name, hit.start, hit.end) if hit else None


def _similar_part(said: str, known: str, letter: str) -> str:
    """ "smyth with a y" over "John Smith" → "John Smyth"; "" where no word of the name sounds like it."""
    parts = known.split()
    for word in reversed(words(said)):
        for index, part in enumerate(parts):
            if letter in word and word[0] == part[0].lower() and 0 < distance(word, part.lower(), 2) <= 2:
                return " ".join([*parts[:index], word.capitalize(), *parts[index + 1 :]])
    return ""


def _merge(said: str, known: str) -> str:
    """ "Ana" over "Anna Lopez" → "Ana Lopez": the word that sounds alike is replaced."""
    parts = known.split()
    for index, part in enumerate(parts):
        if part[:2].lower() == said[:2].lower():
            return " ".join([*parts[:index], said, *parts[index + 1 :]])
    return said


def _respell(base: str, how: re.Match[str]) -> str:
    letter, count = how["letter"].lower(), how["count"].lower()
    parts = base.split()
    index = next((i for i, part in enumerate(parts) if letter in part.lower()), 0)
    word = parts[index].lower()
    if count in ("two", "double"):
        word = word if letter * 2 in word else word.replace(letter, letter * 2, 1)
    elif count == "one":
        word = word.replace(letter * 2, letter)
    elif letter not in word:
        old = (
            how["old"]
            or {"y": "i", "i": "y", "k": "c", "c": "k", "e": "a", "z": "s", "s": "z", "f": "v"}.get(letter, "")
        ).lower()
        where = word.rfind(old) if old else -1
        word = word[:where] + letter + word[where + 1 :] if where >= 0 else word + letter
    parts[index] = word.capitalize()
    return " ".join(parts)
