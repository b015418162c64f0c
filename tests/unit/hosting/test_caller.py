"""The scripted caller waits for an answer as a person would: "mm-hm" and "one moment, please" are none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from aivoice.core.config import DEFAULT_CLIPS
from aivoice.hosting.caller import Caller, Ears, Reaction, bridges_of, without_bridges
from aivoice.hosting.caller_script import Answer, CallerScript, Line
from aivoice.testing.virtual_time import run_virtual

BRIDGES = bridges_of({**DEFAULT_CLIPS, "filler.book": "Let me look at the diary."})
LOUD = b"\x00\x40" * 320

Reply = tuple[tuple[float, str, float], ...]
"""What the agent says to one line: (s after its end, words, s that it lasts)."""


@dataclass
class Agent:
    """The far end: replies to each line said, in the order given. A stand-in for the phone and the live view."""

    replies: list[Reply]
    ears: Ears
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    last_voiced_at: float | None = None
    words: str = "Hello, how can I help?"
    speaking: bool = False
    said_at: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    sounds: list[float] = field(default_factory=list[float])
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _line: str = ""

    def say(self, pcm: bytes) -> None:
        self._line = pcm.decode()

    async def said(self) -> None:
        await asyncio.sleep(0.5)
        self.last_voiced_at = now()
        self.said_at.append((self._line, now()))
        if "Goodbye" in self._line:
            self.ended.set()
        elif self.replies:
            self._tasks.append(asyncio.get_running_loop().create_task(self._reply(self.replies.pop(0))))

    def first_sound_after(self, time: float) -> float | None:
        return next((at for at in self.sounds if at > time), None)

    async def _reply(self, reply: Reply) -> None:
        begun = now()
        for after, words, lasts in reply:
            await asyncio.sleep(begun + after - now())
            self.words, self.speaking = words, True
            for _ in range(round(lasts / 0.02)):
                self.sounds.append(now())
                self.ears(LOUD, now())
                await asyncio.sleep(0.02)
            self.speaking = False

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)


def now() -> float:
    return asyncio.get_running_loop().time()


def talk(script: CallerScript, replies: list[Reply]) -> tuple[Agent, list[Reaction]]:
    async def run() -> tuple[Agent, list[Reaction]]:
        ears = Ears()
        agent = Agent(list(replies), ears)
        await agent._reply(((0.1, agent.words, 1.0),))  # pyright: ignore[reportPrivateUsage] - the greeting
        caller = Caller(
            agent, ears, script, str.encode, lambda: agent.words, lambda: not agent.speaking, bridges=BRIDGES
        )
        await caller.talk()
        await agent.close()
        return agent, caller.reactions

    return run_virtual(run())


@pytest.mark.parametrize("bridge", ["Mm-hm.", "One moment, please.", "Let me look at the diary."])
def test_the_next_line_waits_for_the_answer(bridge: str) -> None:
    script = CallerScript(lines=(Line(say="My number is five"), Line(say="And a filling?")), goodbye="Goodbye")
    replies: list[Reply] = [((0.6, bridge, 0.4), (4.0, "Thank you. Anything else?", 1.5)), ((0.6, "It's $180.", 1.0),)]
    agent, reactions = talk(script, replies)
    (_, first_at), (_, second_at), _ = agent.said_at
    assert second_at - first_at > 5.5, "the answer was heard to its end"
    assert reactions[0].first_sound_ms == pytest.approx(600, abs=25)
    assert reactions[0].answered_ms == pytest.approx(4_000, abs=25)
    assert reactions[1].answered_ms == reactions[1].first_sound_ms == pytest.approx(600, abs=25)


def test_an_answer_of_the_script_is_chosen_by_what_answered() -> None:
    script = CallerScript(
        lines=(Line(say="Book a cleaning"),), answers=(Answer(when="your name", say="Anna"),), goodbye="Goodbye"
    )
    bridged = ((0.6, "One moment, please.", 1.0), (2.5, "One moment, please. May I have your name?", 1.5))
    agent, _ = talk(script, [bridged, ((0.6, "Thank you.", 0.8),)])
    assert [said for said, _ in agent.said_at] == ["Book a cleaning", "Anna", "Goodbye"]


def test_nothing_but_company_is_given_up_in_the_end() -> None:
    script = CallerScript(lines=(Line(say="Hello?"),), goodbye="Goodbye")
    agent, reactions = talk(script, [((0.6, "Mm-hm.", 0.4),)])
    assert reactions[0].first_sound_ms == pytest.approx(600, abs=25)
    assert reactions[0].answered_ms is None
    assert agent.said_at[-1][0] == "Goodbye"


def test_words_beside_a_filler_are_an_answer() -> None:
    assert without_bridges("One moment, please.", BRIDGES) == ""
    assert without_bridges("mm-hm. One moment, please.", BRIDGES) == ""
    assert without_bridges("One moment, please. We close at five.", BRIDGES) == "We close at five."
    assert without_bridges("We close at five.", BRIDGES) == "We close at five."
