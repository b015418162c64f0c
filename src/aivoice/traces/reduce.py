"""From a call's records, one by one, to what a reader sees of it. Both the live view and the trace stand on this.

Pure: the same records give the same entries with the same ids. Unknown orders are taken as they come; nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces import explain
from aivoice.traces.agent_side import AgentSide
from aivoice.traces.caller_side import CallerSide
from aivoice.traces.ledger import Ledger
from aivoice.traces.model import Entry, Guesses, ProviderRecord, State, ToolEntry, Usage, WaterfallEntry

Item = e.Event | c.Command

# Notes that a reader of the conversation need not see: their effect is visible, or there is none.
_QUIET_NOTES = frozenset({"stale", "ignored", "carried_on", "ignored_words", "late_final"})


class CallReducer:
    """The call so far. clips: text of the ready-made clips by key (they are spoken without a `Speak`).

    Times count from the moment media came up, as in the recording. Memory grows with the entries of the call, not
    with its audio or tokens.
    """

    def __init__(self, clips: Mapping[str, str] | None = None) -> None:
        self._ledger = Ledger()
        self._caller = CallerSide(self._ledger)
        self._agent = AgentSide(self._ledger, dict(clips or {}))
        self.providers: list[ProviderRecord] = []
        self.usage: dict[int, Usage] = {}
        self.passages: dict[int, tuple[str, ...]] = {}
        self.guesses = Guesses()
        self.started = ""
        self.zone = ""
        self.end_reason = ""
        self.ended = False
        self._tools: dict[int, ToolEntry] = {}
        self._thinking = self._transferring = self._connected = False

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order of their creation."""
        return self._ledger.entries

    @property
    def now_ms(self) -> int:
        return self._ledger.now_ms

    @property
    def state(self) -> State:
        """What the call is doing now, in one word."""
        if self.ended:
            return "ended"
        if not self._connected:
            return "connecting"
        if self._agent.held:
            return "paused"
        if self._agent.speaking:
            return "speaking"
        if self._caller.in_speech:
            return "hearing"
        if self._transferring:
            return "transferring"
        if self._tools:
            return "working"
        return "thinking" if self._thinking else "listening"

    def apply(self, at_us: int, item: Item) -> list[Entry]:
        """Take the next record; at_us: its monotonic time. Returns the entries that are new or changed, each once."""
        self._ledger.at(at_us)
        match item:
            case e.Answered() | e.MediaUp() | e.HungUp() | e.Dtmf() | c.Transfer() | e.TransferState() | c.Finish():
                self._lifecycle(at_us, item)
            case e.SpeechStarted() | e.SpeechEnded():
                self._caller.voice(item)
            case e.Heard():
                self._caller.heard(item)
            case e.HearingFailed():
                text = f"Speech recognition is lost ({item.code})."
                self._ledger.note("hearing_failed", text, None, level="error")
            case c.TurnEnded() | c.TurnReopened() | c.ReplyEnded() | c.Waterfall() | c.Speculated() | c.Note():
                self._decide(item)
            case c.Speak() | c.Play() | e.ClipAudio() | e.PlayoutFinished():
                self._agent.apply(item)
            case e.PlayoutStarted():
                self._thinking = False
                self._agent.apply(item)
            case e.ClipReady():
                self._agent.ready(item)
            case c.Hold():
                self._agent.hold(True)
            case c.Resume():
                self._agent.hold(False)
            case c.Stop():
                self._agent.stop()
            case c.RunTool() | e.ToolAccepted() | e.ToolEnded() | c.Cancel():
                self._tool(item)
            case c.Generate() | e.Usage() | e.GenerationEnded() | e.PassagesFound():
                self._think(item)
            case e.ProviderAttempt():
                self._provider(item)
            case _:
                pass  # says nothing to a reader: clocks, routing, leases, single tokens
        return self._ledger.changed

    # ------------------------------------------------------------ one family of records each

    def _lifecycle(
        self,
        at_us: int,
        item: e.Answered | e.MediaUp | e.HungUp | e.Dtmf | c.Transfer | e.TransferState | c.Finish,
    ) -> None:
        note = self._ledger.note
        match item:
            case e.Answered():
                self.started, self.zone = item.wall_time, item.zone
            case e.MediaUp():
                if not self._connected:
                    self._ledger.begin(at_us)
                self._connected = True
            case e.HungUp() | c.Finish() if self.ended:
                pass
            case e.HungUp():
                self.end_reason = self.end_reason or item.reason
            case c.Finish():
                self.end_reason = item.reason
                self.ended = True
                self._caller.settle("ignored", "")
            case e.Dtmf():
                note("dtmf", f"The caller pressed {item.digit}.", None)
            case c.Transfer():
                self._transferring = True
                note("transfer", f"Handing the caller over to {item.target}.", item.turn)
            case e.TransferState():
                self._transfer(item.state, item.turn)

    def _transfer(self, state: Literal["ringing", "connected", "failed"], turn: int) -> None:
        match state:
            case "ringing":
                self._ledger.note("transfer", "The other phone is ringing.", turn)
            case "connected":
                self._ledger.note("transfer", "The caller was handed over.", turn)
            case "failed":
                self._transferring = False
                self._ledger.note("transfer", "The transfer failed.", turn, level="warning")

    def _decide(self, item: c.TurnEnded | c.TurnReopened | c.ReplyEnded | c.Waterfall | c.Speculated | c.Note) -> None:
        note = self._ledger.note
        match item:
            case c.TurnEnded():
                self._thinking = True
                self._caller.turn_ended(item)
                note("turn_ended", explain.turn_ended(item), item.turn, shown=False)
            case c.TurnReopened():
                self._thinking = False
                self._caller.reopened(item.turn)
                note("turn_reopened", explain.turn_reopened(item), item.turn, shown=False)
            case c.ReplyEnded():
                self._agent.reply_ended(item)
                self._usage(item.turn).discarded += int(item.outcome == "discarded")
                self._thinking = self._thinking and item.outcome == "discarded"
                text = explain.reply_ended(item)
                if text is not None:
                    note(f"reply_{item.outcome}", text, item.turn, shown=False)
            case c.Waterfall():
                self._waterfall(item)
            case c.Speculated():
                self._speculated(item)
            case c.Note():
                self._note(item)

    def _note(self, item: c.Note) -> None:
        text = explain.note(item)
        match item.kind:
            case "carried_on":
                aside = "backchannel" if "backchannel" in item.detail else "ignored"
                self._caller.settle(aside, text)
            case "ignored_words":
                self._caller.settle("backchannel", text)
            case "late_final":
                self._caller.late_final()
            case _:
                pass
        level = "error" if item.kind == "task_failed" else "info"
        self._ledger.note(item.kind, text, item.turn, level=level, shown=item.kind not in _QUIET_NOTES)

    def _waterfall(self, item: c.Waterfall) -> None:
        stages: list[tuple[str, float]] = []
        total = last = 0
        for name, us in item.stages:
            total += us
            edge = (total + 50) // 100  # tenths of a millisecond; rounding the edges keeps the sum exact
            stages.append((name, (edge - last) / 10))
            last = edge
        first, answer = (item.mouth_to_ear + 50) // 100 / 10, (item.answer + 50) // 100 / 10
        self._ledger.show(
            WaterfallEntry(
                id=self._ledger.new_id("w"),
                at_ms=self._ledger.now_ms,
                turn=item.turn,
                stages=tuple(stages),
                total_ms=last / 10,
                first_sound_ms=first,
                answer_ms=answer,
                speculative=item.speculative,
                saved_ms=(item.saved + 50) // 100 / 10,
            )
        )

    def _tool(self, item: c.RunTool | e.ToolAccepted | e.ToolEnded | c.Cancel) -> None:
        now = self._ledger.now_ms
        if isinstance(item, c.RunTool):
            new = self._ledger.new_id("t")
            entry = ToolEntry(new, now, None, item.turn, item.name, item.arguments, item.side_effects)
            self._tools[item.attempt] = entry
            self._ledger.show(entry)
            return
        entry = self._tools.get(item.attempt)
        if entry is None:
            if isinstance(item, c.Cancel):
                self._agent.cancel(item.attempt)
            return
        match item:
            case e.ToolAccepted():
                entry.status = "accepted"
            case e.ToolEnded():
                del self._tools[item.attempt]
                entry.status, entry.result, entry.until_ms = item.outcome, item.result, now
            case c.Cancel():
                del self._tools[item.attempt]
                entry.status, entry.until_ms = "cancelled", now
        self._ledger.show(entry)

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
                    text = f"No reply could be generated ({item.failed})."
                    self._ledger.note("generation_failed", text, item.turn, level="error")
            case e.PassagesFound():
                if item.passages:
                    self.passages[item.turn] = tuple(dict.fromkeys(p.source for p in item.passages))

    def _speculated(self, item: c.Speculated) -> None:
        total, tokens = item.call.total(), round(item.call.tokens)
        self.guesses = Guesses(
            made=round(total.guesses),
            used=round(total.hits),
            tokens=tokens,
            wasted_tokens=round(total.wasted),
            wasted_share=round(item.call.waste(), 4),
            saved_ms=round(total.saved_ms, 1),
            most=item.most,
        )
        self._ledger.note("speculated", explain.speculated(item), None, shown=False)

    def _provider(self, item: e.ProviderAttempt) -> None:
        self.providers.append(
            ProviderRecord(self.now_ms, item.stage, item.provider, item.state, item.turn, item.attempt, item.code)
        )
        text = explain.provider(item)
        if text is not None:
            level = "error" if item.state == "failed" else "warning"
            self._ledger.note(f"provider_{item.state}", text, item.turn, level=level)
