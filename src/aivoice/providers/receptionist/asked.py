"""Which fields the agent's words asked for, whoever worded them. Pure."""

from __future__ import annotations

import re

from aivoice.providers.receptionist.readback import missing
from aivoice.providers.receptionist.reader import Values
from aivoice.providers.receptionist.schema import Field, Kind, Shape
from aivoice.providers.receptionist.text import content, has, plain, sentences

WHEN = ("What day and time would you like?", "When would suit you best?")
_NAME_AND_PHONE = re.compile(r"\b(your|the|a) (full )?name and (your |a |the |best )*(phone|telephone|number|mobile)\b")

_CUES: dict[Kind, str] = {
    "name": r"\b(name|who)\b",
    "phone": r"\b(phone|telephone|mobile|cell|number (can|could|should|may) (we|i)|call ?back number|reach you|"
    r"best number)\b",
    "email": r"\b(e ?mail)\b",
    "date": r"\b(day|date|when|which days?)\b",
    "time": r"\b(time|when|what hour)\b",
    "datetime": r"\b(day|date|when|time)\b",
    "address": r"\b(address|where|location|street)\b",
    "integer": r"\b(how many|how big|number of|party|size)\b",
    "number": r"\b(how many|how much|how far|what)\b",
}


def asked_in(shape: Shape, values: Values, heard: str) -> tuple[str, ...]:
    """The fields asked for, those without a value first tried: our own wordings, then words that any agent would use,
    then, where a question was asked at all, the next missing field."""
    said = plain(heard)
    own = [item.name for item in shape.fields if any(has(said, wording) for wording in item.questions)]
    if any(has(said, wording) for wording in WHEN):
        own += [item.name for item in shape.fields if item.kind in ("date", "time", "datetime") and not item.past_ok]
    if _NAME_AND_PHONE.search(said):  # a model may ask so; this receptionist asks one thing at a time
        own += [item.name for item in shape.fields if item.kind in ("name", "phone")]
    if own:
        return tuple(dict.fromkeys(name for name in own if name not in values)) or tuple(dict.fromkeys(own))
    questions = [part for part in sentences(heard) if part.endswith("?")]
    open_fields = missing(shape, values)
    if not questions or not open_fields:
        return ()
    last = plain(questions[-1])
    cued = [item for item in open_fields if _cued(item, last)]
    times = [item for item in open_fields if item.kind in ("date", "time", "datetime")]
    if re.search(
        r"\b(which would suit|would one of those|which one would you like|would any of|would another day|"
        r"another day)\b",
        last,
    ):
        cued = [item for item in open_fields if item.kind in ("date", "time", "datetime")] or cued
    elif not cued and times and times[0] is open_fields[0] and re.search(r"\b(day|time|when|suit|work)\b", last):
        cued = times
    names = tuple(item.name for item in cued)
    if names:
        return names
    closing = re.search(
        r"\b(anything else|how can i help|how may i help|what else|shall i|would you like me|is that right|correct)\b",
        last,
    )
    return () if closing else (open_fields[0].name,)


def _cued(item: Field, question: str) -> bool:
    cue = _CUES.get(item.kind)
    if cue and re.search(cue, question):
        return True
    own = set(content(item.label))
    return bool(own) and item.kind not in _CUES and bool(own & set(content(question)))
