"""transcript.md: the conversation as a person would want to read it."""

from __future__ import annotations

import re

from aivoice.traces.model import AgentEntry, CallerEntry, Entry, NoteEntry, ToolEntry, Trace, WaterfallEntry

# Caller and agent text is shown as said: what Markdown or HTML would take for markup is escaped.
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")


def clock(ms: int) -> str:
    """``m:ss`` (``h:mm:ss`` from an hour on), for reading beside the recording."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def plain(text: str) -> str:
    """Text for Markdown, on one line, with nothing that could be taken for markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def remainder(entry: AgentEntry) -> str:
    """What of `entry.text` the caller did not hear any more: the words after as many as were heard."""
    return " ".join(entry.text.split()[len(entry.heard.split()) :])


def render_transcript(trace: Trace) -> str:
    """The whole document, ending in a newline."""
    lines = [f"# Call {plain(trace.call_id)}", ""]
    if trace.business:
        lines.append(f"- Business: {plain(trace.business)}")
    if trace.started:
        lines.append(f"- Answered: {trace.started}" + (f" ({trace.zone})" if trace.zone else ""))
    lines.append(f"- Duration: {clock(trace.duration_ms)}")
    lines.append(f"- Ended: {trace.end_reason.replace('_', ' ') or 'broken off'}")
    if trace.latency.turns:
        lines.append(
            f"- End of speech to first sound: {_ms(trace.latency.first_sound_p50)} (median of {trace.latency.turns}), "
            f"to the answer: {_ms(trace.latency.answer_p50)}"
        )
    if trace.guesses.made:
        lines.append(
            f"- Begun before the turn was decided: {trace.guesses.used} of {trace.guesses.made} replies were used, "
            f"{_ms(trace.guesses.saved_ms)} saved, {100 * trace.guesses.wasted_share:.0f} % of the model's tokens "
            "thrown away"
        )
    if trace.interruptions:
        lines.append(f"- Interruptions: {trace.interruptions}")
    lines.append("")
    for entry in trace.entries:
        text = _entry(entry)
        if text:
            lines += [text, ""]
    decisions = [entry for entry in trace.entries if isinstance(entry, NoteEntry) and not entry.shown]
    if decisions:
        lines += ["## Decisions", ""]
        lines += [f"- `{clock(entry.at_ms)}` {plain(entry.text)}" for entry in decisions]
    return "\n".join(lines).rstrip("\n") + "\n"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


def _entry(entry: Entry) -> str:
    at = clock(entry.at_ms)
    match entry:
        case CallerEntry():
            return _caller(entry, at)
        case AgentEntry():
            return _agent(entry, at)
        case ToolEntry():
            result = f" → {plain(entry.result)}" if entry.result else ""
            return f"`{at}` *Tool* {plain(entry.name)}({plain(entry.arguments)}): {entry.status}{result}"
        case NoteEntry():
            return f"`{at}` *{plain(entry.text)}*" if entry.shown else ""
        case WaterfallEntry():
            return ""


def _caller(entry: CallerEntry, at: str) -> str:
    if not entry.text:
        return ""
    aside = {"backchannel": " *(listening along)*", "ignored": " *(not taken as a turn)*"}.get(entry.status, "")
    return f"`{at}` **Caller:** {plain(entry.text)}{aside}"


def _agent(entry: AgentEntry, at: str) -> str:
    if entry.status == "discarded":
        return ""
    if entry.status in {"speaking", "held"}:  # the record breaks off here
        return f"`{at}` **Agent:** {plain(entry.text)} **[broken off]**"
    text = f"`{at}` **Agent:** {plain(entry.heard)}".rstrip()
    if entry.status == "interrupted":
        lost = remainder(entry)
        text += " **[interrupted]**" + (f" ~~{plain(lost)}~~" if lost else "")
    return text
