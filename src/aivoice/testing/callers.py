"""Simulated callers: they carry out a plan's acts on a `Line`, reacting to what the agent plays and decides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.testing.acts import Act, Behaviour, CallPlan, Chatter
from aivoice.testing.line import Line
from aivoice.testing.randomness import derive, seconds
from aivoice.testing.truth import SpokenWord, Truth, lay_out

MS = SAMPLE_RATE // 1000
PATIENCE_S = 7.0
"""A caller who hears nothing for so long goes on by himself."""
TAKES_TURN: frozenset[Behaviour] = frozenset(
    {"talk", "pause", "interrupt", "spell", "number", "resume", "bye", "mumble"}
)
_TELEVISION = [
    "and",
    "now",
    "the",
    "weather",
    "for",
    "tomorrow",
    "with",
    "sunshine",
    "in",
    "the",
    "north",
    "a",
    "new",
    "record",
    "was",
    "set",
    "last",
    "night",
    "by",
    "the",
    "home",
    "team",
    "officials",
    "say",
    "that",
    "prices",
    "will",
    "rise",
    "again",
    "next",
    "year",
    "coming",
    "up",
    "after",
    "the",
    "break",
    "stay",
    "with",
    "us",
]
_TALKER = [
    "honey",
    "have",
    "you",
    "seen",
    "the",
    "keys",
    "they",
    "are",
    "on",
    "the",
    "table",
    "dinner",
    "is",
    "ready",
    "are",
    "you",
    "still",
    "on",
    "the",
    "phone",
]


@dataclass(slots=True)
class Done:
    """An act as it happened; times in µs of the loop. pauses: (from, to) inside it. words: how many were said."""

    act: Act
    start: int
    end: int
    words: int = 0
    pauses: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    agent_sounding: bool = False


class Caller:
    """One caller. `run` acts until the plan or the call is over; `observe` is a session observer."""

    def __init__(self, plan: CallPlan, line: Line, truth: Truth, clip_text: Callable[[str], str]) -> None:
        self._plan, self._line, self._truth, self._clip_text = plan, line, truth, clip_text
        self._rng = derive(plan.seed, plan.index, "caller")
        self.done: list[Done] = []
        self.echoes: list[tuple[int, int]] = []
        self.chatter: list[tuple[int, int]] = []
        self.up_us = 0
        self._over = False
        self._waiter: asyncio.Future[None] | None = None
        self._replies = 0
        self._mark = 0
        self._decisions = 0
        self._decisions_mark = 0
        self._texts: dict[int, str] = {}
        self._sounding_since: float | None = None
        self._quiet_since = 0.0
        self._spoke_until = 0.0
        self._learned_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        line.agent_heard, line.came_up, line.ended = self._agent, self._up, self._ended

    # ------------------------------------------------------------ what he notices

    def observe(self, now: int, item: e.Event | c.Command) -> None:
        """A person knows from the words when a reply is over; the simulated one is told."""
        match item:
            case c.ReplyEnded(outcome="finished"):
                self._replies += 1
                self._wake()
            case c.TurnEnded():
                self._decisions += 1
                self._wake()
            case c.Speak(attempt=attempt, text=text):
                self._texts[attempt] = self._texts.get(attempt, "") + text
            case c.Play(attempt=attempt, cached=key) if key:
                self._texts[attempt] = self._clip_text(key)
            case e.PlayoutStarted(attempt=attempt):
                self._hear_echo(now, self._texts.get(attempt, ""))
            case _:
                pass

    def _up(self) -> None:
        loop = asyncio.get_running_loop()
        self.up_us = round(loop.time() * 1e6)
        self._quiet_since = loop.time()
        if self._plan.chatter is not None:
            self._next_burst(self._plan.chatter)
        for at in self._plan.stalls_ms:
            loop.call_later(at / 1000, self._line.stall, 300 * MS)
        self._wake()

    def _ended(self, reason: str) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def _agent(self, sounding: bool, samples: int) -> None:
        now = asyncio.get_running_loop().time()
        if sounding:
            if self._sounding_since is None:
                self._sounding_since = now
            self._quiet_since = now + samples / SAMPLE_RATE
        else:
            self._sounding_since = None
            self._quiet_since = now
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ------------------------------------------------------------ acting

    async def run(self) -> None:
        """Until the call is over. Hangs up after the last act, unless the agent does."""
        await self._until(lambda: self.up_us > 0, None)
        for act in self._plan.acts:
            await self._moment(act)
            if self._over:
                return
            await self._perform(act)
            if self._over:
                return
        await self._until(self._answered, PATIENCE_S)
        await self._sleep(1.0)
        self._line.hang_up()

    async def _moment(self, act: Act) -> None:
        match act.moment:
            case "free":
                await self._until(self._answered, PATIENCE_S)
            case "over":
                await self._until(lambda: self._line.agent_sounding, PATIENCE_S)
            case "decided":
                await self._until(lambda: self._decisions > self._decisions_mark, 4.0)
            case "then":
                pass
        await self._sleep(act.delay_ms / 1000)

    def _answered(self) -> bool:
        return self._replies > self._mark and not self._line.agent_sounding

    async def _perform(self, act: Act) -> None:
        loop = asyncio.get_running_loop()
        start = max(self._line.position, int(self._spoke_until))
        done = Done(act, self._us(start), self._us(start), agent_sounding=self._line.agent_sounding)
        self.done.append(done)
        if act.behaviour in TAKES_TURN:
            self._mark, self._decisions_mark = self._replies, self._decisions
        match act.behaviour:
            case "silent":
                end = start + act.duration_ms * MS
            case "key":
                self._line.press(act.digit)
                end = start
            case "cough" | "mumble" | "music":
                end = start + act.duration_ms * MS
                self._line.sound(start, end)
            case _:
                end = self._say(act, start, done)
        done.end = self._us(end)
        self._spoke_until = end
        if act.behaviour == "hang_up":
            # In the middle of the last word.
            await self._sleep((end - start) / SAMPLE_RATE - 0.12)
            self._truth.cut(self._line.position)
            self._line.hang_up()
            self._over = True
            return
        await self._sleep(max(0.0, self.up_us / 1e6 + end / SAMPLE_RATE - loop.time()))

    def _say(self, act: Act, start: int, done: Done) -> int:
        """Lay the words out, with their pauses; returns where they end."""
        words, position = act.text.split(), start
        pauses = dict(act.pauses)
        begun = position
        for index, word in enumerate(words, 1):
            spoken = lay_out(word, position, rate=self._plan.rate)
            self._truth.add(*spoken)
            position = spoken[-1].end
            if index in pauses and index < len(words):
                self._line.sound(begun, position)
                silent_from = position
                position += pauses[index] * MS
                done.pauses.append((self._us(silent_from), self._us(position)))
                begun = position
        self._line.sound(begun, position)
        done.words = len(words)
        return position

    def _us(self, position: int) -> int:
        return self.up_us + position * 1_000_000 // SAMPLE_RATE

    # ------------------------------------------------------------ surroundings

    def _hear_echo(self, now: int, text: str) -> None:
        """The agent's words come back through the canceller's leaks."""
        echo = self._plan.echo
        if echo is None or not text or self._line.position <= 0:
            return
        # While the canceller learns (its first second) it lets through what is louder than about −36 dB.
        learning = self._learned_s < 1.0 and self._rng.random() < min(1.0, (echo.level_db + 36) / 24)
        leaks = self._rng.random() < echo.leaks
        self._learned_s += 0.3 * len(text.split())
        if not (learning or leaks):
            return
        start = self._line.position + echo.delay_ms * MS
        length = int(self._rng.uniform(300, 900)) * MS
        for word in lay_out(text, start):
            if word.end <= start + length:  # a word that is cut off is not understood
                self._truth.add(SpokenWord(word.start, word.end, word.text, "echo"))
        self._line.sound(start, start + length)
        self.echoes.append((self._us(start), self._us(start + length)))

    def _next_burst(self, chatter: Chatter) -> None:
        wait = seconds(chatter.every, self._rng)
        self._timer = asyncio.get_running_loop().call_later(wait, self._burst, chatter)

    def _burst(self, chatter: Chatter) -> None:
        if self._over:
            return
        pool = _TELEVISION if chatter.voice == "television" else _TALKER
        first = self._rng.randrange(len(pool))
        count = self._rng.randint(*chatter.length_words)
        start = self._line.position
        words = lay_out(" ".join((pool * 2)[first : first + count]), start, voice=chatter.voice)
        if self._rng.random() < chatter.understood:
            self._truth.add(*words)
        self._line.sound(start, words[-1].end)
        self.chatter.append((self._us(start), self._us(words[-1].end)))
        self._next_burst(chatter)

    # ------------------------------------------------------------ waiting

    async def _until(self, met: Callable[[], bool], patience_s: float | None) -> None:
        """Wait until `met`, the end of the call, or `patience_s` in which the agent is not heard."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not met() and not self._over:
            handle: asyncio.TimerHandle | None = None
            quiet = max(self._quiet_since, begun)
            if patience_s is not None:
                if loop.time() >= quiet + patience_s:
                    return
                # Also looked at when the agent's last span ends: silence is told by no event.
                when = self._quiet_since if loop.time() < self._quiet_since else quiet + patience_s
                handle = loop.call_at(when, self._wake)
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
                if handle is not None:
                    handle.cancel()

    async def _sleep(self, duration_s: float) -> None:
        """Pass time, but no longer than the call."""
        loop = asyncio.get_running_loop()
        end = loop.time() + duration_s
        while loop.time() < end and not self._over:
            handle = loop.call_at(end, self._wake)
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
                handle.cancel()


def shuffled(rng: random.Random, pool: tuple[str, ...], count: int) -> list[str]:
    """`count` entries of `pool`, each once as long as it lasts."""
    picked = list(pool)
    rng.shuffle(picked)
    return (picked * (count // len(picked) + 1))[:count]
