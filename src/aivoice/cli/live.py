"""A call in the terminal: who speaks, interims greyed, interruptions marked, each turn's waterfall.

On a terminal the last line lives (the interim, what the call is doing); elsewhere only settled lines are printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from aivoice.traces.live import Change

SETTLED = {
    "caller": {"turn", "backchannel", "ignored"},
    "agent": {"finished", "interrupted", "discarded"},
    "tool": {"ok", "failed", "unknown", "cancelled"},
}
STATES = {
    "connecting": "connecting …",
    "listening": "listening",
    "hearing": "the caller speaks",
    "thinking": "thinking",
    "speaking": "the agent speaks",
    "paused": "the agent paused: the caller may be interrupting",
    "working": "a tool is running",
    "transferring": "transferring",
    "ended": "the call has ended",
}
STAGES = {
    "vad": "blue",
    "transcript": "bright_blue",
    "endpointing": "magenta",
    "context": "yellow",
    "first_token": "bright_yellow",
    "clause": "bright_red",
    "tts": "green",
    "playout": "bright_green",
}
_CELL_MS = 20.0
"""One character of a waterfall."""


class LiveCall:
    """``with LiveCall(console) as view: view.apply(changes)``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._entries: dict[str, dict[str, Any]] = {}
        self._printed: set[str] = set()
        self._state = "connecting"
        self._live: Live | None = None

    def __enter__(self) -> LiveCall:
        if self._console.is_terminal:
            self._live = Live(self._now(), console=self._console, refresh_per_second=12, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
        for entry in self._entries.values():
            self._print(entry)

    def apply(self, changes: Iterable[Change]) -> None:
        """Show a batch of changes of `traces.live`."""
        for change in changes:
            match change["op"]:
                case "put":
                    entry: dict[str, Any] = change["entry"]
                    self._entries[entry["id"]] = entry
                case "state":
                    self._state = change["state"]
                case _:
                    self._state = "ended"
        # In the order of time: what is later waits until the caller's words before it are settled.
        until = min(
            (e["at_ms"] for e in self._entries.values() if e["kind"] == "caller" and not _settled(e)), default=None
        )
        for entry in sorted(self._entries.values(), key=lambda entry: entry["at_ms"]):
            if _settled(entry) and (until is None or entry["at_ms"] <= until):
                self._print(entry)
        if self._live is not None:
            self._live.update(self._now())

    def _print(self, entry: Mapping[str, Any]) -> None:
        if entry["id"] in self._printed:
            return
        self._printed.add(entry["id"])
        line = render(entry)
        if line is not None:
            self._console.print(line)

    def _now(self) -> RenderableType:
        """What is still changing, and the state."""
        open_ = [
            entry for entry in self._entries.values() if entry["id"] not in self._printed and entry["kind"] in SETTLED
        ]
        lines = [line for entry in open_ if (line := render(entry)) is not None]
        lines.append(Text(f"          {STATES.get(self._state, self._state)}", style="dim italic"))
        return Group(*lines)


def _settled(entry: Mapping[str, Any]) -> bool:
    return entry["kind"] not in SETTLED or entry["status"] in SETTLED[entry["kind"]]


def render(entry: Mapping[str, Any]) -> Text | None:
    """One entry as a line; None for those that a reader of the conversation does not need."""
    match entry["kind"]:
        case "caller":
            return _caller(entry)
        case "agent":
            return _agent(entry)
        case "tool":
            status = str(entry["status"])
            style = "green" if status == "ok" else "yellow" if status in ("running", "accepted") else "red"
            return Text.assemble(_at(entry), ("    tool  ", "bold"), f"{entry['name']} ", (status, style))
        case "waterfall":
            return waterfall(entry)
        case _:
            if not entry["shown"]:
                return None
            style = {"error": "red", "warning": "yellow"}.get(entry["level"], "dim")
            return Text.assemble(_at(entry), ("          ", ""), (str(entry["text"]), style))


def _caller(entry: Mapping[str, Any]) -> Text | None:
    text, status = str(entry["text"]), entry["status"]
    if not text and status != "interim":
        return None
    line = Text.assemble(_at(entry), ("  caller  ", "bold cyan"))
    if status in ("interim", "final"):
        line.append(text or "…", "grey50 italic")
    elif status == "turn":
        line.append(text)
    else:
        line.append(text, "dim")
        line.append(f"  ({'listening noise' if status == 'backchannel' else 'not a turn'})", "dim italic")
    return line


def _agent(entry: Mapping[str, Any]) -> Text | None:
    text, heard, status = str(entry["text"]), str(entry["heard"]), entry["status"]
    if not text or status == "discarded":
        return None
    line = Text.assemble(_at(entry), ("   agent  ", "bold magenta"))
    if status == "interrupted":
        line.append(heard)
        line.append(" ⟂ interrupted", "bold red")
        rest = text[len(heard) :].strip() if text.startswith(heard) else ""
        if rest:
            line.append(f"  {rest}", "strike dim")
    else:
        line.append(text, "" if status == "finished" else "grey50")
        if status == "held":
            line.append("  ‖", "yellow")
    return line


def waterfall(entry: Mapping[str, Any]) -> Text:
    """One turn's stages as coloured stretches, a character each 20 ms, then the figures."""
    line = Text.assemble(_at(entry), ("          ", ""))
    position = 0.0
    drawn = 0
    for name, ms in entry["stages"]:
        position += ms
        cells = round(position / _CELL_MS) - drawn
        drawn += max(cells, 0)
        line.append("█" * cells, STAGES.get(name, "white"))
    line.append(f" {entry['total_ms']:.0f} ms", "bold")
    line.append("  " + "  ".join(f"{name} {ms:.0f}" for name, ms in entry["stages"] if ms >= 1), "dim")
    if entry["first_sound_ms"] + 1 < entry["answer_ms"]:
        line.append(f"  (first sound after {entry['first_sound_ms']:.0f})", "dim")
    return line


def _at(entry: Mapping[str, Any]) -> Text:
    at_ms = int(entry["at_ms"])
    return Text(f"{at_ms // 60_000}:{at_ms // 1_000 % 60:02d}.{at_ms // 100 % 10}", style="dim")


def legend() -> Text:
    """The colours of the stages."""
    line = Text("          ")
    for name, style in STAGES.items():
        line.append("█ ", style)
        line.append(f"{name}  ", "dim")
    return line
