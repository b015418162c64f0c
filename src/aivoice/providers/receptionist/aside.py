"""What a caller asks about the conversation itself: why, how it is spelled, what was noted. Pure."""

from __future__ import annotations

import re

from aivoice.providers.receptionist.readback import spoken
from aivoice.providers.receptionist.reply import Draft
from aivoice.providers.receptionist.schema import TAKE_MESSAGE, Field
from aivoice.providers.receptionist.text import content, plain

_WHY = re.compile(
    r"^(?:(?:and|but|ok|okay|uh|um|wait|sorry) )*"
    r"(?:why$|why (?:do|would|are|should|is)\b.*\b(?:need|ask\w*|want|necessary|give|tell)\b|"
    r"what (?:do you need|is|'s) (?:it|that|this) for$)"
)
RECALL = re.compile(
    r"\bwhat (?:was|were) (?:the|my) (?P<a>[\w ]{3,20}?)(?: again| please)?$|"
    r"\bwhat(?: is|'s) my (?P<b>[\w ]{3,20}?)(?: again)?$|"
    r"\bwhat (?P<c>day|date|time|name|number|address) (?:was (?:it|that)|did (?:i|we|you) (?:say|put|write|have|note)|"
    r"do you have)\b"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w|(?:www\.)?[\w-]+(?:\.[\w-]+)+\w")
_SPELLED = re.compile(r"\bspell (?:out )?(?:the |your |his |her )?(?:name )?(?P<word>[\w']{3,})\b")


def aside(draft: Draft) -> bool:
    """Answer a question about the conversation. True where there was one; a form then goes on."""
    said = plain(draft.state.turn.text)
    answered = _why(draft, said) or _recalled(draft, said)
    if not answered and "spell" in draft.state.turn.acts:
        answered = _spelled(draft, said)
    return answered


def _why(draft: Draft, said: str) -> bool:
    shape = draft.state.active
    if shape is None or not _WHY.search(said):
        return False
    what = "pass your message on" if shape.name == TAKE_MESSAGE else shape.task
    draft.add(f"I need it to {what}.")
    return True


def _recalled(draft: Draft, said: str) -> bool:
    """ "What was the day?": the value noted for it."""
    shape, match = draft.state.active, RECALL.search(said)
    if shape is None or match is None:
        return False
    asked = set(content(match["a"] or match["b"] or match["c"] or ""))
    item = next((item for item in shape.fields if item.name in draft.state.values and asked & _ways(item)), None)
    if item is None:
        return False
    draft.add(f"I have {spoken(item, draft.state.values[item.name], draft.state.today)}.")
    return True


def _ways(item: Field) -> set[str]:
    kinds = {"date": "day date", "datetime": "day date time", "phone": "phone number", "time": "time hour"}
    return set(content(f"{item.label} {kinds.get(item.kind, item.kind)}"))


def _spelled(draft: Draft, said: str) -> bool:
    """An address that was just said, or a word of the question, letter by letter."""
    heard = _ADDRESS.search(draft.state.heard)
    named = _SPELLED.search(said)
    known = f" {plain(' '.join((*draft.state.heard_all, draft.state.facts.name, draft.state.facts.address)))} "
    if named is not None and named["word"] not in ("that", "this", "name") and f" {named['word']} " in known:
        draft.add(f"That's {_letters(named['word'])}.")
    elif heard is not None:
        parts = re.findall(r"[^\W\d_]+|\d+|.", heard[0].removeprefix("www."))
        draft.add(f"That's {' '.join(_MARKS.get(part) or _letters(part) for part in parts)}.")
    else:
        return False
    return True


_MARKS = {"@": "at", ".": "dot", "-": "dash", "_": "underscore", "+": "plus", "com": "com", "org": "org", "net": "net"}


def _letters(word: str) -> str:
    """ "quay" → "Q-U-A-Y", which is read letter by letter."""
    return "-".join(word.upper())
