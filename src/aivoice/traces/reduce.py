"""From a call's records, one by one, to what a reader sees of it. Both the live view and the trace stand on this.

Pure: the same records give the same entries with the same ids. Unknown orders are taken as they come; nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces import explain
from aivoice.traces.model import (
    AgentEntry,
    CallerEntry,
    Entry,
    NoteEntry,
    ProviderRecord,
    State,
    ToolEntry,
    Usage,
    WaterfallEntry,
)

Item = e.Event | c.Command

# Notes that say what became of the caller's sound, and notes that a reader of the conversation need not see.
_CALLER_NOTES = {"backchannel": "backchannel", "echo": "ignored", "noise": "ignored", "wordless": "ignored"}
_QUIET_NOTES = frozenset({"stale", "speculation", "resume", "filler", "tool"})


@dataclass(slots=True)
class _Clip:
    """A clip of the agent between its first Speak or Play and its end."""

    turn: int
    text: str = ""
    cached: str = ""
    queued: bool = False
    audio: bool = False
    entry: AgentEntry | None = None


@dataclass(slots=True)
class CallReducer:
    """The call so far. clips: text of the ready-made clips by key (they are spoken without a `Speak`).

    `apply` returns what it created or changed; `entries` holds everything in the order of creation.
    Memory grows with the entries of the call, not with its audio or tokens.
    """

    clips: Mapping[str, str] = field(default_factory=dict[str, str])
    entries: list[Entry] = field(default_factory=list[Entry])
    providers: list[ProviderRecord] = field(default_factory=list[ProviderRecord])
    usage: dict[int, Usage] = field(default_factory=dict[int, Usage])
    passages: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    started: str = ""
    zone: str = ""
    end_reason: str = ""
    ended: bool = False
    now_ms: int = 0
    _zero: int | None = None
    _serial: int = 0
    _changed: list[Entry] = field(default_factory=list[Entry])
    # the caller
    _caller: CallerEntry | None = None
    _finals: list[str] = field(default_factory=list[str])
    _settled: CallerEntry | None = None
    _of_turn: dict[int, CallerEntry] = field(default_factory=dict[int, CallerEntry])
    _in_speech: bool = False
    # the agent
    _agent: dict[int, AgentEntry] = field(default_factory=dict[int, AgentEntry])
    _clips: dict[int, _Clip] = field(default_factory=dict[int, _Clip])
    _playing: int = 0
    _held: bool = False
    _thinking: bool = False
    # other work
    _tools: dict[int, ToolEntry] = field(default_factory=dict[int, ToolEntry])
    _transferring: bool = False
    _connected: bool = False

    # ------------------------------------------------------------ interface

    def apply(self, at_us: int, item: Item) -> list[Entry]:
        """Take the next record; at_us: its monotonic time. Returns the entries that are new or changed, each once."""
        if self._zero is None:
            self._zero = at_us
        self.now_ms = max(self.now_ms, self._ms(at_us))
        self._changed = []
        match item:
            case e.Answered() | e.MediaUp() | e.HungUp() | c.Finish() | c.Transfer() | e.TransferState() | e.Dtmf():
                self._lifecycle(item)
            case e.SpeechStarted() | e.SpeechEnded() | e.Heard() | e.HearingFailed():
                self._hear(item)
            case c.TurnEnded() | c.TurnReopened() | c.ReplyEnded() | c.Waterfall() | c.Note():
                self._decide(item)
            case c.Speak() | c.Play() | e.ClipAudio() | e.PlayoutStarted() | e.PlayoutFinished() | c.Stop():
                self._speak(item)
            case e.ClipReady():
                self._clip_ready(item)
            case c.Hold():
                self._hold(held=True)
            case c.Resume():
                self._hold(held=False)
            case c.RunTool() | e.ToolAccepted() | e.ToolEnded() | c.Cancel():
                self._tool(item)
            case c.Generate() | e.Usage() | e.GenerationEnded() | e.PassagesFound():
                self._think(item)
            case e.ProviderAttempt():
                self._provider(item)
            case _:
                pass  # says nothing to a reader: clocks, routing, leases, single tokens
        return self._changed

    @property
    def state(self) -> State:
        """What the call is doing now, in one word."""
        if self.ended:
            return "ended"
        if self._held:
            return "paused"
        if self._playing or any(clip.queued and clip.audio for clip in self._clips.values()):
            return "speaking"
        if self._in_speech:
            return "hearing"
        if self._transferring:
            return "transferring"
        if self._tools:
            return "working"
        if self._thinking:
            return "thinking"
        return "listening" if self._connected else "connecting"

    # ------------------------------------------------------------ helpers

    def _ms(self, at_us: int) -> int:
        return max(0, (at_us - (self._zero or 0)) // 1000)

    def _id(self, letter: str) -> str:
        self._serial += 1
        return f"{letter}{self._serial}"

    def _touch(self, entry: Entry) -> None:
        if not any(entry is known for known in self._changed):
            self._changed.append(entry)

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._touch(entry)

    def _note(self, what: str, text: str, turn: int | None, *, level: str = "info", shown: bool = True) -> None:
        known = "error" if level == "error" else "warning" if level == "warning" else "info"
        self._add(NoteEntry(self._id("n"), self.now_ms, turn, what, text, known, shown))

    # ------------------------------------------------------------ one family of records each

    def _lifecycle(
        self, item: e.Answered | e.MediaUp | e.HungUp | c.Finish | c.Transfer | e.TransferState | e.Dtmf
    ) -> None:
        match item:
            case e.Answered():
                self.started, self.zone = item.wall_time, item.zone
            case e.MediaUp():
                self._connected = True
            case e.HungUp():
                self._end(item.reason)
            case c.Finish():
                self._end(item.reason)
            case c.Transfer():
                self._transferring = True
                self._note("transfer", f"Handing the caller over to {item.target}.", item.turn)
            case e.TransferState(state="connected"):
                self._note("transfer", "The caller was handed over.", item.turn)
            case e.TransferState(state="failed"):
                self._transferring = False
                self._note("transfer", "The transfer failed.", item.turn, level="warning")
            case e.TransferState():
                self._note("transfer", "The other phone is ringing.", item.turn)
            case e.Dtmf():
                self._note("dtmf", f"The caller pressed {item.digit}.", None)

    def _end(self, reason: str) -> None:
        self.end_reason = self.end_reason or reason
        self.ended = True
        self._settle_caller("ignored", "")
        for entry in list(self._agent.values()):
            self._close_agent(entry, entry.heard or entry.text, "finished" if not entry.until_ms else entry.status, "")

    def _hear(self, item: e.SpeechStarted | e.SpeechEnded | e.Heard | e.HearingFailed) -> None:
        match item:
            case e.SpeechStarted():
                self._in_speech = True
                self._settled = None
                if self._caller is None:
                    self._caller = CallerEntry(self._id("c"), self._ms(item.at), None)
                    self._finals = []
            case e.SpeechEnded():
                self._in_speech = False
                if self._caller is not None:
                    self._caller.until_ms = self._ms(item.at)
            case e.Heard():
                self._heard(item)
            case e.HearingFailed():
                self._note("hearing_failed", f"Speech recognition is lost ({item.code}).", None, level="error")

    def _heard(self, item: e.Heard) -> None:
        if self._settled is not None:
            return  # a late transcript of speech that was already decided; a reopened turn brings the whole text
        if self._caller is None:
            self._caller = CallerEntry(self._id("c"), self.now_ms, None)
            self._finals = []
        entry = self._caller
        if item.kind == "final":
            if item.text:
                self._finals.append(item.text)
            entry.text = " ".join(self._finals)
            entry.status = "final"
        else:
            entry.text = " ".join([*self._finals, item.text]).strip()
            entry.status = "interim"
        if entry.text:
            self._show_caller(entry)

    def _show_caller(self, entry: CallerEntry) -> None:
        if any(entry is known for known in self.entries):
            self._touch(entry)
        else:
            self._add(entry)

    def _settle_caller(self, status: str, why: str) -> None:
        """The open words of the caller are decided not to be a turn."""
        entry, self._caller = self._caller, None
        self._finals = []
        if entry is None:
            return
        entry.status = "backchannel" if status == "backchannel" else "ignored"
        entry.why = why
        self._settled = entry
        if entry.text:
            self._show_caller(entry)

    def _decide(self, item: c.TurnEnded | c.TurnReopened | c.ReplyEnded | c.Waterfall | c.Note) -> None:
        match item:
            case c.TurnEnded():
                entry = self._caller or CallerEntry(self._id("c"), self.now_ms, self.now_ms)
                entry.text, entry.status, entry.turn, entry.why = item.text, "turn", item.turn, item.why
                self._caller, self._finals, self._settled, self._thinking = None, [], entry, True
                self._of_turn[item.turn] = entry
                self._show_caller(entry)
                self._note("turn_ended", explain.turn_ended(item), item.turn, shown=False)
            case c.TurnReopened():
                entry = self._of_turn.pop(item.turn, None)
                self._thinking = False
                if entry is not None:
                    self._rejoin(entry)
                self._note("turn_reopened", explain.turn_reopened(item), item.turn, shown=False)
            case c.ReplyEnded():
                self._reply_ended(item)
            case c.Waterfall():
                self._waterfall(item)
            case c.Note():
                text = explain.note(item)
                if item.kind in _CALLER_NOTES:
                    self._settle_caller(_CALLER_NOTES[item.kind], text)
                self._note(item.kind, text, item.turn or None, shown=item.kind not in _QUIET_NOTES)

    def _rejoin(self, entry: CallerEntry) -> None:
        """The turn goes on: its entry takes the new words, and those already shown as their own are folded in."""
        newer = self._caller
        self._finals = [entry.text]
        if newer is not None:
            self._finals += [newer.text] if newer.text else []
            entry.text = " ".join(self._finals)
            entry.until_ms = newer.until_ms
            newer.text, newer.status = "", "ignored"
            if any(newer is known for known in self.entries):
                self._touch(newer)
        entry.status, entry.turn = "final", None
        self._caller, self._settled = entry, None
        self._show_caller(entry)

    def _reply_ended(self, item: c.ReplyEnded) -> None:
        entry = self._agent.get(item.turn)
        why = explain.reply_ended(item)
        if item.outcome == "discarded":
            self._usage(item.turn).discarded += 1
        if entry is not None:
            self._close_agent(entry, item.heard, item.outcome, item.why)
        if why is not None:
            self._note(f"reply_{item.outcome}", why, item.turn, shown=False)
        if item.outcome != "discarded":
            self._thinking = False

    def _close_agent(self, entry: AgentEntry, heard: str, status: str, why: str) -> None:
        self._agent.pop(entry.turn, None)
        entry.heard, entry.why = heard, why
        entry.until_ms = entry.until_ms if entry.until_ms is not None and status == "finished" else self.now_ms
        entry.status = (
            "interrupted" if status == "interrupted" else "discarded" if status == "discarded" else "finished"
        )
        for key in [k for k, clip in self._clips.items() if clip.entry is entry]:
            del self._clips[key]
        self._touch(entry)

    def _waterfall(self, item: c.Waterfall) -> None:
        stages: list[tuple[str, float]] = []
        total = last = 0
        for name, us in item.stages:
            total += us
            edge = (total + 50) // 100  # tenths of a millisecond; rounding the edges keeps the sum exact
            stages.append((name, (edge - last) / 10))
            last = edge
        first, answer = (item.mouth_to_ear + 50) // 100 / 10, (item.answer + 50) // 100 / 10
        self._add(
            WaterfallEntry(
                self._id("w"), self.now_ms, item.turn, tuple(stages), last / 10, first, answer, item.speculative
            )
        )

    def _speak(self, item: c.Speak | c.Play | e.ClipAudio | e.PlayoutStarted | e.PlayoutFinished | c.Stop) -> None:
        if isinstance(item, c.Stop):
            self._playing, self._held = 0, False
            for clip in self._clips.values():
                clip.queued = False
            return
        clip = self._clips.setdefault(item.attempt, _Clip(item.turn))
        match item:
            case c.Speak():
                clip.text += item.text
                if clip.entry is not None:
                    clip.entry.text += item.text
                    self._touch(clip.entry)
            case c.Play():
                clip.queued, clip.cached = True, item.cached
                if item.cached:
                    clip.text, clip.audio = self.clips.get(item.cached, f"[{item.cached}]"), True
            case e.ClipAudio():
                clip.audio = True
            case e.PlayoutStarted():
                self._playing, self._held, self._thinking = item.attempt, False, False
                self._sound(clip)
            case e.PlayoutFinished():
                self._playing = 0 if self._playing == item.attempt else self._playing
                clip.queued = False
                if clip.entry is not None:
                    clip.entry.until_ms = self.now_ms

    def _sound(self, clip: _Clip) -> None:
        """The clip begins to sound: its text joins the reply's."""
        entry = self._agent.get(clip.turn)
        if entry is None:
            entry = AgentEntry(self._id("a"), self.now_ms, None, clip.turn)
            self._agent[clip.turn] = entry
            self._add(entry)
        if clip.entry is None:
            clip.entry = entry
            entry.text = f"{entry.text.rstrip()} {clip.text.lstrip()}".strip() if entry.text else clip.text.lstrip()
            if clip.cached:
                entry.clips = (*entry.clips, clip.cached)
        entry.status = "speaking"
        self._touch(entry)

    def _clip_ready(self, item: e.ClipReady) -> None:
        clip = self._clips.get(item.attempt)
        if clip is not None:
            clip.audio = clip.audio or item.samples > 0
        if item.failed:
            self._note("speech_failed", f"A clause could not be spoken ({item.failed}).", item.turn, level="error")
            if clip is not None and clip.entry is None and not item.samples:
                del self._clips[item.attempt]

    def _hold(self, *, held: bool) -> None:
        playing = self._clips.get(self._playing)
        self._held = held and bool(self._playing)
        if playing is not None and playing.entry is not None:
            playing.entry.status = "held" if held else "speaking"
            self._touch(playing.entry)

    def _tool(self, item: c.RunTool | e.ToolAccepted | e.ToolEnded | c.Cancel) -> None:
        if isinstance(item, c.RunTool):
            entry = ToolEntry(self._id("t"), self.now_ms, None, item.turn, item.name, item.arguments, item.side_effects)
            self._tools[item.attempt] = entry
            self._add(entry)
            return
        entry = self._tools.get(item.attempt)
        if entry is None:
            if isinstance(item, c.Cancel) and item.attempt in self._clips:
                self._clips[item.attempt].queued = False
            return
        match item:
            case e.ToolAccepted():
                entry.status = "accepted"
            case e.ToolEnded():
                del self._tools[item.attempt]
                entry.status, entry.result, entry.until_ms = item.outcome, item.result, self.now_ms
            case c.Cancel():
                del self._tools[item.attempt]
                entry.status, entry.until_ms = "cancelled", self.now_ms
        self._touch(entry)

    def _usage(self, turn: int) -> Usage:
        return self.usage.setdefault(turn, Usage())

    def _think(self, item: c.Generate | e.Usage | e.GenerationEnded | e.PassagesFound) -> None:
        match item:
            case c.Generate():
                usage = self._usage(item.turn)
                usage.generations += 1
                usage.speculative += int(item.speculative)
            case e.Usage():
                usage = self._usage(item.turn)
                usage.prompt_tokens += item.prompt_tokens
                usage.completion_tokens += item.completion_tokens
                usage.cached_tokens += item.cached_tokens
            case e.GenerationEnded():
                if item.failed:
                    self._note(
                        "generation_failed", f"No reply could be generated ({item.failed}).", item.turn, level="error"
                    )
            case e.PassagesFound():
                if item.passages:
                    self.passages[item.turn] = tuple(dict.fromkeys(p.source for p in item.passages))

    def _provider(self, item: e.ProviderAttempt) -> None:
        self.providers.append(
            ProviderRecord(self.now_ms, item.stage, item.provider, item.state, item.turn, item.attempt, item.code)
        )
        text = explain.provider(item)
        if text is not None:
            level = "error" if item.state == "failed" else "warning"
            self._note(f"provider_{item.state}", text, item.turn or None, level=level)
