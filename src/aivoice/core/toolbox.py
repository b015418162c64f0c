"""The life of a tool call: requested, allowed, running, ended; never a side effect twice. Pure.

The key of a run is (tool, canonical arguments, confirming turn): a regenerated reply that asks for the same again is
given the first run's outcome. A side effect starts only for a committed reply after a quiet while, and once started is
never cancelled; read-only tools start at once. One whose reply went away goes on: who asks for the same again, in that
turn or the next, is given its result and has no second wait.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.outbox import Outbox
from aivoice.core.prompt import ToolSpec
from aivoice.core.reply import After, Reply, ToolRun

TRANSFER, END_CALL = "transfer", "end_call"
_BUILT_IN_LIMIT_MS = 5_000


def canonical_arguments(arguments: str) -> str:
    """Sorted keys, no spaces; text that is no JSON object is kept as it is (the tool will refuse it)."""
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        return arguments
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def idempotency_key(name: str, arguments: str, turn: int) -> str:
    """Stable over processes: SHA-256 of tool, canonical arguments and the confirming turn, 32 hex digits."""
    return hashlib.sha256(f"{name}\n{arguments}\n{turn}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class Toolbox:
    """runs: every side effect ever started, by key. open: runs that have not ended, by attempt. kept: read-only runs
    whose reply is gone, by tool and arguments."""

    config: CallConfig
    out: Outbox
    runs: dict[str, ToolRun] = field(default_factory=dict[str, ToolRun])
    open: dict[int, ToolRun] = field(default_factory=dict[int, ToolRun])
    kept: dict[str, ToolRun] = field(default_factory=dict[str, ToolRun])

    def spec(self, name: str) -> ToolSpec | None:
        return next((spec for spec in self.config.tools if spec.name == name), None)

    def request(self, reply: Reply, event: e.ToolRequested, now: int) -> None:
        """The model wants a tool. Built-ins that end the reply are noted, unknown ones fail at once."""
        arguments = canonical_arguments(event.arguments)
        spec = self.spec(event.name)
        built_in = event.name in (TRANSFER, END_CALL)
        run = ToolRun(
            event.call_id,
            event.name,
            arguments,
            idempotency_key(event.name, arguments, reply.turn),
            spec.side_effects if spec else False,
            spec.time_limit_ms if spec else _BUILT_IN_LIMIT_MS,
            reply.turn,
            reply.round,
            now,
        )
        reply.tools.append(run)
        if built_in:
            run.outcome, run.result = "ok", '{"status":"ok"}'
            reply.after = self._after(event.name, arguments)
        elif spec is None:
            run.outcome = "failed"
            self.out.emit(c.Note("unknown_tool", reply.turn, reply.generating))
        elif (earlier := self.runs.get(run.key)) is not None:
            self._adopt(run, earlier)
        elif not run.side_effects:
            kept = self.kept.pop(_asked(run), None)
            if kept is not None and kept.outcome in ("", "ok") and run.turn - kept.turn <= 1:
                self._adopt(run, kept)
            else:
                self._start(run)

    def _after(self, name: str, arguments: str) -> After:
        if name == END_CALL:
            return After("finish", "agent_ended", "the conversation was over")
        try:
            target = str(json.loads(arguments).get("target", ""))
        except (ValueError, AttributeError):
            target = ""
        return After("transfer", target, "the model asked for it")

    def _adopt(self, run: ToolRun, earlier: ToolRun) -> None:
        """The same was already started: share its fate instead of running again."""
        run.attempt, run.outcome, run.result = earlier.attempt, earlier.outcome, earlier.result
        if earlier.running:
            self.open[earlier.attempt] = run

    def start_allowed(self, reply: Reply) -> None:
        """The reply is committed and it has been quiet long enough: start its waiting side effects."""
        for run in reply.tools:
            if not run.attempt and not run.outcome:
                earlier = self.runs.get(run.key)
                if earlier is not None:
                    self._adopt(run, earlier)
                else:
                    self._start(run)

    def _start(self, run: ToolRun) -> None:
        run.attempt = self.out.new_id()
        self.open[run.attempt] = run
        if run.side_effects:
            self.runs[run.key] = run
        self.out.emit(
            c.RunTool(
                run.turn,
                run.attempt,
                run.call_id,
                run.name,
                run.arguments,
                run.key,
                run.side_effects,
                run.time_limit_ms,
            )
        )

    def ended(self, event: e.ToolEnded) -> ToolRun | None:
        """A run ended; None where it is no longer waited for."""
        run = self.open.pop(event.attempt, None)
        if run is None:
            self.out.emit(c.Note("stale", event.turn, event.attempt, "tool"))
            return None
        run.outcome, run.result = event.outcome, event.result
        first = self.runs.get(run.key)
        if first is not None:
            first.outcome, first.result = event.outcome, event.result
        return run

    def drop(self, reply: Reply, *, unheard: bool) -> None:
        """The reply is gone: what has not started never will, side effects go on, and so do read-only runs, for whoever
        asks for the same. unheard: history will not show what had ended, so that is kept, too."""
        for run in reply.tools:
            if run.attempt and run.side_effects:
                continue
            if run.running or (unheard and run.attempt and run.outcome == "ok"):
                kept = self.kept[_asked(run)] = replace(run)
                if run.running:
                    self.open[run.attempt] = kept
            run.outcome = run.outcome or "dropped"

    def close(self) -> None:
        """The call is over: read-only runs end, side effects go on."""
        for attempt in sorted(key for key, run in self.open.items() if not run.side_effects):
            self.out.emit(c.Cancel(self.open.pop(attempt).turn, attempt))

    def usual_end(self, run: ToolRun, from_: int) -> int:
        """When a run that may start from `from_` on (µs) will probably have ended; 0 where nothing is known."""
        spec = self.spec(run.name)
        rules = self.config.tool_rules
        usual = rules.usual_ms(run.name, spec.usual_ms if spec else 0)
        begins = from_ + rules.quiet * 1_000 if run.side_effects and not run.attempt else run.requested_at
        return begins + usual * 1_000 if usual else 0

    def side_effect_begun(self, reply: Reply) -> bool:
        """A side effect of this reply was started: the turn can no longer be undone."""
        return any(run.side_effects and run.attempt for run in reply.tools)


def _asked(run: ToolRun) -> str:
    return f"{run.name}\n{run.arguments}"
