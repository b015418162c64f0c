"""When notes are taken: while no reply is being written, so that none of them takes a model's time from the caller."""

from __future__ import annotations

from aivoice.core.conversation import Conversation
from aivoice.core.rules_sound import MS, NOW


def _free(talk: Conversation) -> bool:
    """Notes are taken in this call, and no reply is being written or looked up."""
    reply = talk.mouth.reply
    writing = reply is not None and (reply.generating or reply.retrieving or reply.tools_pending())
    return talk.config.note_taking and talk.up and not talk.closing and not writing


def extract(talk: Conversation) -> int | None:
    """The newest turn is answered, or cut: both sides of it are in the history."""
    return NOW if _free(talk) and talk.mouth.reply is None and talk.taker.unread() else None


def begin_extract(talk: Conversation, now: int) -> None:
    talk.taker.extract(talk.turn, talk.config.window)


def summarise(talk: Conversation) -> int | None:
    if not _free(talk):
        return None
    window = talk.config.window
    if talk.taker.due(window, silent=False):
        return NOW
    quiet = talk.mouth.reply is None and not talk.ears.text and not talk.ears.speaking
    if window.summary_silence and quiet and talk.taker.due(window, silent=True):
        return talk.idle_since + window.summary_silence * MS
    return None


def begin_summary(talk: Conversation, now: int) -> None:
    talk.taker.summarise(talk.turn, talk.config.window)
