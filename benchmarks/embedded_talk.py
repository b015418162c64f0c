"""Callers for `embedded_calls`: what they say, how they listen, and what is noted of each of their turns.

A caller waits until the agent has finished and then about a second more, as people do. In a share of their lines they
pause. What the agent says is judged by the frames (or packets) that reach the caller; the engine's own records
only add what its figures cannot show from outside: which wait was chosen, and where the time went.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aivoice.api.hub import CallHub
from aivoice.audio.frames import FRAME_BYTES, SAMPLE_RATE, SILENCE
from aivoice.audio.loudness import level_dbfs
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.hosting.caller import Ears
from aivoice.hosting.caller_script import Answer
from aivoice.traces.model import AgentEntry
from aivoice.traces.reduce import Item
from aivoice.transports.memory import MemoryTransport
from aivoice.transports.webrtc_caller import Arrival

AUDIBLE_DBFS = -50.0
ANSWER_S = 6.0
"""A line without any sound of the agent for so long was not answered."""
GIVE_UP_S = 10.0
KEPT_S = 60
_STEP_S = 0.02
_WHY = re.compile(r"(\w+) text, (\d+) ms")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a caller talks. polite_s: from the agent's last sound to the caller's line. pause_s: of a pause in a line."""

    polite_s: tuple[float, float] = (0.8, 1.5)
    pause_s: tuple[float, float] = (0.3, 0.9)


@dataclass(slots=True)
class Turn:
    """One line said. Times: loop time, s; ended: the last voiced frame was handed in. first, answer: the agent's first
    sound and its answer's, None where none came. early: it sounded inside the line. kind, wait_ms: what endpointing
    chose. heard: the text that was answered. stages: the waterfall, ms."""

    text: str
    paused: bool
    began: float
    ended: float
    early: bool = False
    first: float | None = None
    answer: float | None = None
    kind: str = "none"
    wait_ms: int = 0
    heard: str = ""
    speculative: bool = False
    stages: dict[str, float] = field(default_factory=dict[str, float])


class Phone(Protocol):
    """What a caller needs of its end of the line; `WebRtcCaller` is one."""

    ended: asyncio.Event
    last_voiced_at: float | None
    arrivals: deque[Arrival]

    def say(self, pcm: bytes) -> None: ...

    async def said(self) -> None: ...


class MemoryPhone(MemoryTransport):
    """The caller's end of a leg without a network: 20 ms frames in real time, with a line's noise under them."""

    def __init__(self, pacer: Pacer, ears: Ears, seed: int) -> None:
        super().__init__(self._frame, pacer=pacer, heard=self._on_heard, end="caller_hung_up")
        self._loop = asyncio.get_running_loop()
        self._ears = ears
        self._mouth: deque[bytes] = deque()
        self._said = asyncio.Event()
        noise = random.Random(seed)
        self._noise = [
            b"".join(round(noise.gauss(0, 6)).to_bytes(2, "little", signed=True) for _ in range(FRAME_BYTES // 2))
            for _ in range(16)
        ]
        self._number = 0
        self.ended = asyncio.Event()
        self.last_voiced_at: float | None = None
        self.arrivals: deque[Arrival] = deque(maxlen=KEPT_S * 50)

    def say(self, pcm: bytes) -> None:
        """Queue whole frames; they leave one a tick."""
        self._mouth.extend(pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))
        self._said.clear()

    async def said(self) -> None:
        """Everything has left, or the call is over."""
        await self._said.wait()

    async def close(self, reason: str) -> None:
        """Also tells the caller that the call is over."""
        self.ended.set()
        self._said.set()
        await super().close(reason)

    def _frame(self) -> bytes:
        self._number += 1
        if not self._mouth:
            return self._noise[self._number % len(self._noise)]
        frame = self._mouth.popleft()
        self.last_voiced_at = self._loop.time()
        if not self._mouth:
            self._said.set()
        return frame if frame != SILENCE else self._noise[self._number % len(self._noise)]

    def _on_heard(self, frame: bytes, position: int) -> None:
        now = self._loop.time()
        self._ears(frame, now)
        self.arrivals.append(Arrival(now, level_dbfs(frame)))


class Watch(CallHub):
    """A call's live view that also keeps what tells where a turn's time went."""

    def __init__(self, clips: Mapping[str, str]) -> None:
        super().__init__(clips)
        self.ends: dict[int, c.TurnEnded] = {}
        self.falls: list[tuple[float, c.Waterfall]] = []

    def publish(self, at_us: int, item: Item) -> None:
        super().publish(at_us, item)
        match item:
            case c.TurnEnded():
                self.ends[item.turn] = item
            case c.Waterfall():
                self.falls.append((at_us / 1e6, item))
            case _:
                pass

    def last_words(self) -> str:
        """Of the agent, so far."""
        agent = [entry for entry in self.view.reducer.entries if isinstance(entry, AgentEntry) and entry.text]
        return agent[-1].text if agent else ""


@dataclass(slots=True)
class Talker:
    """Says `lines` one after another, `answers` before them where the agent's last words ask for one; then `goodbye`.

    spoken: text → 16 kHz s16le without silence at its ends. A "|" in a line is a pause.
    """

    phone: Phone
    ears: Ears
    hub: Watch
    lines: Sequence[str]
    answers: Sequence[Answer]
    goodbye: str
    spoken: dict[str, bytes]
    rng: random.Random
    manner: Manner = field(default_factory=Manner)
    turns: list[Turn] = field(default_factory=list[Turn])
    _answered: str = ""
    _used: dict[int, int] = field(default_factory=dict[int, int])

    async def talk(self, until: float) -> None:
        """Returns when nothing is left to say, the call is over, or loop time `until` has passed."""
        lines: Iterator[str] = iter(self.lines)
        await self._finished(0.0)
        while not self.phone.ended.is_set() and self._now() < until:
            since = self._now()
            text = self._answer() or next(lines, "")
            await self._say(text or self.goodbye)
            if not text:
                return
            await self._finished(since)

    # ------------------------------------------------------------ listening

    async def _finished(self, since: float) -> None:
        quiet_s, begun = self.rng.uniform(*self.manner.polite_s), self._now()
        while not self.phone.ended.is_set():
            await asyncio.sleep(_STEP_S)
            now, last = self._now(), self.ears.sounding_at
            if last > since and now - last > quiet_s and self.hub.view.state == "listening":
                return
            if now - max(begun, last) > GIVE_UP_S:
                return

    def _answer(self) -> str | None:
        words = self.hub.last_words()
        if words == self._answered:
            return None
        for index, answer in enumerate(self.answers):
            if self._used.get(index, 0) < answer.times and re.search(answer.when, words, re.IGNORECASE):
                self._used[index] = self._used.get(index, 0) + 1
                self._answered = words
                return answer.say
        return None

    # ------------------------------------------------------------ speaking

    async def _say(self, text: str) -> None:
        pcm = bytearray()
        for part in text.split("|"):
            if pcm:
                pcm += SILENCE * round(self.rng.uniform(*self.manner.pause_s) * 50)
            pcm += self.spoken[part.strip()]
        began = self._now()
        self.phone.say(bytes(pcm))
        await self.phone.said()
        if self.phone.ended.is_set() and self._now() - began < len(pcm) / 2 / SAMPLE_RATE - 0.1:
            return  # the call ended inside the line
        turn = Turn(text, "|" in text, began, self.phone.last_voiced_at or self._now())
        while not self.phone.ended.is_set() and turn.first is None and self._now() - turn.ended < ANSWER_S:
            await asyncio.sleep(_STEP_S)
            turn.first = self._sound(turn.ended, self._now())
        turn.early = self._sound(began + 0.1, turn.ended) is not None
        self.turns.append(turn)

    def _sound(self, after: float, until: float) -> float | None:
        return next((a.time for a in self.arrivals if after < a.time <= until and a.level > AUDIBLE_DBFS), None)

    @property
    def arrivals(self) -> deque[Arrival]:
        """The agent's frames, as they came."""
        return self.phone.arrivals

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def explain(turns: Sequence[Turn], watch: Watch) -> None:
    """Add to each turn what the engine recorded of its answer: the first that sounded after the line's end."""
    for number, turn in enumerate(turns):
        until = turns[number + 1].began if number + 1 < len(turns) else float("inf")
        found = next(((at, fall) for at, fall in watch.falls if turn.ended < at < until), None)
        if found is None:
            continue
        at, fall = found
        turn.answer, turn.speculative = at, fall.speculative
        turn.stages = {name: us / 1e3 for name, us in fall.stages}
        end = watch.ends.get(fall.turn)
        if end is not None:
            match = _WHY.match(end.why)
            turn.heard, turn.kind = end.text, match[1] if match else end.why
            turn.wait_ms = int(match[2]) if match else 0
