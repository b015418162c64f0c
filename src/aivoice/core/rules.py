"""When a move is due. Each rule has a deadline (µs; in the past: now; None: does not apply) and an action.

The table `RULES` is read from the top after every event; the first rule that is due acts, and reading starts again.
The earliest deadline of all is the call's next deadline. So there is no timer to forget and no waiting state
without a way out: a state that waits for nothing has the re-prompt rule, at last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aivoice.core import commands as c
from aivoice.core import rules_ahead as ahead
from aivoice.core import rules_notes as notes
from aivoice.core import rules_sound as sound
from aivoice.core.barge_in import is_listening
from aivoice.core.conversation import Conversation
from aivoice.core.endpointing import GIVEN
from aivoice.core.intents import is_emergency
from aivoice.core.reply import Reply
from aivoice.core.rules_sound import MS, NOW

_PLACE_WAIT = 60 * MS
"""How long playout may take to say where it was silenced (it answers at once)."""


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    deadline: Callable[[Conversation], int | None]
    act: Callable[[Conversation, int], None]


# ---------------------------------------------------------------- limits of the call


def _max_call(talk: Conversation) -> int | None:
    return None if talk.closing else talk.answered_at + talk.config.max_call * MS


def _reach_max_call(talk: Conversation, now: int) -> None:
    talk.close("limit", "max_call_length", now)


def _goodbye(talk: Conversation) -> int | None:
    """A goodbye that cannot be spoken must not keep the line open."""
    return talk.closing_at + talk.config.goodbye_wait * MS if talk.closing else None


def _hang_up(talk: Conversation, now: int) -> None:
    talk.finish(talk.closing)


def _lease(talk: Conversation) -> int | None:
    return None if talk.closing else talk.lease.deadline()


def _renew_lease(talk: Conversation, now: int) -> None:
    talk.lease.asking = talk.out.new_id()
    talk.out.emit(c.RenewLease(talk.lease.asking, talk.lease.settings.seconds))


def _no_credit(talk: Conversation) -> int | None:
    return NOW if talk.lease.refused and not talk.closing and talk.contest is None else None


def _end_for_credit(talk: Conversation, now: int) -> None:
    talk.close("credit", "no_credit", now)


def _transfer(talk: Conversation) -> int | None:
    transfer = talk.transferring
    return None if transfer is None else transfer.since + talk.config.transfer_wait * MS


def _give_up_transfer(talk: Conversation, now: int) -> None:
    talk.transfer_ended(False, now)


# ---------------------------------------------------------------- the floor


def _contest(talk: Conversation) -> int | None:
    """Until when the agent keeps silent for what the caller may be saying."""
    contest = talk.contest
    if contest is None:
        return None
    settings, ears = talk.config.barge_in, talk.ears
    if not contest.placed:
        return contest.at + _PLACE_WAIT
    if not ears.text:
        if ears.speaking:
            return contest.at + settings.wordless * MS
        return ears.ended_seen + settings.carry_on * MS if ears.owed else NOW
    match talk.verdict():
        case "wait":
            return contest.words_at + settings.decide * MS
        case "carry_on" if not ears.speaking:
            return ears.ended_seen + settings.backchannel * MS
        case _:
            return NOW


def _settle_contest(talk: Conversation, now: int) -> None:
    ears = talk.ears
    if not ears.text:
        talk.carry_on("noise" if ears.speaking else "no words", now)
        return
    match talk.verdict():
        case "carry_on":
            talk.carry_on("backchannel or echo", now)
        case "wait" if is_listening(ears.text, ears.sure):
            talk.give_way("the caller went on after a listening noise", now)
        case "wait":
            talk.carry_on("echo", now)
        case _:
            talk.give_way("the caller spoke", now)


# ---------------------------------------------------------------- the caller's turn


def _emergency(talk: Conversation) -> int | None:
    """An emergency does not wait for the end of the turn."""
    phrases = talk.config.emergency.phrases
    if (
        not phrases
        or talk.closing
        or talk.transferring is not None
        or not (talk.ears.segments or not talk.ears.speaking)
    ):
        return None
    reply = talk.committed()
    if not talk.up or (reply is not None and reply.firm) or not is_emergency(talk.ears.text, phrases):
        return None
    contest = talk.contest  # what was heard of the reply is known in a moment, and is history
    return contest.at + _PLACE_WAIT if contest is not None and not contest.placed else NOW


def _answer_emergency(talk: Conversation, now: int) -> None:
    if talk.committed() is not None:
        talk.give_way("emergency", now)
    talk.end_turn("an emergency phrase was said", now)


def _turn_end(talk: Conversation) -> int | None:
    ears = talk.ears
    if not ears.text or not talk.floor_is_free():
        return None
    if ears.speaking:
        return ears.silent_from()
    due = talk.ears.waits()[0]
    return max(due, talk.ears.final_deadline()) if talk.ears.owed else due


def _end_turn(talk: Conversation, now: int) -> None:
    if talk.ears.speaking:
        why = "voices go on, the words do not"
    else:
        why = "no final came in time" if talk.ears.owed else talk.ears.waits()[1]
    talk.end_turn(why, now)


def _wordless(talk: Conversation) -> int | None:
    """Voice without words has ended."""
    ears = talk.ears
    if not talk.may_decide() or ears.text or not (ears.owed or ears.voiced):
        return None
    if ears.owed:
        return ears.final_deadline()
    # Where a number was asked for, a piece of it was not understood, and the next may be coming.
    return ears.ended_at + talk.config.endpointing.longest * MS if ears.expected.kind in GIVEN else NOW


def _forget_wordless(talk: Conversation, now: int) -> None:
    # Voice that began while the agent spoke was judged there.
    after_us = talk.ears.started_at >= talk.mouth.quiet_since
    mumbled = after_us and talk.ears.voiced >= talk.config.endpointing.mumble * MS
    talk.ears.forget()
    talk.idle_since = now
    if mumbled:
        talk.failed_turn("apology.hearing", now)


# ---------------------------------------------------------------- the agent's reply


def _retrieval(talk: Conversation) -> int | None:
    reply = talk.mouth.reply
    return reply.retrieve_until if reply is not None and reply.retrieving else None


def _skip_retrieval(talk: Conversation, now: int) -> None:
    reply = talk.mouth.reply
    assert reply is not None
    talk.mouth.give_up_retrieval(reply, now)


def _waiting_side_effects(reply: Reply) -> bool:
    return any(run.side_effects and not run.attempt and not run.outcome for run in reply.tools)


def _side_effects(talk: Conversation) -> int | None:
    reply = talk.committed()
    if reply is None or talk.contest is not None or not _waiting_side_effects(reply):
        return None
    return max(reply.committed_at, talk.ears.silent_from()) + talk.config.tool_rules.quiet * MS


def _start_side_effects(talk: Conversation, now: int) -> None:
    talk.toolbox.start_allowed(talk.holder())


def _bridge(talk: Conversation) -> int | None:
    """A tool is slow, or known to be, and nothing is being said."""
    reply = talk.committed()
    if reply is None or talk.contest is not None or reply.generating or not reply.spoken_out():
        return None
    due: list[int] = []
    for run in reply.tools:
        if not run.outcome and not run.bridged:
            since = max(run.requested_at, reply.committed_at)
            latest = since + talk.config.tool_rules.filler * MS
            due.append(since if talk.toolbox.usual_end(run, since) > latest else latest)
    return min(due) if due else None


def _bridge_tool(talk: Conversation, now: int) -> None:
    reply = talk.holder()
    pending = [run for run in reply.tools if not run.outcome]
    key = f"filler.{pending[0].name}"
    for run in pending:
        run.bridged = True
    talk.mouth.filler(reply, key if talk.config.clip_text(key) else "filler")


def _next_round(talk: Conversation) -> int | None:
    reply = talk.mouth.reply
    if reply is None or reply.notice or reply.generating or reply.retrieving or reply.after or reply.failed:
        return None
    asked = any(run.round == reply.round for run in reply.tools)
    return NOW if asked and not reply.tools_pending() and talk.contest is None else None


def _go_on(talk: Conversation, now: int) -> None:
    reply = talk.mouth.reply
    assert reply is not None
    if reply.generations >= talk.config.tool_rules.rounds:
        reply.failed = "too_many_rounds"
        return
    talk.mouth.next_round(reply, now)


def _reply_end(talk: Conversation) -> int | None:
    reply = talk.committed()
    return NOW if reply is not None and talk.contest is None and reply.complete() else None


def _end_reply(talk: Conversation, now: int) -> None:
    reply = talk.holder()
    silent = not any(clip.finished and not clip.failed for clip in reply.clips if reply.notice or not clip.cached)
    if silent and reply.after is None:
        _nothing_said(talk, reply, now)
    else:
        talk.reply_done(now)


def _nothing_said(talk: Conversation, reply: Reply, now: int) -> None:
    """An answer of which nothing could be made or spoken. A notice that fails has no better notice."""
    if reply.notice:
        talk.reply_done(now)
    else:
        voiceless = any(not clip.cached for clip in reply.clips)  # there were words, and no voice to say them
        talk.failed_turn("technical_difficulty" if voiceless else "apology", now)


RULES: tuple[Rule, ...] = (
    Rule("max_call", _max_call, _reach_max_call),
    Rule("goodbye", _goodbye, _hang_up),
    Rule("no_credit", _no_credit, _end_for_credit),
    Rule("lease", _lease, _renew_lease),
    Rule("transfer", _transfer, _give_up_transfer),
    Rule("emergency", _emergency, _answer_emergency),
    Rule("contest", _contest, _settle_contest),
    Rule("stale_guess", ahead.stale_guess, ahead.drop_guess),
    Rule("lost_words", sound.lost_words, sound.ask_for_them),
    Rule("turn_end", _turn_end, _end_turn),
    Rule("wordless", _wordless, _forget_wordless),
    Rule("guess", ahead.guess, ahead.begin_guess),
    Rule("search", ahead.search, ahead.begin_search),
    Rule("retrieval", _retrieval, _skip_retrieval),
    Rule("side_effects", _side_effects, _start_side_effects),
    Rule("next_round", _next_round, _go_on),
    Rule("reply_end", _reply_end, _end_reply),
    Rule("bridge", _bridge, _bridge_tool),
    Rule("first_sound", sound.first_sound, sound.make_sound),
    Rule("continuer", sound.continuer, sound.say_continuer),
    Rule("untold", sound.untold, sound.tell),
    Rule("deaf", sound.deaf, sound.listen_again),
    Rule("extract", notes.extract, notes.begin_extract),
    Rule("summarise", notes.summarise, notes.begin_summary),
    Rule("reprompt", sound.reprompt, sound.prompt_again),
)
