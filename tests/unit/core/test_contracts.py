"""The contracts of the design as properties of whole conversations, whatever happens in whatever order.

`Conversations` is a caller who does anything and a world that answers at any time or never; `judge` knows the
contracts. By default a fixed sample is run; AIVOICE_CONTRACTS=2000 runs that many new conversations.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.unit.core.world import World

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Emergency, Speculation, Target
from aivoice.core.prompt import ToolSpec

BOOK = ToolSpec("book", "Book", {"type": "object"}, side_effects=True, time_limit_ms=3_000)
LOOK = ToolSpec("look", "Look", {"type": "object"}, side_effects=False)
SAYINGS = st.sampled_from(
    [
        "what are your opening hours?",
        "book it for monday please.",
        "I'd like a",
        "and on sunday then?",
        "my number is five five",
        "is there a dentist in",
        "yes please book it.",
        "how much is a cleaning",
        "tell me about the prices then.",
    ]
)
RARE = st.sampled_from(["I want to speak to a person", "there is a gas leak here", "", ""])
REPLIES = st.lists(
    st.sampled_from(["We open at nine. ", "Shall I book it? ", "Five, ", "then we see each other on Tuesday, and ",
                     "the price is ninety dollars. ", "Yes. "]), min_size=1, max_size=5
)  # fmt: skip
FINALS = st.sampled_from([200, 300, 300, 300, 700, 1_100, 1_800, None])
SOON = st.sampled_from([0, 10, 100, 350, 700])
WHILE = st.sampled_from([20, 100, 250, 400, 600, 1_100, 2_000, 5_000])
FAILED = st.sampled_from(["", "", "", "", "down"])
OUTCOMES = st.sampled_from(["ok", "ok", "failed", "unknown"])
ARGUMENTS = st.sampled_from(['{"day":1}', '{"day":2}'])
TOOLS = st.sampled_from(["book", "book", "look", "nonsense", "end_call", "transfer"])

EXAMPLES = 250
OFTEN = {
    "turn": 400, "generate": 400, "speak": 600, "finished": 400, "interrupted": 400, "discarded": 80, "reopened": 200,
    "resumed": 80, "side effect": 10, "read-only tool": 1, "filler": 300, "late final": 5, "waterfall": 150,
    "stale": 20, "notice reprompt": 80, "notice continuer": 10, "notice emergency": 2, "transfer": 20,
    "finish silent_caller": 40, "finish caller_hung_up": 40,
}  # fmt: skip
"""How often, at least, each thing that the contracts speak of happens in a run of the sample."""


def live(machine: Conversations) -> bool:
    return not machine.world.finished


class Conversations(RuleBasedStateMachine):
    """Each rule is a small scene, so that forty of them make a conversation; `contracts` holds after each."""

    reached: ClassVar[Counter[str]] = Counter()

    @initialize(
        speculate=st.booleans(),
        streams=st.booleans(),
        retrieval=st.booleans(),
        greeted=st.sampled_from([True, True, False]),
    )
    def answer(self, speculate: bool, streams: bool, retrieval: bool, greeted: bool) -> None:
        self.config = CallConfig(
            tools=(BOOK, LOOK),
            targets=(Target("desk"),),
            emergency=Emergency(("gas leak",), "desk"),
            speculation=Speculation(enabled=speculate),
            tts_streams_text=streams,
            retrieval=retrieval,
            max_call=300_000,
        )
        self.dial(greeted)

    def dial(self, greeted: bool) -> None:
        self.world, self.said = World(self.config), 0
        self.world.start(greeted=greeted)

    def token(self, text: str) -> str:
        """Each saying has a word of its own, so that words lost or counted twice are found."""
        self.said += 1
        return f"u{self.said} {text}" if text else ""

    # ------------------------------------------------------------ the caller

    @precondition(live)
    @rule(text=SAYINGS, ms=st.sampled_from([500, 900]), final=FINALS, interim=st.booleans())
    def turn(self, text: str, ms: int, final: int | None, interim: bool) -> None:
        self.world.say(self.token(text), ms, final_after=final, interim=interim or final is None)
        self.world.until(c.TurnEnded, 1_900)

    @precondition(live)
    @rule(one=SAYINGS, pause=st.sampled_from([150, 350, 700, 1_000, 1_250]), two=SAYINGS, final=FINALS)
    def pausing_turn(self, one: str, pause: int, two: str, final: int | None) -> None:
        self.world.say(self.token(one), 600, final_after=final)
        self.world.pass_time(pause)
        self.world.say(self.token(two), 600)
        self.world.until(c.TurnEnded, 1_900)

    @precondition(live)
    @rule(text=SAYINGS, more=st.sampled_from(["", " for two", " on friday please."]),
          final=st.sampled_from([1_300, 1_700, 2_400]),
          think=st.booleans(), play=SOON)  # fmt: skip
    def late_words(self, text: str, more: str, final: int, think: bool, play: int) -> None:
        """The turn is decided on an interim; the final comes once the answer was thought of, or sounds."""
        text = self.token(text)
        self.world.say(text, 600, said=text.removesuffix(".") + more, final_after=final)
        self.world.until(c.TurnEnded, 1_900)
        if think:
            self.world.think("Yes, at nine, and then ", "again on Friday. ")
            self.world.voice_made()
        self.world.pass_time(play)

    @precondition(live)
    @rule(text=SAYINGS | RARE, ms=st.sampled_from([300, 600]), at=WHILE, final=FINALS)
    def interrupt(self, text: str, ms: int, at: int, final: int | None) -> None:
        self.world.pass_time(at)
        self.world.say(self.token(text), ms, final_after=final)
        self.world.pass_time(400)

    @precondition(live)
    @rule(noise=st.sampled_from(["mm-hm", "yeah", "", "", "okay"]), ms=st.sampled_from([150, 300]), at=WHILE)
    def noise(self, noise: str, ms: int, at: int) -> None:
        self.world.pass_time(at)
        self.world.say(noise, ms, final_after=300 if noise else None)
        self.world.pass_time(700)

    @precondition(live)
    @rule(ms=st.sampled_from([2_600, 6_000]), text=SAYINGS | st.just(""))
    def television(self, ms: int, text: str) -> None:
        self.world.say(self.token(text), ms)

    @precondition(live)
    @rule(ms=WHILE)
    def wait(self, ms: int) -> None:
        self.world.pass_time(ms)

    @precondition(live)
    @rule(chance=st.integers(0, 9))
    def long_silence(self, chance: int) -> None:
        self.world.pass_time(9_500 if chance < 5 else 800)

    @precondition(live)
    @rule(digit=st.sampled_from("0555"))
    def press(self, digit: str) -> None:
        self.world.feed(e.Dtmf(digit))

    # ------------------------------------------------------------ the world answers

    @precondition(live)
    @rule(tokens=REPLIES, soon=SOON, failed=FAILED, end=st.sampled_from([True, True, True, False]), play=WHILE)
    def reply(self, tokens: list[str], soon: int, failed: str, end: bool, play: int) -> None:
        self.world.pass_time(soon)
        self.world.think(*tokens, failed=failed, end=end)
        self.world.pass_time(soon)
        self.world.voice_made()
        self.world.pass_time(play)

    @precondition(live)
    @rule(text=SAYINGS, tokens=REPLIES, at=WHILE, final=FINALS)
    def turn_and_reply(self, text: str, tokens: list[str], at: int, final: int | None) -> None:
        self.turn(text, 600, final, True)
        self.reply(tokens, 100, "", True, at)

    @precondition(live)
    @rule(text=SAYINGS, tool=TOOLS, tokens=REPLIES | st.just([]), arguments=ARGUMENTS,
          twice=st.sampled_from([False, False, True]),
          run=WHILE, outcome=OUTCOMES | st.just(""))  # fmt: skip
    def turn_and_tool(
        self, text: str, tool: str, tokens: list[str], arguments: str, twice: bool, run: int, outcome: str
    ) -> None:
        self.turn(text, 600, 300, True)
        self.world.think(*tokens, tool=(tool, arguments), end=not twice)
        if twice:
            self.world.think(tool=(tool, arguments))
        self.world.voice_made()
        self.world.pass_time(run)
        if outcome:
            self.world.tool_ends(outcome, newest=True)

    @precondition(live)
    @rule(words=st.sampled_from([1, 3, 1_000]), failed=FAILED, play=WHILE)
    def voice(self, words: int, failed: str, play: int) -> None:
        self.world.voice_made(words, failed)
        self.world.pass_time(play)

    @precondition(lambda self: self.world.of(c.Retrieve))
    @rule()
    def find(self) -> None:
        self.world.find()

    @precondition(lambda self: self.world.of(c.RunTool))
    @rule(outcome=OUTCOMES, newest=st.booleans(), play=WHILE)
    def tool_ends(self, outcome: str, newest: bool, play: int) -> None:
        self.world.tool_ends(outcome, newest=newest)
        self.world.pass_time(play)

    @precondition(lambda self: self.world.transfers())
    @rule(state=st.sampled_from(["ringing", "failed", "failed", "failed", "connected"]))
    def transfer(self, state: str) -> None:
        self.world.transfer_goes(state)

    @precondition(live)
    @rule(chance=st.integers(0, 9), at=WHILE)
    def recogniser_dies(self, chance: int, at: int) -> None:
        self.world.pass_time(at)
        if chance == 0:
            self.world.recogniser_dies()

    @precondition(lambda self: live(self) and self.world.cancelled)
    @rule(which=st.integers(0, 50))
    def stale(self, which: int) -> None:
        """6: a result that nobody waits for any more is noted and changes nothing."""
        world = self.world
        event = world.stale(world.cancelled[which % len(world.cancelled)])
        before = world.call.snapshot()
        made = world.feed(event)
        assert len(made) == 1 and isinstance(made[0], c.Note), f"6: a stale result caused {made}"
        assert world.call.snapshot() == before, "6: a stale result changed the call"
        world.judge.seen["stale"] += 1

    @precondition(live)
    @rule(chance=st.integers(0, 40))
    def hang_up(self, chance: int) -> None:
        if chance == 0:
            self.world.feed(e.HungUp("caller_hung_up"))
            assert self.world.finished

    @precondition(lambda self: not live(self))
    @rule(greeted=st.booleans())
    def call_again(self, greeted: bool) -> None:
        self.end()
        self.dial(greeted)

    # ------------------------------------------------------------ the contracts

    @invariant()
    def contracts(self) -> None:
        if hasattr(self, "world"):
            self.world.judge.rest()

    def teardown(self) -> None:
        if hasattr(self, "world") and sys.exc_info()[0] is None:
            self.end()

    def end(self) -> None:
        """5, 7: whatever was going on, a caller who says nothing more is told goodbye, and the end is the end."""
        world = self.world
        answers = world.now % 2 == 0  # else nothing that was asked for ever comes: the limit of the call ends it
        for _ in range(2_000):
            if world.finished:
                break
            if answers:
                world.think("Yes. ")
                world.voice_made()
                world.tool_ends("ok")
                world.transfer_goes("failed")
            world.pass_time(500)
            world.judge.rest()
        assert world.finished, "5: a call that does not end"
        if world.finished == "silent_caller":
            assert not world.judge.untold, "3: the result of a side effect was never told"
        told = len(world.log)
        while world.of(c.RunTool):
            world.tool_ends("ok")
        for command in world.cancelled:
            world.feed(world.stale(command))
        world.feed(e.HungUp("again"))
        assert len(world.log) == told, "7: commands after the end"
        Conversations.reached.update(world.judge.seen)


def test_conversations() -> None:
    """The contracts hold, and what they speak of has happened often enough to say so."""
    examples = int(os.environ.get("AIVOICE_CONTRACTS", "0"))
    Conversations.reached.clear()
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        Conversations,
        settings=settings(
            max_examples=examples or EXAMPLES,
            stateful_step_count=30,
            derandomize=not examples,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
    short = {what: Conversations.reached[what] for what, least in OFTEN.items() if Conversations.reached[what] < least}
    assert not short, f"hardly tested: {short}"
