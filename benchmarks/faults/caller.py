"""The caller of the matrix: wants a cleaning, says again what was not understood, and notes every silence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.testing.line import Line
from aivoice.testing.truth import Truth, lay_out
from benchmarks.faults.booking import BYE, NAME, WISH

QUIET_S = 0.9
"""The agent's turn is over after so much silence with nothing pending."""
PATIENCE_S = 12.0
"""A caller who hears nothing for so long gives up."""
MOST_SAID = 9


@dataclass(slots=True)
class Silence:
    """After one utterance, seconds. first: from its end to the first sound. gap: the longest later silence while the
    agent had something pending."""

    said: str
    first: float
    gap: float


@dataclass(slots=True)
class Heard:
    """What became of the call at the caller's end."""

    silences: list[Silence] = field(default_factory=list[Silence])
    texts: list[str] = field(default_factory=list[str])
    apologies: int = 0
    gave_up: bool = False


class BookingCaller:
    """`run` while the call is; `observe` is a session observer. sounded: the agent has been heard since the latest
    utterance began. answering: the agent has been heard after an utterance."""

    def __init__(self, line: Line, truth: Truth) -> None:
        self._line, self._truth = line, truth
        line.agent_heard = self._agent
        self.heard = Heard()
        self.sounded = asyncio.Event()
        self.answering = asyncio.Event()
        self._sounding = False
        self._changed_at = 0.0
        self._pending: set[int] = set()
        self._first: float | None = None
        self._gap = 0.0
        self._said_until = 0.0
        self._over = False

    # ------------------------------------------------------------ what is seen

    def observe(self, at_us: int, item: e.Event | c.Command) -> None:
        match item:
            case c.Generate() | c.RunTool() | c.Speak():
                self._pending.add(item.attempt)
            case e.GenerationEnded() | e.ToolEnded() | e.ClipReady() | c.Cancel():
                self._pending.discard(item.attempt)
            case c.ReplyEnded() if item.heard:
                self.heard.texts.append(item.heard)
            case c.Play() if item.cached.startswith(("apology", "technical")):
                self.heard.apologies += 1
            case c.Finish():
                self._over = True
            case _:
                pass

    def _agent(self, sounding: bool, samples: int) -> None:
        now = asyncio.get_running_loop().time()
        if sounding and not self._sounding:
            if self._said_until:
                if self._first is None:
                    self._first = now - self._said_until
                elif self._pending:
                    self._gap = max(self._gap, now - self._changed_at)
            self.sounded.set()
            if self._said_until:
                self.answering.set()
        self._sounding, self._changed_at = sounding, now

    # ------------------------------------------------------------ what is done

    async def run(self) -> None:
        """The whole call; returns when it is over or the caller gives up."""
        await self._until_quiet(limit=PATIENCE_S)
        for _ in range(MOST_SAID):
            if self._over:
                return
            text = self._next()
            await self._say(text)
            await self._until_quiet(limit=PATIENCE_S)
            if self._first is None and not self._over:
                self.heard.gave_up = True
                return
            self.heard.silences.append(Silence(text, self._first or 0.0, self._gap))
            if text == BYE:
                await asyncio.sleep(1.5)
                return

    def _next(self) -> str:
        """What fits what was heard last."""
        told = " ".join(self.heard.texts).lower()
        if "booked for" in told:
            return BYE
        return NAME if "your name" in told else WISH

    async def _say(self, text: str) -> None:
        loop = asyncio.get_running_loop()
        self._first, self._gap, self._said_until = None, 0.0, 0.0
        self.sounded.clear()
        words = lay_out(text, self._line.position + SAMPLE_RATE // 10)
        self._truth.add(*words)
        self._line.sound(words[0].start, words[-1].end)
        seconds = (words[-1].end - self._line.position) / SAMPLE_RATE
        await asyncio.sleep(seconds)
        self._said_until = loop.time()

    async def _until_quiet(self, *, limit: float) -> None:
        """The agent has spoken and is quiet, with nothing under way; or `limit` passed in silence."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while not self._over:
            await asyncio.sleep(0.02)
            now = loop.time()
            heard = self.sounded.is_set()
            quiet = 0.0 if self._sounding else now - max(self._changed_at, since)
            if heard and quiet > QUIET_S and not self._pending:
                return
            if quiet > limit:
                return
