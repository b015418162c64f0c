"""The fakes pass the ports' suites: a test on a fake says something about the real thing."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.testing.conformance import llm, name_of, senses, stt, tts
from aivoice.testing.fakes import (
    FakeEmbedder,
    FakeLlm,
    FakeStt,
    FakeTts,
    FakeTurnDetector,
    FakeVad,
    LogNormal,
    Reply,
    SttBehaviour,
    TimedLlm,
    Truth,
    TtsBehaviour,
    Uniform,
    lay_out,
    scripted,
)
from aivoice.testing.faults import Injector
from aivoice.testing.faulty import FaultyLlm, FaultyStt, FaultyTts, FaultyVad
from aivoice.testing.sound import voice_pcm
from aivoice.testing.virtual_time import run_virtual

TEXT = "I would like to book a cleaning on Tuesday please."
START = SAMPLE_RATE // 2
NO_FAULTS = random.Random(0)


def _speech(*, pcm: bool) -> tuple[Truth, list[AudioChunk], int]:
    truth = Truth()
    frames: list[AudioChunk] = []
    words = lay_out(TEXT, START)
    # The same words again and again, so that the suites may repeat the speech later.
    for repeat in range(40):
        truth.add(*lay_out(TEXT, START + repeat * 32 * SAMPLE_RATE))
    end = words[-1].end - words[-1].end % FRAME_SAMPLES
    for position in range(0, end + SAMPLE_RATE // 2, FRAME_SAMPLES):
        voiced = START <= position < end
        frames.append(
            AudioChunk(position, FRAME_SAMPLES, voice_pcm(position, FRAME_SAMPLES, voiced=voiced))
            if pcm
            else AudioChunk(position, FRAME_SAMPLES, None, voiced)
        )
    return truth, frames, end


def _truth_twice(truth: Truth, frames: list[AudioChunk]) -> Truth:
    """The utterance at its place and once more where the suite repeats it."""
    only = Truth()
    only.add(*lay_out(TEXT, START))
    second = frames[-1].end + SAMPLE_RATE // 2
    only.add(*lay_out(TEXT, START + second))
    return only


STT_BEHAVIOURS = {
    "reference": SttBehaviour(),
    "no-interims": SttBehaviour(interims=False),
    "erratic": SttBehaviour(revise=0.3, late_final=0.5, final=LogNormal(300, 0.5), full=Uniform(100, 400)),
}


@pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
@pytest.mark.parametrize("behaviour", STT_BEHAVIOURS.values(), ids=STT_BEHAVIOURS.keys())
@pytest.mark.parametrize("pcm", [False, True], ids=["spans", "pcm"])
def test_stt(check: Callable[[stt.Subject], Awaitable[None]], behaviour: SttBehaviour, pcm: bool) -> None:
    truth, frames, end = _speech(pcm=pcm)
    provider = FakeStt(_truth_twice(truth, frames), behaviour, rng=random.Random(5))
    wrapped = FaultyStt(provider, Injector("stt", (), NO_FAULTS))
    run_virtual(check(stt.Subject(wrapped, frames, START, end, TEXT)))  # type: ignore[arg-type]
    assert provider.open_streams == 0


REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open on Saturday?"),))
TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {}}, side_effects=True)
TOOL_REQUEST = GenerationRequest("You are the receptionist.", (TOOL,), (Message("user", "Book it."),))


@pytest.mark.parametrize("check", llm.CHECKS, ids=name_of)
@pytest.mark.parametrize("timed", [False, True], ids=["fake", "timed"])
def test_llm(check: Callable[[llm.Subject], Awaitable[None]], timed: bool) -> None:
    def author(request: GenerationRequest) -> Reply:
        return Reply("One moment.", (("book", "{}"),)) if request.tools else Reply("Yes, from nine to noon.")

    fake = FakeLlm(author)
    provider = TimedLlm(fake) if timed else FaultyLlm(fake, Injector("llm", (), NO_FAULTS))
    run_virtual(check(llm.Subject(provider, REQUEST, TOOL_REQUEST)))  # type: ignore[arg-type]
    assert fake.running == 0


TTS_BEHAVIOURS = {
    "reference": TtsBehaviour(),
    "clauses": TtsBehaviour(streams_text=False),
    "real-time": TtsBehaviour(real_time=True),
    "pcm": TtsBehaviour(pcm=True),
    "pcm-real-time-unmarked": TtsBehaviour(pcm=True, real_time=True, marks=False),
}


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
@pytest.mark.parametrize("behaviour", TTS_BEHAVIOURS.values(), ids=TTS_BEHAVIOURS.keys())
def test_tts(check: Callable[[tts.Subject], Awaitable[None]], behaviour: TtsBehaviour) -> None:
    provider = FakeTts(behaviour)
    wrapped = FaultyTts(provider, Injector("tts", (), NO_FAULTS))
    run_virtual(check(tts.Subject(wrapped)))  # type: ignore[arg-type]
    assert provider.open_streams == 0


@pytest.mark.parametrize("check", senses.VAD_CHECKS, ids=name_of)
@pytest.mark.parametrize("pcm", [False, True], ids=["spans", "pcm"])
def test_vad(check: Callable[[senses.VadSubject], Awaitable[None]], pcm: bool) -> None:
    _, frames, end = _speech(pcm=pcm)
    provider = FakeVad()
    wrapped = FaultyVad(provider, Injector("vad", (), NO_FAULTS))
    run_virtual(check(senses.VadSubject(wrapped, frames, START, end)))  # type: ignore[arg-type]
    assert provider.open_streams == 0


@pytest.mark.parametrize("check", senses.TURN_CHECKS, ids=name_of)
def test_turn_detector(check: Callable[[senses.TurnSubject], Awaitable[None]]) -> None:
    run_virtual(check(senses.TurnSubject(FakeTurnDetector(), TEXT, voice_pcm(0, SAMPLE_RATE))))  # type: ignore[arg-type]


@pytest.mark.parametrize("check", senses.EMBEDDER_CHECKS, ids=name_of)
def test_embedder(check: Callable[[senses.EmbedderSubject], Awaitable[None]]) -> None:
    run_virtual(check(senses.EmbedderSubject(FakeEmbedder())))  # type: ignore[arg-type]


def test_scripted_replies_follow_the_turns() -> None:
    author = scripted(["Hello.", "Goodbye."])
    first = GenerationRequest("", (), (Message("user", "a"),))
    second = GenerationRequest("", (), (Message("user", "a"), Message("assistant", "Hello."), Message("user", "b")))
    assert [author(first).text, author(second).text] == ["Hello.", "Goodbye."]
