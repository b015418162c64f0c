"""One conversation's state and the moves that change it. `rules` says when a move is due; `call` feeds events in."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.barge_in import Verdict, decide, is_backchannel, is_echo, is_tail_of_echo
from aivoice.core.budget import LeaseClock
from aivoice.core.config import CallConfig
from aivoice.core.context import History
from aivoice.core.decided import Decided
from aivoice.core.ears import Ears
from aivoice.core.endpointing import expectation
from aivoice.core.heard import resume_at
from aivoice.core.intents import is_emergency, person_target, wanted_target, wants_person
from aivoice.core.mouth import Mouth
from aivoice.core.notes import NoteTaker
from aivoice.core.outbox import Outbox
from aivoice.core.prompt import Message
from aivoice.core.reply import After, Reply, ToolRun
from aivoice.core.state import ConversationState
from aivoice.core.text import join, same
from aivoice.core.toolbox import Toolbox
from aivoice.core.turn import Phase, phase
from aivoice.core.waterfall import Marks

_RECENT_WORDS = 14
_SEGMENT_SLACK = 8_000
"""A final may end up to 500 ms before the voice did, by the recogniser's own count."""


@dataclass(slots=True)
class Contest:
    """The caller speaks over the agent, who is silenced and keeps its place. at: since when. words_at: first words.
    placed: playout has told where it was silenced."""

    at: int
    words_at: int = 0
    placed: bool = False
    clip: int = 0
    samples: int = 0
    words: tuple[int, ...] = ()


@dataclass(slots=True)
class Transferring:
    attempt: int
    target: str
    since: int


@dataclass(slots=True)
class Conversation:
    """turn: number of the last decided turn. closing: why we are saying goodbye, since `closing_at`.
    idle_since: since when neither side has anything going, in µs.

    deaf_at: since when the recogniser is to be reopened (0: it works); deaf_count: how often in a row it had to be.
    heard_at, heard_end: when the last words came (µs) and up to which sample of the caller they reach.
    """

    config: CallConfig
    out: Outbox
    ears: Ears
    mouth: Mouth
    toolbox: Toolbox
    history: History
    state: ConversationState
    taker: NoteTaker
    lease: LeaseClock
    turn: int = 0
    answered_at: int = 0
    up: bool = False
    ended: bool = False
    closing: str = ""
    closing_at: int = 0
    deaf_at: int = 0
    deaf_count: int = 0
    contest: Contest | None = None
    transferring: Transferring | None = None
    decided: Decided = field(default_factory=Decided)
    untold: list[ToolRun] = field(default_factory=list[ToolRun])
    speculations: int = 0
    reprompts: int = 0
    failures: int = 0
    idle_since: int = 0
    continued: bool = False
    eager: bool = False
    heard_at: int = 0
    heard_end: int = 0

    @property
    def phase(self) -> Phase:
        return phase(
            ended=self.ended,
            up=self.up,
            transferring=self.transferring is not None,
            contested=self.contest is not None,
            replying=self.committed() is not None,
            speaking=self.ears.speaking,
            words=bool(self.ears.text) or self.ears.owed,
        )

    def committed(self) -> Reply | None:
        """The reply that has the floor, or None."""
        reply = self.mouth.reply
        return None if reply is None or reply.speculative else reply

    def floor_is_free(self) -> bool:
        """No reply, contest, transfer or goodbye is under way: what the caller says makes a turn."""
        busy = self.contest is not None or self.committed() is not None or self.transferring is not None
        return self.up and not busy and not self.closing

    def may_decide(self) -> bool:
        """The floor is free and the caller silent."""
        return self.floor_is_free() and not self.ears.speaking

    def holder(self) -> Reply:
        """The reply that has the floor, where there surely is one."""
        reply = self.committed()
        assert reply is not None
        return reply

    def speculated(self) -> Reply | None:
        reply = self.mouth.reply
        return reply if reply is not None and reply.speculative else None

    def drop_guess(self, why: str) -> None:
        """A reply begun on a guess, if there is one, was made for what is no longer so."""
        guess = self.speculated()
        if guess is not None:
            self.mouth.discard(guess, why)

    # ------------------------------------------------------------ the floor

    def open_contest(self, now: int, words_at: int = 0) -> None:
        """Silence the agent at once and wait for what the caller says."""
        self.contest = Contest(now, words_at)
        self.out.emit(c.Hold())

    def verdict(self) -> Verdict:
        """What the words so far decide."""
        ears, spoken = self.ears, self.holder().recent_words(_RECENT_WORDS)
        asked = self._just_asked()
        return decide(ears.text, spoken=spoken, speaking=ears.speaking, expects_answer=asked, confidence=ears.sure)

    def _just_asked(self) -> bool:
        """The agent's question was (almost) out when the caller began."""
        reply = self.holder()
        started = [clip for clip in reply.clips if clip.started]
        if not started:
            return bool(self.mouth.last_text.endswith("?")) and reply.notice
        last = started[-1]
        said, whole = len(last.heard_text().split()), len(last.text.split())
        if last.text.endswith("?"):
            return 5 * said >= 4 * whole
        return said <= 2 and len(started) > 1 and started[-2].text.endswith("?")

    def carry_on(self, why: str, now: int) -> None:
        """What was heard takes no turn: go on from the beginning of the word that was cut."""
        contest = self.contest or Contest(now)
        self.contest = None
        self.ears.started_at = now  # what voice goes on was judged, too
        # Words that only come later for this same voice must still count: be deaf only to words that were judged.
        self.ears.forget(self.heard_end if self.ears.text else 0)
        self.idle_since = now
        self.out.emit(c.Note("carried_on", self.turn, detail=why))
        boundary = resume_at(contest.words, contest.samples)
        clip = self.holder().clip(contest.clip)
        if clip is None:
            self.out.emit(c.Resume())
            return
        clip.heard = boundary
        self.out.emit(c.Resume(contest.clip, boundary))

    def give_way(self, why: str, now: int) -> None:
        """The caller has the floor: an unheard reply vanishes and its turn reopens, a heard one is cut."""
        self.contest = None
        if pause := self.decided.pause_until(self.ears.started_at, self.config.endpointing.longest * 1_000):
            self.ears.learn_pause(pause, closed=self.decided.closed)
        reply = self.holder()
        answering = not reply.notice and bool(reply.text)
        if answering and not reply.answer_heard() and not self.toolbox.side_effect_begun(reply):
            self.reopen(why, now)
        elif reply.heard_any() or reply.tools:
            self.mouth.interrupt(reply, why)
        else:
            self.mouth.discard(reply, why)

    def reopen(self, why: str, now: int) -> None:
        """The caller went on before hearing any answer: the texts join, the reply leaves nothing but a filler."""
        del self.history.messages[self.decided.history]
        self._end_reply(why)
        self.out.emit(c.TurnReopened(self.turn, why))
        # A recogniser that owes the final still shows the decided words in its interims.
        self.ears.segments.insert(0, self.decided.prefix if self.decided.final_owed else self.decided.text)
        self.decided = Decided()
        self.turn -= 1
        self.idle_since = now

    # ------------------------------------------------------------ turns

    def said(self) -> str:
        """The caller's words that were no turn yet."""
        return self.decided.new_in(self.ears.text)

    def end_turn(self, why: str, now: int) -> None:
        """The caller's turn is decided: it becomes history and is answered."""
        text = self.said()
        owed = self.ears.owed or bool(self.ears.interim)
        closed = self.ears.completeness() == "closed"
        if closed:
            self.ears.pauses.closed(went_on=False)
        self.decided = Decided(
            text, join(self.ears.segments), len(self.history.messages), owed, self.heard_end, self.ears.ended_at, closed
        )
        self.turn += 1
        self.out.emit(c.TurnEnded(self.turn, text, why))
        marks = self._turn_marks(now)
        self.speculations, self.reprompts, self.continued, self.eager = 0, 0, False, False
        self.ears.forget()
        self.history.messages.append(Message("user", text))
        if self._must_hand_over(text, marks, now):
            return
        self.untold = [run for run in self.untold if not run.outcome]
        guess = self.speculated()
        if guess is not None:  # made for these very words: the rule "stale_guess" comes before "turn_end"
            made = guess.marks.at if guess.marks else {}
            marks.at |= {stage: at for stage, at in made.items() if stage not in marks.at}
            marks.speculated, guess.marks = True, marks
            self.mouth.commit(guess, now)
            return
        self.mouth.answer(self.turn, text, now, marks=marks)

    def _turn_marks(self, now: int) -> Marks:
        marks = Marks(self.turn, self.ears.ended_at or now)
        marks.mark("vad", self.ears.ended_seen or now)
        marks.mark("transcript", self.ears.final_at or now)
        marks.mark("endpointing", now)
        return marks

    def _must_hand_over(self, text: str, marks: Marks, now: int) -> bool:
        """Emergencies and "a person" never depend on the language model."""
        if is_emergency(text, self.config.emergency.phrases):
            self.hand_over("emergency", self.config.emergency.target, "emergency", now, marks)
            return True
        target = wanted_target(text, self.config.targets)
        if target is not None or wants_person(text):
            self.hand_over("transfer", target.name if target else person_target(self.config), "asked for", now, marks)
            return True
        return False

    def hand_over(self, clip: str, target: str, reason: str, now: int, marks: Marks | None = None) -> None:
        """Say so, then transfer. Whatever else was going on ends."""
        self.contest = None
        self._end_reply(reason)
        self.mouth.notice(self.turn, (clip,), now, After("transfer", target, reason), firm=True, first=marks)

    def _end_reply(self, why: str) -> None:
        """Whatever reply there is ends; what was heard of it stays."""
        reply, self.contest = self.mouth.reply, None
        if reply is None:
            return
        if reply.speculative or not (reply.begun() or reply.tools):
            self.mouth.discard(reply, why)
        else:
            self.mouth.interrupt(reply, why)

    def close(self, clip: str, reason: str, now: int) -> None:
        """Say goodbye with a ready-made clip, then end the call."""
        self.contest = None
        self._drop_transfer()
        self.closing, self.closing_at = reason, now
        self._end_reply(reason)
        self.ears.forget(self.heard_end)
        self.mouth.notice(self.turn, (clip,), now, After("finish", reason, reason), firm=True)

    def failed_turn(self, clip: str, now: int) -> None:
        """Something could not be understood or answered: say so, and after `patience` times hand over or end."""
        self.failures += 1
        marks, sounded = self._unanswered(now)
        self._end_reply("failed")
        if self.failures < self.config.patience:
            self.mouth.notice(self.turn, (clip,), now, first=marks)
        elif self.config.targets and self.failures == self.config.patience:
            self.mouth.notice(
                self.turn, ("transfer",), now, After("transfer", person_target(self.config), "failures"), first=marks
            )
        else:
            self.close("apology.goodbye", "failures", now)
        self.holder().first_sound = sounded

    def _unanswered(self, now: int) -> tuple[Marks | None, int]:
        """The marks of the turn that has no answer yet, and its first sound; None where no speech is being answered."""
        reply = self.mouth.reply
        if reply is not None and not reply.notice:
            return reply.marks, reply.first_sound
        return (self._turn_marks(now) if self.ears.ended_at > self.mouth.quiet_since else None), 0

    def reply_done(self, now: int) -> None:
        """Everything of the reply was heard."""
        reply = self.holder()
        self.mouth.finish(reply)
        self.idle_since = now
        self.ears.expected = expectation(self.mouth.last_text)
        if not reply.notice and reply.heard_any():
            self.failures = 0
        match reply.after:
            case After("finish", _, _) as after:
                self.finish(after.detail)
            case After("transfer", _, _) as after:
                self.transferring = Transferring(self.out.new_id(), after.detail, now)
                self.out.emit(c.Transfer(reply.turn, self.transferring.attempt, after.detail, after.reason))
            case _:
                pass

    def _drop_transfer(self) -> None:
        """Nobody is to be connected any more."""
        transfer, self.transferring = self.transferring, None
        if transfer is not None:
            self.out.emit(c.Cancel(self.turn, transfer.attempt))

    def transfer_ended(self, connected: bool, now: int) -> None:
        """The other side answered, or nobody did."""
        if connected:
            self.finish("transferred")
            return
        self._drop_transfer()
        self._end_reply("transfer failed")
        self.ears.forget(self.heard_end)
        self.mouth.notice(self.turn, ("transfer.failed",), now)

    def finish(self, reason: str) -> None:
        """The call is over; every operation has ended or ends now."""
        self._end_reply(reason)
        self._drop_transfer()
        self.ended, self.contest = True, None
        self.mouth.close()
        self.taker.close()
        self.out.emit(c.Finish(reason))

    # ------------------------------------------------------------ words

    def words_came(self, event: e.Heard, now: int) -> None:
        """A transcript while the agent has the floor: late, ignorable, or the start of an interruption."""
        reply = self.committed()
        owed = self.decided.final_owed and event.kind == "final"
        decided = owed and event.end <= self.decided.end + _SEGMENT_SLACK  # words of the decided turn alone
        if reply is None:
            if decided:
                self._late_final(None, event.text, now)
            return
        if reply.firm:
            return
        if owed and (decided or not self.contest):
            if event.start < self.decided.end:
                self._late_final(reply, event.text, now)
                return
            self.decided.final_owed = False  # it never came: these are other words
        if self.contest is not None:
            self.contest.words_at = self.contest.words_at or (now if self.ears.text else 0)
            return
        text = self.ears.text
        if not text:
            return
        if (is_backchannel(text) and not self._just_asked()) or is_echo(text, reply.recent_words(_RECENT_WORDS)):
            self.out.emit(c.Note("ignored_words", self.turn))
            self.ears.forget(event.end)
            return
        self.open_contest(now, now)

    def repeats_decided(self, event: e.Heard) -> bool:
        """Words that only say again (a part of) what the turn was decided on."""
        known = event.end <= self.decided.end
        if event.kind == "final":
            known = event.end < self.decided.end - _SEGMENT_SLACK
        return self.decided.final_owed and known

    def is_tail_of_echo(self, event: e.Heard) -> bool:
        """Speech that began while the agent was speaking and repeats its last words is our own echo, come late."""
        if self.committed() is not None or self.ears.started_at >= self.mouth.quiet_since:
            return False
        return is_tail_of_echo(event.text, " ".join(self.mouth.last_text.split()[-_RECENT_WORDS:]))

    def _late_final(self, reply: Reply | None, text: str, now: int) -> None:
        """The final of a turn that was decided on its interim. reply: to it, or a later one; None: it was given."""
        self.decided.final_owed = False
        whole = join([self.decided.prefix, text])
        self.ears.forget()
        if not text.strip() or same(whole, self.decided.text):
            return
        done = reply is None or reply.notice or not reply.text or reply.answer_begun()
        if done or (reply is not None and self.toolbox.side_effect_begun(reply)):
            self.history.messages[self.decided.history] = Message("user", whole)
            self.out.emit(c.Note("late_final", self.turn))
            return
        self.reopen("a late final changed the words", now)
        self.ears.segments[:] = [whole]
        self.ears.ended_at = self.ears.ended_at or now
