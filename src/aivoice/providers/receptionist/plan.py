"""What to say and do next, from the state. Pure: `plan(state, request)`.

Order of a reply: results not told yet, what the caller asked, then the next step of the form. A person asked for and a
goodbye come before everything else.
"""

from __future__ import annotations

import re

from aivoice.core.prompt import GenerationRequest
from aivoice.providers.receptionist.acts import REQUEST, Act, acts_of
from aivoice.providers.receptionist.answers import about_words, answer
from aivoice.providers.receptionist.aside import aside
from aivoice.providers.receptionist.find import choices, problem_text
from aivoice.providers.receptionist.intents import concepts
from aivoice.providers.receptionist.moments import spoken_day, spoken_time
from aivoice.providers.receptionist.opening import hours_answer
from aivoice.providers.receptionist.reply import Draft, Reply
from aivoice.providers.receptionist.say import Voice
from aivoice.providers.receptionist.schema import END_CALL, TAKE_MESSAGE, TRANSFER, Shape
from aivoice.providers.receptionist.state import State, main_form
from aivoice.providers.receptionist.steps import form_step
from aivoice.providers.receptionist.tell import tell_results
from aivoice.providers.receptionist.text import listed, plain, sentences, words


def plan(state: State, request: GenerationRequest) -> Reply:
    """The reply to the messages. Always says something or calls a tool."""
    draft = Draft(state, request, Voice(state.steps, state.facts.name, state.heard))
    waiting = any(record.result is not None and not record.told for record in state.records)
    busy = tell_results(draft) if waiting else False
    if not state.fresh:
        _go_on(draft, busy)
    elif not state.turn.text.strip():
        _unheard(draft)
    else:
        _respond(draft)
    if not draft.parts and not draft.calls:
        draft.say("not_caught")
    if state.fresh and not draft.calls and plain(draft.done().text) == plain(state.heard):
        once_more = draft.parts[-1].endswith("?")
        draft.parts.insert(0, "Sorry, once more." if once_more else "As I said before.")
    return draft.done()


def _unheard(draft: Draft) -> None:
    """Nothing was said yet, or an empty turn."""
    if draft.state.heard:
        draft.say("not_caught")
    else:
        draft.add(draft.state.facts.greeting or draft.voice.say("greeting"))


def _go_on(draft: Draft, busy: bool) -> None:
    """After results, or without a caller's turn: go on with the form, or ask what else."""
    state = draft.state
    if not state.records and not state.turn.text:
        draft.add(state.facts.greeting if state.facts.greeting and not state.heard else draft.voice.say("hello"))
        return
    last = state.records[-1] if state.records else None
    if last is not None and last.result is None and not draft.parts:
        draft.say("working")
        return
    if busy:
        return
    if state.active is not None:
        form_step(draft, state.active, quiet=bool(draft.parts))
    elif state.turn.acts & {"bye"}:
        goodbye(draft)
    else:
        draft.say("anything_else")


# ---------------------------------------------------------------- answering the caller


def _respond(draft: Draft) -> None:
    state, turn = draft.state, draft.state.turn
    if _emergency(draft):
        return
    if turn.person:
        transfer(draft)
        return
    if _closes(state) and not state.confirmed:
        goodbye(draft)
        return
    if (
        {"message", "transfer"} <= set(state.offers)
        and "yes" in turn.acts
        and not (turn.started or turn.filled or turn.info)
    ):
        draft.say("offer_transfer")
        return
    if aside(draft):
        if state.active is not None:
            form_step(draft, state.active, quiet=True)
        return
    _converse(draft)


def _converse(draft: Draft) -> None:
    """A turn that is no emergency, goodbye or wish for a person."""
    state, turn = draft.state, draft.state.turn
    courtesies(draft)
    if turn.acts & {"repeat", "slower"} and not turn.filled and not turn.changed:
        _repeat(draft)
        return
    if "wait" in turn.acts and not (
        turn.filled or turn.changed or turn.problems or turn.started or turn.info or state.confirmed
    ):
        draft.say("wait")
        return
    if turn.dropped and not turn.started:
        draft.say("cancelled")
        if not turn.info:
            draft.say("anything_else")
    if state.active is None and _cannot_move(draft):
        return
    answered = _answer(draft)
    if state.active is not None:
        _go_on_with_form(draft, state.active)
        return
    if turn.done_change:
        draft.say("cannot_change")
        draft.offer_help()
        return
    if not answered:
        _without_form(draft)


def _go_on_with_form(draft: Draft, shape: Shape) -> None:
    turn = draft.state.turn
    aside_message = "message" in turn.acts and shape.name != TAKE_MESSAGE and not (turn.filled or turn.changed)
    if aside_message and draft.can_message:
        draft.add("I can't add that here, but I can take a message once we're done.")
    form_step(draft, shape, quiet=bool(draft.parts))


def _cannot_move(draft: Draft) -> bool:
    """A complaint, or a change of an appointment where no tool makes one: say so, and how else it can be done."""
    state, turn = draft.state, draft.state.turn
    if "complaint" in turn.acts and not turn.acts & {"hours", "price"}:
        draft.say("sorry_to_hear")
        draft.offer_help()
        return True
    if turn.info or turn.dropped or "move" not in concepts(turn.text) or not REQUEST.search(plain(turn.text)):
        return False
    if any("move" in concepts(f"{shape.name.replace('_', ' ')} {shape.spec.description}") for shape in state.shapes):
        return False
    draft.add("I can't move a booking from here, I'm afraid.")
    if any(shape.verb == "cancel" for shape in state.shapes) and main_form(state) is not None:
        draft.add("I can cancel it and book a new one, or take a message. Which would you like?")
    else:
        draft.offer_help()
    return True


def _closes(state: State) -> bool:
    """The caller is done: a goodbye, or "that's all" where nothing else was asked or said."""
    turn = state.turn
    if turn.info or turn.started or turn.filled or turn.changed or turn.problems:
        return False
    if "bye" in turn.acts:
        return True
    if "nothing_else" in turn.acts:
        return not state.active or not state.asked or "thanks" in turn.acts
    declined = "more" in turn.declined and "no" in turn.acts and not state.active and not _asks(turn.acts)
    return declined and len(words(turn.text)) <= 8


def _asks(acts: frozenset[Act]) -> bool:
    return bool(acts & {"question", "hours", "price"})


def goodbye(draft: Draft) -> None:
    """A farewell and the end of the call; what was begun and not done is not kept secret."""
    if "thanks" in draft.state.turn.acts and not draft.parts:
        draft.say("welcome")
    if draft.state.active is not None and draft.state.values and draft.state.active.spec.side_effects:
        draft.say("nothing_booked")
    draft.say("goodbye")
    draft.call(END_CALL, {})


def transfer(draft: Draft) -> None:
    """Put the caller through, to the target whose name or words they used."""
    state = draft.state
    said = f" {plain(state.turn.text)} "
    target = state.facts.targets[0][0] if state.facts.targets else ""
    for name, phrases in state.facts.targets:
        if any(f" {plain(way)} " in said for way in (name, *phrases) if plain(way)):
            target = name
            break
    draft.say("transfer")
    draft.call(TRANSFER, {"target": target})


def _emergency(draft: Draft) -> bool:
    """The business's emergency phrases: its sentence and an immediate transfer, whatever else was going on."""
    phrases, sentence, target = draft.state.facts.emergency
    said = f" {plain(draft.state.turn.text)} "
    for phrase in phrases:
        at = said.find(f" {plain(phrase)} ") if plain(phrase) else -1
        if at >= 0 and not re.search(r"\b(not|no|isn't|never|without)( \w+)?$", said[:at].strip()):
            draft.add(sentence or "This sounds urgent. I'm putting you through right away.")
            draft.call(
                TRANSFER, {"target": target or (draft.state.facts.targets[0][0] if draft.state.facts.targets else "")}
            )
            return True
    return False


_SOCIAL: frozenset[Act] = frozenset({"robot", "who", "hear", "how_are_you", "clock", "help", "hurry"})


def courtesies(draft: Draft) -> None:
    """Greetings, thanks, "can you hear me", "are you a robot", and the like: a short sentence each."""
    state, turn = draft.state, draft.state.turn
    acts = turn.acts
    rest = acts - {"greeting", "thanks", "question", "yes", "no"}
    asked = [piece for piece in turn.info if acts_of(piece) & {"hours", "price"} or not acts_of(piece) & _SOCIAL]
    quiet = not (turn.started or turn.filled or turn.changed or asked or turn.problems or state.active)
    if "robot" in acts:
        draft.say("robot")
        if quiet and len(rest) <= 1:
            draft.say("robot_offer" if draft.can_transfer else "robot_help")
    elif "who" in acts:
        draft.say("who")
    if "hear" in acts:
        draft.say("hear")
    if "how_are_you" in acts:
        draft.say("fine")
    if "hurry" in acts:
        draft.say("hurry")
    if "help" in acts:
        _ways(draft)
    if "clock" in acts:
        draft.add(f"It's {spoken_time(state.now.time())} on {spoken_day(state.today)}.")
    if "abuse" in acts:
        draft.say("sorry_to_hear")
    if "greeting" in acts and quiet and not rest:
        draft.say("hello")
    elif "thanks" in acts and quiet and not rest - {"correction"} and not acts & {"question"}:
        draft.say("welcome")
    if (
        draft.parts
        and quiet
        and not rest & {"repeat", "hours", "price", "wait", "robot"}
        and not draft.parts[-1].endswith("?")
        and not _real_question(turn.text, acts)
        and ("hear" not in acts or len(words(turn.text)) <= 6)
    ):
        draft.say("anything_else" if state.records else "how_help")


def _real_question(text: str, acts: frozenset[Act]) -> bool:
    return "question" in acts and not acts & {"robot", "who", "hear", "how_are_you", "clock", "hurry"}


def _repeat(draft: Draft) -> None:
    """Say the last words again."""
    heard = draft.state.heard
    if not heard:
        draft.say("nothing_said")
        return
    draft.say("slower" if "slower" in draft.state.turn.acts else "repeat")
    kept: list[str] = []
    for sentence in reversed(sentences(heard)):
        if kept and len(words(" ".join([sentence, *kept]))) > 60:
            break
        if len(words(sentence)) <= 3 and kept:
            continue
        kept.insert(0, sentence)
    draft.add(" ".join(kept))


def _answer(draft: Draft) -> bool:
    """Answer the questions in the caller's turn: hours, then everything else. True where something was answered."""
    state, turn = draft.state, draft.state.turn
    free = state.active is None and not turn.started and not turn.dropped
    pieces = turn.info or ((turn.text,) if free else ())
    answered = False
    for piece in pieces:
        if len(pieces) > 1 and "price" in acts_of(piece) and not about_words(piece):
            if any("$" in part for part in draft.parts):
                continue
            piece = turn.text
        answered = _answer_piece(draft, piece, bool(turn.info)) or answered
    return answered or bool(draft.parts)


def _answer_piece(draft: Draft, piece: str, asked: bool) -> bool:
    state = draft.state
    acts = acts_of(piece)
    if "hours" in acts:
        text = hours_answer(piece, state.now, state.facts)
        if text:
            draft.add(text)
            return True
    if acts & _SOCIAL and not acts & {"price", "hours"}:
        return False
    social = acts & {
        "greeting",
        "thanks",
        "yes",
        "no",
        "wait",
        "bye",
        "nothing_else",
        "cancel",
        "repeat",
        "slower",
        "message",
    }
    if not asked and ((social and "question" not in acts and "price" not in acts) or len(words(piece)) < 2):
        return False
    found = answer(piece, acts, draft.request.passages, state.facts, _subject(state, piece), piece == state.turn.text)
    if found.text:
        if found.partial:
            draft.add(f"{draft.voice.say('what_i_have')} {found.text}")
        else:
            draft.add(found.text)
        return True
    if asked or "question" in acts or "price" in acts:
        draft.say("dont_know")
        if state.active is None:
            draft.offer_help()
        return True
    return False


def _subject(state: State, piece: str) -> str:
    """What is being talked about: a choice of some tool named in the question, else the one made in the form."""
    for shape in state.shapes:
        for item in shape.fields:
            named = choices(piece, item.options, False) if item.kind == "enum" else ()
            if len(named) == 1:
                return named[0][0].spoken
    shape = state.active
    if shape is None:
        return ""
    chosen = [
        str(state.values[item.name]) for item in shape.fields if item.kind == "enum" and item.name in state.values
    ]
    return " ".join(chosen)


def _without_form(draft: Draft) -> None:
    """Nothing was asked that can be answered, and no form is open."""
    state, turn = draft.state, draft.state.turn
    if draft.parts:
        return
    if "message" in turn.acts and not draft.can_message:
        draft.add("I can't take messages here.")
        draft.offer_help()
        return
    if problem_text(turn.text) and (shape := main_form(state)) is not None:
        draft.say("sorry_to_hear")
        draft.add(f"Would you like me to {shape.task}?")
        return
    if state.last_done and re.search(r"\bagain\b|\banother time\b|\btwice\b", plain(turn.text)):
        draft.say("already")
        draft.say("anything_else")
        return
    if turn.declined or turn.acts & {"no", "cancel"}:
        draft.add("All right.")
        draft.say("anything_else")
        return
    if turn.acts & {"yes"} and not turn.misses > 1:
        draft.add(draft.voice.choose(("Sure, what can I do for you?", "Gladly. What do you need?")))
        return
    if turn.misses >= 3:
        draft.add("I'm sorry, I still don't follow.")
        draft.offer_help()
    elif turn.misses == 2:
        draft.add(draft.voice.choose(("Sorry, I'm not following.", "I'm sorry, that's beyond me.")))
        _ways(draft)
    else:
        draft.say("not_caught")


def _ways(draft: Draft) -> None:
    tasks = [
        "take a message" if shape.name == TAKE_MESSAGE else re.sub(r" (at|for|to|with) (the|our|a) .*$", "", shape.task)
        for shape in draft.state.shapes
        if shape.spec.side_effects and shape.askable
    ][:3]
    if tasks:
        draft.say("ways", tasks=listed(["answer questions", *tasks]))
    else:
        draft.offer_help()
