"""What a caller plainly states, by the words that they use: "my order number is …", "I'm allergic to …". Pure.

Rules of English. They miss much and are meant to: a line that is wrong is worse in a prompt than none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_END = r"(?=\s*(?:[.,;!?]|$|\b(?:and|but|so|because|could|can you|please|thank|thanks)\b))"
_THING = r"(?P<what>(?:[^\W\d_][\w'’-]*\s+){0,3}?[^\W\d_][\w'’-]*)"
_NOT_OF = r"(?!\s+(?:[\w'’-]+\s+){1,3}(?:is|are|was|were)\b)"
"""The 's of "my wife's name is …" is no "is"."""
_IS = rf"(?:\s+(?:is called|are called|is|are|was|were)|['’]s(?:\s+called)?{_NOT_OF})\s+"
_STATED = re.compile(rf"\b(?:my|our)\s+{_THING}{_IS}(?P<value>.{{1,80}}?){_END}", re.IGNORECASE)
_NUMBERED = re.compile(
    rf"\bthe\s+(?P<what>(?:[^\W\d_][\w'’-]*\s+){{0,2}}(?:number|code|reference|id|address|plate))"
    rf"{_IS}(?P<value>.{{1,80}}?){_END}",
    re.IGNORECASE,
)
_OF_ME = tuple(
    (re.compile(rf"\bI(?:\s+|['’])(?:{words})\s+(?P<value>.{{2,80}}?){_END}", re.IGNORECASE), key)
    for words, key in (
        (r"(?:am|m) allergic to", "allergic to"),
        (r"(?:am|m) calling (?:about|because of)", "calls about"),
        (r"live (?:at|in|on)", "lives at"),
        (r"work (?:at|for)", "works for"),
        (r"(?:do need|need|would need|d need)", "needs"),
        (r"(?:can't|can’t|cannot|can not)(?= (?:do|eat|make|take|have|come))", "cannot"),
        (r"(?:prefer|would prefer|d prefer|would rather|d rather)", "prefers"),
    )
)
_WE_ARE = re.compile(
    r"\b(?:we are|we['’]re|there are|there will be)\s+(?P<value>\w+ (?:people|persons|adults|of us))\b", re.IGNORECASE
)
_ASKED = re.compile(rf"\byour\s+{_THING}\s*\?", re.IGNORECASE)
_GENERIC = frozenset(
    {"name", "first name", "last name", "full name", "surname", "question", "point", "idea", "thing", "answer", "guess"}
)
"""Says nothing by itself, or is captured by its own parser."""
_SEVERAL = frozenset({"allergic to", "needs", "cannot", "prefers"})
"""A caller may have several of these: each goes by its last word, too."""
_NOT = re.compile(
    r"(?:not|n't|that|what|why|how|whether|if|going|gonna|it|just|to (?:know|ask|talk|speak|say|tell|see|think))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Stated:
    """what: the thing, in the caller's words, lower case. value: as said. start, end: where the value stands."""

    what: str
    value: str
    start: int
    end: int


def stated(text: str) -> tuple[Stated, ...]:
    """In the order in which they were said; values that deny something, or begin a clause, are left out."""
    found: list[Stated] = []
    for pattern in (_STATED, _NUMBERED):
        for match in pattern.finditer(text):
            what = " ".join(match["what"].lower().replace("’", "'").split())
            _add(found, what, match)
    for pattern, key in _OF_ME:
        for match in pattern.finditer(text):
            last = match["value"].split()[-1].lower()
            _add(found, f"{key}.{last}" if key in _SEVERAL else key, match)
    for match in _WE_ARE.finditer(text):
        _add(found, "people", match)
    return tuple(sorted(found, key=lambda each: each.start))


def asked_for(question: str) -> str:
    """What the receptionist's question asks the caller for: "your order number?" → "order number"; "" if nothing."""
    asked = [match["what"].lower() for match in _ASKED.finditer(question)]
    return "" if not asked or asked[-1] in _GENERIC else asked[-1]


def _add(found: list[Stated], what: str, match: re.Match[str]) -> None:
    value = match["value"].strip()
    if what not in _GENERIC and value and not _NOT.match(value):
        found.append(Stated(what, value, match.start("value"), match.end("value")))
