"""One turn of the caller into the open form: values, yes and no to its read-back, a correction without its value.

Moves on a `State`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.acts import REQUEST, Act
from aivoice.providers.receptionist.aside import RECALL
from aivoice.providers.receptionist.availability import fold_in, probe_arguments
from aivoice.providers.receptionist.extract import extracting
from aivoice.providers.receptionist.intents import probe_for
from aivoice.providers.receptionist.readback import arguments, canonical
from aivoice.providers.receptionist.reader import Extraction, Reader, Values
from aivoice.providers.receptionist.schema import Shape
from aivoice.providers.receptionist.state import State, Turn, leave, remember_contact
from aivoice.providers.receptionist.text import plain, stem, words


def filling(state: State, turn: Turn, pieces: tuple[str, ...]) -> Iterator[None]:
    """Values for the form, and yes or no to its read-back, a step at a time."""
    shape = state.active
    if shape is None:
        return
    acts = turn.acts
    useful = " ".join(piece for piece in pieces if piece not in turn.info) if turn.info else turn.text
    before = dict(state.values)
    changing = "change" in state.offers
    reader = _reader(state, turn, shape, useful, changing)
    if useful.strip():
        yield from extracting(reader)
    got = Extraction(reader.values, tuple(reader.problems))
    if state.taken and "yes" in acts and not got.values and not got.problems:
        acts = acts - {"yes"}
    for key, value in got.values.items():
        if key.endswith("|drop"):
            state.values.pop(key[:-5], None)
            state.values.pop(f"{key[:-5]}|time", None)
        else:
            state.values[key] = value
    _only_choice(state, shape, turn, got)
    _regret(state, shape, got, before)
    _later_guesses(state, shape, turn, got)
    names = [key for key in got.values if "|" not in key]
    turn.changed = tuple(name for name in names if name in before and before[name] != got.values[name])
    turn.filled = tuple(name for name in names if name not in before) + tuple(k for k in got.values if "|" in k)
    turn.problems = got.problems
    if turn.filled or turn.changed:
        state.taken = ""
        if _timed(shape, (*turn.filled, *turn.changed)):
            state.offered = ()
        for name in (*turn.filled, *turn.changed, *(state.asked if turn.filled else ())):
            state.attempts.pop(name, None)
        _recheck(state, shape)
    same = {k: v for k, v in before.items() if "|" not in k} == {k: v for k, v in state.values.items() if "|" not in k}
    answered = state.read_back and same and not got.problems
    if answered and "yes" in acts and not acts & {"no", "cancel", "wait", "person"} and not _hesitates(turn):
        state.confirmed = canonical(arguments(shape, state.values))
    elif (
        (state.read_back or changing)
        and same
        and not got.problems
        and not RECALL.search(plain(turn.text))
        and acts & {"no", "correction", "yes"} - ({"yes"} if state.read_back else set())
    ):
        turn.reask = _named_field(shape, turn.text, state.values)
        if turn.reask:
            state.values.pop(turn.reask, None)
        else:
            turn.rejected = bool(acts & {"no", "correction"})
    if not same or acts & {"no", "correction", "cancel", "wait"}:
        state.read_back = False  # what was heard no longer stands, whatever becomes of the reply to this
    remember_contact(state, shape)
    _count_misses(state, shape, turn)
    if turn.started != shape.name:
        state.asked = () if turn.filled or turn.changed else state.asked


def _timed(shape: Shape, names: tuple[str, ...]) -> bool:
    """Whether a day or a time is among the values: the times offered before are then answered."""
    kinds = {item.name: item.kind for item in shape.fields}
    return any("|" in name or kinds.get(name) in ("date", "time", "datetime") for name in names)


# Turns that do other things than fail to answer.
_ELSEWHERE: frozenset[Act] = frozenset(
    {
        "repeat",
        "slower",
        "wait",
        "hear",
        "robot",
        "who",
        "how_are_you",
        "clock",
        "question",
        "hours",
        "price",
        "abuse",
        "message",
    }
)
_GIVE_UP = 5


def _count_misses(state: State, shape: Shape, turn: Turn) -> None:
    """An asked field that the turn left open was missed; after `_GIVE_UP` misses the form is left alone."""
    if turn.started == shape.name or turn.filled or turn.changed or turn.info or turn.acts & _ELSEWHERE:
        return
    for name in state.asked:
        if name not in state.values:
            state.attempts[name] = state.attempts.get(name, 0) + 1
            if state.attempts[name] >= _GIVE_UP:
                turn.dropped = shape.name
                leave(state, keep=True)
                return


def _recheck(state: State, shape: Shape) -> None:
    """A time named after the free ones were told must be one of them."""
    probe = probe_for(shape, state.shapes)
    wanted = probe_arguments(state, shape, probe) if probe is not None else None
    if probe is None or wanted is None:
        return
    record = state.made(probe.name, canonical(wanted))
    if record is not None and record.result is not None and record.result.outcome == "ok":
        fold_in(state, shape, probe, record)


def _only_choice(state: State, shape: Shape, turn: Turn, got: Extraction) -> None:
    """A yes to the one thing that was left ("I could offer the afternoon")."""
    if len(state.choices) != 1 or "yes" not in turn.acts or got.values or got.problems or state.read_back:
        return
    for item in shape.fields:
        if item.kind == "enum" and item.name not in state.values:
            for option in item.options:
                if option.spoken == state.choices[0]:
                    got.values[item.name] = state.values[item.name] = option.value


def _regret(state: State, shape: Shape, got: Extraction, before: Values) -> None:
    """A refused day or time also withdraws the one said before, when the caller was changing it."""
    for problem in got.problems:
        if (
            problem.key in ("past", "closed_day", "impossible_day", "mismatch", "which_day")
            and problem.field in before
            and problem.field not in got.values
        ):
            state.values.pop(problem.field, None)
            state.values.pop(f"{problem.field}|date", None)


def _later_guesses(state: State, shape: Shape, turn: Turn, got: Extraction) -> None:
    """Free text that could not be read twice is taken as it was said, so that no form runs in circles."""
    for name in state.asked:
        item = shape.field(name)
        if item is None or name in state.values or got.problems or got.values or turn.info:
            continue
        loose = item.kind in ("text", "address", "code") or (item.kind == "name" and state.attempts.get(name, 0) >= 1)
        body = find.free_text(turn.text)
        talk = turn.acts & {"cancel", "repeat", "wait", "hear", "robot", "person", "bye", "dont_know", "question"}
        long_enough = 0 < len(words(body)) <= 40 and len(body) >= item.min_length
        long_enough = long_enough and not (item.kind == "address" and find.NO_PLACE.search(body))
        if loose and state.attempts.get(name, 0) >= 1 and long_enough and not talk and not item.pattern:
            value = body.title() if item.kind == "name" else body
            got.values[name] = value[: item.max_length]
            state.values[name] = got.values[name]


def _reader(state: State, turn: Turn, shape: Shape, useful: str, changing: bool) -> Reader:
    asked = state.asked
    if changing:
        asked = (*asked, *(item.name for item in shape.fields if item.kind == "name"))
    question = (
        "question" in turn.acts and not REQUEST.search(plain(useful)) and not turn.acts & {"correction", "other_time"}
    )
    override = not question or bool(find.dates(useful, state.today)) or bool(find.times(useful, False))
    return Reader(
        useful, shape, state.values, asked, turn.acts, state.now, state.facts, override,
        state.offered, turn.text if not turn.info else useful, state.contact,
    )  # fmt: skip


def _hesitates(turn: Turn) -> bool:
    return bool(
        re.search(
            r"\b(but wait|not yet|let me think|hold on|actually|except|hang on|before (you|that))\b", plain(turn.text)
        )
    )


def _named_field(shape: Shape, text: str, values: Values) -> str:
    """ "the phone number is wrong" → the phone field."""
    said = {stem(w) for w in words(text)}
    best, most = "", 0
    for item in shape.fields:
        if item.name not in values:
            continue
        own = {stem(w) for w in words(f"{item.label} {item.kind} {item.name.replace('_', ' ')}")}
        score = len(own & said)
        if score > most:
            best, most = item.name, score
    return best


def from_subject(state: State, shape: Shape, text: str) -> None:
    """ "How much is a cleaning?" … "I'd like to book one": the choice that the last question was about."""
    if not re.search(r"\b(one|it|that|this)\b", plain(text)):
        return
    for item in shape.fields:
        if item.kind == "enum" and item.name not in state.values:
            named = find.choices(state.subject, item.options, False)
            if len(named) == 1 and not find.choices(text, item.options, False):
                state.values[item.name] = named[0][0].value
