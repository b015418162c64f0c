"""The next step of a form: question a doubtful value, check what is free, ask, read back, do. One step a reply."""

from __future__ import annotations

import re

from aivoice.providers.receptionist.asked import WHEN
from aivoice.providers.receptionist.availability import checked_before, probe_arguments, same_day_check
from aivoice.providers.receptionist.intents import probe_for
from aivoice.providers.receptionist.moments import clock_of, day_in_form, spoken_time
from aivoice.providers.receptionist.readback import arguments, canonical, describe, missing
from aivoice.providers.receptionist.reader import Problem, Values
from aivoice.providers.receptionist.reply import Draft
from aivoice.providers.receptionist.schema import Field, Shape
from aivoice.providers.receptionist.state import Record, State
from aivoice.providers.receptionist.tell import offer_times, tell_free
from aivoice.providers.receptionist.text import plain
from aivoice.providers.receptionist.weekly import spans_said

_TRIES = 3


def form_step(draft: Draft, shape: Shape, *, quiet: bool = False) -> None:
    """Add the next step of `shape`. quiet: no acknowledgement first (something else was just said)."""
    state, turn = draft.state, draft.state.turn
    if not shape.askable:
        draft.say("cannot_do")
        draft.offer_help()
        return
    if turn.problems and state.fresh:
        question_value(draft, shape, turn.problems[0])
        return
    if state.confirmed and state.fresh:
        carry_out(draft, shape)
        return
    if turn.rejected and state.fresh:
        draft.say("what_change")
        return
    wanted = next((item for item in shape.fields if item.name == turn.reask), None) if state.fresh else None
    open_fields = missing(shape, state.values)
    following = wanted or (open_fields[0] if open_fields else None)
    probe = probe_for(shape, state.shapes)
    if following is not None and state.attempts.get(following.name, 0) >= _TRIES:
        draft.say("stuck")
        draft.offer_help()
        if not (draft.can_message or draft.can_transfer):
            draft.add(question_for(draft, following))
        return
    if state.taken and state.checked is not None and state.fresh and probe is not None:
        tell_free(draft, state.checked, shape, probe)
        return
    if check_free(draft, shape):
        return
    if following is not None:
        if not quiet:
            acknowledge(draft, shape, following)
        ask(draft, shape, following, open_fields)
        return
    if shape.spec.side_effects:
        read_back(draft, shape)
    else:
        look_up(draft, shape)


def acknowledge(draft: Draft, shape: Shape, following: Field) -> None:
    """One or two words on what was just said."""
    state, turn = draft.state, draft.state.turn
    if not state.fresh or draft.parts:
        return
    if turn.started == shape.name and any(_is_trouble(shape, state.values, name) for name in turn.filled):
        draft.add("I'm sorry to hear that.")
    elif turn.started == shape.name:
        draft.say("ack")
    elif turn.changed:
        draft.say("changed")
    elif turn.filled:
        draft.say("got_it")
    elif state.attempts.get(following.name, 0) and following.name in state.asked:
        if "dont_know" in turn.acts:
            draft.add("I do need that to go ahead.")
        elif not turn.acts & {"greeting", "hear", "wait", "thanks", "yes"}:
            draft.say("not_understood_value")


_TROUBLE = re.compile(r"\b(problem|issue|symptom|complaint|wrong|pain|ache|toothache|hurt|leak|broken|accident)", re.I)


def _is_trouble(shape: Shape, values: Values, name: str) -> bool:
    """A field that tells of something bad, or a choice that is bad itself."""
    item = shape.field(name)
    if item is None or item.kind not in ("text", "enum"):
        return False
    said = str(values.get(name, ""))
    return bool(_TROUBLE.search(said)) or (
        item.kind == "text" and bool(_TROUBLE.search(f"{item.label} {item.questions[0]}"))
    )


def ask(draft: Draft, shape: Shape, item: Field, open_fields: list[Field]) -> None:
    """Ask for `item`; a day and its time are asked for together where neither has its own wording.

    A name and a number are two questions: a caller who must give both pauses between them, and whoever listens cannot
    tell which of the two is being given.
    """
    first = draft.state.attempts.get(item.name, 0) == 0
    follow = open_fields[1] if len(open_fields) > 1 and open_fields[0] is item else None
    if first and follow is not None and not item.custom and not follow.custom:
        simple = (item.label, follow.label)
        if (
            (item.kind, follow.kind) == ("date", "time")
            and simple == ("day", "time")
            and not (item.past_ok or probe_for(shape, draft.state.shapes))
        ):
            draft.add(draft.voice.choose(WHEN, first=True))
            return
    if item.kind in ("time", "datetime") and draft.state.offered and draft.state.taken != "day":
        offer_times(draft, draft.state.offered)
        return
    draft.add(question_for(draft, item))


def question_for(draft: Draft, item: Field) -> str:
    """The field's best wording that the caller has not just heard."""
    tries = draft.state.attempts.get(item.name, 0)
    part = draft.state.values.get(f"{item.name}|part")
    if item.kind == "time" and part in ("morning", "afternoon", "evening") and not tries and not item.custom:
        return f"What time in the {part}?"
    left = draft.state.choices
    if (
        item.kind == "enum"
        and len(left) == 1
        and any(option.spoken == left[0] for option in item.options)
        and not tries
    ):
        return f"Would the {left[0]} work?"
    digits = str(draft.state.values.get(f"{item.name}|digits", ""))
    if item.kind == "phone" and digits:
        return f"I have {' '.join(digits)} so far; what's the rest of the phone number?"
    if item.kind == "datetime" and not item.custom and not item.past_ok:
        if f"{item.name}|date" in draft.state.values:
            return draft.voice.choose(("What time would you like?", "Which time would suit you?"), first=True)
        if f"{item.name}|time" in draft.state.values:
            return draft.voice.choose(("What day would you like?", "Which day would suit you?"), first=True)
    wordings = item.questions[tries % len(item.questions) :] + item.questions[: tries % len(item.questions)]
    return draft.voice.choose(wordings, first=True)


def question_value(draft: Draft, shape: Shape, problem: Problem) -> None:
    """Say what is wrong with a value and ask again."""
    state = draft.state
    slots = dict(problem.slots)
    item = shape.field(problem.field)
    if problem.key == "more_digits" and item is not None:
        draft.add("Okay.", question_for(draft, item))
        return
    if problem.key == "past_time":
        draft.add(f"{slots['value']} has already passed today.")
    elif problem.key == "which_day":
        draft.say("which_day")
        return
    else:
        draft.say(problem.key, **slots)
    if problem.key == "closed_time":
        day = day_in_form(shape, state.values)
        if day is not None and state.facts.spans(day):
            draft.add(f"We're open {spans_said(state.facts.spans(day))}.")
    if problem.key == "mismatch":
        draft.say("which_day")
    elif problem.key in ("closed_day", "past"):
        draft.say("other_day")
    elif item is not None:
        draft.add(question_for(draft, item))


def check_free(draft: Draft, shape: Shape) -> bool:
    """Call the check of free times as soon as it can be made, once a set of arguments; True where the reply is done."""
    state = draft.state
    probe = probe_for(shape, state.shapes)
    if probe is None:
        return False
    wanted = probe_arguments(state, shape, probe)
    if wanted is None:
        return False
    earlier = state.made(probe.name, canonical(wanted))
    earlier = earlier or same_day_check(state, shape, probe, wanted)
    if earlier is None:
        if checked_before(state, shape, probe, wanted):
            return False
        if not draft.parts:
            draft.say("check")
        draft.call(probe.name, wanted)
        return True
    return _again(draft, shape, probe, earlier)


def _again(draft: Draft, shape: Shape, probe: Shape, earlier: Record) -> bool:
    """The check was made before: offer its other times when asked for them, or those for a time still missing."""
    state = draft.state
    if earlier.result is None or earlier.result.outcome != "ok" or not state.fresh:
        return False
    timed = [m for m in earlier.result.moments if m[1]]
    open_time = any(item.kind in ("time", "datetime") for item in missing(shape, state.values))
    if not open_time or not timed:
        return False
    heard = plain(" ".join(state.heard_all))
    fresh = [m for m in timed if f" {plain(_clock(m[1]))} " not in f" {heard} "]
    if "other_time" in state.turn.acts and fresh:
        offer_times(draft, tuple(fresh[:3]))
        return True
    if "other_time" in state.turn.acts:
        draft.add("Those are all the times I have that day.")
        draft.say("other_day")
        return True
    wishes = bool(state.turn.filled) and all("|" in name for name in state.turn.filled)
    return tell_free(draft, earlier, shape, probe) if state.offered and (wishes or day_named(shape, state)) else False


def day_named(shape: Shape, state: State) -> bool:
    """The caller named a day in this turn."""
    days = {item.name for item in shape.fields if item.kind in ("date", "datetime")}
    return bool(days & {name.partition("|")[0] for name in (*state.turn.filled, *state.turn.changed)})


def _clock(time: str) -> str:
    parsed = clock_of(time)
    return spoken_time(parsed) if parsed else time


def read_back(draft: Draft, shape: Shape) -> None:
    """Every value, then the question. A booking that was made already is not offered again."""
    state = draft.state
    made = state.made(shape.name, canonical(arguments(shape, state.values)))
    if made is not None:
        repeat_outcome(draft, made)
        return
    body = describe(shape, state.values, state.today)
    if state.fresh and state.turn.changed and not draft.parts:
        draft.say("changed")
    lead = draft.voice.say("readback")
    if shape.verb in ("cancel", "reschedule", "move", "change") and body:
        lead = f"{lead} {shape.task}:"
    intro = f"{lead} {body}." if body else f"{lead} {shape.task}."
    draft.add(intro)
    draft.add(draft.voice.choose(confirm_questions(shape)))


def confirm_questions(shape: Shape) -> tuple[str, ...]:
    verb = shape.verb
    if shape.name == "take_message":
        return "Shall I pass that on?", "Is that right?", "Have I got that right?"
    if verb in ("book", "schedule", "reserve", "cancel", "send", "order", "register", "request", "arrange"):
        return f"Shall I {verb} it?", f"Is that right, shall I {verb} it?", "Does that sound right?"
    return "Shall I go ahead?", "Is that right, shall I go ahead?", "Does that sound right?"


def repeat_outcome(draft: Draft, made: Record) -> None:
    """The same call was made before: never again, whatever became of it."""
    match made.result.outcome if made.result else "pending":
        case "ok":
            draft.say("already")
            draft.say("anything_else")
        case "unknown":
            draft.say("unknown")
            draft.offer_help()
        case "pending":
            draft.say("working")
        case _:
            draft.say("failed")
            draft.offer_help()


def carry_out(draft: Draft, shape: Shape) -> None:
    """The caller said yes to exactly these values."""
    state = draft.state
    made = state.made(shape.name, state.confirmed)
    if made is not None:
        repeat_outcome(draft, made)
        return
    if not draft.parts:
        draft.say("doing")
    draft.call(shape.name, arguments(shape, state.values))


def look_up(draft: Draft, shape: Shape) -> None:
    """A read-only tool needs no yes."""
    state = draft.state
    wanted = arguments(shape, state.values)
    made = state.made(shape.name, canonical(wanted))
    if made is not None:
        repeat_outcome(draft, made) if made.result is None or made.result.outcome != "ok" else draft.say(
            "anything_else"
        )
        return
    if not draft.parts:
        draft.say("check")
    draft.call(shape.name, wanted)
