"""Text → pieces that the model pronounces cleanly: at most 280 characters, cut where a voice would pause.

Chatterbox garbles longer inputs. A cut after a sentence is best, after a clause good, between words allowed; within a
word only where one word alone is too long; within a tag such as ``[clear throat]`` never.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LIMIT = 280
"""Characters of one piece."""
FIRST = 100
"""Characters that the first piece has at most where a pause allows it: sound starts sooner."""
_LEAST_FIRST = 20
_LONGEST_TAG = 32
TAG = re.compile(r"\[[A-Za-z][A-Za-z ]{0,29}\]")
"""A paralinguistic tag; Turbo's tokenizer knows ``TAGS``, any other is left to the model as it is."""
TAGS = ("clear throat", "sigh", "shush", "cough", "groan", "sniff", "gasp", "chuckle", "laugh")
"""As the Turbo demonstration of the `resemble-ai/chatterbox` repository lists them."""
_SENTENCE = re.compile(r"[.!?…]+[\"')\]”’]*$")
_CLAUSE = re.compile(r"[,;:—–]+[\"')\]”’]*$")
_ABBREVIATIONS = frozenset(
    {
        "mr.", "mrs.", "ms.", "dr.", "st.", "no.", "vs.", "e.g.", "i.e.", "a.m.", "p.m.", "ave.", "rd.", "jr.", "sr.",
        "prof.", "approx.", "min.", "max.",
    }
)  # fmt: skip
_SOUNDS = re.compile(r"[^\W_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Piece:
    """Words `word` to ``word + words - 1`` of the text split at white space (the first and last may be parts)."""

    text: str
    word: int
    words: int


def is_clean(text: str) -> bool:
    """Whether `text` holds no control character (white space aside) and no half of a surrogate pair."""
    return _CONTROL.search(text) is None


def has_sound(text: str) -> bool:
    """Whether there is anything to say: a letter, a digit or a tag."""
    return _SOUNDS.search(text) is not None


def cut(text: str, *, limit: int = LIMIT, first: int = FIRST) -> tuple[Piece, ...]:
    """The pieces of `text`, in order: white space folded, none empty, none longer than `limit` (at least 40).

    White space aside they concatenate to `text`, and every tag lies whole in one of them.
    """
    if limit < _LONGEST_TAG + 8:
        raise ValueError(f"a limit of {limit} characters cannot hold a tag")
    rest = " ".join(text.split())
    pieces: list[Piece] = []
    word = 0
    while rest:
        at = _cut_at(rest, limit, min(first, limit) if not pieces else 0)
        words = len(rest[:at].split())
        pieces.append(Piece(rest[:at].rstrip(), word, words))
        word += words - (rest[at - 1 : at + 1].count(" ") == 0)
        rest = rest[at:].lstrip()
    return tuple(pieces)


def _cut_at(text: str, limit: int, first: int) -> int:
    """Where the next piece of `text` ends. first: a short one of so many characters is wanted (0: a whole one)."""
    tags = [match.span() for match in TAG.finditer(text, 0, limit + _LONGEST_TAG)]
    spaces = [
        at
        for at in range(1, min(limit, len(text) - 1) + 1)
        if text[at] == " " and not any(start < at < end for start, end in tags)
    ]
    if first and len(text) > first:
        early = _best([at for at in spaces if _LEAST_FIRST <= at <= first], text, words=False)
        if early:
            return early
    if len(text) <= limit:
        return len(text)
    return _best(spaces, text, words=True) or _within_a_word(limit, tags)


def _best(spaces: list[int], text: str, *, words: bool) -> int:
    """The last of the best kind of cut among `spaces`; 0: none. A sentence's end counts only in the later two thirds,
    so that pieces do not become crumbs."""
    if not spaces:
        return 0
    far = spaces[-1] // 3
    for kind in (_ends_sentence, _ends_clause):
        good = [at for at in spaces if at >= far and kind(text[:at])]
        if good:
            return good[-1]
    return spaces[-1] if words else 0


def _ends_sentence(head: str) -> bool:
    return _SENTENCE.search(head) is not None and head.rsplit(" ", 1)[-1].lower() not in _ABBREVIATIONS


def _ends_clause(head: str) -> bool:
    return _CLAUSE.search(head) is not None


def _within_a_word(limit: int, tags: list[tuple[int, int]]) -> int:
    for start, end in tags:
        if start < limit < end:
            return start or end
    return limit
