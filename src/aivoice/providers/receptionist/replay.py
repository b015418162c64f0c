"""Reads a call's messages in order into a `State`. Pure; each is understood in the light of those before it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from aivoice.core.prompt import Message, ToolCall
from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.acts import REQUEST, Act, acts_of, segments
from aivoice.providers.receptionist.asked import asked_in
from aivoice.providers.receptionist.availability import drop_day, drop_moment, fold_in
from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.filling import filling, from_subject
from aivoice.providers.receptionist.intents import Intent, concepts, match_tool, probe_for, speaks_of_existing
from aivoice.providers.receptionist.readback import canonical, describe, flatten, missing
from aivoice.providers.receptionist.reader import Values
from aivoice.providers.receptionist.schema import BUILT_IN, TAKE_MESSAGE, Shape
from aivoice.providers.receptionist.slots import read_result
from aivoice.providers.receptionist.state import (
    CONTACT,
    SUMMARY,
    Record,
    State,
    Turn,
    leave,
    main_form,
    offers_in,
    remember_contact,
    split_heard,
)
from aivoice.providers.receptionist.text import plain, words
from aivoice.speech.parse_answers import parse_answer

LONG = 160
"""Characters from which a caller's message is read in steps: about thirty words, 2 ms."""

_INFO: frozenset[Act] = frozenset({"hours", "price", "clock", "who", "robot", "hear", "how_are_you", "help"})


def replay(messages: Sequence[Message], shapes: tuple[Shape, ...], now: dt.datetime, facts: Facts) -> State:
    """The state after all messages. Total: any history gives a state."""
    state = State(now, facts, shapes)
    for _ in replaying(state, messages):
        pass
    return state


def replaying(state: State, messages: Sequence[Message]) -> Iterator[bool]:
    """Read the messages into `state`, pausing after each and, True, after each step of one that is long: neither a long
    history nor a long sentence then holds an event loop up."""
    for message in messages:
        state.steps += 1
        match message.role:
            case "user":
                if not message.text.startswith(SUMMARY):
                    long = len(message.text) >= LONG
                    for _ in hearing(state, message.text):
                        if long:
                            yield True
            case "assistant":
                on_assistant(state, message.text, message.tool_calls)
            case "tool":
                on_result(state, message.tool_call_id or "", message.text)
        yield False


# ---------------------------------------------------------------- the agent spoke


def on_assistant(state: State, text: str, calls: tuple[ToolCall, ...]) -> None:
    """What the caller heard: a read-back, a question, an offer. Tool calls are remembered whoever made them."""
    heard, _ = split_heard(text)
    if heard:
        # A reply of several rounds arrives in pieces: what was asked in any of them stands.
        state.heard = heard if state.fresh or not state.heard else f"{state.heard} {heard}"
        state.heard_all.append(heard)
        for record in state.records:
            record.told = record.told or record.result is not None
        shape = state.active
        asked = asked_in(shape, state.values, state.heard) if shape else ()
        state.asked = asked or (state.asked if shape and "?" not in heard else ())
        state.offers = offers_in(state.heard)
        state.read_back = shape is not None and _was_read_back(state, shape)
    state.fresh = False
    for call in calls:
        _note_call(state, call)


def _was_read_back(state: State, shape: Shape) -> bool:
    """Every value, word for word, was heard, and nothing that is sent was left out."""
    if missing(shape, state.values) or not shape.spec.side_effects:
        return False
    body = plain(describe(shape, state.values, state.today))
    return f" {body} " in f" {plain(state.heard)} "


def _note_call(state: State, call: ToolCall) -> None:
    try:
        raw: object = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        raw = {}
    given = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    record = Record(call.id, call.name, canonical(given), given)
    state.records.append(record)
    shape = state.shape(call.name)
    if shape is None or call.name in BUILT_IN or (not shape.spec.side_effects and shape.name != state.form):
        return
    record.values = dict(state.values) if state.form == call.name else flatten(shape, given)
    state.last_done = call.name if shape.spec.side_effects else state.last_done
    if state.form == call.name:
        remember_contact(state, shape)
        leave(state)


# ---------------------------------------------------------------- a tool answered


def on_result(state: State, call_id: str, text: str) -> None:
    """A result changes the form: a taken time is given up, offered times are remembered, a refused booking reopens."""
    record = next((item for item in reversed(state.records) if item.id == call_id), None)
    if record is None:
        return
    record.result, record.told = read_result(text), False
    result = record.result
    shape = state.shape(record.name)
    if shape is None or record.name in BUILT_IN:
        return
    if shape.spec.side_effects:
        if result.outcome == "failed" and (result.moments or result.available is False) and not state.form:
            state.form, state.values = record.name, dict(record.values or flatten(shape, record.given))
            state.taken = drop_moment(state, shape)
            if not any(item.kind in ("time", "datetime") for item in shape.fields):
                drop_day(state, shape)
            state.offered = result.moments[:3]
        return
    active = state.active
    if active is None or probe_for(active, state.shapes) is not shape or result.outcome != "ok":
        return
    fold_in(state, active, shape, record)


# ---------------------------------------------------------------- the caller spoke


def hearing(state: State, text: str) -> Iterator[None]:
    """One turn of the caller, a step at a time: answers, values, corrections, another wish."""
    acts = acts_of(text)
    yield
    turn = Turn(text, acts)
    state.turn, state.fresh, state.confirmed, state.taken = turn, True, "", ""
    pieces = _in_full(state, segments(text))
    dated = bool(find.dates(text, state.today))
    yield
    dated = dated or bool(find.times(text, False))
    for piece in pieces:
        turn.info += (piece,) if _is_info(state, piece) else ()
        yield
    wish = " ".join(piece for piece in pieces if piece not in turn.info)
    intent = (
        match_tool(wish, acts_of(wish), state.shapes, dated) if wish and not _just_answers(state, acts, text) else None
    )
    yield
    turn.person = "message" not in acts and ("person" in acts or _wants_target(state, text))
    _take_offers(state, turn, intent)
    if state.form and _gives_up(state, acts, intent):
        turn.dropped = state.form
        leave(state, keep=True)
        # "Cancel that" leaves the form; "cancel my appointment" means one that was made.
        only_this = re.search(r"\bcancel (that|it|this)\b", plain(text)) and not state.last_done
        if intent is not None and concepts(text) & {"cancel", "move"} and not only_this:
            _start(state, turn, intent.tool)
    elif intent is not None and _switches(state, intent, turn):
        if state.form:
            leave(state, keep=True)
        _start(state, turn, intent.tool)
    elif not state.form and _corrects_done(state, acts, dated):
        turn.done_change = True
    elif not state.form and dated and not (turn.info or turn.person or acts & _NO_START or speaks_of_existing(text)):
        main = main_form(state)
        if main is not None and main.visit and any(item.kind in ("date", "datetime") for item in main.fields):
            _start(state, turn, main.name)
    if state.active is not None:
        if turn.started == TAKE_MESSAGE and not state.asked and _DICTATED.search(plain(text)):
            state.asked = ("message",)
        if turn.started == state.form and state.subject:
            from_subject(state, state.active, text)
        yield from filling(state, turn, pieces)
    if turn.info:
        state.subject = " ".join(turn.info)
    understood = bool(
        turn.started
        or turn.dropped
        or turn.filled
        or turn.problems
        or turn.person
        or turn.reask
        or turn.rejected
        or state.confirmed
    )
    state.misses = 0 if understood or acts - {"correction", "yes", "no"} else state.misses + 1
    turn.misses = state.misses


# "Tell them my crown fell out", "have someone call me about the roof": the message itself, not the wish to leave one.
_DICTATED = re.compile(
    r"\b(?:tell|let) (?:him|her|them|the \w+|dr \w+)(?: know)?(?: \w+){2,}|\b(?:me|us)(?: back)? about(?: \w+)+"
)


_NO_START: frozenset[Act] = frozenset(
    {"bye", "thanks", "cancel", "message", "repeat", "no", "question", "nothing_else", "complaint"}
)


_FOLLOWS = re.compile(
    r"^(?:(?:and|or|ok|okay|oh|um|uh) )*(?:what about|how about|and|on|for)\b(?: (?:on|for))? ?(.{2,30})$"
)


def _in_full(state: State, pieces: tuple[str, ...]) -> tuple[str, ...]:
    """ "And on Saturday?" behind a question about hours asks for the hours, "and a filling?" behind one about prices
    for the price."""
    if state.form or len(pieces) != 1 or not state.subject:
        return pieces
    match = _FOLLOWS.match(plain(pieces[0]))
    about = acts_of(state.subject)
    if match is None or acts_of(pieces[0]) & {"hours", "price", "person", "message", "bye"}:
        return pieces
    dated = bool(find.dates(pieces[0], state.today))
    if dated and about & {"hours", "price"}:
        return (f"Are you open on {match[1].removeprefix('on ')}?",)
    return (f"How much is {match[1]}?",) if "price" in about and not dated else pieces


def _just_answers(state: State, acts: frozenset[Act], text: str) -> bool:
    """A short reply to what was just asked is not a new wish ("cleaning", "at three", a name with "book" in it)."""
    if state.read_back and acts & {"yes"} and len(words(text)) <= 6:
        return True
    shape = state.active
    free = shape is not None and any(
        f.kind in ("text", "name", "address") and f.name in state.asked for f in shape.fields
    )
    return free and ((shape is not None and shape.name == TAKE_MESSAGE) or not REQUEST.search(plain(text)))


def _is_info(state: State, piece: str) -> bool:
    """A question about the business rather than something for the form."""
    acts = acts_of(piece)
    if acts & {"message", "person"} and not acts & {"hours", "price"}:
        return False
    looked_up = match_tool(piece, acts, state.shapes, True) if "hours" not in acts and not state.form else None
    if looked_up is not None and looked_up.explicit and _read_only(state, looked_up.tool, acts):
        return False
    if state.form and "other_time" in acts and "free" in concepts(piece):
        return False  # "what times do you have?" is about the booking
    if acts & _INFO or re.match(r"(and |so |but )?what (if|happens|about if)\b", plain(piece)):
        return True
    if state.form and "cancel" in acts:
        return False
    if "question" not in acts:
        return False
    shape = state.active
    if shape is not None and shape.name == TAKE_MESSAGE and state.asked == ("message",):
        return False
    dated = bool(find.dates(piece, state.today)) or bool(find.times(piece, False))
    if REQUEST.search(plain(piece)) or dated or "other_time" in acts:
        return False
    return match_tool(piece, acts, state.shapes, dated) is None


def _read_only(state: State, tool: str, acts: frozenset[Act]) -> bool:
    """A lookup that can answer such a question: about a price only where it is made for prices."""
    shape = state.shape(tool)
    if shape is None or shape.spec.side_effects:
        return False
    return "price" not in acts or "price" in _concepts_of(shape)


def _wants_target(state: State, text: str) -> bool:
    said = f" {plain(text)} "
    return any(
        f" {plain(phrase)} " in said for _, phrases in state.facts.targets for phrase in phrases if plain(phrase)
    )


def _take_offers(state: State, turn: Turn, intent: Intent | None) -> None:
    """Yes or no to what was proposed."""
    offers, acts = state.offers, turn.acts
    if not offers or state.read_back:
        return
    can_message = state.shape(TAKE_MESSAGE) is not None
    if "yes" in acts and not parse_answer(turn.text).rest and not state.asked and intent is None and not turn.info:
        if "message" in offers and ("transfer" not in offers or "message" in acts) and can_message:
            _start(state, turn, TAKE_MESSAGE)
        elif "transfer" in offers and "message" not in offers:
            turn.person = True
        elif "task" in offers and not state.form and (main := main_form(state)) is not None:
            _start(state, turn, main.name)
    elif "message" in offers and can_message and "no" not in acts and not state.form and intent is None:
        said = plain(turn.text)
        if re.search(r"\b(message|first one|former)\b", said):
            _start(state, turn, TAKE_MESSAGE)
        elif re.search(r"\b(transfer|person|someone|put me|second one|latter)\b", said):
            turn.person = True
        elif not acts - {"thanks", "correction"} and len(words(said)) >= 4 and "pass on" in plain(state.heard):
            _start(state, turn, TAKE_MESSAGE)
            state.asked = ("message",)
    if "no" in acts:
        turn.declined = offers
        if (
            state.attempts
            and max(state.attempts.values()) >= 3
            and state.form
            and ("message" in offers or "transfer" in offers)
        ):
            turn.dropped = state.form
            leave(state, keep=True)


def _gives_up(state: State, acts: frozenset[Act], intent: Intent | None) -> bool:
    if "start_again" in acts:
        return True
    if "cancel" not in acts or (state.asked and "dont_know" in acts):
        return False  # "I'd rather not" keeps one answer back, not all
    # "cancel my appointment" while a cancellation is being filled in is no change of mind.
    return not (intent is not None and intent.tool == state.form)


def _switches(state: State, intent: Intent, turn: Turn) -> bool:
    """Whether the wish begins a form: always without one; within one only a clearly different action."""
    if turn.started:
        return False
    if turn.info and not intent.explicit:
        return False
    active = state.active
    if active is None:
        return True
    if intent.tool == active.name:
        return False
    probe = probe_for(active, state.shapes)
    if probe is not None and probe.name == intent.tool:
        return False
    if intent.tool == TAKE_MESSAGE:
        return bool(re.search(r"\bmessage\b|\bcall me back\b", plain(turn.text)))
    rival = state.shape(intent.tool)
    return intent.score >= 3.0 and intent.explicit and rival is not None and rival.verb != active.verb and not turn.info


def _start(state: State, turn: Turn, tool: str) -> None:
    """Begin a form with what is known: its parked values and the caller's name and number. A check of free times begins
    the booking that it is for."""
    shape = state.shape(tool)
    if shape is None:
        return
    if not shape.spec.side_effects:
        action = next((item for item in state.shapes if probe_for(item, state.shapes) is shape), None)
        if action is not None and "book" in _concepts_of(action):
            shape = action
    turn.started, state.form = shape.name, shape.name
    known: Values = {}
    for item in shape.fields:
        if item.kind in state.contact and item.kind in CONTACT and item.required:
            known[item.name] = state.contact[item.kind]
        elif item.kind == "name" and "name" in state.contact and item.required and shape.name == TAKE_MESSAGE:
            known[item.name] = state.contact["name"]
    last = next((r for r in reversed(state.records) if r.name == state.last_done and r.values), None)
    if last is not None and shape.verb in ("cancel", "reschedule", "move", "change") and shape.name != last.name:
        moved = shape.verb != "cancel"
        for item in shape.fields:
            if item.name in last.values and not (moved and item.kind in ("date", "time", "datetime")):
                known[item.name] = last.values[item.name]
    kept = {} if "start_again" in turn.acts else state.parked.pop(shape.name, {})
    state.values = {**known, **kept}
    state.asked, state.attempts, state.offered, state.taken, state.read_back = (), {}, (), "", False


def _concepts_of(shape: Shape) -> frozenset[str]:
    return concepts(f"{shape.name.replace('_', ' ')} {shape.spec.description}")


def _corrects_done(state: State, acts: frozenset[Act], dated: bool) -> bool:
    done = next((r for r in reversed(state.records) if r.name == state.last_done), None)
    finished = done is not None and done.result is not None and done.result.outcome == "ok"
    return finished and bool(acts & {"correction", "cancel"}) and (dated or "cancel" in acts) and "bye" not in acts
