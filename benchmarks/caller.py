"""The caller and the ear: hands one call's frames in, in real time, and measures what comes back.

Every engine is driven by this class, so every figure is taken at the same two points: where caller frames are handed
in, and where agent frames are offered to the pacer (`offered`) and leave it (`paced`).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from benchmarks import stages
from benchmarks.stages import Replies, Utterance, UtteranceKind
from benchmarks.streams import FaultKind
from benchmarks.utterances import make_utterance

Scenario = Literal["turns", "interrupt", "backchannel", "cough", "fault"]
GIVE_UP_S = 6.0
"""A turn without a reply is closed after this long."""
REPLY_OVER_S = 0.40
"""Without a loud agent frame for this long the reply counts as over."""
EARLY_S = 1.6
"""After an early reply another one may still come: wait so long for it."""
FAULT_LISTEN_S = 8.0
UNDERRUN_S = 0.070
"""A hole shorter than this is the voice arriving late, not the engine falling quiet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call is to do.

    paused, revised, spelled: share of the utterances of that kind; paused_kind: where they pause. reply_words,
    first_sentence: how long replies and their first sentences are. whole_clauses: the voice takes whole clauses.
    fault: what fails during the second turn of a `fault` call. warmup: first turns that are not measured.
    """

    scenario: Scenario = "turns"
    turns: int = 5
    seed: int = 1
    paused: float = 0.0
    revised: float = 0.0
    spelled: float = 0.0
    paused_kind: Literal["paused", "paused_inside", "paused_complete"] = "paused"
    pause_ms: tuple[int, int] = (300, 800)
    reply_words: int = 8
    first_sentence: int = stages.FIRST_CLAUSE_WORDS
    whole_clauses: bool = False
    fault: FaultKind = "none"
    warmup: int = 1


@dataclass(slots=True)
class Turn:
    """One utterance and what the caller heard of the engine from its onset to the next one's. Times in seconds.

    sound: first audible frame of anything, a filler too; after: the same after the end; paced: of a reply; offered:
    the same before the pacer. early: the reply was heard before the utterance was over.
    over_reply: the reply that was being said at the onset, with quiet, resumed, hole_s, lost and repeated words.
    heard_words, history_words: of that reply, what was played and what the engine's history says (None: not asked).
    """

    number: int
    kind: UtteranceKind
    text: str
    onset: float = 0.0
    end: float = 0.0
    offered: float | None = None
    sound: float | None = None
    after: float | None = None
    paced: float | None = None
    early: bool = False
    requests: int = 0
    prompts: list[str] = field(default_factory=list[str])
    heard_prompt: str | None = None
    heard_reply: int = 0
    over_reply: int = 0
    quiet: float | None = None
    resumed: float | None = None
    hole_s: float = 0.0
    other_reply: bool = False
    lost_words: int = 0
    repeated_words: int = 0
    heard_words: int | None = None
    history_words: int | None = None


@dataclass(slots=True)
class CallResult:
    """All turns of a call, how late each paced frame was against its stretch's own 20 ms grid, and what was noted."""

    turns: list[dict[str, Any]]
    lateness_ms: list[float]
    requests: int
    ended_by_agent: bool
    noted_ms: dict[str, list[float]]


class Call:
    """One call. The adapter sets `feed`, calls `offered`, `paced` and `agent_hung_up`, and gives `replies` and
    `fault` to the stages; `run` ends when the plan is done."""

    def __init__(self, number: int, plan: Plan) -> None:
        self.number = number
        self.plan = plan
        self.replies = Replies(plan.reply_words, plan.first_sentence)
        self.script: dict[int, Utterance] = {}
        self.feed: Callable[[bytes], None] = lambda pcm: None
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(plan.seed * 10_007 + number)
        self._turns: list[Turn] = []
        self._turn: Turn | None = None
        self._requests_at_onset = 0
        self._last_loud = 0.0
        self._last_paced: tuple[int, int, int] | None = None
        self._played: dict[int, Counter[tuple[int, int]]] = {}
        self._grid: list[float] = []
        self._lateness: list[float] = []
        self._offers: dict[int, float] = {}
        self._offer: float | None = None
        self._noted: dict[str, list[float]] = {}
        self._faulty = False
        self._gone = False
        self._next_tick = 0.0

    # ------------------------------------------------------------ reported by the adapter

    def fault(self) -> FaultKind:
        """What the stages should do now."""
        return self.plan.fault if self._faulty else "none"

    def agent_hung_up(self) -> None:
        """The engine ended the call."""
        self._gone = True

    def offered(self, pcm: bytes | memoryview) -> None:
        """A frame was offered to the pacer."""
        tag = stages.read_agent_frame(pcm)
        if tag is not None and tag[0]:
            self._offers.setdefault(tag[0], self._loop.time())

    def prompted(self, assistant: str | None) -> None:
        """A request was made whose newest assistant message is `assistant`: does it say what was heard?"""
        turn = self._turn
        if turn is None or not turn.over_reply or turn.heard_words is not None or assistant is None:
            return
        said = assistant.partition("[interrupted")[0].split()
        places = {place for word in said for place in [self.replies.locate(word)] if place[0] == turn.over_reply}
        played = self._played.get(turn.over_reply, Counter[tuple[int, int]]())
        frames = range(stages.WORD_FRAMES)
        heard = sum(
            sum(1 for frame in frames if played[(word, frame)]) * 2 >= stages.WORD_FRAMES
            for word in range(self.plan.reply_words)
        )
        turn.heard_words, turn.history_words = heard, len(places)

    def took(self, what: str, seconds: float) -> None:
        """Note a duration that only the engine knows, in ms under `what`."""
        self._noted.setdefault(what, []).append(seconds * 1000)

    def offered_reply(self) -> None:
        """A reply's first audio was handed to the pacer (for engines that hand over whole clips)."""
        if self._offer is None:
            self._offer = self._loop.time()

    def withdrawn(self) -> None:
        """What `offered_reply` told of will not be heard, or is over."""
        self._offer = None

    def paced(self, pcm: bytes | memoryview | None) -> None:
        """A 20 ms frame left the pacer; None for a tick of silence (reporting those is optional)."""
        now = self._loop.time()
        loud = pcm is not None and stages.is_loud(pcm)
        turn = self._turn
        if not loud:
            self._close_grid()
            if turn is not None and turn.over_reply and turn.quiet is None and turn.onset:
                turn.quiet = now
            return
        assert pcm is not None
        tag = stages.read_agent_frame(pcm)
        if self._grid and now - self._grid[-1] > UNDERRUN_S:
            self._close_grid()
        self._grid.append(now)
        if turn is not None:
            self._hear(turn, tag, now)
        self._last_loud = now
        if tag is not None and tag[0]:
            self._last_paced = tag
            self._played.setdefault(tag[0], Counter())[tag[1:]] += 1

    def _hear(self, turn: Turn, tag: tuple[int, int, int] | None, now: float) -> None:
        same = tag is None or (turn.over_reply != 0 and tag[0] == turn.over_reply)
        if turn.end and turn.after is None:
            turn.after = now
        if turn.over_reply and same:
            gap = now - self._last_loud
            if turn.quiet is not None and now - turn.quiet < UNDERRUN_S:
                turn.quiet = None
            elif self._last_loud and gap > UNDERRUN_S:
                turn.hole_s = max(turn.hole_s, gap - stages.FRAME_S)
                turn.quiet = turn.quiet or self._last_loud + stages.FRAME_S
                if turn.resumed is None:
                    turn.resumed = now
            return
        if turn.over_reply and turn.quiet is None:
            turn.quiet = self._last_loud + stages.FRAME_S
        if turn.sound is None:
            turn.sound = now
        if turn.paced is None and (tag is None or tag[0]):
            turn.paced = now
            turn.offered = self._offers.get(tag[0], self._offer) if tag is not None else self._offer
            turn.early = turn.end == 0.0
            if turn.over_reply:
                turn.other_reply = True
            if tag is not None and tag[0]:
                turn.heard_reply = tag[0]
                turn.heard_prompt = self.replies.made[tag[0] - 1].prompt

    def _close_grid(self) -> None:
        """Lateness of the frames of one uninterrupted stretch against the best 20 ms grid through it."""
        times, self._grid = self._grid, []
        if len(times) < 10:
            return
        offsets = [when - index * stages.FRAME_S for index, when in enumerate(times)]
        base = min(offsets)
        self._lateness.extend((offset - base) * 1000 for offset in offsets)

    # ------------------------------------------------------------ the caller

    async def run(self) -> None:
        """Hold the whole conversation; returns when it is over (bounded by the plan). Cancelling it is fine."""
        self._next_tick = self._loop.time() + self._rng.random() * stages.FRAME_S
        await self._silence(0.5)
        while self._loop.time() - self._last_loud < REPLY_OVER_S and not self._gone:
            await self._silence(0.1)
        for index in range(self.plan.turns):
            if self._gone:
                break
            await self._one_turn(index)
        await self._silence(0.2)

    def result(self) -> CallResult:
        """What was measured so far."""
        self._close_grid()
        turns = [asdict(turn) for turn in self._turns[self.plan.warmup :]]
        return CallResult(turns, self._lateness, len(self.replies.made), self._gone, self._noted)

    def _kind(self, index: int) -> UtteranceKind:
        roll = self._rng.random()
        if self.plan.scenario in ("backchannel", "cough") and index % 2:
            return "cough" if self.plan.scenario == "cough" else "backchannel"
        if roll < self.plan.spelled:
            return "spelled"
        if roll < self.plan.paused:
            return self.plan.paused_kind
        return "revised" if roll < self.plan.paused + self.plan.revised else "clean"

    async def _one_turn(self, index: int) -> None:
        utterance = make_utterance(self._rng, index + 1, self._kind(index), self.plan.pause_ms)
        self.script[utterance.number] = utterance
        turn = Turn(utterance.number, utterance.kind, utterance.text)
        speaking = self._loop.time() - self._last_loud < 5 * stages.FRAME_S
        if speaking and self._last_paced is not None and self.plan.scenario not in ("turns", "fault"):
            turn.over_reply = self._last_paced[0]
        first_request = len(self.replies.made)
        self._offer = None
        self._turns.append(turn)
        self._faulty = self.plan.scenario == "fault" and index == 1
        self._played = {turn.over_reply: self._played[turn.over_reply]} if turn.over_reply else {}
        await self._speak(turn, utterance)
        await self._listen(turn, utterance, index)
        turn.requests = len(self.replies.made) - first_request
        turn.prompts = [reply.prompt for reply in self.replies.made[first_request:]]
        self._count_words(turn)
        self._faulty = False

    async def _speak(self, turn: Turn, utterance: Utterance) -> None:
        for offset in range(0, utterance.length_ms, stages.FRAME_MS):
            await self._tick()
            now = self._loop.time()
            if offset == 0:
                turn.onset = now
                self._turn = turn
            if offset + stages.FRAME_MS >= utterance.length_ms:
                turn.end = now
            self.feed(stages.caller_frame(utterance, offset))

    async def _listen(self, turn: Turn, utterance: Utterance, index: int) -> None:
        """Silence until the reply is over, or far enough into it to talk over it."""
        heard_since = turn.end
        talk_over = self.plan.scenario == "interrupt" or (
            self.plan.scenario in ("backchannel", "cough") and utterance.kind not in ("backchannel", "cough")
        )
        into = self._rng.uniform(0.7, 1.2)
        limit = FAULT_LISTEN_S if self._faulty else GIVE_UP_S
        while not self._gone:
            await self._tick()
            self.feed(stages.SILENCE)
            now = self._loop.time()
            started = turn.paced if not turn.early or self._last_loud > turn.end else None
            if turn.over_reply and utterance.kind in ("backchannel", "cough"):
                started = started or turn.onset
            if turn.quiet is None and turn.over_reply and now - self._last_loud > 2 * stages.FRAME_S:
                turn.quiet = self._last_loud + stages.FRAME_S
            if started is not None and talk_over and now - max(started, heard_since) > into:
                return
            over = max(self._last_loud, heard_since)
            if started is not None and now - over > self._patience(turn, utterance):
                break
            if now - heard_since > limit and now - over > REPLY_OVER_S:
                break
        self._close_grid()
        await self._silence(self._rng.uniform(0.1, 0.4))

    def _patience(self, turn: Turn, utterance: Utterance) -> float:
        """After a cough the agent may take long to go on: wait longer before calling its reply over."""
        if self._faulty:
            return 2.5
        if turn.early:
            return EARLY_S
        return 7.0 if utterance.kind in ("backchannel", "cough") and not self._reply_finished() else REPLY_OVER_S

    def _reply_finished(self) -> bool:
        last = self._last_paced
        return last is not None and last[1] >= self.plan.reply_words - 1 and last[2] >= stages.WORD_FRAMES - 2

    def _count_words(self, turn: Turn) -> None:
        """Words of the talked-over reply that were lost or wholly said twice (only where it went on)."""
        if not turn.over_reply or (turn.quiet is not None and turn.resumed is None):
            return
        played = self._played.get(turn.over_reply, Counter[tuple[int, int]]())
        inner = range(1, stages.WORD_FRAMES - 1)
        for word in range(self.plan.reply_words):
            times = [played[(word, frame)] for frame in inner]
            turn.lost_words += sum(1 for count in times if count) < len(times) // 2
            turn.repeated_words += min(times) > 1

    async def _silence(self, seconds: float) -> None:
        end = self._loop.time() + seconds
        while self._loop.time() < end and not self._gone:
            await self._tick()
            self.feed(stages.SILENCE)

    async def _tick(self) -> None:
        self._next_tick += stages.FRAME_S
        delay = self._next_tick - self._loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        elif delay < -0.5:
            self._next_tick = self._loop.time()


Adapter = Callable[[Call], Awaitable[Callable[[], Awaitable[None]]]]
"""Starts an engine on a call; gives back what stops it."""
