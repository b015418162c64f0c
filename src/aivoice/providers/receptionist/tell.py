"""Telling what a tool answered, honestly: done, refused, not known, or the free times. Results are data only."""

from __future__ import annotations

import re

from aivoice.providers.receptionist.intents import probe_for
from aivoice.providers.receptionist.moments import clock_of, spoken_time
from aivoice.providers.receptionist.opening import day_label
from aivoice.providers.receptionist.readback import day_in, describe, flatten
from aivoice.providers.receptionist.reply import Draft
from aivoice.providers.receptionist.schema import END_CALL, TAKE_MESSAGE, TRANSFER, Shape
from aivoice.providers.receptionist.slots import Moment, Result
from aivoice.providers.receptionist.state import Record
from aivoice.providers.receptionist.text import has, listed, plain


def tell_results(draft: Draft) -> bool:
    """Tell every result that the caller has not heard of yet. True where the reply needs no "anything else?"."""
    asked = False
    state = draft.state
    for record in state.records:
        if record.told or record.result is None:
            continue
        shape = state.shape(record.name)
        if record.name in (TRANSFER, END_CALL):
            asked = _built_in(draft, record) or asked
        elif shape is None or not shape.spec.side_effects:
            asked = _looked_up(draft, record, shape) or asked
        else:
            asked = _acted(draft, record, shape) or asked
    return asked


def _built_in(draft: Draft, record: Record) -> bool:
    if record.name == TRANSFER and record.result is not None and record.result.outcome in ("failed", "unknown"):
        draft.say("transfer_failed")
        if draft.can_message:
            draft.say("offer_message")
        return True
    return True


_DONE = {
    "book": "You're booked", "schedule": "You're scheduled", "reserve": "Your reservation is made",
    "cancel": "That's cancelled", "reschedule": "That's moved", "move": "That's moved", "change": "That's changed",
    "send": "That's arranged", "request": "Your request is in", "dispatch": "That's on its way",
    "order": "Your order is in",
    "register": "You're registered", "report": "That's reported", "arrange": "That's arranged",
}  # fmt: skip


def _acted(draft: Draft, record: Record, shape: Shape) -> bool:
    result = record.result
    if result is None:
        return False
    match result.outcome:
        case "ok":
            _done(draft, record, shape, result)
            return False
        case "failed":
            _refused(draft, shape, result)
        case "unknown":
            draft.say("unknown")
            draft.offer_help()
        case "pending":
            draft.say("working")
        case "cancelled":
            return False
    return True


def _done(draft: Draft, record: Record, shape: Shape, result: Result) -> None:
    if shape.name == TAKE_MESSAGE:
        draft.add(
            draft.voice.choose(
                ("Thank you, I've written that down and will pass it on.", "Got it, your message will be passed on.")
            )
        )
        return
    when = {k: v for k, v in (record.values or flatten(shape, record.given)).items() if _is_moment(shape, k)}
    when_said = describe(shape, when, draft.state.today) if shape.verb != "cancel" else ""
    opening = _DONE.get(shape.verb, "That's done")
    if opening.startswith("You"):
        when_said = re.sub(r"^on ", "for ", when_said)
    lead = draft.voice.choose(("All set.", "Wonderful.", "Great."))
    draft.add(lead, f"{opening} {when_said}".strip() + ".")
    if result.reference:
        code = "".join(ch for ch in result.reference if ch.isalnum())
        draft.add(f"Your reference is {' '.join(code) if len(code) <= 8 else code}.")
    told = plain(" ".join(draft.parts))
    if result.reason and not has(told, result.reason):
        draft.add(result.reason)
    elif not result.reference:
        known = {plain(part) for item in shape.fields for part in (item.name.replace("_", " "), item.label)}
        for name, value in [
            (n, v) for n, v in result.facts if plain(n) not in known and n not in ("name", "date", "time")
        ][:1]:
            draft.add(fact_sentence(name, value))


def _is_moment(shape: Shape, name: str) -> bool:
    item = shape.field(name)
    return item is not None and item.kind in ("date", "time", "datetime") and not item.past_ok


def _refused(draft: Draft, shape: Shape, result: Result) -> None:
    draft.say("failed")
    if result.reason:
        draft.add(result.reason if result.reason.endswith((".", "!", "?")) else f"{result.reason}.")
    if draft.state.form == shape.name and draft.state.offered:
        offer_times(draft, draft.state.offered)
    elif draft.state.form != shape.name:
        draft.offer_help()


def _looked_up(draft: Draft, record: Record, shape: Shape | None) -> bool:
    """A lookup's answer. For a check of free times: what is free, as far as it changes anything."""
    result, state = record.result, draft.state
    if result is None or result.outcome in ("pending", "cancelled"):
        return False
    active = state.active
    probing = active is not None and shape is not None and probe_for(active, state.shapes) is shape
    if result.outcome in ("failed", "unknown"):
        draft.say("lookup_failed")
        if result.reason:
            draft.add(result.reason)
        if not probing:
            draft.offer_help()
        return not probing
    if probing and active is not None and shape is not None:
        return tell_free(draft, record, active, shape)
    if result.reason:
        draft.add(result.reason if result.reason.endswith((".", "!", "?")) else f"{result.reason}.")
    elif result.moments:
        draft.say("have", options=listed([_moment(draft, m) for m in result.moments[:3]], "and"))
    elif result.facts:
        draft.add(" ".join(fact_sentence(name, value) for name, value in result.facts[:2]))
    elif result.available is not None:
        draft.add("Yes, that's available." if result.available else "I'm sorry, that's not available.")
    elif result.listed:
        draft.say("nothing_free")
    else:
        draft.add("I looked, but there was nothing to tell.")
    return False


def fact_sentence(name: str, value: str) -> str:
    """("eta minutes", "25") → "The eta is 25 minutes."."""
    match = re.fullmatch(r"(.+) (minutes|hours|days|miles|weeks)", name)
    return f"The {match[1]} is {value} {match[2]}." if match else f"The {name} is {value}."


def tell_free(draft: Draft, record: Record, active: Shape, probe: Shape) -> bool:
    """True where the caller now has to choose."""
    state, result = draft.state, record.result
    if result is None:
        return False
    given = flatten(probe, record.given)
    day = next((d for f in probe.fields if f.kind in ("date", "datetime") and (d := day_in(given.get(f.name)))), None)
    label = day_label(day, state.today) if day else ""
    if state.taken == "day":
        draft.add(
            draft.voice.choose(
                (
                    f"I'm sorry, nothing is free {label}.".replace(" .", "."),
                    f"There's nothing open {label}, sorry.".replace(" ,", ","),
                )
            )
        )
        elsewhere = [m for m in state.offered if m[0] and day_in(m[0]) != day]
        if elsewhere:
            offer_times(draft, tuple(elsewhere[:3]))
        else:
            draft.say("other_day")
        return True
    if state.taken and clock_of(state.taken) is None:
        draft.add(
            f"I'm sorry, the {state.taken} isn't free. I could offer the {listed(list(state.choices), 'or the')}."
        )
        draft.say("which")
        return True
    if state.taken:
        time = clock_of(state.taken)
        draft.say("taken", value=spoken_time(time).capitalize() if time else "That time")
        if state.offered:
            offer_times(draft, state.offered)
        return bool(state.offered)
    wish = next(
        (
            clock_of(state.values.get(f.name) or state.values.get(f"{f.name}|time"))
            for f in active.fields
            if f.kind in ("time", "datetime")
        ),
        None,
    )
    if wish is not None:
        if result.available or result.listed:
            draft.say("free", value=f"{spoken_time(wish)} {label}".strip())
        return False
    if state.choices:
        draft.add(result.reason or f"I have the {listed(list(state.choices), 'and the')}.")
        return False
    if state.offered:
        lead = f"{label[:1].upper()}{label[1:]} " if label else ""
        options = listed([_moment(draft, m, day is not None) for m in state.offered], "and")
        draft.add(f"{lead}I have {options}.")
        draft.say("which")
        return True
    return False


def offer_times(draft: Draft, moments: tuple[Moment, ...]) -> None:
    days = {m[0] for m in moments}
    options = listed([_moment(draft, m, len(days) == 1) for m in moments], "and")
    day = day_in(next(iter(days))) if len(days) == 1 and "" not in days else None
    lead = draft.voice.choose(("I do have", "I could offer"))
    draft.add(f"{lead} {options}{' ' + day_label(day, draft.state.today) if day else ''}.")
    draft.say("which")


def _moment(draft: Draft, moment: Moment, same_day: bool = False) -> str:
    day, time = day_in(moment[0]) if moment[0] else None, clock_of(moment[1])
    clock = spoken_time(time) if time else ""
    if day is None or (same_day and clock):
        return clock
    label = day_label(day, draft.state.today).removeprefix("on ")
    return f"{label} at {clock}" if clock else label
