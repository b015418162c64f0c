"""The contracts of the design as properties: whatever happens in whatever order, they hold.

`Conversations` plays a world that answers commands honestly but at any time and in any order, and a caller who does
anything; `test_any_order` feeds events that make no sense at all.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.core.playing import Toy

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig, Emergency, Speculation, Target
from aivoice.core.prompt import Message, ToolSpec

BOOK = ToolSpec("book", "Book", {"type": "object"}, side_effects=True, time_limit_ms=3_000)
LOOK = ToolSpec("look", "Look", {"type": "object"}, side_effects=False)
SAYINGS = st.sampled_from(
    ["what are your opening hours?", "book it for monday, yes please", "I'd like a", "mm-hm", "wait stop", "", "yes",
     "my number is five five five", "I want to speak to a person", "gas leak", "and on sunday then?", "we open at nine"]
)  # fmt: skip
REPLIES = st.lists(
    st.sampled_from(["We ", "open ", "at ", "nine. ", "Shall ", "I ", "book ", "it? ", "Five, ", "then"]), max_size=12
)
TOOL_NAMES = st.sampled_from(["book", "look", "nonsense", "end_call", "transfer"])


class Conversations(RuleBasedStateMachine):
    """Contracts 1 to 9 of the design, checked after every step."""

    @initialize(speculate=st.booleans(), streams=st.booleans(), retrieval=st.booleans())
    def answer(self, speculate: bool, streams: bool, retrieval: bool) -> None:
        config = CallConfig(
            tools=(BOOK, LOOK),
            targets=(Target("desk"),),
            emergency=Emergency(("gas leak",), "desk"),
            speculation=Speculation(enabled=speculate),
            tts_streams_text=streams,
            retrieval=retrieval,
        )
        self.toy = Toy(config)
        self.toy.feed(e.Answered("2026-11-24T10:00:00-05:00", "America/New_York"))
        self.toy.feed(e.MediaUp())
        self.seen = 0
        self.speaking, self.spoke_at = False, 0
        self.committed: dict[int, int] = {}
        self.keys: set[str] = set()

    # ------------------------------------------------------------ the caller

    @rule(text=SAYINGS, ms=st.sampled_from([100, 300, 900]), final=st.booleans())
    def speak(self, text: str, ms: int, final: bool) -> None:
        if not self.toy.finished and not self.speaking:
            self.toy.voice(text, ms, final=final)

    @rule()
    def start_speaking(self) -> None:
        if not self.toy.finished:
            self.speaking, self.spoke_at = True, self.toy.now
            self.toy.feed(e.SpeechStarted(self.toy.position, self.toy.now * 1_000))

    @precondition(lambda self: self.speaking)
    @rule()
    def stop_speaking(self) -> None:
        self.speaking = False
        self.toy.feed(e.SpeechEnded(self.toy.position, self.toy.now * 1_000))

    @rule(kind=st.sampled_from(["interim", "final", "eager", "resumed"]), text=SAYINGS)
    def words(self, kind: str, text: str) -> None:
        self.toy.feed(e.Heard(kind, text, 0, self.toy.position))  # type: ignore[arg-type]

    @rule(ms=st.sampled_from([10, 60, 250, 700, 2_000, 9_000]))
    def wait(self, ms: int) -> None:
        self.toy.pass_time(ms)

    @rule(digit=st.sampled_from("05"))
    def press(self, digit: str) -> None:
        self.toy.feed(e.Dtmf(digit))

    # ------------------------------------------------------------ the world answers

    @precondition(lambda self: self.toy.of(c.Generate))
    @rule(tokens=REPLIES, tool=st.none() | TOOL_NAMES, end=st.booleans(), failed=st.sampled_from(["", "", "", "down"]))
    def think(self, tokens: list[str], tool: str | None, end: bool, failed: str) -> None:
        tools = ((f"id{self.toy.now}", tool, "{}"),) if tool else ()
        self.toy.generate(*tokens, tools=tools, end=end, failed=failed)

    @rule(failed=st.sampled_from(["", "", "", "down"]))
    def synthesise(self, failed: str) -> None:
        self.toy.synthesise(failed=failed)

    @precondition(lambda self: self.toy.of(c.Retrieve))
    @rule()
    def find(self) -> None:
        command = self.toy.of(c.Retrieve)[0]
        self.toy.open.pop(command.attempt)
        self.toy.feed(e.PassagesFound(command.turn, command.attempt, ()))

    @precondition(lambda self: self.toy.of(c.RunTool))
    @rule(outcome=st.sampled_from(["ok", "failed", "unknown"]))
    def run(self, outcome: str) -> None:
        command = self.toy.of(c.RunTool)[0]
        self.toy.open.pop(command.attempt)
        self.toy.feed(e.ToolEnded(command.turn, command.attempt, outcome, "{}"))  # type: ignore[arg-type]

    @precondition(lambda self: self.toy.of(c.Transfer))
    @rule(state=st.sampled_from(["ringing", "connected", "failed"]))
    def transfer(self, state: str) -> None:
        command = self.toy.of(c.Transfer)[0]
        if state != "ringing":
            self.toy.open.pop(command.attempt)
        self.toy.feed(e.TransferState(command.turn, command.attempt, state))  # type: ignore[arg-type]

    @rule()
    def hang_up(self) -> None:
        if self.toy.now > 30_000:
            self.toy.feed(e.HungUp("caller_hung_up"))

    # ------------------------------------------------------------ the contracts

    @invariant()
    def contracts(self) -> None:
        if not hasattr(self, "toy"):
            return
        new, self.seen = self.toy.log[self.seen :], len(self.toy.log)
        for now, command in new:
            self._decided(command, now)
            self._side_effects(command, now)
            self._adds_up(command)
        self._never_stuck()
        self._one_voice()

    def _decided(self, command: c.Command, now: int) -> None:
        match command:
            case c.TurnEnded(turn):
                self.committed[turn] = now
            case c.TurnReopened(turn):
                assert turn in self.committed
                del self.committed[turn]
            case c.Play(turn, _, cached):
                assert cached or turn in self.committed or turn == 0, "audio of an undecided turn was released"
            case c.Generate(_, _, request):
                self._history(request.messages)
            case _:
                pass

    def _side_effects(self, command: c.Command, now: int) -> None:
        """Contract 3: decided first, quiet first, never twice."""
        if isinstance(command, c.RunTool) and command.side_effects:
            assert command.turn in self.committed, "a side effect for a turn that was not decided"
            assert now - self.committed[command.turn] >= 300
            assert not self.speaking or now - self.spoke_at >= 2_500
            assert command.key not in self.keys, "a side effect ran twice"
            self.keys.add(command.key)

    def _adds_up(self, command: c.Command) -> None:
        """Contract 8."""
        if isinstance(command, c.Waterfall):
            assert sum(us for _, us in command.stages) == command.answer
            assert all(us >= 0 for _, us in command.stages)
            assert command.mouth_to_ear <= command.answer

    def _history(self, messages: tuple[Message, ...]) -> None:
        """Contract 2: every assistant word was heard; tool results follow their calls."""
        played: list[str] = []
        for clip in self.toy.clips.values():
            heard = clip.text.split()[
                : len([start for start in clip.words if start < max(clip.played, 1) and clip.played])
            ]
            played.extend(heard)
        for index, message in enumerate(messages):
            if message.role == "tool":
                before = [call.id for each in messages[:index] for call in each.tool_calls]
                assert message.tool_call_id in before
        # The last assistant messages of a running turn may still be on their way to the ear; older ones may not.
        settled = messages[:-1] if messages and messages[-1].role == "user" else ()
        for message in settled:
            if message.role == "assistant":
                said = message.text.split("[interrupted")[0].split()
                missing = [word for word in said if word not in played]
                assert not missing, f"history holds words nobody heard: {missing}"

    def _never_stuck(self) -> None:
        """Contracts 5 and 7: there is a deadline until the call has ended, and nothing after that."""
        if self.toy.finished:
            assert self.toy.call.next_deadline() is None
            assert not [
                key for key, op in self.toy.open.items() if isinstance(op, c.Generate | c.Retrieve | c.Transfer)
            ]
        else:
            assert self.toy.call.next_deadline() is not None

    def _one_voice(self) -> None:
        """Contract 1: what is queued belongs to one reply (its turn's), notices included."""
        turns = {clip.turn for clip in self.toy.queue}
        assert len(turns) <= 1, f"two replies are audible: {turns}"


Conversations.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestConversations = Conversations.TestCase


IDS = st.integers(0, 12)
ANY = st.one_of(
    st.builds(e.Answered, st.just(""), st.just("UTC")),
    st.builds(e.MediaUp),
    st.builds(e.SpeechStarted, IDS, IDS),
    st.builds(e.SpeechEnded, IDS, IDS),
    st.builds(e.Heard, st.sampled_from(["interim", "final", "eager", "resumed"]), SAYINGS, IDS, IDS),
    st.builds(e.HearingFailed, st.just("x")),
    st.builds(e.TurnScored, IDS, IDS, st.floats(0, 1)),
    st.builds(e.PassagesFound, IDS, IDS, st.just(())),
    st.builds(e.Token, IDS, IDS, st.sampled_from(["Yes. ", "and ", " "])),
    st.builds(e.ToolRequested, IDS, IDS, st.just("id"), TOOL_NAMES, st.just("{}")),
    st.builds(e.GenerationEnded, IDS, IDS, st.sampled_from(["", "down"])),
    st.builds(e.ClipAudio, IDS, IDS, IDS),
    st.builds(e.ClipReady, IDS, IDS, IDS, st.just((0, 3, 6)), st.sampled_from(["", "down"])),
    st.builds(e.PlayoutStarted, IDS, IDS),
    st.builds(e.PlayoutFinished, IDS, IDS),
    st.builds(e.PlayoutHeld, IDS, IDS, IDS, st.just((0, 3, 6))),
    st.builds(e.ToolEnded, IDS, IDS, st.sampled_from(["ok", "failed", "unknown"])),
    st.builds(e.TransferState, IDS, IDS, st.sampled_from(["ringing", "connected", "failed"])),
    st.builds(e.Dtmf, st.sampled_from("0#")),
    st.builds(e.HungUp, st.just("gone")),
    st.just(e.Tick()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(ANY, st.integers(0, 3_000)), max_size=60), st.booleans())
def test_any_order(events: list[tuple[e.Event, int]], streams: bool) -> None:
    """No order of events, however absurd, raises; the same order gives the same commands; hanging up is absorbing."""
    config = CallConfig(tools=(BOOK, LOOK), tts_streams_text=streams, emergency=Emergency(("gas leak",)))
    runs: list[list[c.Command]] = []
    for _ in range(2):
        call, now, made = Call(config), 0, []
        for event, step in [(e.Answered("", "UTC"), 0), *events, (e.HungUp("gone"), 0)]:
            now += step * 1_000
            call.handle(event, now)
            while (command := call.poll()) is not None:
                made.append(command)
        assert call.ended
        assert isinstance(made[-1], c.Finish)
        assert sum(isinstance(command, c.Finish) for command in made) == 1
        runs.append(made)
    assert runs[0] == runs[1]
