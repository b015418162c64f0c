"""The agent's side: makes one reply at a time, from the first retrieval to the last word played.

`Mouth` is told events and moments; it emits commands and never decides when a turn ends or who has the floor.
At most one reply is committed; a speculative one may wait beside it only while none is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.clauses import ClauseSplitter, ends_sentence
from aivoice.core.config import CallConfig
from aivoice.core.context import History
from aivoice.core.heard import mark
from aivoice.core.outbox import Outbox
from aivoice.core.prompt import Message, Passage
from aivoice.core.reply import After, Clip, Reply
from aivoice.core.speculation import KINDS, Account, Ahead, Kind, allowed
from aivoice.core.state import ConversationState
from aivoice.core.text import same
from aivoice.core.tokens import request_tokens
from aivoice.core.toolbox import Toolbox
from aivoice.core.waterfall import Marks, waterfall
from aivoice.core.window import compose

Outcome = Literal["finished", "interrupted", "discarded"]


@dataclass(slots=True)
class Mouth:
    """reply: the one being made or played. last_text: the last words the caller heard, for what they expect next."""

    config: CallConfig
    out: Outbox
    history: History
    state: ConversationState
    toolbox: Toolbox
    reply: Reply | None = None
    call_time: str = ""
    last_text: str = ""
    quiet_since: int = 0
    found: tuple[str, tuple[Passage, ...]] = ("", ())
    account: Account = field(default_factory=Account)
    ahead: Ahead = field(default_factory=Ahead)
    estimates: dict[int, int] = field(default_factory=dict[int, int])
    _cut: tuple[Reply, int, int] | None = field(default=None)

    # ------------------------------------------------------------ beginning

    def answer(self, turn: int, text: str, now: int, *, marks: Marks | None, guess: Kind | None = None) -> None:
        """Start an answer to `text` (empty: only to tell a tool's late result). guess: on what, while the turn is not
        decided."""
        reply = Reply(turn, text, ClauseSplitter(self.config.clauses), speculative=guess is not None, marks=marks)
        if guess is None:
            reply.committed_at = now
        else:
            reply.guess, reply.guessed_at = guess, now
            self.account.guessed(guess)
        self.stop_search()
        self.reply = reply
        if self.config.retrieval and text and not same(self.found[0], text):
            reply.retrieving = self.out.new_id()
            reply.retrieve_until = now + self.config.retrieval_wait * 1_000
            self.out.emit(c.Retrieve(turn, reply.retrieving, text))
        else:
            reply.passages = self.found[1] if text else ()
            self._generate(reply, now)

    def search(self, turn: int, text: str) -> None:
        """Look for knowledge on words that are no turn yet."""
        self.stop_search()
        count = self.ahead.count if self.ahead.turn == turn else 0
        self.ahead = Ahead(self.out.new_id(), text, turn, count + 1)
        self.out.emit(c.Retrieve(turn, self.ahead.attempt, text, ahead=True))

    def stop_search(self) -> None:
        """What was searched for ahead is not waited for any more."""
        if self.ahead.attempt:
            self.out.emit(c.Cancel(self.ahead.turn, self.ahead.attempt))
            self.ahead.attempt = 0

    def searched(self, turn: int, text: str) -> bool:
        """Knowledge for these words is there, or being looked for, or was looked for often enough."""
        rules, ahead = self.config.speculation, self.ahead
        if ahead.turn == turn and (ahead.count >= rules.searches or same(ahead.text, text)):
            return True
        return same(self.found[0], text)

    def notice(
        self,
        turn: int,
        keys: tuple[str, ...],
        now: int,
        after: After | None = None,
        *,
        firm: bool = False,
        first: Marks | None = None,
    ) -> None:
        """Say ready-made clips as a reply of their own."""
        reply = Reply(turn, "", ClauseSplitter(self.config.clauses), notice=True, firm=firm, after=after, marks=first)
        reply.committed_at = now
        self.reply = reply
        for key in keys:
            self._play_cached(reply, key, first=False)

    def commit(self, reply: Reply, now: int) -> None:
        """The speculated turn is the turn: release what was made."""
        reply.speculative, reply.committed_at = False, now
        self.account.hit(reply.guess)
        for clip in reply.clips:
            self._queue(clip, reply)
        self.pump(reply, now)

    def filler(self, reply: Reply, key: str) -> None:
        """Bridge a wait: before everything that has not begun to sound."""
        reply.fillers += 1
        self._play_cached(reply, key, first=True)

    # ------------------------------------------------------------ generation

    def _generate(self, reply: Reply, now: int) -> None:
        reply.generating = self.out.new_id()
        reply.generations += 1
        reply.asked.append(reply.generating)
        self.account.asked(reply.generating, reply.guess if reply.speculative else "")
        if reply.marks:
            reply.marks.mark("context", now)
        tail: list[Message] = [Message("user", reply.text)] if reply.speculative else []
        request = compose(
            self.config,
            self.history,
            self.state,
            tail=[*tail, *(self._rounds(reply) if reply.round else ())],
            passages=reply.passages,
            call_time=self.call_time,
            turn=reply.turn,
        )
        self.estimates = {**dict(list(self.estimates.items())[-7:]), reply.generating: request_tokens(request)}
        self.out.emit(c.Generate(reply.turn, reply.generating, request, reply.speculative))

    def charged(self, event: e.Usage) -> None:
        """A provider told what a request has cost: how many tokens our estimates are off by, and what guesses cost."""
        self.account.told(event.attempt, event.completion_tokens)
        estimated = self.estimates.pop(event.attempt, 0)
        self.history.scale.learn(estimated, event.prompt_tokens)

    def _rounds(self, reply: Reply) -> list[Message]:
        """The earlier rounds of this reply as the model should see them: with what is still being said."""
        shown = Reply(reply.turn, reply.text, reply.splitter, round=reply.round - 1, tools=reply.tools)
        shown.clips = [Clip(clip.id, clip.round, clip.text, finished=True) for clip in reply.clips]
        return shown.messages()

    def on_passages(self, event: e.PassagesFound, now: int) -> None:
        reply = self.reply
        if event.attempt == self.ahead.attempt:
            self.ahead.attempt = 0
            self.found = (self.ahead.text, event.passages)
            return
        if reply is None or reply.retrieving != event.attempt:
            self._stale(event.attempt, "passages")
            return
        reply.retrieving, reply.passages = 0, event.passages
        self.found = (reply.text, event.passages)
        self._generate(reply, now)

    def give_up_retrieval(self, reply: Reply, now: int) -> None:
        """The search is slower than its limit: answer with what was found for the turn's beginning, or without."""
        self.out.emit(c.Cancel(reply.turn, reply.retrieving))
        reply.retrieving = 0
        if self.ahead.turn == reply.turn and self.found[0] == self.ahead.text:
            reply.passages = self.found[1]
        self._generate(reply, now)

    def on_token(self, event: e.Token, now: int) -> None:
        reply = self.reply
        if reply is None or reply.generating != event.attempt:
            self._stale(event.attempt, "token")
            return
        self.account.wrote(event.attempt, event.text)
        if reply.marks and event.text.strip():
            reply.marks.mark("first_token", now)
        if self.config.tts_streams_text:
            self._stream_token(reply, event.text)
        else:
            reply.pieces.extend((clause, True) for clause in reply.splitter.push(event.text))
        self.pump(reply, now)

    def _stream_token(self, reply: Reply, text: str) -> None:
        """Word by word into the open clip; a sentence's end closes it once the next word begins."""
        said = reply.pieces[-1][0] if reply.pieces and not reply.pieces[-1][1] else ""
        open_clip = reply.open_clip() if not reply.pieces else None
        before = said or (open_clip.text if open_clip else "")
        if before and ends_sentence(before) and (before[-1].isspace() or text[:1].isspace()):
            reply.pieces.append(("", True))
            before = ""
        if text.strip() or before:
            reply.pieces.append((text, False))

    def on_generation_ended(self, event: e.GenerationEnded, now: int) -> None:
        reply = self.reply
        if reply is None or reply.generating != event.attempt:
            self._stale(event.attempt, "generation")
            return
        reply.generating = 0
        reply.failed = event.failed
        if self.config.tts_streams_text:
            if (reply.pieces and not reply.pieces[-1][1]) or (not reply.pieces and reply.open_clip()):
                reply.pieces.append(("", True))
        else:
            reply.pieces.extend((clause, True) for clause in reply.splitter.flush())
        self.pump(reply, now)

    def next_round(self, reply: Reply, now: int) -> None:
        """Every tool of this round has ended: let the model go on with the results."""
        reply.round += 1
        reply.splitter = ClauseSplitter(self.config.clauses)
        self._generate(reply, now)

    # ------------------------------------------------------------ speaking

    def pump(self, reply: Reply, now: int) -> None:
        """Hand clauses to the synthesiser, at most `clauses.ahead` clips beyond the one playing."""
        while reply.pieces:
            clip = reply.open_clip()
            if clip is None:
                waiting = sum(1 for each in reply.clips if not each.cached and not (each.finished or each.failed))
                if waiting > (0 if reply.speculative else self.config.clauses.ahead):
                    return
                clip = Clip(self.out.new_id(), reply.round)
                reply.clips.append(clip)
            text, final = reply.pieces.popleft()
            clip.text += text
            clip.closed = final
            if reply.marks and text.strip():
                reply.marks.mark("clause", now)
            self.out.emit(c.Speak(reply.turn, clip.id, text, final))
            if not reply.speculative:
                self._queue(clip, reply)

    def _queue(self, clip: Clip, reply: Reply) -> None:
        if not clip.queued and not clip.failed:
            clip.queued = True
            self.out.emit(c.Play(reply.turn, clip.id))

    def _play_cached(self, reply: Reply, key: str, *, first: bool) -> None:
        clip = Clip(self.out.new_id(), reply.round, self.config.clip_text(key), cached=key, closed=True, queued=True)
        at = (
            next((i for i, each in enumerate(reply.clips) if not each.started), len(reply.clips))
            if first
            else len(reply.clips)
        )
        # An open clip must stay last: it still takes text.
        reply.clips.insert(at, clip)
        self.out.emit(c.Play(reply.turn, clip.id, cached=key, first=first))

    def on_clip(self, event: e.ClipAudio | e.ClipReady | e.PlayoutStarted | e.PlayoutFinished, now: int) -> None:
        reply = self.reply
        clip = reply.clip(event.attempt) if reply else None
        if reply is None or clip is None:
            self._stale(event.attempt, "clip")
            return
        match event:
            case e.ClipAudio():
                clip.audible = True
                if reply.marks:
                    reply.marks.mark("tts", now)
            case e.ClipReady():
                clip.ready, clip.words, clip.samples = True, event.words, event.samples
                clip.audible = clip.audible or event.samples > 0
                if event.failed:
                    clip.closed, clip.broken, clip.failed = True, True, not event.samples
                    reply.failed = reply.failed or event.failed
            case e.PlayoutStarted():
                clip.started = True
                self._sound(reply, clip, now)
            case _:
                clip.started = clip.finished = True
                clip.heard = clip.samples if clip.broken else clip.heard
                self.quiet_since = reply.quiet_since = now
        self.pump(reply, now)

    def _sound(self, reply: Reply, clip: Clip, now: int) -> None:
        """Something is heard: the waterfall closes at the answer's first sound."""
        if reply.marks and reply.first_sound < reply.marks.end_of_speech:
            reply.first_sound = now
        answer = not clip.cached or reply.notice
        if answer and not reply.answered and reply.marks:
            reply.answered = True
            saved = reply.gained()
            if saved:
                self.account.saved(reply.guess, saved)
            self.out.emit(waterfall(reply.marks, reply.first_sound, now, saved))

    # ------------------------------------------------------------ ending

    def on_held(self, event: e.PlayoutHeld) -> tuple[int, int]:
        """How far playout had come; also where a reply that was stopped without being held first was cut: from which
        index on history moved, and by how many messages."""
        cut, self._cut = self._cut, None
        for reply in (self.reply, cut[0] if cut else None):
            clip = reply.clip(event.attempt) if reply else None
            if clip is not None and not clip.finished:
                clip.started, clip.heard = True, max(clip.heard, event.samples)
                clip.reached = max(clip.reached, clip.heard)
                clip.words = event.words or clip.words
        if cut is not None and cut[0].clip(event.attempt) is not None:
            reply, at, count = cut
            said = _remains(reply)
            self.history.messages[at : at + count] = said
            return at, len(said) - count
        return 0, 0

    def finish(self, reply: Reply) -> None:
        """The reply was heard to its end: it becomes history."""
        self.reply = None
        self.history.messages.extend(reply.messages())
        self._ended(reply, "finished", "")

    def interrupt(self, reply: Reply, why: str) -> None:
        """Stop the reply; history keeps what was heard. Side effects that already run go on."""
        self.reply = None
        self._cancel(reply)
        self.out.emit(c.Stop())
        self.toolbox.drop(reply, unheard=False)
        said = _remains(reply)
        self._cut = (reply, len(self.history.messages), len(said))
        self.history.messages.extend(said)
        self._ended(reply, "interrupted", why)

    def discard(self, reply: Reply, why: str) -> None:
        """Throw the reply away unheard; it leaves nothing in history."""
        self.reply = None
        self._cancel(reply)
        if not reply.speculative:
            self.out.emit(c.Stop())
        self.toolbox.drop(reply, unheard=True)
        if reply.speculative:
            self.account.thrown_away(reply.asked)
        self._ended(reply, "discarded", why)

    def close(self) -> None:
        """The call is over: what nobody waits for ends, and what its guesses came to is told."""
        self.stop_search()
        self.toolbox.close()
        call = self.account.known()
        if call.tokens:
            rules = self.config.speculation
            most = ("off", *KINDS)[allowed(rules, rules.known.plus(call))]
            self.out.emit(c.Speculated(call, most))

    def _cancel(self, reply: Reply) -> None:
        """End every operation of the reply, in the order of their ids."""
        open_ids = [reply.retrieving, reply.generating]
        open_ids += [clip.id for clip in reply.clips if not clip.cached and not (clip.ready or clip.failed)]
        for attempt in sorted(filter(None, open_ids)):
            self.out.emit(c.Cancel(reply.turn, attempt))
        reply.retrieving = reply.generating = 0
        reply.pieces.clear()

    def _ended(self, reply: Reply, outcome: Outcome, why: str) -> None:
        heard = "" if outcome == "discarded" else reply.heard_text()
        self.last_text = heard or self.last_text
        attempt = reply.clips[0].id if reply.clips else 0
        self.out.emit(c.ReplyEnded(reply.turn, attempt, heard, outcome, why))

    def _stale(self, attempt: int, what: str) -> None:
        self.out.emit(c.Note("stale", 0, attempt, what))


def _remains(reply: Reply) -> list[Message]:
    """What a cut reply leaves in history: the words heard, marked, and the tools that ran; else nothing."""
    ran = any(run.outcome != "dropped" for run in reply.tools)
    return reply.messages(mark(reply.heard_text())) if reply.heard_any() or ran else []
