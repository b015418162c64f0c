"""The rules that keep a call from falling silent; `rules` reads them with the others."""

from __future__ import annotations

from aivoice.core import commands as c
from aivoice.core.conversation import Conversation
from aivoice.core.reply import Reply

MS = 1_000
NOW = 0
_BACKOFF, _MOST_BACKOFF = 500 * MS, 8


def first_sound(talk: Conversation) -> int | None:
    """Work is pending and nothing is heard: something must be, before the budget ends."""
    reply = talk.committed()
    budget = talk.config.silence
    if talk.contest is not None:
        return None
    hushed = talk.ears.silent_from() if talk.ears.speaking else 0
    if reply is None:
        if talk.transferring is None:
            return None
        since = max(talk.transferring.since, talk.mouth.quiet_since, hushed)
        return since + (budget.gap - budget.margin) * MS
    if any((clip.started and not clip.finished) or (clip.cached and not clip.finished) for clip in reply.clips):
        return None
    if not any(clip.finished for clip in reply.clips):
        since = talk.ears.ended_at if reply.text else reply.committed_at
        return max(since, hushed) + (budget.first - budget.margin) * MS
    return max(reply.quiet_since, hushed) + (budget.gap - budget.margin) * MS


def make_sound(talk: Conversation, now: int) -> None:
    reply = talk.committed()
    if reply is None:
        talk.mouth.notice(talk.turn, ("filler.slow",), now)
    else:
        talk.mouth.filler(reply, _filler(talk, reply))


def _filler(talk: Conversation, reply: Reply) -> str:
    """The second line of a wait is that of the tool which is still running, where it has one."""
    if not reply.fillers:
        return "filler"
    slow = next((f"filler.{run.name}.2" for run in reply.tools if not run.outcome), "")
    return slow if reply.fillers == 1 and talk.config.clip_text(slow) else "filler.slow"


def continuer(talk: Conversation) -> int | None:
    """The caller pauses in a number or an address, or the recogniser is late: make a sound, do not take the turn."""
    ears, budget = talk.ears, talk.config.silence
    if talk.continued or not talk.may_decide() or not ears.text:
        return None
    if ears.completeness() != "spelling" and not ears.stale():
        return None
    return ears.ended_at + (budget.first - budget.margin) * MS


def say_continuer(talk: Conversation, now: int) -> None:
    talk.continued = True
    talk.drop_guess("the caller is spelling")
    talk.mouth.notice(talk.turn, ("filler" if talk.ears.stale() else "continuer",), now)


def untold(talk: Conversation) -> int | None:
    """A side effect ended after its reply was gone, and nobody is speaking: tell its result."""
    idle = (
        talk.up and not talk.ears.active and talk.mouth.reply is None and talk.transferring is None and not talk.closing
    )
    return NOW if idle and any(run.outcome for run in talk.untold) else None


def tell(talk: Conversation, now: int) -> None:
    talk.untold.clear()
    talk.mouth.answer(talk.turn, "", now, marks=None)


def deaf(talk: Conversation) -> int | None:
    """The recogniser died: reopen it at once, and after that ever more patiently."""
    if not talk.deaf_at or talk.closing:
        return None
    return talk.deaf_at + min(talk.deaf_count - 1, _MOST_BACKOFF) * _BACKOFF


def listen_again(talk: Conversation, now: int) -> None:
    """Nothing said, nothing lost, until it has failed too often."""
    lost = talk.ears.active or bool(talk.ears.voiced) or talk.deaf_count > talk.config.patience
    talk.deaf_at = 0
    talk.ears.lost = talk.ears.lost or (lost and talk.floor_is_free())
    talk.out.emit(c.Listen())


def lost_words(talk: Conversation) -> int | None:
    """Words went with a recogniser: the caller is told so, but not talked over."""
    if not talk.ears.lost or not talk.floor_is_free():
        return None
    return talk.ears.silent_from() if talk.ears.speaking else NOW


def ask_for_them(talk: Conversation, now: int) -> None:
    talk.ears.forget(talk.heard_end)
    talk.failed_turn("apology.deaf", now)


def reprompt(talk: Conversation) -> int | None:
    """Nobody says anything. Voices without words (a television) do not count as somebody for long."""
    ears = talk.ears
    if not talk.up or ears.text or ears.owed or talk.mouth.reply or talk.transferring or talk.closing:
        return None
    since = max(talk.idle_since, ears.started_at) if ears.speaking else talk.idle_since
    return since + talk.config.silence.reprompt * MS


def prompt_again(talk: Conversation, now: int) -> None:
    talk.reprompts += 1
    if talk.reprompts > talk.config.silence.reprompts:
        talk.close("goodbye.silent", "silent_caller", now)
    else:
        talk.mouth.notice(talk.turn, (f"reprompt.{min(talk.reprompts, 2)}",), now)
