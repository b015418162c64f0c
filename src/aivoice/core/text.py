"""Words as the core compares them: lower case, no punctuation, numbers in one spelling."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?(?:[@.][a-z0-9]+)*")
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS: dict[str, str] = {
    **{word: str(value) for value, word in enumerate(_UNITS)},
    **{word: str(value * 10 + 20) for value, word in enumerate(_TENS)},
    "oh": "0",
    "o": "0",
}


def words(text: str) -> tuple[str, ...]:
    """The words of `text`, lower case, punctuation dropped: ``"Hello, I'm Ana."`` → ``("hello", "i'm", "ana")``."""
    return tuple(_WORD.findall(text.lower().replace("’", "'")))


def canonical(text: str) -> tuple[str, ...]:
    """`words` with number words as digits and joined tens, so that "twenty three" equals "23"."""
    out: list[str] = []
    tens_open = False
    for word in words(text):
        for part in word.split("-"):
            value = NUMBER_WORDS.get(part, part)
            if tens_open and len(value) == 1 and value.isdigit() and value != "0":
                out[-1] = str(int(out[-1]) + int(value))
                tens_open = False
                continue
            out.append(value)
            tens_open = part in _TENS
    return tuple(out)


def same(one: str, other: str) -> bool:
    """Equal after case, punctuation and number normalisation: what speculation may rely on."""
    return canonical(one) == canonical(other)


def join(parts: list[str]) -> str:
    """Transcript segments of one turn as one text."""
    return " ".join(part.strip() for part in parts if part.strip())


def without_start(text: str, known: str) -> str:
    """What `text` says after the words of `known`, where it begins with them; else the whole `text`."""
    tokens = text.split()
    for count in range(1, len(tokens)):
        if same(" ".join(tokens[:count]), known):
            return " ".join(tokens[count:])
    return text


def contains(haystack: tuple[str, ...], needle: tuple[str, ...]) -> int:
    """Index of the first occurrence of the word sequence `needle`, or -1."""
    if not needle:
        return -1
    for start in range(len(haystack) - len(needle) + 1):
        if haystack[start : start + len(needle)] == needle:
            return start
    return -1


def rest_of(text: str, begun: str) -> str | None:
    """What follows `begun` in `text`, where that begins with the same words (however they are spaced and written); None
    where it does not. A word that `begun` broke off is said whole: of "Yes, until noon." after "Yes, un" "until noon."
    """
    pieces, said = text.split(), begun.split()
    if begun and not begun[-1].isspace() and said and len(said) <= len(pieces):
        cut, whole = said[-1].lower(), pieces[len(said) - 1].lower()
        if cut != whole and whole.startswith(cut):
            said = said[:-1]
    if [word.lower() for word in pieces[: len(said)]] != [word.lower() for word in said]:
        return None
    return " ".join(pieces[len(said) :])
