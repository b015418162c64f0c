"""Contracts 1 to 9 of the design as a judge of what a world and a core say to each other.

It is written from the contracts, keeps its own account of replies, history and silence, takes what was heard from the
world's sound, and uses nothing of the core but the values that are exchanged.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.unit.core.account import Asked, Entry, Said, Turn, plain, words_at

from aivoice.core import commands as c
from aivoice.core import events as e

if TYPE_CHECKING:
    from tests.unit.core.world import World

FIRST, GAP, QUIET, STUCK, UNDECIDED, LATE = 1_500, 4_000, 300, 2_500, 1_500, 100
"""ms: the silence budget twice, the quiet before a side effect, words that stand still, how long the agent may stay
silenced after a noise, and what has waited for late words already may take no longer than this."""
_FIRM = ("goodbye", "goodbye.silent", "emergency", "limit", "credit", "transfer", "apology.goodbye")
_CALLER_CAME = ("the caller spoke", "the caller went on after a listening noise")
_LATE_WORDS = "a late final changed the words"


class Judge:
    """Sees every event and command in order; raises AssertionError where a contract is broken."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: Counter[str] = Counter()
        self.turns: dict[int, Turn] = {}
        self.history: list[Entry] = []
        self.said: Said | None = None
        self.keys: dict[str, str] = {}
        self.runs: dict[int, list[Asked]] = {}
        self.untold: list[Asked] = []
        self.kept: dict[tuple[str, str], Asked] = {}
        self.reopened: dict[int, str] = {}
        self.early: set[str] = set()
        self.must_reopen: bool | None = None
        self.started: list[int] = []
        self.voice_end, self.voice, self.voice_at, self.changed_at = 0, False, 0, 0
        self.quiet_from, self.first, self.owing_since, self.hushed = 0, True, -1, 0
        self.known_at, self.words = 0, ""
        self.must_hold, self.unplaced = False, -1
        self.final = ""
        self.last_final: tuple[str, int] = ("", -1)

    @property
    def now(self) -> int:
        return self.world.now

    def see(self, item: e.Event | c.Command) -> None:
        if self.must_hold and not isinstance(item, c.Note):
            self.must_hold = False
            assert isinstance(item, c.Hold | c.Stop), f"1: the agent went on over the caller: {item}"
        if self.must_reopen is not None:
            assert isinstance(item, c.TurnReopened) == self.must_reopen, f"9: reopening is wrong: {item}"
            self.must_reopen = None
        match item:
            case c.Retrieve(ahead=True):
                assert self.said is None, "5: knowledge is looked for ahead while a reply is made"
                self.seen["looked ahead"] += 1
            case c.TurnEnded() | c.TurnReopened() | c.Retrieve() | c.Generate() | c.Speak() | c.Play():
                self._making(item)
            case c.RunTool():
                self._runs(item)
            case c.ReplyEnded():
                self._ended(item)
            case c.Waterfall():
                self._adds_up(item)
            case c.Stop():
                self.unplaced = self.unplaced if self.world.held else self.now
            case c.Resume():
                self.known_at = self.quiet_from = self.voice_at = self.now  # what voice goes on is judged anew
                self.seen["resumed"] += 1
            case c.Note(kind="late_final"):
                self.history_of(self.turn).user = self._corrected()
                self.seen["late final"] += 1
            case c.Note():
                self.seen[f"note {item.kind}"] += 1
            case c.Transfer():
                self.owing_since = self.now
                self.seen["transfer"] += 1
            case c.Cancel():
                assert item.attempt in self.world.open, f"5: ended twice: {item}"
            case c.Finish():
                left = [each for each in self.world.open.values() if not _outlives_the_call(each)]
                assert not left, f"5, 7: still open at the end: {left}"
                self.seen[f"finish {item.reason}"] += 1
            case _:
                self._event(item)

    @property
    def turn(self) -> int:
        return max(self.turns, default=0)

    def history_of(self, turn: int) -> Entry:
        return next(entry for entry in reversed(self.history) if entry.user and entry.turn == turn)

    # ------------------------------------------------------------ what happens

    def _event(self, event: e.Event | c.Command) -> None:
        match event:
            case e.SpeechStarted():
                clip = self.world.sounding()
                self.must_hold = clip is not None and self.said is not None and not self.said.firm
                self.voice_at = self.now if not self.voice else self.voice_at
                self.voice = True
            case e.SpeechEnded(_, at):
                self.voice_end, self.voice = at // 1_000, False
                self.quiet_from = max(self.quiet_from, self.voice_end)
            case e.Heard(_, text):
                self.known_at = self.now
                if event.kind == "final":
                    self.final = text
                if text:
                    self.words, self.changed_at = text, self.now
            case e.PlayoutStarted():
                self.started.append(self.now)
            case e.ToolRequested(_, attempt, call_id, name, arguments):
                if self.said is not None and isinstance(self.world.open.get(attempt), c.Generate):
                    self._asks(self.said, call_id, name, arguments)
            case e.ToolEnded(_, attempt, outcome, result):
                for run in self.runs.pop(attempt, []):
                    run.outcome, run.result = outcome, result
                    if run.effects and (self.said is None or run not in self.said.asked):
                        self.untold.append(run)
            case _:
                pass

    def _asks(self, said: Said, call_id: str, name: str, arguments: str) -> None:
        spec = next((each for each in self.world.config.tools if each.name == name), None)
        asked = Asked(said.turn, call_id, name, arguments, said.round, spec is not None and spec.side_effects)
        said.asked.append(asked)
        if name in ("transfer", "end_call"):
            asked.outcome, asked.result = "ok", '{"status":"ok"}'
        elif spec is None:
            asked.outcome = "failed"
        kept = None if spec is None or asked.effects else self.kept.pop((name, arguments), None)
        if kept is not None and kept.outcome in ("", "ok") and said.turn - kept.turn <= 1:
            asked.attempt, asked.outcome, asked.result = kept.attempt, kept.outcome, kept.result
            self.seen["a result of a reply that is gone"] += 1
            if not kept.outcome:
                self.runs[kept.attempt] = [asked]
        twin = next((a for a in said.asked[:-1] if (a.name, a.arguments) == (name, arguments) and a.attempt), None)
        if twin is not None and asked.effects:
            asked.attempt, asked.outcome, asked.result = twin.attempt, twin.outcome, twin.result
            self.runs.get(twin.attempt, []).append(asked)

    # ------------------------------------------------------------ what is made

    def _making(self, command: c.Command) -> None:
        match command:
            case c.TurnEnded():
                self._decided(command)
            case c.TurnReopened(turn):
                old = self.turns.pop(turn)
                self.reopened[turn] = old.text
                self.history.remove(self.history_of(turn))
                self.seen["reopened"] += 1
            case c.Retrieve(turn):
                self._begin(turn, answer=True, text=command.query)
            case c.Generate(turn):
                said = self.said or self._begin(turn, answer=True)
                said.rounds += 1
                self._prompt(said, command)
            case c.Speak(turn, clip):
                assert self.said is not None and self.said.turn == turn
                if clip not in [each for each, _ in self.said.clips]:
                    self.said.clips.append((clip, self.said.round))
                self.seen["speak"] += 1
            case c.Play(turn, clip, cached):
                said = self.said or self._begin(turn, answer=False)
                self._plays(said, clip, cached, first=command.first)
            case _:
                raise AssertionError(command)

    def _decided(self, command: c.TurnEnded) -> None:
        """4: a turn whose words are known is not waited with in silence. 9: nothing said is lost or doubled."""
        assert command.turn == self.turn + 1
        if self.first and not self.voice and not self.world.speaking:
            assert self.now <= max(self.voice_end + FIRST, self.known_at + LATE), "4: the turn was decided in silence"
        tokens = [word for word in command.text.split() if word.startswith("u") and word[1:].isdigit()]
        for token in tokens:
            told = [entry.turn for entry in self.history if token in entry.user.split() and token not in self.early]
            assert tokens.count(token) == 1 and not told, f"9: {token} was said once, but counts twice: {told}"
        # What is decided while voices go on comes again with the words that follow.
        self.early |= set(tokens) if self.voice else set()
        before = self.reopened.pop(command.turn, "")
        gone = {word for word in before.split() if word[1:].isdigit()} - {*tokens} - self.world.lost
        assert not gone, f"9: words of the reopened turn are gone: {gone}"
        self.turns[command.turn] = Turn(self.now, -1 if self.voice else self.voice_end, command.text)
        self.history.append(Entry(command.turn, command.text))
        self.seen["turn"] += 1
        self.owing_since = self.now
        if self.said is not None:
            assert not self.said.committed and self.said.turn == command.turn
            self.said.committed, self.said.since = True, self.now

    def _begin(self, turn: int, *, answer: bool, text: str = "") -> Said:
        decided = turn in self.turns or turn == 0
        assert decided or turn == self.turn + 1
        self.said = Said(turn, answer, text, decided, self.now)
        self.owing_since = self.now
        return self.said

    def _plays(self, said: Said, clip: int, cached: str, *, first: bool) -> None:
        assert said.committed, "1: audio of an undecided turn was released"
        mine = {each for each, _ in said.clips}
        strange = [each.id for each in self.world.queue if each.id not in mine]
        assert not strange, f"1: two replies are audible: {strange}"
        if cached:
            at = next((i for i, (c_, _) in enumerate(said.clips) if not self._has_sounded(c_)), len(said.clips))
            said.clips.insert(at if first else len(said.clips), (clip, said.round))
            said.cached[clip] = cached
            if not said.answer and not cached.startswith(("filler", "continuer")):
                self.reopened.clear()  # a key, a transfer or an apology stands in for what was said
            said.firm = said.firm or (cached in _FIRM and not said.answer)
            self.seen["filler" if said.answer else f"notice {cached.split('.')[0]}"] += 1
        else:
            assert clip in mine

    def _has_sounded(self, clip: int) -> bool:
        played = self.world.clips.get(clip)
        return played is not None and played.started

    # ------------------------------------------------------------ 2: history

    def _prompt(self, said: Said, command: c.Generate) -> None:
        assert command.speculative == (not said.committed), "1, 3: what is not decided must say so"
        expected = [message for entry in self.history for message in entry.messages()]
        if not said.committed:
            newest = command.request.messages[len(expected)]
            assert newest.role == "user"
            expected.append(newest)
            said.text = newest.text
        elif said.rounds == 1 and expected and expected[-1].role == "user":
            said.text = expected[-1].text
        if said.rounds > 1:
            texts = [
                " ".join(self.world.clips[clip].text for clip, each in said.clips if each == number)
                for number in range(said.rounds - 1)
            ]
            shown = Entry(texts=texts, asked=said.asked)
            expected += shown.messages()
            assert all(each.outcome for each in said.asked if each.round < said.round), "a round before its results"
        told = [plain(each) for each in command.request.messages]
        if self.unplaced == self.now:  # playout has not told yet where it was stopped
            told, expected = ([each for each in some if each.role == "user"] for some in (told, expected))
        assert told == [plain(each) for each in expected], f"2: history is\n{told}\nbut was\n{expected}"
        self.untold.clear()
        self.seen["generate"] += 1

    def _heard(self, said: Said, clip: int) -> str:
        played = self.world.clips[clip]
        source = played.text.split()
        finished = played.started and not any(each is played for each in self.world.queue)
        cut = finished and clip not in self.world.gone and clip not in self.world.broken
        return " ".join(source if cut else source[: words_at(played.position)])

    def _ended(self, ended: c.ReplyEnded) -> None:
        said, self.said = self.said, None
        assert said is not None
        left = [each.id for each in self.world.queue]
        assert not left, f"1: a reply ended with audio queued: {left}"
        open_ = [op for key, op in self.world.open.items() if not _outlives(op) and key not in self.world.transfers()]
        assert not open_, f"5: a reply ended before its operations: {open_}"
        texts = [" ".join(self._heard(said, clip) for clip, r in said.clips if r == n) for n in range(said.round + 1)]
        texts = [" ".join(text.split()) for text in texts]
        heard = " ".join(text for text in texts if text)
        self.seen[ended.outcome] += 1
        effects = any(each.attempt and each.effects for each in said.asked)
        kept = [a for a in said.asked if a.outcome or (a.attempt and a.effects)]
        if ended.outcome == "discarded":
            assert not heard and not effects, f"2: discarded, but heard was {heard!r}"
        else:
            if ended.outcome == "interrupted":
                mark = f"[interrupted while saying: {' '.join(heard.split()[-6:])}…]" if heard else "[interrupted]"
                texts[-1] = f"{texts[-1]} {mark}".strip()
            if ended.outcome == "finished" or heard or kept:
                self.history.append(Entry(texts=texts, asked=kept))
        for each in said.asked:
            went = not each.outcome or (ended.outcome == "discarded" and each.outcome == "ok")
            if each.attempt and not each.effects and went:
                self.kept[each.name, each.arguments] = each
        self._must_reopen(said, ended, effects)
        self.owing_since = -1

    def _must_reopen(self, said: Said, ended: c.ReplyEnded, effects: bool) -> None:
        """9: nothing of the answer heard and nothing done: the turn is open again; else it is not."""
        answer = said.answer and bool(said.text) and said.committed
        words = any(self._heard(said, clip) for clip, _ in said.clips if clip not in said.cached)
        if ended.why in _CALLER_CAME or ended.why == _LATE_WORDS:
            self.must_reopen = answer and not words and not effects
            assert not (ended.why == _LATE_WORDS and not self.must_reopen), "9: late words undid what had been heard"

    def _corrected(self) -> str:
        """The words of a turn after its late final: what the newest prompt must show from now on."""
        entry = self.history_of(self.turn)
        kept = entry.user.split()
        mark = next((i for i, word in enumerate(kept) if word == self.final.split()[0]), len(kept))
        return " ".join([*kept[:mark], *self.final.split()])

    # ------------------------------------------------------------ 3: side effects

    def _runs(self, command: c.RunTool) -> None:
        said = self.said
        assert said is not None
        asked = next(a for a in said.asked if a.call_id == command.call_id)
        assert not asked.outcome, "3: it had ended already"
        twins = [a for a in said.asked if (a.name, a.arguments) == (asked.name, asked.arguments) and not a.attempt]
        for each in twins if command.side_effects else [asked]:
            each.attempt = command.attempt
        self.runs[command.attempt] = twins if command.side_effects else [asked]
        self.seen["side effect" if command.side_effects else "read-only tool"] += 1
        if not command.side_effects:
            return
        assert said.committed and said.turn in self.turns, "3: a side effect for a turn that is not decided"
        assert not self.world.held, "3: a side effect while it is open whether the caller takes the floor"
        assert self.now >= self.turns[said.turn].at + QUIET, "3: a side effect before it was quiet"
        silent = self.now >= self.voice_end + QUIET and not self.voice
        still = self.now >= max(self.changed_at, self.voice_at) + STUCK
        assert silent or still, "3: a side effect while the caller speaks"
        done = f"{said.turn} {asked.name} {asked.arguments}"
        assert command.key not in self.keys and done not in self.keys.values(), "3: a side effect ran twice"
        self.keys[command.key] = done

    # ------------------------------------------------------------ 4: dead air

    def time_passed(self, ms: int, *, sounding: bool) -> None:
        world = self.world
        if sounding:
            self.quiet_from, self.first, self.hushed = self.now, False, 0
            if self.said is not None:
                self.said.sounded = True
        if world.speaking or self.voice:
            # A voice that goes on while its words stand still is a television: it excuses no dead air.
            self.first = self.first or world.speaking
            until = max(self.changed_at, self.voice_at) + STUCK if self.voice else self.now
            self.quiet_from = max(self.quiet_from, min(until, self.now))
        if world.queue and world.queue[0].started and not sounding:
            self.quiet_from = self.now  # a voice that stalls within a clip is the engine's to end
        if world.held:
            self.quiet_from = self.now
            self.hushed += 0 if world.speaking or self.voice else ms
            assert self.hushed <= UNDECIDED, "4: the agent keeps silent for nobody"
            return
        self.hushed = 0
        transferring = bool(world.transfers())
        if transferring or (self.said is not None and self.said.committed):
            began = transferring or (self.said is not None and self.said.sounded)
            limit = GAP if began else FIRST
            assert self.now <= max(self.quiet_from, self.owing_since) + limit, f"4: dead air of over {limit} ms"
            answering = self.said is not None and self.said.answer and bool(self.said.text)
            if answering and not began:
                late = max(self.quiet_from + FIRST, self.owing_since + LATE)
                assert self.now <= late, "4: the first sound is late"

    # ------------------------------------------------------------ 8: waterfall

    def _adds_up(self, fall: c.Waterfall) -> None:
        assert sum(us for _, us in fall.stages) == fall.answer, "8: the stages do not add up"
        assert all(us >= 0 for _, us in fall.stages) and 0 <= fall.mouth_to_ear <= fall.answer
        assert self.said is not None
        self.said.waterfalls += 1
        assert self.said.waterfalls == 1, "8: one answer, one waterfall"
        end = self.now * 1_000 - fall.answer
        turn = self.turns.get(fall.turn)
        if self.said.answer and turn is not None and turn.ended >= 0:
            assert end == turn.ended * 1_000, "8: it does not begin at the end of speech"
            sounds = [at for at in self.started if at * 1_000 >= end]
            assert end + fall.mouth_to_ear in [at * 1_000 for at in sounds], "8: nothing sounded then"
        self.seen["waterfall"] += 1

    # ------------------------------------------------------------ 5: at any time

    def rest(self) -> None:
        """Between two steps."""
        due = self.world.call.next_deadline()
        if self.world.finished:
            assert due is None, "7: a deadline after the end"
        else:
            assert due is not None and due > self.now * 1_000, f"5: no deadline ahead: {due}"
        if not self.world.finished and self.said is None and not self.world.transfers():
            left = [each for each in self.world.open.values() if not _outlives(each)]
            assert not left, f"5: operations of nobody: {left}"


def _outlives(command: c.Command) -> bool:
    """Goes on when its reply ends."""
    ahead = isinstance(command, c.Retrieve) and command.ahead
    return ahead or isinstance(command, c.RunTool | c.RenewLease)


def _outlives_the_call(command: c.Command) -> bool:
    return (isinstance(command, c.RunTool) and command.side_effects) or isinstance(command, c.RenewLease)
