"""One call, sans IO: hand in an event with its time, drain the commands, wait until the next deadline.

    call.handle(event, now)        # one mutation; now: monotonic µs, never decreasing
    call.poll() -> Command | None  # drain until None
    call.next_deadline()           # µs, or None once the call has ended

Guarantees: never raises for any order of events; the same events at the same times give the same commands; `Finish` is
the last command. The contracts of the design are properties over arbitrary event
orders (tests/unit/core).
"""

from __future__ import annotations

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core import snapshot
from aivoice.core.budget import LeaseClock
from aivoice.core.config import CallConfig
from aivoice.core.context import History
from aivoice.core.conversation import Conversation
from aivoice.core.ears import Ears
from aivoice.core.intents import person_target
from aivoice.core.mouth import Mouth
from aivoice.core.notes import NoteTaker
from aivoice.core.outbox import Outbox
from aivoice.core.rules import RULES
from aivoice.core.snapshot import Json
from aivoice.core.state import ConversationState
from aivoice.core.text import join
from aivoice.core.toolbox import Toolbox
from aivoice.core.turn import Phase
from aivoice.core.window import fixed_tokens

PERSON_KEY = "0"
# More moves than this for one event would be a loop in the rules; the rest waits for the next event.
_MOST_MOVES = 50


class Call:
    """Composes the parts of one conversation."""

    def __init__(self, config: CallConfig) -> None:
        out, history, state = Outbox(), History(), ConversationState()
        toolbox = Toolbox(config, out)
        self._out = out
        self._talk = Conversation(
            config=config,
            out=out,
            ears=Ears(config.endpointing),
            mouth=Mouth(config, out, history, state, toolbox),
            toolbox=toolbox,
            history=history,
            state=state,
            taker=NoteTaker(out, history, state),
            lease=LeaseClock(config.lease),
        )
        self._deadline: int | None = None

    def handle(self, event: e.Event, now: int) -> None:
        """Take one event. After the call has ended only late tool results are taken note of."""
        talk = self._talk
        if talk.ended:
            if isinstance(event, e.ToolEnded) and event.attempt in talk.toolbox.open:
                talk.toolbox.ended(event)
            return
        self._apply(event, now)
        self._move(now)

    def poll(self) -> c.Command | None:
        """The next command, or None."""
        commands = self._out.commands
        return commands.popleft() if commands else None

    def next_deadline(self) -> int | None:
        """When a `Tick` is due at the latest, in µs; it may lie in the past."""
        return self._deadline

    def snapshot(self) -> dict[str, Json]:
        """The state as JSON values. Raises SnapshotError while commands wait to be polled."""
        if self._out.commands:
            raise snapshot.SnapshotError("commands are waiting: poll them all before writing the call down")
        return {**snapshot.write(self._talk), "deadline": self._deadline}

    @classmethod
    def restore(cls, written: dict[str, Json], config: CallConfig) -> Call:
        """The call as it was, under `config`, on a clock that goes on. Raises SnapshotError.

        Operations that were open are still waited for: the engine reports their end or failure.
        """
        call = cls(config)
        call._talk = snapshot.read(written, config)
        call._out, call._deadline = call._talk.out, written.get("deadline")
        return call

    @property
    def phase(self) -> Phase:
        """Where the call stands, for people; see `turn`."""
        return self._talk.phase

    @property
    def ended(self) -> bool:
        return self._talk.ended

    def _move(self, now: int) -> None:
        talk = self._talk
        self._deadline = now
        for _ in range(_MOST_MOVES):  # pragma: no branch - running out would be a loop in the rules
            if talk.ended:
                self._deadline = None
                return
            earliest: int | None = None
            for rule in RULES:
                due = rule.deadline(talk)
                if due is None:
                    continue
                if due <= now:
                    rule.act(talk, now)
                    break
                if earliest is None or due < earliest:
                    earliest = due
            else:
                self._deadline = earliest
                return

    # ------------------------------------------------------------ events

    def _apply(self, event: e.Event, now: int) -> None:
        match event:
            case e.SpeechStarted() | e.SpeechEnded() | e.Heard() | e.HearingFailed() | e.TurnScored() | e.Dtmf():
                self._caller(event, now)
            case e.ClipAudio() | e.ClipReady() | e.PlayoutStarted() | e.PlayoutFinished() | e.PlayoutHeld():
                self._playout(event, now)
            case e.PassagesFound() | e.Token() | e.ToolRequested() | e.GenerationEnded() | e.ToolEnded():
                self._thinking(event, now)
            case e.SummaryReady() | e.StateReady() | e.Usage() | e.ToolAccepted() | e.ProviderAttempt() | e.Tick():
                self._aside(event)
            case _:
                self._line(event, now)

    def _line(self, event: e.Event, now: int) -> None:
        """The call itself, its legs and its credit."""
        talk = self._talk
        match event:
            case e.Answered():
                talk.answered_at = talk.idle_since = talk.lease.until = now
                talk.mouth.call_time = event.wall_time
                if (fixed := fixed_tokens(talk.config)) > talk.config.window.system:
                    talk.out.emit(c.Note("instructions_over_budget", detail=f"{fixed} tokens"))
                talk.out.emit(c.Listen(event.leg))
            case e.MediaUp() if not talk.up:
                talk.up, talk.idle_since = True, now
                if talk.config.announcement:
                    talk.close(talk.config.announcement, "announced", now)
                else:
                    talk.mouth.notice(0, ("greeting",), now)
            case e.HungUp():
                talk.finish(event.reason)
            case e.TransferState() if talk.transferring and talk.transferring.attempt == event.attempt:
                if event.state != "ringing":
                    talk.transferring = None  # over: there is nothing left to cancel
                    talk.transfer_ended(event.state == "connected", now)
            case e.LeaseGranted() if event.attempt == talk.lease.asking:
                talk.lease.granted(event.seconds, now)
            case e.LeaseRefused() if event.attempt == talk.lease.asking:
                talk.lease.refused = True
            case _:
                talk.out.emit(c.Note("ignored", talk.turn, detail=type(event).__name__))

    def _aside(
        self, event: e.SummaryReady | e.StateReady | e.Usage | e.ToolAccepted | e.ProviderAttempt | e.Tick
    ) -> None:
        """Background results: they change what the next prompt shows, nothing that is audible now."""
        match event:
            case e.SummaryReady():
                self._talk.taker.on_summary(event, self._talk.config.window)
            case e.StateReady():
                self._talk.taker.on_state(event)
            case e.Usage():
                self._talk.mouth.charged(event)
            case _:
                pass

    def _caller(
        self, event: e.SpeechStarted | e.SpeechEnded | e.Heard | e.HearingFailed | e.TurnScored | e.Dtmf, now: int
    ) -> None:
        talk = self._talk
        match event:
            case e.SpeechStarted():
                talk.ears.on_started(event)
                talk.continued = False
                if _may_contest(talk):
                    talk.open_contest(now)
            case e.SpeechEnded():
                talk.ears.on_ended(event, now)
                talk.heard_end = max(talk.heard_end, event.position)
            case e.Heard():
                self._heard(event, now)
            case e.HearingFailed():
                talk.deaf_at, talk.deaf_count = now, talk.deaf_count + 1
                talk.decided.final_owed = False
            case e.TurnScored():
                talk.ears.score = event.probability
            case _:
                self._key(event.digit, now)

    def _key(self, digit: str, now: int) -> None:
        """The 0 key: a person, at once, unless that is already under way."""
        talk = self._talk
        reply = talk.committed()
        busy = talk.closing or talk.transferring is not None or (reply is not None and reply.firm)
        if digit == PERSON_KEY and talk.up and not busy:
            talk.ears.forget(talk.heard_end)
            talk.hand_over("transfer", person_target(talk.config), "key 0", now)

    def _heard(self, event: e.Heard, now: int) -> None:
        talk = self._talk
        if event.kind == "resumed":
            talk.eager = False
            return
        if talk.repeats_decided(event):
            if event.kind == "final":  # of a part: the decided turn's own finals grow, should it reopen
                talk.decided.prefix = join([talk.decided.prefix, event.text])
            return
        if talk.is_tail_of_echo(event):
            talk.out.emit(c.Note("ignored_words", talk.turn, detail="echo"))
            event = e.Heard(event.kind, "", event.start, event.end, event.confidence, event.leg)
        talk.ears.on_heard(event, now)
        talk.heard_at, talk.heard_end = now, max(talk.heard_end, event.end)
        talk.deaf_count = 0 if event.text else talk.deaf_count
        talk.eager = event.kind == "eager"
        talk.words_came(event, now)

    def _playout(
        self, event: e.ClipAudio | e.ClipReady | e.PlayoutStarted | e.PlayoutFinished | e.PlayoutHeld, now: int
    ) -> None:
        talk = self._talk
        if isinstance(event, e.PlayoutHeld):
            at, grown = talk.mouth.on_held(event)
            if at <= talk.decided.history:  # decided since the cut
                talk.decided.history += grown
            if talk.contest is not None:
                talk.contest.clip, talk.contest.samples = event.attempt, event.samples
                talk.contest.words, talk.contest.placed = event.words, True
        else:
            talk.mouth.on_clip(event, now)

    def _thinking(
        self, event: e.PassagesFound | e.Token | e.ToolRequested | e.GenerationEnded | e.ToolEnded, now: int
    ) -> None:
        talk = self._talk
        match event:
            case e.PassagesFound():
                talk.mouth.on_passages(event, now)
            case e.Token():
                talk.mouth.on_token(event, now)
            case e.ToolRequested():
                reply = talk.mouth.reply
                if reply is not None and reply.generating == event.attempt:
                    talk.toolbox.request(reply, event, now)
                else:
                    talk.out.emit(c.Note("stale", event.turn, event.attempt, "tool request"))
            case e.GenerationEnded():
                talk.mouth.on_generation_ended(event, now)
            case _:
                run = talk.toolbox.ended(event)
                reply = talk.mouth.reply
                told = run is None or (reply is not None and run in reply.tools)
                if run is not None and not told:
                    first = talk.toolbox.runs.get(run.key, run)  # asked for twice, run once: both are told
                    changed = [talk.history.replace_tool_result(each.message()) for each in (first, run)]
                    if any(changed):
                        talk.untold.append(run)
                        talk.drop_guess("a tool's result came")


def _may_contest(talk: Conversation) -> bool:
    """A reply has the floor, even if nothing of it sounds yet: voice holds it back until it is known what it was."""
    reply = talk.committed()
    return reply is not None and not reply.firm and talk.contest is None
