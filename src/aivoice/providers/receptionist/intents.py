"""Which tool a caller means: actions ("book", "cancel", "is anything free"), the tool's own words, its options. Pure.

Scores are small sums of plain evidence; a tool is meant when its score reaches `ENOUGH` and no other has more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.acts import REQUEST, Act
from aivoice.providers.receptionist.schema import BUILT_IN, TAKE_MESSAGE, Shape
from aivoice.providers.receptionist.text import Memo, alike, content, humanise, plain

ENOUGH = 2.0

_CONCEPTS: dict[str, str] = {
    "book":
        r"book|booking|schedule|scheduling|reserve|reservation|appointment|set up|come in|get in|make an? \w+|"
        r"slot|table|see (the|a|dr|doctor) ?\w*|consultation"
    ,
    "cancel": r"cancel|cancels|cancelled|canceled|cancelling|cancellation|call off",
    "move":
        r"reschedule|rescheduling|move|push back|change my|change the (time|date|day|appointment|booking|"
        r"reservation)|switch my|different (day|time) for my"
    ,
    "free":
        r"available|availability|anything free|openings?(?! (?:hours|times))|open slots?|free slots?|"
        r"any slots?|what times|when (can|could) (i|you|we|someone|somebody)|earliest|soonest|next available|"
        r"got anything|have anything|anything (on|for|this|next|tomorrow|today)|free (on|at|tomorrow|today)|"
        r"fit me in|squeeze me in"
    ,
    "price": r"how much|price|cost|quote|estimate|rate|fee",
    "status": r"status|track|tracking|where is|where's|eta|update on|how far|ready yet|progress",
    "order": r"order|ordering|buy|purchase",
    "dispatch":
        r"visit|(someone|somebody|anyone|a plumber|you|they) (to )?come|come out|come over|"
        r"send (someone|somebody|a|out|us|me|help)|tow|towing|tow truck|truck|stuck|broke down|broken down|"
        r"flat tire|dead battery|stranded|locked out|jump start|come out|dispatch|emergency visit|technician|"
        r"roadside"
    ,
    "lawyer":
        r"consultation|lawyer|attorney|legal|sue|suing|lawsuit|accident|injured|case|represent\w*|intake|"
        r"divorce|custody|charged|arrested|fired"
    ,
    "register": r"register|registration|sign up|enroll?|join|subscribe",
    "report": r"report|complaint|complain",
    "message": r"message|note|call ?back",
}  # fmt: skip
_PATTERNS = {name: re.compile(rf"\b(?:{pattern})\b") for name, pattern in _CONCEPTS.items()}


@lru_cache(maxsize=4096)
def concepts(text: str) -> frozenset[str]:
    said = plain(text)
    return frozenset(name for name, pattern in _PATTERNS.items() if pattern.search(said))


@dataclass(frozen=True, slots=True)
class Intent:
    """The tool that was asked for. score: how surely. explicit: by its action, not just by an option's name."""

    tool: str
    score: float
    explicit: bool


def speaks_of_existing(text: str) -> bool:
    """Something that was booked before: "it's about my visit tomorrow"."""
    said = plain(text)
    return bool(re.search(r"\bmy (next |last )?(visit|appointment|booking|reservation)\b", said)) and not re.search(
        r"\b(book|make|schedule|reserve|need|set up) my\b|\bnew (one|appointment|visit)\b", said
    )


def _about(shape: Shape) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    name = humanise(shape.name)
    return (
        concepts(f"{name} {shape.spec.description}"),
        frozenset(content(name)),
        frozenset(content(shape.spec.description)),
    )


def probe_for(shape: Shape, shapes: tuple[Shape, ...]) -> Shape | None:
    """The read-only tool that tells which times are free before `shape` is carried out: all that it needs is asked
    for by `shape` too, under the same name or as the only day, time or choice with the same options."""
    if (
        not shape.spec.side_effects
        or "cancel" in _about(shape)[0]
        or not any(item.kind in ("date", "time", "datetime") for item in shape.fields)
    ):
        return None
    for other in shapes:
        if other.spec.side_effects or other.name in BUILT_IN or not other.askable or other is shape:
            continue
        timed = any(item.kind in ("date", "datetime", "time") for item in other.fields)
        needed = [item for item in other.fields if item.required]
        if (timed or "free" in _about(other)[0]) and all(counterpart(shape, item.name, other) for item in needed):
            return other
    return None


def counterpart(shape: Shape, name: str, other: Shape) -> str | None:
    """The field of `shape` that holds what `other` calls `name`, or None."""
    wanted = other.field(name)
    if wanted is None:
        return None
    same = shape.field(name)
    if same is not None and same.kind == wanted.kind:
        return same.name
    twins = [
        item for item in shape.fields if item.kind == wanted.kind and item.kind in ("date", "time", "datetime", "enum")
    ]
    if wanted.kind == "enum":
        values = [option.value for option in wanted.options]
        twins = [item for item in twins if [option.value for option in item.options] == values]
    return twins[0].name if len(twins) == 1 else None


def match_tool(text: str, acts: frozenset[Act], shapes: tuple[Shape, ...], now_dated: bool) -> Intent | None:
    """The tool the caller asks for, if any. now_dated: the utterance names a day or a time."""
    return _MATCHED.get(text, shapes, now_dated, lambda: _match(text, acts, shapes, now_dated))


_MATCHED: Memo[Intent | None] = Memo(4096)


def _match(text: str, acts: frozenset[Act], shapes: tuple[Shape, ...], now_dated: bool) -> Intent | None:
    said = plain(text)
    wanted = concepts(text)
    stems = content(text)
    request = bool(REQUEST.search(said))
    asking = "question" in acts and not request and "free" not in wanted
    best: Intent | None = None
    for shape in shapes:
        if shape.name in BUILT_IN:
            continue
        if shape.name == TAKE_MESSAGE:
            intent = (
                Intent(shape.name, 2.5 if re.search(r"\b(message|note)\b", said) else 2.0, True)
                if "message" in acts
                else None
            )
        else:
            intent = _score(shape, wanted, stems, request, asking, now_dated, text)
        if intent is not None and intent.score >= ENOUGH and (best is None or intent.score > best.score):
            best = intent
    return best


def _score(
    shape: Shape, wanted: frozenset[str], stems: tuple[str, ...], request: bool, asking: bool, dated: bool, text: str
) -> Intent | None:
    own, name_words, description_words = _about(shape)
    shared = own & wanted
    against = (wanted & {"cancel", "move"}) - own
    mine = own & {"cancel", "move"} - wanted
    score = 2.0 * len(shared - {"price"}) + (2.0 if "price" in shared and "price" in wanted else 0)
    hits = [word for word in stems if any(alike(word, other) for other in name_words)]
    more = [word for word in stems if word not in hits and any(alike(word, other) for other in description_words)]
    keyed = [word for word in stems if any(alike(word, other) for other in shape.keywords)]
    score += 0.8 * len(hits) + 0.4 * len(more) + 2.0 * len(keyed)
    explicit = bool(shared) or bool(hits) or bool(keyed)
    option = any(
        find.choices(text, item.options, False)
        for item in shape.fields
        if item.kind == "enum" and len(item.options) > 1
    )
    if request and option:
        score += 2.0
    if request and not option and (hits or keyed):
        score += 0.5
    if (
        dated
        and any(item.kind in ("date", "time", "datetime") for item in shape.fields)
        and (request or shared or hits)
    ):
        score += 0.6
    if speaks_of_existing(text) and not own & {"cancel", "move", "status"}:
        score -= 6.0
    score -= 6.0 * len(against) + 3.0 * len(mine)
    if shared == frozenset({"price"}) and shape.spec.side_effects:
        score -= 2.0
    if asking and "free" not in shared and (shape.spec.side_effects or "free" in own):
        score -= 1.5
    if not shape.spec.side_effects and "free" in own and "free" not in wanted and "book" in wanted:
        score -= 1.0
    return Intent(shape.name, score, explicit) if score >= ENOUGH else None
