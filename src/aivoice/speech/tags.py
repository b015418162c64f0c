"""Paralinguistic tags: ``[laugh]``, ``[clear throat]``: sounds among the words that some voices make and others must
not read out. Written by the language model, kept by normalisation, spoken by Chatterbox, left out for other voices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

TAGS = ("clear throat", "sigh", "shush", "cough", "groan", "sniff", "gasp", "chuckle", "laugh")
"""Those of Chatterbox-Turbo, as the demonstration in `resemble-ai/chatterbox` lists them."""
TAG = re.compile(r"\[(?:" + "|".join(tag.replace(" ", r"\s+") for tag in TAGS) + r")\]", re.IGNORECASE)
_ONE_WORD = {tag for tag in TAGS if " " not in tag}
_TAG_WORD = re.compile(r"\[(\w+)\]([.,!?;:…]*)")
_MARKS = ".,!?;:"


def without_tags(text: str) -> str:
    """`text` without tags; white space around each folded to one space."""
    if "[" not in text:
        return text
    return re.sub(r"\s+([.,!?;:…])", r"\1", re.sub(r"\s*" + TAG.pattern + r"\s*", " ", text, flags=re.IGNORECASE))


def tag_words(source: Sequence[str]) -> Mapping[int, str]:
    """The words of `source` that are tags, or parts of one, as they are to be given to a voice; "": as written is not
    sayable. A tag glued to a word ("Good.[laugh]") is none of these: it is dropped by `glued`.

    >>> tag_words(["Well", "[Laugh],", "[clear", "throat]"])
    {1: '[laugh],', 2: '[clear', 3: 'throat]'}
    """
    found: dict[int, str] = {}
    for index, raw in enumerate(source):
        if "[" not in raw:
            continue
        match = _TAG_WORD.fullmatch(raw)
        if match is not None and match[1].lower() in _ONE_WORD:
            found[index] = f"[{match[1].lower()}]{_mark(match[2])}"
        elif raw.lower() == "[clear" and index + 1 < len(source):
            last = re.fullmatch(r"throat\]([.,!?;:…]*)", source[index + 1], re.IGNORECASE)
            if last is not None:
                found[index], found[index + 1] = "[clear", f"throat]{_mark(last[1])}"
    return found


def glued(raw: str) -> str:
    """A word without the tags that are glued to it."""
    return TAG.sub("", raw) if "[" in raw and "]" in raw else raw


def _mark(marks: str) -> str:
    return next((mark for mark in marks if mark in _MARKS), "")
