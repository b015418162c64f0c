"""Decisions of the core in plain words: "the turn ended because…", "the reply was thrown away because…"."""

from __future__ import annotations

import re

from aivoice.core import commands as c
from aivoice.core import events as e

_NOTES = {
    "ignored_words": "Not taken as a turn: a listening noise, or an echo of the agent",
    "late_final": "The final words differed from those that were answered",
    "stale": "A late result of cancelled work was dropped",
    "ignored": "An event after the end of the call was dropped",
    "unknown_tool": "The language model asked for a tool that does not exist",
    "task_failed": "A part of the engine failed; the call went on",
}

_COMPLETENESS = {
    "closed": "the words sounded finished",
    "open": "the words could be all",
    "stated": "a sentence had probably ended",
    "loose": "the words could be all",
    "dangling": "the words sounded unfinished, but nothing more came",
    "spelling": "something was being spelled out, but nothing more came",
}
_WAITED = re.compile(r"(\w+) text, (\d+) ms after the end of speech")

_STAGE_NAMES = {
    "stt": "speech recognition",
    "llm": "the language model",
    "tts": "speech synthesis",
    "vad": "voice activity",
}


def with_reason(sentence: str, why: str) -> str:
    """``sentence because why``, without a dangling "because"."""
    why = why.strip().rstrip(".")
    return f"{sentence} because {why}." if why else f"{sentence}."


def turn_ended(item: c.TurnEnded) -> str:
    return with_reason(f"Turn {item.turn} ended", why_ended(item.why))


def why_ended(why: str) -> str:
    """The core's reason for a turn's end in plain words; reasons that are plain already stay as they are."""
    known = _WAITED.fullmatch(why)
    if known is None or known[1] not in _COMPLETENESS:
        return why
    waited = f" and {int(known[2]):,} ms of silence had passed" if known[2] != "0" else ""
    return f"{_COMPLETENESS[known[1]]}{waited}"


def turn_reopened(item: c.TurnReopened) -> str:
    return with_reason(f"Turn {item.turn} was reopened", item.why)


def reply_ended(item: c.ReplyEnded) -> str | None:
    """None where there is nothing to explain: a reply that was heard to its end."""
    match item.outcome:
        case "finished":
            return None
        case "interrupted":
            return with_reason("The agent was interrupted", item.why)
        case "discarded":
            return with_reason("The reply was thrown away", item.why)


_CARRIED_ON = {
    "backchannel or echo": "the caller was only listening along, or it was the agent's echo",
    "noise": "the sound had no words",
    "no words": "the sound had no words",
}


def note(item: c.Note) -> str:
    if item.kind == "carried_on":
        return with_reason("The agent carried on", _CARRIED_ON.get(item.detail, item.detail))
    known = _NOTES.get(item.kind, item.kind.replace("_", " ").replace(".", " ").capitalize())
    return f"{known} ({item.detail})." if item.detail else f"{known}."


def speculated(item: c.Speculated) -> str:
    total = item.call.total()
    if not total.guesses:
        return "No reply was begun before the caller's turn was decided."
    return (
        f"Of {total.guesses:,.0f} replies begun before the caller's turn was decided {total.hits:,.0f} were used: "
        f"answers came {total.saved_ms:,.0f} ms sooner in all; {100 * item.call.waste():.0f} % of the language "
        "model's tokens were thrown away."
    )


def provider(item: e.ProviderAttempt) -> str | None:
    """None for the attempts that went as hoped: they are listed, not explained."""
    what = f"{item.provider} ({_STAGE_NAMES[item.stage]})"
    code = f": {item.code}" if item.code else ""
    match item.state:
        case "started" | "useful" | "lost":
            return None
        case "failed":
            return f"{what} failed{code}."
        case "switched":
            return f"Switched to {what}{code}."
        case "skipped":
            return f"{what} was skipped{code}."
