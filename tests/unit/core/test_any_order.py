"""Events that make no sense at all, in any order: nothing raises, and what is the same stays the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.test_contracts import BOOK, LOOK

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig, Emergency

SAYINGS = st.sampled_from(
    ["what are your opening hours?", "book it for monday, yes please", "I'd like a", "mm-hm", "wait stop", "", "yes",
     "my number is five five five", "I want to speak to a person", "gas leak", "and on sunday then?", "we open at nine"]
)  # fmt: skip
TOOL_NAMES = st.sampled_from(["book", "look", "nonsense", "end_call", "transfer"])
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
        made: list[c.Command] = []
        call, now = Call(config), 0
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
