"""The rules for what is done before the caller's turn is decided: replies begun on a guess, searches for knowledge.

`rules` reads them with the others; `speculation` decides which guesses may be made.
"""

from __future__ import annotations

from aivoice.core.conversation import Conversation
from aivoice.core.rules_sound import MS, NOW
from aivoice.core.speculation import Kind
from aivoice.core.text import same
from aivoice.core.waterfall import Marks


def stale_guess(talk: Conversation) -> int | None:
    guess = talk.speculated()
    return NOW if guess is not None and not same(guess.text, talk.said()) else None


def drop_guess(talk: Conversation, now: int) -> None:
    talk.drop_guess("the words changed")


def _undecided(talk: Conversation) -> bool:
    """The caller is saying something that may become a turn, and nothing else is going on."""
    ears, busy = talk.ears, talk.mouth.reply is not None or talk.transferring is not None or talk.contest is not None
    return talk.up and not (busy or talk.closing) and bool(ears.text) and not ears.lost


def guess(talk: Conversation) -> int | None:
    """The words are probably complete: begin the reply, unheard."""
    rules = talk.config.speculation
    if not _undecided(talk) or talk.speculations >= rules.limit:
        return None
    kind, due = _likely(talk)
    return due if due is not None and talk.mouth.account.allows(rules, kind) else None


def _likely(talk: Conversation) -> tuple[Kind, int | None]:
    """How sure it is that these are the turn's words, and from when on."""
    rules, ears = talk.config.speculation, talk.ears
    if talk.eager:
        return "eager", NOW
    if ears.speaking:
        # The last of the allowed ones is kept for when the speech has ended.
        return "interim", NOW if talk.speculations + 1 < rules.limit else None
    if ears.completeness() in ("dangling", "spelling"):
        return "settled", None
    if not ears.owed:
        return "eager", NOW
    settled = talk.heard_at >= ears.ended_at + rules.settle * MS
    return "settled", NOW if settled else ears.ended_at + rules.stale * MS


def begin_guess(talk: Conversation, now: int) -> None:
    kind, _ = _likely(talk)
    talk.speculations += 1
    talk.eager = False
    marks = Marks(talk.turn + 1, talk.ears.ended_at)
    talk.mouth.answer(talk.turn + 1, talk.said(), now, marks=marks, guess=kind)


def search(talk: Conversation) -> int | None:
    """Words that stand still are looked up in the business's knowledge, whatever is thought of guessing."""
    ears, mouth = talk.ears, talk.mouth
    if not talk.config.retrieval or not _undecided(talk) or mouth.searched(talk.turn + 1, talk.said()):
        return None
    steady = ears.changed_at + talk.config.speculation.steady * MS
    return steady if ears.speaking else NOW


def begin_search(talk: Conversation, now: int) -> None:
    talk.mouth.search(talk.turn + 1, talk.said())
