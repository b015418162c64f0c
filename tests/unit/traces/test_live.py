"""The live view: whatever comes, in whatever order, it holds; and a latecomer sees what an early reader sees."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.browser.scripted import GREETING, MS, script

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.prompt import GenerationRequest, Passage
from aivoice.traces.build import build_trace, to_json, trace_of
from aivoice.traces.live import Change, LiveView
from aivoice.traces.reduce import Item
from aivoice.traces.transcript import remainder, render_transcript
from aivoice.traces.waterfall_svg import render_waterfall

numbers = st.integers(0, 3)
texts = st.sampled_from(["", "yes", "When are you open?", "a <b> & `c` *d*", "\x00\n|"])
times = st.integers(0, 5_000_000)
STAGE = st.tuples(st.sampled_from(["vad", "tts", "playout", "odd"]), st.integers(0, 3_000_000))

items: st.SearchStrategy[Item] = st.one_of(
    st.builds(e.Answered, texts, texts),
    st.just(e.MediaUp()),
    st.builds(e.HungUp, texts),
    st.builds(e.Dtmf, st.sampled_from("0*#")),
    st.builds(e.TransferState, numbers, numbers, st.sampled_from(["ringing", "connected", "failed"])),
    st.builds(e.SpeechStarted, times, times),
    st.builds(e.SpeechEnded, times, times),
    st.builds(e.Heard, st.sampled_from(["interim", "final", "eager", "resumed"]), texts, times, times),
    st.builds(e.HearingFailed, texts),
    st.builds(e.PassagesFound, numbers, numbers, st.just((Passage("text", "hours.md"),))),
    st.builds(e.Token, numbers, numbers, texts),
    st.builds(e.Usage, numbers, numbers, numbers, numbers),
    st.builds(e.GenerationEnded, numbers, numbers, texts),
    st.builds(e.ClipAudio, numbers, numbers, times),
    st.builds(e.ClipReady, numbers, numbers, times, st.just(()), texts),
    st.builds(e.PlayoutStarted, numbers, numbers),
    st.builds(e.PlayoutFinished, numbers, numbers),
    st.builds(e.PlayoutHeld, numbers, numbers, times),
    st.builds(e.ToolAccepted, numbers, numbers),
    st.builds(e.ToolEnded, numbers, numbers, st.sampled_from(["ok", "failed", "unknown"]), texts),
    st.builds(e.ProviderAttempt, st.sampled_from(["stt", "tts"]), texts, st.sampled_from(["failed", "useful"])),
    st.just(e.Tick()),
    st.builds(c.Generate, numbers, numbers, st.just(GenerationRequest("", (), ())), st.booleans()),
    st.builds(c.Speak, numbers, numbers, texts, st.booleans()),
    st.builds(c.Play, numbers, numbers, st.sampled_from(["", "greeting", "unheard of"])),
    st.just(c.Hold()),
    st.just(c.Resume()),
    st.just(c.Stop()),
    st.builds(c.Cancel, numbers, numbers),
    st.builds(c.RunTool, numbers, numbers, texts, texts, texts, texts, st.booleans(), numbers),
    st.builds(c.Transfer, numbers, numbers, texts, texts),
    st.builds(c.Finish, texts),
    st.builds(c.TurnEnded, numbers, texts, texts),
    st.builds(c.TurnReopened, numbers, texts),
    st.builds(c.ReplyEnded, numbers, numbers, texts, st.sampled_from(["finished", "interrupted", "discarded"]), texts),
    st.builds(c.Waterfall, numbers, st.lists(STAGE, max_size=8).map(tuple), times, times, st.booleans()),
    st.builds(c.Note, st.sampled_from(["carried_on", "ignored_words", "late_final", "stale", "new"]), numbers),
)
records = st.lists(st.tuples(st.integers(0, 100_000), items), max_size=40)


class Picture:
    """What a page shows after the changes it was sent."""

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self.state = "connecting"
        self.ended = ""

    def take(self, changes: list[Change]) -> None:
        for change in changes:
            match change["op"]:
                case "put":
                    self.entries[change["entry"]["id"]] = change["entry"]
                case "state":
                    self.state = change["state"]
                case _:
                    self.ended = "ended: " + change["reason"]

    def shown(self) -> tuple[Any, ...]:
        return self.entries, self.state, self.ended


@given(records, st.integers(0, 40))
@example([(0, e.Heard("interim", "yes", 0, 0)), (0, e.SpeechEnded(0, 0))], 2)
@example([(0, e.PlayoutStarted(0, 0)), (0, e.PlayoutFinished(0, 0))], 2)
@settings(max_examples=150, deadline=None)
def test_a_latecomer_sees_what_an_early_reader_sees(stream: list[tuple[int, Item]], joined: int) -> None:
    view, early, late = LiveView({"greeting": GREETING}), Picture(), Picture()
    now = 0
    for number, (gap, item) in enumerate(stream):
        if number == joined:
            late.take(view.snapshot())
        now += gap
        changes = view.apply(now, item)
        early.take(changes)
        if number >= joined:
            late.take(changes)
    if joined >= len(stream):
        late.take(view.snapshot())
    assert early.shown() == late.shown()


@given(records)
@settings(max_examples=150, deadline=None)
def test_any_record_gives_a_trace_whose_figures_add_up(stream: list[tuple[int, Item]]) -> None:
    now, timed = 0, list[tuple[int, Item]]()
    for gap, item in stream:
        now += gap
        timed.append((now, item))
    trace = trace_of(timed, call_id="c", business="b", clips={"greeting": GREETING})
    for turn in trace.turns:
        if turn.waterfall is not None:
            assert abs(sum(ms for _, ms in turn.waterfall.stages) - turn.waterfall.total_ms) < 1e-6
            assert all(ms >= 0 for _, ms in turn.waterfall.stages)
    assert [entry.at_ms for entry in trace.entries] == sorted(entry.at_ms for entry in trace.entries)
    assert trace.usage.generations == sum(isinstance(item, c.Generate) for _, item in stream)
    assert to_json(trace)["format"] == 1
    assert render_transcript(trace).endswith("\n")
    ET.fromstring(render_waterfall(trace))


def scripted_view() -> LiveView:
    view = LiveView({"greeting": GREETING, "filler.book_appointment": "One moment, I am booking that for you."})
    for at_ms, item in script():
        view.apply(at_ms * MS, item)
    return view


def test_the_states_of_a_conversation() -> None:
    view, states = LiveView(), list[tuple[int, str]]()
    for at_ms, item in script():
        states += [(at_ms, change["state"]) for change in view.apply(at_ms * MS, item) if change["op"] == "state"]
    assert states == [
        (40, "listening"),
        (60, "speaking"),
        (1600, "listening"),
        (2000, "hearing"),
        (2800, "listening"),
        (3010, "thinking"),
        (3014, "speaking"),
        (4310, "paused"),
        (4610, "speaking"),
        (5210, "paused"),
        (5510, "hearing"),
        (6200, "listening"),
        (6510, "thinking"),
        (6520, "working"),
        (6700, "speaking"),
        (7600, "working"),
        (7700, "listening"),
        (7990, "speaking"),
        (9800, "listening"),
    ]


def test_interims_settle_into_one_line_and_a_listening_noise_is_no_turn() -> None:
    trace = build_trace(scripted_view().reducer, call_id="c")
    said = [(entry.text, entry.status, entry.turn) for entry in trace.entries if entry.kind == "caller"]
    assert said == [
        ("When are you open on Saturdays?", "turn", 1),
        ("mm-hm", "backchannel", None),
        ("Okay, can I book Wednesday at three? Ana Lopez.", "turn", 2),
    ]


def test_a_reopened_turn_joins_and_leaves_one_line() -> None:
    view = LiveView()
    stream: list[Item] = [
        e.MediaUp(),
        e.SpeechStarted(0, 100),
        e.Heard("final", "I would like", 0, 1),
        e.SpeechEnded(0, 200),
        c.TurnEnded(1, "I would like", "it could be complete"),
        e.SpeechStarted(0, 300),
        e.Heard("interim", "to book", 0, 1),
        c.ReplyEnded(1, 5, "", "discarded", "the caller spoke"),
        c.TurnReopened(1, "the caller spoke"),
        e.Heard("interim", "to book a cleaning", 0, 1),
        e.SpeechEnded(0, 400),
        e.Heard("final", "to book a cleaning.", 0, 1),
        c.TurnEnded(1, "I would like to book a cleaning.", "complete"),
    ]
    picture, texts_seen = Picture(), list[str]()
    for number, item in enumerate(stream):
        picture.take(view.apply(number * 100, item))
        texts_seen += [entry["text"] for entry in picture.entries.values() if entry["kind"] == "caller"]
    lines = [entry for entry in picture.entries.values() if entry["kind"] == "caller" and entry["text"]]
    assert [(line["text"], line["status"]) for line in lines] == [("I would like to book a cleaning.", "turn")]
    assert "I would like to book a cleaning" in texts_seen
    trace = build_trace(view.reducer, call_id="c")
    assert trace.usage.discarded == 1
    told = [note.text for note in trace.entries if note.kind == "note"]
    assert "The reply was thrown away because the caller spoke." in told
    assert "Turn 1 was reopened because the caller spoke." in told


def test_a_call_ends_only_after_its_last_words_are_accounted_for() -> None:
    view, picture = LiveView(), Picture()
    stream: list[Item] = [
        e.MediaUp(),
        c.Speak(1, 4, "We open at eight on Mondays.", True),
        c.Play(1, 4),
        e.PlayoutStarted(1, 4),
        e.HungUp("caller_hung_up"),
        c.Stop(),
        c.ReplyEnded(1, 4, "We open at", "interrupted", "caller_hung_up"),
        c.Finish("caller_hung_up"),
    ]
    for number, item in enumerate(stream):
        picture.take(view.apply(number, item))
    assert picture.ended == "ended: caller_hung_up"
    (reply,) = [entry for entry in picture.entries.values() if entry["kind"] == "agent"]
    assert (reply["heard"], reply["status"]) == ("We open at", "interrupted")


def test_sentences_that_were_never_begun_are_lost_too() -> None:
    stream: list[Item] = [
        e.MediaUp(),
        c.Speak(1, 4, "We open at eight. ", True),
        c.Play(1, 4),
        c.Speak(1, 5, "On Fridays we close at one.", True),
        c.Play(1, 5),
        e.PlayoutStarted(1, 4),
        c.Hold(),
        c.Stop(),
        c.ReplyEnded(1, 4, "We open at", "interrupted", "the caller spoke"),
    ]
    (reply,) = [entry for entry in trace_of(list(enumerate(stream)), call_id="c").entries if entry.kind == "agent"]
    assert reply.text == "We open at eight. On Fridays we close at one."
    assert remainder(reply) == "eight. On Fridays we close at one."


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("closed text, 0 ms after the end of speech", "the words sounded finished"),
        (
            "dangling text, 1600 ms after the end of speech",
            "the words sounded unfinished, but nothing more came and 1,600 ms of silence had passed",
        ),
        ("an emergency phrase was said", "an emergency phrase was said"),
        ("novel text, 5 ms after the end of speech", "novel text, 5 ms after the end of speech"),
        ("", ""),
    ],
)
def test_why_a_turn_ended_is_told_in_plain_words(why: str, told: str) -> None:
    trace = trace_of([(0, c.TurnEnded(3, "Hello", why))], call_id="c")
    sentences = [entry.text for entry in trace.entries if entry.kind == "note"]
    assert sentences == [f"Turn 3 ended because {told}." if told else "Turn 3 ended."]
